"""Digests: the chunk size of every file size, and a BlobDigest that cannot be inconsistent."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelreg.digest import (
    CHUNK_SIZE_BYTES_MIN,
    CHUNK_SIZE_BYTES_USUAL,
    CHUNKS_MAX,
    CHUNKS_WANTED,
    BlobDigest,
    chunk_size_for,
    is_sha256,
)
from modelreg.errors import DocumentError

SIZES = st.integers(0, 2**45)
ZEROS = "0" * 64


@given(SIZES)
@example(0)
@example(CHUNK_SIZE_BYTES_USUAL * CHUNKS_MAX)
@example(CHUNK_SIZE_BYTES_USUAL * CHUNKS_MAX + 1)
def test_chunks_are_a_power_of_two_and_at_most_4096(size_bytes: int) -> None:
    """Claim: from 4 KiB on, never more than 4,096 chunks, at most 128 while a chunk is below 8 MiB."""
    chunk = chunk_size_for(size_bytes)
    count = -(-size_bytes // chunk)
    assert chunk >= CHUNK_SIZE_BYTES_MIN
    assert chunk.bit_count() == 1
    assert count <= CHUNKS_MAX
    assert count <= CHUNKS_WANTED or chunk >= CHUNK_SIZE_BYTES_USUAL


@given(SIZES)
def test_a_chunk_is_no_larger_than_its_bound_demands(size_bytes: int) -> None:
    """Claim: halving the chunk size would break one of the two bounds, so corruption is told as finely as promised."""
    chunk = chunk_size_for(size_bytes)
    if chunk > CHUNK_SIZE_BYTES_USUAL:
        assert chunk // 2 * CHUNKS_MAX < size_bytes
    elif chunk > CHUNK_SIZE_BYTES_MIN:
        assert chunk // 2 * CHUNKS_WANTED < size_bytes


@given(st.integers(1, 10**7), st.integers(12, 23))
def test_chunk_extents_tile_the_file(size_bytes: int, exponent: int) -> None:
    """Claim: the extents follow each other without gap or overlap and end at the file's end."""
    chunk = 2**exponent
    digest = BlobDigest(size_bytes, ZEROS, chunk, (ZEROS,) * -(-size_bytes // chunk))
    end = 0
    for index in range(len(digest.chunks)):
        offset, length = digest.chunk_extent(index)
        assert offset == end
        assert 1 <= length <= chunk
        end = offset + length
    assert end == size_bytes


@pytest.mark.parametrize(
    "arguments",
    [
        (-1, ZEROS, 4096, ()),
        (1, ZEROS, 4096, ()),
        (0, ZEROS, 4096, (ZEROS,)),
        (4097, ZEROS, 4096, (ZEROS,)),
        (1, ZEROS, 2048, (ZEROS,)),
        (1, ZEROS, 5000, (ZEROS,)),
        (1, ZEROS, 0, (ZEROS,)),
        (1, ZEROS, -4096, (ZEROS,)),
        (1, ZEROS[1:], 4096, (ZEROS,)),
        (1, ZEROS, 4096, ("G" * 64,)),
        (1, "A" * 64, 4096, (ZEROS,)),
    ],
)
def test_an_inconsistent_digest_cannot_be_built(arguments: tuple[int, str, int, tuple[str, ...]]) -> None:
    """Claim: sizes, counts and digests that contradict each other are a DocumentError."""
    with pytest.raises(DocumentError):
        BlobDigest(*arguments)


@given(st.text(max_size=70) | st.from_regex(r"[0-9a-f]{63,65}", fullmatch=True))
def test_a_sha256_is_64_lowercase_hex_digits(text: str) -> None:
    """Claim: nothing else, in particular no trailing newline and no upper case."""
    assert is_sha256(text) == (len(text) == 64 and set(text) <= set("0123456789abcdef"))
