"""The store's promises to several writers, readers and sweeps at once, over every adapter."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from modelreg.errors import BlobMissingError, ConflictError
from modelreg.store.base import BlobInfo, Store

MIB = 1024 * 1024

Factory = Callable[[], Store]
Source = Callable[[bytes], int]


def read_whole(store: Store, sha256: str) -> bytes:
    blob = store.open(sha256)
    try:
        view = memoryview(bytearray(blob.size_bytes))
        return bytes(view[: blob.read_into(view, 0)])
    finally:
        blob.close()


def test_many_writers_of_the_same_bytes_leave_one_blob(store_factory: Factory, source: Source) -> None:
    """Claim: racing publishes of one blob all succeed, and a reader never sees part of it."""
    data = random.Random(1).randbytes(2 * MIB)
    sha256, done = hashlib.sha256(data).hexdigest(), threading.Event()
    seen: list[bool] = []

    def write(_: int) -> None:
        store = store_factory()
        with store.writing():
            blob = store.stage(source(data), len(data))
            blob.publish()
            blob.close()

    def watch() -> None:
        store = store_factory()
        while not done.is_set():
            try:
                seen.append(read_whole(store, sha256) == data)
            except BlobMissingError:
                continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(12)))
    done.set()
    watcher.join(30)
    assert set(seen) <= {True}
    assert list(store_factory().blobs()) == [BlobInfo(sha256, len(data))]


def test_writing_and_sweeping_exclude_each_other(store_factory: Factory) -> None:
    """Claim: a sweep is refused with ConflictError while any push writes, pushes do not exclude each other."""
    first, second = store_factory(), store_factory()
    with first.writing(), second.writing(), pytest.raises(ConflictError), second.sweeping():
        pytest.fail("a sweep began while a push was writing")
    with second.sweeping(), pytest.raises(ConflictError), first.sweeping():
        pytest.fail("two sweeps at once")
    with second.sweeping():
        pass


def test_a_push_never_writes_while_a_sweep_is_at_work(store_factory: Factory, source: Source) -> None:
    """Claim: a push that comes during a sweep waits for its end or is refused; it never writes under it."""
    sweeping, release, order = threading.Event(), threading.Event(), list[str]()

    def sweep() -> None:
        with store_factory().sweeping():
            sweeping.set()
            release.wait(30)
            order.append("swept")

    def push() -> None:
        store = store_factory()
        try:
            with store.writing():
                order.append("wrote")
        except ConflictError:
            order.append("refused")

    threads = [threading.Thread(target=sweep), threading.Thread(target=push)]
    threads[0].start()
    assert sweeping.wait(30)
    threads[1].start()
    threads[1].join(0.2)
    release.set()
    for thread in threads:
        thread.join(30)
    assert order in (["swept", "wrote"], ["refused", "swept"])


def test_a_failed_sweep_or_push_gives_the_store_back(store: Store) -> None:
    """Claim: an exception inside writing or sweeping releases it."""
    for hold in (store.writing, store.sweeping):
        with pytest.raises(KeyboardInterrupt), hold():
            raise KeyboardInterrupt
    with store.sweeping():
        pass
