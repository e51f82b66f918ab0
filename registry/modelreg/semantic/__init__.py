"""The semantic digest: one name for a model's weights and architecture, whatever file they are in and whenever saved.

It is blind to what a file adds to the model: container, dialect, timestamps, layout and order of datasets, chunks and
compression, optimizer state, metrics, training configuration, the state of random generators.  It tells apart whatever
changes the model: a weight's value, shape, type or place, a layer's name, class, arguments or connections.

What it cannot see, because not every container tells it:

* which part of a custom composite layer owns which weights: two equally shaped sublayers inside one such layer, swapped
  whole, keep the digest (parts of Keras's own composite layers are told apart);
* what runs behind a name: the code of custom objects is not in the file.

So it says "these are the same weights"; what a file *is*, only the SHA-256 of its bytes says.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter

from modelreg.configuration import JsonValue, parse_configuration
from modelreg.digest import sha256_hex
from modelreg.errors import DocumentError
from modelreg.facts import Container, Facts, HazardKind, Tensor
from modelreg.semantic.architecture import json_text, normal_model
from modelreg.semantic.weights import Place, Weights, is_training_state, place_weights

__all__ = ["DOMAIN", "Place", "is_training_state", "places_of", "semantic_digest"]

DOMAIN = "modelreg semantic digest v1"
"""Digests of two rules must never be compared; the number changes with the rule."""
_WEIGHTS_ONLY = frozenset({Container.KERAS_HDF5_WEIGHTS, Container.KERAS_V3_WEIGHTS})
_LOOKUPS = ("StringLookup", "IntegerLookup", "TextVectorization")
"""What these have learned is an asset of the archive, of which facts say nothing."""


def semantic_digest(facts: Facts) -> str | None:
    """SHA-256 (hex) over tensors and architecture; ``None`` where either is not wholly known.

    Both are known of a whole Keras model whose tensors have value digests.  A weights-only file has no architecture:
    its digest is over the tensors by path, and comparable only within its own kind of container.
    """
    if facts.defects or any(hazard.kind is HazardKind.TOO_MUCH for hazard in facts.hazards):
        return None
    if facts.container in _WEIGHTS_ONLY:
        return _digest(facts.container.value, _tensor_values(facts.tensors))
    if facts.config is None:
        return None
    try:
        config = parse_configuration(facts.config)
        architecture = normal_model(config)
    except DocumentError:
        return None
    if facts.container is not Container.KERAS_HDF5 and any(f'"{name}"' in facts.config for name in _LOOKUPS):
        return None
    weights = place_weights(facts, config)
    return None if weights is None else _digest(architecture, _weight_values(weights))


def places_of(facts: Facts) -> tuple[Place, ...]:
    """The place of each weight, where container and configuration tell it; empty where they do not."""
    try:
        config = parse_configuration(facts.config) if facts.config is not None else None
    except DocumentError:
        return ()
    weights = place_weights(facts, config)
    return () if weights is None else weights.places


def _digest(architecture: JsonValue, weights: JsonValue) -> str | None:
    if weights is None:
        return None
    return sha256_hex(json.dumps([DOMAIN, architecture, weights], sort_keys=True, separators=(",", ":")).encode())


def _tensor_values(tensors: Iterable[Tensor]) -> JsonValue:
    told = [tensor for tensor in tensors if not is_training_state(tensor)]
    if any(tensor.digest is None for tensor in told):
        return None
    return [[tensor.path, *_value(tensor)] for tensor in sorted(told, key=attrgetter("path"))]


def _weight_values(weights: Weights) -> JsonValue:
    """Layers in order, each a list of its parts; parts without a common name are put in the order of their values."""
    elsewhere = _tensor_values(weights.elsewhere)
    if elsewhere is None or any(place.tensor.digest is None for place in weights.places):
        return None
    layers: list[JsonValue] = []
    for _, places in groupby(sorted(weights.places, key=attrgetter("order")), key=attrgetter("order")):
        parts = _parts(places)
        layers.append(parts)
    return [layers, elsewhere]


def _parts(places: Iterable[Place]) -> list[JsonValue]:
    by_part: dict[str, list[Place]] = {}
    for place in places:
        by_part.setdefault(place.part, []).append(place)
    parts: list[JsonValue] = []
    for part, owned in by_part.items():
        values: list[JsonValue] = [_value(place.tensor) for place in sorted(owned, key=attrgetter("position"))]
        parts.append([part if owned[0].is_named else "", values])
    return sorted(parts, key=json_text)


def _value(tensor: Tensor) -> list[JsonValue]:
    return [tensor.dtype, list(tensor.shape), tensor.digest]
