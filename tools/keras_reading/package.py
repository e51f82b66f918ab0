"""One release's modules, evaluated on demand: what each module's names stand for, and how its classes inherit.

Nothing is imported and no code of the package runs.  The evaluator knows a small part of Python: imports,
definitions, assignments, literals, comprehensions, branches, loops over known collections, and calls of the
package's own functions, each bounded.  Whatever it does not know is ``UNKNOWN``; where a condition is unknown both
branches are followed, and a name that they bind differently becomes a ``Choice``.

That is enough to read out the tables that Keras's ``deserialize`` functions look names up in, however a release
happens to build them (see ``lookups``).
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from keras_reading.evaluator import Evaluator
from keras_reading.values import (
    UNKNOWN,
    Choice,
    ClassValue,
    External,
    Frame,
    FunctionValue,
    ModuleValue,
    Reference,
    Unknown,
    Value,
)

Hook = Callable[[Value, list[Value], dict[str, Value]], bool]


class Package:
    """The modules of one release, evaluated on demand.

    ``files`` maps paths (``keras/src/layers/__init__.py``) to source; ``facts`` maps the ends of external paths
    (``tf2.enabled``) to what a call of them returns; ``trees`` has the syntax trees of sources that were parsed before.
    """

    def __init__(
        self,
        files: Mapping[str, bytes],
        facts: Mapping[str, Value] | None = None,
        trees: Mapping[bytes, ast.Module] | None = None,
    ) -> None:
        self.files = {_module_name(path): content for path, content in files.items()}
        self.folders = {_module_name(path) for path in files if path.endswith("/__init__.py")}
        self.facts = dict(facts or {})
        self.hook: Hook | None = None
        self._frames: dict[str, Frame] = {}
        self.trees: dict[bytes, ast.Module] = {}
        self._parsed = trees or {}
        self._bases: dict[ClassValue, tuple[Value, ...]] = {}
        self._orders: dict[ClassValue, tuple[ClassValue | External, ...]] = {}
        self._folders = {name[:end] for name in self.files for end in _dots(name)}

    def __contains__(self, module: str) -> bool:
        return module in self.files or module in self._folders

    def tree(self, module: str) -> ast.Module:
        source = self.files.get(module, b"")
        if source not in self.trees:
            self.trees[source] = self._parsed.get(source) or _parse(source, module)
        return self.trees[source]

    def absolute(self, module: str, node: ast.ImportFrom) -> str:
        """The module that ``from ..x import y`` in ``module`` names."""
        if not node.level:
            return node.module or ""
        parts = module.split(".")
        keep = len(parts) - node.level + (module in self.folders)
        return ".".join([*parts[:keep], *([node.module] if node.module else [])])

    def imported(self, root: str) -> frozenset[str]:
        """The modules that ``import root`` runs, and those that its functions import when they are called."""
        seen: set[str] = set()
        pending = [root]
        while pending:
            module = pending.pop()
            if module in seen or module not in self.files:
                continue
            seen.add(module)
            for name in self._named(module):
                pending += [name[:end] for end in _dots(name)] + [name]
        return frozenset(seen)

    def _named(self, module: str) -> Iterator[str]:
        """What the import statements of a module name, be it a module or something in one."""
        tree = self.tree(module)
        is_lazy = re.search(rb"^[ \t]+(from|import) ", self.files[module], re.MULTILINE)
        for node in ast.walk(tree) if is_lazy else top_level(tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self.absolute(module, node)
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names)

    def frame(self, module: str) -> Frame:
        """The evaluated module; while it is being evaluated, what it has so far."""
        if module not in self._frames:
            frame = Frame(self, module, {"__name__": module})
            self._frames[module] = frame
            Evaluator(frame).run(self.tree(module).body)
        return self._frames[module]

    def names(self, module: str) -> dict[str, Value]:
        """The module's own names, each resolved."""
        return {name: self.resolve(value) for name, value in self.frame(module).names.items()}

    def lookup(self, module: str, name: str) -> Value:
        """``getattr(module, name)``, or ``UNKNOWN``."""
        return self.resolve(Reference(module, name))

    def resolve(self, value: Value) -> Value:
        """The value at the end of a chain of references; a package that imports its own part names a module."""
        seen: set[Reference] = set()
        while isinstance(value, Reference):
            names = self.frame(value.module).names if value.module in self.files else {}
            inner = f"{value.module}.{value.name}"
            if value in seen or value.name not in names:
                return self._submodule(value.module, inner)
            seen.add(value)
            value = names[value.name]
        return value

    def _submodule(self, module: str, inner: str) -> Value:
        """A folder above the package (``tensorflow.python``) has more than the files that are given."""
        if inner in self:
            return ModuleValue(inner)
        return UNKNOWN if module in self.files else External(inner)

    def find(self, path: str) -> Value:
        """The value at a dotted path such as ``keras.layers.deserialize``."""
        module, _, name = path.rpartition(".")
        return self.lookup(module, name) if module in self else UNKNOWN

    def definitions(self) -> Iterator[ClassValue]:
        """Every class of every module, at module level."""
        for module in sorted(self.files):
            for value in self.frame(module).names.values():
                for each in value.values if isinstance(value, Choice) else (value,):
                    if isinstance(each, ClassValue) and each.module == module:
                        yield each

    def call(self, function: FunctionValue, depth: int = 0) -> Value:
        """The result of a function of the package, all of whose arguments are unknown."""
        arguments = function.node.args
        names = [each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
        return Evaluator(function.frame).invoke(function, [], dict.fromkeys(names, UNKNOWN), depth)

    def bases(self, value: ClassValue) -> tuple[Value, ...]:
        if value not in self._bases:
            evaluator = Evaluator(value.frame)
            found = (_class_bases(evaluator.value(node), node, evaluator) for node in value.node.bases)
            self._bases[value] = tuple(base for each in found for base in each)
        return self._bases[value]

    def mro(self, value: ClassValue) -> tuple[ClassValue | External, ...]:
        """Python's method resolution order, as far as the bases are known; external bases have none of their own."""
        if value not in self._orders:
            bases = [base for base in self.bases(value) if isinstance(base, (ClassValue, External))]
            lists = [list(self.mro(base)) if isinstance(base, ClassValue) else [base] for base in bases]
            self._orders[value] = (value, *_merge([*lists, list(bases)]))
        return self._orders[value]

    def is_subclass(self, value: Value, parent: Value) -> bool | Unknown:
        if not isinstance(value, ClassValue):
            return UNKNOWN if isinstance(value, (External, Unknown)) else False
        if isinstance(parent, tuple):
            return any(self.is_subclass(value, each) is True for each in parent)
        return parent in self.mro(value)


def _class_bases(value: Value, node: ast.expr, evaluator: Evaluator) -> list[Value]:
    """A base of a class statement: the first known of a choice, the classes in ``with_metaclass(Meta, X)``."""
    if isinstance(value, Choice):
        known = [each for each in value.values if isinstance(each, ClassValue)]
        return known[:1]
    if isinstance(value, Unknown) and isinstance(node, ast.Call):
        inner = [evaluator.value(argument) for argument in node.args]
        return [each for each in inner if isinstance(each, ClassValue)]
    return [value]


def _merge(lists: list[list[Any]]) -> list[Any]:
    """The C3 merge; where it is inconsistent (an external base hides an order) plain order of appearance."""
    merged: list[Any] = []
    pending = [each for each in lists if each]
    while pending:
        heads = [each[0] for each in pending]
        head = next((h for h in heads if not any(h in each[1:] for each in pending)), heads[0])
        merged.append(head)
        pending = [rest for each in pending if (rest := [item for item in each if item != head])]
    return merged


def top_level(tree: ast.Module) -> Iterator[ast.stmt]:
    """A module's own statements, also those under ``if`` and ``try``, in their order."""
    pending: list[ast.AST] = list(reversed(tree.body))
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.If, ast.Try, ast.ExceptHandler, ast.With)):
            pending.extend(reversed(list(ast.iter_child_nodes(node))))
        elif isinstance(node, ast.stmt):
            yield node


def _parse(source: bytes, module: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # old Keras writes "\d" and "is 0"
        return ast.parse(source, module)


def _dots(name: str) -> Iterator[int]:
    return (index for index, letter in enumerate(name) if letter == ".")


def _module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
