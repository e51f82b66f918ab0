"""Regenerates ``inspect/builtins.json``: the names that some release of Keras provides by itself, by role.

Run ``uv run --no-project --python 3.11 --with pip python tools/keras_builtins.py`` (or ``make keras-builtins``).
It fetches the releases in ``RELEASES`` with pip into a temporary folder, reads their source with ``ast``, and
writes the union.

Invariants:

* No downloaded code is imported (``keras_reading.archives``).
* A name gets in by a rule about the source (its export decorator, its base classes, an alias, a key of the table
  that ``deserialize`` looks names up in), never by being listed here.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from keras_reading.archives import Release, fetch, is_library_source, snake_case, sources

OUTPUT = Path(__file__).resolve().parent.parent / "registry" / "modelreg" / "inspect" / "builtins.json"


RELEASES = (
    Release("keras", "1.2.2", ""),
    Release("keras", "2.0.9", "3.6"),
    Release("keras", "2.1.6", "3.6"),
    Release("keras", "2.2.5", "3.6"),
    Release("keras", "2.3.1", "3.6"),
    Release("tensorflow", "1.13.2", "3.6", "tensorflow/python/keras"),
    Release("tensorflow-cpu", "2.4.4", "3.8", "tensorflow/python/keras"),
    Release("keras", "2.6.0", "3.8"),
    Release("keras", "2.9.0", "3.8"),
    Release("keras", "2.11.0", "3.8"),
    Release("keras", "2.13.1", "3.8"),
    Release("keras", "2.15.0", "3.9"),
    Release("tf-keras", "2.16.0", "3.11", "tf_keras"),
    Release("tf-keras", "2.21.0", "3.11", "tf_keras"),
    Release("keras", "3.0.5", "3.11"),
    Release("keras", "3.3.3", "3.11"),
    Release("keras", "3.6.0", "3.11"),
    Release("keras", "3.10.0", "3.11"),
    Release("keras", "3.12.4", "3.11"),
    Release("keras", "3.15.1", "3.11"),
)

ROLES = ("layer", "activation", "initializer", "regularizer", "constraint", "loss", "metric", "optimizer", "object")

ROLE_OF_FOLDER = {
    "layers": "layer",
    "models": "layer",
    "activations": "activation",
    "advanced_activations": "activation",
    "activation": "activation",
    "initializers": "initializer",
    "initializations": "initializer",
    "initializers_v1": "initializer",
    "initializers_v2": "initializer",
    "regularizers": "regularizer",
    "constraints": "constraint",
    "losses": "loss",
    "objectives": "loss",
    "metrics": "metric",
    "optimizers": "optimizer",
    "schedules": "object",
}
"""The part of a module's path, or of an exported name, that tells what role its contents play; the last one wins."""

ROOTS = {
    "Layer": "layer",
    "Operation": "layer",
    "Initializer": "initializer",
    "Regularizer": "regularizer",
    "Constraint": "constraint",
    "Loss": "loss",
    "Metric": "metric",
    "Optimizer": "optimizer",
    "OptimizerV2": "optimizer",
    "BaseOptimizer": "optimizer",
    "DTypePolicy": "object",
    "Policy": "object",
    "LossScale": "object",
    "LearningRateSchedule": "object",
}
"""The base classes that make their descendants, by name and within one release, members of a role."""

EXTRA_MODULES = ("tensorflow/python/training/experimental/loss_scale.py",)
EXPORTERS = {"keras_export", "tf_export", "keras_core_export"}
GRAMMAR_MODULES = {"serialization_lib", "json_utils"}
"""Modules that write ``{"class_name": "__tensor__"}`` and the like, names that stand for no class."""

TABLES = {"ALL_OBJECTS", "ALL_OBJECTS_DICT", "globs", "all_classes", "v1_objs", "_TF_ACTIVATIONS_V2"}
"""What Keras calls the tables that its ``deserialize`` functions look names up in."""

NOT_OBJECTS = {"get", "serialize", "deserialize", "deserialize_keras_object", "serialize_keras_object"}
LOWERCASED_ROLES = {"optimizer"}
SNAKE_CASED_ROLES = {"initializer", "regularizer", "constraint", "loss", "metric"}

Names = dict[str, set[str]]


