"""Reads what Keras 2 left about its layers in a SavedModel: one JSON text per tracked object.

TensorFlow 2.5 to 2.15 keeps the texts in ``keras_metadata.pb``, TensorFlow 2.4 and older in ``saved_model.pb`` itself
(``SavedObject.user_object.metadata``).  Each of them is read, because Keras revives every object by its own text and
looks at the model's only for how they are joined.

Invariants: pure; no text is trusted to agree with another; what two texts say alike is told once.

Sources: ``keras/protobuf/saved_metadata.proto``, ``keras/saving/legacy/saved_model/{load,json_utils}.py`` (2.15),
``tensorflow/core/protobuf/saved_object_graph.proto``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from modelreg.facts import LambdaCode
from modelreg.inspect import limits
from modelreg.inspect.config import ConfigFacts, read_model_config, read_training_config
from modelreg.inspect.json_text import BadJsonError, JsonValue, parse_json_text
from modelreg.inspect.protobuf import Budget, fields
from modelreg.inspect.text import plain

_IDENTIFIER_START = "_tf_keras_"
_METRIC_IDENTIFIER = "_tf_keras_metric"
_WRAPPERS = ("__tuple__", "TensorShape")
"""Class names under which ``json_utils`` writes sequences that JSON has no type of its own for."""


@dataclass(frozen=True, slots=True)
class KerasObject:
    """One tracked object: its kind (``_tf_keras_layer``) and its JSON text."""

    identifier: str
    metadata: bytes


@dataclass(slots=True)
class KerasMetadata:
    """What all the texts of one SavedModel say together."""

    config: ConfigFacts = field(default_factory=ConfigFacts)
    keras_version: str | None = None
    backend: str | None = None


def metadata_objects(metadata: memoryview, budget: Budget) -> Iterator[KerasObject]:
    """The objects of ``keras_metadata.pb`` (``SavedMetadata.nodes``: identifier 4, metadata 5)."""
    for node in fields(metadata, budget):
        if node.number == 1:
            yield _object(node.data, 4, 5, budget)


def graph_objects(object_graph: memoryview, budget: Budget) -> Iterator[KerasObject]:
    """The Keras objects of a ``SavedObjectGraph`` (``SavedUserObject``: identifier 1, metadata 3)."""
    for node in fields(object_graph, budget):
        for kind in fields(node.data, budget) if node.number == 1 else ():
            if kind.number == 4:
                found = _object(kind.data, 1, 3, budget)
                if found.metadata and found.identifier.startswith(_IDENTIFIER_START):
                    yield found


def _object(message: memoryview, identifier_number: int, metadata_number: int, budget: Budget) -> KerasObject:
    identifier, metadata = "", b""
    for each in fields(message, budget):
        if each.number == identifier_number:
            identifier = each.text()
        elif each.number == metadata_number:
            metadata = each.data.tobytes()
    return KerasObject(identifier, metadata)


def read_keras_objects(objects: Iterable[KerasObject], *, file: str) -> KerasMetadata:
    """Read the texts in order; the first one that tells a version or backend is believed."""
    found = KerasMetadata()
    for each in objects:
        _read_object(each, found, file)
    return found


def _read_object(item: KerasObject, found: KerasMetadata, file: str) -> None:
    try:
        value = _unwrapped(parse_json_text(item.metadata).value)
    except (BadJsonError, RecursionError):
        _merge(found.config, read_model_config(item.metadata, file=file))  # which tells what is wrong with it
        return
    if not isinstance(value, dict):
        return
    found.keras_version = found.keras_version or _text(value.get("keras_version"))
    found.backend = found.backend or _text(value.get("backend"))
    if item.identifier == _METRIC_IDENTIFIER:
        _merge(found.config, _training({"metrics": [value]}, file))
        return
    _merge(found.config, _required(read_model_config(_dump(value), file=file), value))
    training = value.get("training_config")
    if isinstance(training, dict):
        found.config.has_training_config = True
        _merge(found.config, _training(training, file))


def _required(facts: ConfigFacts, value: dict[str, JsonValue]) -> ConfigFacts:
    """Without the custom objects that Keras can do without.

    If a layer cannot be made from its configuration, Keras takes the layer's saved functions instead, unless
    ``must_restore_from_config`` is set (``load.py``, ``_revive_layer_or_model_from_config``).
    """
    if value.get("must_restore_from_config") is not True:
        facts.custom_objects.clear()
    return facts


def _training(value: dict[str, JsonValue], file: str) -> ConfigFacts:
    return read_training_config(_dump(value), file=file)


def _dump(value: JsonValue) -> bytes:
    return json.dumps(value).encode()


def _text(value: JsonValue) -> str | None:
    return plain(value) if isinstance(value, str) else None


def _unwrapped(value: JsonValue) -> JsonValue:
    """``value`` with ``{"class_name": "__tuple__", "items": [...]}`` as the plain list, as ``json_utils.decode`` does."""
    if isinstance(value, list):
        return [_unwrapped(item) for item in value]
    if isinstance(value, dict):
        if value.get("class_name") in _WRAPPERS and isinstance(value.get("items"), list):
            return _unwrapped(value["items"])
        return {key: _unwrapped(item) for key, item in value.items()}
    return value


def _merge(into: ConfigFacts, more: ConfigFacts) -> None:
    """Add what is new; a layer's own text repeats what the model's text said of it under a longer path."""
    known_layers = {(layer.name, layer.class_name) for layer in into.layers}
    into.layers += [layer for layer in more.layers if (layer.name, layer.class_name) not in known_layers]
    known_code = {(code.layer, code.pythons, code.names) for code in into.lambdas}
    into.lambdas += [code for code in more.lambdas if (code.layer, code.pythons, code.names) not in known_code]
    into.custom_objects += [item for item in more.custom_objects if item not in into.custom_objects]
    into.hazards += [hazard for hazard in more.hazards if hazard not in into.hazards]
    into.defects += [defect for defect in more.defects if defect not in into.defects]
    del into.layers[limits.LAYERS_MAX :]


def common_pythons(lambdas: Sequence[LambdaCode]) -> tuple[str, ...]:
    """The versions that can have written every readable Lambda, in the order of the first."""
    readable = [code.pythons for code in lambdas if code.pythons]
    return tuple(python for python in (readable[0] if readable else ()) if all(python in each for each in readable))
