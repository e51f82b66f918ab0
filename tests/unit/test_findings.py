"""Verdicts: the gravest first, the decision and the exit status that follow, and the one JSON form."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from modelreg.errors import RefusedError
from modelreg.findings import Decision, Finding, Kind, Severity, Verdict
from modelreg.records import canonical_json

FINDINGS = st.builds(
    Finding,
    rule=st.sampled_from(["MR101", "MR201", "MR301", "MR401", "MR501"]),
    kind=st.sampled_from(Kind),
    severity=st.sampled_from(Severity),
    message=st.text(max_size=10),
)


def _finding(kind: Kind, severity: Severity = Severity.REFUSE, message: str = "m") -> Finding:
    return Finding("MR000", kind, severity, message)


def test_exit_bits_are_distinct_powers_of_two_that_sum_below_128() -> None:
    """Claim: any set of kinds has its own exit status, none collides with 0, 1, 2, 3 or 130."""
    sums = {
        Verdict(tuple(_finding(kind) for kind in kinds)).exit
        for size in range(1, len(Kind) + 1)
        for kinds in combinations(Kind, size)
    }
    assert len(sums) == 2 ** len(Kind) - 1
    assert min(sums) == 4
    assert max(sums) == 124


@given(st.lists(FINDINGS, max_size=8))
def test_the_decision_is_that_of_the_gravest_finding(findings: list[Finding]) -> None:
    """Claim: refused, warned or passed follows from the severities alone, and only refusals count in the exit."""
    verdict = Verdict(tuple(findings))
    severities = {finding.severity for finding in findings}
    refused = {finding.kind for finding in findings if finding.severity is Severity.REFUSE}
    expected = (
        Decision.REFUSED
        if Severity.REFUSE in severities
        else Decision.WARNED
        if Severity.WARN in severities
        else Decision.PASSED
    )
    assert verdict.decision is expected
    assert verdict.exit == sum(kind.exit_bit for kind in refused)
    assert [finding.severity.rank for finding in verdict.findings] == sorted(f.severity.rank for f in findings)
    assert sorted(map(repr, verdict.findings)) == sorted(map(repr, findings))


@given(st.lists(FINDINGS, max_size=4), st.lists(FINDINGS, max_size=4))
def test_more_findings_never_make_a_verdict_milder(first: list[Finding], more: list[Finding]) -> None:
    """Claim: adding findings keeps every exit bit that was set, and the target."""
    verdict = Verdict(tuple(first), "current")
    grown = verdict.with_findings(more)
    assert grown.exit & verdict.exit == verdict.exit
    assert grown == Verdict((*first, *more), "current") or len(grown.findings) == len(first) + len(more)
    assert grown.target == "current"


def test_the_json_form_is_the_documented_one() -> None:
    """Claim: the verdict object has exactly the keys of the design, wherever it appears."""
    verdict = Verdict((Finding("MR401", Kind.INCOMPATIBLE, Severity.REFUSE, "no", "layer 'x'", "mend"),), "current")
    assert canonical_json(verdict.to_json()) == (
        b'{"decision":"refused","exit":64,"findings":[{"fix":"mend","kind":"incompatible","message":"no",'
        b'"rule":"MR401","severity":"refuse","where":"layer \'x\'"}],"target":"current"}'
    )


def test_the_notebook_form_escapes_what_came_from_a_file() -> None:
    """Claim: a layer's name cannot bring markup into a notebook."""
    shown = Verdict((Finding("MR301", Kind.UNSAFE, Severity.WARN, "<script>alert(1)</script>", "<b>"),))._repr_html_()
    assert "<script>" not in shown
    assert "<td><b>" not in shown
    assert "&lt;script&gt;" in shown


def test_a_refusal_carries_its_verdict_and_exit_status() -> None:
    """Claim: whoever catches RefusedError has every finding and the status of the process."""
    verdict = Verdict((_finding(Kind.CORRUPT), _finding(Kind.POLICY)))
    error = RefusedError("no", verdict=verdict, hint="h")
    assert (error.exit_status, error.verdict, error.hint, error.code) == (12, verdict, "h", "refused")
