"""Several blobs at once: as many as suit the store that they lie in, and a large one by itself."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from modelreg.digest import CHUNK_SIZE_BYTES_USUAL
from modelreg.digest.streams import RANGES_AT_ONCE
from modelreg.parallel import Pool
from modelreg.store.base import Store

Given = TypeVar("Given")
Made = TypeVar("Made")

PAGE = 64
SMALL_SIZE_BYTES_MAX = 64 * 1024
"""Larger ones are a page by themselves: some pages wait to be taken, and memory holds them all."""
SEVERAL = 8
"""So many files are done sooner by threads than one after another, on a disk; over a network two are."""


def at_once(store: Store, work: Callable[[Given], Made], given: Iterable[Given]) -> Generator[Made, None, None]:
    """``work`` done on each of ``given`` by several threads, as many as suit the store; results in order.

    Never more than a few results wait to be taken, so that memory does not grow with the registry.
    """
    count = RANGES_AT_ONCE if store.properties.is_remote else os.cpu_count() or 1
    source = iter(given)
    with Pool(count, "blob") as pool:
        waiting = [pool.submit(work, one) for one in islice(source, 4 * count)]
        while waiting:
            made = pool.result(waiting.pop(0))
            waiting += [pool.submit(work, one) for one in islice(source, 1)]
            yield made


def many_at_once(
    store: Store, work: Callable[[Given], Made], given: Iterable[Given], size_bytes: Callable[[Given], int]
) -> Generator[Made, None, None]:
    """The same of many blobs: from a disk a thread takes a page of small ones, which are read faster than given out."""
    pages = _pages(given, 1 if store.properties.is_remote else PAGE, size_bytes)
    with contextlib.closing(at_once(store, lambda page: [work(one) for one in page], pages)) as found:
        for made in found:
            yield from made


def _pages(given: Iterable[Given], length: int, size_bytes: Callable[[Given], int]) -> Iterator[list[Given]]:
    page: list[Given] = []
    for one in given:
        if size_bytes(one) > SMALL_SIZE_BYTES_MAX:
            yield from (page, [one])  # in order
            page = []
            continue
        page.append(one)
        if len(page) == length:
            yield page
            page = []
    yield page


def each_blob(
    store: Store, work: Callable[[Given], Made], given: Sequence[Given], size_bytes: Callable[[Given], int]
) -> list[Made]:
    """``work`` done on each of ``given``, small ones at once; a large one keeps every core busy by itself.

    Results in the order of ``given``.  When one raises, none is begun after it, and this waits for those that were.
    """
    small = [number for number, one in enumerate(given) if size_bytes(one) <= CHUNK_SIZE_BYTES_USUAL]
    several = 2 if store.properties.is_remote else SEVERAL
    threads = at_once if len(small) >= several else _one_by_one
    made = dict(zip(small, threads(store, work, [given[number] for number in small]), strict=True))
    return [made[number] if number in made else work(one) for number, one in enumerate(given)]


def _one_by_one(_: Store, work: Callable[[Given], Made], given: Iterable[Given]) -> Iterator[Made]:
    return map(work, given)
