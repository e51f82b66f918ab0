"""Which weight of which layer each tensor is, in every container: by layer, by part of the layer, by position.

The containers name the same weight differently: ``model_weights/gru/gru/gru_cell/kernel:0`` in legacy HDF5,
``layers/gru/cell/vars/0`` in version 3, ``layer_with_weights-0/cell/kernel/.ATTRIBUTES/VARIABLE_VALUE`` in a
SavedModel.  What they have in common is the order of the layers in the configuration, and the order of the weights that
one object owns.

Sources: ``keras/src/saving/saving_lib.py`` (3.15: ``_save_container_state``, ``_save_state``, ``to_snake_case``),
``keras/src/legacy/saving/legacy_h5_format.py``, ``keras/saving/legacy/saved_model/save.py`` (2.15),
``keras/engine/functional.py`` (2.15: ``_layer_checkpoint_dependencies``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from modelreg.configuration import NESTING_MAX, JsonValue
from modelreg.facts import Container, Facts, Tensor
from modelreg.semantic.architecture import PYTHON_CLASSES, joined

_LEGACY_ROOT = "model_weights/"
_MODEL_GROUP = "top_level_model_weights"
"""What belongs to the model itself and to none of its layers (legacy HDF5 from Keras 2.5 on)."""
_TWICE_COUNTED = "_layer_checkpoint_dependencies"
_V3_LISTS = frozenset({"layers", _TWICE_COUNTED})
_STATE_ROOTS = frozenset({"optimizer_weights", "optimizer", "_optimizer", "metrics", "keras_api", "save_counter"})
"""Where optimizers and metrics keep theirs; it is state of the training and no weight of the model."""
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_RANDOM_STATE = re.compile(r"(^|/)(_?seed_generators?|_?random_generator|StateVar|rng_state)(_\d+)?(:\d+)?(/|$)")
"""The state of a generator of random numbers, which legacy HDF5 of Keras 3 does not keep."""
_NAMESAKES_MAX = 16
"""Layers of one name in one nested model; Keras makes names unique in each model and in most processes."""
_NAME_PARTS_MAX = 8
_PATH_PARTS_MAX = 32
"""Parts of a tensor's path in which layers are looked for; ten models in each other make about 24."""
_CHECKPOINT_LAYER = re.compile(r"layer_with_weights-(\d{1,9})", re.ASCII)
_CHECKPOINT_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_ATTENTION_PARTS = (
    ("query", re.compile(r"_?query(_dense)?")),
    ("key", re.compile(r"_?key(_dense)?")),
    ("value", re.compile(r"_?value(_dense)?")),
    ("output", re.compile(r"_?output_dense|attention_output")),
)
_PARTS = {
    "MultiHeadAttention": _ATTENTION_PARTS,
    "GroupedQueryAttention": _ATTENTION_PARTS,
    # Keras names the forward layer; the backward one may be the user's
    "Bidirectional": (("forward", re.compile(r"forward_.*")), ("backward", re.compile(r".*"))),
}
"""The parts of Keras's own composite layers, by attribute (version 3, SavedModel) and by name scope (legacy)."""
_ATTRIBUTES = (
    *("gamma", "beta", "moving_mean", "moving_variance"),
    *("depthwise_kernel", "pointwise_kernel", "kernel", "recurrent_kernel", "bias"),
    *("embeddings", "alpha", "scale", "mean", "variance", "count"),
)
"""The order in which Keras's layers make their weights, by attribute: all that a SavedModel tells."""


@dataclass(frozen=True, slots=True)
class Place:
    """One weight's place: ``layer`` is the path of names, ``part`` the object within the layer that owns the weight.

    ``part`` is the same text in every container where ``is_named``; else it is the container's own.  ``order`` is the
    place of the layer among all; ``position`` counts the weights of one part in Keras's order.  ``has_layer_name`` is
    false for a SavedModel, which numbers the layers.
    """

    tensor: Tensor
    layer: str
    order: tuple[int, ...]
    part: str
    position: int
    is_named: bool = True
    has_layer_name: bool = True


