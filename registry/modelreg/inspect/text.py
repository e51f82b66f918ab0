"""Makes names and messages that came out of hostile bytes fit for facts."""

from __future__ import annotations

from modelreg.inspect import limits


def plain(text: str) -> str:
    """``text`` as valid Unicode of bounded length: lone surrogates become ``?``, what is too long is cut.

    Facts are written as canonical JSON, which has no place for lone surrogates.
    """
    if len(text) > limits.TEXT_LENGTH_MAX:
        text = text[: limits.TEXT_LENGTH_MAX - 1] + "…"
    return text.encode("utf-8", "replace").decode("utf-8")
