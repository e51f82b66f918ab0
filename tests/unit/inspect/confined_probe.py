"""Run by test_sandbox in a fresh interpreter: confines itself, then tries what a confined process must not do."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Callable

from modelreg.inspect.confine import confine, limit_resources
from modelreg.inspect.limits import MIB, ChildLimits


def outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except (OSError, RuntimeError, MemoryError) as error:
        return type(error).__name__
    return "done"


def main() -> None:
    path, landlock_only = sys.argv[1], sys.argv[2] == "landlock"
    held = os.open(path, os.O_RDONLY)
    limit_resources(ChildLimits(memory_bytes=600 * MIB))
    if landlock_only:
        # With a descriptor limit that nothing reaches, what is refused is refused by Landlock alone.
        import resource

        resource.RLIMIT_NOFILE = -1  # type: ignore[misc]
        real = resource.setrlimit
        resource.setrlimit = lambda which, value: None if which == -1 else real(which, value)
        resource.getrlimit = lambda which: (0, 0)
    confine()
    attempts: dict[str, Callable[[], object]] = {
        "open the same file again": lambda: os.open(path, os.O_RDONLY),
        "open another file": lambda: os.open("/etc/hosts", os.O_RDONLY),
        "list a folder": lambda: os.listdir("/"),
        "write a file": lambda: os.open(path + ".new", os.O_WRONLY | os.O_CREAT),
        "connect": lambda: socket.socket().connect(("127.0.0.1", 9)),
        "run a program": lambda: os.execv(sys.executable, [sys.executable, "-c", "raise SystemExit(9)"]),
        "take a gigabyte": lambda: bytes(1024 * MIB),
        "read what it was given": lambda: os.pread(held, 4, 0),
    }
    print(json.dumps({what: outcome(attempt) for what, attempt in attempts.items()}))  # noqa: T201


if __name__ == "__main__":
    assert threading.active_count() == 1
    main()
