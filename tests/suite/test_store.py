"""The promises of ``modelreg.store.base``, over every adapter.

python -m pytest tests/suite/test_store.py --store my_package.my_tests:MyAdapter
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from modelreg.digest import chunk_size_for
from modelreg.digest.streams import Descriptor, SizeChangedError
from modelreg.errors import BlobMissingError, StoreError
from modelreg.store.base import BlobInfo, StagedBlob, Store
from modelreg.store.memory import MemoryStore

MIB = 1024 * 1024
SIZES = (0, 1, 4095, 4096, 4097, MIB - 1, MIB, MIB + 1, 9 * MIB)

Factory = Callable[[], Store]
Source = Callable[[bytes], int]


def noise(size_bytes: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size_bytes)


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def read_whole(store: Store, sha256: str) -> bytes:
    blob = store.open(sha256)
    try:
        view = memoryview(bytearray(blob.size_bytes))
        assert blob.read_into(view, 0) == blob.size_bytes
        return bytes(view)
    finally:
        blob.close()


@pytest.fixture
def stage(store: Store, source: Source) -> Iterator[Callable[[bytes], StagedBlob]]:
    staged: list[StagedBlob] = []

    def make(data: bytes) -> StagedBlob:
        blob = store.stage(source(data), len(data))
        staged.append(blob)
        return blob

    yield make
    for blob in staged:
        blob.close()


Stage = Callable[[bytes], StagedBlob]


def test_a_blob_of_elsewhere_is_staged_as_a_file_is(store: Store, source: Callable[[bytes], int]) -> None:
    """Claim: another store's blob is copied, hashed and published like a file; one of another size is told."""
    data = noise(3 * MIB + 5)
    elsewhere = MemoryStore()
    sha256 = elsewhere.put(data)
    with contextlib.closing(store.stage(elsewhere.open(sha256), len(data))) as staged:
        assert staged.digest.sha256 == sha256
        staged.publish()
    with contextlib.closing(store.open(sha256)) as blob, contextlib.closing(store.stage(blob, len(data))) as again:
        assert again.digest == staged.digest
    assert store.read(sha256, len(data)) == data
    for promised in (len(data) - 1, len(data) + 1):
        with pytest.raises(SizeChangedError):
            store.stage(elsewhere.open(sha256), promised)


@pytest.mark.parametrize("size_bytes", SIZES)
def test_what_is_staged_and_published_comes_back(store_factory: Factory, stage: Stage, size_bytes: int) -> None:
    """Claim: for every size around a boundary, digest, size and bytes are those of the source, in every opening."""
    data = noise(size_bytes)
    blob = stage(data)
    blob.publish()
    assert (blob.digest.sha256, blob.digest.size_bytes) == (sha256_of(data), size_bytes)
    assert blob.digest.chunk_size_bytes == chunk_size_for(size_bytes)
    other = store_factory()
    assert read_whole(other, sha256_of(data)) == data
    assert list(other.blobs()) == [BlobInfo(sha256_of(data), size_bytes)]


@pytest.mark.parametrize("size_bytes", SIZES)
def test_what_is_put_comes_back(store: Store, size_bytes: int) -> None:
    """Claim: the same for small blobs that are put at once."""
    data = noise(size_bytes)
    assert store.put(data) == sha256_of(data)
    assert store.read(sha256_of(data), size_bytes) == data
    assert read_whole(store, sha256_of(data)) == data


def test_progress_counts_every_byte_once(store: Store, source: Source) -> None:
    """Claim: the sum of what progress is told is the size, for small and large files."""
    for size_bytes in (10, 3 * MIB + 1):
        told: list[int] = []
        store.stage(source(noise(size_bytes)), size_bytes, told.append).close()
        assert sum(told) == size_bytes


def test_progress_of_publishing_counts_what_is_sent(store: Store, source: Source) -> None:
    """Claim: over a network each byte counts once, also where the blob is there already; elsewhere nothing does."""
    for size_bytes in (10, 9 * MIB):
        for _ in range(2):
            told: list[int] = []
            with contextlib.closing(store.stage(source(noise(size_bytes)), size_bytes)) as blob:
                blob.publish(told.append)
            assert sum(told) == (size_bytes if store.properties.is_remote else 0)


def test_staged_bytes_are_invisible_until_they_are_published(store_factory: Factory, stage: Stage) -> None:
    """Claim: before publish no listing shows the blob and no opening finds it; after it, all do."""
    data = noise(5000)
    blob = stage(data)
    other = store_factory()
    assert list(other.blobs()) == []
    with pytest.raises(BlobMissingError):
        other.open(sha256_of(data))
    blob.publish()
    assert read_whole(other, sha256_of(data)) == data


