"""The rule catalogue: what each rule means, an example, the fix, and how far a policy may bend it.

``modelreg explain RULE`` and the page in ``docs/reference/rules.md`` are made from this table.
"""

from __future__ import annotations

import difflib

from modelreg.errors import NotFoundError
from modelreg.rules.catalogue import corrupt, incompatible, policy, unsafe, untrusted
from modelreg.rules.catalogue.definition import Rule

__all__ = ["RULES", "Rule", "rule"]

RULES: dict[str, Rule] = {
    rule.id: rule for family in (corrupt, untrusted, unsafe, incompatible, policy) for rule in family.RULES
}
"""Every rule by its id."""


def rule(rule_id: str) -> Rule:
    """The rule with that id, in any case; raises ``NotFoundError`` that proposes the nearest."""
    try:
        return RULES[rule_id.upper()]
    except KeyError:
        near = difflib.get_close_matches(rule_id.upper(), RULES, n=1)
        raise NotFoundError(
            f"there is no rule {rule_id!r}", hint=f"modelreg explain {near[0]}" if near else "modelreg explain"
        ) from None
