"""Where a registry is made to be broken: a database and a store, on real servers where they are not files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelreg import Registry

if TYPE_CHECKING:
    from tests.servers.server import S3Server


@dataclass(frozen=True, slots=True)
class Place:
    """The addresses of one registry."""

    name: str
    database_url: str
    storage_url: str

    def open(self) -> Registry:
        """The registry here."""
        return Registry.open(database_url=self.database_url, storage_url=self.storage_url)


@contextmanager
def files(folder: Path) -> Iterator[Place]:
    """SQLite and a local folder."""
    yield Place("SQLite, local folder", f"sqlite:///{folder}/registry.db", f"file://{folder}/store")


@contextmanager
def servers(folder: Path) -> Iterator[Place]:
    """PostgreSQL and SeaweedFS."""
    from tests.servers.postgres import postgres

    with ExitStack() as stack:
        database = stack.enter_context(stack.enter_context(postgres()).schema())
        store = stack.enter_context(s3_server("seaweedfs", folder))
        yield Place("PostgreSQL, SeaweedFS", database, store.url("chaos"))


@contextmanager
def s3_server(name: str, folder: Path) -> Iterator[S3Server]:
    """A server of the tests, by its name."""
    from tests.servers.juicefs import juicefs
    from tests.servers.seaweedfs import seaweedfs

    start: Callable[[Path], AbstractContextManager[S3Server]] = {"juicefs": juicefs, "seaweedfs": seaweedfs}[name]
    own = folder / name
    own.mkdir()
    with start(own) as server:
        yield server
