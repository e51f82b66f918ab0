"""Read-only views of bytes."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.inspect.source import SourceFile, descriptor_stream, unread, window


@given(st.binary(max_size=200), st.integers(0, 220), st.integers(0, 220), st.integers(0, 250), st.integers(0, 250))
def test_a_window_is_the_slice_that_it_says(data: bytes, offset: int, size: int, start: int, length: int) -> None:
    """Reading anywhere in it gives the bytes of the slice, and none behind its end."""
    stream = window(io.BytesIO(data), offset, size)
    stream.seek(start)
    assert stream.read(length) == data[offset : offset + size][start : start + length]


def test_a_descriptors_own_position_is_left_alone(tmp_path: Path) -> None:
    """The parent, which shares it, may be reading at the same time."""
    path = tmp_path / "x"
    path.write_bytes(bytes(range(200)))
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.lseek(descriptor, 7, os.SEEK_SET)
        file = SourceFile("x", 200, descriptor_stream(descriptor, 200))
        assert file.read_at(100, 3) == b"def"
        assert file.read_at(198, 10) == bytes([198, 199])
        assert file.read_at(500, 10) == b""
        assert os.lseek(descriptor, 0, os.SEEK_CUR) == 7
    finally:
        os.close(descriptor)


def test_a_file_that_was_not_sent_cannot_be_read() -> None:
    """Reading it is an error of the reader's, not an empty file."""
    with pytest.raises(io.UnsupportedOperation):
        unread().read(1)


def test_seeking_before_the_beginning_is_an_error() -> None:
    """As for any file."""
    with pytest.raises(OSError, match="before the beginning"):
        window(io.BytesIO(b"abc"), 0, 3).seek(-1)
