"""Run by test_sandbox in a fresh interpreter: confines itself, then tries what a confined process must not do."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Callable

from modelreg.inspect import confine as confining
from modelreg.inspect.confine import confine, limit_resources
from modelreg.inspect.limits import MIB, ChildLimits


def outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except (OSError, RuntimeError, MemoryError) as error:
        return type(error).__name__
    return "done"


def main() -> None:
    path, mode = sys.argv[1:3]
    held = os.open(path, os.O_RDONLY)
    limit_resources(ChildLimits(memory_bytes=600 * MIB))
    if mode == "no landlock":
        confining.landlock_abi = lambda: 0
    if mode == "landlock":
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
    if mode == "no landlock":
        del attempts["run a program"]  # it begins, finds that it can load no library, and nothing is left to tell of it
        attempts["remove a file by its name"] = lambda: os.unlink(path + ".spare")
    print(json.dumps({what: outcome(attempt) for what, attempt in attempts.items()}))  # noqa: T201


if __name__ == "__main__":
    assert threading.active_count() == 1
    main()