@dataclass(frozen=True, slots=True)
class Weights:
    """A model's weights; ``elsewhere`` are those that belong to no layer of the configuration, by path."""

    places: tuple[Place, ...]
    elsewhere: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class _Node:
    name: str
    class_name: str
    layers: tuple[_Node, ...] = ()


@dataclass(frozen=True, slots=True)
class _Item:
    """A tensor on its way down the configuration; ``owner`` is what is left of its path."""

    tensor: Tensor
    owner: str
    position: int


@dataclass(slots=True)
class _Found:
    """Items by layer; the key is the order of the layer at each nesting."""

    nodes: dict[tuple[int, ...], _Node] = field(default_factory=dict)
    items: dict[tuple[int, ...], list[_Item]] = field(default_factory=dict)
    elsewhere: list[Tensor] = field(default_factory=list)

    def put(self, order: tuple[int, ...], node: _Node, item: _Item) -> None:
        self.nodes[order] = node
        self.items.setdefault(order, []).append(item)


def is_training_state(tensor: Tensor) -> bool:
    """Whether a tensor is an optimizer's or a metric's, or no weight at all."""
    names = tensor.path.split("/")
    return names[0] in _STATE_ROOTS or "_metrics" in names or tensor.path == _OBJECT_GRAPH


def place_weights(facts: Facts, config: JsonValue) -> Weights | None:
    """The place of each weight in a model of ``config``; ``None`` where the container does not tell it."""
    root = _node(config, 0)
    tensors = [
        tensor for tensor in facts.tensors if not is_training_state(tensor) and not _RANDOM_STATE.search(tensor.path)
    ]
    match facts.container:
        case Container.KERAS_HDF5:
            found = _from_legacy(root, facts, tensors)
        case Container.KERAS_ZIP:
            found = _from_version_3(root, tensors)
        case Container.SAVED_MODEL:
            found = _from_checkpoint(root, tensors)
        case _:
            found = None
    return None if found is None else Weights(tuple(_places(found, root)), tuple(found.elsewhere))


def _node(value: JsonValue, depth: int) -> _Node:
    """The tree of models in models; raises nothing, for what is no layer has no weights either."""
    if not isinstance(value, dict) or depth > NESTING_MAX:
        return _Node("", "")
    config = value.get("config")
    layers = config.get("layers") if isinstance(config, dict) else config
    name = config.get("name") if isinstance(config, dict) else None
    class_name = str(value.get("class_name", "")).rpartition(">")[2]
    return _Node(
        str(name or value.get("name") or ""),
        PYTHON_CLASSES.get(class_name, class_name),
        tuple(_node(item, depth + 1) for item in layers) if isinstance(layers, list) else (),
    )


def _places(found: _Found, root: _Node) -> Iterator[Place]:
    for order in sorted(found.items):
        node = found.nodes[order]
        path = _path(root, order) if node.class_name else "/".join(f"layer_with_weights-{number}" for number in order)
        items = found.items[order]
        names = _part_names(node, {item.owner for item in items})
        positions: dict[str, int] = {}
        for item in sorted(items, key=lambda item: item.position):
            positions[item.owner] = position = positions.get(item.owner, -1) + 1
            part = item.owner if names is None else names[item.owner]
            yield Place(item.tensor, path, order, part, position, names is not None, bool(node.name))


def _path(root: _Node, order: tuple[int, ...]) -> str:
    path = ""
    for index in order:
        root = root.layers[index]
        path = joined(path, root.name)
    return path


def _part_names(node: _Node, owners: set[str]) -> Mapping[str, str] | None:
    """One name for each owner that every container would give it, or ``None``.

    A SavedModel does not tell the class of a layer; then the owners themselves must tell it.
    """
    if len(owners) == 1:
        return {next(iter(owners)): ""}
    tables = [_PARTS.get(node.class_name, ())] if node.class_name else _PARTS.values()
    named = (_named(owners, parts) for parts in tables)
    return next((names for names in named if names is not None), None)


