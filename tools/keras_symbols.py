"""Evaluates the name-binding part of a package's source symbolically: what each module's names stand for.

Nothing is imported and no code of the package runs.  The evaluator knows a small part of Python: imports,
definitions, assignments, literals, comprehensions, branches, loops over known collections, and calls of the
package's own functions, each bounded.  Whatever it does not know is ``UNKNOWN``; where a condition is unknown both
branches are followed, and a name that they bind differently becomes a ``Choice``.

That is enough to read out the tables that Keras's ``deserialize`` functions look names up in, however a release
happens to build them (see ``keras_lookups``).
"""

from __future__ import annotations

import ast
import functools
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Value = Any
"""A literal, a collection of values, or one of the classes below."""

CALL_DEPTH_MAX = 12
ITERATIONS_MAX = 5_000


class Unknown:
    """A value that the evaluator does not know; everything made of it is unknown too."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


@dataclass(frozen=True, slots=True)
class External:
    """Something outside the package, by its dotted path."""

    path: str
    is_module: bool = False

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Reference:
    """``from module import name``, resolved when it is used: import order and cycles then do not matter."""

    module: str
    name: str


@dataclass(frozen=True, slots=True)
class ModuleValue:
    """A module of the package."""

    name: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What a name may stand for, after a branch on an unknown condition; the first branch's value comes first."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ClassValue:
    """A class of the package; its bases are evaluated when they are asked for."""

    module: str
    name: str
    node: ast.ClassDef
    frame: Frame

    @property
    def key(self) -> tuple[str, str]:
        return (self.module, self.name)


@dataclass(frozen=True, slots=True, eq=False)
class FunctionValue:
    """A function or lambda of the package, with the frame that it was defined in."""

    module: str
    name: str
    node: ast.FunctionDef | ast.Lambda
    frame: Frame

    @property
    def key(self) -> tuple[str, str]:
        return (self.module, self.name)


@dataclass(slots=True, eq=False)
class Attributes:
    """An object of which only the attributes set on it matter: ``threading.local()``."""

    values: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """A bound method of a literal or collection."""

    owner: Value
    name: str


@dataclass(slots=True, eq=False)
class Frame:
    """One scope: its own names, and the names of the module around it."""

    package: Package
    module: str
    names: dict[str, Value]
    outer: Frame | None = None
    depth: int = 0

    @property
    def top(self) -> Frame:
        return self if self.outer is None else self.outer.top


class _Return(Exception):
    def __init__(self, value: Value) -> None:
        self.value = value


class _Stop(Exception):
    """A ``raise`` of the package's own: the rest of the block is not reached."""


Hook = Callable[[Value, list[Value], dict[str, Value]], bool]


class Package:
    """The modules of one release, evaluated on demand.

    ``files`` maps paths (``keras/src/layers/__init__.py``) to source; ``facts`` maps the ends of external paths
    (``tf2.enabled``) to what a call of them returns.
    """

    def __init__(self, files: Mapping[str, bytes], facts: Mapping[str, Value] | None = None) -> None:
        self.files = {_module_name(path): content for path, content in files.items()}
        self.folders = {_module_name(path) for path in files if path.endswith("/__init__.py")}
        self.facts = dict(facts or {})
        self.hook: Hook | None = None
        self._frames: dict[str, Frame] = {}
        self._trees: dict[str, ast.Module] = {}

    def __contains__(self, module: str) -> bool:
        return module in self.files or any(name.startswith(module + ".") for name in self._near(module))

    @functools.cache  # noqa: B019 - a package lives as long as the reading of one release
    def _near(self, module: str) -> tuple[str, ...]:
        return tuple(name for name in self.files if name.startswith(module))

    def tree(self, module: str) -> ast.Module:
        if module not in self._trees:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SyntaxWarning)  # old Keras writes "\d" and "is 0"
                self._trees[module] = ast.parse(self.files.get(module, b""), module)
        return self._trees[module]

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
        return Evaluator(function.frame).invoke(function, [], {name: UNKNOWN for name in names}, depth)

    @functools.cache  # noqa: B019
    def bases(self, value: ClassValue) -> tuple[Value, ...]:
        found: list[Value] = []
        for node in value.node.bases:
            found += _class_bases(Evaluator(value.frame).value(node), node, Evaluator(value.frame))
        return tuple(found)

    @functools.cache  # noqa: B019
    def mro(self, value: ClassValue) -> tuple[ClassValue | External, ...]:
        """Python's method resolution order, as far as the bases are known; external bases have none of their own."""
        bases = [base for base in self.bases(value) if isinstance(base, (ClassValue, External))]
        lists = [list(self.mro(base)) if isinstance(base, ClassValue) else [base] for base in bases]
        return (value, *_merge([*lists, list(bases)]))

    def is_subclass(self, value: Value, parent: Value) -> bool | Unknown:
        if not isinstance(value, ClassValue):
            return UNKNOWN if isinstance(value, (External, Unknown)) else False
        if isinstance(parent, tuple):
            return any(self.is_subclass(value, each) is True for each in parent)
        return parent in self.mro(value)


