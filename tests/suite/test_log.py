"""The log's promises, over every database: positions without a gap, whatever runs beside, and a tree that is right."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from modelreg.db import migrate
from modelreg.db.log import CheckpointRow
from modelreg.db.records import Index
from modelreg.db.schema import REVISION_TABLE, log_leaves, log_nodes
from modelreg.db.session import Session
from modelreg.digest import sha256_hex
from modelreg.errors import DatabaseError
from modelreg.manifest import Manifest, manifest_digest
from modelreg.trust.leaf import LogLeaf
from modelreg.trust.merkle import Frontier, leaf_hash, verify_inclusion

ADA, BOB = sha256_hex(b"ada"), sha256_hex(b"bob")


@pytest.fixture
def index(session: Session) -> Index:
    return Index(session)


def leaf(number: int, *signers: str) -> LogLeaf:
    return LogLeaf("manifest", sha256_hex(f"payload {number}".encode()), tuple(sorted(signers)))


def append(index: Index, *leaves: LogLeaf) -> int:
    with index.transaction() as transaction:
        return transaction.log.append(leaves)


def test_entries_have_their_places_and_proofs(index: Index) -> None:
    """Claim: entries come back byte for byte under 0, 1, 2 ..., and every one is proved under the root of the table."""
    leaves = [leaf(number) for number in range(21)]
    assert [append(index, *leaves[:1]), append(index, *leaves[1:9]), append(index, *leaves[9:])] == [0, 1, 9]
    whole = Frontier()
    for each in leaves:
        whole, _ = whole.append(leaf_hash(each.to_bytes()))
    with index.reading_log() as log:
        assert [(row.position, row.leaf) for row in log.leaves(0, 99)] == [
            (number, each.to_bytes()) for number, each in enumerate(leaves)
        ]
        assert (log.size(), log.agreed_size(), log.frontier(21)) == (21, 21, whole)
        for number, each in enumerate(leaves):
            proof = log.inclusion(number, 21)
            assert verify_inclusion(leaf_hash(each.to_bytes()), number, 21, proof, whole.root)
            (found,) = log.about(each.payload_sha256)
            assert found.position == number


def test_what_is_undone_leaves_nothing(index: Index) -> None:
    """Claim: after a rollback neither entry nor node is there, and the next appender gets the position."""
    append(index, leaf(0))

    def undone() -> None:
        with index.transaction() as transaction:
            transaction.log.append([leaf(1)])
            raise RuntimeError("undone")

    with pytest.raises(RuntimeError):
        undone()
    with index.reading_log() as log:
        assert (log.agreed_size(), log.about(leaf(1).payload_sha256)) == (1, ())
    assert append(index, leaf(2)) == 1


def test_appenders_at_once_get_every_position_once(index: Index) -> None:
    """Claim: eight threads, each behind a model of its own, get 0 to n-1, and the tree is that of the table's order."""

    def push(number: int) -> int:
        with index.transaction() as transaction:
            transaction.next_version(f"model{number % 3}")
            return transaction.log.append([leaf(number)])

    with ThreadPoolExecutor(8) as pool:
        positions = list(pool.map(push, range(40)))
    assert sorted(positions) == list(range(40))
    with index.reading_log() as log:
        rows = list(log.leaves(0, 40))
        assert [row.leaf for row in rows] == [leaf(positions.index(place)).to_bytes() for place in range(40)]
        again = Frontier()
        for row in rows:
            again, _ = again.append(leaf_hash(row.leaf))
        assert log.frontier(40) == again


def test_a_signer_is_logged_once(index: Index) -> None:
    """Claim: an entry is appended only if none of the same payload says as much."""
    digest = leaf(0).payload_sha256
    asked = [(), (ADA,), (), (ADA,), (BOB, ADA), (BOB,), (ADA, BOB)]
    with index.transaction() as transaction:
        assert [transaction.log_manifest(digest, each) for each in asked] == [0, 1, None, None, 2, None, None]


@pytest.mark.parametrize("what", ["last entry", "last node", "checkpoint"])
def test_tables_that_disagree_take_no_entry(session: Session, index: Index, what: str) -> None:
    """Claim: a cut table is told when it is appended to, by what is wrong, and nothing is written."""
    append(index, leaf(0), leaf(1))
    with session.writing() as connection:
        if what == "last entry":
            connection.execute(log_leaves.delete().where(log_leaves.c.position == 1))
        elif what == "last node":
            connection.execute(log_nodes.delete().where(log_nodes.c.level == 0, log_nodes.c.number == 1))
    if what == "checkpoint":
        with index.transaction() as transaction:
            transaction.log.add_checkpoint(CheckpointRow(3, b"note", ADA))
    with pytest.raises(DatabaseError, match="damaged") as caught:
        append(index, leaf(2))
    assert "modelreg log audit" in (caught.value.hint or "")
    with index.reading_log() as log:
        assert log.about(leaf(2).payload_sha256) == ()


def test_a_record_is_referenced(index: Index) -> None:
    """Claim: what a checkpoint names counts as needed."""
    append(index, leaf(0))
    with index.transaction() as transaction:
        transaction.log.add_checkpoint(CheckpointRow(1, b"note", ADA))
    assert ADA in index.referenced()
    with index.reading_log() as log:
        assert log.newest_checkpoint() == CheckpointRow(1, b"note", ADA)
        assert log.covering([0]) == {0: 1}


def test_an_upgrade_logs_what_was_there(session: Session, index: Index, make_manifest: Callable[..., Manifest]) -> None:
    """Claim: versions of before the log are appended once, by time, name and number, each after the one before it."""
    made: list[str] = []
    for model, day in (("b", 2), ("a", 2), ("c", 3), ("c", 1)):
        with index.transaction() as transaction:
            version, previous = transaction.next_version(model)
            created_at = f"2026-01-0{day}T00:00:00Z"
            manifest = make_manifest(model=model, version=version, previous=previous, created_at=created_at)
            made.append(manifest_digest(manifest.to_bytes()))
            transaction.add(manifest, made[-1])
    with session.writing() as connection:
        for table in ("log_cosignatures", "statements", "log_leaves", "log_nodes", "log_checkpoints"):
            connection.execute(sa.text(f"DROP TABLE {table}"))
        connection.execute(sa.text(f"UPDATE {REVISION_TABLE} SET version_num = '0004'"))
    assert migrate.upgrade(session).found == "0004"
    with index.reading_log() as log:
        assert [row.payload_sha256 for row in log.leaves(0, 9)] == [made[1], made[0], made[2], made[3]]
        assert log.agreed_size() == 4
    with index.transaction() as transaction:
        assert transaction.log.append_unlogged() == 0
