"""Somebody else's program: what it writes is bounded, its time too, and nothing of it is left."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest

from modelreg.processes import COMPLAINT_SIZE_BYTES_MAX, Ended, run_bounded


def run(script: str, *, timeout_s: float = 30, most: int = 1000, given: bytes | None = None) -> Ended:
    with tempfile.TemporaryFile() as file:
        file.write(given or b"")
        file.seek(0)
        chosen = None if given is None else file
        return run_bounded(["/bin/sh", "-c", script], timeout_s=timeout_s, output_size_bytes_max=most, given=chosen)


def test_what_it_writes_and_how_it_ends() -> None:
    """Claim: both streams and the status, with a file as its input or with none."""
    assert run("cat; echo no >&2; exit 3", given=b"hello") == Ended(b"hello", b"no\n", 3)
    assert run("cat") == Ended(b"", b"", 0)
    assert run_bounded(["/usr/bin/env"], timeout_s=30, output_size_bytes_max=99, environ={"A": "b"}).output == b"A=b\n"


def test_exactly_as_much_as_is_allowed_is_not_too_much() -> None:
    """Claim: the bound is the last length that may be."""
    assert run("printf 12345", most=5) == Ended(b"12345", b"", 0)
    ended = run("printf 123456; sleep 60", most=5)
    assert (ended.output, ended.status) == (b"123456", None)


def test_endless_output_ends_it() -> None:
    """Claim: memory stays bounded however fast it writes, and nobody waits for the time to be over."""
    started = time.monotonic()
    ended = run("exec yes", timeout_s=60)
    assert ended.status is None
    assert 1000 < len(ended.output) <= 1000 + 64 * 1024
    assert time.monotonic() - started < 30


def test_of_endless_complaints_the_end_is_kept() -> None:
    """Claim: chatter on standard error ends nobody, and its last line is there."""
    ended = run("yes 0123456789 | head -c 1000000 >&2; echo last >&2; echo done")
    assert (ended.output, ended.status) == (b"done\n", 0)
    assert len(ended.complaint) == COMPLAINT_SIZE_BYTES_MAX
    assert ended.complaint.endswith(b"last\n")


@pytest.mark.parametrize("script", ["sleep 600", "sleep 600 & exit 0", "exec >&- 2>&-; sleep 600"])
def test_nothing_outlives_its_time(script: str, tmp_path: Path) -> None:
    """Claim: neither it nor what it started, also where it closed its streams before."""
    note = tmp_path / "pid"
    started = time.monotonic()
    ended = run(f"sleep 600 & echo $! > {note}; {script}", timeout_s=0.5)
    assert ended.status is None
    assert time.monotonic() - started < 30
    child = int(note.read_text())
    for _ in range(100):
        if not _lives(child):
            break
        time.sleep(0.05)
    assert not _lives(child)


def _lives(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text() if Path("/proc").is_dir() else _answers(pid)
    except (FileNotFoundError, ProcessLookupError):
        return False


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_cannot_be_started_is_an_error_of_the_system() -> None:
    """Claim: the caller says what he wanted with it."""
    with pytest.raises(FileNotFoundError):
        run_bounded(["/nothing"], timeout_s=1, output_size_bytes_max=1)
