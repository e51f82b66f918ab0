"""Connections: one engine per registry, explicit transactions, errors of our own tree.

On SQLite the driver's own transaction handling is switched off and every transaction begins by our word: ``BEGIN`` to
read, ``BEGIN IMMEDIATE`` to write, so that two writers queue instead of failing half-way (SQLite documentation,
"Transactions"; SQLAlchemy documentation, "pysqlite / aiosqlite: transaction control").
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from modelreg.errors import DatabaseError, ModelregError, UsageError

BUSY_TIMEOUT_S = 60
_WRITES = "modelreg_writes"


class Session:
    """An engine and the two kinds of transaction."""

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            parsed = sa.make_url(url)
        except SQLAlchemyError:
            raise UsageError(
                "the database URL cannot be read", hint="write sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME"
            ) from None
        try:
            self.shown_url = parsed.render_as_string(hide_password=True)
        except UnicodeEncodeError:
            raise UsageError(
                f"the database's path {str(parsed.database)!r} is not valid UTF-8", hint="give another with --home"
            ) from None
        self.sqlite_path = _sqlite_path(parsed)
        self._engine = _make_engine(parsed, self.shown_url)

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state of the database and changes nothing."""
        with self._transaction(writes=False) as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that is committed at the end, or undone by any exception."""
        with self._transaction(writes=True) as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextlib.contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[sa.Connection]:
        try:
            with self._engine.connect().execution_options(**{_WRITES: writes}) as connection, connection.begin():
                yield connection
        except ModelregError:
            raise
        except SQLAlchemyError as error:
            raise self._as_database_error(error) from error

    def _as_database_error(self, error: SQLAlchemyError) -> DatabaseError:
        reason = str(getattr(error, "orig", None) or error).strip()
        hints = {
            "locked": "another process holds the database; try again when it is done",
            "unable to open": "check that its folder exists and is yours",
            "readonly": "check who owns that file and its folder",
            "full": "free some space there, or point MODELREG_DATABASE_URL elsewhere",
            "malformed": "restore it from a backup; the manifests in the store are intact",
            "not a database": "MODELREG_DATABASE_URL must name a file of its own",
        }
        hint = next((text for sign, text in hints.items() if sign in reason), None)
        return DatabaseError(f"the database {self.shown_url} failed: {reason}", hint=hint)


def _sqlite_path(url: sa.URL) -> Path | None:
    if url.get_backend_name() != "sqlite":
        return None
    if not url.database or url.database == ":memory:":
        raise UsageError(
            f"{url} is a database in memory, which would be lost at once", hint="write sqlite:///PATH, with a file"
        )
    return Path(url.database)


def _make_engine(url: sa.URL, shown_url: str) -> sa.Engine:
    sqlite = url.get_backend_name() == "sqlite"
    if not sqlite and url.get_backend_name() != "postgresql":
        raise UsageError(
            f"modelreg keeps its records in SQLite or PostgreSQL, not in {url.get_backend_name()!r} ({shown_url})"
        )
    try:
        engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S} if sqlite else {})
    except (SQLAlchemyError, ImportError) as error:
        raise DatabaseError(f"no driver for {shown_url}: {error}", hint="pip install 'modelreg[postgres]'") from error
    if sqlite:
        sa.event.listen(engine, "connect", _configure_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    try:
        connection.isolation_level = None
        for pragma in ("synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        _use_wal(connection)
    except BaseException:
        connection.close()  # SQLAlchemy forgets a connection whose listener fails
        raise


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to write-ahead logging, which SQLite refuses at once, busy timeout or not, while another one switches."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return


def _begin_sqlite(connection: Any) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