def test_the_staged_copy_can_be_read_before_it_is_published(stage: Stage) -> None:
    """Claim: an inspector gets exactly the bytes that publish will publish."""
    data = noise(70_000)
    blob = stage(data)
    view = memoryview(bytearray(len(data) + 1))
    assert Descriptor(blob.descriptor()).read_into(view, 0) == len(data)
    assert bytes(view[: len(data)]) == data


def test_what_was_hashed_is_what_is_published(store: Store, source: Source) -> None:
    """Claim: a source that changes after it was staged changes nothing of what is published."""
    data = noise(50_000)
    descriptor = source(data)
    blob = store.stage(descriptor, len(data))
    os.pwrite(descriptor, b"overwritten", 100)
    blob.publish()
    blob.close()
    assert read_whole(store, sha256_of(data)) == data


def test_what_is_staged_and_not_published_is_gone_after_close(store: Store, stage: Stage) -> None:
    """Claim: close leaves neither a blob nor a leftover, and can be called twice."""
    blob = stage(noise(5000))
    blob.close()
    blob.close()
    assert list(store.staged()) == []
    assert list(store.blobs()) == []


def test_what_is_staged_is_told_with_its_owner_or_is_nobody_else_s(store: Store, source: Source) -> None:
    """Claim: a listing names the lease of everything staged that outlives its process; discard takes it away."""
    owner, data = "0123456789abcdef" * 2, noise(5000)
    blob = store.stage(source(data), len(data), owner=owner)
    listed = list(store.staged())
    assert [(info.owner, info.size_bytes) for info in listed] in ([], [(owner, 5000)])
    for info in listed:
        store.discard(info.name)
        store.discard(info.name)
    assert list(store.staged()) == []
    blob.close()
    assert list(store.blobs()) == []


def test_a_closed_blob_has_no_descriptor(stage: Stage) -> None:
    """Claim: using a staged blob after close is an error of the store, not a read of a foreign file."""
    blob = stage(b"x")
    blob.close()
    with pytest.raises(StoreError):
        blob.descriptor()


def test_publishing_twice_is_publishing_once(store: Store, stage: Stage) -> None:
    """Claim: publish is idempotent, for one staged blob and for two of the same bytes."""
    data = noise(5000)
    first, second = stage(data), stage(data)
    for blob in (first, first, second):
        blob.publish()
    first.close()
    second.close()
    assert list(store.blobs()) == [BlobInfo(sha256_of(data), 5000)]
    assert list(store.staged()) == []


def test_closing_after_publishing_keeps_the_blob(store: Store, stage: Stage) -> None:
    """Claim: close gives up only what was not published."""
    data = noise(100)
    blob = stage(data)
    blob.publish()
    blob.close()
    assert store.read(sha256_of(data), 100) == data


@pytest.mark.parametrize("size_bytes", [1, 4097, 2 * MIB])
@pytest.mark.parametrize("damage", ["flipped", "truncated", "longer", "emptied"])
def test_a_damaged_blob_is_replaced_by_publishing_the_right_bytes(
    adapter: object, store: Store, stage: Stage, size_bytes: int, damage: str
) -> None:
    """Claim: create-only does not mean that corruption is kept: the right bytes put it right, staged or put."""
    data = noise(size_bytes)
    damaged = {
        "flipped": bytes([data[0] ^ 1]) + data[1:],
        "truncated": data[:-1],
        "longer": data + b"\0",
        "emptied": b"",
    }[damage]
    store.put(data)
    adapter.damage(sha256_of(data), damaged)  # type: ignore[attr-defined]
    assert read_whole(store, sha256_of(data)) == damaged
    stage(data).publish()
    assert read_whole(store, sha256_of(data)) == data
    adapter.damage(sha256_of(data), damaged)  # type: ignore[attr-defined]
    store.put(data)
    assert read_whole(store, sha256_of(data)) == data


def test_an_open_blob_stays_what_it_was(store: Store) -> None:
    """Claim: deleting a blob does not pull the bytes from under a reader, or fails that reader honestly."""
    data = noise(10_000)
    sha256 = store.put(data)
    blob = store.open(sha256)
    store.delete(sha256)
    view = memoryview(bytearray(len(data)))
    try:
        assert blob.read_into(view, 0) == len(data)
        assert bytes(view) == data
    except BlobMissingError:
        assert store.url.startswith("s3:")  # a server holds nothing open between two requests
    finally:
        blob.close()


