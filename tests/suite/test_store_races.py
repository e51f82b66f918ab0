"""The store's promises to several writers and readers at once, over every adapter."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from modelreg.errors import BlobMissingError
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
