"""Hashing and copying in one pass: positional readers and writers, and the loops that drive them on every core.

Two loops, because the two digests differ in kind:

* ``ingest`` needs the SHA-256, which is sequential, so the stages overlap: one thread reads and writes, one feeds
  SHA-256, one feeds the chunk digests, all on the same ring of buffers.  Each byte is read once.
* ``transfer`` needs the chunks only, which are independent, so every core takes chunks, or runs of them
  from a remote store.

hashlib, blake3 and file calls all release the GIL.  Memory is the ring or one buffer per worker, whatever the size.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import threading
from collections.abc import Callable, Iterable
from typing import Protocol, runtime_checkable

from blake3 import blake3

from modelreg.digest import BlobDigest, chunk_size_for
from modelreg.parallel import Pool, check_stopped, undisturbed

SLICE_SIZE_BYTES = 1024 * 1024
RING_SLICES = 16
RUN_SIZE_BYTES = 8 * 1024 * 1024
"""What is asked of a remote store at once: small chunks are joined to it, a chunk of the usual size is one."""
RANGES_AT_ONCE = 8
ATTEMPTS_AGAIN = 2
"""A store that lies once is survived; one that lies three times about one chunk is corrupt."""

Progress = Callable[[int], None]
"""Called with the number of bytes that have just been done, from any thread; what is done twice counts twice."""


@runtime_checkable
class PhasedProgress(Protocol):
    """A progress that wants to be told what is done next, and how much of it there is."""

    def __call__(self, size_bytes: int) -> None:
        """As ``Progress``."""
        ...

    def begin(self, what: str, size_bytes: int) -> None:
        """From now on bytes are counted of ``size_bytes`` in which ``what`` is done."""
        ...


def begin_phase(progress: Progress | None, what: str, size_bytes: int) -> None:
    """Tell ``progress`` what begins, if it wants to know."""
    if isinstance(progress, PhasedProgress):
        progress.begin(what, size_bytes)


class Reader(Protocol):
    """Positional reads, safe from several threads at once."""

    def read_into(self, view: memoryview, offset: int) -> int:
        """Fill ``view`` from ``offset`` on; returns the bytes read, fewer only at the end of the file."""
        ...


@runtime_checkable
class RangedReader(Protocol):
    """A reader for which each request costs a journey, so that a whole range is better asked for at once."""

    def open_range(self, offset: int, length: int) -> contextlib.AbstractContextManager[Reader]:
        """A reader of that range for one thread, cheapest when it is read in order."""
        ...

    def read_into(self, view: memoryview, offset: int) -> int:
        """As ``Reader.read_into``."""
        ...


class Writer(Protocol):
    """Positional writes, safe from several threads at once."""

    def write_from(self, view: memoryview, offset: int) -> None:
        """Write all of ``view`` at ``offset``."""
        ...


class Descriptor:
    """A file descriptor as ``Reader`` and ``Writer``; does not own it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def read_into(self, view: memoryview, offset: int) -> int:
        """Read with ``preadv`` until ``view`` is full or the file ends."""
        done = 0
        while done < len(view):
            count = os.preadv(self.descriptor, [view[done:]], offset + done)
            if count == 0:
                break
            done += count
        return done

    def write_from(self, view: memoryview, offset: int) -> None:
        """Write with ``pwrite`` until ``view`` is out."""
        done = 0
        while done < len(view):
            done += os.pwrite(self.descriptor, view[done:], offset + done)


