"""What modelreg asks of the file system: durable folders, copy-on-write clones, early write-back.

Each request that a system does not know answers "no" or does nothing; correctness never hangs on one.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from pathlib import Path

from modelreg.digest.streams import Descriptor, Writer

_FICLONE = 0x40049409
"""``ioctl_ficlone(2)``: share the extents of another file (btrfs, XFS, bcachefs, ZFS 2.2)."""
_NOT_OFFERED = {errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.ETXTBSY}

_SYNC_FILE_RANGE_WRITE = 2
WRITEBACK_FROM_BYTES = 32 * 1024 * 1024
"""Below this a file is flushed faster than the calls that would start it early."""


_ADVICE = {
    errno.ENOSPC: "free some space there, or {elsewhere}",
    errno.EDQUOT: "the quota is used up: {elsewhere}",
    errno.EROFS: "the file system is mounted read-only: {elsewhere}",
    errno.EACCES: "check who owns that folder, or {elsewhere}",
    errno.EPERM: "check who owns that folder, or {elsewhere}",
    errno.EMFILE: "raise the limit of open files: ulimit -n 4096",
}


def reason_of(error: OSError) -> str:
    """The system's own words, without the number and the path."""
    return error.strerror or str(error)


def advice_on(error: OSError, elsewhere: str) -> str | None:
    """What to do about an error of the file system; ``elsewhere`` says how to name another place."""
    advice = _ADVICE.get(error.errno or 0)
    return advice.format(elsewhere=elsewhere) if advice else None


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


def fsync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make ``folder`` and the folders above it, each durable in its parent; one that is there is left alone."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    fsync_folder(folder.parent)


def start_writeback(target: Descriptor, size_bytes: int) -> Writer:
    """``target`` as a writer that asks the kernel to start writing each slice to disk at once.

    The final fsync then finds most of the work done; ``sync_file_range(2)`` is no durability and is not used as such.
    """
    if sys.platform != "linux" or size_bytes < WRITEBACK_FROM_BYTES:
        return target
    return _EagerWriter(target.descriptor)


class _EagerWriter(Descriptor):
    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        call = getattr(libc, "sync_file_range", None)
        if call is not None:
            call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
        self._sync_file_range = call

    def write_from(self, view: memoryview, offset: int) -> None:
        super().write_from(view, offset)
        if self._sync_file_range is not None:
            self._sync_file_range(self.descriptor, offset, len(view), _SYNC_FILE_RANGE_WRITE)