def _class_bases(value: Value, node: ast.expr, evaluator: Evaluator) -> list[Value]:
    """One base of a class statement: the first known of a choice, and the classes inside ``with_metaclass(Meta, X)``."""
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


def _module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


class Evaluator:
    """Evaluates statements and expressions in one frame."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.package = frame.package

    # Statements

    def run(self, body: Iterable[ast.stmt]) -> None:
        """A module's body: a ``raise`` or ``return`` at its level ends it."""
        try:
            self.block(body)
        except (_Return, _Stop):
            return

    def block(self, body: Iterable[ast.stmt]) -> None:
        for node in body:
            handler = getattr(self, f"_do_{type(node).__name__.lower()}", None)
            if handler is not None:
                handler(node)

    def _do_import(self, node: ast.Import) -> None:
        for alias in node.names:
            name = alias.name if alias.asname else alias.name.partition(".")[0]
            self._bind(alias.asname or name, ModuleValue(name) if name in self.package else External(name, True))

    def _do_importfrom(self, node: ast.ImportFrom) -> None:
        module = self._absolute(node)
        for alias in node.names:
            if alias.name == "*":
                if module in self.package.files:
                    self.frame.names.update(_public(self.package.frame(module).names))
            elif module in self.package:
                self._bind(alias.asname or alias.name, Reference(module, alias.name))
            else:
                self._bind(alias.asname or alias.name, External(f"{module}.{alias.name}"))

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.frame.module.split(".")
        keep = len(parts) - node.level + (self.frame.module in self.package.folders)
        return ".".join([*parts[:keep], *([node.module] if node.module else [])])

    def _do_functiondef(self, node: ast.FunctionDef) -> None:
        self._bind(node.name, FunctionValue(self.frame.module, node.name, node, self.frame))

    def _do_classdef(self, node: ast.ClassDef) -> None:
        self._bind(node.name, ClassValue(self.frame.module, node.name, node, self.frame))

    def _do_assign(self, node: ast.Assign) -> None:
        value = self.value(node.value)
        for target in node.targets:
            self._assign(target, value)

    def _do_annassign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._assign(node.target, self.value(node.value))

    def _do_augassign(self, node: ast.AugAssign) -> None:
        held, more = self.value(node.target), self.value(node.value)
        self._assign(node.target, _sum(held, more))

    def _do_expr(self, node: ast.Expr) -> None:
        self.value(node.value)

    def _do_return(self, node: ast.Return) -> None:
        raise _Return(self.value(node.value) if node.value is not None else None)

    def _do_raise(self, node: ast.Raise) -> None:
        raise _Stop

    def _do_delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.frame.names.pop(target.id, None)

    def _do_global(self, node: ast.Global) -> None:
        for name in node.names:
            if name in self.frame.top.names:
                self.frame.names[name] = self.frame.top.names[name]

    def _do_with(self, node: ast.With) -> None:
        self.block(node.body)

    def _do_try(self, node: ast.Try) -> None:
        """What happens when nothing goes wrong."""
        self.block([*node.body, *node.orelse, *node.finalbody])

    def _do_if(self, node: ast.If) -> None:
        known = self.truth(self.value(node.test))
        if not isinstance(known, Unknown):
            self.block(node.body if known else node.orelse)
            return
        before = dict(self.frame.names)
        self._fork(node.body)
        first = dict(self.frame.names)
        self.frame.names.clear()
        self.frame.names.update(before)
        self._fork(node.orelse)
        for name, value in first.items():
            other = self.frame.names.get(name, value)
            self.frame.names[name] = value if _same(value, other) else _choice(value, other)

    def _fork(self, body: Iterable[ast.stmt]) -> None:
        """A branch that may not be taken: that it returns or raises says nothing about the code after it."""
        try:
            self.block(body)
        except (_Return, _Stop):
            return

    def _do_for(self, node: ast.For) -> None:
        items = self.items(self.value(node.iter))
        for item in (UNKNOWN,) if isinstance(items, Unknown) else items[:ITERATIONS_MAX]:
            self._assign(node.target, item)
            self._fork(node.body)

    def _bind(self, name: str, value: Value) -> None:
        self.frame.names[name] = value

    def _assign(self, target: ast.expr, value: Value) -> None:
        match target:
            case ast.Name(id=name):
                self._bind(name, value)
            case ast.Attribute(value=owner, attr=name):
                held = self.value(owner)
                if isinstance(held, Attributes):
                    held.values[name] = value
            case ast.Subscript(value=owner, slice=key):
                held, index = self.value(owner), self.value(key)
                if isinstance(held, dict) and isinstance(index, str):
                    held[index] = value
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                parts = self.items(value)
                known = not isinstance(parts, Unknown) and len(parts) == len(targets)
                for index, each in enumerate(targets):
                    self._assign(each, parts[index] if known and not isinstance(parts, Unknown) else UNKNOWN)

    # Expressions

    def value(self, node: ast.AST) -> Value:
        handler = getattr(self, f"_of_{type(node).__name__.lower()}", None)
        return handler(node) if handler is not None else UNKNOWN

    def _of_constant(self, node: ast.Constant) -> Value:
        return node.value

    def _of_name(self, node: ast.Name) -> Value:
        frame: Frame | None = self.frame
        while frame is not None:
            if node.id in frame.names:
                return self.package.resolve(frame.names[node.id])
            frame = frame.outer
        return External(f"builtins.{node.id}")

    def _of_attribute(self, node: ast.Attribute) -> Value:
        return self._attribute(self.value(node.value), node.attr)

    def _attribute(self, owner: Value, name: str) -> Value:
        match owner:
            case ModuleValue(name=module):
                if name == "__dict__":
                    return self.package.frame(module).names
                return self.package.lookup(module, name)
            case External(path=path):
                return External(f"{path}.{name}")  # whether that is a module is not known
            case Attributes(values=values):
                return values.get(name, UNKNOWN)
            case ClassValue(name=own) | FunctionValue(name=own) if name in ("__name__", "__qualname__"):
                return own
            case str() | dict() | list() | set():
                return Method(owner, name)
        return UNKNOWN

    def _of_tuple(self, node: ast.Tuple) -> Value:
        return tuple(self._elements(node.elts))

    def _of_list(self, node: ast.List) -> Value:
        return self._elements(node.elts)

    def _of_set(self, node: ast.Set) -> Value:
        return self._elements(node.elts)  # order kept: the tables come out the same each time

    def _elements(self, nodes: Iterable[ast.expr]) -> list[Value]:
        found: list[Value] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                items = self.items(self.value(node.value))
                found += [] if isinstance(items, Unknown) else items
            else:
                found.append(self.value(node))
        return found

    def _of_dict(self, node: ast.Dict) -> Value:
        table: dict[Value, Value] = {}
        for key, item in zip(node.keys, node.values, strict=True):
            value = self.value(item)
            if key is None:
                table.update(value if isinstance(value, dict) else {})
            elif isinstance(index := self.value(key), (str, int, bool)):
                table[index] = value
        return table

    def _of_lambda(self, node: ast.Lambda) -> Value:
        return FunctionValue(self.frame.module, "<lambda>", node, self.frame)

    def _of_subscript(self, node: ast.Subscript) -> Value:
        held, index = self.value(node.value), self.value(node.slice)
        if held == External("sys.modules") and isinstance(index, str):
            return ModuleValue(index) if index in self.package else UNKNOWN
        if isinstance(held, dict) and isinstance(index, (str, int, bool)):
            return self.package.resolve(held.get(index, UNKNOWN))
        if isinstance(held, (list, tuple)) and isinstance(index, int) and -len(held) <= index < len(held):
            return held[index]
        return UNKNOWN

    def _of_ifexp(self, node: ast.IfExp) -> Value:
        known = self.truth(self.value(node.test))
        if isinstance(known, Unknown):
            return _choice(self.value(node.body), self.value(node.orelse))
        return self.value(node.body if known else node.orelse)

    def _of_boolop(self, node: ast.BoolOp) -> Value:
        stops_at = isinstance(node.op, ast.Or)
        values = [self.value(each) for each in node.values]
        truths = [self.truth(each) for each in values]
        if any(each is stops_at for each in truths):
            return stops_at
        return UNKNOWN if any(isinstance(each, Unknown) for each in truths) else values[-1]

    def _of_unaryop(self, node: ast.UnaryOp) -> Value:
        operand = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            known = self.truth(operand)
            return known if isinstance(known, Unknown) else not known
        if isinstance(node.op, ast.USub) and isinstance(operand, (int, float)):
            return -operand
        return UNKNOWN

    def _of_binop(self, node: ast.BinOp) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        return _sum(left, right) if isinstance(node.op, (ast.Add, ast.BitOr)) else UNKNOWN

    def _of_compare(self, node: ast.Compare) -> Value:
        if len(node.ops) != 1:
            return UNKNOWN
        left, right = self.value(node.left), self.value(node.comparators[0])
        return _compare(node.ops[0], left, right)

    def _of_listcomp(self, node: ast.ListComp) -> Value:
        return self._comprehend(node.generators, lambda inner: [inner.value(node.elt)])

    _of_setcomp = _of_generatorexp = _of_listcomp

    def _of_dictcomp(self, node: ast.DictComp) -> Value:
        pairs = self._comprehend(node.generators, lambda inner: [(inner.value(node.key), inner.value(node.value))])
        return UNKNOWN if isinstance(pairs, Unknown) else {key: item for key, item in pairs if isinstance(key, str)}

    def _comprehend(
        self, generators: list[ast.comprehension], make: Callable[[Evaluator], list[Value]]
    ) -> list[Value] | Unknown:
        if not generators:
            return make(self)
        first, *rest = generators
        items = self.items(self.value(first.iter))
        if isinstance(items, Unknown):
            return UNKNOWN
        found: list[Value] = []
        for item in items[:ITERATIONS_MAX]:
            inner = Evaluator(Frame(self.package, self.frame.module, {}, self.frame, self.frame.depth))
            inner._assign(first.target, item)
            if any(inner.truth(inner.value(test)) is False for test in first.ifs):
                continue
            more = inner._comprehend(rest, make)
            found += [] if isinstance(more, Unknown) else more
        return found

    def items(self, value: Value) -> list[Value] | Unknown:
        """What iterating over a value gives."""
        if isinstance(value, (list, tuple, dict)):
            return [self.package.resolve(each) for each in value]
        return UNKNOWN

    def truth(self, value: Value) -> bool | Unknown:
        if value is None or isinstance(value, (bool, int, float, str, list, tuple, dict)):
            return bool(value)
        if isinstance(value, (ClassValue, FunctionValue, ModuleValue)):
            return True
        return UNKNOWN

    # Calls

    def _of_call(self, node: ast.Call) -> Value:
        function = self.value(node.func)
        arguments = self._elements(node.args)
        keywords = {each.arg: self.value(each.value) for each in node.keywords if each.arg is not None}
        if self.package.hook is not None and self.package.hook(function, arguments, keywords):
            return UNKNOWN
        if isinstance(function, Method):
            return self._method(function, arguments, keywords)
        name = getattr(function, "name", "")
        builtin = getattr(self, f"_call_{name}", None)
        if builtin is not None:
            return builtin(arguments)
        if isinstance(function, FunctionValue):
            return self.invoke(function, arguments, keywords, self.frame.depth + 1)
        if isinstance(function, External):
            return self._external(function, arguments)
        return UNKNOWN

    def invoke(
        self, function: FunctionValue, arguments: list[Value], keywords: Mapping[str, Value], depth: int
    ) -> Value:
        if depth > CALL_DEPTH_MAX:
            return UNKNOWN
        names = _bound(function, arguments, keywords)
        inner = Evaluator(Frame(self.package, function.module, names, function.frame, depth))
        if isinstance(function.node, ast.Lambda):
            return inner.value(function.node.body)
        try:
            inner.block(function.node.body)
        except _Return as result:
            return result.value
        except _Stop:
            return UNKNOWN
        return None

    def _external(self, function: External, arguments: list[Value]) -> Value:
        for end, result in self.package.facts.items():
            if function.path.endswith(end):
                return result
        if function.path == "threading.local":
            return Attributes()
        if function.path == "re.sub" and all(isinstance(each, str) for each in arguments) and len(arguments) == 3:
            return re.sub(arguments[0], arguments[1], arguments[2])
        return UNKNOWN

    def _method(self, method: Method, arguments: list[Value], keywords: dict[str, Value]) -> Value:
        owner, name = method.owner, method.name
        if isinstance(owner, str) and name in ("lower", "upper", "startswith", "endswith", "replace", "strip"):
            known = all(isinstance(each, (str, tuple)) for each in arguments)
            return getattr(owner, name)(*arguments) if known else UNKNOWN
        if isinstance(owner, dict):
            return self._dict_method(owner, name, arguments, keywords)
        if isinstance(owner, list) and name in ("append", "add") and arguments:
            owner.append(arguments[0])
        elif isinstance(owner, list) and name in ("extend", "update") and arguments:
            items = self.items(arguments[0])
            owner.extend([] if isinstance(items, Unknown) else items)
        return UNKNOWN

    def _dict_method(self, owner: dict[Value, Value], name: str, arguments: list[Value], keywords: Any) -> Value:
        match name:
            case "update":
                for each in (*arguments, keywords):
                    owner.update(each if isinstance(each, dict) else {})
                return None
            case "items":
                return [(key, self.package.resolve(value)) for key, value in owner.items()]
            case "keys":
                return list(owner)
            case "values":
                return [self.package.resolve(value) for value in owner.values()]
            case "get" | "pop" if arguments and isinstance(arguments[0], str) and arguments[0] in owner:
                return self.package.resolve(owner[arguments[0]])
        return UNKNOWN

    def _call_globals(self, _arguments: list[Value]) -> Value:
        return self.frame.top.names

    def _call_vars(self, arguments: list[Value]) -> Value:
        return self._attribute(arguments[0], "__dict__") if arguments else UNKNOWN

    def _call_dir(self, arguments: list[Value]) -> Value:
        match arguments:
            case [ModuleValue(name=module)]:
                return sorted(self.package.frame(module).names)
        return UNKNOWN

    def _call_getattr(self, arguments: list[Value]) -> Value:
        return self._attribute(arguments[0], arguments[1]) if isinstance(arguments[1], str) else UNKNOWN

    def _call_hasattr(self, arguments: list[Value]) -> Value:
        match arguments:
            case [Attributes(values=values), str(name)]:
                return name in values
        return UNKNOWN

    def _call_isclass(self, arguments: list[Value]) -> Value:
        match arguments[0]:
            case Unknown() | External() | Choice():
                return UNKNOWN
        return isinstance(arguments[0], ClassValue)

    def _call_issubclass(self, arguments: list[Value]) -> Value:
        return self.package.is_subclass(arguments[0], arguments[1])

    def _call_callable(self, arguments: list[Value]) -> Value:
        match arguments[0]:
            case Unknown() | External() | Choice():
                return UNKNOWN
        return isinstance(arguments[0], (ClassValue, FunctionValue))

    def _call_list(self, arguments: list[Value]) -> Value:
        return list(self.items(arguments[0])) if arguments and isinstance(arguments[0], (list, tuple, dict)) else []

    _call_tuple = _call_set = _call_frozenset = _call_sorted = _call_list

    def _call_dict(self, arguments: list[Value]) -> Value:
        return dict(arguments[0]) if arguments and isinstance(arguments[0], dict) else {}


