"""strace on one child: the system calls that it makes on our files, and one of them killed or failed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chaos.children import Child

ERRORS: dict[str, tuple[str, ...]] = {
    "openat": ("EMFILE", "ENOSPC"),
    "read": ("EIO", "EINTR"),
    "pread64": ("EIO",),
    "write": ("ENOSPC", "EINTR"),
    "pwrite64": ("ENOSPC", "EIO"),
    "copy_file_range": ("EIO",),
    "sendfile": ("EIO",),
    "fsync": ("EIO", "ENOSPC"),
    "fdatasync": ("EIO", "EDQUOT"),
    "rename": ("ENOSPC", "EIO"),
    "renameat": ("EIO",),
    "renameat2": ("EIO",),
    "link": ("EIO",),
    "linkat": ("EIO",),
    "unlink": ("EIO", "EROFS"),
    "unlinkat": ("EIO",),
    "rmdir": ("EIO",),
    "ftruncate": ("ENOSPC",),
    "fallocate": ("ENOSPC",),
    "mkdir": ("ENOSPC", "EROFS"),
    "mkdirat": ("EROFS",),
    "close": ("EIO", "EINTR"),
    "flock": ("EINTR", "ENOLCK"),
    "fcntl": ("ENOLCK",),
    "ioctl": ("EIO",),
    "fchmod": ("EROFS",),
    "getdents64": ("EIO",),
    "newfstatat": ("EIO",),
    "mmap": ("ENOMEM",),
}
"""What each call is failed with; each is killed at, too."""
KILL = "SIGKILL"
ATTACH_S = 30.0
_CALL = re.compile(r"^(\d* *)(\w+)\(")
"""A thread's number, where there are several, and the call."""


@dataclass(frozen=True, slots=True)
class Point:
    """The ``number``-th ``call`` of a program, and what befalls it: an error's name, or ``SIGKILL``."""

    call: str
    number: int
    fault: str

    @property
    def injection(self) -> str:
        how = f"signal={KILL}" if self.fault == KILL else f"error={self.fault}"
        return f"inject={self.call}:{how}:when={self.number}"


def program() -> str:
    """strace; raises ``FileNotFoundError`` that says how to get it."""
    found = shutil.which("strace")
    if found is None:
        raise FileNotFoundError("strace is not installed here: apt-get install strace")
    return found


def traced(child: Child, point: Point | None = None, *, threads: bool = False) -> tuple[int, str]:
    """Let the child run under strace, also its ``threads`` and children if asked for; its exit status, and the log.

    strace counts the calls of each thread by itself, so with threads a fault befalls each that comes so far.
    """
    log = child.folder / "strace"
    calls = point.call if point else ",".join(ERRORS)
    options = ["-q", "-y", "-s", "0", "-o", str(log), "-e", f"trace={calls}", "-e", "signal=none"]
    if point is not None:
        options += ["-e", point.injection]
    if threads:
        options += ["-f"]
    tracer = subprocess.Popen([program(), *options, "-p", str(child.pid)], stderr=subprocess.PIPE)
    try:
        _await_tracer(child.pid, tracer)
        child.go()
        status = child.wait()
    except BaseException:
        child.kill()
        raise
    finally:
        tracer.wait(60)
        assert tracer.stderr is not None
        tracer.stderr.close()
    return status, log.read_text(errors="replace")


def _await_tracer(pid: int, tracer: subprocess.Popen[bytes]) -> None:
    status, until = Path(f"/proc/{pid}/status"), time.monotonic() + ATTACH_S
    while "TracerPid:\t0" in status.read_text():
        if tracer.poll() is not None or time.monotonic() > until:
            assert tracer.stderr is not None
            raise RuntimeError(f"strace did not attach: {os.read(tracer.stderr.fileno(), 1000)!r}")
        time.sleep(0.002)


def points(log: str, folder: Path) -> Iterator[Point]:
    """Every way to break a traced run at a call that concerns something below ``folder``."""
    seen: Counter[tuple[str, str]] = Counter()
    told: set[tuple[str, int]] = set()
    for line in log.splitlines():
        found = _CALL.match(line)
        if found is None:
            continue
        thread, call = found.groups()
        seen[thread, call] += 1
        number = seen[thread, call]
        if str(folder) in line and call in ERRORS and (call, number) not in told:
            told.add((call, number))
            for fault in (KILL, *ERRORS[call]):
                yield Point(call, number, fault)


def fired(log: str, status: int, point: Point) -> bool:
    """Whether the fault came: strace marks a failed call, and the kernel says who was killed."""
    return status == -9 if point.fault == KILL else "(INJECTED)" in log


def befell_others(log: str, folder: Path) -> bool:
    """Whether the fault came (also) to a call that concerns nothing below ``folder``: with threads it can."""
    return any("(INJECTED)" in line and str(folder) not in line for line in log.splitlines())
