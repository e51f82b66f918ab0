"""Small files: read up to their bound, and what is wrong with one is told by what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelreg.errors import DocumentError, NotFoundError, SigningError
from modelreg.files import read_bounded


def test_a_file_within_its_bound_is_read(tmp_path: Path) -> None:
    """Claim: also one of exactly that length, and none more."""
    path = tmp_path / "note"
    for data in (b"", b"1234", b"12345"):
        path.write_bytes(data)
        assert read_bounded(path, 5, "note") == data
    path.write_bytes(b"123456")
    with pytest.raises(DocumentError, match=r"the note .*note' is longer than the 5 bytes that one can have"):
        read_bounded(path, 5, "note", error=SigningError)


def test_endless_data_are_not_read_to_their_end() -> None:
    """Claim: a device that never ends is longer than the bound, and is found to be so at once."""
    with pytest.raises(DocumentError, match="is longer than"):
        read_bounded(Path("/dev/zero"), 1000, "note")


def test_what_is_not_there_and_what_cannot_be_read_are_told_apart(tmp_path: Path) -> None:
    """Claim: the first with what to do, the second as the caller's own kind of error."""
    with pytest.raises(NotFoundError, match="there is no note") as caught:
        read_bounded(tmp_path / "gone", 5, "note", hint="write one")
    assert caught.value.hint == "write one"
    with pytest.raises(SigningError, match=r"the note .* cannot be read: Is a directory"):
        read_bounded(tmp_path, 5, "note", error=SigningError)
    with pytest.raises(DocumentError, match="cannot be read"):
        read_bounded(tmp_path, 5, "note")
