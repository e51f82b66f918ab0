"""Executes statements symbolically: imports, definitions, assignments, branches and loops."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from keras_reading.expressions import ITERATIONS_MAX, Expressions, Returned, Stopped, total
from keras_reading.values import (
    UNKNOWN,
    Attributes,
    ClassValue,
    External,
    FunctionValue,
    ModuleValue,
    Reference,
    Unknown,
    Value,
    choice,
    same,
)


class Evaluator(Expressions):
    """Evaluates statements and expressions in one frame."""

    def run(self, body: Iterable[ast.stmt]) -> None:
        """A module's body: a ``raise`` or ``return`` at its level ends it."""
        try:
            self.block(body)
        except (Returned, Stopped):
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
        module = self.package.absolute(self.frame.module, node)
        for alias in node.names:
            if alias.name == "*":
                if module in self.package.files:
                    self.frame.names.update(_public(self.package.frame(module).names))
            elif module in self.package:
                self._bind(alias.asname or alias.name, Reference(module, alias.name))
            else:
                self._bind(alias.asname or alias.name, External(f"{module}.{alias.name}"))

    def _do_functiondef(self, node: ast.FunctionDef) -> None:
        self._bind(node.name, FunctionValue(self.frame.module, node.name, node, self.frame))

    def _do_classdef(self, node: ast.ClassDef) -> None:
        self._bind(node.name, ClassValue(self.frame.module, node.name, node, self.frame))

    def _do_assign(self, node: ast.Assign) -> None:
        value = self.value(node.value)
        for target in node.targets:
            self.assign(target, value)

    def _do_annassign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.assign(node.target, self.value(node.value))

    def _do_augassign(self, node: ast.AugAssign) -> None:
        held, more = self.value(node.target), self.value(node.value)
        self.assign(node.target, total(held, more))

    def _do_expr(self, node: ast.Expr) -> None:
        self.value(node.value)

    def _do_return(self, node: ast.Return) -> None:
        raise Returned(self.value(node.value) if node.value is not None else None)

    def _do_raise(self, _node: ast.Raise) -> None:
        raise Stopped

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
            self.frame.names[name] = value if same(value, other) else choice(value, other)

    def _fork(self, body: Iterable[ast.stmt]) -> None:
        """A branch that may not be taken: that it returns or raises says nothing about the code after it."""
        try:
            self.block(body)
        except (Returned, Stopped):
            return

    def _do_for(self, node: ast.For) -> None:
        items = self.items(self.value(node.iter))
        for item in (UNKNOWN,) if isinstance(items, Unknown) else items[:ITERATIONS_MAX]:
            self.assign(node.target, item)
            self._fork(node.body)

    def _bind(self, name: str, value: Value) -> None:
        self.frame.names[name] = value

    def assign(self, target: ast.expr, value: Value) -> None:
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
                    self.assign(each, parts[index] if known and not isinstance(parts, Unknown) else UNKNOWN)


def _public(names: dict[str, Value]) -> dict[str, Value]:
    """What ``from module import *`` binds."""
    listed = names.get("__all__")
    if isinstance(listed, (list, tuple)):
        return {name: names[name] for name in listed if name in names}
    return {name: value for name, value in names.items() if not name.startswith("_")}