def _bound(function: FunctionValue, arguments: list[Value], keywords: Mapping[str, Value]) -> dict[str, Value]:
    """The parameters of a call by name; a parameter that is neither given nor has a literal default is unknown."""
    spec = function.node.args
    names = [each.arg for each in (*spec.posonlyargs, *spec.args)]
    evaluator = Evaluator(function.frame)
    bound: dict[str, Value] = {each.arg: UNKNOWN for each in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)}
    bound |= {
        name: evaluator.value(node)
        for name, node in zip(names[len(names) - len(spec.defaults) :], spec.defaults, strict=True)
    }
    bound |= {
        each.arg: evaluator.value(node)
        for each, node in zip(spec.kwonlyargs, spec.kw_defaults, strict=True)
        if node is not None
    }
    bound |= dict(zip(names, arguments, strict=False))
    bound |= {name: value for name, value in keywords.items() if name in bound}
    bound |= {each.arg: UNKNOWN for each in (spec.vararg, spec.kwarg) if each is not None}
    return bound


def _public(names: dict[str, Value]) -> dict[str, Value]:
    """What ``from module import *`` binds."""
    listed = names.get("__all__")
    if isinstance(listed, (list, tuple)):
        return {name: names[name] for name in listed if name in names}
    return {name: value for name, value in names.items() if not name.startswith("_")}


