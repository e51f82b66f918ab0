"""What a marshalled stream holds, as value types: constants and code objects of any Python."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias


class Layout(enum.Enum):
    """How the fields of a code object stand in the stream; Pythons of one layout can read each other's bytes."""

    PY2 = "2.x"
    PY30 = "3.0-3.7"
    PY38 = "3.8-3.10"
    PY311 = "3.11+"


@dataclass(frozen=True, slots=True)
class Text:
    """A string; ``is_old`` marks type ``u`` and ``t``, the only ones that marshal had for text before Python 3.4."""

    offset: int
    value: str
    size_bytes: int
    is_old: bool = False


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes, which are also what Python 2 calls ``str``; ``offset`` is where they stand in the stream."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Number:
    """A number of marshal's type ``kind``, from ``offset`` on; its ``value`` is ``None`` if it is too long to keep."""

    offset: int
    size_bytes: int
    kind: str
    value: complex | None


@dataclass(frozen=True, slots=True)
class Single:
    """``N`` for None, ``T`` and ``F`` for True and False, ``.`` for Ellipsis, ``S`` for StopIteration."""

    kind: str


@dataclass(frozen=True, slots=True)
class Frozen:
    """A frozenset, its items in the order in which they are stored."""

    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class SliceValue:
    """A slice as a constant: start, stop and step."""

    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Other:
    """A value that only has to be there: a list, a mapping."""

    kind: str


Value: TypeAlias = "Text | Blob | Number | Single | Frozen | SliceValue | Other | tuple[Value, ...] | Code"


def distinct(values: tuple[Value, ...]) -> Iterator[Value]:
    """Each value and each value in it, once; references make a few bytes stand for any number of them."""
    seen: set[int] = set()
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        yield value
        waiting += _items(value)


def is_larger(value: Value, count_max: int) -> bool:
    """Whether more than ``count_max`` values would be written for ``value``, each reference in full."""
    waiting, count = [value], 0
    while waiting and count <= count_max:
        count += 1
        waiting += _items(waiting.pop())
    return count > count_max


def _items(value: Value) -> tuple[Value, ...]:
    if isinstance(value, (Frozen, SliceValue)):
        return value.items
    return value if isinstance(value, tuple) else ()


@dataclass(frozen=True, slots=True)
class Code:
    """One code object.

    ``lines`` is its table of line numbers, ``exceptions`` the table of its handlers (since 3.11), ``names`` its globals
    and attributes, ``localsplus`` (since 3.11) the variables of all kinds in the order in which instructions number
    them.  ``argcount`` counts the positional-only parameters too.
    """

    layout: Layout
    argcount: int
    posonly: int
    kwonly: int
    stack_size: int
    flags: int
    code: Blob
    consts: tuple[Value, ...]
    names: tuple[str, ...]
    varnames: tuple[str, ...]
    cellvars: tuple[str, ...]
    freevars: tuple[str, ...]
    localsplus: tuple[str, ...]
    filename: str
    name: str
    lines: Blob
    exceptions: Blob | None
    has_old_text: bool

    @property
    def has_varargs(self) -> bool:
        return bool(self.flags & 0x04)

    @property
    def has_varkeywords(self) -> bool:
        return bool(self.flags & 0x08)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the positional parameters."""
        return self.varnames[: self.argcount]

    @property
    def keyword_only(self) -> tuple[str, ...]:
        return self.varnames[self.argcount : self.argcount + self.kwonly]

    @property
    def rest(self) -> tuple[str | None, str | None]:
        """Names of the parameters ``*rest`` and ``**more``, where there are such."""
        start = self.argcount + self.kwonly
        varargs = self.varnames[start] if self.has_varargs else None
        return varargs, self.varnames[start + self.has_varargs] if self.has_varkeywords else None

    @property
    def waits(self) -> bool:
        """Whether calling it gives a generator, a coroutine or an asynchronous generator."""
        return bool(self.flags & (0x20 | 0x80 | 0x100 | 0x200))
