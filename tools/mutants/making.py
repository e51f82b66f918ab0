"""The mutants of a module: each is its source with one small fault.

What is only said (texts, annotations, what is raised), enumerations and decorators stay as they are.  A condition is
made true and made false, and each part of it left out; its equality is not turned round as well, which a test of those
would see.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_EDGES: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
_TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}
_CALLS = {"any": "all", "all": "any", "min": "max", "max": "min"}
_LENGTH = 70


@dataclass(frozen=True)
class Mutant:
    """A module with one fault: where, of what kind, what was written there before and after, and the whole tree."""

    operator: str
    first_line: int
    last_line: int
    before: str
    after: str
    tree: ast.Module

    def __str__(self) -> str:
        return f"{self.operator}: {self.before} -> {self.after}"


@dataclass(frozen=True)
class _Place:
    """A field of a node, or one item of a field that is a list."""

    node: ast.AST
    name: str
    index: int | None = None

    def put(self, value: object) -> object:
        """Put a value here, and give back what was here."""
        held = getattr(self.node, self.name)
        if self.index is None:
            setattr(self.node, self.name, value)
            return held
        before, held[self.index] = held[self.index], value
        return before


@dataclass(frozen=True)
class _Edit:
    """One fault: what is put where; ``shown`` is the node that a reader is shown."""

    operator: str
    place: _Place
    value: Any
    shown: ast.AST


def mutants_of(source: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its lines."""
    tree = ast.parse(source)
    places = {child: place for node in ast.walk(tree) for child, place in _children(node)}
    edits = [edit for node in _judging(tree) for edit in _edits(node, places)]
    for edit in sorted(edits, key=lambda edit: _lines(edit.shown)):
        before = _text(edit.shown)
        held = edit.place.put(edit.value)
        after = _text(edit.value if held is edit.shown else edit.shown)
        yield Mutant(edit.operator, *_lines(edit.shown), before, after, ast.fix_missing_locations(copy.deepcopy(tree)))
        edit.place.put(held)


def _judging(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that do something, from the outside in."""
    yield node
    for child, place in _children(node):
        said = place.name in {"annotation", "returns", "decorator_list"} or isinstance(node, ast.Raise)
        named = isinstance(node, ast.ClassDef) and isinstance(child, ast.Assign) and _is_enumeration(node)
        if not said and not named and not isinstance(child, ast.JoinedStr) and not _is_for_types(child):
            yield from _judging(child)


def _children(node: ast.AST) -> Iterator[tuple[ast.AST, _Place]]:
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.AST):
            yield value, _Place(node, name)
        elif isinstance(value, list):
            yield from ((item, _Place(node, name, at)) for at, item in enumerate(value) if isinstance(item, ast.AST))


def _edits(node: ast.AST, places: dict[ast.AST, _Place]) -> Iterator[_Edit]:
    """The faults that can be put at a node itself."""
    yield from _of_condition(node)
    yield from _of_operator(node, places)
    yield from _of_value(node, places)
    if isinstance(node, ast.stmt):
        yield from _without(node, places[node])


def _of_condition(node: ast.AST) -> Iterator[_Edit]:
    match node:
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test) if not isinstance(test, ast.Constant):
            for value in (False,) if isinstance(node, ast.While) else (True, False):
                yield _Edit("condition", _Place(node, "test"), ast.Constant(value), test)
        case ast.comprehension():
            for index, test in enumerate(node.ifs):
                yield _Edit("filter", _Place(node, "ifs", index), ast.Constant(value=True), test)
        case ast.BoolOp():
            for index in range(len(node.values)):
                neutral = ast.Constant(isinstance(node.op, ast.And))
                yield _Edit("part", _Place(node, "values", index), neutral, node)
        case ast.FunctionDef(returns=ast.Name(id="bool")):
            for answer in (inner for inner in ast.walk(node) if isinstance(inner, ast.Return) and _is_found(inner)):
                for value in (True, False):
                    yield _Edit("answer", _Place(answer, "value"), ast.Constant(value), answer.value or answer)
        case ast.ExceptHandler(type=ast.Tuple(elts=[_, _, *_] as caught) as types):
            for index in range(len(caught)):
                fewer = ast.Tuple([*caught[:index], *caught[index + 1 :]], ast.Load())
                yield _Edit("except", _Place(node, "type"), fewer, types)


def _of_operator(node: ast.AST, places: dict[ast.AST, _Place]) -> Iterator[_Edit]:
    match node:
        case ast.Compare():
            others = _EDGES if _is_condition(node, places) else {**_EDGES, **_TURNED}
            for index, operator in enumerate(node.ops):
                if type(operator) in others:
                    yield _Edit("comparison", _Place(node, "ops", index), others[type(operator)](), node)
        case ast.BinOp(op=operator) if type(operator) in _OPERATORS:
            yield _Edit("arithmetic", _Place(node, "op"), _OPERATORS[type(operator)](), node)
        case ast.UnaryOp(op=ast.Not()) if not _is_condition(node, places):
            yield _Edit("not", places[node], node.operand, node)


def _of_value(node: ast.AST, places: dict[ast.AST, _Place]) -> Iterator[_Edit]:
    match node:
        case ast.Constant(value=bool() as value):
            yield _Edit("flip", _Place(node, "value"), not value, places[node].node)
        case ast.Constant(value=int() as value):
            yield _Edit("number", _Place(node, "value"), value + 1, places[node].node)
        case ast.Call(func=ast.Name(id=name) as function) if name in _CALLS:
            yield _Edit("call", _Place(function, "id"), _CALLS[name], node)


def _without(statement: ast.stmt, place: _Place) -> Iterator[_Edit]:
    """A call for its effect, ``raise`` and the ways of a loop; a branch that only raises is its condition's."""
    match statement:
        case ast.Expr(value=ast.Call()) | ast.Expr(value=ast.YieldFrom()) | ast.AugAssign():
            yield _Edit("left out", place, ast.Pass(), statement)
        case ast.Raise() if not (isinstance(place.node, ast.If) and len(getattr(place.node, place.name)) == 1):
            yield _Edit("left out", place, ast.Pass(), statement)
        case ast.Continue():
            yield _Edit("loop", place, ast.Break(), statement)
        case ast.Break():
            yield _Edit("loop", place, ast.Continue(), statement)


def _is_condition(node: ast.AST, places: dict[ast.AST, _Place]) -> bool:
    """Whether a node is a condition, or a part of one."""
    place = places[node]
    match place.node:
        case ast.BoolOp() | ast.UnaryOp(op=ast.Not()) as whole:
            return _is_condition(whole, places)
        case ast.comprehension():
            return place.name == "ifs"
        case ast.If() | ast.IfExp() | ast.While():
            return place.name == "test"
    return False


def _is_found(answer: ast.Return) -> bool:
    return answer.value is not None and not isinstance(answer.value, ast.Constant)


def _is_enumeration(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base).endswith("Enum") for base in node.bases)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _lines(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "end_lineno", 0)


def _text(node: ast.AST) -> str:
    """A node on one line, cut at its first line's end or where it is long."""
    first, *rest = ast.unparse(node).splitlines() or [""]
    return f"{first[:_LENGTH]}..." if rest or len(first) > _LENGTH else first
