"""What a model's inputs take, as its configuration tells: integers below a table's size, words of a vocabulary.

A float input that feeds an embedding takes integers (Keras 2 gives every ``InputLayer`` the default dtype, and
``Embedding.call`` casts), so random fractions would all look up the same row.  Pure; what is not told is not guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from modelreg.configuration import JsonValue

DEPTH_MAX = 16
"""Models within models and layers behind each other that are looked through."""
WORDS_MAX = 32
WORD_LENGTH_MAX = 64
BELOW_MAX = 2**31
_TRANSPARENT = frozenset(
    {"InputLayer", "Reshape", "Flatten", "Permute", "RepeatVector", "Masking", "Dropout", "SpatialDropout1D"}
    | {"Identity", "Concatenate", "Cropping1D", "SlicingOpLambda", "GetItem", "Squeeze", "ExpandDims"}
)
"""Layers and operations whose output values are among their input values."""
_BOUNDS = {"Embedding": ("input_dim",), "CategoryEncoding": ("num_tokens", "max_tokens")}
_VOCABULARIES = frozenset({"StringLookup", "TextVectorization"})


@dataclass(frozen=True, slots=True)
class Hint:
    """What an input takes: integers from 0 to ``below`` (exclusive), or one of ``words``."""

    below: int | None = None
    words: tuple[str, ...] = ()


def hints_of(configuration: JsonValue) -> dict[str, Hint]:
    """The hint of each input layer by its name, where there is one; of a model's only input also under ``""``."""
    return dict(_model_hints(configuration, 0))


def _model_hints(model: JsonValue, depth: int) -> Iterator[tuple[str, Hint]]:
    layers = _layers(model)
    is_sequential = isinstance(model, dict) and model.get("class_name") == "Sequential"
    if not is_sequential and any("inbound_nodes" in layer for layer in layers):
        inputs = [layer for layer in layers if layer.get("class_name") == "InputLayer"]
        for layer in inputs:
            found = _follow(_name(layer), layers, depth)
            if found is not None:
                yield from ((name, found) for name in (_name(layer), *([""] if len(inputs) == 1 else [])))
        return
    for layer in layers:
        found = _hint(layer, depth)
        if found is not None:
            yield "", found
        if layer.get("class_name") not in _TRANSPARENT:
            return


def _follow(name: str, layers: list[Mapping[str, JsonValue]], depth: int) -> Hint | None:
    """The tightest hint among the layers that get the values of the layer ``name``."""
    reached, found = {name}, []
    for _ in range(DEPTH_MAX):
        consumers = [layer for layer in layers if _name(layer) not in reached and reached & set(_sources(layer))]
        found += [hint for hint in (_hint(layer, depth) for layer in consumers) if hint is not None]
        more = {_name(layer) for layer in consumers if layer.get("class_name") in _TRANSPARENT}
        if not more:
            break
        reached |= more
    return min(found, key=lambda hint: hint.below or BELOW_MAX, default=None)


def _hint(layer: Mapping[str, JsonValue], depth: int) -> Hint | None:
    class_name, config = layer.get("class_name"), layer.get("config")
    if isinstance(config, list) or (isinstance(config, dict) and "layers" in config):
        return dict(_model_hints(dict(layer), depth + 1)).get("") if depth < DEPTH_MAX else None
    if not isinstance(config, dict):
        return None
    for key in _BOUNDS.get(str(class_name), ()):
        below = config.get(key)
        if type(below) is int and 0 < below <= BELOW_MAX:
            return Hint(below=below)
    vocabulary = config.get("vocabulary") if class_name in _VOCABULARIES else None
    words = [word for word in vocabulary if isinstance(word, str)] if isinstance(vocabulary, list) else []
    kept = tuple(word[:WORD_LENGTH_MAX] for word in words[:WORDS_MAX])
    return Hint(words=kept) if kept else None


def _layers(model: JsonValue) -> list[Mapping[str, JsonValue]]:
    config = model.get("config") if isinstance(model, dict) else None
    layers = config.get("layers") if isinstance(config, dict) else config
    return [layer for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else []


def _name(layer: Mapping[str, JsonValue]) -> str:
    config = layer.get("config")
    return str(layer.get("name") or (config.get("name") if isinstance(config, dict) else ""))


def _sources(layer: Mapping[str, JsonValue]) -> Iterator[str]:
    """The layers that feed this one: ``["name", 0, 0]`` wherever it stands, which is how every Keras writes it."""
    pending = [layer.get("inbound_nodes")]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            match value:
                case [str(name), int(), int(), *_]:
                    yield name
            pending += value
        elif isinstance(value, dict):
            pending += value.values()
