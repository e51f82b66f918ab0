"""Counts the bulk of a reader's work, so that long work can be told from a reader that hangs.

Bulk is each page of a file that is read for the first time, and each block of values that a digest is taken of.  Both
have an end that the artifact's size sets: a parser that goes round and round in the same bytes makes no progress.
"""

from __future__ import annotations

from collections.abc import Callable

from modelreg.inspect import limits

_PAGES_MAX = 1 << 20
"""Of one file; the pages of a file above a tebibyte are larger."""


class Progress:
    """Calls ``tell`` once for each ``PROGRESS_SIZE_BYTES`` of bulk work."""

    def __init__(self, tell: Callable[[], object]) -> None:
        self._tell = tell
        self._untold_bytes = 0

    def worked(self, size_bytes: int) -> None:
        self._untold_bytes += size_bytes
        if self._untold_bytes >= limits.PROGRESS_SIZE_BYTES:
            self._untold_bytes = 0
            self._tell()


class Untold(Progress):
    """For those whom nobody waits for."""

    def __init__(self) -> None:
        super().__init__(lambda: None)


class Coverage:
    """Which pages of one file of ``size_bytes`` have been read."""

    def __init__(self, size_bytes: int, progress: Progress) -> None:
        self._progress = progress
        self._page_size_bytes = max(limits.MIB, -(-size_bytes // _PAGES_MAX))
        self._pages = bytearray(size_bytes // self._page_size_bytes + 1)

    def read(self, offset: int, size_bytes: int) -> None:
        """Bytes of the file that were read, within its size."""
        for page in range(offset // self._page_size_bytes, (offset + size_bytes) // self._page_size_bytes + 1):
            if not self._pages[page]:
                self._pages[page] = 1
                self._progress.worked(self._page_size_bytes)
