"""Walks a configuration: every serialised object in it, with the role that it plays and the layer that it sits in.

Both dialects are read by one walk, because files mix them (Keras 2.13 writes version 3 initializers into legacy
layers).  Nothing is skipped because of an unknown key: whatever looks like a serialised object is looked at, wherever
it stands, for a reader that knows only ``layers`` misses what hides in ``cell``, ``backward_layer`` or a custom layer's
own arguments.

Sources: ``keras/src/saving/serialization_lib.py`` (3.15), ``keras/utils/generic_utils.py`` (2.0 to 2.15),
``keras/layers/core.py`` (``Lambda.get_config``), ``keras/legacy/layers.py`` (``Merge.get_config``, 1.2 to 2.2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from modelreg.configuration import NESTING_MAX, JsonValue

TRAINING_ROLES = frozenset({"loss", "metric", "optimizer"})
TRAINING_PLACE = "training configuration"
LAMBDA = "__lambda__"
FUNCTION = "function"

_LAYER_KEYS = frozenset({"layer", "layers", "cell", "cells", "forward_layer", "backward_layer"})
_TRAINING_KEYS = {
    "loss": "loss",
    "metrics": "metric",
    "weighted_metrics": "metric",
    "optimizer": "optimizer",
    "optimizer_config": "optimizer",
}
_EMPTY: Mapping[str, JsonValue] = MappingProxyType({})


class TooDeepError(ValueError):
    """The configuration nests deeper than ``NESTING_MAX``."""


@dataclass(frozen=True, slots=True)
class Node:
    """One serialised object, or one bare name where a name stands for an object.

    ``path`` joins the names of the layers around it, itself included if it is one; ``key`` is the argument of
    ``parent`` that it stands under (``layers`` for a model's own); ``value`` is the JSON object, empty for a bare name.
    """

    class_name: str
    role: str | None
    key: str
    path: str
    layer: str
    parent: Node | None = None
    value: Mapping[str, JsonValue] = field(default_factory=lambda: _EMPTY, repr=False)

    @property
    def config(self) -> JsonValue:
        return self.value.get("config")

    @property
    def arguments(self) -> Mapping[str, JsonValue]:
        """The config where it is an object; empty for a bare name and for a list of layers."""
        config = self.config
        return config if isinstance(config, dict) else _EMPTY

    @property
    def bare_name(self) -> str:
        """The class without the package that it was registered under (``Custom>Adam``)."""
        return self.class_name.rpartition(">")[2]

    @property
    def is_name(self) -> bool:
        """Whether only a name stands there."""
        return not self.value

    @property
    def is_layer(self) -> bool:
        return self.role == "layer" and bool(self.value)

    @property
    def has_module(self) -> bool:
        """Whether it is written in the dialect of version 3, in which a null module means something."""
        return "module" in self.value

    @property
    def module(self) -> str | None:
        return _text(self.value.get("module"))

    @property
    def registered_name(self) -> str | None:
        return _text(self.value.get("registered_name"))

    @property
    def function_name(self) -> str | None:
        """The name of a function that is referred to by name."""
        return _text(self.config) if self.class_name == FUNCTION else None


def walk_model(value: JsonValue) -> Iterator[Node]:
    """Every object of a model's configuration, outermost first; raises ``TooDeepError``."""
    return _value(value, _Role("layer"), _Place(), 0)


def walk_training(value: JsonValue) -> Iterator[Node]:
    """Every object of a ``training_config``; raises ``TooDeepError``."""
    return _training(value, None, 0) if isinstance(value, dict) else iter(())


def walk_both(model: JsonValue, training: JsonValue) -> Iterator[Node]:
    """A model and its separate training configuration."""
    yield from walk_model(model)
    yield from walk_training(training)


@dataclass(frozen=True, slots=True)
class _Role:
    """What a value is asked for as; only where it is ``named`` does a bare string name an object."""

    kind: str | None = None
    named: bool = True


@dataclass(frozen=True, slots=True)
class _Place:
    """The enclosing layer, the enclosing object, and the argument."""

    layer: str = ""
    path: str = ""
    parent: Node | None = None
    key: str = ""

    def under(self, key: str) -> _Place:
        return _Place(self.layer, self.path, self.parent, key)


def role_of(key: str, outer: str | None = None) -> str | None:
    """The role of an argument by its name, as Keras spells them since version 1; ``outer`` is its object's."""
    if key in _LAYER_KEYS:
        return "layer"
    if key in ("init", "activation") or key.endswith(("_init", "_activation")):
        return "initializer" if key.endswith("init") else "activation"
    for kind in ("initializer", "regularizer", "constraint"):
        if key.endswith(kind):
            return kind
    return outer if outer in TRAINING_ROLES else None


def _value(value: JsonValue, role: _Role, place: _Place, depth: int) -> Iterator[Node]:
    """Look at ``value``, which stands ``depth`` levels down; at most three frames per level of JSON."""
    if depth > NESTING_MAX:
        raise TooDeepError
    if isinstance(value, dict):
        if isinstance(value.get("class_name"), str) and "config" in value:
            yield from _object(value, role, place, depth)
        elif value.get("class_name") == "__tuple__":
            yield from _value(value.get("items"), role, place, depth + 1)
        else:
            by_output = role.kind in TRAINING_ROLES and role.named
            for key, item in value.items():
                inner = role if by_output else _named_role(key, role)
                yield from _value(item, inner, place.under(key), depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _value(item, role, place, depth + 1)
    elif isinstance(value, str) and value and role.named and role.kind not in (None, "layer"):
        yield Node(value, role.kind, place.key, place.path, place.layer, place.parent)


def _named_role(key: str, outer: _Role) -> _Role:
    kind = role_of(key, outer.kind)
    return _Role(kind, named=kind not in TRAINING_ROLES or key == "fn")


def _training(value: Mapping[str, JsonValue], parent: Node | None, depth: int) -> Iterator[Node]:
    for key, kind in _TRAINING_KEYS.items():
        place = _Place(path=TRAINING_PLACE, parent=parent, key=key)
        yield from _value(value.get(key), _Role(kind), place, depth + 1)


def _object(value: dict[str, JsonValue], role: _Role, place: _Place, depth: int) -> Iterator[Node]:
    class_name, config = str(value["class_name"]), value.get("config")
    kind = "layer" if _is_layer(class_name, config, role) else role.kind
    layer, path = place.layer, place.path
    if kind == "layer":
        layer = _layer_name(class_name, value, config)
        path = f"{path}/{layer}" if path else layer
    node = Node(class_name, kind, place.key, path, layer, place.parent, value)
    yield node
    if class_name == LAMBDA or (class_name == FUNCTION and isinstance(config, str)):
        return
    inside = _Place(layer, path, node, "layers" if isinstance(config, list) else "")
    inner = _Role("layer") if isinstance(config, list) else _Role(kind, named=False)
    yield from _value(config, inner, inside, depth + 1)
    yield from _value(value.get("inbound_nodes"), _Role(), inside.under("inbound_nodes"), depth + 1)
    compile_config = value.get("compile_config")
    if isinstance(compile_config, dict):
        yield from _training(compile_config, node, depth + 1)


def _layer_name(class_name: str, value: Mapping[str, JsonValue], config: JsonValue) -> str:
    names = [config.get("name") if isinstance(config, dict) else None, value.get("name"), class_name]
    return next((name for name in names if isinstance(name, str) and name), "?")


def _is_layer(class_name: str, config: JsonValue, role: _Role) -> bool:
    if role.kind == "layer":
        return not class_name.startswith("__")
    if role.kind in TRAINING_ROLES or not isinstance(config, dict) or not isinstance(config.get("name"), str):
        return False
    return "trainable" in config or "layers" in config or (role.kind is None and class_name == "InputLayer")


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None
