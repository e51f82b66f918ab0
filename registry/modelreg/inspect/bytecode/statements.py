"""Statements that lifted source is made of, and the parts of them that are names."""

from __future__ import annotations

import keyword
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from modelreg.inspect.bytecode import expressions as e
from modelreg.inspect.bytecode.opcodes import Table
from modelreg.inspect.bytecode.symbolic import Unsupported
from modelreg.inspect.bytecode.values import Code

Target: TypeAlias = "str | tuple[Target, ...]"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An expression that is evaluated for what it does."""

    value: e.Node


@dataclass(frozen=True, slots=True)
class Return:
    """``has_dead_end`` tells ``if`` ... ``else`` of two returns from the return of a conditional expression."""

    value: e.Node
    has_dead_end: bool = False


@dataclass(frozen=True, slots=True)
class Assignment:
    """``first = second = value``."""

    targets: tuple[Target, ...]
    value: e.Node


@dataclass(frozen=True, slots=True)
class Augmented:
    """``name += value``; ``left`` is what ``name`` was before."""

    name: str
    operator: str
    left: e.Node
    value: e.Node


Statement: TypeAlias = "Evaluation | Return | Assignment | Augmented"
StatementsOf: TypeAlias = "Callable[[Code, Table], tuple[Statement, ...]]"


def name_text(name: str) -> str:
    """``name`` if it is one that source can have."""
    if not name.isidentifier() or keyword.iskeyword(name):
        raise Unsupported("a name that is none in source")
    return name


def parameters_text(
    code: Code, defaults: tuple[str, ...] = (), keyword_defaults: tuple[tuple[str, str], ...] = ()
) -> str:
    """The parameters as written, with the given default values as text."""
    first = len(code.parameters) - len(defaults)
    if first < 0:
        raise Unsupported("more default values than parameters")
    parts = [
        name_text(name) + (f"={defaults[index - first]}" if index >= first else "")
        for index, name in enumerate(code.parameters)
    ]
    if code.posonly:
        parts.insert(code.posonly, "/")
    varargs, varkeywords = code.rest
    if varargs is not None:
        parts.append(f"*{name_text(varargs)}")
    elif code.keyword_only:
        parts.append("*")
    values = dict(keyword_defaults)
    parts += [name_text(name) + (f"={values[name]}" if name in values else "") for name in code.keyword_only]
    if varkeywords is not None:
        parts.append(f"**{name_text(varkeywords)}")
    return ", ".join(parts)


def target_text(target: Target) -> str:
    """What stands before ``=``."""
    if isinstance(target, str):
        return name_text(target)
    parts = [target_text(each) if isinstance(each, str) else f"({target_text(each)})" for each in target]
    return ", ".join(parts) if len(parts) != 1 else f"{parts[0]},"
