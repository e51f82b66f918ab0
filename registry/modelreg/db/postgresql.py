"""PostgreSQL by psycopg 3: connections, transactions with time-outs, advisory locks, and what its errors mean.

Readers have one snapshot (``REPEATABLE READ, READ ONLY``); writers run in ``READ COMMITTED``, where each statement sees
what was committed before it, and lock what they decide on first (PostgreSQL documentation, "Transaction Isolation").
Advisory locks are keyed by two integers: ours, and what is locked ("Explicit Locking: Advisory Locks").
"""

from __future__ import annotations

import enum

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from modelreg.db.address import Address
from modelreg.errors import DatabaseError

CONNECT_TIMEOUT_S = 10
UPGRADE_TIMEOUT_S = 600
"""An upgrade may rewrite a table, and the others wait for it."""
_KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""A peer that vanished is noticed after a minute instead of the two hours that systems wait by default."""
_LOCK_SPACE = 0x6D72
"""The first key of our advisory locks ("mr"), so that another program in the same database meets none of them."""

_DURABLE = "; SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'"
"""A server set to acknowledge before it has written would lose pushes that were acknowledged when it crashes."""
_CAN_BE_RUN_AGAIN = {"40001", "40P01"}
"""serialization_failure, deadlock_detected (PostgreSQL documentation, appendix "Error Codes")."""
_COME_LATER = {"53300", "57P03"}
"""too_many_connections, cannot_connect_now."""
_HINTS = {
    "55P03": "another process holds what this one needs; try again, or give the URL a longer lock_timeout_s",
    "57014": "the server is slow or busy; try again, or give the URL a longer statement_timeout_s",
    "28P01": "check the user and the password, or use a password file (~/.pgpass)",
    "28000": "check the user, and the server's pg_hba.conf",
    "3D000": "create it first: createdb NAME",
    "42501": "grant the user the right to create and use tables in its schema",
    "53300": "the server has no connection left; try again when others are done",
    "57P03": "the server is starting or stopping; try again",
    "25006": "that server is read-only, a replica: point MODELREG_DATABASE_URL at the primary",
    "53100": "the server's disk is full",
}


class Lock(enum.IntEnum):
    """What an advisory lock protects, till the end of its transaction."""

    SCHEMA = 1
    REGISTRY = 2
    SWEEP = 3
    LOG = 4
    """Always taken after the row of a model, so that no two transactions wait for each other."""


def make_engine(address: Address, pool_size: int | None) -> sa.Engine:
    """An engine that keeps one connection, or ``pool_size``, and asks each whether it still lives before it is used."""
    options = {"application_name": "modelreg", "connect_timeout": CONNECT_TIMEOUT_S, **_KEEPALIVES}
    own = {name: value for name, value in options.items() if name not in address.url.query}
    try:
        return sa.create_engine(
            address.url,
            # Prepared statements would outlive a transaction, which poolers between us and the server do not follow.
            connect_args={**own, "prepare_threshold": None},
            pool_size=pool_size or 1,
            max_overflow=-1 if pool_size is None else 0,
            pool_pre_ping=True,
            hide_parameters=True,
        )
    except (SQLAlchemyError, ImportError) as error:
        raise DatabaseError(
            f"no driver for {address.shown}: {error}", hint="pip install 'modelreg[postgres]'"
        ) from error


def begin(connection: sa.Connection, address: Address, *, writes: bool, upgrades: bool = False) -> None:
    """Begin a transaction: its isolation and time-outs, in one round trip."""
    isolation = "READ COMMITTED, READ WRITE" if writes else "REPEATABLE READ, READ ONLY"
    lock_s, statement_s = address.lock_timeout_s, address.statement_timeout_s
    if upgrades:
        lock_s = statement_s = UPGRADE_TIMEOUT_S
    connection.exec_driver_sql(
        f"SET TRANSACTION ISOLATION LEVEL {isolation}; SET LOCAL lock_timeout = {round(lock_s * 1000)}; "
        f"SET LOCAL statement_timeout = {round(statement_s * 1000)}" + (_DURABLE if writes else "")
    )


def lock(connection: sa.Connection, what: Lock, *, shared: bool = False) -> None:
    """Hold ``what`` till the end of this transaction; on SQLite a writer is alone already."""
    if connection.dialect.name == "postgresql":
        function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
        connection.exec_driver_sql(f"SELECT {function}({_LOCK_SPACE}, {what.value})")


def hint_of(sqlstate: str | None, reason: str) -> str | None:
    """What to do about an error."""
    if sqlstate in _HINTS:
        return _HINTS[sqlstate]
    # What comes from libpq, before there is a session, has no code.
    if "password" in reason or "no pg_hba.conf" in reason:
        return _HINTS["28P01"]
    if "certificate" in reason or "SSL" in reason:
        return "see sslmode, sslrootcert, sslcert and sslkey of the URL in docs/how-to/use-postgresql.md"
    if "does not exist" in reason:
        return _HINTS["3D000"]
    if "onnection" in reason or "timeout" in reason:
        return "is the server running, and reachable from here? `modelreg config show` tells which one is meant"
    return None


def can_be_run_again(sqlstate: str | None) -> bool:
    """Whether the server undid the whole transaction for the sake of another one."""
    return sqlstate in _CAN_BE_RUN_AGAIN


def can_connect_later(sqlstate: str | None, reason: str) -> bool:
    """Whether a connection was refused for a reason that passes."""
    return sqlstate in _COME_LATER or "too many clients" in reason or "starting up" in reason
