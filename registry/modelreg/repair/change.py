"""What a repair changed, as values."""

from __future__ import annotations

import json
from dataclasses import dataclass

from modelreg.configuration import JsonValue


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the configuration; ``before`` and ``after`` are JSON texts, ``None`` for what was or is not there.

    ``is_proved`` says that the change cannot alter what the model computes; otherwise ``why`` says what it rests on.
    """

    where: str
    what: str
    before: str | None
    after: str | None
    why: str
    is_proved: bool = True


def shown(value: JsonValue) -> str:
    """A value as a change shows it."""
    return json.dumps(value, sort_keys=True)
