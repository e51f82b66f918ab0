"""A lying server and a failing network between the S3 store and a real server: never a wrong byte, never for ever."""

from __future__ import annotations

import _thread
import dataclasses
import hashlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from tests.servers.proxy import Answer, Fault, Proxy, Request, honest, proxy_before

from modelreg.digest import BlobDigest
from modelreg.digest.streams import ChunkMismatchError, Descriptor, ingest, transfer
from modelreg.errors import BlobMissingError, StoreError
from modelreg.store.retry import Retry, RetryPolicy
from modelreg.store.s3 import S3Store
from modelreg.store.s3_bucket import Bucket, Timeouts
from modelreg.store.s3_url import parse_s3_url

if TYPE_CHECKING:
    from tests.servers.server import S3Server

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.usefixtures("aws_credentials")]

MIB = 1024 * 1024
SIZE_BYTES = 18 * MIB + 12345
QUICK = RetryPolicy(attempts=14, timeout_s=30.0, wait_initial_s=0.001, wait_max_s=0.01, wait_jitter_s=0.0)
IMPATIENT = Timeouts(connect_s=5.0, read_s=2.0, stall_s=0.5, stall_bytes=64 * 1024)
Ask = Callable[[], Answer]
Tally = Callable[[str, int], None]


@pytest.fixture(scope="module")
def data() -> bytes:
    return random.Random(7).randbytes(SIZE_BYTES)


