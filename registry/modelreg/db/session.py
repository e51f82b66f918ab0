"""Connections: one engine per registry, explicit transactions, errors of our own tree.

A transaction that a server undid for another's sake (a deadlock, a serialisation failure) is run again where the whole
of it is given as a function: ``run``.  What is lost with its connection is told apart as ``ConnectionLostError``, since
then nobody here knows whether its commit arrived.
"""

from __future__ import annotations

import abc
import contextlib
import itertools
import random
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from modelreg.db import postgresql, sqlite
from modelreg.db.address import Address, parse_address
from modelreg.errors import ConnectionLostError, DatabaseError, ModelregError, UnreachableError
from modelreg.masking import without

T = TypeVar("T")

ATTEMPTS = 8
"""How often a transaction is run, or a connection asked for, before its error is told: about 6 s of pauses in all."""
_PAUSE_S = 0.05
_LOST = "the server went away or the network failed; nothing was half-written, try again"
_SQLITE_HINTS = {
    "locked": "another process holds the database; try again when it is done",
    "unable to open": "check that its folder exists and is yours",
    "readonly": "check who owns that file and its folder",
    "full": "free some space there, or point MODELREG_DATABASE_URL elsewhere",
    "disk I/O error": "is there room on that disk (df), is it well (dmesg)? nothing was half-written, try again",
    "malformed": "restore it from a backup; the manifests in the store are intact",
    "not a database": "MODELREG_DATABASE_URL must name a file of its own",
}


class Transactions(abc.ABC):
    """The two kinds of transaction, over whatever connects."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self.shown_url = address.shown
        self.sqlite_path = address.sqlite_path

    @abc.abstractmethod
    def _connected(self) -> contextlib.AbstractContextManager[sa.Connection]: ...

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state of the database and changes nothing."""
        with self._transaction(writes=False) as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self, *, upgrades: bool = False) -> Iterator[sa.Connection]:
        """A transaction that is committed at the end, or undone by any exception."""
        with self._transaction(writes=True, upgrades=upgrades) as connection:
            yield connection

    def run(self, work: Callable[[sa.Connection], T]) -> T:
        """What ``work`` returns from a transaction that was committed; it may be called several times."""
        for attempt in itertools.count(1):
            try:
                with self.writing() as connection:
                    return work(connection)
            except DatabaseError as error:
                if not error.transient or attempt == ATTEMPTS:
                    raise
            pause(attempt)
        raise AssertionError("unreachable")

    @contextlib.contextmanager
    def _transaction(self, *, writes: bool, upgrades: bool = False) -> Iterator[sa.Connection]:
        with self._as_database_error(), self._connected() as connection, connection.begin():
            if self.sqlite_path is None:
                postgresql.begin(connection, self._address, writes=writes, upgrades=upgrades)
            else:
                sqlite.begin(connection, writes=writes)
            yield connection

    @contextlib.contextmanager
    def _as_database_error(self) -> Iterator[None]:
        """The driver's errors as ours; where a secret stands in their words, the chain ends here."""
        try:
            yield
        except ModelregError:
            raise
        except SQLAlchemyError as error:
            raise self._told(error) from self._unless_secret(error)

    def _unless_secret(self, error: SQLAlchemyError) -> SQLAlchemyError | None:
        """``error`` as a cause that a traceback may show."""
        return error if without(str(error), self._address.secrets) == str(error) else None

    def _told(self, error: SQLAlchemyError) -> DatabaseError:
        reason = " ".join(without(str(getattr(error, "orig", None) or error), self._address.secrets).split())
        message = f"the database {self.shown_url} failed: {reason}"
        if self.sqlite_path is not None:
            hint = next((text for sign, text in _SQLITE_HINTS.items() if sign in reason), None)
            return DatabaseError(message, hint=hint)
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            return ConnectionLostError(message, hint=_LOST)
        sqlstate = sqlstate_of(error)
        hint = postgresql.hint_of(sqlstate, reason)
        return DatabaseError(message, hint=hint, transient=postgresql.can_be_run_again(sqlstate))


class Session(Transactions):
    """An engine; each transaction takes a connection from it."""

    def __init__(self, url: str, *, pool_size: int | None = None) -> None:
        super().__init__(parse_address(url))
        if self.sqlite_path is None:
            self._engine = postgresql.make_engine(self._address, pool_size)
        else:
            self._engine = sqlite.make_engine(self._address)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        connection = self._connect()
        try:
            yield connection
        finally:
            connection.close()

    def _connect(self) -> sa.Connection:
        """A connection; one that is refused for a reason that passes is asked for again."""
        for attempt in itertools.count(1):
            try:
                return self._engine.connect()
            except DBAPIError as error:
                if self.sqlite_path is not None:
                    raise
                if not postgresql.can_connect_later(sqlstate_of(error), str(error.orig)) or attempt == ATTEMPTS:
                    told = self._told(error)
                    raise UnreachableError(told.message, hint=told.hint) from self._unless_secret(error)
            pause(attempt)
        raise AssertionError("unreachable")

    @contextlib.contextmanager
    def pinned(self) -> Iterator[PinnedSession]:
        """One connection for several transactions, kept between them; when it is lost, so is every later one."""
        with self._as_database_error(), self._connected() as connection:
            yield PinnedSession(self._address, connection)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


class PinnedSession(Transactions):
    """The transactions of one connection."""

    def __init__(self, address: Address, connection: sa.Connection) -> None:
        super().__init__(address)
        self._connection = connection

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        if self._connection.invalidated:  # SQLAlchemy would connect anew, and what the old one held would be forgotten
            raise ConnectionLostError(f"the connection to {self.shown_url} was lost", hint=_LOST)
        yield self._connection


def sqlstate_of(error: SQLAlchemyError) -> str | None:
    """PostgreSQL's code of an error, where it has one."""
    found = getattr(getattr(error, "orig", None), "sqlstate", None)
    return found if isinstance(found, str) else None


def pause(attempt: int) -> None:
    """Wait a random time that doubles at each attempt, so that those who met do not meet again."""
    time.sleep(random.uniform(0.2, 1) * min(_PAUSE_S * 2 ** (attempt - 1), 2))  # noqa: S311 - no secret hangs on it
