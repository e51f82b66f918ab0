"""A server that lies and a network that fails while a blob is read: never a wrong byte, never for ever."""

from __future__ import annotations

import dataclasses
import random
import threading
import time
from collections.abc import Callable

import pytest
from tests.servers import damages
from tests.servers.damages import Damage, is_blob_read
from tests.servers.faulty import (
    IMPATIENT,
    MIB,
    QUICK,
    SIZE_BYTES,
    Ask,
    Tally,
    data,
    digest,
    fetch,
    proxy,
    source,
    store,
    stored,
    unavailable,
)
from tests.servers.proxy import Answer, Fault, Proxy, Request

from modelreg.digest import BlobDigest
from modelreg.digest.streams import ChunkMismatchError, transfer
from modelreg.errors import BlobMissingError, StoreError
from modelreg.store.retry import Retry
from modelreg.store.s3 import S3Store

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.usefixtures("aws_credentials")]

__all__ = ["data", "digest", "proxy", "source", "store", "stored"]


refused_range = damages.error(416, "InvalidRange")
late = damages.late_by(IMPATIENT.read_s + 0.3)
DAMAGES: dict[str, Damage] = {
    "wrong bytes": damages.flipped,
    "short": damages.short,
    "wrong range": damages.of_wrong_range,
    "range ignored": damages.of_no_range,
    "bytes of another range": damages.shifted,
    "late": late,
    "slow drip": damages.dripping,
    "busy": unavailable,
    "a proxy's page": damages.page_of_a_proxy,
    **{f"cut at {tenth} tenths": damages.cut_at(tenth) for tenth in range(10)},
}


def once(damage: Damage, matches: Callable[[Request], bool]) -> Fault:
    """Each request that ``matches`` is answered wrongly the first time that its range is asked for."""
    lock, seen = threading.Lock(), set[object]()

    def fault(request: Request, ask: Ask) -> Answer | None:
        if not matches(request):
            return ask()
        with lock:
            key = (request.method, request.path, (request.range or (0, 0))[1])
            is_first = key not in seen
            seen.add(key)
        return damage(ask()) if is_first else ask()

    return fault


def always(damage: Damage, matches: Callable[[Request], bool]) -> Fault:
    return lambda request, ask: damage(ask()) if matches(request) else ask()


def test_small_chunks_are_fetched_together(stored: S3Store, proxy: Proxy, digest: BlobDigest, data: bytes) -> None:
    """Claim: 73 chunks of 256 KiB are three requests, and every byte comes once."""
    assert fetch(stored, digest) == data
    assert (len(digest.chunks), proxy.count("GET", "/blobs/")) == (73, 3)
    assert proxy.sent_bytes == SIZE_BYTES


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_goes_wrong_once_is_survived(
    stored: S3Store, proxy: Proxy, digest: BlobDigest, data: bytes, damage: Damage, tally: Tally
) -> None:
    """Claim: whatever is done once to each range, the bytes that arrive in the end are the right ones."""
    proxy.fault = once(damage, is_blob_read)
    assert fetch(stored, digest) == data
    assert proxy.count("GET", "/blobs/") > 3
    tally("faults of a read, survived", 1)


@pytest.mark.parametrize("damage", [*DAMAGES.values(), refused_range], ids=[*DAMAGES, "416"])
def test_what_goes_wrong_always_is_told_soon(
    stored: S3Store, proxy: Proxy, digest: BlobDigest, damage: Damage, tally: Tally
) -> None:
    """Claim: a fault that stays ends in an error, after a bounded number of requests, never in a result."""
    if damage in (late, damages.dripping):
        stored = S3Store(stored._bucket, Retry(dataclasses.replace(QUICK, attempts=2)))
    proxy.fault = always(damage, is_blob_read)
    began = time.monotonic()
    with pytest.raises((StoreError, ChunkMismatchError)):
        fetch(stored, digest)
    assert time.monotonic() - began < 180
    assert proxy.count("GET", "/blobs/") <= 3 * 8 * QUICK.attempts
    tally("faults of a read, refused", 1)


def test_one_wrong_chunk_is_named_and_only_it_is_fetched_again(
    stored: S3Store, proxy: Proxy, digest: BlobDigest
) -> None:
    """Claim: a byte that is always wrong costs two requests for its chunk alone, and names that chunk."""
    place = 5 * MIB + 17
    chunk = digest.chunk_size_bytes

    def lie(request: Request, ask: Ask) -> Answer | None:
        answer = ask()
        if is_blob_read(request) and request.range and request.range[0] <= place <= request.range[1]:
            body = bytearray(answer.body)
            body[place - request.range[0]] ^= 255
            answer = dataclasses.replace(answer, body=bytes(body))
        return answer

    proxy.fault = lie
    with pytest.raises(ChunkMismatchError) as caught:
        fetch(stored, digest)
    assert caught.value.indices == (place // chunk,)
    again = [request.range for request in proxy.seen if is_blob_read(request)][3:]
    start = place // chunk * chunk
    assert again == [(start, start + chunk - 1)] * 2


@pytest.mark.parametrize(("percent", "passes"), [(50, True), (99, False)])
def test_a_server_that_fails_often(
    stored: S3Store, proxy: Proxy, digest: BlobDigest, data: bytes, percent: int, passes: bool, tally: Tally
) -> None:
    """Claim: with half of all requests failing a pull passes; with 99 % it ends with a transient error."""
    chance = random.Random(1)
    proxy.fault = lambda request, ask: unavailable(ask()) if chance.randrange(100) < percent else ask()
    if passes:
        assert fetch(stored, digest) == data
    else:
        with pytest.raises(StoreError) as caught:
            fetch(stored, digest)
        assert caught.value.transient
    tally("servers that fail at random", 1)


def test_a_blob_that_goes_while_it_is_read_is_told_as_missing(
    stored: S3Store, proxy: Proxy, digest: BlobDigest
) -> None:
    """Claim: a deletion under a reader is a missing blob, not a short file."""
    blob = stored.open(digest.sha256)
    stored.delete(digest.sha256)
    with pytest.raises(BlobMissingError):
        transfer(blob, digest)
