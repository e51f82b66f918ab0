"""Samples: the same numbers for ever, within what an input takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.replay.standalone.sampling import batch_size, draw, samples, values
from modelreg.replay.standalone.trouble import Trouble


def splitmix64(seed: int, count: int) -> list[int]:
    """The published algorithm in Python's own integers."""
    numbers, mask = [], 2**64 - 1
    for _ in range(count):
        seed = (seed + 0x9E3779B97F4A7C15) & mask
        mixed = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & mask
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & mask
        numbers.append(mixed ^ (mixed >> 31))
    return numbers


@given(seed=st.integers(0, 2**53 - 1), position=st.integers(0, 100), count=st.integers(0, 50))
def test_the_stream_is_splitmix64(seed: int, position: int, count: int) -> None:
    """Claim: any part of the stream is what the algorithm says, in integers that NumPy cannot round."""
    assert draw(seed, position, count).tolist() == splitmix64(seed, position + count)[position:]


def test_the_first_numbers_of_seed_0_are_the_published_ones() -> None:
    """Claim: e220a839..., 6e789e6a..., 06c45d18... as every implementation of SplitMix64 gives for seed 0."""
    assert [f"{number:016x}" for number in draw(0, 0, 3).tolist()] == [
        "e220a8397b1dcdaf",
        "6e789e6aa1b965f4",
        "06c45d188009454f",
    ]


def making(**changes: Any) -> dict[str, Any]:
    return {"samples": 3, "seed": 7, "hints": {}, "size_bytes_max": 2**20, **changes}


def spec(*shape: int | None, dtype: str = "float32", name: str = "x") -> dict[str, Any]:
    return {"name": name, "shape": list(shape), "dtype": dtype}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
def test_floats_fill_the_interval(dtype: str) -> None:
    """Claim: floats lie in [-1, 1], on both sides of 0, and are not all alike."""
    (array,) = samples([spec(None, 1000, dtype=dtype)], making(), (8, 32))
    assert array.shape == (3, 1000)
    assert -1 <= array.min() < -0.9
    assert 0.9 < array.max() <= 1
    assert len(np.unique(array)) > 500


@given(below=st.integers(1, 1000), dtype=st.sampled_from(["int32", "int64", "float32"]))
def test_integers_stay_below_their_table_s_size(below: int, dtype: str) -> None:
    """Claim: no sample looks up a row that a table does not have, and they are whole numbers in any dtype."""
    (array,) = samples([spec(None, 200, dtype=dtype)], making(hints={"": {"below": below}}), (8, 32))
    assert array.dtype == dtype
    assert array.min() >= 0
    assert array.max() < below
    assert (array == array.astype(np.int64)).all()


def test_integers_without_a_hint_are_0_and_1() -> None:
    """Claim: what every table has."""
    assert set(values(draw(0, 0, 100), "int32", {}).tolist()) == {0, 1}
    assert values(draw(0, 0, 100), "bool", {}).dtype == bool


def test_strings_are_words_of_the_vocabulary_where_it_is_told() -> None:
    """Claim: hinted words, else words of our own."""
    assert set(values(draw(0, 0, 100), "string", {"words": ["yes", "no"]}).tolist()) == {b"yes", b"no"}
    assert b"alpha" in values(draw(0, 0, 100), "string", {}).tolist()


def test_open_dimensions_get_a_stated_size() -> None:
    """Claim: 8 of a sequence, 32 of an image; the first dimension is the number of samples."""
    sequence, image = samples([spec(None, None, 3), spec(None, None, None, 3, name="y")], making(), (8, 32))
    assert (sequence.shape, image.shape) == ((3, 8, 3), (3, 32, 32, 3))


def test_a_fixed_batch_is_filled() -> None:
    """Claim: 3 samples of a model that takes 2 at once are 4, predicted 2 at once, for every input."""
    specs = [spec(2, 5), spec(2, 1, name="y")]
    assert [array.shape[0] for array in samples(specs, making(), (8, 32))] == [4, 4]
    assert (batch_size(specs, 4), batch_size([spec(None, 5)], 4), batch_size([spec(None, 5)], 100)) == (2, 4, 32)


def test_inputs_do_not_repeat_each_other() -> None:
    """Claim: two inputs of one shape get different numbers of one stream."""
    first, second = samples([spec(None, 9), spec(None, 9, name="y")], making(), (8, 32))
    assert not np.intersect1d(first, second).size


def test_a_shape_beyond_the_bound_takes_no_memory() -> None:
    """Claim: a hostile shape is told, not allocated."""
    with pytest.raises(Trouble, match="fewer samples"):
        samples([spec(None, 2**40, 2**40)], making(), (8, 32))
