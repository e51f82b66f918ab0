"""Progress on a terminal: bytes, rate and time left; nothing for what is done in half a second.

The library calls the ``Meter`` from several threads, once per slice of a file; all it does most of the time is add
under a lock, so that counting does not slow the copy.  Where work has several phases, it says when each begins.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from modelreg_cli.output import Form, Output
from modelreg_cli.terminal import is_terminal, wants_colour

if TYPE_CHECKING:
    from rich.progress import Progress

SHOWN_AFTER_S = 0.5
INTERVAL_S = 0.1


@contextlib.contextmanager
def progress(output: Output, label: str, size_bytes: int | None) -> Iterator[Meter | None]:
    """A callback for the library that draws a bar, or ``None`` where nobody would see one."""
    if output.form is not Form.TEXT or not is_terminal(sys.stderr) or os.environ.get("TERM") == "dumb":
        yield None
        return
    meter = Meter(label, size_bytes)
    try:
        yield meter
    finally:
        meter.close()


class Meter:
    """Counts bytes, and draws them at most every tenth of a second."""

    def __init__(self, label: str, size_bytes: int | None) -> None:
        self._label = label
        self._size_bytes = size_bytes
        self._lock = threading.Lock()
        self._done_bytes = 0
        self._next_s = time.monotonic() + SHOWN_AFTER_S
        self._bar: Progress | None = None

    def begin(self, what: str, size_bytes: int) -> None:
        """Count from zero again, up to ``size_bytes`` of what is done now."""
        with self._lock:
            self._label, self._size_bytes, self._done_bytes = what, size_bytes, 0
            if self._bar is not None:
                self._bar.reset(self._bar.task_ids[0], description=what, total=size_bytes)

    def __call__(self, size_bytes: int) -> None:
        """Count ``size_bytes`` more."""
        with self._lock:
            self._done_bytes += size_bytes
            now_s = time.monotonic()
            if now_s < self._next_s:
                return
            self._next_s = now_s + INTERVAL_S
            if self._bar is None:
                self._bar = _start_bar(self._label, self._size_bytes)
            self._bar.update(self._bar.task_ids[0], completed=self._done_bytes)

    def close(self) -> None:
        """Remove the bar."""
        with self._lock:
            if self._bar is not None:
                self._bar.stop()
            self._next_s = float("inf")


def _start_bar(label: str, size_bytes: int | None) -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    console = Console(file=sys.stderr, no_color=not wants_colour(sys.stderr), highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(binary_units=True), TransferSpeedColumn())
    bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True)
    bar.add_task(label, total=size_bytes)
    bar.start()
    return bar


def size_on_disk(path: Path) -> int | None:
    """How many bytes the files at ``path`` have, for the bar's far end; ``None`` if that cannot be told."""
    try:
        files = (file for file in path.rglob("*") if file.is_file()) if path.is_dir() else (path,)
        return sum(file.stat().st_size for file in files)
    except OSError:
        return None
