"""What a load is judged for."""

from __future__ import annotations

from dataclasses import dataclass

from modelreg.environment.document import Environment


@dataclass(frozen=True, slots=True)
class Target:
    """The environment that a load is judged for.

    ``name`` is what the caller typed.  ``is_implied`` is set where nobody named it (this interpreter by default): that
    such a target has no Keras says nothing, since a gate often runs where no model is ever loaded.
    """

    name: str
    environment: Environment
    is_implied: bool = False
