"""Plans a repair: what to change in a configuration so that a target's Keras reads it.  Pure: facts in, a plan out."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

from modelreg.configuration import JsonValue, configuration_text, parse_configuration
from modelreg.configuration.walk import Node, walk_model
from modelreg.environment.document import Environment
from modelreg.facts import Container, Facts, LambdaCode
from modelreg.repair import backward, mends
from modelreg.repair.change import Change
from modelreg.repair.functions import NamedFunction, NotWritableError, function_of, hard_sigmoid_of_keras2
from modelreg.rules.keras.reader import Reader, numbers, reader_of

_LAMBDA_FUNCTION_KEYS = (
    "function_type",
    "module",
    "output_shape_type",
    "output_shape_module",
    "mask_type",
    "mask_module",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """The configuration as it should be, how it came to be, and what nothing could be done about."""

    config: str
    changes: tuple[Change, ...]
    functions: tuple[NamedFunction, ...]
    unmended: tuple[str, ...]


def plan_repair(facts: Facts, reader: Reader, package: str) -> Plan:
    """The changes that ``reader`` needs; ``package`` is the name that generated functions are registered under.

    Raises ``ValueError`` for facts without a configuration.
    """
    if facts.config is None:
        raise ValueError("there is no configuration to repair")
    root = copy.deepcopy(parse_configuration(facts.config))
    assert isinstance(root, dict)  # noqa: S101 - a configuration that was read is one
    work = _Work(facts, reader, package)
    changes = list(work.changes(root))
    text = configuration_text(root)
    assert text is not None  # noqa: S101 - it was shorter than the bound, and names are short
    return Plan(text, tuple(changes), tuple(work.functions), tuple(work.unmended))


class _Work:
    """One repair."""

    def __init__(self, facts: Facts, reader: Reader, package: str) -> None:
        self.facts = facts
        self.reader = reader
        self.package = package
        self.writer = _writer(facts)
        self.functions: list[NamedFunction] = []
        self.unmended: list[str] = []

    def changes(self, root: mends.JsonObject) -> Iterator[Change]:
        codes = self._codes()
        for node in list(walk_model(root)):
            if node.is_layer:
                yield from self._lambda(node, codes)
                yield from self._hard_sigmoid(node)
                yield from mends.thresholded_relu(node, self.reader)
                yield from mends.module_of_class(node, self.reader)
                yield from mends.input_shape(node, self.reader)
                yield from mends.dtype_policy(node, self.reader)
                yield from mends.axis_number(node, self.reader)
                yield from mends.build_config(node, self.reader)
                yield from mends.stored_output_shape(node, self.reader)
                yield from backward.attention_shapes(node, self.reader)
                yield from backward.lambda_types(node, self.reader)
            yield from mends.class_alias(node, self.reader)
        for node in list(walk_model(root)):
            yield from mends.input_layer(node, self.reader)
            yield from mends.calls_counted_anew(node, self.reader)
            yield from mends.tensors_by_keyword(node, self.reader)
            yield from backward.calls_of_keras2(node, self.reader)
        for node in list(walk_model(root)):
            if not node.class_name.startswith("__") and node.value:
                yield from mends.idle_arguments(node, self.reader, self.writer)
        yield from mends.names_without_slash(root, list(walk_model(root)), self.reader)

    # Functions

    def _codes(self) -> dict[tuple[str, str], LambdaCode]:
        """Every Lambda's code by its place; where two layers have one place, it is not known which is whose."""
        codes: dict[tuple[str, str], LambdaCode] = {}
        twice = set()
        for code in self.facts.lambdas:
            if codes.setdefault((code.path, code.argument), code) != code:
                twice.add((code.path, code.argument))
        for path, argument in sorted(twice):
            self.unmended.append(f"layer {path!r} (Lambda), {argument}: two layers have this name")
            del codes[path, argument]
        return codes

    def _lambda(self, node: Node, codes: dict[tuple[str, str], LambdaCode]) -> Iterator[Change]:
        for argument in ("function", "output_shape", "mask"):
            code = codes.get((node.path, argument))
            if code is None or node.bare_name != "Lambda":
                continue
            try:
                function = function_of(code, self.package, [each.name for each in self.functions], self.reader)
            except NotWritableError as error:
                self.unmended.append(f"layer {node.path!r} (Lambda), {argument}: {error}")
                continue
            self.functions.append(function)
            yield from self._refer(node, argument, function)

    def _refer(self, node: Node, argument: str, function: NamedFunction) -> Iterator[Change]:
        arguments = mends.arguments_of(node)
        before = arguments.get(argument)
        after = self._reference(function)
        arguments[argument] = after
        if self.reader.is_keras3:
            for key in _LAMBDA_FUNCTION_KEYS:
                arguments.pop(key, None)
            if arguments.get("output_shape") is None:
                arguments.pop("output_shape", None)
            if arguments.get("mask") is None:
                arguments.pop("mask", None)
        else:
            arguments["function_type" if argument == "function" else f"{argument}_type"] = "function"
            arguments["module" if argument == "function" else f"{argument}_module"] = None
        why = "its source was proved by compiling it again, and is in the module"
        if function.assumed:
            why += "; not proved: " + "; ".join(function.assumed)
        yield mends.changed(node, argument, before, after, why, is_proved=not function.assumed)

    def _reference(self, function: NamedFunction) -> JsonValue:
        """How the configuration names the function.

        Keras 2.12 to 2.15 looks a bare name in an archive up too early where it stands inside a wrapper, and then takes
        the function for a configuration (``class_and_config_for_serialized_keras_object``); it reads the object.
        """
        if not self.reader.is_keras3 and self.facts.container is not Container.KERAS_ZIP:
            return function.registered
        return {
            "module": "builtins",
            "class_name": "function",
            "config": function.registered,
            "registered_name": function.registered,
        }

    def _hard_sigmoid(self, node: Node) -> Iterator[Change]:
        """Keras 3 means another function by that name; the old one is written out."""
        if not self.reader.is_keras3 or (self.facts.keras_major or 1) >= 3:
            return
        for key in ("activation", "recurrent_activation"):
            value = node.arguments.get(key)
            is_named = value == "hard_sigmoid" or (isinstance(value, dict) and value.get("config") == "hard_sigmoid")
            if not is_named:
                continue
            function = hard_sigmoid_of_keras2(self.package)
            if function not in self.functions:
                self.functions.append(function)
            after = self._reference(function) if node.has_module else function.registered
            mends.arguments_of(node)[key] = after
            yield mends.changed(node, key, value, after, f"{self.reader} means another function by hard_sigmoid")


def _writer(facts: Facts) -> Reader | None:
    version = facts.keras_version
    if version is None:
        return None
    if version.endswith("-tf"):
        return reader_of(Environment(distributions={"tensorflow": "2.1.0"}))
    distribution = "tf-keras" if (2, 16) <= numbers(version) < (3,) else "keras"
    return reader_of(Environment(distributions={distribution: version}))
