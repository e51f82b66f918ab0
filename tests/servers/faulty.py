"""A store behind the fault-injecting proxy, and one large blob: what the tests of faults share."""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from tests.servers.damages import error
from tests.servers.proxy import Answer, Proxy, proxy_before

from modelreg.digest import BlobDigest
from modelreg.digest.streams import Descriptor, ingest, transfer
from modelreg.store.retry import Retry, RetryPolicy
from modelreg.store.s3 import S3Store
from modelreg.store.s3_bucket import Bucket, Timeouts
from modelreg.store.s3_url import parse_s3_url

if TYPE_CHECKING:
    from tests.servers.server import S3Server

MIB = 1024 * 1024
SIZE_BYTES = 18 * MIB + 12345
QUICK = RetryPolicy(attempts=14, timeout_s=30.0, wait_initial_s=0.001, wait_max_s=0.01, wait_jitter_s=0.0)
IMPATIENT = Timeouts(connect_s=5.0, read_s=2.0, stall_s=0.5, stall_bytes=64 * 1024)
Ask = Callable[[], Answer]
Tally = Callable[[str, int], None]
unavailable = error(503, "SlowDown")


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
