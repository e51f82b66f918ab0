"""Finds what a configuration would make its loader do besides building a model: attacks that show in the JSON.

Pure and iterative: parsed JSON in, hazards out, in the order of the configuration; at most ``limits.HAZARDS_MAX`` of
them.  Both dialects (legacy and version 3) are judged alike, and every object is looked at wherever it stands, because
Keras itself resolves whatever looks like a serialised object.  What the file says of its Keras version is not asked:
whoever writes an attack writes that too.

Sources: ``keras/src/saving/serialization_lib.py`` (3.15.1, ``_retrieve_class_or_fn``, ``NON_MODELING_APIS``),
``keras/src/layers/preprocessing/index_lookup.py`` (3.12.0), ``keras/layers/core/tf_op_layer.py`` (2.15).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from modelreg.configuration import NESTING_MAX, JsonValue
from modelreg.facts import Hazard, HazardKind, LambdaCode
from modelreg.inspect import hazard_names as names
from modelreg.inspect import limits
from modelreg.inspect.graph_ops import EXECUTABLE_OPS
from modelreg.inspect.text import plain

TRAINING_PLACE = "training configuration"
_LAYER_KEYS = frozenset({"layer", "layers", "cell", "cells", "forward_layer", "backward_layer"})
_KERAS_ROOTS = frozenset({"keras", "keras_core", "keras_cv", "keras_hub", "keras_nlp", "tf_keras"})
_PASSED_PARTS = frozenset({"src", "api", "_tf_keras", "_legacy", "keras", "v1", "v2", "experimental"})
"""Parts of a Keras module's path that only say where the package keeps it."""
_SYMBOL_KEYS = ("function", "cls_symbol", "cls_ref", "method_name", "attr_name")
"""Where the operation layers of TensorFlow 2.4 to 2.15 keep the API names that they call."""
_SYMBOL_CLASSES = frozenset({"TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod", "InstanceProperty"})
_PICKLE_MARKS = tuple(f"\x80{chr(protocol)}" for protocol in range(2, 6))
_ZIP_MARK = "PK\x03\x04"
"""``torch.save`` writes a zip archive that holds a pickle."""
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class _Place:
    """The layers around a value, joined by ``/``, the key that it stands under, and how many levels down it is."""

    path: str = ""
    key: str = ""
    depth: int = 0


def configuration_hazards(value: JsonValue) -> Iterator[Hazard]:
    """The hazards of a parsed ``model_config``, ``config.json``, or ``training_config``."""
    is_model = isinstance(value, dict) and isinstance(value.get("class_name"), str)
    place = _Place("", "layer") if is_model else _Place(TRAINING_PLACE)
    stack: list[tuple[JsonValue, _Place]] = [(value, place)]
    told: set[Hazard] = set()
    while stack:
        item, place = stack.pop()
        place = _Place(place.path, place.key, place.depth + 1)
        if isinstance(item, list):
            stack.extend((each, place) for each in reversed(item) if isinstance(each, dict | list))
        elif isinstance(item, dict):
            place = _inner_place(item, place)
            for hazard in (*_object_hazards(item, place.path), *_depth_hazards(place)):
                if hazard not in told:
                    told.add(hazard)
                    yield hazard
            if len(told) >= limits.HAZARDS_MAX:
                return
            inner = [(each, _under(item, key, place)) for key, each in item.items() if isinstance(each, dict | list)]
            stack.extend(reversed(inner))


def _depth_hazards(place: _Place) -> Iterator[Hazard]:
    """What nests deeper than is read hides there from every check, or ends the loader's recursion."""
    if place.depth > NESTING_MAX:
        detail = f"the configuration nests deeper than {NESTING_MAX} levels, of which a model needs some 60"
        yield Hazard(HazardKind.OVERSIZED_DATASET, place.path.partition("/")[0], detail)


def _inner_place(item: dict[str, JsonValue], place: _Place) -> _Place:
    """The place of what is inside ``item``: one layer further in, if it is one."""
    class_name, config = item.get("class_name"), item.get("config")
    if not isinstance(class_name, str) or "config" not in item or class_name.startswith("__"):
        return place
    inner = config if isinstance(config, dict) else {}
    if place.path.startswith(TRAINING_PLACE):
        return place
    if place.key not in _LAYER_KEYS and not (
        isinstance(inner.get("name"), str) and ("trainable" in inner or "layers" in inner)
    ):
        return place
    found = [name for name in (inner.get("name"), item.get("name"), class_name) if isinstance(name, str) and name]
    name = found[0] if found else "?"
    return _Place(plain(f"{place.path}/{name}" if place.path else name), place.key, place.depth)


def _under(item: dict[str, JsonValue], key: str, place: _Place) -> _Place:
    if key == "compile_config":
        return _Place(TRAINING_PLACE, key, place.depth)
    is_list_of_layers = key == "config" and "class_name" in item and isinstance(item[key], list)
    return _Place(place.path, "layers" if is_list_of_layers else key, place.depth)


