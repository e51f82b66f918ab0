"""Children: forks of this process, which has imported everything, that run the command line or a function and end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PTRACER, _ANY = 0x59616D61, ctypes.c_ulong(-1)
"""``prctl(2)``: where only ancestors may trace (Yama), a child allows it to everybody of this user."""


@dataclass(slots=True)
class Child:
    """A forked process: it waits for ``go``, and its output is in files."""

    pid: int
    gate: int
    folder: Path

    def go(self) -> None:
        """Let it begin."""
        os.write(self.gate, b"g")
        os.close(self.gate)

    def kill(self) -> None:
        """End it as a loss of power does."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Its exit status, or the negative number of the signal that ended it."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    @property
    def output(self) -> str:
        return (self.folder / "stdout").read_text(errors="replace")

    @property
    def errors(self) -> str:
        return (self.folder / "stderr").read_text(errors="replace")


def fork(work: Callable[[], int | None], folder: Path) -> Child:
    """A child that will run ``work`` with its output below ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    behind, gate = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        os.close(behind)
        return Child(pid, gate, folder)
    status = 70
    try:
        os.close(gate)
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            file = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(file, descriptor)
            os.close(file)
        sys.stdout, sys.stderr = (open(descriptor, "w", closefd=False) for descriptor in (1, 2))  # noqa: SIM115
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANY, 0, 0, 0)
        if os.read(behind, 1):  # else whoever started us is gone
            status = work() or 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def command(arguments: Sequence[str], environment: Mapping[str, str]) -> Callable[[], int]:
    """``modelreg ARGUMENTS`` as its own program runs it."""

    def run() -> int:
        from modelreg_cli.app import main

        os.environ.update(environment)
        return main(list(arguments))

    return run
