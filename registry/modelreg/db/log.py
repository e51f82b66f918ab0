"""The tables of the log: entries are appended, and nodes of their tree kept, by whoever holds the log's lock.

Invariants, shown by ``tests/suite/test_log.py``:

* Positions are 0, 1, 2 ... in the order of the appending transactions' commits; one that is undone leaves nothing.
* An append reads the frontier, one node a level at most, and writes the nodes that it completes; none ever changes.
* The log's lock is the last that a transaction takes, behind those of models, so that appenders cannot deadlock.
* Tables that disagree on how many entries there are take no further one.

What a foreign hand wrote into the tables is not found out here: ``modelreg.client.log_audit`` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from modelreg.db.columns import exact_bytes, exact_int, exact_text
from modelreg.db.postgresql import Lock, lock
from modelreg.db.schema import aliases, log_checkpoints, log_cosignatures, log_leaves, log_nodes, models, versions
from modelreg.db.statements import StatementTable
from modelreg.errors import DatabaseError, DocumentError
from modelreg.trust.leaf import LeafKind, LogLeaf
from modelreg.trust.merkle import (
    HASH_SIZE_BYTES,
    Frontier,
    Node,
    NodeReader,
    leaf_hash,
    prove_consistency,
    prove_inclusion,
)
from modelreg.trust.note import SIGNATURES_MAX
from modelreg.trust.view import Entry, stated_digest

PAGE_LEAVES = 1000
LEAVES_OF_ONE_MAX = 256
"""Entries of one payload that are read: a version has one for its push and one for each later signer."""
_ROWS_MAX = 300
"""Written at once: SQLite of old took no more than 999 variables."""


@dataclass(frozen=True, slots=True)
class LeafRow:
    """An entry as the table has it, which may be anything."""

    position: int
    leaf: bytes = field(repr=False)
    payload_sha256: str


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """A checkpoint as the table has it: the signed note, and the record that keeps it in the store."""

    size: int
    note: bytes = field(repr=False)
    record_sha256: str


@dataclass(frozen=True, slots=True)
class LoggedVersion:
    """A version as the index lists it, with the first of the entries that are about its manifest."""

    model: str
    version: int
    digest: str
    position: int | None = None


@dataclass(frozen=True, slots=True)
class AliasRow:
    """An alias as the index has it."""

    model: str
    alias: str
    version: int
    digest: str


class LogTables:
    """The log as one transaction sees it."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.statements = StatementTable(connection)

    # --- appending ----------------------------------------------------------------------------------------------------

    def lock(self) -> None:
        """Keep every other appender away till the end of the transaction; on SQLite a writer is alone already."""
        lock(self._connection, Lock.LOG)

    def append(self, leaves: Iterable[LogLeaf]) -> int:
        """Append entries, and give the position of the first; raises ``DatabaseError`` for tables that disagree."""
        return self.append_bytes((leaf.to_bytes(), leaf.payload_sha256) for leaf in leaves)

    def append_bytes(self, leaves: Iterable[tuple[bytes, str]]) -> int:
        """The same for entries given by their exact bytes, each with the SHA-256 of its payload."""
        self.lock()
        first = self.agreed_size()
        frontier = self.frontier(first)
        rows: list[dict[str, object]] = []
        nodes: list[Node] = []
        for leaf, payload_sha256 in leaves:
            rows.append({"position": frontier.size, "leaf": leaf, "payload_sha256": payload_sha256})
            frontier, made = frontier.append(leaf_hash(leaf))
            nodes += made
            if len(rows) == _ROWS_MAX:
                self._write(rows, nodes)
                rows, nodes = [], []
        self._write(rows, nodes)
        return first

    def _write(self, rows: Sequence[dict[str, object]], nodes: Sequence[Node]) -> None:
        if rows:
            self._connection.execute(log_leaves.insert(), rows)
            kept = [{"level": node.level, "number": node.index, "hash": node.hash} for node in nodes]
            self._connection.execute(log_nodes.insert(), kept)

    def append_once(self, leaf: LogLeaf) -> int | None:
        """Append an entry unless one of the same payload names the same signers, or more; ``None`` then."""
        self.lock()
        is_logged = any(_says(row, leaf) for row in self.about(leaf.payload_sha256))
        return None if is_logged else self.append([leaf])

    def append_unlogged(self) -> int:
        """Append every version that no entry is about, oldest first; how many those are.

        A version whose clock was wrong still comes after the one before it.
        """
        self.lock()
        logged = sa.select(log_leaves.c.position).where(log_leaves.c.payload_sha256 == versions.c.digest)
        time = sa.func.max(versions.c.created_at).over(partition_by=versions.c.model_id, order_by=versions.c.version)
        placed = sa.select(versions.c.digest, time.label("time"), models.c.name, versions.c.version).join(models)
        unlogged = placed.where(~logged.exists()).subquery()
        query = sa.select(unlogged.c.digest).order_by(unlogged.c.time, unlogged.c.name, unlogged.c.version)
        digests = list(self._connection.execute(query).scalars())
        if digests:
            self.append(LogLeaf(LeafKind.MANIFEST.value, digest, ()) for digest in digests)
        return len(digests)

    def add_checkpoint(self, row: CheckpointRow) -> None:
        """Keep a checkpoint whose record is in the store."""
        self._connection.execute(
            log_checkpoints.insert().values(size=row.size, note=row.note, record_sha256=row.record_sha256)
        )

    def add_cosignature(self, size: int, key_id: str, line: bytes) -> bool:
        """Keep a witness's signature under the checkpoint of ``size``, for his last one; ``False`` if it is gone."""
        if self._newest(log_checkpoints.c.size == size) is None:
            return False
        mine = (log_cosignatures.c.size == size, log_cosignatures.c.key_id == key_id)
        self._connection.execute(log_cosignatures.delete().where(*mine))
        self._connection.execute(log_cosignatures.insert().values(size=size, key_id=key_id, line=line))
        return True

    # --- reading ------------------------------------------------------------------------------------------------------

    def size(self) -> int:
        """How many entries there are, by the position of the last."""
        last = self._connection.execute(sa.select(sa.func.max(log_leaves.c.position))).scalar()
        return 0 if last is None else exact_int(last, "the last entry's position") + 1

    def agreed_size(self) -> int:
        """The same; raises ``DatabaseError`` where nodes or checkpoints say otherwise."""
        leaf = sa.select(sa.func.max(log_leaves.c.position)).scalar_subquery()
        node = sa.select(sa.func.max(log_nodes.c.number)).where(log_nodes.c.level == 0).scalar_subquery()
        signed = sa.select(sa.func.max(log_checkpoints.c.size)).scalar_subquery()
        last, last_node, size = self._connection.execute(sa.select(leaf, node, signed)).one()
        found = 0 if last is None else exact_int(last, "the last entry's position") + 1
        if last != last_node or (size is not None and size > found):
            told = f"{found:,} entries, {0 if last_node is None else last_node + 1:,} of them in the tree"
            raise _damaged(f"it has {told}, and a checkpoint of {size or 0:,}")
        return found

    def frontier(self, size: int) -> Frontier:
        """The frontier of the first ``size`` entries, in one query; raises ``DatabaseError`` where a node is gone."""
        places = Frontier.places(size)
        if not places:
            return Frontier()
        found = self._nodes(places)
        return Frontier.read(lambda level, index: _there(found.get((level, index)), level, index), size)

    def _nodes(self, places: Iterable[tuple[int, int]]) -> dict[tuple[int, int], object]:
        """What the table has at those places, in one query."""
        # Not one IN over pairs, for which SQLite reads the whole table.
        nodes = [sa.and_(log_nodes.c.level == level, log_nodes.c.number == number) for level, number in places]
        query = sa.select(log_nodes).where(sa.or_(sa.false(), *nodes))
        return {(row.level, row.number): row.hash for row in self._connection.execute(query)}

    def proof(self, make: Callable[[NodeReader], tuple[bytes, ...]]) -> tuple[bytes, ...]:
        """The proof that ``make`` makes of completed nodes, which are read in one query.

        Raises ``DatabaseError`` for a node that is not there.
        """
        places: list[tuple[int, int]] = []

        def note(level: int, index: int) -> bytes:
            places.append((level, index))
            return bytes(HASH_SIZE_BYTES)

        make(note)
        found = self._nodes(places)
        return make(lambda level, index: _there(found.get((level, index)), level, index))

    def inclusion(self, position: int, size: int) -> tuple[bytes, ...]:
        """The audit path of an entry in the tree of ``size`` entries; raises as ``proof``."""
        return self.proof(lambda nodes: prove_inclusion(nodes, position, size))

    def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """The proof that the tree of ``new`` entries begins with that of ``old``; raises as ``proof``."""
        return self.proof(lambda nodes: prove_consistency(nodes, old, new))

    def leaves(self, start: int, end: int) -> Iterator[LeafRow]:
        """The entries from ``start`` up to ``end``, in order; one that is gone is left out."""
        while start < end:
            page = min(end, start + PAGE_LEAVES)
            query = sa.select(log_leaves).where(log_leaves.c.position >= start, log_leaves.c.position < page)
            for row in self._connection.execute(query.order_by(log_leaves.c.position)).all():
                yield _leaf_row(row)
            start = page

    def entries(self, start: int, end: int) -> Iterator[Entry]:
        """The same with the statements about aliases and withdrawals, as the table of those has them."""
        while start < end:
            page = list(self.leaves(start, min(end, start + PAGE_LEAVES)))
            stated = [stated_digest(row.leaf) for row in page]
            there = self.statements.get(filter(None, stated))
            for row, digest in zip(page, stated, strict=True):
                yield Entry(row.leaf, there[digest].statement if digest in there else None)
            start += PAGE_LEAVES

    def about(self, payload_sha256: str) -> tuple[LeafRow, ...]:
        """The first entries of one payload, in order."""
        query = sa.select(log_leaves).where(log_leaves.c.payload_sha256 == payload_sha256)
        rows = self._connection.execute(query.order_by(log_leaves.c.position).limit(LEAVES_OF_ONE_MAX))
        return tuple(map(_leaf_row, rows))

    def checkpoints(self) -> tuple[CheckpointRow, ...]:
        """Every checkpoint, smallest first."""
        rows = self._connection.execute(sa.select(log_checkpoints).order_by(log_checkpoints.c.size))
        return tuple(map(_checkpoint_row, rows))

    def newest_checkpoint(self, cosignatures: int = 0) -> CheckpointRow | None:
        """The checkpoint of the largest size, of those that have so many cosignatures."""
        if not cosignatures:
            return self._newest(sa.true())
        under = sa.select(sa.func.count()).where(log_cosignatures.c.size == log_checkpoints.c.size)
        return self._newest(under.scalar_subquery() >= cosignatures)

    def cosignatures(self, size: int) -> tuple[bytes, ...]:
        """The signature lines that witnesses put under the checkpoint of ``size``, as the table has them."""
        query = sa.select(log_cosignatures.c.line).where(log_cosignatures.c.size == size)
        ordered = query.order_by(log_cosignatures.c.key_id).limit(SIGNATURES_MAX)
        return tuple(exact_bytes(line, "a cosignature") for line in self._connection.execute(ordered).scalars())

    def _newest(self, wanted: sa.ColumnElement[bool]) -> CheckpointRow | None:
        query = sa.select(log_checkpoints).where(wanted).order_by(log_checkpoints.c.size.desc()).limit(1)
        row = self._connection.execute(query).first()
        return None if row is None else _checkpoint_row(row)

    def checkpoint_before(self, size: int) -> CheckpointRow | None:
        """The checkpoint of the largest size below ``size``."""
        return self._newest(log_checkpoints.c.size < size)

    def checkpoint_of_record(self, sha256: str) -> CheckpointRow | None:
        """The checkpoint whose record has that digest."""
        return self._newest(log_checkpoints.c.record_sha256 == sha256)

    def covering(self, positions: Sequence[int]) -> dict[int, int]:
        """For each of a page of positions the size of the first checkpoint that covers it, where there is one."""
        if not positions:
            return {}
        query = sa.select(log_checkpoints.c.size).where(log_checkpoints.c.size > min(positions))
        query = query.order_by(log_checkpoints.c.size).limit(len(positions))
        sizes = list(self._connection.execute(query).scalars())
        found = {position: next((size for size in sizes if size > position), None) for position in positions}
        return {position: size for position, size in found.items() if size is not None}

    def versions_of(self, digests: Sequence[str]) -> dict[str, LoggedVersion]:
        """The versions whose manifests have those digests, of a page."""
        query = sa.select(models.c.name, versions.c.version, versions.c.digest).join(models)
        rows = self._connection.execute(query.where(versions.c.digest.in_(tuple(digests))))
        return {row.digest: LoggedVersion(row.name, row.version, row.digest) for row in rows}

    def aliases(self) -> tuple[AliasRow, ...]:
        """Every alias of the index, and the version that it points at."""
        query = sa.select(models.c.name, aliases.c.alias, versions.c.version, versions.c.digest)
        joined = (
            query.select_from(aliases)
            .join(models, aliases.c.model_id == models.c.id)
            .join(versions, aliases.c.version_id == versions.c.id)
        )
        return tuple(AliasRow(*row) for row in self._connection.execute(joined))

    def withdrawn(self) -> frozenset[str]:
        """The digests of the versions that the index says are withdrawn."""
        query = sa.select(versions.c.digest).where(versions.c.withdrawn_at.is_not(None))
        return frozenset(self._connection.execute(query).scalars())

    def versions(self) -> Iterator[LoggedVersion]:
        """Every version of the index with the first entry about it, or none, by name and number."""
        first = (
            sa.select(sa.func.min(log_leaves.c.position))
            .where(log_leaves.c.payload_sha256 == versions.c.digest)
            .scalar_subquery()
        )
        query = sa.select(models.c.name, versions.c.version, versions.c.digest, first).join(models)
        for row in self._connection.execute(query.order_by(models.c.name, versions.c.version)):
            yield LoggedVersion(*row)


