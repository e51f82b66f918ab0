"""Reads FlatBuffers tables at random from a distrusted file, without loading it.

Invariants: every offset is checked against the file's size before it is followed; vectors are bounded by what the file
can hold and by a given count; reads only go where a caller asks, so a cycle of tables cannot make an endless loop.
The only error raised is ``FlatbufferError``.

Source: FlatBuffers "Internals" (tables, vtables, vectors, strings; all little-endian, offsets relative to themselves).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from modelreg.inspect import limits
from modelreg.inspect.source import SourceFile
from modelreg.inspect.text import plain


class FlatbufferError(ValueError):
    """The bytes are not such a buffer, or one beyond the bounds."""


@dataclass(frozen=True, slots=True)
class Vector:
    """``length`` elements, the first of them at byte ``start`` of the file."""

    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Table:
    """One table: byte ``position`` of the file, and its vtable's position and size."""

    file: SourceFile
    position: int
    vtable: int
    vtable_size_bytes: int

    def integer(self, slot: int, size_bytes: int, *, signed: bool = False, default: int = 0) -> int:
        """The scalar in field ``slot``, or ``default`` where the table leaves it out."""
        at = self._place(slot)
        return default if at is None else _integer(self.file, at, size_bytes, signed=signed)

    def table(self, slot: int) -> Table | None:
        at = self._place(slot)
        return None if at is None else table_at(self.file, _follow(self.file, at))

    def vector(self, slot: int, item_size_bytes: int, count_max: int) -> Vector | None:
        """The vector in field ``slot``, whose elements are sure to lie within the file."""
        at = self._place(slot)
        if at is None:
            return None
        start = _follow(self.file, at)
        length = _integer(self.file, start, 4)
        if length > count_max or start + 4 + length * item_size_bytes > self.file.size_bytes:
            raise FlatbufferError(f"the vector at byte {start:,} claims {length:,} elements")
        return Vector(start + 4, length)

    def tables(self, slot: int, count_max: int) -> Iterator[Table]:
        """The tables of a vector of tables."""
        vector = self.vector(slot, 4, count_max)
        for index in range(vector.length if vector else 0):
            yield table_at(self.file, _follow(self.file, (vector.start if vector else 0) + 4 * index))

    def integers(self, slot: int, count_max: int) -> tuple[int, ...]:
        """A vector of signed 32-bit numbers."""
        vector = self.vector(slot, 4, count_max)
        if vector is None:
            return ()
        return tuple(_integer(self.file, vector.start + 4 * index, 4, signed=True) for index in range(vector.length))

    def text(self, slot: int) -> str:
        """A string, cut to the bound of names."""
        vector = self.vector(slot, 1, self.file.size_bytes)
        if vector is None:
            return ""
        data = self.file.read_at(vector.start, min(vector.length, 4 * limits.TEXT_LENGTH_MAX))
        return plain(data.decode("utf-8", "replace"))

    def _place(self, slot: int) -> int | None:
        entry = 4 + 2 * slot
        if entry + 2 > self.vtable_size_bytes:
            return None
        offset = _integer(self.file, self.vtable + entry, 2)
        return self.position + offset if offset else None


def root_table(file: SourceFile) -> Table:
    """The table that the buffer's first word points to."""
    return table_at(file, _follow(file, 0))


def table_at(file: SourceFile, position: int) -> Table:
    """The table at byte ``position``; its vtable stands where its first word, a signed distance, says."""
    vtable = position - _integer(file, position, 4, signed=True)
    return Table(file, position, vtable, _integer(file, vtable, 2))


def _follow(file: SourceFile, position: int) -> int:
    return position + _integer(file, position, 4)


def _integer(file: SourceFile, position: int, size_bytes: int, *, signed: bool = False) -> int:
    if position < 0 or position + size_bytes > file.size_bytes:
        raise FlatbufferError(f"byte {position:,} is pointed to, but the file has {file.size_bytes:,}")
    return int.from_bytes(file.read_at(position, size_bytes), "little", signed=signed)
