"""One function for each thing that can be mended; each changes the JSON object of one node in place and says so.

Sources of what a target wants instead: ``keras_tables`` (arguments, modules, defaults), and for forms the loaders
named in ``rules/keras``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from types import EllipsisType
from typing import cast

from modelreg.configuration import JsonValue
from modelreg.configuration.walk import Node, role_of
from modelreg.repair.change import Change, shown
from modelreg.rules.keras.objects import place, resolve, speaks_version3
from modelreg.rules.keras.reader import Reader
from modelreg.rules.keras_tables import Entry

JsonObject = dict[str, JsonValue]
MODELS = frozenset({"Functional", "Model", "Sequential"})


def object_of(node: Node) -> JsonObject:
    """The JSON object of ``node``, which belongs to the configuration that is being repaired."""
    return cast(JsonObject, node.value)


def arguments_of(node: Node) -> JsonObject:
    """Its config, likewise."""
    return cast(JsonObject, node.arguments)


def changed(
    node: Node,
    what: str,
    before: JsonValue | EllipsisType,
    after: JsonValue | EllipsisType,
    why: str,
    *,
    is_proved: bool = True,
) -> Change:
    """A change of ``node``; ``...`` stands for what was or is not there, since null is a value."""
    texts = [None if isinstance(value, EllipsisType) else shown(value) for value in (before, after)]
    return Change(place(node) or "the model", what, texts[0], texts[1], why, is_proved)


def module_of_class(node: Node, reader: Reader) -> Iterator[Change]:
    """A module that moved, and the module that a layer inside a wrapper lacks."""
    if not speaks_version3(node, reader) or not node.is_layer:
        return
    if node.module is not None and reader.release.imported(node.module, node.bare_name) is not None:
        return
    if node.has_module and node.module is None:
        return  # a custom object's
    entry = reader.release.by_name(node.bare_name)
    if entry is None or entry.role != "layer":
        return
    module = _importable_module(entry, node.bare_name, reader)
    if module is None:
        return
    before = object_of(node).get("module")
    object_of(node).update({"module": module, "registered_name": None})
    yield changed(node, "module", before, module, f"{node.bare_name} is there in {reader}")


def _importable_module(entry: Entry, name: str, reader: Reader) -> str | None:
    """Where the reader has the class by its name; a public place first (``keras._legacy`` is none, and not always)."""
    public = sorted(export.rpartition(".")[0] for export in entry.exports if export.rpartition(".")[2] == name)
    places = [place for place in public if "._" not in place] + [entry.module]
    return next((place for place in places if reader.release.imported(place, name) is not None), None)


_ALIASES = {"Orthogonal": "OrthogonalInitializer", "OrthogonalInitializer": "Orthogonal"}
"""``keras/src/initializers/random_initializers.py``: renamed in 3.4, and known by one name only before."""


def class_alias(node: Node, reader: Reader) -> Iterator[Change]:
    """A class that the reader has under its other name."""
    other = _ALIASES.get(node.class_name)
    if other is None or node.is_name or node.role is None or reader.release.legacy(node.role, node.class_name):
        return
    if reader.release.legacy(node.role, other) is not None:
        object_of(node)["class_name"] = other
        yield changed(node, "class_name", node.class_name, other, f"{reader} calls it {other}")


def stored_output_shape(node: Node, reader: Reader) -> Iterator[Change]:
    """A list that Keras 3.0 to 3.3 cannot use (``lambda_layer.py``); without it the shape is worked out by a trial."""
    shape = node.arguments.get("output_shape")
    if node.bare_name == "Lambda" and reader.is_keras3 and reader.version < (3, 4) and isinstance(shape, list):
        del arguments_of(node)["output_shape"]
        yield changed(node, "output_shape", shape, ..., f"{reader} cannot use a stored one, and needs none")


def input_shape(node: Node, reader: Reader) -> Iterator[Change]:
    """``batch_input_shape`` of Keras 2 is ``batch_shape`` of Keras 3's input layer, and the other way round."""
    old, new = ("batch_input_shape", "batch_shape") if reader.is_keras3 else ("batch_shape", "batch_input_shape")
    arguments = arguments_of(node)
    if node.bare_name == "InputLayer" and old in arguments and new not in arguments:
        arguments[new] = arguments.pop(old)
        yield changed(node, "shape", {old: arguments[new]}, {new: arguments[new]}, f"{reader} calls it {new}")


