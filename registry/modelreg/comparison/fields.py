"""Differences of plain names and values, and of what facts say beside tensors and layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from modelreg.environment import Difference as FieldDifference
from modelreg.facts import Facts
from modelreg.semantic import assets_of


def field_differences(left: Mapping[str, str], right: Mapping[str, str]) -> tuple[FieldDifference, ...]:
    """The names whose values differ, in the order of the left side, then of the right."""
    names = dict.fromkeys(chain(left, right))
    return tuple(
        FieldDifference(name, left.get(name), right.get(name)) for name in names if left.get(name) != right.get(name)
    )


def fact_differences(left: Facts, right: Facts) -> tuple[FieldDifference, ...]:
    """What the readers found, tensors and configuration left out."""
    return field_differences(dict(_told(left)), dict(_told(right)))


def _told(facts: Facts) -> Iterator[tuple[str, str]]:
    yield "container", facts.container.value
    if facts.has_training_config is not None:
        yield "training config", "present" if facts.has_training_config else "absent"
    for wanted in facts.custom_objects:
        origin = wanted.registered_name or wanted.module
        yield f"custom object {wanted.class_name}", f"{wanted.role} ({origin})" if origin else wanted.role
    for code in facts.lambdas:
        name = f"bytecode in {code.path}" + ("" if code.argument == "function" else f" ({code.argument})")
        pythons = " or ".join(f"Python {python}" for python in code.pythons) or "unreadable"
        yield name, f"{pythons}: {code.source}" if code.source else pythons
    for hazard in facts.hazards:
        yield f"hazard {hazard.kind.value} at {hazard.where}", hazard.detail
    for defect in facts.defects:
        yield f"defect {defect.kind.value} in {defect.file}", defect.detail
    for path, digest in assets_of(facts).items():
        yield f"asset {path}", f"blake3:{digest}"
    if facts.graph is not None:
        yield from _graph(facts)


def _graph(facts: Facts) -> Iterator[tuple[str, str]]:
    graph = facts.graph
    if graph is None:
        return
    numbers = {
        "graph producer": graph.producer,
        "graph min_consumer": graph.min_consumer,
        "format version": graph.format_version,
    }
    yield from ((name, str(number)) for name, number in numbers.items() if number is not None)
    for operator in graph.operators:
        name = f"{operator.domain}.{operator.name}" if operator.domain else operator.name
        yield f"operator {name}", "used" if operator.version is None else f"version {operator.version}"
