"""Digests of values: the same however the bytes are stored, bounded, and with what is not finite counted."""

from __future__ import annotations

import io

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelreg.facts import Extent
from modelreg.inspect import limits
from modelreg.inspect.values import NOTHING, Values, stored_size_bytes

FLOATS = ["float16", "float32", "float64", "complex64", "complex128"]
NUMBERS = ["bool", "int8", "uint16", "int32", "uint64", *FLOATS]


def values_of(budget_bytes: int = 1 << 30) -> Values:
    return Values(budget_bytes)


def stored(array: np.ndarray, *, swapped: bool = False, values: Values | None = None) -> tuple[str | None, int]:
    data = (array.byteswap() if swapped else array).tobytes()
    stream = io.BytesIO(b"????" + data)
    extents = (Extent(4, len(data)),) if data else ()
    taker = values or values_of()
    return taker.stored(stream, extents, array.shape, array.dtype.name, swapped=swapped)


@given(
    st.sampled_from(NUMBERS).flatmap(lambda name: hnp.arrays(np.dtype(name).newbyteorder("<"), hnp.array_shapes())),
    st.booleans(),
)
def test_a_digest_is_over_little_endian_values_and_the_count_is_numpys(array: np.ndarray, swapped: bool) -> None:
    """In either byte order; NaN and infinities are counted as ``isfinite`` does, a complex value once."""
    digest, nonfinite = stored(array, swapped=swapped)
    assert digest == blake3(array.tobytes()).hexdigest()
    assert nonfinite == (np.count_nonzero(~np.isfinite(array)) if array.dtype.name in FLOATS else 0)


def test_bfloat16_is_counted_by_its_own_exponent() -> None:
    """0x7F80 is an infinity, 0x7FC0 NaN, 0x7F7F the largest number; as half floats all three were something else."""
    bits = np.array([0x7F80, 0xFF80, 0x7FC0, 0x7F7F, 0x0001, 0x7C00], "<u2").tobytes()
    assert values_of().stored(io.BytesIO(bits), (Extent(0, 12),), (6,), "bfloat16").nonfinite == 3


def test_tensors_larger_than_a_block_have_the_digest_of_the_whole() -> None:
    """Blocks are how values are read, not what is hashed."""
    array = np.arange(3 * limits.VALUES_BLOCK_SIZE_BYTES // 4 + 7, dtype="<f4")
    array[[5, limits.VALUES_BLOCK_SIZE_BYTES // 4 - 1, limits.VALUES_BLOCK_SIZE_BYTES // 4 + 9, -1]] = np.nan
    assert stored(array) == (blake3(array.tobytes()).hexdigest(), 4)
    assert stored(array, swapped=True) == (blake3(array.tobytes()).hexdigest(), 4)


def test_a_complex_value_counts_once_whichever_part_is_not_finite() -> None:
    """Real, imaginary, both, neither."""
    array = np.array([complex(np.nan, 0), complex(0, np.inf), complex(np.nan, np.nan), 1 + 1j], "<c8")
    assert stored(array)[1] == 3


@pytest.mark.parametrize(
    ("shape", "dtype", "size"),
    [((3,), "float32", 16), ((3,), "float32", 8), ((3, -1), "float32", 12), ((3,), "string", 3), ((), "float64", 4)],
    ids=["too long", "too short", "a dimension unknown", "no numbers", "half a value"],
)
def test_what_is_stored_must_be_what_the_shape_takes(shape: tuple[int, ...], dtype: str, size: int) -> None:
    """Otherwise there is no digest, rather than one over something else."""
    assert values_of().stored(io.BytesIO(bytes(64)), (Extent(0, size),), shape, dtype) == NOTHING


@pytest.mark.parametrize("dtype", ["complex64", "float32", "bfloat16"])
def test_places_that_cut_a_value_in_two_give_no_digest(dtype: str) -> None:
    """As a damaged file can have them: nothing raises."""
    size = stored_size_bytes((2,), dtype) or 0
    extents = (Extent(0, 1), Extent(10, size - 1))
    assert values_of().stored(io.BytesIO(bytes(64)), extents, (2,), dtype) == NOTHING


def test_a_stream_that_ends_early_gives_no_digest() -> None:
    """A place beyond the end of the file."""
    assert values_of().stored(io.BytesIO(bytes(7)), (Extent(0, 8),), (2,), "float32") == NOTHING


def test_the_budget_bounds_what_all_tensors_together_read() -> None:
    """Of three tensors of 400 bytes, 1,000 bytes pay for two, and a declared terabyte is not begun."""
    taker = values_of(1_000)
    arrays = [np.full(100, number, "<f4") for number in range(3)]
    assert [stored(array, values=taker)[0] is None for array in arrays] == [False, False, True]

    blocks = iter([memoryview(b"never read")])
    assert values_of(1_000).computed(blocks, (1 << 40,), "uint8") == NOTHING
    assert len(list(blocks)) == 1


def test_tensors_that_share_their_bytes_are_read_once() -> None:
    """TensorFlow Lite shares equal buffers; the second digest costs nothing of the budget."""
    stream, taker = io.BytesIO(bytes(400)), values_of(400)
    first, second = (taker.stored(stream, (Extent(0, 400),), (100,), "float32") for _ in range(2))
    assert first == second != NOTHING
    assert taker.stored(io.BytesIO(bytes(400)), (Extent(0, 400),), (100,), "float32") == NOTHING


@pytest.mark.parametrize(("dtype", "size"), [("int4", 3), ("int2", 2), ("bfloat16", 10), ("string", None)])
def test_packed_types_take_what_they_are_packed_into(dtype: str, size: int | None) -> None:
    """Five values of four bits are three bytes."""
    assert stored_size_bytes((5,), dtype) == size
