"""Policies: the whole table of mode, allow, strict and fixed rules against every default severity."""

from __future__ import annotations

from itertools import product

import pytest

from modelreg.errors import NotFoundError, UsageError
from modelreg.findings import Finding, Severity
from modelreg.rules import RULES, Mode, Policy, Rule, rule_ids

FLAGS = ("neither", "allow", "strict")


def settled(rule: Rule, severity: Severity, mode: Mode, flag: str) -> Severity:
    finding = rule.found("m", severity=severity)
    policy = Policy(
        mode=mode,
        allow=frozenset({rule.id} if flag == "allow" else ()),
        strict=frozenset({rule.id} if flag == "strict" else ()),
    )
    (result,) = policy.settle([finding])
    assert Finding(result.rule, result.kind, severity, result.message, result.where, result.fix) == finding
    return result.severity


def expected(rule: Rule, severity: Severity, mode: Mode, flag: str) -> Severity:
    """The table of the design, said once more and independently."""
    if rule.fixed:
        return severity
    if flag != "neither":
        return {"allow": Severity.INFO, "strict": Severity.REFUSE}[flag]
    table = {
        (Mode.NO_VERIFY, Severity.REFUSE): Severity.INFO,
        (Mode.NO_VERIFY, Severity.WARN): Severity.INFO,
        (Mode.VERIFY, Severity.WARN): Severity.REFUSE if rule.escalates else Severity.WARN,
    }
    return table.get((mode, severity), severity)


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_every_rule_settles_as_the_table_says(rule: Rule) -> None:
    """Claim: for each rule, each mode x flag x default severity has the outcome of the design's table."""
    for severity, mode, flag in product(Severity, Mode, FLAGS):
        assert settled(rule, severity, mode, flag) is expected(rule, severity, mode, flag), (severity, mode, flag)


def test_nothing_turns_the_checks_of_the_bytes_off() -> None:
    """Claim: MR101 to MR105, MR107, a forged signature, a revoked key and what a lock file forbids are fixed, and no other rule is."""
    fixed = ["MR101", "MR102", "MR103", "MR104", "MR105", "MR107", "MR202", "MR204", "MR211"]
    assert [rule.id for rule in RULES.values() if rule.fixed] == fixed


def test_five_kinds_of_warning_stay_warnings_under_verify() -> None:
    """Claim: an unsigned version, needed custom objects, lost training, Windows and loops do not refuse by --verify alone.

    The first two are the design's; a model whose optimizer is not restored still predicts, and so does most code that
    was saved on Windows; and Lambdas may share a value on purpose.
    """
    kept = {rule.id for rule in RULES.values() if rule.severity is Severity.WARN and not rule.escalates}
    assert kept == {"MR201", "MR203", "MR205", "MR206", "MR207", "MR209", "MR420", "MR424", "MR434", "MR435"}


def test_a_rule_cannot_be_allowed_and_strict() -> None:
    """Claim: the contradiction is a usage error that names the rule."""
    with pytest.raises(UsageError, match="MR301"):
        Policy(allow=frozenset({"MR301"}), strict=frozenset({"MR301"}))


def test_rule_ids_are_taken_as_users_type_them() -> None:
    """Claim: any case, several in one text, blanks around them, none twice."""
    assert rule_ids(["mr301, MR402", "MR301", ""], option="--allow") == {"MR301", "MR402"}


def test_a_fixed_rule_cannot_be_allowed() -> None:
    """Claim: --allow of a rule that guards the bytes is refused at once, not silently ignored; --strict is harmless."""
    with pytest.raises(UsageError, match="MR104"):
        rule_ids(["MR104"], option="--allow")
    assert rule_ids(["MR104"], option="--strict") == {"MR104"}


def test_an_unknown_rule_proposes_the_nearest() -> None:
    """Claim: a typo is told with the rule that was probably meant."""
    with pytest.raises(NotFoundError, match="MR4011") as caught:
        rule_ids(["MR4011"], option="--allow")
    command, _, proposed = (caught.value.hint or "").rpartition(" ")
    assert command == "modelreg explain"
    assert proposed in RULES
