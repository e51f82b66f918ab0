"""Policy: how a caller bends the rules' default severities, and what it says of itself."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable
from dataclasses import dataclass

from modelreg.errors import UsageError
from modelreg.findings import Finding, Severity
from modelreg.rules.catalogue import RULES, rule


class Mode(enum.StrEnum):
    """``--verify``, ``--no-verify``, or neither."""

    DEFAULT = "default"
    VERIFY = "verify"
    NO_VERIFY = "no-verify"


class Purpose(enum.StrEnum):
    """What the bytes are wanted for: some rules are graver when Keras is next."""

    PUSH = "push"
    PULL = "pull"
    LOAD = "load"
    DIAGNOSE = "diagnose"
    """Whether ``keras.models.load_model(PATH, compile=False, safe_mode=False)`` works there, as the file is."""


@dataclass(frozen=True, slots=True)
class Policy:
    """``provides`` names the custom objects that the loader has, ``None`` where that is not known."""

    purpose: Purpose = Purpose.PULL
    mode: Mode = Mode.DEFAULT
    allow: frozenset[str] = frozenset()
    strict: frozenset[str] = frozenset()
    provides: frozenset[str] | None = None
    require_signature: bool = False
    safe_mode: bool = False
    """Whether Keras will refuse bytecode by itself; only ``load`` can tell."""

    def __post_init__(self) -> None:
        for rule_id in self.allow & self.strict:
            raise UsageError(f"{rule_id} is both allowed and strict", hint="give one of --allow and --strict")

    def settle(self, findings: Iterable[Finding]) -> tuple[Finding, ...]:
        """The findings with the severity that they have under this policy."""
        return tuple(dataclasses.replace(finding, severity=self._severity(finding)) for finding in findings)

    def _severity(self, finding: Finding) -> Severity:
        known = RULES[finding.rule]
        if known.fixed:
            return finding.severity
        if finding.rule in self.allow:
            return Severity.INFO
        if finding.rule in self.strict:
            return Severity.REFUSE
        match self.mode:
            case Mode.NO_VERIFY:
                return Severity.INFO
            case Mode.VERIFY if finding.severity is Severity.WARN and known.escalates:
                return Severity.REFUSE
        return finding.severity


def rule_ids(texts: Iterable[str], *, option: str) -> frozenset[str]:
    """Rule ids as a user types them (``mr301``, ``MR301,MR402``); raises for unknown ones and for fixed ones."""
    ids = {rule(part.strip()).id for text in texts for part in text.split(",") if part.strip()}
    for rule_id in sorted(ids):
        if option == "--allow" and RULES[rule_id].fixed:
            raise UsageError(
                f"{rule_id} ({RULES[rule_id].title.lower()}) cannot be allowed: it guards the bytes themselves",
                hint=f"modelreg explain {rule_id}",
            )
    return frozenset(ids)
