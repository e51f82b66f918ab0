"""The database's address: what a URL means, what of it may be shown, and what must never be."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from modelreg.errors import UsageError
from modelreg.masking import masked

LOCK_TIMEOUT_S = 30.0
"""How long a transaction waits for another's lock; a push holds one for the milliseconds of its commit."""
STATEMENT_TIMEOUT_S = 60.0
"""How long one statement may take; the longest, of a sweep over 10^5 versions, takes under a second."""

_TIMEOUTS = ("lock_timeout_s", "statement_timeout_s")
_WRITE = "write sqlite:///PATH or postgresql://USER@HOST/NAME"
_SECRET = re.compile(r"pass|pwd|secret|token|key|credential", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed URL: ``url`` for the driver, ``shown`` for people; ``secrets`` must not appear in any text."""

    url: sa.URL = field(repr=False)
    shown: str
    secrets: tuple[str, ...] = field(repr=False)
    sqlite_path: Path | None
    lock_timeout_s: float = LOCK_TIMEOUT_S
    statement_timeout_s: float = STATEMENT_TIMEOUT_S


def parse_address(text: str) -> Address:
    """Read a database URL; ``lock_timeout_s`` and ``statement_timeout_s`` of its query are ours, all else the driver's.

    ``postgresql://``, ``postgres://`` and ``postgresql+psycopg://`` are the same.  Raises ``UsageError`` for what is
    neither SQLite nor PostgreSQL, which shows no password.
    """
    try:
        url = sa.make_url(re.sub(r"^postgres(ql)?(?=:)", "postgresql+psycopg", text))
    except (SQLAlchemyError, ValueError):
        raise UsageError("the database URL cannot be read", hint=_WRITE) from None
    shown = _shown(url)
    if url.get_backend_name() == "sqlite":
        return Address(url, shown, (), _sqlite_path(url))
    if url.drivername != "postgresql+psycopg":
        raise UsageError(
            f"modelreg keeps its records in SQLite or PostgreSQL (by psycopg), not in {url.drivername!r} ({shown})",
            hint=_WRITE,
        )
    timeouts = {name: _seconds(name, url.query[name]) for name in _TIMEOUTS if name in url.query}
    return Address(url.difference_update_query(_TIMEOUTS), shown, _secrets(url), None, **timeouts)


def _shown(url: sa.URL) -> str:
    try:
        return masked(url.render_as_string(hide_password=True))
    except UnicodeEncodeError:
        raise UsageError(
            f"the database's path {str(url.database)!r} is not valid UTF-8", hint="give another with --home"
        ) from None


def _secrets(url: sa.URL) -> tuple[str, ...]:
    named = [value for name, values in url.normalized_query.items() if _SECRET.search(name) for value in values]
    return tuple(value for value in (str(url.password or ""), *named) if value)


def _seconds(name: str, value: str | tuple[str, ...]) -> float:
    try:
        seconds = float(value if isinstance(value, str) else value[-1])
    except ValueError:
        seconds = -1
    if not 0 < seconds <= 86_400:
        raise UsageError(f"{name} of the database URL is not a number of seconds up to a day", hint=f"{name}=30")
    return seconds


def _sqlite_path(url: sa.URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise UsageError(
            f"{url} is a database in memory, which would be lost at once", hint="write sqlite:///PATH, with a file"
        )
    return Path(url.database)
