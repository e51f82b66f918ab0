"""What the shared suites run over.  One more adapter joins by one line here, or from outside with ``--store``."""

from __future__ import annotations

import importlib
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from tests.servers.fixtures import LOOPBACK, SERVERS, given_credentials, given_url

from modelreg.db import migrate
from modelreg.db.session import Session
from modelreg.store.base import Store
from modelreg.store.local import LocalStore
from modelreg.store.memory import MemoryStore

if TYPE_CHECKING:
    from tests.servers.server import S3Server


class Adapter(Protocol):
    """A store as the suite needs it."""

    def open(self) -> Store:
        """The store, opened once more: what one opening publishes, every other sees."""
        ...

    def damage(self, sha256: str, data: bytes) -> None:
        """Replace the bytes of a blob behind the store's back, as a failing disk does."""
        ...


class Memory:
    """The in-memory store, which exists once."""

    def __init__(self, folder: Path) -> None:
        self._store = MemoryStore()

    def open(self) -> Store:
        return self._store

    def damage(self, sha256: str, data: bytes) -> None:
        self._store._blobs[sha256] = data


class Local:
    """The local store in a folder."""

    def __init__(self, folder: Path) -> None:
        self._root = folder / "store"

    def open(self) -> Store:
        return LocalStore.open_folder(self._root)

    def damage(self, sha256: str, data: bytes) -> None:
        path = self._root / "blobs" / "sha256" / sha256[:2] / sha256
        path.chmod(0o600)
        path.write_bytes(data)


class OnServer:
    """An S3 store below a prefix of its own, on a server that runs for the whole session."""

    def __init__(self, server: S3Server) -> None:
        self._server = server
        self._prefix = f"suite/{secrets.token_hex(8)}"

    def open(self) -> Store:
        from modelreg.store.s3 import S3Store

        return S3Store.open_url(self._server.url(self._prefix))

    def damage(self, sha256: str, data: bytes) -> None:
        from tests.servers.server import client_of

        key = f"{self._prefix}/blobs/sha256/{sha256[:2]}/{sha256}"
        client_of(self._server).put_object(Bucket=self._server.bucket, Key=key, Body=data)


class GivenServer:
    """A user's own server; what the tests put below its prefix stays there."""

    def __init__(self, url: str) -> None:
        place, _, query = url.partition("?")
        self._url = f"{place.rstrip('/')}/{secrets.token_hex(8)}?{query}"

    def open(self) -> Store:
        from modelreg.store.s3 import S3Store

        return S3Store.open_url(self._url)

    def damage(self, sha256: str, data: bytes) -> None:
        from modelreg.store.s3_bucket import Bucket
        from modelreg.store.s3_url import parse_s3_url

        location = parse_s3_url(self._url)
        Bucket(location).put(location.key(f"blobs/sha256/{sha256[:2]}/{sha256}"), data, only_if_absent=False)


ADAPTERS: dict[str, Callable[[Path], Adapter]] = {"memory": Memory, "local": Local}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that asks for an adapter over all of them, and over the one given with ``--store``."""
    if "adapter" in metafunc.fixturenames:
        named = dict(ADAPTERS)
        if given := metafunc.config.getoption("--store"):
            module, _, function = given.partition(":")
            named[given] = getattr(importlib.import_module(module), function)
        on_loopback = pytest.mark.allow_hosts(LOOPBACK)
        rows = [pytest.param(make, id=name) for name, make in named.items()]
        rows += [pytest.param(server, id=server, marks=on_loopback) for server in SERVERS]
        if given_url:
            rows.append(pytest.param(given_url, id="given", marks=pytest.mark.enable_socket))
        metafunc.parametrize("adapter", rows, indirect=True)


@pytest.fixture
def adapter(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Adapter:
    if callable(request.param):
        made: Adapter = request.param(tmp_path)
        return made
    if given_url and request.param == given_url:
        for name, value in given_credentials.items():
            monkeypatch.setenv(name, value)
        return GivenServer(given_url)
    request.getfixturevalue("aws_credentials")
    return OnServer(request.getfixturevalue(request.param))


@pytest.fixture
def store_factory(adapter: Adapter) -> Callable[[], Store]:
    return adapter.open


@pytest.fixture
def store(store_factory: Callable[[], Store]) -> Store:
    return store_factory()


@pytest.fixture
def source() -> Iterator[Callable[[bytes], int]]:
    """Makes files to be pushed: ``source(data)`` is a descriptor of one that holds ``data``."""
    opened: list[int] = []

    def make(data: bytes) -> int:
        descriptor, path = tempfile.mkstemp()
        os.unlink(path)
        os.write(descriptor, data)
        opened.append(descriptor)
        return descriptor

    yield make
    for descriptor in opened:
        os.close(descriptor)


@pytest.fixture
def session(database_url: str) -> Iterator[Session]:
    """A session over a database with this program's schema."""
    opened = Session(database_url)
    migrate.upgrade(opened)
    yield opened
    opened.close()
