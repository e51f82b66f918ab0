"""What lies at a path: every name below a folder, or one file, and the digests of what is asked for.

Invariants:

* Nothing that is there is passed over: a link or a pipe is told as what is no file, a folder that cannot be read is an
  error, and no link below the folder is followed.
* Files are opened by the names that were found, never by names that a document gives.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from modelreg.digest.streams import SLICE_SIZE_BYTES, Descriptor, Progress, Reader
from modelreg.errors import NotFoundError, UsageError
from modelreg.files import reason_of
from modelreg.manifest import SIDE_FOLDER

PATHS_MAX = 1_000_000
NO_DIGEST = ""
"""That of what is no regular file, was not asked for, or changed while it was read."""
_NO_FILE = {errno.ELOOP, errno.ENXIO, errno.ENOENT}
"""What opening says of a link, a socket, and what is gone since."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A folder, or one file under its own name; ``apart``, a file that may lie in the folder, is not part of it."""

    path: Path
    apart: Path | None = None

    def digests(self, wanted: Collection[str] | None, progress: Progress | None = None) -> Iterator[tuple[str, str]]:
        """Everything that is there by its relative path, with the SHA-256 of those that are ``wanted``, or of all.

        What modelreg keeps beside a pulled model is there only if it is wanted by its name.  Raises ``NotFoundError``
        where nothing is, ``UsageError`` for what cannot be read, and for too many files.
        """
        for path in self._paths():
            is_aside = path.startswith(f"{SIDE_FOLDER}/")
            if path in wanted if wanted is not None else not is_aside:
                yield path, self._digest(path, progress)
            elif not is_aside:
                yield path, NO_DIGEST

    def _digest(self, path: str, progress: Progress | None) -> str:
        with self.open(path) as reader:
            if reader is None:
                return NO_DIGEST
            found = sha256_of(reader, 0, reader.size_bytes, progress)
            return NO_DIGEST if reader.read_into(memoryview(bytearray(1)), reader.size_bytes) else found

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[Opened | None]:
        """The regular file under a ``path`` that was found, ``None`` for anything else; raises ``UsageError``."""
        is_whole = not self.is_folder()
        place = self.path if is_whole else self.path / path
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if is_whole else os.O_NOFOLLOW)
        try:
            descriptor = os.open(place, flags)
        except OSError as error:
            if error.errno not in _NO_FILE:
                raise UsageError(f"cannot read {str(place)!r}: {reason_of(error)}") from None
            yield None
            return
        try:
            status = os.fstat(descriptor)
            yield Opened(descriptor, status.st_size) if stat.S_ISREG(status.st_mode) else None
        finally:
            os.close(descriptor)

    def _paths(self) -> list[str]:
        if not self.is_folder():
            return [self.path.name]
        apart = None if self.apart is None else Path(os.path.realpath(self.apart.parent), self.apart.name)
        root, found = Path(os.path.realpath(self.path)), []
        for folder, folders, names in os.walk(root, onerror=_raise):
            here = Path(folder)
            places = [here / name for name in names] + [here / name for name in folders if (here / name).is_symlink()]
            found += [place.relative_to(root).as_posix() for place in places if place != apart]
            if len(found) > PATHS_MAX:
                raise UsageError(f"the folder {str(self.path)!r} holds more than {PATHS_MAX:,} files: is it a model?")
        return sorted(found)

    def is_folder(self) -> bool:
        """Whether it is one; raises as ``digests``."""
        try:
            return stat.S_ISDIR(self.path.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFoundError(f"there is no file or folder {str(self.path)[:200]!r}") from None
        except (OSError, ValueError) as error:
            raise UsageError(f"cannot look at {str(self.path)[:200]!r}: {error}") from None


class Opened(Descriptor):
    """An open file, and the size that it had then."""

    def __init__(self, descriptor: int, size_bytes: int) -> None:
        super().__init__(descriptor)
        self.size_bytes = size_bytes


def sha256_of(reader: Reader, start: int, end: int, progress: Progress | None = None) -> str:
    """The SHA-256 of the bytes from ``start`` up to ``end``, or of those that are there."""
    whole, view, offset = hashlib.sha256(), memoryview(bytearray(min(SLICE_SIZE_BYTES, max(end - start, 1)))), start
    while offset < end:
        count = reader.read_into(view[: min(len(view), end - offset)], offset)
        if count == 0:
            break
        whole.update(view[:count])
        offset += count
        if progress:
            progress(count)
    return whole.hexdigest()


def _raise(error: OSError) -> None:
    raise UsageError(f"cannot read the folder {error.filename!r}: {reason_of(error)}") from error
