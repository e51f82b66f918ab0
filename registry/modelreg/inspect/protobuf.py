"""Reads the protocol buffers wire format from distrusted bytes, without schemas and without copying.

Invariants:

* Nothing outside the given view is read, and every length is checked against what remains before it is used.
* The number of fields of one ``Budget`` is bounded, however messages are nested, so a crafted file cannot make a reader
  work for longer than an honest one of the same bound.
* The only error raised is ``ProtobufError``; depth is bounded by the reader that descends, for the format itself
  cannot tell a message from text.

Source: protobuf.dev, "Encoding" (varints, tags, length-delimited records, packed fields).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from modelreg.inspect import limits

_VARINT_LENGTH_MAX = 10


class ProtobufError(ValueError):
    """The bytes are not a protocol buffers message, or one beyond the bounds."""


class Wire(enum.IntEnum):
    """How a field's value is laid out; the two group types of proto1 are refused."""

    VARINT = 0
    FIXED64 = 1
    BYTES = 2
    FIXED32 = 5


@dataclass(frozen=True, slots=True)
class Field:
    """One field: ``number`` of the schema, and its value as an unsigned integer or as a view of its bytes.

    ``offset`` is where the value begins, counted from the start of the view that ``fields`` was given.
    """

    number: int
    wire: Wire
    value: int | memoryview
    offset: int

    @property
    def data(self) -> memoryview:
        """The value of a length-delimited field; raises ``ProtobufError`` for any other."""
        if isinstance(self.value, int):
            raise ProtobufError(f"field {self.number} holds a number where bytes belong")
        return self.value

    @property
    def uint(self) -> int:
        """The value of a numeric field; raises ``ProtobufError`` for a length-delimited one."""
        if not isinstance(self.value, int):
            raise ProtobufError(f"field {self.number} holds bytes where a number belongs")
        return self.value

    @property
    def int64(self) -> int:
        """The value as ``int64`` or ``int32`` writes it, in two's complement of 64 bits."""
        return self.uint - (1 << 64) if self.uint >> 63 else self.uint

    def text(self) -> str:
        """The value as UTF-8, with what is none replaced."""
        return self.data.tobytes().decode("utf-8", "replace")

    def varints(self) -> Iterator[int]:
        """The elements of a repeated integer field, packed or not, in two's complement of 64 bits."""
        if isinstance(self.value, int):
            yield self.int64
            return
        position = 0
        while position < len(self.value):
            number, position = read_varint(self.value, position)
            yield number - (1 << 64) if number >> 63 else number


@dataclass(slots=True)
class Budget:
    """How many more fields may be read; shared by every message of one file."""

    remaining: int = limits.PROTOBUF_FIELDS_MAX

    def spend(self) -> None:
        self.remaining -= 1
        if self.remaining < 0:
            raise ProtobufError(f"more than {limits.PROTOBUF_FIELDS_MAX:,} fields")


def read_varint(view: memoryview, position: int) -> tuple[int, int]:
    """The unsigned 64-bit number at ``position`` and the position behind it."""
    number = 0
    for index in range(_VARINT_LENGTH_MAX):
        if position + index >= len(view):
            raise ProtobufError(f"a number at byte {position} is cut off by the end")
        byte = view[position + index]
        number |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if number >> 64:
                break
            return number, position + index + 1
    raise ProtobufError(f"the number at byte {position} has more than 64 bits")


def fields(view: memoryview, budget: Budget) -> Iterator[Field]:
    """The fields of one message, in the file's order; raises ``ProtobufError`` where the bytes stop making sense."""
    position = 0
    while position < len(view):
        budget.spend()
        tag, position = read_varint(view, position)
        number, wire = tag >> 3, tag & 7
        if not 1 <= number < 1 << 29:
            raise ProtobufError(f"field number {number} before byte {position} is out of range")
        field, position = _read_value(view, position, number, wire)
        yield field


def _read_value(view: memoryview, position: int, number: int, wire: int) -> tuple[Field, int]:
    match wire:
        case Wire.VARINT:
            value, end = read_varint(view, position)
            return Field(number, Wire.VARINT, value, position), end
        case Wire.FIXED64 | Wire.FIXED32:
            size = 8 if wire == Wire.FIXED64 else 4
        case Wire.BYTES:
            size, position = read_varint(view, position)
        case _:
            raise ProtobufError(f"wire type {wire} of field {number} before byte {position} is unknown")
    end = position + size
    if end > len(view):
        raise ProtobufError(
            f"field {number} at byte {position} is {size:,} bytes long, but {len(view) - position:,} remain"
        )
    piece = view[position:end]
    value_or_view = piece if wire == Wire.BYTES else int.from_bytes(piece, "little")
    return Field(number, Wire(wire), value_or_view, position), end
