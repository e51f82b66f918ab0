"""Tells which names Keras itself provides, in any release from 1.2 to 3.15, by the role that they play.

The names are data, ``builtins.json``, which ``tools/keras_builtins.py`` reads out of the released sources.  They are a
union over releases on purpose: whether a *given* Keras still has a name is a question for the compatibility rules;
whether the *user* must bring an object along is the question answered here.
"""

from __future__ import annotations

import functools
import importlib.resources
import json

ROLES = ("layer", "activation", "initializer", "regularizer", "constraint", "loss", "metric", "optimizer", "object")


def is_builtin(role: str, name: str) -> bool:
    """Whether some release of Keras resolves ``name`` in ``role`` without help from the loader.

    ``name`` is a class or function name as configurations spell it (``Dense``, ``mse``, ``glorot_uniform``), without
    module or package.  ``object`` is for a place that any kind of object can stand in, so it covers every role.
    Raises ``ValueError`` for a role that is not one of ``ROLES``.
    """
    if role not in ROLES:
        raise ValueError(f"{role!r} is not a role; roles are {', '.join(ROLES)}")
    table = _table()
    return any(name in table[each] for each in (ROLES if role == "object" else (role,)))


def releases() -> tuple[str, ...]:
    """The distributions, pinned, that the names were read from."""
    return tuple(sorted(_table()["releases"]))


@functools.cache
def _table() -> dict[str, frozenset[str]]:
    text = importlib.resources.files(__package__).joinpath("builtins.json").read_text(encoding="utf-8")
    return {key: frozenset(names) for key, names in json.loads(text).items()}