@pytest.fixture(scope="module")
def source(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    path = tmp_path_factory.mktemp("source") / "data"
    path.write_bytes(data)
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture(scope="module")
def digest(source: int) -> BlobDigest:
    return ingest(Descriptor(source), SIZE_BYTES)


@pytest.fixture
def proxy(seaweedfs: S3Server) -> Iterator[Proxy]:
    with proxy_before(seaweedfs.endpoint) as running:
        yield running


@pytest.fixture
def store(seaweedfs: S3Server, proxy: Proxy, request: pytest.FixtureRequest) -> S3Store:
    """A store of its own behind the proxy."""
    prefix = f"faults/{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]}-{time.time_ns()}"
    opened = S3Store(Bucket(parse_s3_url(seaweedfs.through(proxy.endpoint).url(prefix)), IMPATIENT), Retry(QUICK))
    opened.open_format(create=True)
    return opened


@pytest.fixture
def stored(store: S3Store, proxy: Proxy, source: int) -> S3Store:
    """The same, with the blob in it."""
    publish(store, source)
    proxy.seen.clear()
    proxy.sent_bytes = 0
    return store


def publish(store: S3Store, source: int) -> None:
    staged = store.stage(source, SIZE_BYTES)
    try:
        staged.publish()
    finally:
        staged.close()


class Sink:
    """Where a transfer writes."""

    def __init__(self, size_bytes: int) -> None:
        self.bytes = bytearray(size_bytes)

    def write_from(self, view: memoryview, offset: int) -> None:
        self.bytes[offset : offset + len(view)] = view


def fetch(store: S3Store, digest: BlobDigest) -> bytes:
    sink = Sink(digest.size_bytes)
    transfer(store.open(digest.sha256), digest, sink=sink)
    return bytes(sink.bytes)


# --- what can be done to an answer ------------------------------------------------------------------------------------


def changed(answer: Answer, **changes: object) -> Answer:
    return dataclasses.replace(answer, **changes)  # type: ignore[arg-type]


def flipped(answer: Answer) -> Answer:
    body = bytearray(answer.body)
    body[len(body) // 3] ^= 1
    return changed(answer, body=bytes(body))


def short(answer: Answer) -> Answer:
    return changed(answer, body=answer.body[:-1000])


def wrong_range(answer: Answer) -> Answer:
    headers = [
        (name, value.replace("bytes ", "bytes 1") if name.lower() == "content-range" else value)
        for name, value in answer.headers
    ]
    return changed(answer, headers=headers)


def range_ignored(answer: Answer) -> Answer:
    headers = [(name, value) for name, value in answer.headers if name.lower() != "content-range"]
    return changed(answer, status=200, headers=headers)


def shifted(answer: Answer) -> Answer:
    return changed(answer, body=answer.body[1:] + answer.body[:1])


def late(answer: Answer) -> Answer:
    time.sleep(IMPATIENT.read_s + 0.3)
    return answer


def dripping(answer: Answer) -> Answer:
    return changed(answer, pause_s=0.02)


def refused_range(answer: Answer) -> Answer:
    return Answer(416, [("Content-Type", "application/xml")], b"<Error><Code>InvalidRange</Code></Error>")


def unavailable(answer: Answer) -> Answer:
    return Answer(503, [("Content-Type", "application/xml")], b"<Error><Code>SlowDown</Code></Error>")


def no_s3(answer: Answer) -> Answer:
    return Answer(502, [("Content-Type", "text/html")], b"<html><body>Bad gateway</body>")


def cut_at(tenth: int) -> Callable[[Answer], Answer]:
    return lambda answer: changed(answer, cut=len(answer.body) * tenth // 10)


DAMAGES: dict[str, Callable[[Answer], Answer]] = {
    "wrong bytes": flipped,
    "short": short,
    "wrong range": wrong_range,
    "range ignored": range_ignored,
    "bytes of another range": shifted,
    "late": late,
    "slow drip": dripping,
    "busy": unavailable,
    "a proxy's page": no_s3,
    **{f"cut at {tenth} tenths": cut_at(tenth) for tenth in range(10)},
}


def once(damage: Callable[[Answer], Answer], matches: Callable[[Request], bool]) -> Fault:
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


def always(damage: Callable[[Answer], Answer], matches: Callable[[Request], bool]) -> Fault:
    return lambda request, ask: damage(ask()) if matches(request) else ask()


def is_read(request: Request) -> bool:
    return request.method == "GET" and request.is_blob


# --- reading ----------------------------------------------------------------------------------------------------------


def test_small_chunks_are_fetched_together(stored: S3Store, proxy: Proxy, digest: BlobDigest, data: bytes) -> None:
    """Claim: 73 chunks of 256 KiB are three requests, and every byte comes once."""
    assert fetch(stored, digest) == data
    assert (len(digest.chunks), proxy.count("GET", "/blobs/")) == (73, 3)
    assert proxy.sent_bytes == SIZE_BYTES


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_goes_wrong_once_is_survived(
    stored: S3Store, proxy: Proxy, digest: BlobDigest, data: bytes, damage: Callable[[Answer], Answer], tally: Tally
) -> None:
    """Claim: whatever is done once to each range, the bytes that arrive in the end are the right ones."""
    proxy.fault = once(damage, is_read)
    assert fetch(stored, digest) == data
    assert proxy.count("GET", "/blobs/") > 3
    tally("faults of a read, survived", 1)


@pytest.mark.parametrize("damage", [*DAMAGES.values(), refused_range], ids=[*DAMAGES, "416"])
def test_what_goes_wrong_always_is_told_soon(
    stored: S3Store, proxy: Proxy, digest: BlobDigest, damage: Callable[[Answer], Answer], tally: Tally
) -> None:
    """Claim: a fault that stays ends in an error, after a bounded number of requests, never in a result."""
    if damage in (late, dripping):
        stored = S3Store(stored._bucket, Retry(dataclasses.replace(QUICK, attempts=2)))
    proxy.fault = always(damage, is_read)
    began = time.monotonic()
    with pytest.raises((StoreError, ChunkMismatchError)):
        fetch(stored, digest)
    assert time.monotonic() - began < 60
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
        if is_read(request) and request.range and request.range[0] <= place <= request.range[1]:
            body = bytearray(answer.body)
            body[place - request.range[0]] ^= 255
            answer = changed(answer, body=bytes(body))
        return answer

    proxy.fault = lie
    with pytest.raises(ChunkMismatchError) as caught:
        fetch(stored, digest)
    assert caught.value.indices == (place // chunk,)
    again = [request.range for request in proxy.seen if is_read(request)][3:]
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


# --- writing ----------------------------------------------------------------------------------------------------------


def lost(request: Request, ask: Ask) -> Answer | None:
    """Done, and the answer never comes."""
    ask()
    return None


def doubled(request: Request, ask: Ask) -> Answer | None:
    """Done twice, as by a proxy that retries; the second answer is what comes."""
    ask()
    return ask()


def dropped(request: Request, ask: Ask) -> Answer | None:
    """Not done, and no answer."""
    return None


def done_but_500(request: Request, ask: Ask) -> Answer | None:
    return unavailable(ask())


def error_in_200(request: Request, ask: Ask) -> Answer | None:
    """What S3 does when a completion fails after its status was sent (API reference, CompleteMultipartUpload)."""
    xml = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>InternalError</Code><Message>x</Message></Error>'
    return Answer(200, [("Content-Type", "application/xml")], xml)


def conflict(request: Request, ask: Ask) -> Answer | None:
    return Answer(409, [], b"<Error><Code>ConditionalRequestConflict</Code></Error>")


WRITE_FAULTS: dict[str, Fault] = {
    "acknowledgement lost": lost,
    "done twice": doubled,
    "request lost": dropped,
    "done, answered 503": done_but_500,
    "conflict": conflict,
}
STEPS: dict[str, Callable[[Request], bool]] = {
    "create": lambda request: request.method == "POST" and "uploads" in request.path.partition("?")[2],
    "part": lambda request: request.method == "PUT" and "partNumber" in request.path,
    "complete": lambda request: request.method == "POST" and "uploadId" in request.path,
    "head": lambda request: request.method == "HEAD",
}


def first(fault: Fault, matches: Callable[[Request], bool], fired: list[Request] | None = None) -> Fault:
    """``fault`` for the first request that ``matches``, which is put into ``fired``."""
    lock, fired = threading.Lock(), [] if fired is None else fired

    def run(request: Request, ask: Ask) -> Answer | None:
        with lock:
            fires = not fired and matches(request)
            if fires:
                fired.append(request)
        return fault(request, ask) if fires else ask()

    return run


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fault", WRITE_FAULTS)
def test_a_fault_at_any_step_of_an_upload_is_survived(
    store: S3Store, proxy: Proxy, source: int, digest: BlobDigest, data: bytes, step: str, fault: str, tally: Tally
) -> None:
    """Claim: whatever happens to one request of an upload, the blob is there and right when publish returns."""
    fired: list[Request] = []
    proxy.fault = first(WRITE_FAULTS[fault], STEPS[step], fired)
    publish(store, source)
    proxy.fault = honest
    assert fired
    assert fetch(store, digest) == data
    tally("faults of an upload, survived", 1)


@pytest.mark.parametrize("fault", WRITE_FAULTS)
def test_a_fault_of_a_small_put_is_survived(store: S3Store, proxy: Proxy, fault: str, tally: Tally) -> None:
    """Claim: the same for a blob that is one request."""
    proxy.fault = first(WRITE_FAULTS[fault], lambda request: request.method == "PUT")
    sha256 = store.put(b"small")
    proxy.fault = honest
    assert store.read(sha256, 5) == b"small"
    tally("faults of an upload, survived", 1)


def test_an_error_behind_a_status_of_200_is_an_error(
    store: S3Store, proxy: Proxy, source: int, digest: BlobDigest, data: bytes
) -> None:
    """Claim: a completion that failed after its status was sent is not taken for done."""
    proxy.fault = first(error_in_200, STEPS["complete"])
    publish(store, source)
    proxy.fault = honest
    assert fetch(store, digest) == data


def test_a_server_that_acknowledges_and_forgets_is_told(store: S3Store, proxy: Proxy) -> None:
    """Claim: an acknowledged write that left nothing is an error of the store, not a success."""
    proxy.fault = lambda request, ask: Answer(200, [("ETag", '"x"')], b"") if request.method == "PUT" else ask()
    with pytest.raises(StoreError, match="says it has none"):
        store.put(b"forgotten")


def test_an_upload_that_fails_is_aborted(store: S3Store, proxy: Proxy, source: int) -> None:
    """Claim: when parts cannot be sent, neither a blob nor an open upload stays."""
    proxy.fault = lambda request, ask: unavailable(ask()) if STEPS["complete"](request) else ask()
    with pytest.raises(StoreError):
        S3Store(store._bucket, Retry(dataclasses.replace(QUICK, attempts=2))).publish(
            source, ingest(Descriptor(source), SIZE_BYTES)
        )
    proxy.fault = lambda request, ask: (
        Answer(403, [], b"<Error><Code>AccessDenied</Code></Error>") if STEPS["part"](request) else ask()
    )
    store.delete(ingest(Descriptor(source), SIZE_BYTES).sha256)
    with pytest.raises(StoreError, match="AccessDenied"):
        publish(store, source)
    proxy.fault = honest
    assert list(store.staged()) == []
    assert list(store.blobs()) == []


def test_an_interrupted_upload_is_aborted(store: S3Store, proxy: Proxy, source: int) -> None:
    """Claim: Ctrl-C while parts are sent leaves neither a blob nor an open upload."""

    def interrupt(request: Request, ask: Ask) -> Answer | None:
        answer = ask()
        _thread.interrupt_main()
        time.sleep(0.2)
        return answer

    proxy.fault = first(interrupt, STEPS["part"])
    with pytest.raises(KeyboardInterrupt):
        publish(store, source)
    assert list(store.staged()) == []
    assert list(store.blobs()) == []


def test_an_upload_that_a_sweep_aborted_begins_again(
    store: S3Store, proxy: Proxy, source: int, digest: BlobDigest, data: bytes
) -> None:
    """Claim: a foreign abort costs time, not the push."""

    def sweep(request: Request, ask: Ask) -> Answer | None:
        for leftover in list(store.staged()):
            store.discard(leftover.name)
        return ask()

    proxy.fault = first(sweep, STEPS["complete"])
    publish(store, source)
    assert proxy.count("POST", "uploadId") >= 2
    assert fetch(store, digest) == data


def test_an_open_upload_is_listed_and_discarded(store: S3Store, digest: BlobDigest) -> None:
    """Claim: what a killed push left is what a sweep finds, and removes."""
    key = store._key(digest.sha256)
    upload_id = store._bucket.create_upload(key)
    store._bucket.upload_part(key, upload_id, 1, b"part")
    (leftover,) = store.staged()
    assert leftover.name == f"{digest.sha256}:{upload_id}"
    store.discard(leftover.name)
    assert list(store.staged()) == []


def test_memory_stays_at_a_part_for_each_request(store: S3Store, proxy: Proxy, source: int) -> None:
    """Claim: parts are in flight at most eight at once, and more than one is."""
    lock, now, most = threading.Lock(), [0], [0]

    def count(request: Request, ask: Ask) -> Answer | None:
        if not STEPS["part"](request):
            return ask()
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.1)
        answer = ask()
        with lock:
            now[0] -= 1
        return answer

    proxy.fault = count
    publish(store, source)
    assert 2 <= most[0] <= 8
