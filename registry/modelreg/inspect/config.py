"""Walks a Keras configuration: layers at any nesting, objects that Keras lacks, and stored bytecode.

Pure: text in, ``ConfigFacts`` out.  Both dialects are read by one walk, because files mix them (Keras 2.13 writes
version 3 initializers into legacy layers).  Nothing is skipped because of an unknown key: whatever looks like a
serialised object is looked at, wherever it stands, for a reader that knows only ``layers`` misses what hides in
``cell``, ``backward_layer`` or a custom layer's own arguments.

Sources: ``keras/src/saving/serialization_lib.py`` (3.15), ``keras/utils/generic_utils.py`` (2.0 to 2.15),
``keras/layers/core.py`` (``Lambda.get_config``), ``keras/legacy/layers.py`` (``Merge.get_config``, 1.2 to 2.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from modelreg.configuration import TEXT_LENGTH_MAX, JsonValue, configuration_text
from modelreg.facts import CustomObject, Defect, DefectKind, Hazard, HazardKind, LambdaCode, Layer
from modelreg.inspect import limits
from modelreg.inspect.builtins import is_builtin
from modelreg.inspect.bytecode import BytecodeError, read_stored_function
from modelreg.inspect.json_text import BadJsonError, parse_json_text
from modelreg.inspect.objects import TRAINING_ROLES, custom_object
from modelreg.inspect.text import plain

_LAYER_KEYS = frozenset({"layer", "layers", "cell", "cells", "forward_layer", "backward_layer"})
_TRAINING_KEYS = {
    "loss": "loss",
    "metrics": "metric",
    "weighted_metrics": "metric",
    "optimizer": "optimizer",
    "optimizer_config": "optimizer",
}
_CODE_KEYS = ("function", "output_shape", "mask", "mode")
"""Arguments of ``Lambda`` (and of Keras 1's ``Merge``) that hold code if ``<key>_type`` says ``lambda``."""
_TRAINING_PLACE = "training configuration"


@dataclass(slots=True)
class ConfigFacts:
    """What one configuration says; lists are in the order of the configuration."""

    layers: list[Layer] = field(default_factory=list)
    custom_objects: list[CustomObject] = field(default_factory=list)
    lambdas: list[LambdaCode] = field(default_factory=list)
    hazards: list[Hazard] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)
    has_training_config: bool = False
    text: str | None = None
    """The configuration as facts keep it."""


def read_model_config(data: bytes, *, file: str) -> ConfigFacts:
    """Read a model's configuration (``model_config``, ``config.json``); bad JSON is a defect of ``file``."""
    facts = ConfigFacts()
    value = _parsed(data, "the model configuration", file, facts)
    if not isinstance(value, dict) or not isinstance(value.get("class_name"), str):
        if not facts.defects and not facts.hazards:
            detail = "the model configuration is not an object with a class_name"
            facts.defects.append(Defect(DefectKind.DAMAGED_CONFIG, file, detail))
        return facts
    _Walk(facts).value(value, _Role("layer"), _Place(), 0)
    _keep_text(value, "the model configuration", facts)
    facts.has_training_config = bool(value.get("compile_config"))
    return facts


def read_training_config(data: bytes, *, file: str) -> ConfigFacts:
    """Read a legacy ``training_config``: loss, metrics, optimizer."""
    facts = ConfigFacts(has_training_config=True)
    value = _parsed(data, "the training configuration", file, facts)
    if isinstance(value, dict):
        _Walk(facts).training(value, 0)
        _keep_text(value, "the training configuration", facts)
    return facts


def _keep_text(value: JsonValue, what: str, facts: ConfigFacts) -> None:
    facts.text = configuration_text(value)
    if facts.text is None:
        detail = f"longer than the {TEXT_LENGTH_MAX:,} characters that facts keep"
        facts.hazards.append(Hazard(HazardKind.TOO_MUCH, what, detail))


