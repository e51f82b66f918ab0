"""Findings and verdicts: what a check says, how grave it is, and the exit status that follows."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape

from modelreg.records import SPARSE, Json, to_json


class Kind(enum.StrEnum):
    """What a finding is about; each kind has a bit in the exit status, so that a pipeline can tell them apart."""

    POLICY = "policy"
    CORRUPT = "corrupt"
    UNTRUSTED = "untrusted"
    UNSAFE = "unsafe"
    INCOMPATIBLE = "incompatible"

    @property
    def exit_bit(self) -> int:
        return _EXIT_BITS[self]


_EXIT_BITS = {Kind.POLICY: 4, Kind.CORRUPT: 8, Kind.UNTRUSTED: 16, Kind.UNSAFE: 32, Kind.INCOMPATIBLE: 64}


class Severity(enum.StrEnum):
    """How grave a finding is under the policy at hand."""

    REFUSE = "refuse"
    WARN = "warn"
    INFO = "info"

    @property
    def rank(self) -> int:
        return {"refuse": 0, "warn": 1, "info": 2}[self.value]


class Outcome(enum.StrEnum):
    """How what a finding speaks of shows itself, if the model is loaded all the same."""

    LOAD_ERROR = "error-at-load"
    PREDICT_ERROR = "error-at-predict"
    CRASH = "interpreter-dies"
    OTHER_NUMBERS = "other-numbers"
    """No error, and predictions that are not the writer's."""
    UNDEFINED = "undefined"
    """Bytecode of a neighbouring Python: it may work, raise, crash, or compute something else."""
    COMPILE_ERROR = "error-at-compile"
    """Only where the training configuration is restored too."""


class Decision(enum.StrEnum):
    """The outcome of one check."""

    PASSED = "passed"
    WARNED = "warned"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule's outcome; ``message`` holds the actual values, ``where`` the place, ``fix`` what to do."""

    rule: str
    kind: Kind
    severity: Severity
    message: str
    where: str | None = None
    fix: str | None = None
    outcome: Outcome | None = field(default=None, metadata=SPARSE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """All findings of one check, gravest first, and the decision that follows from them.

    ``target`` is the target environment as the caller named it, or ``None`` where none was judged.
    """

    findings: tuple[Finding, ...] = ()
    target: str | None = None

    def __post_init__(self) -> None:
        ordered = sorted(self.findings, key=lambda finding: (finding.severity.rank, finding.rule))
        object.__setattr__(self, "findings", tuple(ordered))

    @property
    def decision(self) -> Decision:
        severities = {finding.severity for finding in self.findings}
        if Severity.REFUSE in severities:
            return Decision.REFUSED
        return Decision.WARNED if Severity.WARN in severities else Decision.PASSED

    @property
    def exit(self) -> int:
        """0, or the sum of the exit bits of every refused kind."""
        return sum(kind.exit_bit for kind in {finding.kind for finding in self.refusals})

    @property
    def refusals(self) -> tuple[Finding, ...]:
        return tuple(self._with(Severity.REFUSE))

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(self._with(Severity.WARN))

    def with_findings(self, more: Iterable[Finding]) -> Verdict:
        """This verdict and ``more``."""
        return Verdict((*self.findings, *more), self.target)

    def to_json(self) -> Json:
        """The verdict object, the same wherever it appears."""
        return {
            "decision": self.decision.value,
            "exit": self.exit,
            "target": self.target,
            "findings": [to_json(finding) for finding in self.findings],
        }

    def _with(self, severity: Severity) -> Iterator[Finding]:
        return (finding for finding in self.findings if finding.severity is severity)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td><code>{escape(finding.rule)}</code></td><td>{finding.severity}</td><td>{finding.kind}</td>"
            f"<td>{escape(finding.message)}</td><td>{escape(finding.where or '')}</td>"
            f"<td>{escape(finding.fix or '')}</td></tr>"
            for finding in self.findings
        )
        head = "<tr><th>rule</th><th>severity</th><th>kind</th><th>message</th><th>where</th><th>fix</th></tr>"
        return f"<p><b>{self.decision}</b> (exit {self.exit})</p><table>{head}{rows}</table>"
