"""Bundles: the signatures of a version, each a blob."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table; versions of before have no signature."""
    op.create_table(
        "bundles",
        sa.Column("version_id", _Id, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False, comment="of the bundle's exact bytes, a blob"),
        sa.Column("kind", sa.String(16), nullable=False, comment="what was signed: manifest or oms"),
        sa.Column("key_id", sa.String(64), nullable=True, comment="who signed, to be shown; the bundle itself decides"),
        sa.PrimaryKeyConstraint("version_id", "sha256", name=op.f("pk_bundles")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_bundles_version_id")),
        sa.CheckConstraint("kind IN ('manifest', 'oms')", name=op.f("ck_bundles_kind_known")),
    )
    op.create_index(op.f("ix_bundles_sha256"), "bundles", ["sha256"])


def downgrade() -> None:
    """Drop the table: the blobs stay until a sweep, and nothing tells any more whose signatures they are."""
    op.drop_index(op.f("ix_bundles_sha256"), table_name="bundles")
    op.drop_table("bundles")
