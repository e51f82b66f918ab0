"""Shell completion: names, versions, aliases and rules.

Invariants: a registry is never made here, and where there is none, or none that can be read, there is silence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

import modelreg

if TYPE_CHECKING:
    from modelreg import Registry

Choices = list[tuple[str, str]]
"""What can be typed, and the shell's remark on it."""


def references(context: typer.Context, incomplete: str) -> Choices:
    """``fraud``, and behind ``:`` or ``@`` the versions or aliases of ``fraud``."""
    for mark in ("@", ":"):
        model, found, _ = incomplete.partition(mark)
        if found:
            choices = _aliases(context, model) if mark == "@" else _versions(context, model)
            return [(f"{model}{mark}{text}", remark) for text, remark in choices]
    return models(context, incomplete)


def models(context: typer.Context, incomplete: str) -> Choices:
    """The names of models."""
    return _ask(context, lambda registry: [(name, "model") for name in registry.names(incomplete)])


def aliases(context: typer.Context, incomplete: str) -> Choices:
    """The aliases of the model named before on the line."""
    model = str(context.params.get("reference") or context.params.get("name") or "").partition(":")[0]
    return [choice for choice in _aliases(context, model) if choice[0].startswith(incomplete)]


def rules(_context: typer.Context, incomplete: str) -> Choices:
    """Rule ids."""
    return [(rule.id, rule.title) for rule in modelreg.RULES.values() if rule.id.startswith(incomplete.upper())]


def _versions(context: typer.Context, model: str) -> Choices:
    return _ask(
        context,
        lambda registry: [
            (str(entry.version), f"pushed {entry.created_at}") for entry in reversed(registry.list(model))
        ],
    )


def _aliases(context: typer.Context, model: str) -> Choices:
    return _ask(
        context,
        lambda registry: [
            (alias, f"version {entry.version}") for entry in registry.list(model) for alias in entry.aliases
        ],
    )


def _ask(context: typer.Context, question: Callable[[Registry], Choices]) -> Choices:
    """The registry's answer; nothing where it is not there or cannot be read.

    What is wrong with it the command itself will tell; between two keystrokes there is nobody to tell.
    """
    given = {"home": "home", "database_url": "database", "storage_url": "store"}
    flags = {name: str(context.params[option]) for name, option in given.items() if context.params.get(option)}
    try:
        with modelreg.Registry.open(settings=modelreg.load_settings(flags), create=False) as registry:
            return question(registry)
    except (modelreg.ModelregError, OSError):
        return []


def keys(_context: typer.Context, incomplete: str) -> Choices:
    """The names of keys."""
    try:
        return [(name, "key") for name in modelreg.Keyring.open().names() if name.startswith(incomplete)]
    except (modelreg.ModelregError, OSError):
        return []
