"""The one judgement: every family of rules asked, and the policy applied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from modelreg.environment.document import Environment
from modelreg.facts import Facts
from modelreg.findings import Finding, Severity
from modelreg.rules import compatibility, content
from modelreg.rules.keras.nowhere import nowhere_findings
from modelreg.rules.policy import Policy, Purpose
from modelreg.rules.target import Target

FINDINGS_PER_RULE_MAX = 20
"""A hostile file can have a million hazards or Lambdas; a verdict names the first and counts the rest."""


def judge(facts: Facts, policy: Policy, target: Target | None, push: Environment | None) -> tuple[Finding, ...]:
    """Every finding about the artifact, with the severities that ``policy`` gives them.

    ``target`` is ``None`` where no environment is to be judged (at push, or with ``--target none``); ``push`` is the
    environment that was recorded at push.
    """
    findings = [
        *content.damage(facts),
        *content.hazards(facts),
        *content.stored_bytecode(facts, policy),
        *content.shared_counters(facts),
        *content.usefulness(facts, policy),
        *content.weights(facts),
        *content.custom_objects(facts, policy),
    ]
    if policy.purpose is Purpose.PUSH:
        findings += nowhere_findings(facts)
    if target is not None:
        findings += compatibility.bytecode(facts, target)
        findings += compatibility.keras(facts, target, policy)
        findings += compatibility.backend(facts, target)
        findings += compatibility.drift(push, target)
    return tuple(_bounded(policy.settle(findings)))


def _bounded(findings: Sequence[Finding]) -> Iterator[Finding]:
    """At most so many findings of each rule and severity, and one that counts the rest."""
    groups: dict[tuple[str, Severity], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.rule, finding.severity), []).append(finding)
    for group in groups.values():
        yield from group[:FINDINGS_PER_RULE_MAX]
        more = len(group) - FINDINGS_PER_RULE_MAX
        if more > 0:
            yield replace(group[0], message=f"and {more:,} more findings like the ones above", where=None)
