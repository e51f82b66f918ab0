"""From what a child left behind to a value: bounded, and believed in nothing but its form."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modelreg.errors import DocumentError
from modelreg.manifest import GOLDEN_SIZE_BYTES_MAX, ArraySpec
from modelreg.records import from_json, parse_json
from modelreg.replay.run import OutputReport, PredictionRun, RunOutcome

ANSWER_NAME = "result.json"
GOLDEN_NAME = "golden.npz"
ANSWER_SIZE_BYTES_MAX = 4 * 1024 * 1024
"""A thousand outputs take about 300 KB."""
MESSAGE_LENGTH_MAX = 1000


@dataclass(frozen=True, slots=True)
class Ending:
    """``status`` is the exit status, ``None`` where the time was over; ``tail`` the end of what was printed."""

    status: int | None
    tail: str


@dataclass(frozen=True, slots=True)
class _Answer:
    """The result file; what it does not say has not happened."""

    outcome: RunOutcome
    stage: str
    error: str = ""
    message: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[ArraySpec, ...] = ()
    outputs: tuple[OutputReport, ...] = ()
    predicted: tuple[ArraySpec, ...] = ()
    samples: int = 0
    tolerance: str = ""


def understand(ending: Ending, folder: Path, timeout_s: float) -> PredictionRun:
    """What a child that ended so, and left this in its folder, came to."""
    answer = _read_answer(folder / ANSWER_NAME)
    last_words = _last_words(ending, timeout_s)
    if isinstance(answer, str):
        return PredictionRun(_outcome_of(ending), stage="start", message=last_words or answer)
    versions = {_printable(key): _printable(value) for key, value in sorted(answer.versions.items())[:8]}
    stage = _printable(answer.stage)
    if stage != "done":
        was_ended = ending.status is None or ending.status < 0
        return PredictionRun(
            _outcome_of(ending) if was_ended else RunOutcome.ERROR,
            stage,
            error="" if was_ended or answer.error == "Trouble" else _printable(answer.error),
            message=last_words if was_ended else _printable(answer.message) or last_words,
            versions=versions,
        )
    golden = b""
    if answer.outcome is RunOutcome.MADE:
        golden = _bounded(folder / GOLDEN_NAME, GOLDEN_SIZE_BYTES_MAX) or b""
        if not golden:
            message = "it left no golden file of a size that is kept"
            return PredictionRun(RunOutcome.ERROR, stage, message=message, versions=versions)
    return PredictionRun(
        outcome=answer.outcome,
        stage=stage,
        message=_printable(answer.message),
        versions=versions,
        outputs=answer.outputs,
        samples=answer.samples,
        tolerance=_printable(answer.tolerance),
        inputs=answer.inputs,
        predicted=answer.predicted,
        golden=golden,
    )


def _outcome_of(ending: Ending) -> RunOutcome:
    if ending.status is None:
        return RunOutcome.TIMEOUT
    return RunOutcome.KILLED if ending.status < 0 else RunOutcome.ERROR


def _last_words(ending: Ending, timeout_s: float) -> str:
    if ending.status is None:
        return f"it took longer than {timeout_s:g} s"
    if ending.status < 0:
        return f"the interpreter was killed by signal {-ending.status} ({_signal_name(-ending.status)})"
    lines = [line for line in ending.tail.splitlines() if line.strip()]
    return _printable(lines[-1]) if lines else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _read_answer(path: Path) -> _Answer | str:
    """The child's answer, or why there is none."""
    data = _bounded(path, ANSWER_SIZE_BYTES_MAX)
    if data is None:
        return "it left no answer"
    try:
        value = parse_json(data, what="the answer")
        if isinstance(value, dict) and value.get("outcome") == RunOutcome.MADE:
            value["predicted"] = value.pop("outputs", [])
        return from_json(_Answer, value, what="the answer")
    except DocumentError as error:
        return f"it gave an answer that is none: {error.message}"


def _bounded(path: Path, size_bytes_max: int) -> bytes | None:
    """A regular file's bytes, ``None`` where there is none of that size; the child may have left anything there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > size_bytes_max:
            return None
        with os.fdopen(os.dup(descriptor), "rb") as stream:
            data = stream.read(size_bytes_max + 1)
    finally:
        os.close(descriptor)
    return data if len(data) <= size_bytes_max else None


def _printable(text: str) -> str:
    return "".join(char for char in text[:MESSAGE_LENGTH_MAX] if char.isprintable())
