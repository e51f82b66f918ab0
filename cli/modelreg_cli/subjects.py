"""What an argument that may be a path or a reference is."""

from __future__ import annotations

import os
from pathlib import Path

import modelreg


def existing_path(subject: str) -> Path | None:
    """``subject`` as a path if something is there, or ``None`` for what can only be a reference.

    Raises ``NotFoundError`` for a path of nothing that no reference looks like (``./fraud``).
    """
    if os.path.exists(subject):  # noqa: PTH110 - pathlib raises for a name that is too long
        return Path(subject)
    if subject.startswith((".", "/", "~")):
        raise modelreg.NotFoundError(f"there is no file or folder {subject!r}")
    return None


def is_reference(text: str) -> bool:
    """Whether ``text`` has the form of a reference."""
    try:
        modelreg.parse_reference(text)
    except modelreg.UsageError:
        return False
    return True
