"""The log: its entries, the nodes of its tree, and its checkpoints, each with a record in the store."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables; whoever upgrades appends the versions that are there (``modelreg.db.migrate``)."""
    op.create_table(
        "log_leaves",
        sa.Column("position", _Id, autoincrement=False, nullable=False, comment="0, 1, 2 ... without a gap"),
        sa.Column("leaf", sa.LargeBinary(), nullable=False, comment="the exact bytes that the tree is built of"),
        sa.Column("payload_sha256", sa.String(64), nullable=False, comment="of the statement, as the leaf says"),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_log_leaves")),
    )
    op.create_index(op.f("ix_log_leaves_payload_sha256"), "log_leaves", ["payload_sha256"])
    op.create_table(
        "log_nodes",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", _Id, autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "number", name=op.f("pk_log_nodes")),
    )
    op.create_table(
        "log_checkpoints",
        sa.Column("size", _Id, autoincrement=False, nullable=False, comment="entries that it is about"),
        sa.Column("note", sa.LargeBinary(), nullable=False, comment="the signed checkpoint, its exact bytes"),
        sa.Column(
            "record_sha256", sa.String(64), nullable=False, comment="the blob that keeps the note and its entries"
        ),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_log_checkpoints")),
        sa.UniqueConstraint("record_sha256", name=op.f("uq_log_checkpoints_record_sha256")),
    )


def downgrade() -> None:
    """Drop the tables: the records stay in the store until a sweep."""
    op.drop_table("log_checkpoints")
    op.drop_table("log_nodes")
    op.drop_index(op.f("ix_log_leaves_payload_sha256"), table_name="log_leaves")
    op.drop_table("log_leaves")
