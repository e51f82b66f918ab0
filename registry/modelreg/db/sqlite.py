"""SQLite: the driver's own transaction handling is off, and every transaction begins by our word.

``BEGIN`` to read, ``BEGIN IMMEDIATE`` to write, so that two writers queue instead of failing half-way (SQLite
documentation, "Transactions"; SQLAlchemy documentation, "pysqlite / aiosqlite: transaction control").
"""

from __future__ import annotations

import sqlite3
import time

import sqlalchemy as sa

from modelreg.db.address import Address

BUSY_TIMEOUT_S = 60


def make_engine(address: Address) -> sa.Engine:
    """An engine whose connections are set up for several processes."""
    engine = sa.create_engine(address.url, connect_args={"timeout": BUSY_TIMEOUT_S})
    sa.event.listen(engine, "connect", _configure)
    return engine


def begin(connection: sa.Connection, *, writes: bool) -> None:
    """Begin the transaction that ``connection`` is to have."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _configure(connection: sqlite3.Connection, _record: object) -> None:
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
