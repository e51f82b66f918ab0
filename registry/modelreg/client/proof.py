"""Proves a repair: what the file predicts against what the repaired file predicts, each by a child's Keras.

Invariants:

* A proof that could not be made is never a passed one: it says what stood in the way, and nothing was compared.
* A side runs only where the rules say that it loads there as it was meant; bytecode only where the policy allows it.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modelreg.client.folder import KeptGolden
from modelreg.client.golden import GoldenRequest, hints_in
from modelreg.client.replay import computed_by, difference_of, in_safe_mode, obstacle, reason_of_run
from modelreg.environment import resolve_target
from modelreg.facts import Facts
from modelreg.findings import Finding, Outcome, Severity
from modelreg.manifest import Golden
from modelreg.replay import TIMEOUT_S, Making, PredictionRun, RunOutcome, interpreter_of, run_predictions
from modelreg.rules import RULES, Policy, Target, judge
from modelreg.rules.keras.reader import reader_of

SAMPLES = 4
_COMPARED = (RunOutcome.SAME, RunOutcome.DIFFERENT)


class ProofOutcome(enum.StrEnum):
    """What came of a proof."""

    SAME = "same"
    DIFFERENT = "different"
    FAILED = "failed"
    """The repaired file did not load or run where the rules say that it does."""
    NOT_CHECKED = "not-checked"
    """Nothing could be compared."""


@dataclass(frozen=True, slots=True)
class ProofRequest:
    """How a repair is to be proved.

    ``before`` is the interpreter whose Keras computes what the file predicts, ``None`` for this one; ``after`` that for
    the repaired file, ``None`` for the target's, or this one where the target is only described.  The rest is as in
    ``GoldenRequest``.  Raises ``UsageError``.
    """

    before: str | None = None
    after: str | None = None
    custom_objects: tuple[str, ...] = ()
    tolerance: str | None = None
    samples: int = SAMPLES
    timeout_s: float = TIMEOUT_S

    def __post_init__(self) -> None:
        GoldenRequest(self.samples, None, self.custom_objects, self.tolerance, 0, self.timeout_s)


@dataclass(frozen=True, slots=True)
class Subject:
    """One side of a proof: how it is called, where its bytes are, what they are, and what is imported before them."""

    name: str
    place: Path
    facts: Facts
    imports: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """What a proof came to.

    ``before`` is ``None`` where the file was not run: ``recorded`` golden predictions stood for it, or it could not be.
    ``after`` likewise, or without anything to compare with, a run that shows only that the repaired file predicts.
    ``reason`` and ``fix`` say why nothing was compared.
    """

    outcome: ProofOutcome
    recorded: Golden | None = None
    before: PredictionRun | None = None
    after: PredictionRun | None = None
    reason: str = ""
    fix: str | None = None

    def findings(self, before: str, after: str) -> Iterator[Finding]:
        """MR440 for each output that differs, MR441 where nothing was compared; the sides are called so."""
        if self.outcome is ProofOutcome.DIFFERENT and self.after is not None:
            there = _by_recorded(self.recorded) if self.recorded else _by(self.before)
            for report in self.after.outputs:
                if report.beyond:
                    told = difference_of(report, self.after.tolerance, f"what {before} predicts")
                    yield RULES["MR440"].found(
                        f"{told}; {before} by {there}, {after} by {_by(self.after)}",
                        where=f"output {report.name!r}",
                        fix="keep the file as it is, with the Keras that wrote it",
                        outcome=Outcome.OTHER_NUMBERS,
                    )
        elif self.outcome is not ProofOutcome.SAME:
            is_failed = self.outcome is ProofOutcome.FAILED
            yield RULES["MR441"].found(
                f"not proved: {self.reason}", fix=self.fix, severity=Severity.REFUSE if is_failed else None
            )


def prove(
    request: ProofRequest,
    before: Subject,
    after: Subject,
    *,
    kept: KeptGolden | None,
    target: Path | None,
    policy: Policy,
    folder: Path,
) -> Proof:
    """Compare what both sides predict, in ``folder``, which nobody else uses.

    ``kept`` are golden predictions that were stored with the file, which then need not run.  ``target`` is the
    interpreter of the target, if it has one.
    """
    work = _Work(request, policy, folder)
    executable = interpreter_of(request.after) if request.after is not None else target
    if kept is not None:
        return work.compared(after, executable, kept.place, Proof(ProofOutcome.NOT_CHECKED, recorded=kept.golden))
    computed = work.computed(before, interpreter_of(request.before))
    if computed.before is None or computed.before.outcome is not RunOutcome.MADE:
        return work.alone(after, executable, computed)
    golden = folder / "golden.npz"
    golden.write_bytes(computed.before.golden)
    return work.compared(after, executable, golden, computed)


class _Work:
    """One proof."""

    def __init__(self, request: ProofRequest, policy: Policy, folder: Path) -> None:
        self.request = request
        self.policy = policy
        self.folder = folder

    def computed(self, before: Subject, executable: Path | None) -> Proof:
        """What the file predicts, or why that is not known."""
        barred = self._barred(before, executable)
        if barred is not None:
            return barred
        run = self._run(before, executable, self._making(before))
        if run.outcome is RunOutcome.MADE:
            return Proof(ProofOutcome.NOT_CHECKED, before=run)
        reason = f"{before.name} predicts nothing to compare with: by {_by(run)}, {reason_of_run(run)}"
        return Proof(ProofOutcome.NOT_CHECKED, before=run, reason=reason, fix=_other_python(before.facts))

    def compared(self, after: Subject, executable: Path | None, golden: Path, so_far: Proof) -> Proof:
        """The proof, where what the file predicts is in ``golden``."""
        barred = self._barred(after, executable)
        if barred is not None:
            return dataclasses.replace(so_far, reason=barred.reason, fix=barred.fix)
        run = self._run(after, executable, golden)
        if run.outcome in _COMPARED and run.outputs:
            return dataclasses.replace(so_far, outcome=ProofOutcome(run.outcome.value), after=run)
        return self._failed(after, run, so_far)

    def alone(self, after: Subject, executable: Path | None, so_far: Proof) -> Proof:
        """What is left to find out where there is nothing to compare with: that the repaired file loads and runs."""
        if self._barred(after, executable) is not None:
            return so_far
        run = self._run(after, executable, self._making(after))
        return (
            dataclasses.replace(so_far, after=run)
            if run.outcome is RunOutcome.MADE
            else self._failed(after, run, so_far)
        )

    def _failed(self, after: Subject, run: PredictionRun, so_far: Proof) -> Proof:
        reason = f"{after.name} was to predict by {_by(run)}: {reason_of_run(run)}"
        began = run.stage not in ("start", "import")
        fix = "--allow MR441 writes it all the same"
        if began and after.facts.custom_objects:
            fix = f"--custom-objects MODULE with {after.facts.custom_objects[0].class_name!r} in it"
        outcome = ProofOutcome.FAILED if began else ProofOutcome.NOT_CHECKED
        return dataclasses.replace(so_far, outcome=outcome, after=run, reason=reason, fix=fix)

    def _barred(self, side: Subject, executable: Path | None) -> Proof | None:
        """Why ``side`` is not to be run there, by rules alone."""
        name = "current" if executable is None else str(executable)
        environment = resolve_target(name)
        assert environment is not None  # noqa: S101 - only "none" is none
        here = "this interpreter" if executable is None else name
        reader = reader_of(environment)
        if reader is None:
            reason = f"{side.name} was not run: {here} has no Keras"
            return Proof(ProofOutcome.NOT_CHECKED, reason=reason, fix=_other_python(side.facts))
        findings = judge(side.facts, self.policy, Target(name, environment), None)
        refusals = [finding for finding in findings if finding.severity is Severity.REFUSE]
        if refusals:
            reason = f"{here} ({reader}, Python {environment.python}) does not load {side.name}: {refusals[0].message}"
            return Proof(ProofOutcome.NOT_CHECKED, reason=reason, fix=_other_python(side.facts))
        found = obstacle(side.facts, self.policy)
        if found is not None:
            return Proof(ProofOutcome.NOT_CHECKED, reason=f"{side.name} was not run: {found.message}", fix=found.fix)
        return None

    def _run(self, side: Subject, executable: Path | None, task: Making | Path) -> PredictionRun:
        return run_predictions(
            executable,
            side.place,
            side.facts.container,
            task,
            custom_objects=self.request.custom_objects,
            imports=side.imports,
            safe_mode=not side.facts.lambdas or in_safe_mode(self.policy),
            tolerance=self.request.tolerance,
            timeout_s=self.request.timeout_s,
        )

    def _making(self, side: Subject) -> Making:
        return Making(self.request.samples, 0, self.request.tolerance, hints_in(side.facts))


def _other_python(facts: Facts) -> str:
    """What to type for a side that this interpreter cannot load."""
    pythons = " or ".join(facts.writer_pythons)
    wanted = [f"Keras {facts.keras_version}"] if facts.keras_version else []
    wanted += [f"Python {pythons}"] if pythons else []
    advice = f"--python EXE with {' on '.join(wanted) or 'the Keras that wrote it'}"
    return advice + (", and --allow MR301 if you trust who wrote its bytecode" if facts.lambdas else "")


def _by(run: PredictionRun | None) -> str:
    versions = run.versions if run is not None else {}
    return computed_by(versions.get("keras"), versions.get("python"))


def _by_recorded(golden: Golden) -> str:
    return computed_by(golden.keras, golden.python)