def _named(owners: Set[str], parts: Iterable[tuple[str, re.Pattern[str]]]) -> Mapping[str, str] | None:
    names: dict[str, str] = {}
    for owner in owners:
        first = owner.split("/", 1)[0]
        name = next((name for name, pattern in parts if pattern.fullmatch(first)), None)
        if name is None or name in names.values():
            return None
        names[owner] = name
    return names


# Legacy HDF5


def _from_legacy(root: _Node, facts: Facts, tensors: Sequence[Tensor]) -> _Found | None:
    """Groups by the layer's name; within a nested model the name of the inner layer stands in the weight's own name.

    A layer whose ``get_config`` leaves its name out (a subclassed model) is the next group that no other layer has.
    """
    if facts.weight_groups is None:
        return None
    left = {tensor.path: tensor for tensor in tensors}
    by_name = {node.name: index for index, node in enumerate(root.layers) if node.name}
    nameless = iter([index for index, node in enumerate(root.layers) if not node.name])
    found = _Found()
    for group in facts.weight_groups:
        items = []
        for position, name in enumerate(group.weights):
            tensor = left.pop("/".join(filter(None, f"{_LEGACY_ROOT}{group.layer}/{name}".split("/"))), None)
            if tensor is not None:
                items.append(_Item(tensor, name.rpartition("/")[0], position))
            elif not _RANDOM_STATE.search(name):
                return None
        index = by_name.get(group.layer)
        if index is None and group.layer != _MODEL_GROUP:
            index = next(nameless, None)
        if index is None:
            found.elsewhere += [item.tensor for item in items]
        else:
            _descend(root.layers[index], (index,), items, found)
    found.elsewhere += left.values()
    return found


def _descend(node: _Node, order: tuple[int, ...], items: Iterable[_Item], found: _Found) -> None:
    names = dict(_inner_names(node)) if node.layers else {}
    for item in items:
        inner = node
        steps, owner = _inner_layer(names, _after(item.owner, node.name))
        for index in steps:
            inner = inner.layers[index]
        found.put((*order, *steps), inner, replace(item, owner=owner))


def _inner_names(node: _Node) -> Iterator[tuple[str, list[tuple[int, ...]]]]:
    """Where the layers within a nested model are, by name, the models within models too."""
    by_name: dict[str, list[tuple[int, ...]]] = {}
    stack: list[tuple[_Node, tuple[int, ...]]] = [(node, ())]
    while stack:
        outer, steps = stack.pop()
        for index, layer in enumerate(outer.layers):
            places = by_name.setdefault(layer.name, [])
            if layer.name and len(places) < _NAMESAKES_MAX:
                places.append((*steps, index))
            stack.append((layer, (*steps, index)))
    return iter(by_name.items())


def _inner_layer(names: Mapping[str, list[tuple[int, ...]]], owner: str) -> tuple[tuple[int, ...], str]:
    """The innermost layer that ``owner`` names, and what follows its name.

    Keras 3 writes every level (``wrap/inner/dense``), Keras 2 only the last (``dense``); a name may hold slashes.
    """
    steps: tuple[int, ...] = ()
    parts = owner.split("/", _PATH_PARTS_MAX) if names else []
    start = rest = 0
    while start < len(parts):
        for end in range(min(len(parts), start + _NAME_PARTS_MAX), start, -1):
            places = names.get("/".join(parts[start:end]), [])
            inner = [place for place in places if len(place) > len(steps) and place[: len(steps)] == steps]
            if inner:
                steps = min(inner, key=lambda place: (len(place), place))
                rest = end
                break
        start = rest if rest > start else start + 1
    return steps, "/".join(parts[rest:]) if names else owner


def _after(owner: str, name: str) -> str:
    """What follows ``name`` in ``owner``; all of it where the name does not stand there."""
    before, found, after = f"/{owner}/".partition(f"/{name}/")
    return after.strip("/") if found and name else before.strip("/")


# Version 3


@dataclass(frozen=True, slots=True, order=True)
class PlacedAsset:
    """An asset by the place of its layer among all, and what follows the layer in its path; ``layer`` is for people.

    An asset that belongs to no layer of the configuration has the empty place.
    """

    order: tuple[int, ...]
    rest: str
    layer: str
    digest: str


