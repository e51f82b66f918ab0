"""What may go to a terminal: text without control characters, and colour where it is wanted.

Names, layers and messages come from files that anybody may have written.  Invariant: nothing that is not printable
passes ``escaped``, so no file can move the cursor, set a title or turn the direction of reading.
"""

from __future__ import annotations

import enum
import os
from typing import TextIO


class Style(enum.StrEnum):
    """ANSI SGR parameters."""

    BOLD = "1"
    DIM = "2"
    RED = "1;31"
    YELLOW = "1;33"
    GREEN = "32"
    CYAN = "36"


def escaped(text: str) -> str:
    r"""``text`` with each character that Unicode calls not printable written as ``\n``, ``\x1b`` or ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person sees ``stream``."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def wants_colour(stream: TextIO | None) -> bool:
    """``NO_COLOR`` (no-color.org) beats ``FORCE_COLOR`` (force-color.org), which beats what the stream is."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def painted(text: str, style: Style, *, colour: bool) -> str:
    """``text``, in ``style`` if ``colour``."""
    return f"\x1b[{style.value}m{text}\x1b[0m" if colour else text
