"""The artifact on disk: one file, or a folder of regular files, opened once and read through descriptors.

Symbolic links are refused, wherever they point: what is pushed must be what its path says.
"""

from __future__ import annotations

import contextlib
import os
import resource
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modelreg.errors import DocumentError, NotFoundError, UsageError
from modelreg.manifest import FILES_MAX, SIDE_FOLDER, check_path

_SPARE_DESCRIPTORS = 256
_IGNORED = (".DS_Store", SIDE_FOLDER)
"""Left out of a pushed folder: what a desktop drops anywhere, and our own notes beside a pulled model."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One open file of the artifact; ``path`` is relative to the artifact."""

    path: str
    descriptor: int
    size_bytes: int


@contextlib.contextmanager
def open_artifact(path: Path) -> Iterator[tuple[SourceFile, ...]]:
    """Open every file of the artifact at ``path``, sorted by path.

    Raises ``NotFoundError`` for what is not there, ``UsageError`` for what cannot be an artifact.
    """
    with contextlib.ExitStack() as stack:
        found = sorted(_enumerate(path), key=lambda item: item[0])
        allow_descriptors(2 * len(found))
        files = []
        for name, place in found:
            descriptor = _open_regular(place, follow=place == path)
            stack.callback(os.close, descriptor)
            files.append(SourceFile(name, descriptor, os.fstat(descriptor).st_size))
        yield tuple(files)


def _enumerate(path: Path) -> list[tuple[str, Path]]:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError(f"there is no file or folder {str(path)!r}", hint=f"ls {path.parent}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot look at {str(path)[:200]!r}: {getattr(error, 'strerror', error)}") from error
    found = list(_walk(path)) if path.is_dir() else [(path.name, path)]
    if not found:
        raise UsageError(f"the folder {str(path)!r} holds no files")
    if len(found) > FILES_MAX:
        raise UsageError(f"the folder {str(path)!r} holds more than {FILES_MAX:,} files: is it a model?")
    for name, _ in found:
        try:
            check_path(name)
        except DocumentError as error:
            raise UsageError(error.message, hint="rename the file") from None
    return found


def _walk(root: Path) -> Iterator[tuple[str, Path]]:
    count = 0
    for folder, folders, names in os.walk(root, onerror=_raise):
        folders[:] = sorted(name for name in folders if name not in _IGNORED)
        for name in (*folders, *sorted(names)):
            place = Path(folder, name)
            if place.is_symlink():
                raise UsageError(
                    f"{str(place)!r} is a symbolic link to {str(place.readlink())!r}; an artifact is regular files",
                    hint=f"cp -rL {root} COPY, and take the copy",
                )
            if name in names and name not in _IGNORED:
                count += 1
                yield place.relative_to(root).as_posix(), place
                if count > FILES_MAX:
                    return


def _raise(error: OSError) -> None:
    raise UsageError(f"cannot read the folder {error.filename!r}: {error.strerror}") from error


def _open_regular(place: Path, *, follow: bool) -> int:
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(place, flags)
    except OSError as error:
        raise UsageError(f"cannot read {str(place)!r}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UsageError(f"{str(place)!r} is not a regular file")
    return descriptor


def allow_descriptors(count: int) -> None:
    """Raise the soft limit of open files where a big folder needs it; the hard limit is the system's say."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _SPARE_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
        )
