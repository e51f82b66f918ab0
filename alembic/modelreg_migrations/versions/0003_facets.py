"""Facets, by which versions are found; those of old versions are filled in by ``modelreg db reindex``."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _ordered(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables, and note every version that is there as one without facets."""
    op.create_table(
        "facets",
        sa.Column("kind", _ordered(8), nullable=False),
        sa.Column("key", _ordered(256), nullable=False),
        sa.Column("value", _ordered(256), nullable=False),
        sa.Column("model", _ordered(128), nullable=False, comment="its name, so that a page is in the order of a list"),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("version_id", _Id, nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", "value", "model", "version", name=op.f("pk_facets")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_facets_version_id")),
    )
    op.create_index(op.f("ix_facets_version_id"), "facets", ["version_id"])
    op.create_table(
        "without_facets",
        sa.Column("version_id", _Id, nullable=False),
        sa.PrimaryKeyConstraint("version_id", name=op.f("pk_without_facets")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_without_facets_version_id")),
    )
    op.execute("INSERT INTO without_facets (version_id) SELECT id FROM versions")


def downgrade() -> None:
    """Drop the tables; everything in them is in the manifests too."""
    op.drop_table("without_facets")
    op.drop_index(op.f("ix_facets_version_id"), table_name="facets")
    op.drop_table("facets")