class SizeChangedError(Exception):
    """The source did not have the size it had promised; ``size_bytes`` is how far the reading came."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(f"the file ended or went on at byte {size_bytes:,}")
        self.size_bytes = size_bytes


class ChunkMismatchError(Exception):
    """Chunks ``indices`` are not what their digests say."""

    def __init__(self, indices: tuple[int, ...]) -> None:
        super().__init__(f"{len(indices)} chunks do not match their digests, the first is {indices[0]}")
        self.indices = indices


def ingest(
    source: Reader, size_bytes: int, *, sink: Writer | None = None, progress: Progress | None = None
) -> BlobDigest:
    """Read ``size_bytes`` of ``source`` once, hash them, and write them to ``sink`` on the way.

    Raises ``SizeChangedError`` when the source is shorter or longer than ``size_bytes``.
    """
    chunk_size = chunk_size_for(size_bytes)
    sha256 = hashlib.sha256()
    chunks = _ChunkHasher(chunk_size)
    if size_bytes <= SLICE_SIZE_BYTES:
        _ingest_at_once(source, size_bytes, sink, (sha256.update, chunks.update))
    else:
        with _Ring((sha256.update, chunks.update)) as ring:
            _ingest_slices(source, size_bytes, sink, ring, progress)
    if source.read_into(memoryview(bytearray(1)), size_bytes):
        raise SizeChangedError(size_bytes + 1)
    if progress and size_bytes <= SLICE_SIZE_BYTES:
        progress(size_bytes)
    return BlobDigest(size_bytes, sha256.hexdigest(), chunk_size, chunks.finish())


def _ingest_at_once(
    source: Reader, size_bytes: int, sink: Writer | None, consumers: Iterable[Callable[[memoryview], object]]
) -> None:
    view = memoryview(bytearray(size_bytes))
    _read_exactly(source, view, 0)
    for consume in consumers:
        consume(view)
    if sink is not None:
        sink.write_from(view, 0)


def _ingest_slices(
    source: Reader, size_bytes: int, sink: Writer | None, ring: _Ring, progress: Progress | None
) -> None:
    for offset in range(0, size_bytes, SLICE_SIZE_BYTES):
        check_stopped()
        slot = ring.take()
        view = slot.view[: min(SLICE_SIZE_BYTES, size_bytes - offset)]
        _read_exactly(source, view, offset)
        ring.hand_out(slot, view)
        if sink is not None:
            sink.write_from(view, offset)
        ring.release(slot)
        if progress:
            progress(len(view))


def _read_exactly(source: Reader, view: memoryview, offset: int) -> None:
    count = source.read_into(view, offset)
    if count != len(view):
        raise SizeChangedError(offset + count)


class _ChunkHasher:
    """BLAKE3 of each consecutive run of ``chunk_size`` bytes."""

    def __init__(self, chunk_size: int) -> None:
        self._chunk_size = chunk_size
        self._digests: list[str] = []
        self._open = blake3()
        self._open_bytes = 0

    def update(self, view: memoryview) -> None:
        while view:
            part = view[: self._chunk_size - self._open_bytes]
            self._open.update(part)
            self._open_bytes += len(part)
            view = view[len(part) :]
            if self._open_bytes == self._chunk_size:
                self._close()

    def finish(self) -> tuple[str, ...]:
        if self._open_bytes:
            self._close()
        return tuple(self._digests)

    def _close(self) -> None:
        self._digests.append(self._open.hexdigest())
        self._open = blake3()
        self._open_bytes = 0


class _Slot:
    """One buffer of the ring, free again when everyone who was handed it has released it."""

    __slots__ = ("holders", "view")

    def __init__(self) -> None:
        self.view = memoryview(bytearray(SLICE_SIZE_BYTES))
        self.holders = 0


class _Ring:
    """Buffers handed in order to one thread per consumer; an error in a consumer is raised in the producer."""

    def __init__(self, consumers: tuple[Callable[[memoryview], object], ...]) -> None:
        self._free: queue.SimpleQueue[_Slot] = queue.SimpleQueue()
        for _ in range(RING_SLICES):
            self._free.put(_Slot())
        self._lock = threading.Lock()
        self._queues = [queue.SimpleQueue[tuple[_Slot, memoryview] | None]() for _ in consumers]
        self._errors: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._run, args=(consume, inbox), daemon=True)
            for consume, inbox in zip(consumers, self._queues, strict=True)
        ]

    def __enter__(self) -> _Ring:
        with undisturbed():
            for thread in self._threads:
                thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        with undisturbed():
            for inbox in self._queues:
                inbox.put(None)
            for thread in self._threads:
                thread.join()
        if self._errors and exc[0] is None:
            raise self._errors[0]

    def take(self) -> _Slot:
        return self._free.get()

    def hand_out(self, slot: _Slot, view: memoryview) -> None:
        slot.holders = len(self._queues) + 1
        for inbox in self._queues:
            inbox.put((slot, view))

    def release(self, slot: _Slot) -> None:
        with self._lock:
            slot.holders -= 1
            free = slot.holders == 0
        if free:
            self._free.put(slot)

    def _run(
        self, consume: Callable[[memoryview], object], inbox: queue.SimpleQueue[tuple[_Slot, memoryview] | None]
    ) -> None:
        while (item := inbox.get()) is not None:
            slot, view = item
            try:
                if not self._errors:
                    consume(view)
            except BaseException as error:
                self._errors.append(error)
            finally:
                self.release(slot)


def transfer(
    source: Reader,
    expected: BlobDigest,
    *,
    sink: Writer | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
    only: Iterable[int] | None = None,
) -> None:
    """Check every chunk of ``source``, or those of ``only``, against ``expected``, writing what is read to ``sink``.

    Nothing is to be taken from ``sink`` before this returns.  Raises ``ChunkMismatchError`` naming every chunk that
    differs (a short read differs), and ``SizeChangedError`` when the source goes on behind its end.  From a
    ``RangedReader`` a chunk that arrives wrong is asked for again, alone, before it counts as wrong.
    """
    indices = sorted(only) if only is not None else list(range(len(expected.chunks)))
    is_remote = isinstance(source, RangedReader)
    workers = RANGES_AT_ONCE if is_remote else workers
    bad = _check_runs(source, expected, _runs(expected, indices, joined=is_remote), sink, progress, workers)
    for _ in range(ATTEMPTS_AGAIN if is_remote else 0):
        if bad:
            bad = _check_runs(source, expected, [[index] for index in bad], sink, None, workers)
    if bad:
        raise ChunkMismatchError(tuple(bad))
    if source.read_into(memoryview(bytearray(1)), expected.size_bytes):
        raise SizeChangedError(expected.size_bytes + 1)


def _runs(expected: BlobDigest, indices: list[int], *, joined: bool) -> list[list[int]]:
    """Chunks that one worker reads in order; ``joined`` puts neighbours together up to ``RUN_SIZE_BYTES``."""
    per_run = max(1, RUN_SIZE_BYTES // expected.chunk_size_bytes) if joined else 1
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][-1] + 1 and index % per_run:
            runs[-1].append(index)
        else:
            runs.append([index])
    return runs


def _check_runs(
    source: Reader,
    expected: BlobDigest,
    runs: list[list[int]],
    sink: Writer | None,
    progress: Progress | None,
    workers: int | None,
) -> list[int]:
    """The indices of the chunks that are not what they should be."""
    count = min(workers or os.cpu_count() or 1, len(runs))

    def check(run: list[int]) -> list[int]:
        start = expected.chunk_extent(run[0])[0]
        end = sum(expected.chunk_extent(run[-1]))
        bad = []
        with _opened(source, start, end - start) as reader:
            for index in run:
                if index != run[0]:
                    check_stopped()  # never in the middle of a chunk: what comes is worth keeping
                if not _transfer_chunk(reader, expected, index, sink, progress):
                    bad.append(index)
        return bad

    if count <= 1:
        found = [check(run) for run in runs]
    else:
        with Pool(count, "chunk") as pool:
            found = pool.map(check, runs)
    return [index for bad in found for index in bad]


def _opened(source: Reader, offset: int, length: int) -> contextlib.AbstractContextManager[Reader]:
    if isinstance(source, RangedReader):
        return source.open_range(offset, length)
    return contextlib.nullcontext(source)


_buffers = threading.local()


def _buffer() -> memoryview:
    """This thread's slice buffer, made once: fresh pages cost more than the hashing."""
    view: memoryview | None = getattr(_buffers, "view", None)
    if view is None:
        view = _buffers.view = memoryview(bytearray(SLICE_SIZE_BYTES))
    return view


def _transfer_chunk(
    source: Reader, expected: BlobDigest, index: int, sink: Writer | None, progress: Progress | None
) -> bool:
    start, length = expected.chunk_extent(index)
    hasher = blake3()
    for offset in range(start, start + length, SLICE_SIZE_BYTES):
        view = _buffer()[: min(SLICE_SIZE_BYTES, start + length - offset)]
        if source.read_into(view, offset) != len(view):
            return False
        hasher.update(view)
        if sink is not None:
            sink.write_from(view, offset)
        if progress:
            progress(len(view))
    return hasher.hexdigest() == expected.chunks[index]
