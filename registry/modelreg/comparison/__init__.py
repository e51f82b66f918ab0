"""Compares two models by what is known of them: facts and environments to one ``ModelDifference``.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from modelreg.comparison.difference import (
    Change,
    LayerChange,
    ModelDifference,
    Relation,
    Side,
    TensorChange,
    TensorSide,
)
from modelreg.comparison.fields import fact_differences, field_differences
from modelreg.comparison.layers import Layers, layer_differences
from modelreg.comparison.tensors import Matching, Pair, match_tensors, tensor_changes
from modelreg.configuration import JsonValue, parse_configuration
from modelreg.environment import Difference as FieldDifference
from modelreg.environment import Environment, diff
from modelreg.errors import DocumentError
from modelreg.facts import Distance, Facts
from modelreg.semantic import assets_of
from modelreg.semantic.architecture import normal_model, training_arguments

__all__ = [
    "Change",
    "LayerChange",
    "Matching",
    "ModelDifference",
    "Pair",
    "Relation",
    "Side",
    "Subject",
    "TensorChange",
    "TensorSide",
    "compare",
    "match_tensors",
]


_TOLD_DIFFERENTLY = frozenset({"metrics", "weighted_metrics"})
"""Legacy HDF5 keeps metric objects where version 3 keeps what ``compile`` was given."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One of the two models.

    ``contents`` are the SHA-256 of its files by path; of a single file the path does not count.  ``push`` and
    ``metadata`` are those of a version, ``None`` for what has never been pushed.
    """

    side: Side
    facts: Facts
    contents: Mapping[str, str]
    writer: Environment
    push: Environment | None = None
    metadata: Mapping[str, str] | None = field(default=None)


def compare(
    left: Subject, right: Subject, *, matching: Matching | None = None, distances: Mapping[str, Distance] | None = None
) -> ModelDifference:
    """Everything in which ``right`` differs from ``left``.

    ``distances`` are those of changed tensors whose values were read, by the left tensor's path; ``matching`` is what
    ``match_tensors`` gave for them.
    """
    matching = matching or match_tensors(left.facts, right.facts)
    tensors = tuple(tensor_changes(matching, distances or {}))
    notes = list(_notes(left, right, matching))
    layers = _layers(left, right, notes)
    unknown = sum(pair.is_alike is None for pair in matching.pairs)
    is_changed = any(not change.is_state for change in tensors) or bool(layers.changes or layers.model)
    is_changed = is_changed or assets_of(left.facts) != assets_of(right.facts)
    return ModelDifference(
        left=left.side,
        right=right.side,
        relation=_relation(left, right, is_changed=is_changed),
        tensors=tensors,
        tensors_alike=sum(pair.is_alike is True for pair in matching.pairs if not pair.is_state),
        state_alike=sum(pair.is_alike is True for pair in matching.pairs if pair.is_state),
        tensors_unknown=unknown,
        layers=layers.changes,
        layers_alike=layers.alike,
        model=layers.model,
        training=_training_differences(left.facts, right.facts),
        writer=tuple(found for found in diff(left.writer, right.writer) if found.left and found.right),
        environment=diff(left.push, right.push) if left.push and right.push else (),
        facts=fact_differences(left.facts, right.facts),
        metadata=_metadata(left, right),
        notes=tuple(notes),
    )


def _relation(left: Subject, right: Subject, *, is_changed: bool) -> Relation:
    if _contents(left) == _contents(right):
        return Relation.SAME_BYTES
    ours, theirs = left.side.semantic_digest, right.side.semantic_digest
    if ours is not None and theirs is not None:
        return Relation.SAME_MODEL if ours == theirs else Relation.DIFFERENT
    return Relation.DIFFERENT if is_changed else Relation.UNDECIDED


def _contents(subject: Subject) -> Mapping[str, str]:
    if len(subject.contents) == 1:
        return {"": next(iter(subject.contents.values()))}
    return subject.contents


def _layers(left: Subject, right: Subject, notes: list[str]) -> Layers:
    found: list[JsonValue] = []
    for subject in (left, right):
        if subject.facts.config is None:
            notes.append(f"layers were not compared: {subject.side.name} keeps no configuration of a Keras model")
            return Layers((), 0, ())
        try:
            found.append(normal_model(parse_configuration(subject.facts.config)))
        except DocumentError as error:
            notes.append(f"layers were not compared: {subject.side.name}: {error.message}")
            return Layers((), 0, ())
    return layer_differences(*found)


def _training_differences(left: Facts, right: Facts) -> tuple[FieldDifference, ...]:
    """Where one is legacy HDF5 and the other is not, only what both dialects write in one way."""
    ours, theirs = _training(left), _training(right)
    if (left.training_config is None) is not (right.training_config is None):
        ours, theirs = _told_by_both(ours, theirs), _told_by_both(theirs, ours)
    return field_differences(ours, theirs)


def _told_by_both(these: Mapping[str, str], others: Mapping[str, str]) -> Mapping[str, str]:
    return {key: text for key, text in these.items() if key in others and key not in _TOLD_DIFFERENTLY}


def _training(facts: Facts) -> Mapping[str, str]:
    """The training configuration: of its own in legacy HDF5, within the model's in version 3."""
    try:
        if facts.training_config is not None:
            return training_arguments(parse_configuration(facts.training_config))
        config = parse_configuration(facts.config) if facts.config is not None else None
        return training_arguments(config.get("compile_config")) if isinstance(config, dict) else {}
    except DocumentError:
        return {}  # the layers' note says so


def _metadata(left: Subject, right: Subject) -> tuple[FieldDifference, ...]:
    if left.metadata is None or right.metadata is None:
        return ()
    return field_differences(left.metadata, right.metadata)


def _notes(left: Subject, right: Subject, matching: Matching) -> list[str]:
    notes = []
    ours, theirs = matching.state_left_out
    if ours or theirs:
        notes.append(f"state of the training was not compared across containers: {ours:,} and {theirs:,} tensors of it")
    if sum(pair.is_alike is None for pair in matching.pairs):
        notes.append("the values of some tensors are not known: only their shapes and types were compared")
    notes += [
        f"environments were not compared: none was recorded when {subject.side.name} was pushed"
        for subject in (left, right)
        if subject.side.kind == "version" and subject.push is None
    ]
    return notes
