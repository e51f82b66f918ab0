"""What must not be shown: passwords and secrets in URLs, and the same words in whatever a driver says."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PASSWORD = re.compile(r"(?P<head>\w[\w+.-]*://[^:/@?#\s]*:)(?![0-9]+(/|$))\S*(?=@)")
_SECRET = re.compile(
    r"(?P<head>[?&;][^=&;\s]*(pass|pwd|secret|token|key|sig|credential)[^=&;\s]*=)[^&;#\s]*", re.IGNORECASE
)
MASK = "***"


def masked(url: str) -> str:
    """``url`` with ``***`` for the password and for each secret of its query, fit to be shown or logged.

    A password reaches to the last ``@``, since one with an unescaped ``@``, ``/``, ``?`` or ``#`` must not show either.
    """
    return _SECRET.sub(rf"\g<head>{MASK}", _PASSWORD.sub(rf"\g<head>{MASK}", url))


def without(text: str, secrets: Iterable[str]) -> str:
    """``text`` with ``***`` for each of ``secrets``; the longest first, since one may be part of another."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
