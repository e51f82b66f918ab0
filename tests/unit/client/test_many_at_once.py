"""Many blobs at once: in order, small ones by the page, large ones by themselves, and nothing more than was asked for."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.client.several import PAGE, SMALL_SIZE_BYTES_MAX, _pages, many_at_once
from modelreg.store.memory import MemoryStore

SIZES = st.lists(st.sampled_from([0, SMALL_SIZE_BYTES_MAX, SMALL_SIZE_BYTES_MAX + 1]), max_size=200)


@given(SIZES)
def test_what_is_made_comes_in_order(sizes: list[int]) -> None:
    """Claim: whatever the sizes are, each is done once and the results are in the order of what was given."""
    given_ = list(enumerate(sizes))
    made = many_at_once(MemoryStore(), lambda one: one, given_, lambda one: one[1])
    assert list(made) == given_


@given(SIZES)
def test_a_large_blob_is_a_page_by_itself(sizes: list[int]) -> None:
    """Claim: a page holds so many small ones at most, and no large one beside another."""
    pages = list(_pages(sizes, PAGE, lambda size: size))
    assert [size for page in pages for size in page] == sizes
    assert all(len(page) <= PAGE for page in pages)
    assert all(len(page) == 1 for page in pages if max(page, default=0) > SMALL_SIZE_BYTES_MAX)


def test_an_error_is_raised_and_ends_the_work() -> None:
    """Claim: what one raises is raised, and no thread is left."""

    def work(number: int) -> int:
        if number == 300:
            raise ValueError("three hundred")
        return number

    before = threading.active_count()
    with pytest.raises(ValueError, match="three hundred"):
        list(many_at_once(MemoryStore(), work, range(10_000), lambda _: 0))
    assert threading.active_count() == before
