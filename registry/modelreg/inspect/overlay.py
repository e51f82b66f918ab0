"""A file that can be written to without being changed: writes are kept in memory, page by page.

Invariants: the bytes underneath are only read; what is kept is bounded, whatever a library writes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from modelreg.inspect import limits
from modelreg.inspect.pieces import Piece

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

PAGE_SIZE_BYTES = 4096


class TooMuchWrittenError(OSError):
    """More was written than a changed configuration takes."""


class Overlay(io.RawIOBase):
    """The bytes of ``stream``, of ``size_bytes``, with what was written over them."""

    def __init__(self, stream: BinaryIO, size_bytes: int) -> None:
        super().__init__()
        self._stream = stream
        self._original_size_bytes = size_bytes
        self._size_bytes = size_bytes
        self._position = 0
        self._pages: dict[int, bytearray] = {}

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
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

    def truncate(self, size: int | None = None, /) -> int:
        size = self._position if size is None else size
        self._check_size(size)
        for number in [number for number in self._pages if number * PAGE_SIZE_BYTES >= size]:
            del self._pages[number]
        if size < self._size_bytes:  # what lay behind the new end must not come back when it grows again
            start = size % PAGE_SIZE_BYTES
            if start:
                page = self._page(size // PAGE_SIZE_BYTES)
                page[start:] = bytes(PAGE_SIZE_BYTES - start)
            self._original_size_bytes = min(self._original_size_bytes, size)
        self._size_bytes = size
        return size

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), max(0, self._size_bytes - self._position))
        for number, start, stop, at in _runs(self._position, wanted):
            page = self._pages.get(number)
            view[at : at + stop - start] = (page or self._read(number))[start:stop]
        self._position += wanted
        return wanted

    def write(self, data: ReadableBuffer, /) -> int:
        view = memoryview(data).cast("B")
        self._check_size(self._position + len(view))
        for number, start, stop, at in _runs(self._position, len(view)):
            self._page(number)[start:stop] = view[at : at + stop - start]
        self._position += len(view)
        self._size_bytes = max(self._size_bytes, self._position)
        return len(view)

    def pieces(self) -> list[Piece]:
        """The file as it is now: runs of the original, and what was written."""
        pieces: list[Piece] = []
        at = 0
        for start, data in self._written():
            end = min(start, self._original_size_bytes)
            if end > at:
                pieces.append(Piece(at, end - at))
            if start > max(at, end):
                pieces.append(Piece.new(bytes(start - max(at, end))))
            pieces.append(Piece.new(data))
            at = start + len(data)
        end = min(self._size_bytes, self._original_size_bytes)
        if end > at:
            pieces.append(Piece(at, end - at))
        if self._size_bytes > max(at, end):
            pieces.append(Piece.new(bytes(self._size_bytes - max(at, end))))
        return pieces

    def _written(self) -> Iterator[tuple[int, bytes]]:
        """Runs of adjoining pages, cut at the file's end."""
        run, first = bytearray(), 0
        for number in sorted(self._pages):
            if run and number * PAGE_SIZE_BYTES != first + len(run):
                yield first, bytes(run)
                run = bytearray()
            if not run:
                first = number * PAGE_SIZE_BYTES
            run += self._pages[number]
        if run:
            yield first, bytes(run[: self._size_bytes - first])

    def _page(self, number: int) -> bytearray:
        page = self._pages.get(number)
        if page is None:
            if (len(self._pages) + 1) * PAGE_SIZE_BYTES > limits.REWRITTEN_SIZE_BYTES_MAX:
                raise TooMuchWrittenError(f"rewriting it takes over {limits.REWRITTEN_SIZE_BYTES_MAX:,} bytes")
            page = self._pages[number] = bytearray(self._read(number))
        return page

    def _read(self, number: int) -> bytes:
        start = number * PAGE_SIZE_BYTES
        size_bytes = max(0, min(PAGE_SIZE_BYTES, self._original_size_bytes - start))
        self._stream.seek(start)
        return (self._stream.read(size_bytes) if size_bytes else b"").ljust(PAGE_SIZE_BYTES, b"\0")

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._size_bytes + limits.REWRITTEN_SIZE_BYTES_MAX:
            raise TooMuchWrittenError(f"rewriting it makes it {size_bytes:,} bytes long")


def _runs(position: int, size_bytes: int) -> Iterator[tuple[int, int, int, int]]:
    """Page, start and stop within it, and offset from ``position``, for each page that the run touches."""
    at = 0
    while at < size_bytes:
        number, start = divmod(position + at, PAGE_SIZE_BYTES)
        stop = min(PAGE_SIZE_BYTES, start + size_bytes - at)
        yield number, start, stop, at
        at += stop - start
