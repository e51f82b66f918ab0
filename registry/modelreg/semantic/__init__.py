"""The semantic digest: one name for a model's weights and architecture, whatever file they are in and whenever saved.

It is blind to what a file adds to the model: container, dialect, timestamps, layout and order of datasets, chunks and
compression, optimizer state, metrics, training configuration, the state of random generators.  It tells apart whatever
changes the model: a weight's value, shape, type or place, a layer's name, class, arguments or connections.

What it cannot see, because not every container tells it:

* which part of a custom composite layer owns which weights: two equally shaped sublayers inside one such layer, swapped
  whole, keep the digest (parts of Keras's own composite layers are told apart);
* a vocabulary that a lookup layer has learned, in legacy HDF5, which Keras 3 writes without it;
* what runs behind a name: the code of custom objects is not in the file.

So it says "these are the same weights"; what a file *is*, only the SHA-256 of its bytes says.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import attrgetter

from modelreg.configuration import JsonValue, parse_configuration
from modelreg.configuration.walk import walk_model
from modelreg.digest import sha256_hex
from modelreg.errors import DocumentError
from modelreg.facts import Container, Facts, HazardKind, Tensor
from modelreg.semantic.architecture import json_text, normal_model
from modelreg.semantic.weights import Place, Weights, is_training_state, place_assets, place_weights

__all__ = ["DOMAIN", "Place", "assets_of", "is_training_state", "places_of", "semantic_digest"]

DOMAIN = "modelreg semantic digest v1"
"""Digests of two rules must never be compared; the number changes with the rule."""
_WEIGHTS_ONLY = frozenset({Container.KERAS_HDF5_WEIGHTS, Container.KERAS_V3_WEIGHTS})
_LOOKUPS = frozenset({"StringLookup", "IntegerLookup", "TextVectorization"})
"""What these have learned is an asset of the archive; what they were given stands in the configuration."""
_INNER_LOOKUP = "_lookup_layer"
"""Within a ``TextVectorization``, whose own asset it repeats."""


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
    if facts.container is not Container.KERAS_HDF5 and not _has_vocabularies(facts, config):
        return None
    weights = place_weights(facts, config)
    return None if weights is None else _digest(architecture, _model_values(weights, _asset_values(facts, config)))


def places_of(facts: Facts) -> tuple[Place, ...]:
    """The place of each weight, where container and configuration tell it; empty where they do not."""
    try:
        config = parse_configuration(facts.config) if facts.config is not None else None
    except DocumentError:
        return ()
    weights = place_weights(facts, config)
    return () if weights is None else weights.places


def assets_of(facts: Facts) -> Mapping[str, str]:
    """The digest of each asset, by its layer and the rest of its path, which is the same text in every container."""
    try:
        config = parse_configuration(facts.config) if facts.config is not None else None
    except DocumentError:
        config = None
    return {"/".join(filter(None, (asset.layer, asset.rest))): asset.digest for asset in place_assets(facts, config)}


def _has_vocabularies(facts: Facts, config: JsonValue) -> bool:
    """Whether each lookup layer's vocabulary is known: as a list in the configuration, or as an asset of its own."""
    found = (node.arguments.get("vocabulary") for node in walk_model(config) if node.bare_name in _LOOKUPS)
    learned = [vocabulary for vocabulary in found if not isinstance(vocabulary, list)]
    if any(isinstance(vocabulary, str) for vocabulary in learned):
        return False  # it stands in a file that is not the model's
    own = sum(f"/{_INNER_LOOKUP}/" not in asset.path for asset in facts.assets)
    return len(learned) <= own


def _asset_values(facts: Facts, config: JsonValue) -> JsonValue:
    """Each asset's layer, by its place among all, what follows that in its path, and the digest."""
    return [[list(asset.order), asset.rest, asset.digest] for asset in place_assets(facts, config)]


def _model_values(weights: Weights, assets: JsonValue) -> JsonValue:
    """The digests of models without assets are those of the time before these counted."""
    values = _weight_values(weights)
    return [values, assets] if values is not None and assets else values


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
