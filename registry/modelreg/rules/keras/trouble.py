"""What playing a load through finds: one reason why it goes wrong there, and how."""

from __future__ import annotations

from dataclasses import dataclass

from modelreg.findings import Finding, Outcome, Severity
from modelreg.rules.catalogue import RULES


@dataclass(frozen=True, slots=True)
class Trouble:
    """One reason; ``is_certain`` where the load fails for sure, ``is_note`` where nothing fails that was asked for."""

    rule: str
    message: str
    where: str | None
    outcome: Outcome
    fix: str | None = None
    is_certain: bool = True
    is_note: bool = False

    def finding(self) -> Finding:
        severity = None if self.is_certain else Severity.INFO if self.is_note else Severity.WARN
        return RULES[self.rule].found(
            self.message, where=self.where, fix=self.fix, severity=severity, outcome=self.outcome
        )
