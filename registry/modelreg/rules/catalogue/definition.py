"""What a rule is: its words, its default severity, and how far a policy may bend it."""

from __future__ import annotations

from dataclasses import dataclass

from modelreg.findings import Finding, Kind, Outcome, Severity

_KINDS = {
    "1": Kind.CORRUPT,
    "2": Kind.UNTRUSTED,
    "3": Kind.UNSAFE,
    "4": Kind.INCOMPATIBLE,
    "5": Kind.POLICY,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    ``fixed`` rules guard the bytes themselves: no flag turns them off.  ``escalates`` tells whether ``--verify`` turns
    a warning of this rule into a refusal.
    """

    id: str
    title: str
    severity: Severity
    meaning: str
    example: str
    fix: str
    fixed: bool = False
    escalates: bool = True

    @property
    def kind(self) -> Kind:
        return _KINDS[self.id[2]]

    def found(
        self,
        message: str,
        *,
        where: str | None = None,
        fix: str | None = None,
        severity: Severity | None = None,
        outcome: Outcome | None = None,
    ) -> Finding:
        """A finding of this rule with its default severity, before any policy is applied."""
        return Finding(self.id, self.kind, severity or self.severity, message, where, fix or self.fix, outcome)


def refuse(rule_id: str, title: str, meaning: str, example: str, fix: str, *, fixed: bool = False) -> Rule:
    """A rule that refuses unless a policy says otherwise."""
    return Rule(rule_id, title, Severity.REFUSE, meaning, example, fix, fixed=fixed)


def warn(rule_id: str, title: str, meaning: str, example: str, fix: str, *, escalates: bool = True) -> Rule:
    """A rule that warns."""
    return Rule(rule_id, title, Severity.WARN, meaning, example, fix, escalates=escalates)


def info(rule_id: str, title: str, meaning: str, example: str, fix: str) -> Rule:
    """A rule that only tells."""
    return Rule(rule_id, title, Severity.INFO, meaning, example, fix, escalates=False)
