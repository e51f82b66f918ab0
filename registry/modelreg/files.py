"""What modelreg asks of the file system: durable folders, copy-on-write clones, large files.

Each request that a system does not know answers "no" or does nothing; correctness never hangs on one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import sys
from pathlib import Path
from typing import Protocol

from modelreg.digest import BlobDigest
from modelreg.digest.streams import Descriptor, Progress, RangedReader, Reader, Writer, ingest
from modelreg.errors import DocumentError, ModelregError, NotFoundError

_FICLONE = 0x40049409
"""``ioctl_ficlone(2)``: share the extents of another file (btrfs, XFS, bcachefs, ZFS 2.2)."""
_NOT_OFFERED = {errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.ETXTBSY}

_SYNC_FILE_RANGE_WRITE = 2
LARGE_FROM_BYTES = 32 * 1024 * 1024
"""Below this a file is flushed faster than the calls that would start it early, if it is flushed at once."""
STAGED_FROM_BYTES = 1024 * 1024
"""What is staged is flushed later, when it was inspected and judged: the disk is to use that time."""


_ADVICE = {
    errno.ENOSPC: "free some space there, or {elsewhere}",
    errno.EDQUOT: "the quota is used up: {elsewhere}",
    errno.EFBIG: "raise the limit of a file's size (ulimit -f unlimited), or {elsewhere}",
    errno.EROFS: "the file system is mounted read-only: {elsewhere}",
    errno.EACCES: "check who owns that folder, or {elsewhere}",
    errno.EPERM: "check who owns that folder, or {elsewhere}",
    errno.EIO: "the device may be failing, see the system's log; {elsewhere}",
    errno.EMFILE: "raise the limit of open files: ulimit -n 4096",
}


def reason_of(error: OSError) -> str:
    """The system's own words, without the number and the path."""
    return error.strerror or str(error)


def advice_on(error: OSError, elsewhere: str) -> str | None:
    """What to do about an error of the file system; ``elsewhere`` says how to name another place."""
    advice = _ADVICE.get(error.errno or 0)
    return advice.format(elsewhere=elsewhere) if advice else None


def read_bounded(
    path: Path,
    size_bytes_max: int,
    what: str,
    *,
    error: type[ModelregError] = DocumentError,
    hint: str | None = None,
) -> bytes:
    """The bytes of a small file, which messages call ``what``.

    Raises ``NotFoundError`` with ``hint`` where there is none, ``error`` where it cannot be read, ``DocumentError``
    where it is longer than any can be.
    """
    try:
        with path.open("rb") as file:
            data = file.read(size_bytes_max + 1)
    except FileNotFoundError:
        raise NotFoundError(f"there is no {what} {str(path)!r}", hint=hint) from None
    except OSError as reason:
        raise error(f"the {what} {str(path)!r} cannot be read: {reason_of(reason)}") from None
    if len(data) > size_bytes_max:
        raise DocumentError(f"the {what} {str(path)!r} is longer than the {size_bytes_max:,} bytes that one can have")
    return data


def clone_file(source: int, target: int) -> bool:
    """Make the empty file ``target`` share the bytes of ``source`` copy-on-write; ``False`` where not offered."""
    if sys.platform != "linux":
        return False
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno in _NOT_OFFERED:
            return False
        raise
    return True


class Cloneable(Reader, Protocol):
    """A reader that may be able to hand its bytes on without copying them."""

    def clone_to(self, descriptor: int) -> bool:
        """Make the empty file behind ``descriptor`` share all the bytes; ``False`` where that cannot be done."""
        ...


class _File(Descriptor):
    def clone_to(self, descriptor: int) -> bool:
        return clone_file(self.descriptor, descriptor)


def copy_hashed(
    source: int | Cloneable, target: int, size_bytes: int, *, to_be_kept: bool = True, progress: Progress | None = None
) -> BlobDigest:
    """Fill the empty file ``target`` with ``source``, a descriptor or a reader, and hash what it holds then.

    A copy that is not ``to_be_kept`` need not reach the disk.  Raises ``SizeChangedError`` if the source does not have
    ``size_bytes``, ``OSError`` for what cannot be written.
    """
    reader = _File(source) if isinstance(source, int) else source
    copy = Descriptor(target)
    if reader.clone_to(target):
        return ingest(copy, size_bytes, progress=progress)
    with in_order(reader, size_bytes) as ordered:
        sink = large_sink(copy, size_bytes, from_bytes=STAGED_FROM_BYTES, to_be_kept=to_be_kept)
        return ingest(ordered, size_bytes, sink=sink, progress=progress)


def in_order(source: Reader, size_bytes: int) -> contextlib.AbstractContextManager[Reader]:
    """``source`` for a caller who will read it from its beginning to its end: a remote one as one request."""
    return source.open_range(0, size_bytes) if isinstance(source, RangedReader) else contextlib.nullcontext(source)


def fsync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, data: bytes) -> None:
    """Make the file ``path`` hold ``data``, durable; whoever reads it finds all of the old or all of the new.

    Raises ``OSError``, with what was there left as it was.
    """
    temporary = path.parent / f".{path.name}.{secrets.token_hex(8)}"
    make_folder(path.parent.absolute())
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make ``folder`` and the folders above it, each durable in its parent; one that is there is left alone."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    fsync_folder(folder.parent)


def large_sink(
    target: Descriptor, size_bytes: int, *, from_bytes: int = LARGE_FROM_BYTES, to_be_kept: bool = True
) -> Writer:
    """``target``, an empty file that will take ``size_bytes``, as a writer that is quick to make durable.

    Its space is reserved at once, so that a full disk is told before the copy and not at its end, and the kernel is
    asked to write each slice to disk as it comes, so that the final fsync finds most of the work done.  Neither is
    durability, and a system that has neither call loses nothing but speed.  What is not ``to_be_kept`` is not written
    to disk early, where it would be in the way of others.  Raises ``OSError`` for a full disk.
    """
    if sys.platform != "linux" or size_bytes < from_bytes:
        return target
    sink = _EagerWriter(target.descriptor)
    sink.reserve(size_bytes)
    return sink if to_be_kept else target


class _EagerWriter(Descriptor):
    """Writes, and starts the write-back of what it wrote (``sync_file_range(2)``)."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        import ctypes

        self._errno = ctypes.get_errno
        libc = ctypes.CDLL(None, use_errno=True)
        self._fallocate = getattr(libc, "fallocate", None)
        if self._fallocate is not None:
            self._fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
        self._sync_file_range = getattr(libc, "sync_file_range", None)
        if self._sync_file_range is not None:
            self._sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)

    def reserve(self, size_bytes: int) -> None:
        """Reserve space with ``fallocate(2)``, which glibc does not emulate as it does ``posix_fallocate``."""
        if self._fallocate is None or self._fallocate(self.descriptor, 0, 0, size_bytes) == 0:
            return
        number = self._errno()
        if number not in _NOT_OFFERED:
            raise OSError(number, os.strerror(number))

    def write_from(self, view: memoryview, offset: int) -> None:
        super().write_from(view, offset)
        if self._sync_file_range is not None:
            self._sync_file_range(self.descriptor, offset, len(view), _SYNC_FILE_RANGE_WRITE)