def common_pythons(lambdas: Sequence[LambdaCode]) -> tuple[str, ...]:
    """The versions that can have written every readable Lambda, in the order of the first."""
    readable = [code.pythons for code in lambdas if code.pythons]
    return tuple(python for python in (readable[0] if readable else ()) if all(python in each for each in readable))


def _parsed(data: bytes, what: str, file: str, facts: ConfigFacts) -> JsonValue:
    try:
        document = parse_json_text(data)
    except BadJsonError as error:
        if error.too_much:
            facts.hazards.append(Hazard(HazardKind.TOO_MUCH, what, plain(str(error))))
        else:
            facts.defects.append(Defect(DefectKind.DAMAGED_CONFIG, file, plain(f"{what} {error}")))
        return None
    for key in document.repeated_keys[:10]:
        detail = f"{what} has the key {key!r} twice in one object"
        facts.defects.append(Defect(DefectKind.DAMAGED_CONFIG, file, plain(detail)))
    return document.value


@dataclass(frozen=True, slots=True)
class _Role:
    """What a value is asked for as; only where it is ``named`` does a bare string name an object."""

    kind: str | None = None
    named: bool = True


@dataclass(frozen=True, slots=True)
class _Place:
    """The enclosing layer."""

    layer: str = ""
    path: str = ""

    def inner(self, name: str) -> _Place:
        return _Place(name, f"{self.path}/{name}" if self.path else name)


def _role_of(key: str, outer: _Role) -> _Role:
    """The role of an argument by its name, as Keras spells them since version 1."""
    if key in _LAYER_KEYS:
        return _Role("layer")
    if key in ("init", "activation") or key.endswith(("_init", "_activation")):
        return _Role("initializer" if key.endswith("init") else "activation")
    for kind in ("initializer", "regularizer", "constraint"):
        if key.endswith(kind):
            return _Role(kind)
    if outer.kind in TRAINING_ROLES:
        return _Role(outer.kind, named=key == "fn")
    return _Role()


