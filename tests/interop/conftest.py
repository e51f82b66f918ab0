"""The public ``model_signing`` tool in an environment of its own (``make .interop/installed``), and the scene of a test."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ENVIRONMENT = Path(__file__).parents[2] / ".interop"
WORKER = Path(__file__).with_name("model_signing_worker.py")


@dataclass(frozen=True)
class Tool:
    """The tool's command line, kept running."""

    process: subprocess.Popen[str]

    def __call__(self, *arguments: str | Path) -> tuple[int, str]:
        """The exit status of ``model_signing`` with ``arguments``, and what it printed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([str(item) for item in arguments]) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["exit"], answer["output"]


@pytest.fixture(scope="session")
def model_signing() -> Iterator[Tool]:
    """The public tool; fails where it is not installed, for a comparison that is not made proves nothing."""
    python = ENVIRONMENT / "bin" / "python"
    assert python.is_file(), "the public tool is not installed: make .interop/installed"
    with subprocess.Popen(
        [python, WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        yield Tool(process)
        with contextlib.suppress(BrokenPipeError):
            process.communicate(timeout=60)