@dataclass(frozen=True, slots=True)
class Module:
    """One parsed source file of a release."""

    path: PurePosixPath
    tree: ast.Module

    @property
    def role(self) -> str | None:
        return role_of(self.path.with_suffix("").parts)


@dataclass(slots=True)
class ReleaseNames:
    """What one release provides, filled rule by rule."""

    modules: list[Module]
    names: Names = field(default_factory=lambda: defaultdict(set))
    exported_classes: set[str] = field(default_factory=set)

    def read(self) -> Names:
        self.by_export()
        self.by_base_class()
        for module in self.modules:
            self.by_place(module)
            self.by_registry(module)
            self.by_alias(module)
            self.by_comparison(module)
        self.by_import()
        self.by_case()
        self.names["object"] |= self.exported_classes.difference(*(self.names[role] for role in ROLES))
        return self.names

    def by_export(self) -> None:
        """``@keras_export("keras.losses.MSE", ...)``: the API path tells the role, its last part the name."""
        for module in self.modules:
            for node in definitions(module.tree):
                for *parts, name in (text.split(".") for text in export_names(node)):
                    role = role_of(parts)
                    if isinstance(node, ast.ClassDef):
                        self.exported_classes.add(name)
                    if role and plays(node, role):
                        self.names[role].add(name)

    def by_base_class(self) -> None:
        """Descendants of a root class; repeated until nothing is added, for bases are defined in any order."""
        classes = (node for module in self.modules for node in definitions(module.tree, ast.ClassDef))
        bases = [(node.name, base_names(node)) for node in classes]
        roles: dict[str, set[str]] = defaultdict(set)
        for root, role in ROOTS.items():
            roles[root].add(role)
        grown = True
        while grown:
            grown = False
            for name, parents in bases:
                inherited = set().union(*(roles[parent] for parent in parents)) - roles[name]
                if inherited:
                    roles[name] |= inherited
                    grown = True
        defined = {name for name, _ in bases}
        for name, found in roles.items():
            # Keras 2 derives Metric from Layer, but no configuration uses a metric as a layer.
            played = found - {"layer"} if "metric" in found else found
            for role in played if name in defined and not name.startswith("_") else ():
                self.names[role].add(name)

    def by_place(self, module: Module) -> None:
        """Before export decorators (Keras 2.3 and older): every public definition of a role's own module."""
        role = module.role
        if role in (None, "layer", "object") or any(export_names(node) for node in definitions(module.tree)):
            return
        single_file = ROLE_OF_FOLDER.get(module.path.stem) == role
        for node in definitions(module.tree):
            if role and plays(node, role) and (isinstance(node, ast.ClassDef) or single_file):
                self.names[role].add(node.name)

    def by_registry(self, module: Module) -> None:
        """Keys of the tables that ``deserialize`` looks names up in, and class names of the ``.keras`` grammar."""
        for node in ast.walk(module.tree):
            if module.role:
                self.names[module.role].update(table_keys(node))
            if isinstance(node, ast.Dict) and module.path.stem in GRAMMAR_MODULES:
                self.names["object"].update(literal_class_names(node))

    def by_alias(self, module: Module) -> None:
        """``mse = MSE = mean_squared_error`` in a role's module."""
        known = self.names[module.role] if module.role else set()
        for node in module.tree.body:
            if isinstance(node, ast.Assign) and last_name(node.value) in known:
                aliases = {target.id for target in node.targets if isinstance(target, ast.Name)}
                known.update(alias for alias in aliases if not alias.startswith("_"))

    def by_comparison(self, module: Module) -> None:
        """``metric in ("accuracy", "acc", "crossentropy", "ce")``: strings that ``compile`` itself understands."""
        for node in ast.walk(module.tree):
            if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
                texts = set(text_constants(node.elts))
                if {"accuracy", "acc"} <= texts and len(texts) == len(node.elts):
                    self.names["metric"] |= texts

    def by_import(self) -> None:
        """The metrics' modules import the losses' functions, so a loss's name is a metric's name too."""
        self.names["metric"] |= self.names["loss"]

    def by_case(self) -> None:
        """The spellings that ``get`` derives: lower case for optimizers, snake case for the rest."""
        for role in LOWERCASED_ROLES:
            self.names[role] |= {name.lower() for name in self.names[role]}
        for role in SNAKE_CASED_ROLES:
            self.names[role] |= {snake_case(name) for name in self.names[role]}


