"""The tables, and the revision that this program reads and writes.

Every constraint is named, so that SQLite and PostgreSQL can both alter it later.  Times are UTC text as the manifest
has them, so that a row and its manifest compare equal byte for byte.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

REVISION = "0006"
"""The head of ``modelreg_migrations``; a test holds the two together."""
REVISION_TABLE = "modelreg_revision"
"""Our own name, so that a database shared with another alembic user keeps both histories."""

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

_Id = BigInteger().with_variant(Integer, "sqlite")


def _ordered(length: int) -> String:
    """Text that sorts by code point everywhere, as SQLite does by itself and PostgreSQL in its "C" collation."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


registry = Table(
    "registry",
    metadata,
    Column("id", String(36), primary_key=True, comment="random; part of every manifest"),
    Column("created_at", String(20), nullable=False),
)

models = Table(
    "models",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", _ordered(128), nullable=False),
    UniqueConstraint("name"),
)

versions = Table(
    "versions",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("model_id", ForeignKey("models.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("digest", String(64), nullable=False, comment="SHA-256 of the manifest"),
    Column("created_at", String(20), nullable=False),
    Column("pushed_by", String(256), nullable=False),
    Column("container", String(32), nullable=False),
    Column("keras_version", String(64)),
    Column("size_bytes", BigInteger, nullable=False),
    Column("withdrawn_at", String(20)),
    Column("withdrawn_reason", String(2000)),
    UniqueConstraint("model_id", "version"),
    UniqueConstraint("digest"),
    CheckConstraint("version >= 1", name="version_positive"),
    CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_reason IS NULL)", name="withdrawn_with_reason"),
)

files = Table(
    "files",
    metadata,
    Column("version_id", ForeignKey("versions.id"), primary_key=True),
    Column("path", _ordered(1024), primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Index(None, "sha256"),
)

aliases = Table(
    "aliases",
    metadata,
    Column("model_id", ForeignKey("models.id"), primary_key=True),
    Column("alias", _ordered(64), primary_key=True),
    Column("version_id", ForeignKey("versions.id"), nullable=False),
    Column("moved_at", String(20), nullable=False),
    Index(None, "version_id"),
)

bundles = Table(
    "bundles",
    metadata,
    Column("version_id", ForeignKey("versions.id"), primary_key=True),
    Column("sha256", String(64), primary_key=True, comment="of the bundle's exact bytes, a blob"),
    Column("kind", String(16), nullable=False, comment="what was signed: manifest or oms"),
    Column("key_id", String(64), comment="who signed, to be shown; the bundle itself decides"),
    CheckConstraint("kind IN ('manifest', 'oms')", name="kind_known"),
    Index(None, "sha256"),
)

facets = Table(
    "facets",
    metadata,
    Column("kind", _ordered(8), primary_key=True),
    Column("key", _ordered(256), primary_key=True),
    Column("value", _ordered(256), primary_key=True),
    Column("model", _ordered(128), primary_key=True, comment="its name, so that a page is in the order of a list"),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("version_id", ForeignKey("versions.id"), nullable=False),
    Index(None, "version_id"),
)

without_facets = Table(
    "without_facets",
    metadata,
    Column("version_id", ForeignKey("versions.id"), primary_key=True),
)
"""Versions of before revision 0003 that no filter finds yet."""

log_leaves = Table(
    "log_leaves",
    metadata,
    Column("position", _Id, primary_key=True, autoincrement=False, comment="0, 1, 2 ... without a gap"),
    Column("leaf", LargeBinary, nullable=False, comment="the exact bytes that the tree is built of"),
    Column("payload_sha256", String(64), nullable=False, comment="of the statement, as the leaf says"),
    Index(None, "payload_sha256"),
)

log_nodes = Table(
    "log_nodes",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("number", _Id, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)
"""Completed nodes of the tree, which never change; those of level 0 are the leaves' own hashes."""

log_checkpoints = Table(
    "log_checkpoints",
    metadata,
    Column("size", _Id, primary_key=True, autoincrement=False, comment="entries that it is about"),
    Column("note", LargeBinary, nullable=False, comment="the signed checkpoint, its exact bytes"),
    Column("record_sha256", String(64), nullable=False, comment="the blob that keeps the note and its entries"),
    UniqueConstraint("record_sha256"),
)

log_cosignatures = Table(
    "log_cosignatures",
    metadata,
    Column("size", ForeignKey("log_checkpoints.size"), primary_key=True, autoincrement=False),
    Column("key_id", String(64), primary_key=True, comment="of the witness's public key"),
    Column("line", LargeBinary, nullable=False, comment="the signature line of the note, without its end"),
)
"""What witnesses put under a checkpoint; not in its record, whose bytes never change."""

statements = Table(
    "statements",
    metadata,
    Column("sha256", String(64), primary_key=True, comment="of the statement's exact bytes, a blob"),
    Column("kind", String(16), nullable=False, comment="pointer, withdrawal or trust"),
    Column("model", _ordered(128), nullable=False, comment="its name; empty for a trust event"),
    Column("alias", _ordered(64), nullable=False, comment="of a pointer; empty for others"),
    Column("sequence", BigInteger, nullable=False, comment="its number in the chain: 1, 2, 3 ..."),
    Column("statement", LargeBinary, nullable=False, comment="its exact bytes"),
    Column("envelope_sha256", String(64), comment="of the envelope that signs it, a blob"),
    Column("envelope", LargeBinary, comment="the envelope's exact bytes"),
    UniqueConstraint("kind", "model", "alias", "sequence"),
    CheckConstraint("kind IN ('pointer', 'withdrawal', 'trust')", name="kind_known"),
    CheckConstraint("(envelope IS NULL) = (envelope_sha256 IS NULL)", name="envelope_with_digest"),
)
"""Bytes that the store keeps too: a client that reads the log through needs all of them, and asks for no blob."""

leases = Table(
    "leases",
    metadata,
    Column("id", String(32), primary_key=True, comment="random; whoever works under it holds a lock of that name"),
    Column("holder", String(512), nullable=False, comment="who, to be shown"),
    Column("begun_at", String(20), nullable=False, comment="to be shown; nothing is decided by a clock"),
)

leased_blobs = Table(
    "leased_blobs",
    metadata,
    Column("lease_id", ForeignKey("leases.id"), primary_key=True),
    Column("sha256", String(64), primary_key=True),
)

condemned = Table(
    "condemned",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("lease_id", ForeignKey("leases.id"), nullable=False, comment="the sweep that deletes it"),
    Index(None, "lease_id"),
)
