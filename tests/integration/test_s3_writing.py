"""A server that lies and a network that fails while a blob is written: it is there and right, or it is told."""

from __future__ import annotations

import _thread
import dataclasses
import threading
import time
from collections.abc import Callable

import pytest
from tests.servers.faulty import (
    QUICK,
    SIZE_BYTES,
    Ask,
    Tally,
    data,
    digest,
    fetch,
    proxy,
    publish,
    source,
    store,
    stored,
    unavailable,
)
from tests.servers.proxy import Answer, Fault, Proxy, Request, honest

from modelreg.digest import BlobDigest
from modelreg.digest.streams import Descriptor, ingest
from modelreg.errors import StoreError
from modelreg.store.retry import Retry
from modelreg.store.s3 import S3Store

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.usefixtures("aws_credentials")]

__all__ = ["data", "digest", "proxy", "source", "store", "stored"]


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