def input_layer(node: Node, reader: Reader) -> Iterator[Change]:
    """A first layer's ``batch_input_shape`` becomes an input layer of its own, as Keras has written since 2.3.

    That of a layer behind an input layer says nothing more, and goes.
    """
    layers = arguments_of(node).get("layers")
    if not reader.is_keras3 or node.bare_name not in MODELS or not isinstance(layers, list):
        return
    members = [layer for layer in layers if isinstance(layer, dict) and layer.get("class_name") != "InputLayer"]
    first = members[0] if members and members[0] is layers[0] and node.bare_name == "Sequential" else None
    for layer in members:
        if layer is not first:
            yield from _repeated_shape(node, layer)
    config = first.get("config") if first else None
    shape = config.get("batch_input_shape") if isinstance(config, dict) else None
    if first is None or not isinstance(config, dict) or shape is None:
        return
    inserted: JsonObject = {
        "class_name": "InputLayer",
        "config": {"batch_shape": shape, "name": f"{config.get('name')}_input"},
    }
    if "module" in first:
        inserted |= {"module": "keras.layers", "registered_name": None}
    del config["batch_input_shape"]
    layers.insert(0, inserted)
    yield changed(node, "input layer", {"batch_input_shape": shape}, inserted, f"{reader} needs one for the shape")


def _repeated_shape(node: Node, layer: JsonValue) -> Iterator[Change]:
    config = layer.get("config") if isinstance(layer, dict) else None
    if isinstance(config, dict) and "batch_input_shape" in config:
        shape = config.pop("batch_input_shape")
        yield changed(node, "batch_input_shape", shape, ..., "the input layer before it says the same")


def dtype_policy(node: Node, reader: Reader) -> Iterator[Change]:
    """A policy object of the other major version; a plain one is written by its name."""
    dtype = arguments_of(node).get("dtype")
    config = dtype.get("config") if isinstance(dtype, dict) else None
    name = config.get("name") if isinstance(config, dict) else None
    if not isinstance(dtype, dict) or not isinstance(name, str):
        return
    if reader.release.by_name(str(dtype.get("class_name"))) is not None:
        return
    after: JsonValue = name
    if name.startswith("mixed_"):
        after = {"class_name": "Policy", "config": {"name": name}}
        if reader.is_keras3:
            after = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": name}, "registered_name": None}
    arguments_of(node)["dtype"] = after
    yield changed(node, "dtype", dtype, after, f"{reader} writes the same policy so")


def thresholded_relu(node: Node, reader: Reader) -> Iterator[Change]:
    """A class that Keras 3 has no more (its legacy one is not found from HDF5) is ``ReLU`` with a threshold.

    Both compute x where x > theta, and 0 elsewhere, for every number that is finite: ``thresholded_relu.py`` in Keras
    2.15, ``ReLU.static_call`` in ``keras/src/activations/activations.py``, 3.15.
    """
    theta = node.arguments.get("theta", 1.0)
    if not reader.is_keras3 or node.bare_name != "ThresholdedReLU" or resolve(node, reader).entry is not None:
        return
    if isinstance(theta, bool) or not isinstance(theta, int | float) or not theta >= 0:
        return
    arguments = arguments_of(node)
    arguments.pop("theta", None)
    arguments["threshold"] = theta
    object_of(node)["class_name"] = "ReLU"
    if node.has_module:
        object_of(node).update({"module": "keras.layers", "registered_name": None})
    before: JsonObject = {"class_name": "ThresholdedReLU", "theta": theta}
    after: JsonObject = {"class_name": "ReLU", "threshold": theta}
    yield changed(node, "layer", before, after, f"{reader} has no ThresholdedReLU; this computes the same")


def axis_number(node: Node, reader: Reader) -> Iterator[Change]:
    """``[3]`` of Keras 2's batch normalisation is ``3``."""
    axis = arguments_of(node).get("axis")
    if reader.is_keras3 and node.bare_name == "BatchNormalization" and isinstance(axis, list) and len(axis) == 1:
        arguments_of(node)["axis"] = axis[0]
        yield changed(node, "axis", axis, axis[0], f"{reader} takes a number")


