"""Leases, so that sweeps run beside pushes; an index for the aliases of a version; one order of texts everywhere."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ORDERED = (("models", "name", 128), ("files", "path", 1024), ("aliases", "alias", 64))


def upgrade() -> None:
    """Create the tables of leases, add the index, and sort by code point on PostgreSQL too."""
    op.create_table(
        "leases",
        sa.Column(
            "id", sa.String(32), nullable=False, comment="random; whoever works under it holds a lock of that name"
        ),
        sa.Column("holder", sa.String(512), nullable=False, comment="who, to be shown"),
        sa.Column("begun_at", sa.String(20), nullable=False, comment="to be shown; nothing is decided by a clock"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leases")),
    )
    op.create_table(
        "leased_blobs",
        sa.Column("lease_id", sa.String(32), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("lease_id", "sha256", name=op.f("pk_leased_blobs")),
        sa.ForeignKeyConstraint(["lease_id"], ["leases.id"], name=op.f("fk_leased_blobs_lease_id")),
    )
    op.create_table(
        "condemned",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("lease_id", sa.String(32), nullable=False, comment="the sweep that deletes it"),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_condemned")),
        sa.ForeignKeyConstraint(["lease_id"], ["leases.id"], name=op.f("fk_condemned_lease_id")),
    )
    op.create_index(op.f("ix_condemned_lease_id"), "condemned", ["lease_id"])
    op.create_index(op.f("ix_aliases_version_id"), "aliases", ["version_id"])
    _collate('"C"')


def downgrade() -> None:
    """Drop the tables and the index; sort as the database does."""
    _collate('"default"')
    op.drop_index(op.f("ix_aliases_version_id"), table_name="aliases")
    for table in ("condemned", "leased_blobs", "leases"):
        op.drop_table(table)


def _collate(collation: str) -> None:
    """SQLite sorts by code point by itself."""
    if op.get_context().dialect.name == "postgresql":
        for table, column, length in _ORDERED:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE varchar({length}) COLLATE {collation}")