def _object_hazards(item: dict[str, JsonValue], where: str) -> Iterator[Hazard]:
    class_name = item.get("class_name")
    module = item.get("module")
    config = item.get("config")
    if isinstance(class_name, str):
        arguments = config if isinstance(config, dict) else {}
        called = config if class_name == "function" and isinstance(config, str) else class_name
        if class_name == "__typespec__" and isinstance(item.get("spec_name"), str):
            called = str(item["spec_name"])
        if isinstance(module, str):
            yield from _module_hazards(module, called, class_name, where)
            yield from _registered_hazards(item, module, called, where)
        yield from _class_hazards(class_name.rpartition(">")[2], arguments, where)
        for name in (arguments.get("name"), item.get("name")):
            if isinstance(name, str) and (reason := unsafe_layer_name(name)):
                yield _hazard(HazardKind.UNSAFE_LAYER_NAME, where, f"the name {name!r} {reason}")
    elif "function" in item or "function_type" in item:
        for key in ("module", "output_shape_module", "mask_module"):
            yield from _lambda_module_hazards(item.get(key), where)


# Modules and functions


def _module_hazards(module: str, name: str, class_name: str, where: str) -> Iterator[Hazard]:
    root = module.partition(".")[0]
    if root in ("builtins", "__builtin__"):
        if name in names.UNSAFE_BUILTINS or class_name not in names.BUILTIN_TYPES:
            yield _hazard(HazardKind.FOREIGN_MODULE, where, f"takes {name!r} from Python's {root}")
    elif root in names.PYTHON_MODULES:
        yield _hazard(HazardKind.FOREIGN_MODULE, where, f"takes {name!r} from {module!r}, a module of Python itself")
    elif root in names.PROGRAM_PACKAGES:
        detail = f"takes {name!r} from {module!r}, a package that no part of a model comes from"
        yield _hazard(HazardKind.FOREIGN_MODULE, where, detail)
    elif (parts := _keras_parts(module)) is not None:
        if _is_tool(parts, name, is_function=class_name == "function"):
            yield _hazard(HazardKind.UNSAFE_FUNCTION, where, f"is {module}.{name}, which is no part of a model")
    elif root in _REACHING and _reaches(module, name, _REACHING[root]):
        yield _hazard(HazardKind.UNSAFE_FUNCTION, where, f"is {module}.{name}, which is no part of a model")


def _keras_parts(module: str) -> tuple[str, ...] | None:
    """The parts of a Keras module's path that tell what it holds (``("utils",)``); ``None`` if it is not Keras's."""
    parts = module.split(".")
    if parts[0] == "tensorflow" and "keras" in parts[1:4]:
        parts = parts[parts.index("keras") :]
    if parts[0] not in _KERAS_ROOTS:
        return None
    return tuple(part for part in parts[1:] if part not in _PASSED_PARTS)


def _is_tool(parts: tuple[str, ...], name: str, *, is_function: bool) -> bool:
    """Whether this is something of Keras's that a model is not made of."""
    if name in names.KERAS_FUNCTIONS or name in names.KERAS_CLASSES:
        return True
    if not parts or name in names.KERAS_TENSOR_TOOLS:
        return False
    is_lower_case = name.rpartition(".")[2][:1].islower()
    return parts[0] in names.KERAS_TOOL_PARTS and (is_function or is_lower_case or parts[0] in names.KERAS_CLOSED_PARTS)


_REACHING = {
    "tensorflow": (names.TENSORFLOW_FUNCTIONS, names.TENSORFLOW_PARTS),
    "numpy": (names.NUMPY_FUNCTIONS, names.NUMPY_PARTS),
    "torch": (names.TORCH_FUNCTIONS, names.TORCH_PARTS),
}
"""Packages that models do come from: the functions in them, and the parts of their paths, that reach outside."""


def _reaches(module: str, name: str, reaching: tuple[frozenset[str], frozenset[str]]) -> bool:
    functions, parts = reaching
    return name.rpartition(".")[2] in functions or not parts.isdisjoint([*module.split(".")[1:], *name.split(".")])


def _lambda_module_hazards(module: JsonValue, where: str) -> Iterator[Hazard]:
    if isinstance(module, str) and module.partition(".")[0] in names.LAMBDA_MODULES:
        detail = f"gives stored bytecode the content of {module!r}, a module that reaches the system"
        yield _hazard(HazardKind.FOREIGN_MODULE, where, detail)


def _registered_hazards(item: dict[str, JsonValue], module: str, name: str, where: str) -> Iterator[Hazard]:
    """A built-in that is looked up as something else, which wins where the loader has it (Keras 3.15.0, a7316d51)."""
    registered = item.get("registered_name")
    parts = module.split(".")
    if parts[0] != "keras" or not isinstance(registered, str) or len(parts) != 2 or parts[1] not in _BUILT_IN_PARTS:
        return
    package, _, bare = registered.rpartition(">")
    if bare != name and registered != item.get("class_name") and package.lower() not in ("keras", "custom"):
        detail = f"says that it is {module}.{name} and is looked up as {registered!r}"
        yield _hazard(HazardKind.UNSAFE_CLASS, where, detail)


_BUILT_IN_PARTS = frozenset(
    {
        "activations",
        "constraints",
        "initializers",
        "layers",
        "losses",
        "metrics",
        "models",
        "optimizers",
        "regularizers",
    }
)