@pytest.mark.parametrize("promised", [0, 1, 4095, MIB, 3 * MIB])
@pytest.mark.parametrize("difference", [-1, 1])
def test_a_source_of_another_size_is_told_and_leaves_nothing(
    store: Store, source: Source, promised: int, difference: int
) -> None:
    """Claim: a file that grows or shrinks while it is pushed raises, with no blob and no leftover."""
    if promised + difference < 0:
        return
    with pytest.raises(SizeChangedError):
        store.stage(source(noise(promised + difference)), promised)
    assert list(store.staged()) == []
    assert list(store.blobs()) == []


def test_an_interrupted_stage_leaves_nothing(store: Store, source: Source) -> None:
    """Claim: Ctrl-C in the middle of staging leaves no blob and no leftover."""

    def interrupt(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.stage(source(noise(4 * MIB)), 4 * MIB, interrupt)
    assert list(store.staged()) == []
    assert list(store.blobs()) == []


def test_a_blob_that_is_not_there_is_told_as_missing(store: Store) -> None:
    """Claim: open and read raise BlobMissingError naming the digest; it is not transient."""
    for ask in (lambda: store.open("0" * 64), lambda: store.read("0" * 64, 10)):
        with pytest.raises(BlobMissingError, match="0" * 64) as caught:
            ask()
        assert not caught.value.transient


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_what_is_no_digest_names_no_blob(store: Store, name: str) -> None:
    """Claim: a name that is not 64 lowercase hex digits reaches no file; it is an error of the store."""
    with pytest.raises(StoreError):
        store.open(name)


def test_reading_is_bounded(store: Store) -> None:
    """Claim: read takes a blob of exactly the bound and refuses one byte more, which is not a missing blob."""
    sha256 = store.put(b"12345")
    assert store.read(sha256, 5) == b"12345"
    with pytest.raises(StoreError, match="5 bytes") as caught:
        store.read(sha256, 4)
    assert not isinstance(caught.value, BlobMissingError)


def test_a_listing_holds_every_blob_once(store: Store) -> None:
    """Claim: a listing has each blob with its size, whatever the order."""
    data = [noise(size, seed=size) for size in range(60)]
    for one in data:
        store.put(one)
    assert sorted(store.blobs(), key=lambda blob: blob.sha256) == sorted(
        (BlobInfo(sha256_of(one), len(one)) for one in data), key=lambda blob: blob.sha256
    )


def test_a_deleted_blob_is_gone_and_deleting_it_again_is_no_error(store: Store) -> None:
    """Claim: delete is idempotent and touches no other blob."""
    kept, removed = store.put(b"kept"), store.put(b"removed")
    store.delete(removed)
    store.delete(removed)
    assert [blob.sha256 for blob in store.blobs()] == [kept]
    with pytest.raises(BlobMissingError):
        store.open(removed)


def test_reads_at_any_place_from_several_threads_agree(store: Store) -> None:
    """Claim: one open blob serves many threads at once, each getting the bytes of its own place."""
    data = noise(3 * MIB + 17)
    blob = store.open(store.put(data))
    chance = random.Random(5)
    places = [(chance.randrange(len(data) + 10), chance.randrange(1, 70_000)) for _ in range(400)]

    def read(place: tuple[int, int]) -> bool:
        offset, size_bytes = place
        view = memoryview(bytearray(size_bytes))
        count = blob.read_into(view, offset)
        return bytes(view[:count]) == data[offset : offset + size_bytes]

    try:
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(read, places))
    finally:
        blob.close()


def test_a_blob_is_cloned_whole_or_not_at_all(store: Store, source: Source) -> None:
    """Claim: clone_to either says no and leaves the file empty, or makes it equal to the blob."""
    data = noise(9 * MIB)
    blob, target = store.open(store.put(data)), source(b"")
    try:
        cloned = blob.clone_to(target)
        view = memoryview(bytearray(len(data)))
        assert Descriptor(target).read_into(view, 0) == (len(data) if cloned else 0)
        assert not cloned or bytes(view) == data
    finally:
        blob.close()


def test_a_store_says_what_it_is(store: Store) -> None:
    """Claim: every store has a URL with its scheme, and states its properties."""
    assert ":" in store.url
    assert isinstance(store.properties.create_only, bool)
    assert isinstance(store.properties.durable, bool)