def build_config(node: Node, reader: Reader) -> Iterator[Change]:
    """Keras 2.15 notes one shape to build an attention layer by; Keras 3 needs two, or none until the layer is called.

    ``MultiHeadAttention.build(query_shape, value_shape)`` in ``keras/src/layers/attention/multi_head_attention.py``.
    """
    noted = node.value.get("build_config")
    is_one_shape = isinstance(noted, dict) and set(noted) == {"input_shape"}
    if reader.is_keras3 and node.bare_name == "MultiHeadAttention" and is_one_shape:
        del object_of(node)["build_config"]
        yield changed(node, "build_config", noted, ..., f"{reader} builds it from two shapes, when it is called")


def idle_arguments(node: Node, reader: Reader, writer: Reader | None) -> Iterator[Change]:
    """Arguments that the target does not take and that say nothing: the default of the release that wrote them."""
    if node.bare_name in MODELS or node.bare_name == "Lambda" or node.is_name:
        return
    entry = resolve(node, reader).entry
    if entry is None or entry.open:
        return
    known = writer.release.by_name(node.bare_name) if writer else None
    for name in sorted(set(node.arguments) - entry.arguments - entry.drops):
        value = node.arguments[name]
        if role_of(name) == "layer" or not _is_idle(name, value, known.defaults if known else {}):
            continue
        del arguments_of(node)[name]
        why = f"it does not change what the layer computes, and {reader} does not know it"
        yield changed(node, name, value, ..., why)


def _is_idle(name: str, value: JsonValue, defaults: object) -> bool:
    """Whether dropping the argument changes nothing: the writer's default, nothing at all, or a note."""
    if value is None or (isinstance(defaults, dict) and name in defaults and defaults[name] == value):
        return True
    return _IDLE.get(name, ...) == value or name in _SAYS_NOTHING


_IDLE = {
    "time_major": False,
    "groups": 1,
    "ragged": False,
    "sparse": False,
    "optional": False,
    "quantization_config": None,
    "rms_scaling": False,
}
"""Values that are no literal default in the source, but what the code does without them."""
_SAYS_NOTHING = frozenset(
    {"query_shape", "key_shape", "value_shape", "build_input_shape", "input_axes", "output_axes", "implementation"}
)
"""Shapes that Keras notes beside a layer to build it early, which the connections say too; and how fast it computes."""


