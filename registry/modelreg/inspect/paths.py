"""Opens an artifact on disk for inspection: a file, or a folder of regular files."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from modelreg.errors import NotFoundError, UsageError
from modelreg.facts import Facts
from modelreg.inspect.sandbox import Entry, Inspector, worth_reading


def inspect_path(path: Path) -> Facts:
    """The facts of a file or folder.

    Raises ``NotFoundError`` if nothing is there, ``UsageError`` for what is neither, for a symbolic link or a special
    file inside a folder, and for what cannot be read; ``InspectionError`` if no child process can be started.
    """
    with Inspector() as inspector, contextlib.ExitStack() as stack:
        return inspector.inspect_entries(_entries(path, stack))


def _entries(path: Path, stack: contextlib.ExitStack) -> list[Entry]:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            found = dict(_regular_files(path))
            worth = worth_reading(list(found))
            return [_entry(name, file, name in worth, stack) for name, file in found.items()]
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{path} is neither a file nor a folder")
        return [_entry(path.name, path, True, stack)]
    except FileNotFoundError:
        raise NotFoundError(f"there is no file or folder {path}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def _regular_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file beneath ``folder`` by its relative POSIX path, sorted."""
    for item in sorted(folder.rglob("*")):
        mode = item.lstat().st_mode
        if stat.S_ISREG(mode):
            yield item.relative_to(folder).as_posix(), item
        elif not stat.S_ISDIR(mode):
            raise UsageError(f"{item} is a symbolic link or a special file; an artifact holds regular files only")


def _entry(name: str, file: Path, is_read: bool, stack: contextlib.ExitStack) -> Entry:
    if not is_read:
        return Entry(name, file.lstat().st_size, None)
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    stack.callback(os.close, descriptor)
    return Entry(name, os.fstat(descriptor).st_size, descriptor)
