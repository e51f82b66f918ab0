"""The values that names stand for while a package's source is evaluated symbolically."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_reading.package import Package

Value = Any
"""A literal, a collection of values, or one of the classes below."""


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


def same(left: Value, right: Value) -> bool:
    return left is right or (type(left) is type(right) and not isinstance(left, (dict, list)) and left == right)


def choice(left: Value, right: Value) -> Value:
    values: list[Value] = []
    for each in (left, right):
        for value in each.values if isinstance(each, Choice) else (each,):
            if not isinstance(value, Unknown) and not any(same(value, held) for held in values):
                values.append(value)
    if not values:
        return UNKNOWN
    return values[0] if len(values) == 1 else Choice(tuple(values))
