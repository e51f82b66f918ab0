"""Where a model loads and where not: one verdict for each Keras worth asking about, on each Python that it exists for.

The columns are releases that people have; the Pythons are those that the release's published wheels name (their
metadata).  It answers "which environment do I need" when nobody has named a target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from modelreg.environment.document import Environment
from modelreg.facts import Facts
from modelreg.findings import Decision, Outcome, Verdict
from modelreg.rules.judging import judge
from modelreg.rules.policy import Policy
from modelreg.rules.target import Target

PYTHONS = ("3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13")


@dataclass(frozen=True, slots=True)
class Station:
    """One Keras, its TensorFlow, and the first and last Python that they were published for."""

    label: str
    distributions: tuple[tuple[str, str], ...]
    first: str
    last: str
    legacy_keras: bool | None = None

    @property
    def pythons(self) -> tuple[str, ...]:
        return PYTHONS[PYTHONS.index(self.first) : PYTHONS.index(self.last) + 1]

    def target(self, python: str) -> Target:
        """This Keras on one Python."""
        environment = Environment(python=python, distributions=dict(self.distributions), legacy_keras=self.legacy_keras)
        return Target(f"{self.label}, Python {python}", environment)


STATIONS = (
    Station("Keras 2.3 (TF 1.15)", (("tensorflow", "1.15.5"), ("keras", "2.3.1"), ("h5py", "2.10.0")), "3.6", "3.7"),
    Station("TF 2.4", (("tensorflow", "2.4.4"), ("h5py", "2.10.0")), "3.6", "3.8"),
    Station("TF 2.8", (("tensorflow", "2.8.4"), ("keras", "2.8.0")), "3.7", "3.10"),
    Station("TF 2.12", (("tensorflow", "2.12.1"), ("keras", "2.12.0")), "3.8", "3.11"),
    Station("TF 2.13", (("tensorflow", "2.13.1"), ("keras", "2.13.1")), "3.8", "3.11"),
    Station("TF 2.15", (("tensorflow", "2.15.1"), ("keras", "2.15.0")), "3.9", "3.11"),
    Station("tf-keras 2.20", (("tensorflow", "2.20.0"), ("tf-keras", "2.20.1")), "3.9", "3.13", legacy_keras=True),
    Station("Keras 3.3", (("tensorflow", "2.16.2"), ("keras", "3.3.3")), "3.9", "3.12"),
    Station("Keras 3.10", (("tensorflow", "2.18.1"), ("keras", "3.10.0")), "3.9", "3.12"),
    Station("Keras 3.15", (("tensorflow", "2.21.0"), ("keras", "3.15.1")), "3.11", "3.13"),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """What is to be expected on one Keras and Python; ``verdict`` is ``None`` where the two do not exist together."""

    station: str
    python: str
    verdict: Verdict | None

    @property
    def loads(self) -> bool | None:
        return None if self.verdict is None else self.verdict.decision is not Decision.REFUSED

    @property
    def outcome(self) -> Outcome | None:
        """How a refused load would show itself: the gravest of what is known."""
        told = {finding.outcome for finding in self.verdict.refusals} if self.verdict else set()
        return next((outcome for outcome in _BY_GRAVITY if outcome in told), None)


_BY_GRAVITY = (
    Outcome.LOAD_ERROR,
    Outcome.CRASH,
    Outcome.UNDEFINED,
    Outcome.OTHER_NUMBERS,
    Outcome.PREDICT_ERROR,
    Outcome.COMPILE_ERROR,
)
"""An error at load comes first: what would have come after it never happens."""


def landscape(facts: Facts, policy: Policy, stations: Sequence[Station] = STATIONS) -> tuple[Cell, ...]:
    """A cell for each Python and station, row by row."""
    return tuple(
        Cell(station.label, python, _verdict(facts, policy, station, python))
        for python in PYTHONS
        for station in stations
    )


def _verdict(facts: Facts, policy: Policy, station: Station, python: str) -> Verdict | None:
    if python not in station.pythons:
        return None
    target = station.target(python)
    return Verdict(judge(facts, policy, target, None), target.name)
