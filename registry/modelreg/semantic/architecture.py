"""The architecture of a model in one dialect: what a configuration says, freed of how its writer spells it.

Keras has written the same model in two dialects (legacy and version 3) and in many variations.  ``normal_model`` gives
one JSON value for all of them, so that two files can be compared and digested.

Left out, because it describes the writer and not the model: ``module``, ``build_config``, ``compile_config``,
``shared_object_id``, the shapes and types that Keras 3 repeats beside each connection, and the outermost model's name.
Left out where it says what its absence says: ``_DEFAULTS``.  Everything else counts, unknown keys too.

Sources: ``keras/src/saving/serialization_lib.py`` and ``keras/src/models/functional.py`` (3.15),
``keras/engine/functional.py`` and ``keras/saving/legacy/serialization.py`` (2.13 to 2.15), ``keras/engine/network.py``
(2.2).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from modelreg.configuration import NESTING_MAX, JsonValue
from modelreg.digest import sha256_hex
from modelreg.errors import DocumentError

CLASS: Final = "class"
CONFIG: Final = "config"
CONNECTIONS: Final = "connections"
LAYERS: Final = "layers"
MODELS: Final = frozenset({"Sequential", "Functional"})

PYTHON_CLASSES: Mapping[str, str] = MappingProxyType({"GroupQueryAttention": "GroupedQueryAttention"})
"""Layers of Keras whose public name, which version 3 writes, is not the name of their Python class."""

PATH_LENGTH_MAX = 1024
"""Characters; the paths of ten models in each other are below 300.  Every layer within them has such a path."""

_LEFT_OUT = frozenset(
    {
        *("module", "registered_name", "build_config", "compile_config", "shared_object_id"),
        "__passive_serialization__",  # how version 3 marks a layer in an argument of its legacy writer
    }
)
_POLICIES = frozenset({"DTypePolicy", "FloatDTypePolicy", "Policy"})
_DEFAULTS: Mapping[str, JsonValue] = MappingProxyType(
    {
        "activity_regularizer": None,  # Keras 2 writes it always, Keras 3 only where there is one
        "groups": 1,  # of DepthwiseConv2D, Keras 2 only
        "input_axes": None,  # of initializers, from 3.13 on
        "lora_alpha": None,
        "lora_rank": None,
        "optional": False,  # of InputLayer, from 3.6 on
        "output_axes": None,
        "quantization_config": None,  # from 3.13 on
        "ragged": False,
        "sparse": False,
        "time_major": False,  # of recurrent layers, Keras 2 only
        "trainable": True,
    }
)
"""Arguments that some versions of Keras write and others do not, each with what its absence means in all of them."""
_MODEL_DEFAULTS: Mapping[str, JsonValue] = MappingProxyType({"dtype": "float32"})
_NODE_DEFAULTS: Mapping[str, JsonValue] = MappingProxyType({"mask": None, "training": None})
_SPELLINGS = {"batch_input_shape": "batch_shape"}


def normal_model(value: JsonValue) -> JsonValue:
    """The one value that stands for a model's configuration; raises ``DocumentError`` beyond ``NESTING_MAX``."""
    normal = _normal(value, 0)
    if isinstance(normal, dict) and isinstance(normal.get(CONFIG), dict):
        _config_of(normal).pop("name", None)
    return normal


def layer_arguments(model: JsonValue) -> Iterator[tuple[str, str, Mapping[str, str]]]:
    """Path, class and arguments of each layer of a value that ``normal_model`` gave, those of nested models too.

    An argument is JSON text under its name; one within an object stands under ``initializer.config.seed``.
    """
    stack = [("", item) for item in reversed(_layers(model))]
    while stack:
        outer, layer = stack.pop()
        if not isinstance(layer, dict):
            continue
        config = _config_of(layer)
        path = joined(outer, str(config.get("name", layer.get(CLASS, "?"))))
        told = {key: item for key, item in config.items() if key not in (LAYERS, "name")}
        arguments = dict(_flat(told, ""))
        if CONNECTIONS in layer:
            arguments[CONNECTIONS] = json_text(layer[CONNECTIONS])
        yield path, str(layer.get(CLASS, "?")), arguments
        stack.extend((path, item) for item in reversed(_layers(layer)))


