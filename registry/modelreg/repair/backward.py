"""From what Keras 3 writes to what Keras 2 reads: how models say which layer is called on what.

Keras 3 writes a call as its arguments (``serialize_node`` in ``keras/src/models/functional.py``, 3.15), Keras 2 as a
list of ``[layer, call, tensor, keywords]``, one for each tensor of the first argument (``Node.serialize`` in
``keras/src/engine/node.py``, 2.15).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from modelreg.configuration import JsonValue
from modelreg.configuration.walk import Node
from modelreg.repair.change import Change
from modelreg.repair.mends import MODELS, JsonObject, arguments_of, changed, references
from modelreg.rules.keras.reader import Reader

_POSITIONAL = {"MultiHeadAttention": ("value", "key")}
"""Names of further tensors that a layer takes by position (``MultiHeadAttention.call``)."""
_ATTENTION_SHAPES = ("query_shape", "key_shape", "value_shape")


class _NoSuchFormError(ValueError):
    """A call that Keras 2 has no form for."""


def calls_of_keras2(model: Node, reader: Reader) -> Iterator[Change]:
    """Every call, and the lists of inputs and outputs, in Keras 2's form; what has none is left, to be refused."""
    arguments = arguments_of(model)
    layers = arguments.get("layers")
    if reader.is_keras3 or model.bare_name not in MODELS or not isinstance(layers, list):
        return
    members = [layer for layer in layers if isinstance(layer, dict)]
    is_changed = False
    for layer in members:
        calls = layer.get("inbound_nodes")
        for index, call in enumerate(calls) if isinstance(calls, list) else ():
            after = _as_version2(call, str(layer.get("class_name")))
            if after is not None:
                is_changed = True
                cast(list[JsonValue], calls)[index] = after
                what = f"call of {layer.get('name')!r}"
                yield changed(model, what, call, after, f"{reader} reads calls in this form")
    for key in ("input_layers", "output_layers"):
        places = arguments.get(key)
        if _is_place(places):
            is_changed = True
            arguments[key] = [places]
            yield changed(model, key, places, [places], f"{reader} reads a list of them")
    if is_changed:
        yield from _counted_from_one(model, members, reader)


def attention_shapes(node: Node, reader: Reader) -> Iterator[Change]:
    """Shapes that ``MultiHeadAttention.from_config`` of Keras 2 takes from the configuration; null lets it wait."""
    if reader.is_keras3 or node.bare_name != "MultiHeadAttention":
        return
    arguments = arguments_of(node)
    missing = [key for key in _ATTENTION_SHAPES if key not in arguments]
    arguments.update(dict.fromkeys(missing))
    for key in missing:
        yield changed(node, key, ..., None, f"{reader} looks for it, and null lets it wait for the first call")


def lambda_types(node: Node, reader: Reader) -> Iterator[Change]:
    """What ``Lambda.from_config`` of Keras 2 takes out of the configuration without asking (2.15)."""
    if reader.is_keras3 or node.bare_name != "Lambda":
        return
    arguments = arguments_of(node)
    for argument in ("output_shape", "mask"):
        is_read = argument == "output_shape" or argument in arguments
        if is_read and f"{argument}_type" not in arguments:
            arguments.setdefault(argument, None)
            arguments[f"{argument}_type"] = "raw"
            yield changed(node, f"{argument}_type", ..., "raw", f"{reader} does not load a Lambda without it")


def _as_version2(call: JsonValue, class_name: str) -> JsonValue:
    """The call in Keras 2's form; ``None`` for one that is so already, or that has none."""
    if not isinstance(call, dict) or not isinstance(call.get("args"), list) or not call["args"]:
        return None
    given = call.get("kwargs")
    first, *rest = cast(list[JsonValue], call["args"])
    names = _POSITIONAL.get(class_name, ())
    if len(rest) > len(names) or not isinstance(given, dict):
        return None
    try:
        keywords = {name: _keyword(value) for name, value in zip(names, rest, strict=False)}
        keywords |= {name: _keyword(value) for name, value in given.items() if _means(name, value)}
        tensors = first if isinstance(first, list) and len(first) > 1 else [first]
        return [[*_history(each), keywords] for each in tensors]
    except _NoSuchFormError:
        return None


def _means(name: str, value: JsonValue) -> bool:
    """Keras 3 sets ``training`` anew in every call of the model (``operation_fn``); Keras 2 keeps what is stored."""
    return value is not None and name != "training"


def _keyword(value: JsonValue) -> JsonValue:
    """A keyword argument: a tensor by its place, a plain value as it is."""
    if isinstance(value, dict):
        return cast(JsonValue, _history(value))
    if isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        raise _NoSuchFormError
    return value


def _history(value: JsonValue) -> list[JsonValue]:
    config = value.get("config") if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__" else None
    place = config.get("keras_history") if isinstance(config, dict) else None
    if not isinstance(place, list) or not _is_place(place):
        raise _NoSuchFormError
    return list(place)


def _is_place(value: JsonValue) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and isinstance(value[0], str)
        and all(isinstance(each, int) for each in value[1:])
    )


def _counted_from_one(model: Node, members: Sequence[JsonObject], reader: Reader) -> Iterator[Change]:
    """Calls of a model inside a model, which Keras 3 counts from 0 and Keras 2 from 1.

    The reverse of ``calls_counted_anew``, with the same exception: what ``output_layers`` of Keras 3 says of a nested
    Functional model is counted from 1 already.
    """
    arguments = arguments_of(model)
    inner = [reference for layer in members for reference in references(layer.get("inbound_nodes"))]
    outer = list(references(arguments.get("output_layers")))
    for nested in members:
        if nested.get("class_name") not in MODELS:
            continue
        moved = [each for each in inner if each[0] == nested.get("name")]
        if nested.get("class_name") == "Sequential":
            moved += [each for each in outer if each[0] == nested.get("name")]
        for reference in moved:
            before = list(reference[:3])
            reference[1] = cast(int, reference[1]) + 1
            why = f"{reader} counts the calls of a model inside the model from 1"
            yield changed(model, f"call of {nested.get('name')!r}", before, list(reference[:3]), why)
