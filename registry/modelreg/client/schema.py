"""The database's schema as a user sees it: told, and upgraded on request, with no store involved."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelreg.config import Settings
    from modelreg.db.migrate import SchemaStatus


def schema_status(settings: Settings) -> SchemaStatus:
    """The revision of the database that ``settings`` name; an absent one is not made."""
    from modelreg.db import migrate
    from modelreg.db.session import Session

    with contextlib.closing(Session(settings.database_url.value)) as session:
        return migrate.status(session)


def upgrade_schema(settings: Settings) -> SchemaStatus:
    """Bring that database to this program's revision, making it if need be; returns what was found before.

    Raises ``SchemaRevisionError`` for a revision that only a newer modelreg knows.
    """
    from modelreg.db import migrate
    from modelreg.db.session import Session

    with contextlib.closing(Session(settings.database_url.value)) as session:
        return migrate.upgrade(session)
