"""What stored instructions compute, as values: the operands of the abstract interpretation.

Nodes are compared by identity, because one node is one evaluation: ``a < b < c`` evaluates ``b`` once, ``a < b and
b < c`` twice.  No node is ever changed, and equal meaning in two Python versions gives equal nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from modelreg.inspect.bytecode.values import Code, Value


@dataclass(frozen=True, slots=True, eq=False)
class Const:
    """A constant; ``value`` as marshal has it."""

    value: Value


@dataclass(frozen=True, slots=True, eq=False)
class Missing:
    """Something that is not there: the end of ``x[1:]``, the null below a function that is called."""


@dataclass(frozen=True, slots=True, eq=False)
class Local:
    """The value of a local variable after ``stores`` assignments to it."""

    name: str
    stores: int


@dataclass(frozen=True, slots=True, eq=False)
class Free:
    """A variable of an enclosing function."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Global:
    """A name that is looked up outside of all functions."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """``value.name``."""

    value: Node
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Unary:
    """``operator`` is ``+``, ``-``, ``~`` or ``not``."""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What a test sees of a value (TO_BOOL, since 3.13)."""

    operand: Node


@dataclass(frozen=True, slots=True, eq=False)
class Binary:
    """``operator`` is as written, with ``=`` at its end for an augmented assignment."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True, eq=False)
class Compare:
    """``is_jump`` marks a comparison with None that is one with its jump: both spellings give it."""

    operator: str
    left: Node
    right: Node
    is_jump: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Subscript:
    """``value[index]``."""

    value: Node
    index: Node


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """``start:stop:step``."""

    start: Node
    stop: Node
    step: Node


@dataclass(frozen=True, slots=True, eq=False)
class Star:
    """``*value`` in a display or a call."""

    value: Node


@dataclass(frozen=True, slots=True, eq=False)
class Display:
    """A tuple, list or set as written; ``bracket`` is ``(``, ``[`` or ``{``."""

    bracket: str
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Mapping:
    """A dict as written; a key of ``None`` stands for ``**value``."""

    items: tuple[tuple[Node | None, Node], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A call; a keyword of ``None`` stands for ``**value``."""

    function: Node
    arguments: tuple[Node, ...]
    keywords: tuple[tuple[str | None, Node], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Format:
    """One braced field of an f-string; ``conversion`` is ``s``, ``r``, ``a`` or empty."""

    value: Node
    conversion: str
    spec: Node | None


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """An f-string of several parts."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """A variable that is handed to an inner function."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Inner:
    """A function made by the code: ``defaults`` and ``keyword_defaults`` are those of its parameters."""

    code: Code
    defaults: tuple[Node, ...] = ()
    keyword_defaults: tuple[tuple[str, Node], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Unpacked:
    """Item ``index`` of the ``count`` that ``value`` is taken apart into; one ``key`` for each taking apart."""

    key: object
    value: Node
    index: int
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Both:
    """``and`` or ``or`` of two or more."""

    operator: str
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Either:
    """``yes if test else no``."""

    test: Node
    yes: Node
    no: Node


Node: TypeAlias = (
    "Const | Missing | Local | Free | Global | Attribute | Unary | Truth | Binary | Compare | Subscript | Slice | Star "
    "| Display | Mapping | Call | Format | Joined | Cell | Inner | Unpacked | Both | Either"
)
