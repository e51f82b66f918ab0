"""Read-only views of an artifact's bytes, with offsets that stay those of the artifact's file.

Invariants:

* Nothing here writes, and no name is ever opened: readers see only descriptors that they were given.
* A descriptor's stream keeps its own position, so that the parent, which shares the descriptor, is not disturbed.
* A window ends where it says: what lies behind it in the file cannot be read through it.
"""

from __future__ import annotations

import abc
import io
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from modelreg.inspect import limits
from modelreg.inspect.progress import Coverage, Progress, Untold

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER_SIZE_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of the artifact: relative POSIX ``path``, real size, and a seekable stream of its bytes."""

    path: str
    size_bytes: int
    stream: BinaryIO

    def read_at(self, offset: int, size_bytes: int) -> bytes:
        """The bytes at ``offset``; fewer at the end of the file, none beyond it or before its beginning."""
        if offset < 0:
            return b""  # the directory of a damaged archive can say so
        self.stream.seek(offset)
        return self.stream.read(size_bytes)


def descriptor_stream(descriptor: int, size_bytes: int, progress: Progress | None = None) -> BinaryIO:
    """The bytes of an open file descriptor, which is neither moved nor closed; reading new ones is progress."""
    coverage = Coverage(size_bytes, progress or Untold())
    return io.BufferedReader(_Descriptor(descriptor, size_bytes, coverage), _BUFFER_SIZE_BYTES)


def window(stream: BinaryIO, offset: int, size_bytes: int) -> BinaryIO:
    """The run of ``size_bytes`` at ``offset`` of ``stream`` as a stream of its own, beginning at 0."""
    return io.BufferedReader(_Window(stream, offset, size_bytes), _BUFFER_SIZE_BYTES)


def unread() -> BinaryIO:
    """Stands for a file of which only path and size were given; reading it is an ``io.UnsupportedOperation``."""
    return io.BufferedReader(_Unread(size_bytes=1))


class _Positioned(io.RawIOBase):
    """A raw stream of known size; subclasses fill a buffer from an offset."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__()
        self._size_bytes = size_bytes
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size_bytes}[whence]
        if start + offset < 0:
            raise OSError(f"seek to {start + offset}, before the beginning")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), max(0, self._size_bytes - self._position))
        got = self._fill(view[:wanted]) if wanted else 0
        self._position += got
        return got

    @abc.abstractmethod
    def _fill(self, view: memoryview) -> int:
        """Fill ``view`` from the current position; returns the bytes read."""


class _Descriptor(_Positioned):
    def __init__(self, descriptor: int, size_bytes: int, coverage: Coverage) -> None:
        super().__init__(size_bytes)
        self._descriptor = descriptor
        self._coverage = coverage

    def _fill(self, view: memoryview) -> int:
        """In pieces no larger than what is one sign of work, so that a slow disk shows that it is read."""
        view = view[: limits.PROGRESS_SIZE_BYTES]
        got = os.preadv(self._descriptor, [view], self._position)
        self._coverage.read(self._position, got)
        return got


class _Window(_Positioned):
    def __init__(self, stream: BinaryIO, offset: int, size_bytes: int) -> None:
        super().__init__(size_bytes)
        self._stream = stream
        self._offset = offset

    def _fill(self, view: memoryview) -> int:
        self._stream.seek(self._offset + self._position)
        return self._stream.readinto(view)  # type: ignore[attr-defined, no-any-return]  # every stream here has it


class _Unread(_Positioned):
    def _fill(self, view: memoryview) -> int:  # noqa: ARG002  (the base class's signature)
        raise io.UnsupportedOperation("this file was given by path and size only")
