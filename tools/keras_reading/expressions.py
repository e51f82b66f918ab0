"""Evaluates expressions and calls symbolically, as far as that is known; everything else is ``UNKNOWN``."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Self

from keras_reading.calls import Calls
from keras_reading.values import (
    UNKNOWN,
    Choice,
    ClassValue,
    External,
    Frame,
    FunctionValue,
    Method,
    ModuleValue,
    Unknown,
    Value,
    choice,
)

CALL_DEPTH_MAX = 12
ITERATIONS_MAX = 5_000


class Returned(Exception):  # noqa: N818 - control flow of the evaluated code
    """A ``return`` of the package's own."""

    def __init__(self, value: Value) -> None:
        self.value = value


class Stopped(Exception):  # noqa: N818
    """A ``raise`` of the package's own: the rest of the block is not reached."""


class Expressions(Calls):
    """Evaluates expressions in one frame."""

    def block(self, body: Iterable[ast.stmt]) -> None:
        """Execute statements; the statements' own class does."""
        raise NotImplementedError

    def assign(self, target: ast.expr, value: Value) -> None:
        """Bind a target; the statements' own class does."""
        raise NotImplementedError

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
        return self.attribute(self.value(node.value), node.attr)

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
        if isinstance(held, (list, tuple, str)) and isinstance(index, int) and -len(held) <= index < len(held):
            return held[index]
        return UNKNOWN

    def _of_ifexp(self, node: ast.IfExp) -> Value:
        known = self.truth(self.value(node.test))
        if isinstance(known, Unknown):
            return choice(self.value(node.body), self.value(node.orelse))
        return self.value(node.body if known else node.orelse)

    def _of_boolop(self, node: ast.BoolOp) -> Value:
        """The operand that decides, as in Python; only its truth where an earlier one is unknown."""
        stops_at = isinstance(node.op, ast.Or)
        is_known = True
        for index, each in enumerate(node.values):
            value = self.value(each)
            known = self.truth(value)
            if known is stops_at:
                return value if is_known else stops_at
            is_known = is_known and not isinstance(known, Unknown)
            if is_known and index == len(node.values) - 1:
                return value
        return UNKNOWN

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
        return total(left, right) if isinstance(node.op, (ast.Add, ast.BitOr)) else UNKNOWN

    def _of_compare(self, node: ast.Compare) -> Value:
        if len(node.ops) != 1:
            return UNKNOWN
        left, right = self.value(node.left), self.value(node.comparators[0])
        return _compare(node.ops[0], left, right)

    def _of_listcomp(self, node: ast.ListComp) -> Value:
        return self.comprehend(node.generators, lambda inner: [inner.value(node.elt)])

    _of_setcomp = _of_generatorexp = _of_listcomp

    def _of_dictcomp(self, node: ast.DictComp) -> Value:
        pairs = self.comprehend(node.generators, lambda inner: [(inner.value(node.key), inner.value(node.value))])
        return UNKNOWN if isinstance(pairs, Unknown) else {key: item for key, item in pairs if isinstance(key, str)}

    def comprehend(
        self, generators: list[ast.comprehension], make: Callable[[Self], list[Value]]
    ) -> list[Value] | Unknown:
        if not generators:
            return make(self)
        first, *rest = generators
        items = self.items(self.value(first.iter))
        if isinstance(items, Unknown):
            return UNKNOWN
        found: list[Value] = []
        for item in items[:ITERATIONS_MAX]:
            inner = type(self)(Frame(self.package, self.frame.module, {}, self.frame, self.frame.depth))
            inner.assign(first.target, item)
            if any(inner.truth(inner.value(test)) is False for test in first.ifs):
                continue
            more = inner.comprehend(rest, make)
            found += [] if isinstance(more, Unknown) else more
        return found

    def truth(self, value: Value) -> bool | Unknown:
        if value is None or isinstance(value, (bool, int, float, str, list, tuple, dict)):
            return bool(value)
        if isinstance(value, (ClassValue, FunctionValue, ModuleValue)):
            return True
        return UNKNOWN

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
        names = self._bound(function, arguments, keywords)
        inner = type(self)(Frame(self.package, function.module, names, function.frame, depth))
        if isinstance(function.node, ast.Lambda):
            return inner.value(function.node.body)
        try:
            inner.block(function.node.body)
        except Returned as result:
            return result.value
        except Stopped:
            return UNKNOWN
        return None

    def _bound(
        self, function: FunctionValue, arguments: list[Value], keywords: Mapping[str, Value]
    ) -> dict[str, Value]:
        """The parameters of a call by name; a parameter that is neither given nor has a literal default is unknown."""
        spec = function.node.args
        names = [each.arg for each in (*spec.posonlyargs, *spec.args)]
        evaluator = type(self)(function.frame)
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


def total(left: Value, right: Value) -> Value:
    """``left + right`` or ``left | right``."""
    for kind in (str, list, tuple):
        if isinstance(left, kind) and isinstance(right, kind):
            return operator.add(left, right)
    return {**left, **right} if isinstance(left, dict) and isinstance(right, dict) else UNKNOWN


def _compare(kind: ast.cmpop, left: Value, right: Value) -> Value:
    plain = (str, int, float, bool, type(None))
    match kind:
        case ast.In() | ast.NotIn() if isinstance(right, (list, tuple, dict)) and isinstance(left, str):
            return (left in right) == isinstance(kind, ast.In)
        case ast.Eq() | ast.NotEq() if isinstance(left, plain) and isinstance(right, plain):
            return (left == right) == isinstance(kind, ast.Eq)
        case ast.Is() | ast.IsNot() if right is None and not isinstance(left, (Unknown, External, Choice)):
            return (left is None) == isinstance(kind, ast.Is)
    return UNKNOWN