def model_arguments(model: JsonValue) -> Mapping[str, str]:
    """The outermost model's own class and arguments (inputs, outputs ...), as ``layer_arguments`` gives a layer's."""
    if not isinstance(model, dict):
        return {}
    own = {key: item for key, item in _config_of(model).items() if key != LAYERS}
    return {CLASS: str(model.get(CLASS, "?")), **dict(_flat(own, ""))}


def training_arguments(value: JsonValue) -> Mapping[str, str]:
    """The arguments of a training configuration (``training_config`` or ``compile_config``)."""
    normal = _normal(value, 0)
    if not isinstance(normal, dict):
        return {}
    # Keras 2's legacy training_config spells its optimizer so; version 3 writes compile's own argument
    optimizer = normal.pop("optimizer_config", None)
    if optimizer is not None:
        normal.setdefault("optimizer", optimizer)
    return dict(_flat(normal, ""))


def json_text(value: JsonValue) -> str:
    """Compact JSON with sorted keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def joined(outer: str, name: str, separator: str = "/") -> str:
    """A path by names that a file may make as long as it likes; beyond ``PATH_LENGTH_MAX`` its end is a digest."""
    path = f"{outer}{separator}{name}" if outer else name
    if len(path) <= PATH_LENGTH_MAX:
        return path
    return f"{path[: PATH_LENGTH_MAX - 65]}~{sha256_hex(path.encode('utf-8', 'surrogatepass'))}"


def _flat(value: Mapping[str, JsonValue], outer: str) -> Iterator[tuple[str, str]]:
    """Leaves under dotted names; bounded by the depth of ``value``, which ``_normal`` has checked."""
    for key, item in value.items():
        name = joined(outer, key, ".")
        if isinstance(item, dict) and item:
            yield from _flat(item, name)
        else:
            yield name, json_text(item)


def _layers(value: JsonValue) -> list[JsonValue]:
    found = _config_of(value).get(LAYERS)
    return found if isinstance(found, list) else []


def _config_of(value: JsonValue) -> dict[str, JsonValue]:
    config = value.get(CONFIG) if isinstance(value, dict) else None
    return config if isinstance(config, dict) else {}


def _normal(value: JsonValue, depth: int) -> JsonValue:
    if depth > NESTING_MAX:
        raise DocumentError(f"a configuration nests deeper than {NESTING_MAX} levels")
    if isinstance(value, dict):
        if isinstance(value.get("class_name"), str):
            return _object(value, depth)
        return {key: _normal(item, depth + 1) for key, item in value.items() if key != "shared_object_id"}
    if isinstance(value, list):
        return [_normal(item, depth + 1) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def _object(value: dict[str, JsonValue], depth: int) -> JsonValue:
    """A serialised object; version 3's marks for tuples, tensors, functions and policies become what they stand for."""
    name, config = str(value["class_name"]), value.get("config")
    if name in ("__tuple__", "TensorShape"):
        return _normal(value.get("items", config), depth + 1)
    if name == "__keras_tensor__" and isinstance(config, dict):
        return {"from": _normal(config.get("keras_history"), depth + 1)}
    if name == "function" and isinstance(config, str):
        return _registered(value, config)
    if name in _POLICIES and isinstance(config, dict) and set(config) == {"name"}:
        return config["name"]
    if name == "Model" and isinstance(config, dict) and LAYERS in config:
        name = "Functional"  # its name until TensorFlow 2.3
    if isinstance(config, list) and name == "Sequential":
        config = {LAYERS: config}  # Keras 1 and 2.0 to 2.2
    kept: dict[str, JsonValue] = {
        key: _normal(item, depth + 1)
        for key, item in value.items()
        if key not in _LEFT_OUT and key not in ("class_name", "config", "inbound_nodes", "name")
    }
    kept[CLASS] = _registered(value, PYTHON_CLASSES.get(name, name))
    kept[CONFIG] = _config(name, config, depth + 1)
    if isinstance(nodes := value.get("inbound_nodes"), list):
        kept[CONNECTIONS] = [_node(node, depth + 2) for node in nodes]
    return kept


