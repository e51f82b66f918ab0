"""Reading stored bytes to their last: the SHA-256 and every chunk, of all blobs or of the share that is a day's.

A share is a window on the circle of all digests.  Each day's window begins 0.618... of the circle (the golden section)
behind the day before's, so that the windows of any regular runs spread evenly instead of falling on each other.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from modelreg.client.care import Need, ProblemKind
from modelreg.digest import BlobDigest
from modelreg.digest.streams import (
    ATTEMPTS_AGAIN,
    ChunkMismatchError,
    Progress,
    RangedReader,
    Reader,
    SizeChangedError,
    ingest,
    transfer,
)
from modelreg.errors import BlobMissingError, StoreError, UsageError
from modelreg.files import reason_of
from modelreg.store.base import BlobReader, Store

GOLDEN_SECTION = 0.6180339887498949
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)%", re.ASCII)
_DIGITS = 13
"""Hex digits of a digest that give its place on the circle: as many as a float holds exactly."""


def parse_share(text: str) -> float:
    """``5%`` as 0.05; raises ``UsageError`` for what is no percentage above 0 up to 100."""
    match = _PERCENT.fullmatch(text)
    share = float(match[1]) / 100 if match else 0.0
    if not 0 < share <= 1:
        raise UsageError(
            f"{text[:40]!r} is no share of the data: a percentage above 0 up to 100, such as 5%",
            hint="--read-data=5%, or --read-data alone for all of it",
        )
    return share


def window_start(day: int) -> float:
    """Where the window of a day begins on the circle from 0 to 1."""
    return day * GOLDEN_SECTION % 1.0


def is_chosen(sha256: str, start: float, share: float) -> bool:
    """Whether a blob lies in the window of ``share`` that begins at ``start``."""
    place = int(sha256[:_DIGITS], 16) / 16**_DIGITS
    return share >= 1 or (place - start) % 1.0 < share


def read_blob(store: Store, need: Need, progress: Progress | None) -> tuple[ProblemKind, str] | None:
    """Read a blob to its end; what is wrong with it, or ``None``.

    A store over a network may lie once, so it is asked again before its bytes count as changed.  Raises ``StoreError``
    where such a store cannot be read; a local file that cannot is a problem of its own.
    """
    is_remote = store.properties.is_remote
    for attempt in range(1 + (ATTEMPTS_AGAIN if is_remote else 0)):
        try:
            with contextlib.closing(store.open(need.sha256)) as blob:
                found = _read(blob, need, progress if attempt == 0 else None)
        except BlobMissingError:
            return ProblemKind.MISSING_BLOB, "is missing"
        except StoreError as error:
            if is_remote:
                raise
            return ProblemKind.UNREADABLE_BLOB, f"cannot be read ({_reason(error)})"
        if found is None:
            return None
    return found


def _reason(error: StoreError) -> str:
    """The system's own, where it is known: whoever says it names the blob already."""
    return reason_of(error.__cause__) if isinstance(error.__cause__, OSError) else error.message


def _read(blob: BlobReader, need: Need, progress: Progress | None) -> tuple[ProblemKind, str] | None:
    if need.size_bytes not in (None, blob.size_bytes):
        return ProblemKind.WRONG_SIZE, f"has {blob.size_bytes:,} bytes of {need.size_bytes:,}"
    try:
        with in_order(blob, blob.size_bytes) as reader:
            actual = ingest(reader, blob.size_bytes, progress=progress)
    except SizeChangedError as error:
        return ProblemKind.WRONG_SIZE, f"ends or goes on at byte {error.size_bytes:,}, {blob.size_bytes:,} were pushed"
    if actual.sha256 != need.sha256:
        return ProblemKind.CHANGED_BLOB, f"is not what was pushed: {_where(actual, need.digest)}"
    return _read_chunks(blob, actual, need.digest)


def _read_chunks(blob: BlobReader, actual: BlobDigest, wanted: BlobDigest | None) -> tuple[ProblemKind, str] | None:
    """The right bytes, whose chunk digests in the manifest are those of others: no pull would accept them."""
    if wanted is None or actual == wanted:
        return None
    try:
        if actual.chunk_size_bytes == wanted.chunk_size_bytes:
            raise ChunkMismatchError(_differing(actual, wanted))
        transfer(blob, wanted)
    except ChunkMismatchError as error:
        what = f"is what was pushed, but the manifest gives {len(error.indices):,} of its chunks wrong digests"
        return ProblemKind.WRONG_CHUNKS, what
    return None


def _where(actual: BlobDigest, wanted: BlobDigest | None) -> str:
    if wanted is None or wanted.chunk_size_bytes != actual.chunk_size_bytes:
        return f"its SHA-256 is {actual.sha256}"
    indices = _differing(actual, wanted)
    if not indices:
        return f"its SHA-256 is {actual.sha256}"
    first, length = wanted.chunk_extent(indices[0])
    return (
        f"{len(indices):,} of {len(wanted.chunks):,} chunks differ, first in bytes {first:,} to {first + length - 1:,}"
    )


def _differing(actual: BlobDigest, wanted: BlobDigest) -> tuple[int, ...]:
    pairs = enumerate(zip(actual.chunks, wanted.chunks, strict=True))
    return tuple(index for index, (here, there) in pairs if here != there)


@contextlib.contextmanager
def in_order(blob: Reader, size_bytes: int) -> Iterator[Reader]:
    """A reader for one pass from the first byte to the last: over a network, one request."""
    if isinstance(blob, RangedReader):
        with blob.open_range(0, size_bytes) as reader:
            yield reader
    else:
        yield blob
