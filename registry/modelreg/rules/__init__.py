"""Rules: facts, environment and policy to findings.  Pure: no file, no network, no clock.

``judge`` is the one entrance; each family of rules has a module, and the words of every rule stand in ``catalogue``.
"""

from __future__ import annotations

from modelreg.environment.document import Environment
from modelreg.facts import Facts
from modelreg.findings import Finding
from modelreg.rules import compatibility, content
from modelreg.rules.catalogue import RULES, Rule, rule
from modelreg.rules.compatibility import Target
from modelreg.rules.policy import Mode, Policy, Purpose, rule_ids

__all__ = ["RULES", "Mode", "Policy", "Purpose", "Rule", "Target", "judge", "rule", "rule_ids"]


def judge(facts: Facts, policy: Policy, target: Target | None, push: Environment | None) -> tuple[Finding, ...]:
    """Every finding about the artifact, with the severities that ``policy`` gives them.

    ``target`` is ``None`` where no environment is to be judged (at push, or with ``--target none``); ``push`` is the
    environment that was recorded at push.
    """
    findings = [
        *content.damage(facts),
        *content.hazards(facts),
        *content.stored_bytecode(facts, policy),
        *content.usefulness(facts, policy),
        *content.custom_objects(facts, policy),
    ]
    if target is not None:
        findings += compatibility.bytecode(facts, target)
        findings += compatibility.keras_version(facts, target, policy)
        findings += compatibility.drift(push, target)
    return policy.settle(findings)