def _leaf_row(row: sa.Row[Any]) -> LeafRow:
    position = exact_int(row.position, "an entry's position")
    leaf = exact_bytes(row.leaf, f"entry {position:,} of the log")
    return LeafRow(position, leaf, exact_text(row.payload_sha256, f"the payload of entry {position:,}"))


def _checkpoint_row(row: sa.Row[Any]) -> CheckpointRow:
    size = exact_int(row.size, "a checkpoint's size")
    what = f"the checkpoint of {size:,} entries"
    return CheckpointRow(size, exact_bytes(row.note, what), exact_text(row.record_sha256, f"the record of {what}"))


def _says(row: LeafRow, leaf: LogLeaf) -> bool:
    """Whether an entry says all that ``leaf`` does; one that cannot be read says nothing."""
    try:
        found = LogLeaf.parse(row.leaf)
    except DocumentError:
        return False
    is_same = (found.kind, found.payload_sha256) == (leaf.kind, leaf.payload_sha256)
    return is_same and set(leaf.signer_key_ids) <= set(found.signer_key_ids)


def _there(found: object, level: int, index: int) -> bytes:
    if found is None:
        raise _damaged(f"node {index:,} of level {level} is gone")
    return exact_bytes(found, "a node's hash")


def _damaged(how: str) -> DatabaseError:
    return DatabaseError(
        f"the tables of the log are damaged: {how}; somebody changed the database by hand",
        hint="modelreg log audit tells what; modelreg db rebuild, into an empty database, restores it from the store",
    )