def calls_counted_anew(model: Node, reader: Reader) -> Iterator[Change]:
    """Calls of a model inside a model, which Keras 2 counts from 1 and Keras 3 from 0.

    Keras 2 counts the nested model's own input as its call 0 (``_should_skip_first_node`` in
    ``keras/src/engine/functional.py``, 2.15).  Keras 3 takes the number in ``inbound_nodes`` as it is, and that in
    ``output_layers`` less one if the nested model is Functional (``functional_from_config``, 3.15).
    """
    if not reader.is_keras3 or model.bare_name not in MODELS:
        return
    arguments = arguments_of(model)
    layers = arguments.get("layers")
    members = [layer for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else []
    inner = [reference for layer in members for reference in references(layer.get("inbound_nodes"))]
    outer = list(references(arguments.get("output_layers")))
    for nested in members:
        name, calls = nested.get("name"), nested.get("inbound_nodes")
        if nested.get("class_name") not in MODELS or not isinstance(name, str) or not isinstance(calls, list):
            continue
        moved = [each for each in inner if each[0] == name]
        moved += [each for each in outer if each[0] == name and nested.get("class_name") == "Sequential"]
        numbers = [each[1] for each in moved if isinstance(each[1], int)]
        if not numbers or min(numbers) < 1 or max(numbers) < max(1, len(calls)):
            continue
        for reference in moved:
            before = list(reference[:3])
            reference[1] = cast(int, reference[1]) - 1
            why = f"{reader} counts the calls of a model inside the model from 0"
            yield changed(model, f"call of {name!r}", before, list(reference[:3]), why)


def tensors_by_keyword(model: Node, reader: Reader) -> Iterator[Change]:
    """Calls that are given a tensor by keyword, written as Keras 3 writes all calls.

    Keras 3 takes the ``[layer, call, tensor]`` of such an argument for a list (``deserialize_node`` in
    ``keras/src/models/functional.py``, 3.15).  It finds the tensor by ``keras_history``; the shape beside it is not
    looked at.
    """
    layers = arguments_of(model).get("layers")
    if not reader.is_keras3 or model.bare_name not in MODELS or not isinstance(layers, list):
        return
    members = [layer for layer in layers if isinstance(layer, dict)]
    names = frozenset(name for layer in members if isinstance(name := layer.get("name"), str))
    for layer in members:
        calls = layer.get("inbound_nodes")
        for index, call in enumerate(calls) if isinstance(calls, list) else ():
            after = _as_version3(call, names)
            if after is not None:
                cast(list[JsonValue], calls)[index] = after
                name = f"call of {layer.get('name')!r}"
                yield changed(model, name, call, after, f"{reader} reads tensors by keyword in this form only")


def _as_version3(call: JsonValue, names: Collection[str]) -> JsonValue:
    """The call in the form of Keras 3; ``None`` for one without tensors by keyword, which is read as it is."""
    tensors = call if isinstance(call, list) else []
    if not tensors or not all(isinstance(each, list) and len(each) in (3, 4) for each in tensors):
        return None
    last = cast(list[JsonValue], tensors[-1])
    keywords = last[3] if len(last) == 4 else None
    if not isinstance(keywords, dict) or not any(_is_tensor(value, names) for value in keywords.values()):
        return None
    inputs: list[JsonValue] = [_tensor(cast(list[JsonValue], each)) for each in tensors]
    kwargs = {
        key: _tensor(value) if isinstance(value, list) and _is_tensor(value, names) else value
        for key, value in keywords.items()
    }
    return {"args": [inputs[0] if len(inputs) == 1 else inputs], "kwargs": kwargs}


def _is_tensor(value: JsonValue, names: Collection[str]) -> bool:
    is_place = isinstance(value, list) and len(value) == 3 and all(isinstance(each, int) for each in value[1:])
    return is_place and isinstance(value, list) and isinstance(value[0], str) and value[0] in names


def _tensor(reference: list[JsonValue]) -> JsonValue:
    return {
        "class_name": "__keras_tensor__",
        "config": {"shape": [], "dtype": "float32", "keras_history": list(reference[:3])},
    }


def references(value: JsonValue) -> Iterator[list[JsonValue]]:
    """Every ``[layer, call, tensor, ...]`` in connections of Keras 1 and 2, as the list that it is."""
    stack = [value]
    while stack:
        item = stack.pop()
        if not isinstance(item, list):
            continue
        if len(item) >= 3 and isinstance(item[0], str) and isinstance(item[1], int):
            yield item
        else:
            stack.extend(item)


def names_without_slash(root: JsonObject, nodes: Sequence[Node], reader: Reader) -> Iterator[Change]:
    """Layer names with ``/``, which Keras 3 refuses, with every reference to them."""
    if not reader.is_keras3:
        return
    names = {name for node in nodes if node.is_layer and isinstance(name := node.arguments.get("name"), str)}
    renamed = {name: name.replace("/", "_") for name in sorted(names) if "/" in name}
    if set(renamed.values()) & names or len(set(renamed.values())) != len(renamed):
        return  # two layers would have one name
    if renamed:
        _rename(root, renamed)
        for before, after in renamed.items():
            yield Change(f"layer {before!r}", "name", shown(before), shown(after), f"{reader} allows no '/' in names")


def _rename(value: JsonValue, renamed: dict[str, str]) -> None:
    """Replace names in place wherever a layer is named: ``name``, and the first part of a connection."""
    stack: list[JsonValue] = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            name = item.get("name")
            if isinstance(name, str) and name in renamed:
                item["name"] = renamed[name]
            stack.extend(item.values())
        elif isinstance(item, list):
            if len(item) >= 3 and isinstance(item[0], str) and item[0] in renamed and isinstance(item[1], int):
                item[0] = renamed[item[0]]
            stack.extend(item)
