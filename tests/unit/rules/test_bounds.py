"""Hostile and odd facts: a bounded number of findings, and never an exception for a version text that is none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from modelreg.environment.document import Environment
from modelreg.facts import Container, CustomObject, Facts, Hazard, HazardKind, LambdaCode
from modelreg.rules import FINDINGS_PER_RULE_MAX, Policy, Target, judge

KERAS_3 = {"tensorflow-cpu": "2.21.0", "keras": "3.15.1"}


def target(python: str | None = "3.11.7", **distributions: str) -> Target:
    return Target("there", Environment(python=python, distributions=distributions))


def facts(**more: object) -> Facts:
    return Facts(Container.KERAS_HDF5, "m.h5", **more)  # type: ignore[arg-type]


def scale(*pythons: str) -> Facts:
    return facts(lambdas=(LambdaCode("scale", "outer/scale", pythons),))


PLAIN = facts(keras_version="3.15.1")


def test_a_million_hazards_are_counted_not_listed() -> None:
    """Claim: of one rule the first 20 places are named and one more finding counts the rest."""
    many = tuple(Hazard(HazardKind.EXTERNAL_LINK, f"place {number}", "out") for number in range(1000))
    found = judge(facts(hazards=many), Policy(), None, None)
    assert len(found) == FINDINGS_PER_RULE_MAX + 1
    assert "980 more" in found[-1].message


def test_many_lambdas_and_custom_objects_do_not_flood_the_verdict() -> None:
    """Claim: the same bound holds for Lambdas and custom objects, of which a hostile file can have as many."""
    lambdas = tuple(LambdaCode(f"l{number}", f"l{number}", ("3.8",)) for number in range(1000))
    objects = tuple(CustomObject(f"C{number}", "layer", "m") for number in range(1000))
    found = judge(facts(lambdas=lambdas, custom_objects=objects), Policy(), target(), None)
    by_rule = [sum(finding.rule == rule for finding in found) for rule in ("MR301", "MR401", "MR420")]
    assert max(by_rule) <= FINDINGS_PER_RULE_MAX + 1


ODD: list[tuple[str, Callable[[], tuple[Facts, Target]]]] = [
    ("a Keras version that is none", lambda: (PLAIN, target(keras="nightly"))),
    ("a TensorFlow version that is none", lambda: (PLAIN, target(tensorflow="from a branch"))),
    ("an empty Keras version", lambda: (PLAIN, target(tensorflow="2.15.1", keras=""))),
    ("a target Python that is none", lambda: (scale("3.8"), target("pypy"))),
    ("a target Python of the future", lambda: (scale("3.8"), target("4.0.1"))),
    ("a target Python without a minor", lambda: (scale("3.8"), target("3"))),
    ("a writer's Keras in odd digits", lambda: (facts(keras_version="\u00b3.1"), target(**KERAS_3))),
    ("a Lambda's Python that is none", lambda: (scale("x.y"), target())),
]


@pytest.mark.parametrize(("_name", "make"), ODD, ids=[name for name, _ in ODD])
def test_odd_versions_are_judged_not_raised(_name: str, make: Callable[[], tuple[Facts, Target]]) -> None:
    """Claim: a version text in a file or an environment that is no version ends as findings, never as an exception."""
    odd_facts, odd_target = make()
    assert isinstance(judge(odd_facts, Policy(), odd_target, None), tuple)


def test_an_artifact_with_nothing_to_say_has_no_findings() -> None:
    """Claim: a plain model in the environment that wrote it passes without a word."""
    assert judge(PLAIN, Policy(), target(**KERAS_3), None) == ()
