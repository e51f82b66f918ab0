"""Comparison: what counts as another number, and where the worst one is said to be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.replay.standalone.comparing import compare, matched
from modelreg.replay.standalone.trouble import Trouble

FLOATS = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20)


@given(numbers=FLOATS)
def test_an_output_agrees_with_itself_at_no_tolerance(numbers: list[float]) -> None:
    """Claim: equal numbers are never beyond a tolerance, not even of 0."""
    array = np.array([numbers], dtype=np.float32)
    assert compare("y", array, array.copy(), 0.0)["beyond"] == 0


@given(numbers=FLOATS, factor=st.sampled_from([1e-30, 1e-6, 1.0, 1e6, 1e30]), off=st.sampled_from([1e-6, 1e-2]))
def test_the_unit_of_an_output_does_not_matter(numbers: list[float], factor: float, off: float) -> None:
    """Claim: an output in millimetres is judged as the same output in kilometres is."""
    expected = np.array([numbers], dtype=np.float64) + 1.0
    actual = expected * (1 + off)
    here, there = (compare("y", expected * unit, actual * unit, 1e-4)["beyond"] for unit in (1.0, factor))
    assert here == there


def test_the_worst_value_is_named_with_its_place() -> None:
    """Claim: index, both values, and the difference as it is and in units of its column's scale."""
    expected = np.array([[1.0, 200.0], [2.0, 100.0]], dtype=np.float32)
    actual = np.array([[1.0, 200.0], [2.5, 101.0]], dtype=np.float32)
    report = compare("y", expected, actual, 1e-2)
    assert (report["index"], report["expected"], report["actual"]) == ([1, 0], "2", "2.5")
    assert (report["worst_absolute"], report["worst_relative"], report["beyond"]) == ("0.5", "0.25", 1)


def test_a_small_column_beside_a_large_one_is_not_overlooked() -> None:
    """Claim: a probability that changed stands out, though the other column is a hundred times larger."""
    expected = np.array([[0.9, 90.0], [0.1, 40.0]])
    actual = np.array([[0.91, 90.0], [0.1, 40.0]])
    assert compare("y", expected, actual, 1e-3)["beyond"] == 1


def test_noise_in_a_column_of_zeros_is_no_difference() -> None:
    """Claim: a column that is 0 is judged by a hundredth of the output's largest value, not by nothing at all."""
    expected = np.array([[0.0, 1.0], [0.0, 0.5]])
    assert compare("y", expected, expected + 1e-8, 1e-4)["beyond"] == 0
    assert compare("y", expected, expected + 1e-5, 1e-4)["beyond"] == 2


@pytest.mark.parametrize(
    ("expected", "actual", "beyond"),
    [
        ([np.nan, 1.0], [np.nan, 1.0], 0),
        ([np.inf, 1.0], [np.inf, 1.0], 0),
        ([np.inf, 1.0], [-np.inf, 1.0], 1),
        ([1.0, 1.0], [np.nan, 1.0], 1),
        ([np.nan, 1.0], [1.0, 1.0], 1),
        ([1.0, 1.0], [np.inf, 1.0], 1),
        ([np.nan, np.nan], [np.nan, np.nan], 0),
        ([0.0, 0.0], [0.0, 1e-30], 1),
    ],
)
def test_what_is_not_finite_must_be_the_same(expected: list[float], actual: list[float], beyond: int) -> None:
    """Claim: not-a-number equals itself and nothing else, an infinity only the same infinity."""
    report = compare("y", np.array([expected]), np.array([actual]), 1e-4)
    assert report["beyond"] == beyond
    assert all(isinstance(report[key], str) for key in ("worst_absolute", "worst_relative", "expected", "actual"))


@pytest.mark.parametrize(
    ("expected", "actual", "beyond"),
    [
        (np.array([1, 2]), np.array([1, 2]), 0),
        (np.array([100, 2]), np.array([101, 2]), 1),
        (np.array([True]), np.array([False]), 1),
        (np.array([b"cat", b"dog"]), np.array([b"cat", b"doge"]), 1),
        (np.array([1.0]), np.array([b"1.0"]), 1),
    ],
)
def test_everything_but_floats_must_be_equal(expected: object, actual: object, beyond: int) -> None:
    """Claim: a class number one off is another class, however small the difference looks."""
    assert compare("y", expected, actual, 0.5)["beyond"] == beyond


def test_another_shape_is_a_difference_of_every_value() -> None:
    """Claim: no broadcasting hides an output of another shape."""
    report = compare("y", np.zeros((2, 1)), np.zeros((2, 3)), 1.0)
    assert (report["beyond"], report["expected"], report["actual"]) == (2, "shape (2, 1)", "shape (2, 3)")


def test_names_are_matched_by_name_and_else_by_order() -> None:
    """Claim: the same names find each other in any order, other names by place, another number of them is trouble."""
    assert matched(["a", "b"], ["b", "a"], "outputs") == ["a", "b"]
    assert matched(["a", "b"], ["x", "y"], "outputs") == ["x", "y"]
    with pytest.raises(Trouble, match="2 outputs here; it had 1"):
        matched(["a"], ["x", "y"], "outputs")
