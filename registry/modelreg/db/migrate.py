"""The schema's revision: told, created on first use, upgraded on request, never changed behind anyone's back."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import sqlalchemy as sa

from modelreg.db import postgresql
from modelreg.db.log import LogTables
from modelreg.db.schema import REVISION, REVISION_TABLE
from modelreg.db.session import Session
from modelreg.errors import SchemaRevisionError
from modelreg.files import make_folder

if TYPE_CHECKING:
    from alembic.config import Config


_NEWER = "upgrade modelreg: a newer one wrote this database, and `modelreg db upgrade` only goes forward"


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """``found`` is ``None`` for an empty database; ``wanted`` is this program's revision."""

    found: str | None
    wanted: str

    @property
    def is_current(self) -> bool:
        return self.found == self.wanted


def status(session: Session) -> SchemaStatus:
    """The revision that the database says it has."""
    if session.sqlite_path is not None and not session.sqlite_path.exists():
        return SchemaStatus(None, REVISION)
    with session.reading() as connection:
        return SchemaStatus(_found(connection), REVISION)


def _found(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(REVISION_TABLE):
        return None
    return connection.execute(sa.text(f"SELECT version_num FROM {REVISION_TABLE}")).scalar()  # noqa: S608 - a constant


def require_current(session: Session, *, create: bool = True) -> None:
    """Raise ``SchemaRevisionError`` unless the schema is this program's; an empty database is set up first."""
    current = status(session)
    if current.is_current:
        return
    if current.found is None:
        if not create:
            raise SchemaRevisionError(
                f"the database {session.shown_url} has no modelreg schema", hint="modelreg db upgrade"
            )
        upgrade(session)
        return
    raise SchemaRevisionError(
        f"the database {session.shown_url} has schema revision {current.found!r}; this program needs {REVISION!r}",
        hint="modelreg db upgrade" if _is_known(current.found) else _NEWER,
    )


def upgrade(session: Session) -> SchemaStatus:
    """Bring the schema to this program's revision, in one transaction; returns what was found before.

    Versions of before there was a log are appended to it, oldest first: that they were here by now is what it proves.

    Raises ``SchemaRevisionError`` for a revision that this program does not know, that is, a newer one.
    """
    if session.sqlite_path is not None:
        make_folder(session.sqlite_path.absolute().parent)
    with session.writing(upgrades=True) as connection:
        postgresql.lock(connection, postgresql.Lock.SCHEMA)
        before = SchemaStatus(_found(connection), REVISION)
        if before.is_current:
            return before
        if before.found is not None and not _is_known(before.found):
            raise SchemaRevisionError(
                f"the database {session.shown_url} has schema revision {before.found!r}, unknown to this program",
                hint=_NEWER,
            )
        _run_alembic(connection)
        LogTables(connection).append_unlogged()
        return before


def _configuration() -> Config:
    from alembic.config import Config

    configuration = Config()
    configuration.set_main_option("script_location", str(files("modelreg_migrations")).replace("%", "%%"))
    return configuration


def _run_alembic(connection: sa.Connection) -> None:
    from alembic import command

    configuration = _configuration()
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, "head")


def _is_known(revision: str) -> bool:
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    try:
        ScriptDirectory.from_config(_configuration()).get_revision(revision)
    except CommandError:
        return False
    return True
