"""Alembic's entry: runs the revisions on the caller's connection and transaction, or prints SQL with ``--sql``.

The caller (``modelreg.db.migrate``, or a developer through the alembic command with ``-x url=...``) owns the
database's address; nothing here reads a configuration.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from modelreg.db.schema import REVISION_TABLE, metadata


def run(connection: sa.Connection) -> None:
    """Run the revisions on ``connection``, within its transaction."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table=REVISION_TABLE,
        render_as_batch=connection.dialect.name == "sqlite",
        transactional_ddl=True,
    )
    context.run_migrations()


def run_given_or_own() -> None:
    """Use the connection that was handed in, or open the address given as ``-x url=...``."""
    given = context.config.attributes.get("connection")
    if given is not None:
        run(given)
        return
    url = context.get_x_argument(as_dictionary=True).get("url", "sqlite://")
    with sa.create_engine(url).begin() as connection:
        run(connection)


if context.is_offline_mode():
    context.configure(dialect_name="sqlite", target_metadata=metadata, version_table=REVISION_TABLE, literal_binds=True)
    context.run_migrations()
else:
    run_given_or_own()
