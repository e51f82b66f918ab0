"""Signatures: the configuration keys that something takes, and how those of several calls combine."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Signature:
    """The configuration keys that something takes.

    ``defaults`` holds the literal ones as JSON text; ``is_open`` says that keys beyond ``arguments`` do not fail;
    ``drops`` are keys that ``from_config`` takes out and does nothing with.
    """

    arguments: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    defaults: Mapping[str, str] = field(default_factory=dict)
    is_open: bool = False
    drops: frozenset[str] = frozenset()
    positional: tuple[str, ...] = ()

    def without(self, names: frozenset[str]) -> Signature:
        return replace(
            self,
            arguments=self.arguments - names,
            required=self.required - names,
            defaults={name: text for name, text in self.defaults.items() if name not in names},
        )


NOTHING = Signature()
ANYTHING = Signature(is_open=True)


def either(left: Signature, right: Signature) -> Signature:
    """One of two calls is made, and which is not known."""
    return replace(union(left, right), required=left.required & right.required)


def both(left: Signature, right: Signature) -> Signature:
    """Two calls are made with the same keywords: each must take them."""
    if left.is_open or right.is_open:
        known = right.arguments if left.is_open else left.arguments
        arguments = left.arguments | right.arguments if left.is_open and right.is_open else known
    else:
        arguments = left.arguments & right.arguments
    return replace(union(left, right), arguments=arguments, is_open=left.is_open and right.is_open)


def union(left: Signature, right: Signature) -> Signature:
    return Signature(
        arguments=left.arguments | right.arguments,
        required=left.required | right.required,
        defaults={**right.defaults, **left.defaults},
        is_open=left.is_open or right.is_open,
        drops=left.drops | right.drops,
        positional=left.positional or right.positional,
    )


def parameters(node: ast.FunctionDef | ast.Lambda, *, skip_first: bool) -> Signature:
    spec = node.args
    plain = [each.arg for each in (*spec.posonlyargs, *spec.args)]
    names = plain[1:] if skip_first else plain
    given = dict(zip(plain[len(plain) - len(spec.defaults) :], spec.defaults, strict=True))
    given |= {each.arg: text for each, text in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if text is not None}
    everything = [*names, *(each.arg for each in spec.kwonlyargs)]
    return Signature(
        arguments=frozenset(everything),
        required=frozenset(name for name in everything if name not in given),
        defaults={name: text for name in everything if name in given and (text := _json(given[name])) is not None},
        positional=tuple(names),
    )


def _json(node: ast.expr) -> str | None:
    """A literal default as JSON; ``None`` for anything else (a tuple reads as a list, as in a configuration)."""
    try:
        return json.dumps(ast.literal_eval(node), separators=(",", ":"), allow_nan=False)
    except (ValueError, TypeError):
        return None
