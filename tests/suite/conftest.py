"""What the shared suites run over.  One more adapter joins by one line here, or from outside with ``--store``."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from modelreg.db import migrate
from modelreg.db.session import Session
from modelreg.store.base import Store
from modelreg.store.local import LocalStore
from modelreg.store.memory import MemoryStore


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


ADAPTERS: dict[str, Callable[[Path], Adapter]] = {"memory": Memory, "local": Local}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that asks for an adapter over all of them, and over the one given with ``--store``."""
    if "adapter" in metafunc.fixturenames:
        named = dict(ADAPTERS)
        if given := metafunc.config.getoption("--store"):
            module, _, function = given.partition(":")
            named[given] = getattr(importlib.import_module(module), function)
        metafunc.parametrize("adapter", list(named.values()), ids=list(named), indirect=True)


@pytest.fixture
def adapter(request: pytest.FixtureRequest, tmp_path: Path) -> Adapter:
    made: Adapter = request.param(tmp_path)
    return made


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
