"""Reads a Keras configuration: layers at any nesting, objects that Keras lacks, hazards, and stored bytecode.

Pure: text in, ``ConfigFacts`` out.  What is where is told by ``configuration.walk``; what is done with it, here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from modelreg.configuration import NESTING_MAX, TEXT_LENGTH_MAX, JsonValue, configuration_text
from modelreg.configuration.walk import FUNCTION, LAMBDA, Node, TooDeepError, walk_model, walk_training
from modelreg.facts import CustomObject, Defect, DefectKind, Hazard, HazardKind, LambdaCode, Layer
from modelreg.inspect import limits
from modelreg.inspect.bytecode import BytecodeError, StoredFunction, read_stored_function
from modelreg.inspect.config_hazards import bytecode_hazards, configuration_hazards
from modelreg.inspect.json_text import BadJsonError, parse_json_text
from modelreg.inspect.objects import custom_object
from modelreg.inspect.text import plain

_CODE_KEYS = ("function", "output_shape", "mask", "mode")
"""Arguments of ``Lambda`` (and of Keras 1's ``Merge``) that hold code if ``<key>_type`` says ``lambda``."""


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
    _Reading(facts, "the model configuration").read(walk_model(value), value)
    facts.has_training_config = bool(value.get("compile_config"))
    return facts


def read_training_config(data: bytes, *, file: str) -> ConfigFacts:
    """Read a legacy ``training_config``: loss, metrics, optimizer."""
    facts = ConfigFacts(has_training_config=True)
    value = _parsed(data, "the training configuration", file, facts)
    if isinstance(value, dict):
        _Reading(facts, "the training configuration").read(walk_training(value), value)
    return facts


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


class _Reading:
    """One walk over one configuration."""

    def __init__(self, facts: ConfigFacts, what: str) -> None:
        self.facts = facts
        self.what = what
        self.seen: set[CustomObject] = set()
        self.told: set[str] = set()

    def read(self, nodes: Iterable[Node], value: JsonValue) -> None:
        self.facts.hazards.extend(configuration_hazards(value))
        try:
            for node in nodes:
                self._node(node)
        except TooDeepError:
            self._too_much(f"nests deeper than {NESTING_MAX} levels")
            return
        self.facts.text = configuration_text(value)
        if self.facts.text is None:
            self._too_much(f"is longer than the {TEXT_LENGTH_MAX:,} characters that facts keep")

    def _node(self, node: Node) -> None:
        if node.is_layer:
            self._layer(node)
        if node.class_name == LAMBDA or _is_code(node.arguments.get("value")):
            self._stored_function(node.config, node, node.key)
        elif node.function_name is not None:
            self._custom(node, node.function_name)
        elif not node.class_name.startswith("__"):
            self._custom(node, node.class_name)
            self._code_arguments(node)

    def _layer(self, node: Node) -> None:
        if len(self.facts.layers) >= limits.LAYERS_MAX:
            self._too_much(f"holds more than {limits.LAYERS_MAX:,} layers")
        else:
            self.facts.layers.append(Layer(plain(node.layer), plain(node.bare_name), plain(node.path)))

    def _custom(self, node: Node, name: str) -> None:
        self._wanted(
            custom_object(
                name,
                node.role or "object",
                plain(node.path),
                module=node.module,
                registered_name=node.registered_name,
                has_module=node.has_module,
            )
        )

    def _wanted(self, found: CustomObject | None) -> None:
        if found is None or found in self.seen:
            return
        if len(self.seen) >= limits.CUSTOM_OBJECTS_MAX:
            self._too_much(f"names more than {limits.CUSTOM_OBJECTS_MAX:,} custom objects")
            return
        self.seen.add(found)
        self.facts.custom_objects.append(found)

    # Stored bytecode

    def _code_arguments(self, node: Node) -> None:
        """Legacy ``Lambda``: ``function: [code, defaults, closure]`` with ``function_type: lambda`` beside it."""
        for key in _CODE_KEYS:
            stored, kind = node.arguments.get(key), node.arguments.get(f"{key}_type")
            if kind == "lambda" or (_is_code(stored) and key == "function"):
                self._stored_function(stored, node, key)
            elif kind == FUNCTION and isinstance(stored, str):
                module = node.arguments.get("module" if key == "function" else f"{key}_module")
                self._wanted(custom_object(stored, "object", plain(node.path), module=module, has_module=True))

    def _stored_function(self, stored: JsonValue, node: Node, argument: str) -> None:
        if len(self.facts.lambdas) >= limits.LAMBDAS_MAX:
            self._too_much(f"holds more than {limits.LAMBDAS_MAX:,} stored functions")
            return
        code, defaults, closure = _triple(stored)
        try:
            if not isinstance(code, str):
                raise BytecodeError("no text where the bytecode belongs")
            read = read_stored_function(code)
        except BytecodeError as error:
            self.facts.hazards.append(Hazard(HazardKind.UNREADABLE_BYTECODE, plain(node.path), plain(str(error))))
            self.facts.lambdas.append(LambdaCode(plain(node.layer), plain(node.path), (), argument=argument))
            return
        found = _lambda(node, argument, read, defaults, closure)
        self.facts.lambdas.append(found)
        self.facts.hazards.extend(bytecode_hazards(found))

    def _too_much(self, detail: str) -> None:
        if detail not in self.told:
            self.told.add(detail)
            self.facts.hazards.append(Hazard(HazardKind.TOO_MUCH, self.what, detail))


def _lambda(node: Node, argument: str, read: StoredFunction, defaults: JsonValue, closure: JsonValue) -> LambdaCode:
    return LambdaCode(
        plain(node.layer),
        plain(node.path),
        read.pythons,
        _plain_all(read.names),
        plain(read.source) if read.source else None,
        argument=plain(argument),
        interchangeable=read.interchangeable,
        runs_alike=read.runs_alike,
        function=plain(read.function) if read.function else None,
        globals=_plain_all(read.globals),
        parameters=_plain_all(read.parameters),
        keyword_only=_plain_all(read.keyword_only),
        defaults=_values(defaults),
        free_variables=_plain_all(read.free_variables),
        closure=_values(closure),
        filename=plain(read.filename) if read.filename else None,
        mangled=read.mangled,
        listing=_plain_all(read.listing),
        bad_opcodes=_plain_all(read.bad_opcodes),
    )


def _plain_all(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(plain(text) for text in texts)


def _values(values: JsonValue) -> tuple[str, ...] | None:
    """Stored values as JSON texts, each cut where it is longer than facts keep."""
    if not isinstance(values, list):
        return None
    return tuple(
        json.dumps(value, sort_keys=True)[: limits.TEXT_LENGTH_MAX] for value in values[: limits.STORED_VALUES_MAX]
    )


def _triple(stored: JsonValue) -> tuple[JsonValue, JsonValue, JsonValue]:
    """Code, defaults and closure in each of the forms that Keras has written: triple, ``__lambda__``, ``value``."""
    if isinstance(stored, dict) and "code" in stored:
        return stored["code"], stored.get("defaults"), stored.get("closure")
    if isinstance(stored, dict):
        stored = stored.get("value")
    if isinstance(stored, list):
        code, defaults, closure, *_ = [*stored, None, None, None]
        return code, defaults, closure
    return stored, None, None


def _is_code(value: JsonValue) -> bool:
    """Whether this is the triple that ``func_dump`` returns: code, defaults, closure."""
    return isinstance(value, list) and len(value) == 3 and isinstance(value[0], str) and not isinstance(value[1], str)