# Classes and their arguments


def _class_hazards(class_name: str, arguments: dict[str, JsonValue], where: str) -> Iterator[Hazard]:
    if class_name in names.LOADING_CLASSES:
        what = repr(arguments.get("filepath"))
        yield _hazard(HazardKind.UNSAFE_CLASS, where, names.LOADING_CLASSES[class_name].format(what=what))
    elif class_name == "__bytes__" and _is_pickle(arguments.get("value")):
        yield _hazard(HazardKind.UNSAFE_CLASS, where, "carries pickled objects as text")
    elif class_name in names.LOOKUP_CLASSES and isinstance(arguments.get("vocabulary"), str):
        detail = f"reads its vocabulary from {arguments['vocabulary']!r}"
        yield _hazard(HazardKind.OUTSIDE_FILE, where, detail)
    elif class_name in _SYMBOL_CLASSES:
        for symbol in filter(None, map(arguments.get, _SYMBOL_KEYS)):
            if isinstance(symbol, str) and _calls_out(symbol):
                yield _hazard(HazardKind.UNSAFE_FUNCTION, where, f"calls tf.{symbol}, which is no part of a model")
    elif class_name == "TensorFlowOpLayer":
        op = _op_of(arguments.get("node_def"))
        if op is not None:
            detail = f"runs the operation {op}, which {EXECUTABLE_OPS[op]}"
            yield _hazard(HazardKind.UNSAFE_FUNCTION, where, detail)


def _is_pickle(value: JsonValue) -> bool:
    return isinstance(value, str) and value.startswith((*_PICKLE_MARKS, _ZIP_MARK))


def _calls_out(symbol: str) -> bool:
    """Whether a name of TensorFlow's API (``io.write_file``, ``keras.utils.get_file``) reaches files or Python."""
    parts = symbol.split(".")
    if "keras" in parts[:-1]:
        inner = _keras_parts(".".join(parts[parts.index("keras") : -1]))
        return inner is not None and _is_tool(inner, parts[-1], is_function=True)
    if "raw_ops" in parts:
        return parts[-1] in EXECUTABLE_OPS
    return _reaches(f"tensorflow.{symbol}", parts[-1], _REACHING["tensorflow"])


def _op_of(node: JsonValue) -> str | None:
    """The dangerous operation of a ``NodeDef``, which TensorFlow 2.0 to 2.3 kept as an object or as serialised text."""
    if isinstance(node, dict):
        op = node.get("op")
        return op if isinstance(op, str) and op in EXECUTABLE_OPS else None
    if isinstance(node, str):
        words = re.findall(r"[A-Za-z0-9]+", node[: limits.TEXT_LENGTH_MAX])
        return next((word for word in words if word in EXECUTABLE_OPS), None)
    return None


def unsafe_layer_name(name: str) -> str | None:
    """Why a layer's name must not become part of a path (CVE-2026-12479); a plain ``a/b`` of TensorFlow 1 may."""
    if ".." in re.split(r"[/\\]", name):
        return "climbs out of a folder"
    if name.startswith("/") or _DRIVE.match(name):
        return "is an absolute path"
    if "\\" in name:
        return "holds a backslash"
    return "holds a control character" if _CONTROL.search(name) else None


# Bytecode, weight maps, YAML


def bytecode_hazards(code: LambdaCode) -> Iterator[Hazard]:
    """One hazard if a stored function uses names that reach the system.

    Names that are harmless as attributes (``K.eval``) count only where they are looked up by themselves.
    """
    used = {name for name in code.names if name in names.CODE_NAMES}
    used |= {name for name in code.names if name in names.CODE_GLOBALS and _looked_up_alone(code, name)}
    if used:
        detail = f"the stored bytecode uses {', '.join(sorted(used))}"
        yield _hazard(HazardKind.UNSAFE_BYTECODE, code.path, detail)


def _looked_up_alone(code: LambdaCode, name: str) -> bool:
    """Whether the disassembly looks ``name`` up in no object; true where there is none."""
    pattern = re.compile(rf"\bLOAD_(GLOBAL|NAME)\b.*\b{name}\b")
    return not code.listing or any(pattern.search(line) for line in code.listing)


def weight_map_hazards(value: JsonValue, *, where: str) -> Iterator[Hazard]:
    """Shards of ``X.weights.json`` that are named as a path (``ShardedH5IOStore``, Keras 3.10 and later)."""
    shards = value.get("weight_map") if isinstance(value, dict) else None
    told: set[str] = set()
    for each in shards.values() if isinstance(shards, dict) else ():
        for name in each if isinstance(each, list) else [each]:
            if isinstance(name, str) and name not in told and re.search(r"[/\\\x00]|^\.\.?$", name):
                told.add(name)
                yield _hazard(HazardKind.OUTSIDE_FILE, where, f"takes weights from {name!r}, which is not beside it")
        if len(told) >= limits.HAZARDS_MAX:
            return


def _hazard(kind: HazardKind, where: str, detail: str) -> Hazard:
    return Hazard(kind, plain(where), plain(detail))
