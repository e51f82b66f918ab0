"""Puts a mutant into a module that is already imported, so that everybody who has imported from it has the mutant.

The mutant's tree is run as a module of its own.  What differs then goes into what is there: a function gets the
other's code and defaults, a class its methods and attributes, and a constant is exchanged wherever its name holds it.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import types
from collections.abc import Iterator
from typing import Any

_OURS = ("modelreg", "modelreg_cli", "tests")


def run(tree: ast.Module, module: types.ModuleType) -> types.ModuleType:
    """The module of ``tree``, which stands for ``module``; raises what running it raises."""
    other = types.ModuleType(module.__name__)
    other.__dict__.update({name: value for name, value in vars(module).items() if name.startswith("__")})
    exec(compile(tree, str(module.__file__), "exec"), other.__dict__)
    return other


def graft(other: types.ModuleType, module: types.ModuleType) -> None:
    """Make ``module`` what ``other`` is."""
    for name, new in vars(other).items():
        old = vars(module).get(name)
        if name.startswith("__") or old is new:
            continue
        if isinstance(new, type) and new.__module__ == module.__name__:
            _graft_class(old, new)
        elif (function := _function(new)) is not None:
            if function.__module__ == module.__name__:
                _graft_function(_function(old), function)
        elif _differs(old, new):
            _exchange(name, old, new)


def _graft_class(old: Any, new: type) -> None:
    for name, value in vars(new).items():
        held = vars(old).get(name)
        for before, after in zip(_functions(held), _functions(value), strict=True):
            if before.__code__.co_freevars == after.__code__.co_freevars:
                _graft_function(before, after)
            else:  # a method that says super(), or does so no longer
                setattr(old, name, value)
        if isinstance(value, int | str | bytes | tuple | frozenset) and not name.startswith("__") and held != value:
            setattr(old, name, value)


def _graft_function(old: Any, new: types.FunctionType) -> None:
    if old.__code__ != new.__code__:
        old.__code__ = new.__code__
    if _differs(old.__defaults__, new.__defaults__):
        old.__defaults__ = new.__defaults__
    if _differs(old.__kwdefaults__, new.__kwdefaults__):
        old.__kwdefaults__ = new.__kwdefaults__


def _functions(value: object) -> Iterator[types.FunctionType]:
    """The functions that make an attribute of a class."""
    match value:
        case property():
            parts: tuple[object, ...] = (value.fget, value.fset, value.fdel)
        case functools.cached_property():
            parts = (value.func,)
        case staticmethod() | classmethod():
            parts = (value.__func__,)
        case _:
            parts = (value,)
    yield from (function for part in parts if (function := _function(part)) is not None)


def _function(value: object) -> types.FunctionType | None:
    """A function below its decorators."""
    found = inspect.unwrap(value) if callable(value) and not isinstance(value, type) else value
    return found if isinstance(found, types.FunctionType) else None


def _differs(old: object, new: object) -> bool:
    """Whether two values say different things; those of equal words (a pattern, an instance made anew) do not."""
    return old != new and repr(old) != repr(new)


def _exchange(name: str, old: object, new: object) -> None:
    for module in [module for key, module in sys.modules.items() if key.split(".")[0] in _OURS]:
        if name in vars(module) and vars(module)[name] is old:
            setattr(module, name, new)
