"""Stands between libhdf5 and a file, and keeps from it the global heaps in which it would go round for ever.

Texts of variable length lie in collections of a global heap: objects one behind the other, each with its size.  libhdf5
walks them by those sizes (``H5HG__cache_heap_deserialize``, ``H5HGcache.c``, 1.14) and never ends where free space is 0
bytes long, as it is where a download was filled up with zeros, or where a size is so large that it leads backwards.
Other damage libhdf5 finds by itself.

Source: HDF5 File Format Specification 3.0, III.E.  Only the child process imports this module.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

from modelreg.inspect import limits

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_SIGNATURE = b"GCOL"
_HEADER_SIZE_BYTES = 16
"""Of a collection, and of an object: both are aligned to 8 bytes, whether lengths have 4 bytes or 8."""
_LENGTH_AT = 8


class UnreadHeapError(OSError):
    """A collection that libhdf5 would never be done with, or one beyond the bounds."""


class GuardedStream(io.RawIOBase):
    """``stream``, from which a collection that has no end is not read: ``UnreadHeapError``."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self._length_size = _length_size(stream)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._stream.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._stream.seek(offset, whence)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """What ``stream`` gives, after a look at it where it begins with the signature of a collection."""
        start = self._stream.tell()
        count: int = self._stream.readinto(buffer)  # type: ignore[attr-defined]  # every stream here has it
        if memoryview(buffer).cast("B")[:4] == _SIGNATURE:
            self._check_collection(start)
            self._stream.seek(start + count)
        return count

    def _check_collection(self, start: int) -> None:
        size = self._header(start)[1]
        if size > limits.HEAP_COLLECTION_SIZE_BYTES_MAX:
            detail = f"is {size:,} bytes long; at most {limits.HEAP_COLLECTION_SIZE_BYTES_MAX:,} are read"
            raise UnreadHeapError(f"the global heap at byte {start:,} {detail}")
        at = _HEADER_SIZE_BYTES
        for _ in range(limits.HEAP_OBJECTS_MAX):
            if at + _HEADER_SIZE_BYTES > size:
                return
            index, taken = self._header(start + at)
            if index:
                taken = (_HEADER_SIZE_BYTES + (taken + 7) // 8 * 8) % (1 << 64)
            if taken == 0 or taken >= 1 << 63:
                raise UnreadHeapError(f"the object at byte {start + at:,}, of a global heap, has no end")
            at += taken
        raise UnreadHeapError(f"the global heap at byte {start:,} holds more than {limits.HEAP_OBJECTS_MAX:,} objects")

    def _header(self, start: int) -> tuple[int, int]:
        """Index and size of an object; of a collection the size.  What the file ends in is left to libhdf5."""
        self._stream.seek(start)
        header = self._stream.read(_HEADER_SIZE_BYTES)
        if len(header) < _HEADER_SIZE_BYTES:
            return 0, limits.HEAP_COLLECTION_SIZE_BYTES_MAX
        length = header[_LENGTH_AT : _LENGTH_AT + self._length_size]
        return int.from_bytes(header[:2], "little"), int.from_bytes(length, "little")


def _length_size(stream: BinaryIO) -> int:
    """The size of lengths that the superblock gives (byte 14 before version 2, byte 10 since)."""
    stream.seek(0)
    superblock = stream.read(16).ljust(16, b"\0")
    return superblock[14] if superblock[8] < 2 else superblock[10]
