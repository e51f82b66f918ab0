"""Statements about aliases, withdrawals and trust stores, each in its chain; cosignatures of the log's witnesses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _ordered(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables; an alias or a withdrawal that is there gets its first statement when it next changes."""
    op.create_table(
        "statements",
        sa.Column("sha256", sa.String(64), nullable=False, comment="of the statement's exact bytes, a blob"),
        sa.Column("kind", sa.String(16), nullable=False, comment="pointer, withdrawal or trust"),
        sa.Column("model", _ordered(128), nullable=False, comment="its name; empty for a trust event"),
        sa.Column("alias", _ordered(64), nullable=False, comment="of a pointer; empty for others"),
        sa.Column("sequence", sa.BigInteger(), nullable=False, comment="its number in the chain: 1, 2, 3 ..."),
        sa.Column("statement", sa.LargeBinary(), nullable=False, comment="its exact bytes"),
        sa.Column("envelope_sha256", sa.String(64), comment="of the envelope that signs it, a blob"),
        sa.Column("envelope", sa.LargeBinary(), comment="the envelope's exact bytes"),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_statements")),
        sa.UniqueConstraint("kind", "model", "alias", "sequence", name=op.f("uq_statements_kind_model_alias_sequence")),
        sa.CheckConstraint("kind IN ('pointer', 'withdrawal', 'trust')", name=op.f("ck_statements_kind_known")),
        sa.CheckConstraint(
            "(envelope IS NULL) = (envelope_sha256 IS NULL)", name=op.f("ck_statements_envelope_with_digest")
        ),
    )
    op.create_table(
        "log_cosignatures",
        sa.Column("size", _Id, nullable=False, autoincrement=False),
        sa.Column("key_id", sa.String(64), nullable=False, comment="of the witness's public key"),
        sa.Column("line", sa.LargeBinary(), nullable=False, comment="the signature line of the note, without its end"),
        sa.ForeignKeyConstraint(
            ["size"], ["log_checkpoints.size"], name=op.f("fk_log_cosignatures_size_log_checkpoints")
        ),
        sa.PrimaryKeyConstraint("size", "key_id", name=op.f("pk_log_cosignatures")),
    )


def downgrade() -> None:
    """Drop the tables: the statements stay in the store until a sweep."""
    op.drop_table("log_cosignatures")
    op.drop_table("statements")
