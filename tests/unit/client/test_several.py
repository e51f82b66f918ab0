"""Many files at once: in order, bounded, and none begun after one has failed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.client.several import SEVERAL, at_once, each_blob
from modelreg.digest import CHUNK_SIZE_BYTES_USUAL
from modelreg.store.memory import MemoryStore

LARGE_BYTES = CHUNK_SIZE_BYTES_USUAL + 1
sizes_bytes = st.lists(st.sampled_from([0, 1, CHUNK_SIZE_BYTES_USUAL, LARGE_BYTES]), max_size=3 * SEVERAL)


@given(sizes_bytes)
def test_results_come_in_the_order_of_what_was_given(sizes: list[int]) -> None:
    """Each once, whichever way it was done."""
    numbered = list(enumerate(sizes))
    assert each_blob(MemoryStore(), lambda one: one, numbered, lambda one: one[1]) == numbered


def test_a_large_file_has_the_machine_for_itself() -> None:
    """Its own work takes every core, and memory."""
    lock, running = threading.Lock(), set[int]()

    def work(one: tuple[int, int]) -> None:
        with lock:
            running.add(one[0])
            alone = len(running) == 1
        assert alone or one[1] < LARGE_BYTES
        with lock:
            running.discard(one[0])

    each_blob(MemoryStore(), work, [(n, LARGE_BYTES if n % 3 else 1) for n in range(6 * SEVERAL)], lambda one: one[1])


def test_many_small_files_are_done_at_once() -> None:
    """Two of them can wait for each other."""
    both = threading.Barrier(2, timeout=60)
    each_blob(MemoryStore(), lambda _: both.wait(), [1] * SEVERAL, lambda size: size)


def test_a_few_files_are_done_where_they_are_asked_for() -> None:
    """No thread is begun for what ends sooner without: an interrupt arrives where the work is."""
    here = threading.get_ident()
    assert set(each_blob(MemoryStore(), lambda _: threading.get_ident(), [1] * (SEVERAL - 1), lambda n: n)) == {here}


def test_nothing_is_begun_after_a_failure_and_nothing_runs_on() -> None:
    """What was begun has ended when the error arrives, so that it can be given up in peace."""
    begun: list[int] = []
    lock, running = threading.Lock(), set[int]()

    def work(number: int) -> None:
        with lock:
            begun.append(number)
            running.add(number)
        if number == 3:
            with lock:
                running.discard(number)
            raise OSError("the disk is full")
        threading.Event().wait(0.01)
        with lock:
            running.discard(number)

    with pytest.raises(OSError, match="the disk is full"):
        each_blob(MemoryStore(), work, range(1000), lambda _: 1)
    assert not running
    assert len(begun) < 100


def test_memory_does_not_grow_with_what_is_given() -> None:
    """Only a few results wait to be taken."""
    taken = 0

    def count() -> Iterator[int]:
        nonlocal taken
        for number in range(10_000):
            taken += 1
            yield number

    with contextlib.closing(at_once(MemoryStore(), str, count())) as made:
        assert next(made) == "0"
        assert taken < 200
