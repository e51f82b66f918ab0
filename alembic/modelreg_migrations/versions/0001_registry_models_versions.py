"""The first schema: a registry, its models, their versions and files, and the aliases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "registry",
        sa.Column("id", sa.String(36), nullable=False, comment="random; part of every manifest"),
        sa.Column("created_at", sa.String(20), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registry")),
    )
    op.create_table(
        "models",
        sa.Column("id", _Id, nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
        sa.UniqueConstraint("name", name=op.f("uq_models_name")),
    )
    op.create_table(
        "versions",
        sa.Column("id", _Id, nullable=False),
        sa.Column("model_id", _Id, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False, comment="SHA-256 of the manifest"),
        sa.Column("created_at", sa.String(20), nullable=False),
        sa.Column("pushed_by", sa.String(256), nullable=False),
        sa.Column("container", sa.String(32), nullable=False),
        sa.Column("keras_version", sa.String(64)),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn_at", sa.String(20)),
        sa.Column("withdrawn_reason", sa.String(2000)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_versions")),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_versions_model_id")),
        sa.UniqueConstraint("model_id", "version", name=op.f("uq_versions_model_id_version")),
        sa.UniqueConstraint("digest", name=op.f("uq_versions_digest")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_versions_version_positive")),
        sa.CheckConstraint(
            "(withdrawn_at IS NULL) = (withdrawn_reason IS NULL)", name=op.f("ck_versions_withdrawn_with_reason")
        ),
    )
    op.create_table(
        "files",
        sa.Column("version_id", _Id, nullable=False),
        sa.Column("path", sa.String(1024), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("version_id", "path", name=op.f("pk_files")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_files_version_id")),
    )
    op.create_index(op.f("ix_files_sha256"), "files", ["sha256"])
    op.create_table(
        "aliases",
        sa.Column("model_id", _Id, nullable=False),
        sa.Column("alias", sa.String(64), nullable=False),
        sa.Column("version_id", _Id, nullable=False),
        sa.Column("moved_at", sa.String(20), nullable=False),
        sa.PrimaryKeyConstraint("model_id", "alias", name=op.f("pk_aliases")),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_aliases_model_id")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_aliases_version_id")),
    )


def downgrade() -> None:
    """Drop every table."""
    for table in ("aliases", "files", "versions", "models", "registry"):
        op.drop_table(table)
