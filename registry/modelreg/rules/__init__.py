"""Rules: facts, environment and policy to findings.  Pure: no file, no network, no clock.

``judge`` is the one entrance; each family of rules has a module, and the words of every rule stand in ``catalogue``.
"""

from __future__ import annotations

from modelreg.rules.catalogue import RULES, Rule, rule
from modelreg.rules.judging import FINDINGS_PER_RULE_MAX, judge
from modelreg.rules.policy import Mode, Policy, Purpose, rule_ids
from modelreg.rules.target import Target

__all__ = ["FINDINGS_PER_RULE_MAX", "RULES", "Mode", "Policy", "Purpose", "Rule", "Target", "judge", "rule", "rule_ids"]
