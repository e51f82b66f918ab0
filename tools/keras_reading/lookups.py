"""Reads one Keras release: what its deserialisers find under which name, and what each of those things takes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from keras_reading.constructors import class_signature, function_signature
from keras_reading.evaluator import Evaluator
from keras_reading.package import Package, top_level
from keras_reading.signatures import ANYTHING, Signature
from keras_reading.values import UNKNOWN, Choice, ClassValue, External, FunctionValue, Value

Key = tuple[str, str]
"""The module that defines something, and its name there."""

TABLE_FUNCTIONS = {
    "layer": ("legacy.saving.saving_utils.model_from_config", "layers.deserialize"),
    "activation": ("activations.deserialize",),
    "initializer": ("initializers.deserialize",),
    "regularizer": ("regularizers.deserialize",),
    "constraint": ("constraints.deserialize",),
    "loss": ("losses.deserialize",),
    "metric": ("metrics.deserialize",),
    "optimizer": ("optimizers.deserialize",),
    "schedule": (
        "optimizers.schedules.learning_rate_schedule.deserialize",
        "optimizer_v2.learning_rate_schedule.deserialize",
        "optimizers.optimizer_v2.learning_rate_schedule.deserialize",
    ),
    "dtype_policy": (
        "dtype_policies.deserialize",
        "mixed_precision.policy.deserialize",
        "mixed_precision.experimental.policy.deserialize",
    ),
    "quantizer": ("quantizers.deserialize",),
}
"""Where each role's bare class names are looked up, below the package's root; the first that a release has counts."""

ROOT_CLASSES = {
    "Layer": "layer",
    "Initializer": "initializer",
    "Regularizer": "regularizer",
    "Constraint": "constraint",
    "Loss": "loss",
    "Metric": "metric",
    "Optimizer": "optimizer",
    "OptimizerV2": "optimizer",
    "BaseOptimizer": "optimizer",
    "_BaseOptimizer": "optimizer",
    "LearningRateSchedule": "schedule",
    "DTypePolicy": "dtype_policy",
    "Policy": "dtype_policy",
    "Quantizer": "quantizer",
    "Operation": "operation",
}
"""The classes whose descendants a configuration can name, most telling first where several apply."""

ROLE_ORDER = (
    "metric",
    "loss",
    "initializer",
    "regularizer",
    "constraint",
    "optimizer",
    "schedule",
    "dtype_policy",
    "quantizer",
    "layer",
    "operation",
)

EXPORTERS = {"keras_export", "tf_export", "keras_core_export"}


@dataclass(frozen=True, slots=True)
class Found:
    """Something that a configuration can name: what it is, where it is defined, and what it takes."""

    key: Key
    kind: str
    role: str
    exports: tuple[str, ...]
    signature: Signature


@dataclass(slots=True)
class ReleaseTables:
    """All of one release.

    ``legacy`` has, for each role, the name table of the legacy dialect; a name can have two meanings, the first for
    configurations in the release's own current form.  ``registry`` has the API names of the v3 dialect, ``imports``
    the names of each importable module.  ``compile_metrics`` are the strings that ``compile`` understands by itself.
    """

    found: dict[Key, Found] = field(default_factory=dict)
    legacy: dict[str, dict[str, tuple[Key, ...]]] = field(default_factory=dict)
    registry: dict[str, Key] = field(default_factory=dict)
    imports: dict[str, dict[str, Key]] = field(default_factory=dict)
    builtin_modules: tuple[str, ...] = ()
    import_prefix: str = ""
    imports_saveables_only: bool = False
    compile_metrics: frozenset[str] = frozenset()


class ReleaseReader:
    """Fills the tables of one release."""

    def __init__(self, package: Package, root: str) -> None:
        self.package = package
        self.root = root
        inner = f"{root}.src"
        self.inner = inner if inner in package.files else root
        self.tables = ReleaseTables()
        self._exports: dict[Key, list[str]] = {}
        self._roots = self._root_classes()

    def read(self) -> ReleaseTables:
        exported = self._read_exports()
        for role, paths in TABLE_FUNCTIONS.items():
            names = self._table(paths)
            if names is not None:
                self.tables.legacy[role] = self._keys_of(names, role)
        for value in self.package.definitions():
            if self._in_root(value.module) and self._role(value) is not None:
                self._add(value)
        for exports in exported:
            self._add(exports)
        self._read_serialization()
        self._read_compile_metrics()
        return self.tables

    # Exported names

    def _read_exports(self) -> list[ClassValue | FunctionValue]:
        """``@keras_export("keras.layers.Dense")``; Keras 3 finds the first name only, Keras 2 every one."""
        exported: list[ClassValue | FunctionValue] = []
        imported = self.package.imported(self.root)
        for module in sorted(self.package.files):
            for node in top_level(self.package.tree(module)):
                if not isinstance(node, (ast.ClassDef, ast.FunctionDef)) or not node.decorator_list:
                    continue
                key = (module, node.name)
                names = list(_export_names(node))
                self._exports.setdefault(key, []).extend(name for name in names if name)
                value = self.package.frame(module).names.get(node.name) if names else None
                target = _first(value)
                if isinstance(target, (ClassValue, FunctionValue)) and target.key == key:
                    exported.append(target)
                    if module in imported:
                        self._register(names, key)

        return exported

    def _register(self, names: list[str], key: Key) -> None:
        first_only = isinstance(self.package.find(f"{self.inner}.api_export.get_symbol_from_name"), FunctionValue)
        for name in names[:1] if first_only else names:
            if name.startswith("keras."):
                self.tables.registry[name] = key

    # Legacy tables

    def _table(self, paths: tuple[str, ...]) -> dict[str, tuple[Value, ...]] | None:
        """What the first of the functions that exists looks names up in."""
        for path in paths:
            function = self.package.find(f"{self.inner}.{path}")
            if isinstance(function, FunctionValue):
                tables = self._captured(function)
                if tables:
                    return _joined(tables, self.package)
        return None

    def _captured(self, function: FunctionValue) -> list[dict[str, Value]]:
        caught: list[dict[str, Value]] = []

        def hook(called: Value, _arguments: list[Value], keywords: dict[str, Value]) -> bool:
            objects = keywords.get("module_objects")
            if objects is None or getattr(called, "name", "") != "deserialize_keras_object":
                return False
            tables = objects.values if isinstance(objects, Choice) else (objects,)
            caught.extend(each for each in tables if isinstance(each, dict) and each not in caught)
            return True

        self.package.hook = hook
        try:
            self.package.call(function)
        finally:
            self.package.hook = None
        return caught

    def _keys_of(self, names: Mapping[str, tuple[Value, ...]], role: str) -> dict[str, tuple[Key, ...]]:
        table: dict[str, tuple[Key, ...]] = {}
        for name, values in sorted(names.items()):
            keys = tuple(dict.fromkeys(key for each in values if (key := self._add(each, role)) is not None))
            if keys:
                table[name] = keys
        return table

    def _add(self, value: Value, role: str = "") -> Key | None:
        """Note a class or function, and say under which key; anything else has none."""
        if isinstance(value, External):
            return self._add_external(value, role)
        if not isinstance(value, (ClassValue, FunctionValue)) or value.name == "<lambda>":
            return None
        if value.key not in self.tables.found:
            exports = tuple(sorted(set(self._exports.get(value.key, ()))))
            if isinstance(value, ClassValue):
                signature = class_signature(self.package, value)
                found = Found(value.key, "class", self._role(value) or role, exports, signature)
            else:
                found = Found(value.key, "function", role, exports, function_signature(self.package, value))
            self.tables.found[value.key] = found
        return value.key

    def _add_external(self, value: External, role: str) -> Key | None:
        """``leaky_relu = tf.nn.leaky_relu``: something that TensorFlow provides, of which only the name is known."""
        if value.is_module or role == "layer" or value.path.startswith("builtins."):
            return None
        module, _, name = value.path.rpartition(".")
        self.tables.found.setdefault((module, name), Found((module, name), "external", role, (), ANYTHING))
        return (module, name)

    # Classes

    def _root_classes(self) -> dict[Key, str]:
        return {
            value.key: ROOT_CLASSES[value.name]
            for value in self.package.definitions()
            if value.name in ROOT_CLASSES and self._in_root(value.module)
        }

    def _role(self, value: ClassValue) -> str | None:
        order = self.package.mro(value)
        roles = {self._roots[each.key] for each in order if isinstance(each, ClassValue) and each.key in self._roots}
        return next((role for role in ROLE_ORDER if role in roles), None)

    def _in_root(self, module: str) -> bool:
        return module == self.root or module.startswith(self.root + ".")

    # The v3 dialect

    def _read_serialization(self) -> None:
        """``_retrieve_class_or_fn`` of serialization_lib: API names first, then an import of the module."""
        module = f"{self.inner}.saving.serialization_lib"
        alternative = f"{self.inner}.saving.experimental.serialization_lib"
        module = module if module in self.package.files else alternative
        function = self.package.lookup(module, "_retrieve_class_or_fn")
        if not isinstance(function, FunctionValue):
            self.tables.registry.clear()
            return
        listed = self.package.lookup(module, "BUILTIN_MODULES")
        self.tables.builtin_modules = tuple(listed) if isinstance(listed, (list, tuple)) else ()
        for name in self._denied(function):
            self.tables.registry.pop(name, None)
        text = ast.unparse(function.node)
        prefix = re.search(r"module = '(\w+_)' \+ module", text)
        self.tables.import_prefix = prefix[1] if prefix else ""
        self.tables.imports_saveables_only = "issubclass(obj, KerasSaveable)" in text
        for name in sorted(self.package.files):
            if self._in_root(name):
                names = {each: key for each, value in self.package.names(name).items() if (key := self._known(value))}
                self.tables.imports[name] = names

    def _denied(self, function: FunctionValue) -> Iterator[str]:
        """The API names of ``if api_name in NON_MODELING_APIS: raise``."""
        for node in ast.walk(function.node):
            match node:
                case ast.Compare(left=ast.Name(id="api_name"), ops=[ast.In()], comparators=[names]):
                    listed = Evaluator(function.frame).value(names)
                    yield from listed if isinstance(listed, (list, tuple)) else ()

    def _known(self, value: Value) -> Key | None:
        target = _first(value)
        if not isinstance(target, (ClassValue, FunctionValue)) or target.key not in self.tables.found:
            return None
        if isinstance(target, FunctionValue) and not self.tables.found[target.key].role:
            return None  # a function that no configuration names
        if self.tables.imports_saveables_only and not self._is_saveable(target):
            return None
        return target.key

    def _is_saveable(self, value: Value) -> bool:
        if not isinstance(value, ClassValue):
            return False
        order = self.package.mro(value)
        return any(isinstance(each, ClassValue) and each.name == "KerasSaveable" for each in order)

    def _read_compile_metrics(self) -> None:
        """``metric in ("accuracy", "acc", "crossentropy", "ce")`` in the training code."""
        texts: set[str] = set()
        for module, source in self.package.files.items():
            mentions = self._in_root(module) and re.search(rb"""["']acc["']""", source)
            for node in ast.walk(self.package.tree(module)) if mentions else ():
                if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
                    values = {each.value for each in node.elts if isinstance(each, ast.Constant)}
                    strings = {each for each in values if isinstance(each, str)}
                    texts |= strings if {"accuracy", "acc"} <= strings and len(strings) == len(node.elts) else set()
        self.tables.compile_metrics = frozenset(texts)


def _first(value: Value) -> Value:
    if isinstance(value, Choice):
        return next((each for each in value.values if isinstance(each, (ClassValue, FunctionValue))), UNKNOWN)
    return value


def _joined(tables: list[dict[str, Value]], package: Package) -> dict[str, tuple[Value, ...]]:
    """One table of all the meanings of each name."""
    joined: dict[str, tuple[Value, ...]] = {}
    for table in tables:
        for name, held in table.items():
            value = package.resolve(held)
            values = value.values if isinstance(value, Choice) else (value,)
            if isinstance(name, str):
                joined[name] = (*joined.get(name, ()), *map(package.resolve, values))
    return joined


def _export_names(node: ast.ClassDef | ast.FunctionDef) -> Iterator[str]:
    """The current API names (not the ``v1=[...]`` ones) in the order of the decorator, the first one canonical."""
    for call in node.decorator_list:
        if isinstance(call, ast.Call) and getattr(call.func, "id", getattr(call.func, "attr", "")) in EXPORTERS:
            for argument in call.args:
                for each in ast.walk(argument):
                    if isinstance(each, ast.Constant) and isinstance(each.value, str):
                        yield each.value