def role_of(parts: Iterable[str]) -> str | None:
    found = [ROLE_OF_FOLDER[part] for part in parts if part in ROLE_OF_FOLDER]
    return found[-1] if found else None


Definition = ast.ClassDef | ast.FunctionDef


def definitions(tree: ast.Module, kind: type[Definition] | None = None) -> Iterator[Definition]:
    """The module's own classes and functions, also those under an ``if`` or ``try``."""
    pending: list[ast.AST] = list(reversed(tree.body))
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.If, ast.Try)):
            pending.extend(reversed(list(ast.iter_child_nodes(node))))
        elif isinstance(node, (ast.ClassDef, ast.FunctionDef)) and (kind is None or isinstance(node, kind)):
            yield node


def export_names(node: Definition) -> list[str]:
    """Every dotted API name in the node's export decorators, the ``v1=[...]`` ones included."""
    calls = [item for item in node.decorator_list if isinstance(item, ast.Call) and last_name(item.func) in EXPORTERS]
    texts = (item.value for call in calls for item in ast.walk(call) if isinstance(item, ast.Constant))
    return [text for text in texts if isinstance(text, str) and text.startswith("keras.")]


def base_names(node: Definition) -> list[str]:
    bases = node.bases if isinstance(node, ast.ClassDef) else []
    return [name for name in map(last_name, bases) if name]


def last_name(node: ast.AST) -> str | None:
    """``Layer`` for both ``Layer`` and ``base_layer.Layer``."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return None


def plays(node: Definition, role: str) -> bool:
    """Whether a public definition among a role's others is one of them, and not a function that serves them."""
    if node.name.startswith(("_", "get_")) or node.name in NOT_OBJECTS:
        return False
    if isinstance(node, ast.ClassDef):
        return True
    if role in ("loss", "metric"):  # (y_true, y_pred, ...), y_pred and y_true alone or swapped included
        return bool(node.args.args) and node.args.args[0].arg.startswith("y_")
    return role not in ("layer", "optimizer")


def table_keys(node: ast.AST) -> Iterator[str]:
    """The text keys of ``TABLE["key"] = ...``, ``TABLE = {"key": ...}`` and ``TABLE.update({"key": ...})``."""
    match node:
        case ast.Assign(targets=[ast.Subscript(value=table, slice=ast.Constant(value=str(key)))]) if is_table(table):
            yield key
        case ast.Assign(targets=[table], value=ast.Dict(keys=keys)) if is_table(table):
            yield from text_constants(keys)
        case ast.Call(func=ast.Attribute(value=table, attr="update"), args=[ast.Dict(keys=keys)]) if is_table(table):
            yield from text_constants(keys)


def is_table(node: ast.expr) -> bool:
    return last_name(node) in TABLES


def text_constants(nodes: Iterable[ast.expr | None]) -> Iterator[str]:
    return (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


def literal_class_names(node: ast.Dict) -> Iterator[str]:
    for key, value in zip(node.keys, node.values, strict=True):
        match key, value:
            case ast.Constant(value="class_name"), ast.Constant(value=str(name)):
                yield name


def wanted(name: str, root: str) -> bool:
    return is_library_source(name) and (name.startswith(root + "/") or name in EXTRA_MODULES)


def read_release(archive: Path, root: str) -> Names:
    modules = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # old Keras writes "\d" and "is 0"
        for path, content in sources(archive, lambda name: wanted(name, root)):
            modules.append(Module(path, ast.parse(content, str(path))))
    return ReleaseNames(modules).read()


def render(names: Names) -> str:
    """Compact JSON, one line per key."""
    table = {role: sorted(names[role]) for role in ROLES} | {"releases": [release.requirement for release in RELEASES]}
    lines = (f"{json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}" for key, value in table.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--downloads", type=Path, help="a folder to keep the archives in, and to look for them first")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    union: Names = defaultdict(set)
    with tempfile.TemporaryDirectory() as temporary:
        for release in RELEASES:
            found = read_release(fetch(release, options.downloads or Path(temporary)), release.root)
            print(release.requirement, {role: len(found[role]) for role in ROLES}, file=sys.stderr)
            for role in ROLES:
                union[role] |= found[role]
    options.output.write_text(render(union), encoding="utf-8")


if __name__ == "__main__":
    main()
