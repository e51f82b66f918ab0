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


def pulled_folder_of(subject: str) -> Path | None:
    """The pulled folder that ``subject`` is or lies in; ``None`` for what can only be a reference.

    Raises ``NotFoundError`` for a path that was not pulled and cannot be a reference.
    """
    path = existing_path(subject)
    if path is None:
        return None
    pulled = next((folder for folder in (path, *path.absolute().parents) if modelreg.is_pulled_folder(folder)), None)
    if pulled is None and not is_reference(subject):
        raise modelreg.NotFoundError(
            f"{subject!r} was not pulled by modelreg, so there is nothing to check it against",
            hint=f"modelreg inspect {subject}",
        )
    return pulled


def is_reference(text: str) -> bool:
    """Whether ``text`` has the form of a reference."""
    try:
        modelreg.parse_reference(text)
    except modelreg.UsageError:
        return False
    return True
