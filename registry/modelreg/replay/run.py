"""The values of a run: what is asked for, and what came of it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from modelreg.manifest import GOLDEN_NAME_LENGTH_MAX, GOLDEN_RANK_MAX, ArraySpec
from modelreg.replay.hints import Hint


class RunOutcome(enum.StrEnum):
    """What became of a run."""

    MADE = "made"
    SAME = "same"
    DIFFERENT = "different"
    ERROR = "error"
    """It raised, or could not begin; ``stage`` and ``message`` say where and what."""
    KILLED = "killed"
    """The interpreter died by a signal."""
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class OutputReport:
    """How far one output is from what was recorded; numbers are texts, as the child printed them.

    ``beyond`` of its ``values`` differ by more than the tolerance.  The rest tells of the worst of them: its place,
    what was recorded, what was computed, and their difference, as it is and in units of the scale that the tolerance
    applies to (the largest magnitude in the column, at least a hundredth of the output's).
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    values: int
    beyond: int
    index: tuple[int, ...] = ()
    expected: str = ""
    actual: str = ""
    worst_absolute: str = ""
    worst_relative: str = ""

    def __post_init__(self) -> None:
        texts = (self.name, self.dtype, self.expected, self.actual, self.worst_absolute, self.worst_relative)
        if max(map(len, texts)) > GOLDEN_NAME_LENGTH_MAX or max(len(self.shape), len(self.index)) > GOLDEN_RANK_MAX:
            raise ValueError("a report of an output is longer than reports are")


@dataclass(frozen=True, slots=True)
class PredictionRun:
    """What one run came to.

    ``versions`` (``python``, ``numpy``, ``keras``, ``tensorflow``) are those of the child, as far as it came.
    ``golden`` are the bytes of the golden file, of a run that made one, and ``inputs`` and ``predicted`` what is in it.
    """

    outcome: RunOutcome
    stage: str = ""
    error: str = ""
    message: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[OutputReport, ...] = ()
    samples: int = 0
    tolerance: str = ""
    inputs: tuple[ArraySpec, ...] = ()
    predicted: tuple[ArraySpec, ...] = ()
    golden: bytes = b""


@dataclass(frozen=True, slots=True)
class Making:
    """What golden predictions to make: ``hints`` are what each input takes, by its name (``hints_of``)."""

    samples: int
    seed: int = 0
    tolerance: str | None = None
    hints: Mapping[str, Hint] = field(default_factory=dict)
