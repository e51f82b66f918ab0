"""Replays: golden predictions computed again, and what that says as findings.

A replay runs the model, and with it whatever code the model holds; so it is asked for by name, and refused where the
policy does not say that such code may run.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from modelreg.errors import DocumentError, LoadError, NotFoundError, RefusedError, UsageError
from modelreg.facts import Container, Facts
from modelreg.findings import Decision, Finding, Outcome, Verdict
from modelreg.manifest import Golden, Manifest, check_tolerance
from modelreg.replay import (
    TIMEOUT_S,
    OutputReport,
    PredictionRun,
    RunOutcome,
    interpreter_of,
    run_predictions,
)
from modelreg.rules import RULES, Policy, Purpose, judge

BYTECODE_RULE = "MR301"
"""Allowing it says that bytecode stored in a model may run."""
OUTPUTS_TOLD_MAX = 20


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """How golden predictions are to be computed again.

    ``python`` is an interpreter's path, a virtual environment's folder or a name on PATH, ``None`` for this one;
    ``custom_objects`` name modules, or files that end in ``.py``, that define what the model needs; ``tolerance`` is a
    decimal text, by default the one recorded at push.  Raises ``UsageError``.
    """

    python: str | None = None
    custom_objects: tuple[str, ...] = ()
    tolerance: str | None = None
    timeout_s: float = TIMEOUT_S

    def __post_init__(self) -> None:
        check_request(self.tolerance, self.timeout_s, self.custom_objects)


@dataclass(frozen=True, slots=True)
class Replayed:
    """Golden predictions that were computed again; the verdict refuses what differs, and what could not be computed."""

    model: str
    version: int
    digest: str
    golden: Golden
    run: PredictionRun
    verdict: Verdict

    @property
    def reference(self) -> str:
        return f"{self.model}:{self.version}"

    @classmethod
    def of(cls, manifest: Manifest, digest: str, run: PredictionRun, verdict: Verdict, policy: Policy) -> Self:
        """What ``run`` says, added to the ``verdict`` on everything else."""
        golden = require_golden(manifest)
        findings = policy.settle(findings_of(run, golden, is_asked=True))
        return cls(manifest.model, manifest.version, digest, golden, run, verdict.with_findings(findings))


def check_request(tolerance: str | None, timeout_s: float, custom_objects: tuple[str, ...]) -> None:
    """Raise ``UsageError`` for a tolerance, a time limit or a module that cannot be meant."""
    if tolerance is not None:
        try:
            check_tolerance(tolerance)
        except DocumentError as error:
            raise UsageError(error.message) from None
    if not 0 < timeout_s <= 7 * 24 * 3600:
        raise UsageError(f"{timeout_s:g} s is not a time limit: more than 0, at most a week")
    for name in custom_objects:
        if name.endswith(".py"):
            if not Path(name).is_file():
                raise UsageError(f"there is no file {name!r} with custom objects")
        elif not all(part.isidentifier() for part in name.split(".")):
            raise UsageError(
                f"{name!r} is neither a module nor a .py file", hint="--custom-objects my_package.layers, or layers.py"
            )


def require_keras() -> None:
    """Raise ``LoadError`` where this interpreter has no Keras; nothing is imported."""
    if importlib.util.find_spec("keras") is None and importlib.util.find_spec("tensorflow") is None:
        raise LoadError("neither keras nor tensorflow is installed here", hint="pip install 'modelreg[tensorflow]'")


def require_golden(manifest: Manifest) -> Golden:
    """The golden predictions of a version; raises ``NotFoundError``."""
    if manifest.golden is None:
        raise NotFoundError(
            f"{manifest.model}:{manifest.version} has no golden predictions to compute again",
            hint="push the model with --golden 4",
        )
    return manifest.golden


def require_replayable(manifest: Manifest, policy: Policy) -> None:
    """Raise ``NotFoundError`` without golden predictions, ``RefusedError`` for a model that may not run here."""
    require_golden(manifest)
    found = obstacle(manifest.facts, policy)
    if found is not None:
        raise RefusedError(
            f"{manifest.model}:{manifest.version} was not replayed: {found.message}",
            verdict=Verdict((found,)),
            hint=found.fix,
        )


def in_safe_mode(policy: Policy) -> bool:
    """Whether Keras is to refuse stored bytecode, also where no reader found any: unless the policy allows it."""
    return BYTECODE_RULE not in policy.allow


def obstacle(facts: Facts, policy: Policy) -> Finding | None:
    """The gravest reason not to let Keras load the model here, ``None`` where there is none.

    ``--no-verify`` does not count: it says that findings shall be ignored, not that unsafe content may run.
    """
    loading = dataclasses.replace(
        policy, purpose=Purpose.LOAD, mode=type(policy.mode).DEFAULT, safe_mode=in_safe_mode(policy)
    )
    verdict = Verdict(judge(facts, loading, target=None, push=None))
    if verdict.decision is not Decision.REFUSED:
        return None
    first = verdict.refusals[0]
    if first.rule == "MR310":
        return dataclasses.replace(
            first,
            message=f"{first.message}; predicting would execute it",
            fix=f"--allow {BYTECODE_RULE} if you trust the author",
        )
    return first


def model_path(folder: Path, facts: Facts) -> Path:
    """Where the model of an artifact that lies in ``folder`` is."""
    return folder if facts.container is Container.SAVED_MODEL else folder / facts.file


def run_golden(
    folder: Path, manifest: Manifest, golden_file: Path, policy: Policy, request: ReplayRequest
) -> PredictionRun:
    """Compute the predictions of the verified files in ``folder`` again.

    Raises ``LoadError`` where the interpreter cannot even try: it has no Keras or no NumPy.
    """
    executable = interpreter_of(request.python)
    if executable is None:
        require_keras()
    run = run_predictions(
        executable,
        model_path(folder, manifest.facts),
        manifest.facts.container,
        golden_file,
        custom_objects=request.custom_objects,
        safe_mode=in_safe_mode(policy),
        tolerance=request.tolerance,
        timeout_s=request.timeout_s,
    )
    check_began(run, request.python)
    return run


def replay_if_allowed(
    folder: Path, manifest: Manifest, golden_file: Path, policy: Policy, request: ReplayRequest
) -> tuple[PredictionRun | None, tuple[Finding, ...]]:
    """The same as part of a larger check: what is in its way is a finding too.  Raises what ``run_golden`` raises."""
    golden = require_golden(manifest)
    found = obstacle(manifest.facts, policy)
    if found is not None:
        return None, policy.settle([not_replayed(found)])
    run = run_golden(folder, manifest, golden_file, policy, request)
    return run, policy.settle(findings_of(run, golden, is_asked=False))


def check_began(run: PredictionRun, python: str | None) -> None:
    """Raise ``LoadError`` for a run that ended before it came to the model."""
    if run.outcome is RunOutcome.ERROR and run.stage in ("start", "import"):
        raise LoadError(
            f"{python or 'this interpreter'} cannot compute predictions: {reason_of_run(run)}",
            hint="give an interpreter that has Keras and NumPy with --python",
        )


def findings_of(run: PredictionRun, golden: Golden, *, is_asked: bool) -> Iterator[Finding]:
    """MR440 for each output that differs, MR441 for a run that came to nothing.

    ``is_asked`` where the replay is all that was asked for: then not to be able to is a refusal too.
    """
    here = computed_by(run.versions.get("keras"), run.versions.get("python"))
    there = computed_by(golden.keras, golden.python)
    differing = [report for report in run.outputs if report.beyond]
    is_whole = len(run.outputs) == len(golden.outputs)
    if run.outcome in (RunOutcome.SAME, RunOutcome.DIFFERENT) and is_whole:
        for report in differing[:OUTPUTS_TOLD_MAX]:
            yield RULES["MR440"].found(
                f"{difference_of(report, run.tolerance, 'those at push')}; computed by {here}, recorded by {there}",
                where=f"output {report.name!r}",
                outcome=Outcome.OTHER_NUMBERS,
            )
    else:
        yield RULES["MR441"].found(
            f"the golden predictions could not be computed by {here}: {reason_of_run(run)}",
            severity=RULES["MR440"].severity if is_asked else None,
            outcome=_OUTCOMES.get((run.outcome, run.stage)),
        )


_OUTCOMES = {
    (RunOutcome.ERROR, "load"): Outcome.LOAD_ERROR,
    (RunOutcome.ERROR, "predict"): Outcome.PREDICT_ERROR,
    (RunOutcome.KILLED, "load"): Outcome.CRASH,
    (RunOutcome.KILLED, "predict"): Outcome.CRASH,
}


def not_replayed(found: Finding) -> Finding:
    """MR441 for a model that is not to be run, by the finding that says why."""
    return RULES["MR441"].found(f"the golden predictions were not computed: {found.message}", fix=found.fix)


def difference_of(report: OutputReport, tolerance: str, expected: str) -> str:
    """How far an output is from what was ``expected`` (``those at push``)."""
    head = f"output {report.name!r}: {report.beyond:,} of {report.values:,} values differ from {expected}"
    if not report.index:
        return f"{head}: {report.expected} became {report.actual}"
    place = ", ".join(map(str, report.index))
    return (
        f"{head}, the worst at [{place}]: {report.expected} became {report.actual}, off by {report.worst_relative} of "
        f"its scale where {tolerance} is allowed"
    )


def computed_by(keras: str | None, python: str | None) -> str:
    """``Keras 2.15.0 on Python 3.10.13``."""
    return f"Keras {keras or '(not told)'} on Python {python or '(not told)'}"


def reason_of_run(run: PredictionRun) -> str:
    """What stopped the run, and in which stage of it."""
    raised = ": ".join(part for part in (run.error, run.message) if part) or "it said nothing"
    stage = {"load": "while loading", "predict": "while predicting"}.get(run.stage)
    return f"{stage}, {raised}" if stage else raised
