"""How the program ends: statuses, interruptions, broken pipes, and never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

import modelreg
from modelreg_cli.exits import TABLE, failure_of, interruptible

PROGRAM = Path(sys.executable).with_name("modelreg")
SLOW_DISK = Path(__file__).parents[1] / "slow_disk.py"


def test_the_table_holds_every_kind_of_refusal() -> None:
    """Each kind of finding has its bit in the documented table."""
    assert {kind.exit_bit for kind in modelreg.Kind} <= {status for status, _ in TABLE}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (modelreg.UsageError("x"), 2),
        (modelreg.NotFoundError("x"), 3),
        (modelreg.ConflictError("x"), 1),
        (modelreg.StoreError("x"), 1),
        (modelreg.DatabaseError("x"), 1),
        (KeyboardInterrupt(), 130),
        (RuntimeError("x"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_error_has_its_status(error: BaseException, status: int) -> None:
    """The status follows from the class of the error alone."""
    assert failure_of(error).exit_status == status


def test_statuses_of_several_refusals_are_summed(run: Callable[..., Any], models: Path, examples: Path) -> None:
    """Unsafe, incompatible and untrusted refusals end with 32 + 64 + 16."""
    run("push", str(models / "py38/lambda.h5"), "--name", "scale", "--env", "none")
    target = ("--target", str(examples / "python311.txt"))
    assert run("pull", "scale", *target).status == 64
    assert run("pull", "scale", *target, "--verify").status == 32 + 64
    assert run("pull", "scale", *target, "--verify", "--strict", "MR201").status == 16 + 32 + 64
    assert not Path("scale").exists()


def break_down(_flags: object) -> NoReturn:
    raise KeyError("settings")


def test_a_bug_is_one_sentence_and_a_hint(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that nobody expected ends with status 1, its name and how to see more; no traceback."""
    monkeypatch.setattr(modelreg, "load_settings", break_down)
    answer = run("list")
    assert answer.status == 1
    assert answer.err.splitlines() == [
        "error: internal error: KeyError: 'settings'",
        "hint: set MODELREG_DEBUG=1 to see where, and report it: this is a bug in modelreg",
    ]


def test_a_bug_shows_its_traceback_on_request(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """``MODELREG_DEBUG`` prints the traceback before the sentence."""
    monkeypatch.setattr(modelreg, "load_settings", break_down)
    monkeypatch.setenv("MODELREG_DEBUG", "1")
    assert "Traceback (most recent call last)" in run("list").err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_ends_with_130_and_leaves_nothing(number: signal.Signals, home: Path) -> None:
    """Interrupted or told to end in the middle of a push, the program cleans up and says that it was interrupted."""
    big = home / "big.bin"
    with big.open("wb") as file:
        file.truncate(400 << 20)
    push = subprocess.Popen(
        [sys.executable, str(SLOW_DISK), "push", str(big), "--env", "none"], stderr=subprocess.PIPE, text=True
    )
    store = home.parent / "registry" / "store"
    deadline = time.monotonic() + 30
    while not any(path.is_file() and path.stat().st_size for path in store.rglob("*")):
        assert time.monotonic() < deadline
        assert push.poll() is None
        time.sleep(0.01)
    push.send_signal(number)
    _, err = push.communicate(timeout=30)
    assert (push.returncode, err) == (130, "error: interrupted\n")
    assert sum(path.stat().st_size for path in store.rglob("*") if path.is_file()) < 1024


def test_signal_handlers_are_put_back() -> None:
    """The program leaves its caller's handlers as they were."""
    before = signal.getsignal(signal.SIGTERM)
    with interruptible():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_reader_that_goes_away_is_no_error_worth_a_word(demo: str) -> None:
    """``modelreg explain | head -0`` prints nothing on standard error."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run([PROGRAM, "explain"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_behind_the_output_is_said() -> None:
    """``modelreg explain > /dev/full`` fails with the system's reason."""
    with open("/dev/full", "w") as full:
        done = subprocess.run([PROGRAM, "explain"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: the output cannot be written: No space left on device\n"


def test_a_closed_standard_output_is_no_traceback() -> None:
    """``modelreg explain >&-`` has nowhere to print to, and does not break."""
    done = subprocess.run(["/bin/sh", "-c", f"{PROGRAM} explain MR101 >&-"], capture_output=True, check=False)
    assert b"Traceback" not in done.stderr
