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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

from modelreg.configuration import JsonValue, configuration_text
from modelreg.facts import Hazard, HazardKind
from modelreg.inspect import limits
from modelreg.inspect.config import ConfigFacts, read_model_config, read_training_config
from modelreg.inspect.json_text import BadJsonError, parse_json_text
from modelreg.inspect.protobuf import Budget, fields
from modelreg.inspect.text import plain

_Item = TypeVar("_Item")

_IDENTIFIER_START = "_tf_keras_"
_METRIC_IDENTIFIER = "_tf_keras_metric"
_WRAPPERS = ("__tuple__", "TensorShape")
"""Class names under which ``json_utils`` writes sequences that JSON has no type of its own for."""


@dataclass(frozen=True, slots=True)
class KerasObject:
    """One tracked object: its kind (``_tf_keras_layer``) and its JSON text; the model is the root of all others."""

    identifier: str
    metadata: bytes
    is_root: bool = False


@dataclass(slots=True)
class KerasMetadata:
    """What all the texts of one SavedModel say together."""

    config: ConfigFacts = field(default_factory=ConfigFacts)
    keras_version: str | None = None
    backend: str | None = None
    model_config: str | None = None
    """The root's ``{class_name, config}``, as ``model_config`` of an HDF5 file has it."""
    training_config: str | None = None
    _seen: set[object] = field(default_factory=set)

    def add(self, more: ConfigFacts) -> None:
        """Add what is new; a layer's own text repeats what the model's text said of it under a longer path."""
        config = self.config
        config.layers += self._new(more.layers, lambda layer: (layer.name, layer.class_name))
        config.lambdas += self._new(more.lambdas, lambda code: (code.layer, code.pythons, code.names))
        config.custom_objects += self._new(more.custom_objects, lambda item: item)
        config.hazards += self._new(more.hazards, lambda item: item)
        config.defects += self._new(more.defects, lambda item: item)
        if len(config.layers) > limits.LAYERS_MAX:
            del config.layers[limits.LAYERS_MAX :]
            detail = f"holds more than {limits.LAYERS_MAX:,} layers"
            config.hazards += self._new([Hazard(HazardKind.TOO_MUCH, "Keras's metadata", detail)], lambda item: item)

    def _new(self, items: Iterable[_Item], identity: Callable[[_Item], object]) -> list[_Item]:
        fresh = []
        for item in items:
            key = (type(item), identity(item))
            if key not in self._seen:
                self._seen.add(key)
                fresh.append(item)
        return fresh


def metadata_objects(metadata: memoryview, budget: Budget) -> Iterator[KerasObject]:
    """The objects of ``keras_metadata.pb`` (``SavedMetadata.nodes``: node_id 2, identifier 4, metadata 5)."""
    for node in fields(metadata, budget):
        if node.number == 1:
            number = next((each.uint for each in fields(node.data, budget) if each.number == 2), 0)
            yield replace(_object(node.data, 4, 5, budget), is_root=number == 0)


def graph_objects(object_graph: memoryview, budget: Budget) -> Iterator[KerasObject]:
    """The Keras objects of a ``SavedObjectGraph`` (``SavedUserObject``: identifier 1, metadata 3)."""
    nodes = (each for each in fields(object_graph, budget) if each.number == 1)
    for number, node in enumerate(nodes):
        for kind in fields(node.data, budget):
            if kind.number == 4:
                found = _object(kind.data, 1, 3, budget)
                if found.metadata and found.identifier.startswith(_IDENTIFIER_START):
                    yield replace(found, is_root=number == 0)


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
        plain_text = json.dumps(value).encode()
    except (BadJsonError, RecursionError):
        found.add(read_model_config(item.metadata, file=file))  # which tells what is wrong with it
        return
    if not isinstance(value, dict):
        return
    found.keras_version = found.keras_version or _text(value.get("keras_version"))
    found.backend = found.backend or _text(value.get("backend"))
    if item.identifier == _METRIC_IDENTIFIER:
        found.add(_training({"metrics": [value]}, file))
        return
    found.add(_required(read_model_config(plain_text, file=file), value))
    training = value.get("training_config")
    if item.is_root:
        _keep_texts(value, training, found)
    if isinstance(training, dict):
        found.config.has_training_config = True
        found.add(_training(training, file))


def _keep_texts(value: dict[str, JsonValue], training: JsonValue, found: KerasMetadata) -> None:
    """The model's own configuration, where it has one (a subclassed model has none), in the words of ``.h5``."""
    class_name, config = value.get("class_name"), value.get("config")
    if isinstance(class_name, str) and isinstance(config, dict) and isinstance(config.get("layers"), list):
        found.model_config = found.model_config or configuration_text({"class_name": class_name, "config": config})
    if isinstance(training, dict):
        found.training_config = found.training_config or configuration_text(training)


def _required(facts: ConfigFacts, value: dict[str, JsonValue]) -> ConfigFacts:
    """Without the custom objects that Keras can do without.

    If a layer cannot be made from its configuration, Keras takes the layer's saved functions instead, unless
    ``must_restore_from_config`` is set (``load.py``, ``_revive_layer_or_model_from_config``).
    """
    if value.get("must_restore_from_config") is not True:
        facts.custom_objects.clear()
    return facts


def _training(value: dict[str, JsonValue], file: str) -> ConfigFacts:
    return read_training_config(json.dumps(value).encode(), file=file)


def _text(value: JsonValue) -> str | None:
    return plain(value) if isinstance(value, str) else None


def _unwrapped(value: JsonValue) -> JsonValue:
    """``value`` with each ``{"class_name": "__tuple__", "items": [...]}`` as a list, as ``json_utils.decode`` makes."""
    if isinstance(value, list):
        return [_unwrapped(item) for item in value]
    if isinstance(value, dict):
        if value.get("class_name") in _WRAPPERS and isinstance(value.get("items"), list):
            return _unwrapped(value["items"])
        return {key: _unwrapped(item) for key, item in value.items()}
    return value
