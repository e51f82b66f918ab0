"""Base64 as documents hold it: one text for one byte string."""

from __future__ import annotations

import base64

from modelreg.errors import DocumentError


def to_base64(data: bytes) -> str:
    """``data`` in the standard alphabet, padded."""
    return base64.b64encode(data).decode("ascii")


def from_base64(text: str, what: str) -> bytes:
    """The bytes of padded base64 in either alphabet (RFC 4648, 4 and 5), in the one form that they have there.

    Raises ``DocumentError``, also for line breaks and for bits behind the last byte that are not zero.
    """
    alphabet = b"-_" if "-" in text or "_" in text else b"+/"
    try:
        data = base64.b64decode(text, altchars=alphabet, validate=True)
    except ValueError:
        raise DocumentError(f"{what} is no base64 text") from None
    if base64.b64encode(data, altchars=alphabet).decode("ascii") != text:
        raise DocumentError(f"{what} is no base64 text in its one form")
    return data
