"""Many files, many targets, one process: says of each whether it will load there, and why not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from modelreg.artifact import open_artifact
from modelreg.client.checks import Checks, policy_of
from modelreg.config import Settings
from modelreg.environment import resolve_target
from modelreg.facts import Facts
from modelreg.findings import Finding, Verdict
from modelreg.inspect import Inspector
from modelreg.rules import Purpose, Target, judge
from modelreg.rules.landscape import Cell, landscape
from modelreg.rules.symptoms import Symptom, recognise


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict for one target; without a target it is on the file alone."""

    target: str | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Explained:
    """What a pasted error says, and where its sign stands in the file."""

    symptom: Symptom
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything about one file.

    ``path`` is as the caller gave it; ``results`` has one entry for each target, or one without a target where none was
    named; ``cells`` is the table over Pythons and Kerases, made only where no target was named; ``explained`` is about
    the error that was pasted.
    """

    path: str
    facts: Facts
    results: tuple[Judged, ...]
    cells: tuple[Cell, ...] = ()
    explained: tuple[Explained, ...] = ()


class Diagnostics:
    """A policy and targets, resolved once; then any number of files.

    Judged is what plain ``keras.models.load_model(PATH, compile=False, safe_mode=False)`` would do there.
    """

    def __init__(
        self, settings: Settings, *, targets: Iterable[str] = (), error: str | None = None, **checks: Unpack[Checks]
    ) -> None:
        self.policy = policy_of(settings, Purpose.DIAGNOSE, **checks)
        resolved = [(text, resolve_target(text)) for text in targets]
        self.targets = tuple(None if found is None else Target(text, found) for text, found in resolved)
        self.error = error

    def diagnose(self, path: str, facts: Facts) -> Diagnosis:
        """What is to be said of one artifact."""
        results = tuple(self._judged(facts, target) for target in self.targets or (None,))
        cells = () if self.targets else landscape(facts, self.policy)
        verdicts = [result.verdict for result in results] + [cell.verdict for cell in reversed(cells) if cell.verdict]
        explained = _explained(self.error, verdicts) if self.error is not None else ()
        return Diagnosis(path, facts, results, cells, explained)

    def _judged(self, facts: Facts, target: Target | None) -> Judged:
        name = target.name if target else None
        return Judged(name, Verdict(judge(facts, self.policy, target, None), name))


def inspect_many(paths: Iterable[str]) -> Iterator[tuple[str, Facts]]:
    """The facts of files and folders, one after the other, by one reader.

    Raises as ``inspect_path`` does, for the first path that is no artifact.
    """
    with Inspector(expect_hdf5=True) as inspector:
        for path in paths:
            with open_artifact(Path(path)) as files:
                yield path, inspector.inspect([(file.path, file.descriptor) for file in files])


def _explained(text: str, verdicts: Iterable[Verdict]) -> tuple[Explained, ...]:
    """The failure modes that ``text`` speaks of, each with the findings that show its sign, one for each place."""
    found: dict[tuple[str, str], Finding] = {}
    for verdict in verdicts:
        for finding in verdict.findings:
            found.setdefault((finding.rule, finding.where or ""), finding)
    return tuple(
        Explained(symptom, tuple(finding for finding in found.values() if finding.rule in symptom.rules))
        for symptom in recognise(text)
    )
