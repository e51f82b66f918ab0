"""Streams: one pass equals naive hashing, a transfer finds exactly what differs, and no error of either side is lost."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from modelreg.digest import BlobDigest, chunk_size_for
from modelreg.digest.streams import (
    RING_SLICES,
    SLICE_SIZE_BYTES,
    ChunkMismatchError,
    Descriptor,
    SizeChangedError,
    _ChunkHasher,
    _Ring,
    ingest,
    transfer,
)

MIB = 1024 * 1024
SIZES = (0, 1, 4095, 4096, 4097, 524_287, MIB - 1, MIB, MIB + 1, 3 * MIB + 7, 20 * MIB + 5)
"""Around every boundary: chunk, the switch to the ring, and more slices than the ring has."""

Within = Callable[[float, Callable[[], Any]], Any]


class Bytes:
    """Memory as reader and writer; ``fails_at`` makes it fail as a disk does, with ``OSError``."""

    def __init__(self, data: bytes, fails_at: int | None = None) -> None:
        self.data = bytearray(data)
        self.fails_at = fails_at
        self.written: list[tuple[int, int]] = []
        self._lock = threading.Lock()

    def read_into(self, view: memoryview, offset: int) -> int:
        self._fail(offset, len(view))
        part = self.data[offset : offset + len(view)]
        view[: len(part)] = part
        return len(part)

    def write_from(self, view: memoryview, offset: int) -> None:
        self._fail(offset, len(view))
        with self._lock:
            self.written.append((offset, len(view)))
            if len(self.data) < offset + len(view):
                self.data.extend(bytes(offset + len(view) - len(self.data)))
            self.data[offset : offset + len(view)] = view

    def _fail(self, offset: int, length: int) -> None:
        if self.fails_at is not None and offset <= self.fails_at < offset + length:
            raise OSError(28, "No space left on device")


def noise(size_bytes: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size_bytes)


def naive(data: bytes, chunk: int) -> BlobDigest:
    """The digest as its definition says, without any of the code under test."""
    chunks = tuple(blake3(data[start : start + chunk]).hexdigest() for start in range(0, len(data), chunk))
    return BlobDigest(len(data), hashlib.sha256(data).hexdigest(), chunk, chunks)


@pytest.mark.parametrize("size_bytes", SIZES)
def test_one_pass_equals_naive_hashing_and_copying(size_bytes: int, within: Within) -> None:
    """Claim: at every boundary, ingest gives the digests of hashlib and blake3, copies the bytes and counts them."""
    data = noise(size_bytes)
    sink, counted = Bytes(b""), [0]

    def count(done: int) -> None:
        counted[0] += done

    digest = within(30, lambda: ingest(Bytes(data), size_bytes, sink=sink, progress=count))
    assert digest == naive(data, chunk_size_for(size_bytes))
    assert bytes(sink.data) == data
    assert counted == [size_bytes]


@given(st.integers(0, 3 * MIB), st.integers(0, 2**32))
def test_any_size_equals_naive_hashing(size_bytes: int, seed: int) -> None:
    """Claim: the same for sizes that nobody thought of."""
    data = noise(size_bytes, seed)
    assert ingest(Bytes(data), size_bytes) == naive(data, chunk_size_for(size_bytes))


@given(st.lists(st.integers(0, 20_000), max_size=12), st.integers(12, 16), st.integers(0, 2**32))
def test_chunk_digests_do_not_depend_on_how_the_bytes_arrive(sizes: list[int], exponent: int, seed: int) -> None:
    """Claim: whatever slices are fed, the chunks are those of the whole, for any chunk size."""
    data, chunk = noise(sum(sizes), seed), 2**exponent
    hasher, start = _ChunkHasher(chunk), 0
    for size_bytes in sizes:
        hasher.update(memoryview(data)[start : start + size_bytes])
        start += size_bytes
    assert hasher.finish() == naive(data, chunk).chunks


@pytest.mark.parametrize("promised", [0, 1, 5000, MIB, MIB + 1, 5 * MIB])
@pytest.mark.parametrize("difference", [-1, 1])
def test_a_source_of_another_size_is_told(promised: int, difference: int, within: Within) -> None:
    """Claim: one byte less or more than promised raises, and says how far the reading came."""
    if promised + difference < 0:
        return
    source = Bytes(noise(promised + difference))
    with pytest.raises(SizeChangedError) as caught:
        within(30, lambda: ingest(source, promised))
    assert caught.value.size_bytes == promised + difference


@pytest.mark.parametrize("fails_at", [0, MIB - 1, 5 * MIB, 20 * MIB + 4])
@pytest.mark.parametrize("side", ["source", "sink"])
def test_an_error_of_either_side_ends_an_ingest(fails_at: int, side: str, within: Within) -> None:
    """Claim: an OSError while reading or writing is raised as it is, wherever it happens, and nothing hangs."""
    data = noise(20 * MIB + 5)
    source = Bytes(data, fails_at if side == "source" else None)
    sink = Bytes(b"", fails_at if side == "sink" else None)
    before = threading.active_count()
    with pytest.raises(OSError, match="No space left"):
        within(30, lambda: ingest(source, len(data), sink=sink))
    assert threading.active_count() <= before


def test_an_error_of_the_caller_s_progress_ends_an_ingest(within: Within) -> None:
    """Claim: Ctrl-C in a progress callback ends the work at once, with every thread joined."""

    def interrupt(done: int) -> None:
        raise KeyboardInterrupt

    before = threading.active_count()
    data = noise((RING_SLICES + 4) * SLICE_SIZE_BYTES)
    with pytest.raises(KeyboardInterrupt):
        within(30, lambda: ingest(Bytes(data), len(data), progress=interrupt))
    assert threading.active_count() <= before


def test_an_error_of_a_hasher_is_raised_where_the_bytes_are_read(within: Within) -> None:
    """Claim: a consumer of the ring that fails in its own thread does not pass for success, nor stop the reading."""

    def consume(view: memoryview) -> None:
        raise MemoryError("no hash")

    def feed() -> None:
        with _Ring((consume, len)) as ring:
            for _ in range(3 * RING_SLICES):
                slot = ring.take()
                ring.hand_out(slot, slot.view)
                ring.release(slot)

    with pytest.raises(MemoryError, match="no hash"):
        within(30, feed)


@pytest.mark.parametrize("chunk", [4096, 65_536, MIB, 2 * MIB, 8 * MIB])
@pytest.mark.parametrize("workers", [1, 3, None])
def test_a_good_source_is_transferred_whole(chunk: int, workers: int | None, within: Within) -> None:
    """Claim: for chunks smaller and larger than a slice, with any number of workers, the sink equals the source."""
    data = noise(9 * MIB + 3)
    sink, counted, lock = Bytes(bytes(len(data))), [0], threading.Lock()

    def count(done: int) -> None:
        with lock:
            counted[0] += done

    within(30, lambda: transfer(Bytes(data), naive(data, chunk), sink=sink, workers=workers, progress=count))
    assert bytes(sink.data) == data
    assert counted == [len(data)]


@given(
    st.integers(1, 300_000),
    st.integers(12, 16),
    st.sets(st.floats(0, 1, exclude_max=True), min_size=1, max_size=6),
    st.sampled_from([1, 2, None]),
)
def test_exactly_the_flipped_chunks_are_told(
    size_bytes: int, exponent: int, places: set[float], workers: int | None
) -> None:
    """Claim: the indices in the error are the chunks that hold a flipped byte, all of them and no other."""
    data, chunk = noise(size_bytes), 2**exponent
    offsets = {int(place * size_bytes) for place in places}
    damaged = bytearray(data)
    for offset in offsets:
        damaged[offset] ^= 0x80
    with pytest.raises(ChunkMismatchError) as caught:
        transfer(Bytes(bytes(damaged)), naive(data, chunk), workers=workers)
    assert caught.value.indices == tuple(sorted({offset // chunk for offset in offsets}))


@given(st.integers(0, 100_000), st.integers(1, 9000))
def test_a_longer_source_is_told(size_bytes: int, more: int) -> None:
    """Claim: bytes behind the end are never overlooked, not even when the promised file is empty."""
    data = noise(size_bytes + more)
    with pytest.raises(SizeChangedError):
        transfer(Bytes(data), naive(data[:size_bytes], 4096))


@given(st.integers(1, 100_000), st.data())
def test_a_shorter_source_is_told_by_the_chunks_it_lacks(size_bytes: int, draw: st.DataObject) -> None:
    """Claim: a truncated source differs from the chunk it ends in onwards."""
    data = noise(size_bytes)
    kept = draw.draw(st.integers(0, size_bytes - 1))
    expected = naive(data, 4096)
    with pytest.raises(ChunkMismatchError) as caught:
        transfer(Bytes(data[:kept]), expected)
    assert caught.value.indices == tuple(range(kept // 4096, len(expected.chunks)))


@pytest.mark.parametrize("side", ["source", "sink"])
@pytest.mark.parametrize("workers", [1, 4])
def test_an_error_of_either_side_ends_a_transfer(side: str, workers: int, within: Within) -> None:
    """Claim: a full disk or a failing read ends a transfer with its own error, no worker is left behind."""
    data = noise(6 * MIB)
    source = Bytes(data, 4 * MIB if side == "source" else None)
    sink = Bytes(b"", 4 * MIB if side == "sink" else None)
    before = threading.active_count()
    with pytest.raises(OSError, match="No space left"):
        within(30, lambda: transfer(source, naive(data, 65_536), sink=sink, workers=workers))
    assert threading.active_count() <= before


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[Callable[[bytes], Descriptor]]:
    opened: list[BinaryIO] = []

    def open_data(data: bytes) -> Descriptor:
        path = tmp_path / f"data{len(opened)}"
        path.write_bytes(data)
        file = cast(BinaryIO, path.open("r+b", buffering=0))
        opened.append(file)
        return Descriptor(file.fileno())

    yield open_data
    for file in opened:
        file.close()


def test_a_descriptor_reads_and_writes_at_any_place(descriptor: Callable[[bytes], Descriptor]) -> None:
    """Claim: positional calls neither use nor move the file's own position, and a read ends short only at the end."""
    data = noise(100_000)
    file = descriptor(data)
    view = memoryview(bytearray(1000))
    assert file.read_into(view, 99_500) == 500
    assert bytes(view[:500]) == data[99_500:]
    assert file.read_into(view, 200_000) == 0
    file.write_from(memoryview(b"xyz"), 10)
    assert file.read_into(view[:5], 9) == 5
    assert bytes(view[:5]) == data[9:10] + b"xyz" + data[13:14]


def test_real_files_are_ingested_and_transferred(descriptor: Callable[[bytes], Descriptor]) -> None:
    """Claim: the same holds over real files, end to end."""
    data = noise(2 * MIB + 9)
    staged, placed = descriptor(b""), descriptor(b"")
    digest = ingest(descriptor(data), len(data), sink=staged)
    transfer(staged, digest, sink=placed)
    view = memoryview(bytearray(len(data)))
    assert placed.read_into(view, 0) == len(data)
    assert bytes(view) == data
