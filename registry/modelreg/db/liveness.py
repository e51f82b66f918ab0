"""Whether the holder of a lease lives: a lock that the kernel or the server drops when its holder dies.

On SQLite it is a ``flock`` on a file beside the database (``registry.db-leases/ID``); on PostgreSQL an advisory lock of
the session, that is, of the connection.  No clock is involved, and nothing has to be refreshed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa

from modelreg.db.session import PinnedSession, Transactions
from modelreg.errors import DatabaseError
from modelreg.files import advice_on, make_folder, reason_of


class Locks(Protocol):
    """The locks of leases, on one kind of database."""

    def hold(self, session: PinnedSession, lease_id: str) -> contextlib.AbstractContextManager[None]:
        """Hold the lock of a new lease; it is gone when the process or its connection dies."""
        ...

    def is_held(self, connection: sa.Connection, lease_id: str) -> bool:
        """Whether somebody else holds the lock of a lease."""
        ...

    def is_ours(self, connection: sa.Connection, lease_id: str) -> bool:
        """Whether ``connection`` itself still holds the lock of its lease."""
        ...

    def forget(self, lease_id: str) -> None:
        """Remove what is left of a lease that nobody holds, once its rows are gone."""
        ...

    def strays(self, known: frozenset[str]) -> list[str]:
        """Leases that nobody holds and that have no rows: their process died between lock and row, or after."""
        ...


def locks_of(session: Transactions) -> Locks:
    """The locks that belong to a session's database."""
    if session.sqlite_path is None:
        return ServerLocks()
    path = session.sqlite_path.absolute()
    return FileLocks(path.with_name(f"{path.name}-leases"))


class FileLocks:
    """One file a lease."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def hold(self, session: PinnedSession, lease_id: str) -> Iterator[None]:  # noqa: ARG002 - as the port has it
        path = self._folder / lease_id
        descriptor = self._lock_new(path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            os.close(descriptor)

    def _lock_new(self, path: Path) -> int:
        """Make and lock the file; a sweep that found it unlocked in between has removed it, and it is made again."""
        with self._as_database_error():
            make_folder(self._folder)
            while True:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if os.fstat(descriptor).st_nlink:
                    return descriptor
                os.close(descriptor)

    def is_held(self, connection: sa.Connection, lease_id: str) -> bool:  # noqa: ARG002 - as the port has it
        with self._as_database_error():
            try:
                descriptor = os.open(self._folder / lease_id, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                return False
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            finally:
                os.close(descriptor)
        return False

    def is_ours(self, connection: sa.Connection, lease_id: str) -> bool:  # noqa: ARG002 - as the port has it
        return True  # for as long as the process lives

    def forget(self, lease_id: str) -> None:
        with self._as_database_error():
            try:
                descriptor = os.open(self._folder / lease_id, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                return
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                (self._folder / lease_id).unlink(missing_ok=True)
            except BlockingIOError:  # somebody begins just now
                return
            finally:
                os.close(descriptor)

    def strays(self, known: frozenset[str]) -> list[str]:
        with self._as_database_error():
            return [path.name for path in self._folder.glob("*") if path.name not in known]

    @contextlib.contextmanager
    def _as_database_error(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DatabaseError(
                f"cannot hold a lease in {self._folder}: {reason_of(error)}",
                hint=advice_on(error, "point MODELREG_DATABASE_URL elsewhere"),
            ) from error


class ServerLocks:
    """One advisory lock of the session a lease, under the lease's first 64 bits."""

    @contextlib.contextmanager
    def hold(self, session: PinnedSession, lease_id: str) -> Iterator[None]:
        with session.writing() as connection:
            # The server, too, is to notice after a minute that its peer has vanished.
            connection.exec_driver_sql(
                "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"
            )
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({_key(lease_id)})")
        try:
            yield
        finally:
            with contextlib.suppress(DatabaseError), session.writing() as connection:  # lost with its connection
                connection.exec_driver_sql(f"SELECT pg_advisory_unlock({_key(lease_id)})")

    def is_held(self, connection: sa.Connection, lease_id: str) -> bool:
        taken = connection.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock({_key(lease_id)})").scalar_one()
        return not taken

    def is_ours(self, connection: sa.Connection, lease_id: str) -> bool:
        # A 64-bit key is shown in two halves, with objsubid 1 (PostgreSQL documentation, "pg_locks").
        query = sa.text(
            "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted "
            "AND objsubid = 1 AND (CAST(classid AS bigint) << 32) | CAST(objid AS bigint) = :key"
        )
        return bool(connection.execute(query, {"key": _key(lease_id)}).scalar_one())

    def forget(self, lease_id: str) -> None:
        """The server keeps nothing of a lock that nobody holds."""

    def strays(self, known: frozenset[str]) -> list[str]:  # noqa: ARG002 - as the port has it
        return []


def _key(lease_id: str) -> int:
    return int.from_bytes(bytes.fromhex(lease_id[:16]), "big", signed=True)
