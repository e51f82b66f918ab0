"""The catalogue: each rule says what it means, shows an example and gives a fix, and is reached by some code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import modelreg.rules
from modelreg.errors import NotFoundError
from modelreg.findings import Kind
from modelreg.rules import RULES, Rule, rule

SOURCES = Path(modelreg.rules.__file__).parents[1]


@pytest.mark.parametrize("one", RULES.values(), ids=list(RULES))
def test_every_rule_is_complete(one: Rule) -> None:
    """Claim: id, title, meaning, example and fix are there, and are sentences."""
    assert re.fullmatch(r"MR[1-5]\d\d", one.id)
    assert one.title
    assert not one.title.endswith(".")
    assert one.meaning.endswith(".")
    assert len(one.example) > 10
    assert len(one.fix) > 5


def test_the_first_digit_is_the_kind() -> None:
    """Claim: the kinds are told by the id, as the documentation says."""
    kinds = {"1": Kind.CORRUPT, "2": Kind.UNTRUSTED, "3": Kind.UNSAFE, "4": Kind.INCOMPATIBLE, "5": Kind.POLICY}
    assert {one.id: one.kind for one in RULES.values()} == {one.id: kinds[one.id[2]] for one in RULES.values()}


@pytest.mark.parametrize("rule_id", RULES)
def test_every_rule_is_used(rule_id: str) -> None:
    """Claim: no rule stands in the catalogue that nothing can find."""
    users = [path for path in SOURCES.rglob("*.py") if path.name != "catalogue.py"]
    assert any(f'"{rule_id}"' in path.read_text(encoding="utf-8") for path in users)


def test_no_code_names_a_rule_that_is_not_there() -> None:
    """Claim: the other direction: every MRnnn in the library's sources is in the catalogue."""
    named = {
        found
        for path in SOURCES.rglob("*.py")
        for found in re.findall(r"\bMR\d{3}\b", path.read_text(encoding="utf-8"))
    }
    assert named - set(RULES) == set()


def test_a_rule_is_found_in_any_case() -> None:
    """Claim: explain takes mr401."""
    assert rule("mr401") is RULES["MR401"]
    with pytest.raises(NotFoundError):
        rule("nothing like it")
