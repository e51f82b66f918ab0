"""Base64 in documents: both alphabets, one text for each byte string."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.errors import DocumentError
from modelreg.trust.base64_text import from_base64, to_base64


@given(st.binary(max_size=50))
def test_bytes_survive(data: bytes) -> None:
    """Claim: what is written is read back."""
    assert from_base64(to_base64(data), "it") == data


@given(st.text(alphabet="AQgwz09+/-_=\n ", max_size=9) | st.text(max_size=9))
def test_a_text_is_the_one_form_of_its_bytes_or_refused(text: str) -> None:
    """Claim: two texts in one alphabet never stand for the same bytes."""
    try:
        data = from_base64(text, "it")
    except DocumentError:
        return
    assert to_base64(data) == text.translate(str.maketrans("-_", "+/"))


def test_base64_of_both_alphabets_is_read() -> None:
    """Claim: the URL-safe alphabet gives the same bytes, as the protocol demands."""
    assert from_base64("-_-_", "it") == from_base64("+/+/", "it") == b"\xfb\xff\xbf"
    assert from_base64("-w==", "it") == b"\xfb"
    assert from_base64("_w==", "it") == b"\xff"


@pytest.mark.parametrize("text", ["A", "AA", "AA=", "AA==\n", " AA==", "AB==", "A*==", "+_==", "AA==AA==", "\u00e9"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    """Claim: no missing padding, white space, mixed alphabets, or bits behind the end."""
    with pytest.raises(DocumentError, match="the thing is no base64"):
        from_base64(text, "the thing")