def place_assets(facts: Facts, config: JsonValue) -> list[PlacedAsset]:
    """The places of the assets of a version 3 archive, in order."""
    root = _node(config, 0)
    layers = _Version3Layers(root, facts.tensors)
    found = []
    for asset in facts.assets:
        folder, _, name = asset.path.removeprefix("assets/").rpartition("/")
        _, order, rest = layers.find(folder.split("/"))
        found.append(PlacedAsset(order, "/".join((*rest, name)), _path(root, order), asset.digest))
    return sorted(found)


def _from_version_3(root: _Node, tensors: Sequence[Tensor]) -> _Found:
    found = _Found()
    layers = _Version3Layers(root, tensors)
    for tensor in tensors:
        owner, _, number = tensor.path.rpartition("/")
        names = owner.split("/")
        if names.pop() != "vars":
            found.elsewhere.append(tensor)
            continue
        node, order, names = layers.find(names)
        if not order:
            found.elsewhere.append(tensor)
            continue
        position = int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0
        found.put(order, node, _Item(tensor, "/".join(names), position))
    return found


class _Version3Layers:
    """Finds layers by the groups that version 3 names after their classes."""

    def __init__(self, root: _Node, tensors: Iterable[Tensor]) -> None:
        self._root = root
        self._present = _present_keys(tensors)
        self._keys: dict[str, Mapping[str, int]] = {}

    def find(self, names: list[str]) -> tuple[_Node, tuple[int, ...], list[str]]:
        """The innermost layer that the groups ``names`` lead to, its place among all, and the names that are left."""
        node, group = self._root, ""
        order: tuple[int, ...] = ()
        while node.layers and len(names) > 1 and names[0] in _V3_LISTS:
            group = f"{group}/{names[0]}"
            if group not in self._keys:
                self._keys[group] = dict(_version_3_keys(node, names[0], self._present.get(group, frozenset())))
            index = self._keys[group].get(names[1])
            if index is None:
                break
            group = f"{group}/{names[1]}"
            node, order, names = node.layers[index], (*order, index), names[2:]
        return node, order, names


def _present_keys(tensors: Iterable[Tensor]) -> Mapping[str, set[str]]:
    """The groups that hold weights in each list of layers, by the list's path."""
    present: dict[str, set[str]] = {}
    for tensor in tensors:
        names = tensor.path.split("/", _PATH_PARTS_MAX)
        for depth, name in enumerate(names):
            if name in _V3_LISTS and depth + 1 < len(names):
                present.setdefault("/" + "/".join(names[: depth + 1]), set()).add(names[depth + 1])
    return present


def _version_3_keys(node: _Node, group: str, present: Set[str]) -> Iterator[tuple[str, int]]:
    """The group of each layer: its class in snake case, numbered from the second of a class on.

    Keras 2.12 to 2.14 count a layer that has weights twice, once as ``layer_with_weights-N`` and once as ``layer-N``.
    """
    used: dict[str, int] = {}
    for index, layer in enumerate(node.layers):
        name = re.sub(r"\W+", "", layer.class_name)
        name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
        name = re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
        number = used.get(name, 0)
        key = f"{name}_{number}" if number else name
        used[name] = number + (2 if group == _TWICE_COUNTED and key in present else 1)
        yield key, index


# SavedModel


def _from_checkpoint(root: _Node, tensors: Sequence[Tensor]) -> _Found | None:
    """Layers that have weights are numbered at each nesting; weights are named by attribute, in Keras's known order."""
    found = _Found()
    for tensor in tensors:
        names = tensor.path.removesuffix(_CHECKPOINT_VALUE).split("/")
        order: list[int] = []
        while names and (match := _CHECKPOINT_LAYER.fullmatch(names[0])):
            order.append(int(match[1]))
            names.pop(0)
        if not order or not names or names[-1] not in _ATTRIBUTES:
            return None
        owner = "/".join(names[:-1])
        found.put(tuple(order), _Node("", ""), _Item(tensor, owner, _ATTRIBUTES.index(names[-1])))
    return found if root.layers else None