def _same(left: Value, right: Value) -> bool:
    return left is right or (type(left) is type(right) and not isinstance(left, (dict, list)) and left == right)


def _choice(left: Value, right: Value) -> Value:
    values: list[Value] = []
    for each in (left, right):
        for value in each.values if isinstance(each, Choice) else (each,):
            if not isinstance(value, Unknown) and not any(_same(value, held) for held in values):
                values.append(value)
    if not values:
        return UNKNOWN
    return values[0] if len(values) == 1 else Choice(tuple(values))


def _sum(left: Value, right: Value) -> Value:
    for kind in (str, list, tuple):
        if isinstance(left, kind) and isinstance(right, kind):
            return left + right
    return {**left, **right} if isinstance(left, dict) and isinstance(right, dict) else UNKNOWN


def _compare(operator: ast.cmpop, left: Value, right: Value) -> Value:
    plain = (str, int, float, bool, type(None))
    match operator:
        case ast.In() | ast.NotIn() if isinstance(right, (list, tuple, dict)) and isinstance(left, str):
            return (left in right) == isinstance(operator, ast.In)
        case ast.Eq() | ast.NotEq() if isinstance(left, plain) and isinstance(right, plain):
            return (left == right) == isinstance(operator, ast.Eq)
        case ast.Is() | ast.IsNot() if right is None and not isinstance(left, (Unknown, External, Choice)):
            return (left is None) == isinstance(operator, ast.Is)
    return UNKNOWN
