"""The runner: whatever the interpreter does is an outcome, bounded and in time; nothing of it is left behind."""

from __future__ import annotations

import ast
import json
import os
import signal
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelreg import UsageError
from modelreg.facts import Container
from modelreg.replay import Making, PredictionRun, RunOutcome, interpreter_of, run_predictions, runner

STANDALONE = Path(str(sys.modules["modelreg"].__file__)).parent / "replay" / "standalone"
Stand = Callable[[str], Path]


@pytest.fixture(autouse=True)
def private_temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporaries, which must be as empty after a run as before."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    """``stand(text)``: a program that stands where an interpreter is expected, and does what ``text`` says in sh."""

    def write(text: str) -> Path:
        path = tmp_path / "python-of-sorts"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return write


def run(executable: Path, tmp_path: Path, **options: Any) -> PredictionRun:
    model = tmp_path / "model.h5"
    model.touch()
    return run_predictions(executable, model, Container.KERAS_HDF5, Making(2), **options)


def answering(**answer: Any) -> str:
    return f"cat > result.json <<'END'\n{json.dumps(answer)}\nEND"


def test_a_death_by_signal_has_a_name_and_a_place(stand: Stand, tmp_path: Path) -> None:
    """Claim: the outcome is killed, in the stage that the child had entered, and says which signal."""
    told = run(stand(answering(outcome="error", stage="load") + "\nkill -SEGV $$"), tmp_path)
    assert (told.outcome, told.stage) == (RunOutcome.KILLED, "load")
    assert told.message == "the interpreter was killed by signal 11 (SIGSEGV)"


@pytest.mark.slow
def test_a_hanging_child_is_ended_with_its_children(stand: Stand, tmp_path: Path) -> None:
    """Claim: at the time limit the outcome is timeout, and a grandchild is dead too."""
    pid_file = tmp_path / "pid"
    began = time.monotonic()
    told = run(stand(f"sleep 600 & echo $! > {pid_file}; wait"), tmp_path, timeout_s=1)
    assert (told.outcome, told.message) == (RunOutcome.TIMEOUT, "it took longer than 1 s")
    assert time.monotonic() - began < 30
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid_file.read_text().strip()}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def test_a_child_that_prints_without_end_does_not_fill_anything(stand: Stand, tmp_path: Path) -> None:
    """Claim: 50 MB of chatter are read and forgotten, and its last line is the reason."""
    told = run(stand("head -c 50000000 /dev/zero | tr '\\0' x; echo; echo the reason; exit 3"), tmp_path)
    assert (told.outcome, told.stage, told.message) == (RunOutcome.ERROR, "start", "the reason")
    ending = runner._run([str(tmp_path / "python-of-sorts")], tmp_path, 60)
    assert (ending.status, len(ending.tail)) == (3, runner.TAIL_SIZE_BYTES)


@pytest.mark.parametrize(
    "answer",
    [
        "echo nonsense > result.json",
        "head -c 9000000 /dev/zero > result.json",
        "mkdir result.json",
        answering(outcome="same", stage="done") + "\nmv result.json real; ln -s real result.json",
        "mkfifo result.json",
        answering(outcome="marvellous", stage="done"),
        answering(outcome="same", stage="done", outputs=[{"name": 7}]),
        answering(outcome="same", stage=["done"]),
        answering(outcome="made", stage="done", samples=1.5),
    ],
)
def test_an_answer_that_is_none_is_an_error(answer: str, stand: Stand, tmp_path: Path) -> None:
    """Claim: garbage, an oversized file, a folder, a link, a pipe and wrong types end as an error and in time."""
    told = run(stand(answer), tmp_path, timeout_s=20)
    assert told.outcome is RunOutcome.ERROR
    assert told.message
    assert not told.golden


@pytest.mark.parametrize("made", ["", "head -c 17000000 /dev/zero > golden.npz", "ln -s /etc/passwd golden.npz"])
def test_a_golden_file_that_is_none_is_an_error(made: str, stand: Stand, tmp_path: Path) -> None:
    """Claim: a run that says "made" and left no file, a larger one than is kept, or a link, made nothing."""
    told = run(stand(answering(outcome="made", stage="done") + f"\n{made}"), tmp_path)
    assert (told.outcome, told.golden, told.message) == (
        RunOutcome.ERROR,
        b"",
        "it left no golden file of a size that is kept",
    )


def test_what_a_child_says_cannot_reach_a_terminal(stand: Stand, tmp_path: Path) -> None:
    """Claim: control characters are gone from messages and versions, and long ones are cut."""
    answer = answering(outcome="error", stage="load", message="\x1b[2Jx" * 1000, versions={"keras": "3\x1b]0;x\x07"})
    told = run(stand(answer), tmp_path)
    assert told.message.isprintable()
    assert len(told.message) <= 1000
    assert told.versions == {"keras": "3]0;x"}


def test_a_program_that_cannot_be_started_is_a_usage_error(tmp_path: Path) -> None:
    """Claim: a text file without a first line is told by the system's words."""
    program = tmp_path / "program"
    program.write_bytes(b"\0")
    program.chmod(0o755)
    with pytest.raises(UsageError, match="cannot be started as an interpreter"):
        run(program, tmp_path)
    with pytest.raises(UsageError, match="no interpreter"):
        interpreter_of("no-such-python")
    assert interpreter_of(None) is None


def test_nothing_is_left_behind(stand: Stand, tmp_path: Path, private_temp: Path) -> None:
    """Claim: the private folder is gone after every outcome."""
    run(stand("exit 1"), tmp_path)
    run(stand("sleep 60"), tmp_path, timeout_s=0.5)
    assert list(private_temp.iterdir()) == []


def test_a_python_without_keras_says_so(tmp_path: Path) -> None:
    """Claim: the copied package itself runs in a bare interpreter and tells what is missing there."""
    import subprocess

    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    told = run(tmp_path / "bare" / "bin" / "python", tmp_path)
    assert (told.outcome, told.stage) == (RunOutcome.ERROR, "start")
    assert "No module named 'numpy'" in told.message


@pytest.mark.parametrize("path", sorted(STANDALONE.glob("*.py")), ids=lambda path: path.stem)
def test_what_is_copied_stands_alone(path: Path) -> None:
    """Claim: the copied modules import the standard library, NumPy and each other, and have Python 3.6's syntax."""
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 7))
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.module != "__future__", "annotations of the future came with Python 3.7"
            names = [] if node.level else [str(node.module)]
        for name in names:
            assert name.partition(".")[0] in {*sys.stdlib_module_names, "numpy"}


def test_signals_that_end_us_end_the_child(stand: Stand, tmp_path: Path) -> None:
    """Claim: an interruption while a child runs leaves no child."""
    pid_file = tmp_path / "pid"
    program = stand(f"echo $$ > {pid_file}; sleep 0.5; kill -INT {os.getpid()}; exec sleep 600")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(program, tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