def _registered(value: Mapping[str, JsonValue], name: str) -> str:
    """The name under which a custom object is registered, which the legacy dialect writes as the class itself."""
    registered = value.get("registered_name")
    return registered if isinstance(registered, str) and ">" in registered else name


def _config(name: str, config: JsonValue, depth: int) -> JsonValue:
    normal = _normal(config, depth)
    if not isinstance(normal, dict):
        return normal
    defaults = {**_DEFAULTS, **_MODEL_DEFAULTS} if name in MODELS else _DEFAULTS
    told = {_SPELLINGS.get(key, key): item for key, item in normal.items() if not _is_default(key, item, defaults)}
    if name in MODELS:
        told.pop("build_input_shape", None)  # of Sequential; its first layer says it too
        for key in ("input_layers", "output_layers"):
            if key in told:
                told[key] = _references(told[key])
        _drop_repeated_shapes(told.get(LAYERS))
    return told


def _is_default(key: str, value: JsonValue, defaults: Mapping[str, JsonValue]) -> bool:
    return key in defaults and value == defaults[key] and type(value) is type(defaults[key])


def _drop_repeated_shapes(layers: JsonValue) -> None:
    """Keras 2 repeats the shape of the input layer in the layer behind it."""
    if not isinstance(layers, list) or not any(_class_of(layer) == "InputLayer" for layer in layers[:1]):
        return
    for layer in layers:
        if _class_of(layer) != "InputLayer":
            _config_of(layer).pop("batch_shape", None)


def _class_of(layer: JsonValue) -> JsonValue:
    return layer.get(CLASS) if isinstance(layer, dict) else None


# Connections


def _node(node: JsonValue, depth: int) -> JsonValue:
    """One call of a layer as ``{"args", "kwargs"}``, in which a tensor is ``{"from": [layer, call, output]}``."""
    if depth > NESTING_MAX:
        raise DocumentError(f"a configuration nests deeper than {NESTING_MAX} levels")
    if isinstance(node, dict):
        normal = _normal(node, depth)
        return _told_node(normal.get("args"), normal.get("kwargs")) if isinstance(normal, dict) else normal
    if not isinstance(node, list):
        return _normal(node, depth)
    tensors = node if node and isinstance(node[0], list) else [node]
    arguments = [_legacy_tensor(tensor, depth) for tensor in tensors]
    kwargs: dict[str, JsonValue] = {}
    for tensor in tensors:
        if isinstance(tensor, list) and len(tensor) > 3 and isinstance(tensor[3], dict):
            kwargs |= {key: _legacy_value(item, depth + 1) for key, item in tensor[3].items()}
    return _told_node(arguments if len(arguments) == 1 else [arguments], kwargs)


def _told_node(arguments: JsonValue, kwargs: JsonValue) -> JsonValue:
    told = kwargs if isinstance(kwargs, dict) else {}
    return {
        "args": arguments,
        "kwargs": {key: item for key, item in told.items() if not _is_default(key, item, _NODE_DEFAULTS)},
    }


def _legacy_tensor(tensor: JsonValue, depth: int) -> JsonValue:
    return {"from": tensor[:3]} if _is_reference(tensor) else _normal(tensor, depth)  # type: ignore[index]


def _legacy_value(value: JsonValue, depth: int) -> JsonValue:
    """A keyword argument of a legacy call, which may be a tensor or hold some."""
    if _is_reference(value):
        return _legacy_tensor(value, depth)
    if isinstance(value, list) and depth <= NESTING_MAX:
        return [_legacy_value(item, depth + 1) for item in value]
    return _normal(value, depth)


def _is_reference(value: JsonValue) -> bool:
    """``[layer, call, output]`` or ``[layer, call, output, keyword arguments]``."""
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and value[0] != "_CONSTANT_VALUE"
        and all(type(number) is int for number in value[1:3])
        and (len(value) == 3 or isinstance(value[3], dict))
    )


def _references(value: JsonValue) -> JsonValue:
    """A single input or output as the list of one that other versions of Keras write."""
    return [value] if _is_reference(value) else value