class _Walk:
    """One walk over one configuration; at most three interpreter frames per level of JSON."""

    def __init__(self, facts: ConfigFacts) -> None:
        self.facts = facts
        self.seen: set[CustomObject] = set()
        self.told: set[str] = set()

    def value(self, value: JsonValue, role: _Role, place: _Place, depth: int) -> None:
        """Look at ``value``, which stands ``depth`` levels down and inside ``place``."""
        if depth > limits.CONFIG_NESTING_MAX:
            self._too_much(f"nests deeper than {limits.CONFIG_NESTING_MAX} levels")
        elif isinstance(value, dict):
            if isinstance(value.get("class_name"), str) and "config" in value:
                self._object(value, role, place, depth)
            elif value.get("class_name") == "__tuple__":
                self.value(value.get("items"), role, place, depth + 1)
            else:
                for key, item in value.items():
                    by_output = role.kind in TRAINING_ROLES and role.named
                    self.value(item, role if by_output else _role_of(key, role), place, depth + 1)
        elif isinstance(value, list):
            for item in value:
                self.value(item, role, place, depth + 1)
        elif isinstance(value, str) and value and role.named and role.kind not in (None, "layer"):
            self._custom(value, role, place)

    def training(self, value: dict[str, JsonValue], depth: int) -> None:
        """Look at a ``training_config`` or ``compile_config``."""
        for key, kind in _TRAINING_KEYS.items():
            self.value(value.get(key), _Role(kind), _Place(path=_TRAINING_PLACE), depth + 1)

    def _object(self, value: dict[str, JsonValue], role: _Role, place: _Place, depth: int) -> None:
        class_name, config = str(value["class_name"]), value.get("config")
        if class_name == "__lambda__" or (isinstance(config, dict) and _is_code(config.get("value"))):
            self._stored_function(config, place)
            return
        if class_name.startswith("__"):
            return
        if class_name == "function" and isinstance(config, str):
            self._custom(config, role, place, value)
            return
        if _is_layer(class_name, config, role):
            role, place = _Role("layer"), self._layer(class_name, value, config, place)
        self._custom(class_name, role, place, value)
        if isinstance(config, dict):
            self._code_arguments(config, place)
        inner = _Role("layer") if isinstance(config, list) else _Role(role.kind, named=False)
        self.value(config, inner, place, depth + 1)
        self.value(value.get("inbound_nodes"), _Role(), place, depth + 1)
        compile_config = value.get("compile_config")
        if isinstance(compile_config, dict):
            self.training(compile_config, depth + 1)

    def _layer(self, class_name: str, value: dict[str, JsonValue], config: JsonValue, place: _Place) -> _Place:
        names = [config.get("name") if isinstance(config, dict) else None, value.get("name"), class_name]
        inner = place.inner(plain(next(name for name in names if isinstance(name, str) and name)))
        if len(self.facts.layers) >= limits.LAYERS_MAX:
            self._too_much(f"holds more than {limits.LAYERS_MAX:,} layers")
        else:
            self.facts.layers.append(Layer(inner.layer, plain(class_name.rpartition(">")[2]), plain(inner.path)))
        return inner

    def _custom(self, name: str, role: _Role, place: _Place, value: dict[str, JsonValue] | None = None) -> None:
        value = value or {}
        found = custom_object(
            name,
            role.kind or "object",
            plain(place.path),
            module=value.get("module"),
            registered_name=value.get("registered_name"),
            has_module="module" in value,
        )
        if found is None or found in self.seen:
            return
        if len(self.seen) >= limits.CUSTOM_OBJECTS_MAX:
            self._too_much(f"names more than {limits.CUSTOM_OBJECTS_MAX:,} custom objects")
            return
        self.seen.add(found)
        self.facts.custom_objects.append(found)

    # Stored bytecode

    def _code_arguments(self, config: dict[str, JsonValue], place: _Place) -> None:
        """Legacy ``Lambda``: ``function: [code, defaults, closure]`` with ``function_type: lambda`` beside it."""
        for key in _CODE_KEYS:
            stored, kind = config.get(key), config.get(f"{key}_type")
            if kind == "lambda" or (_is_code(stored) and key == "function"):
                self._stored_function(stored, place)
            elif kind == "function" and isinstance(stored, str):
                module = config.get("module" if key == "function" else f"{key}_module")
                self._custom(stored, _Role("object"), place, {"module": module})

    def _stored_function(self, stored: JsonValue, place: _Place) -> None:
        code: JsonValue = stored
        if isinstance(code, dict):
            code = code["code"] if "code" in code else code.get("value")
        if isinstance(code, list) and code:
            code = code[0]
        if len(self.facts.lambdas) >= limits.LAMBDAS_MAX:
            self._too_much(f"holds more than {limits.LAMBDAS_MAX:,} stored functions")
            return
        try:
            if not isinstance(code, str):
                raise BytecodeError("no text where the bytecode belongs")
            read = read_stored_function(code)
        except BytecodeError as error:
            self.facts.hazards.append(Hazard(HazardKind.UNREADABLE_BYTECODE, plain(place.path), plain(str(error))))
            self.facts.lambdas.append(LambdaCode(place.layer, plain(place.path), ()))
            return
        names = tuple(plain(name) for name in read.names)
        self.facts.lambdas.append(LambdaCode(place.layer, plain(place.path), read.pythons, names))

    def _too_much(self, detail: str) -> None:
        if detail not in self.told:
            self.told.add(detail)
            self.facts.hazards.append(Hazard(HazardKind.TOO_MUCH, "the model configuration", detail))


def _is_code(value: JsonValue) -> bool:
    """Whether this is the triple that ``func_dump`` returns: code, defaults, closure."""
    return isinstance(value, list) and len(value) == 3 and isinstance(value[0], str) and not isinstance(value[1], str)


def _is_layer(class_name: str, config: JsonValue, role: _Role) -> bool:
    if role.kind == "layer":
        return True
    if role.kind in TRAINING_ROLES or not isinstance(config, dict) or not isinstance(config.get("name"), str):
        return False
    return "trainable" in config or "layers" in config or (role.kind is None and is_builtin("layer", class_name))
