"""The log of whole registries: what is signed and kept, what a proof proves, and what an audit finds when it is tampered with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.care import flipped, overwrite
from tests.logs import kinds, records, run_sql
from tests.unit.trust.people import KEYS

from modelreg import (
    ConflictError,
    DatabaseError,
    LogFlaw,
    NotFoundError,
    Pushed,
    Registry,
    SigningError,
    check_log_file,
    load_settings,
)
from modelreg.client import ledger
from modelreg.db.log import CheckpointRow, LogTables
from modelreg.digest import sha256_hex
from modelreg.errors import UntrustedError
from modelreg.manifest import manifest_digest
from modelreg.records import DOCUMENT_SIZE_BYTES_MAX
from modelreg.trust.audit import Irregularity
from modelreg.trust.checkpoint import Checkpoint
from modelreg.trust.keys import Algorithm, PrivateKey
from modelreg.trust.leaf import LogLeaf
from modelreg.trust.note import NoteSigner, SignatureType
from modelreg.trust.record import LogRecord

pytestmark = pytest.mark.slow

ADA = KEYS["ada"]
Push = Callable[..., Pushed]


def test_each_push_is_an_entry_under_a_signed_checkpoint(logged: Registry) -> None:
    """Claim: entries name version and signer, each push makes a checkpoint and a record, and a later signer an entry."""
    assert [(one.model, one.version, one.signers, one.checkpoint) for one in logged.log_entries()] == [
        ("fraud", 1, (), 1),
        ("fraud", 2, (ADA.public.id,), 2),
        ("churn", 1, (), 3),
    ]
    logged.sign("fraud:1", ADA)
    logged.sign("fraud:1", ADA)
    (last,) = logged.log_entries(after=2)
    assert (last.position, last.model, last.version, last.signers) == (3, "fraud", 1, (ADA.public.id,))
    kept = records(logged)
    assert [(one.start, one.end) for one in kept] == [(start, start + 1) for start in range(4)]
    assert {one.origin for one in kept} == {logged._origin()}
    assert [one.previous for one in kept] == [None, *(sha256_hex(one.to_bytes()) for one in kept[:-1])]
    report = logged.log_audit(keys=[logged.log_key()])
    assert (report.problems, report.entries, report.covered, report.records, report.versions) == (0, 4, 4, 4, 3)
    assert report.checkpoints == (1, 2, 3, 4)


def test_the_log_costs_a_push_two_commits(logged: Registry, push: Push) -> None:
    """Claim: beside lease, blobs and version, one for the lease of the log's record and one for the checkpoint."""
    begun = []
    sa.event.listen(
        logged._session._engine,
        "before_cursor_execute",
        lambda *told: begun.append(told[2]) if told[2].startswith("BEGIN") else None,
    )
    push(logged)
    assert [word for word in begun if word != "BEGIN"] == ["BEGIN IMMEDIATE"] * 5


def test_the_key_is_its_owners_alone(logged: Registry) -> None:
    """Claim: the first push made it with the mode 0600; one that others can read is refused before anything is pushed."""
    path = logged.settings.home.value / "log.key"
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(SigningError, match="others can read"):
        logged.sign("fraud:1", ADA)
    assert len(logged.log_entries()) == 3


def test_who_has_no_key_appends_and_who_has_it_covers(logged: Registry, push: Push, tmp_path: Path) -> None:
    """Claim: without the key a push is logged and uncovered; no other key is made; with it one record covers the rest."""
    path = logged.settings.home.value / "log.key"
    path.rename(tmp_path / "away.key")
    assert push(logged).checkpoint_problem is None
    push(logged)
    assert [one.checkpoint for one in logged.log_entries()] == [1, 2, 3, None, None]
    assert not path.exists()
    with pytest.raises(NotFoundError, match="covers fraud:4"):
        logged.log_proof("fraud:4")
    with pytest.raises(NotFoundError, match="no log key"):
        logged.log_checkpoint()
    (tmp_path / "away.key").rename(path)
    rehearsed, head = logged.log_checkpoint(dry_run=True), logged.log_checkpoint()
    assert (rehearsed.note, rehearsed.record_sha256) == (head.note, None)
    assert (records(logged)[-1].start, head.size, logged.log_checkpoint()) == (3, 5, head)
    assert kinds(logged) == set()


def test_another_key_does_not_go_on_unasked(logged: Registry, push: Push) -> None:
    """Claim: a push under another key is told why its log was not signed; ``new_key`` lets it go on."""
    path = logged.settings.home.value / "log.key"
    old = logged.log_key()
    path.write_bytes(PrivateKey.generate(Algorithm.ED25519).to_pem())
    assert "not signed by the log's key" in (push(logged).checkpoint_problem or "")
    with pytest.raises(ConflictError) as caught:
        logged.log_checkpoint()
    assert "--new-key" in (caught.value.hint or "")
    assert logged.log_checkpoint(new_key=True).size == 4
    assert kinds(logged, keys=[old, logged.log_key()]) == set()
    assert LogFlaw.CHECKPOINT in kinds(logged)


def test_a_long_backlog_is_split(logged: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: records stay within their bound, each with a checkpoint of its own, and what is signed is never signed anew."""
    monkeypatch.setattr(ledger, "LEAVES_MAX", 2)
    with logged._index.transaction() as transaction:
        transaction.log.append(LogLeaf("note", sha256_hex(bytes([number])), ()) for number in range(5))
    assert logged.log_checkpoint().size == 8
    assert [(one.start, one.end) for one in records(logged)[3:]] == [(3, 5), (5, 7), (7, 8)]


def test_a_proof_needs_no_registry(logged: Registry, tmp_path: Path) -> None:
    """Claim: it proves its own version by the log's key alone, and nothing by another key or of another version."""
    proven, path = logged.log_proof("fraud"), tmp_path / "proof"
    path.write_bytes(proven.data)
    found = check_log_file(path, [logged.log_key()], proven.digest)
    assert (found.position, found.size, found.signers) == (1, 3, (ADA.public.id,))
    other = NoteSigner(found.origin, PrivateKey.generate(Algorithm.ED25519)).key(SignatureType.ED25519)
    for keys, digest in (([logged.log_key()], logged.resolve("churn").digest), ([str(other)], proven.digest)):
        with pytest.raises(UntrustedError, match="proves nothing"):
            check_log_file(path, keys, digest)
    note = tmp_path / "note"
    note.write_text(logged.log_checkpoint().note)
    assert check_log_file(note, [logged.log_key()]).size == 3


def test_records_are_kept_and_mended(logged: Registry) -> None:
    """Claim: a sweep leaves records; a missing or changed one is a problem, which the database mends byte for byte."""
    assert logged.gc().blobs == ()
    before = [one.to_bytes() for one in records(logged)]
    missing, changed = sha256_hex(before[0]), sha256_hex(before[1])
    logged.store.delete(missing)
    overwrite(logged, changed, flipped(before[1]))
    checked = logged.fsck(share=1.0)
    assert {problem.blob for problem in checked.problems} == {missing, changed}
    assert kinds(logged) >= {LogFlaw.RECORD}
    assert logged.heal(checked).is_whole
    assert [one.to_bytes() for one in records(logged)] == before
    assert logged.fsck(share=1.0).problems == ()
    assert kinds(logged) == set()


def test_a_changed_entry_is_found(logged: Registry) -> None:
    """Attack: an entry's row says that nobody had signed."""
    leaf = LogLeaf("manifest", logged.resolve("fraud").digest, ()).to_bytes()
    run_sql(logged, f"UPDATE log_leaves SET leaf = X'{leaf.hex()}' WHERE position = 1")
    assert kinds(logged) == {LogFlaw.ROW}


def test_a_deleted_entry_is_found(logged: Registry, push: Push) -> None:
    """Attack: the last entry, its node, its version and its checkpoint go from the database; nothing is built on that."""
    run_sql(logged, "DELETE FROM log_leaves WHERE position = 2")
    assert kinds(logged) == {LogFlaw.CUT, LogFlaw.ROW}
    with pytest.raises(DatabaseError, match="damaged"):
        push(logged)
    run_sql(
        logged,
        "DELETE FROM log_nodes WHERE level = 0 AND number = 2",
        "DELETE FROM log_checkpoints WHERE size = 3",
        *(f"DELETE FROM {table} WHERE version_id = 3" for table in ("files", "facets")),
        "DELETE FROM versions WHERE id = 3",
    )
    assert LogFlaw.CUT in kinds(logged)


def swapped(registry: Registry) -> tuple[str, str]:
    """Put another manifest in the place of fraud:2; its digest, and the one before."""
    entry = registry.resolve("fraud:2")
    data = registry.store.read(entry.digest, DOCUMENT_SIZE_BYTES_MAX).replace(b'"pushed_by":"', b'"pushed_by":"x')
    registry.store.put(data)
    run_sql(registry, f"UPDATE versions SET digest = '{manifest_digest(data)}' WHERE digest = '{entry.digest}'")
    return manifest_digest(data), entry.digest


def test_a_swapped_version_is_found(logged: Registry) -> None:
    """Attack: another manifest under a version's number, once without an entry and once with one: then there are two."""
    new, _ = swapped(logged)
    assert kinds(logged) == {LogFlaw.UNLOGGED, LogFlaw.UNLISTED}
    with logged._index.transaction() as transaction:
        transaction.log_manifest(new)
    assert kinds(logged) == {Irregularity.FORK, LogFlaw.UNLISTED}


def test_a_forked_checkpoint_is_found(logged: Registry, push: Push) -> None:
    """Attack: whoever has the key signs another history; a record of it in the store, or a note that somebody kept."""
    signer = logged._log_signer()
    assert signer is not None
    leaves = [LogLeaf("manifest", sha256_hex(b"another"), ()).to_bytes()]
    root = sha256_hex(b"\0" + leaves[0])
    note = Checkpoint(signer.name, 1, bytes.fromhex(root)).sign(signer).to_bytes()
    assert kinds(logged, known=[note]) == {LogFlaw.FORK, Irregularity.ROOT}
    assert kinds(logged) == set()
    logged.store.put(LogRecord.make(signer.name, 0, leaves, note, None).to_bytes())
    assert kinds(logged) == {LogFlaw.FORK, Irregularity.ROOT}
    larger = Checkpoint(signer.name, 9, bytes(32)).sign(signer).to_bytes()
    assert LogFlaw.CUT in kinds(logged, known=[larger])


def test_a_strangers_record_is_nothing(logged: Registry) -> None:
    """Claim: a record that the log's key did not sign, put into the store by anybody, is not taken for the log's."""
    stranger = NoteSigner(logged._origin(), PrivateKey.generate(Algorithm.ED25519))
    leaves = [LogLeaf("manifest", sha256_hex(b"another"), ()).to_bytes()]
    note = Checkpoint(stranger.name, 1, bytes.fromhex(sha256_hex(b"\0" + leaves[0]))).sign(stranger).to_bytes()
    logged.store.put(LogRecord.make(stranger.name, 0, leaves, note, None).to_bytes())
    assert kinds(logged) == set()


def test_nothing_is_signed_over_a_changed_tree(logged: Registry, push: Push) -> None:
    """Claim: where the nodes are not what was signed, a push is told that no checkpoint was made; none is."""
    run_sql(logged, f"UPDATE log_nodes SET hash = X'{bytes(32).hex()}' WHERE level = 0 AND number = 2")
    assert "no checkpoint was signed" in (push(logged).checkpoint_problem or "")
    assert max(one.checkpoint or 0 for one in logged.log_entries()) == 3
    assert Irregularity.ROOT in kinds(logged)


def test_nothing_is_signed_over_a_changed_entry(logged: Registry, push: Push, tmp_path: Path) -> None:
    """Attack: an entry that no checkpoint covers yet is changed before the log's key comes; it is not signed."""
    key = logged.settings.home.value / "log.key"
    key.rename(tmp_path / "away.key")
    push(logged, signer=ADA)
    leaf = LogLeaf("manifest", logged.resolve("fraud").digest, ()).to_bytes()
    run_sql(logged, f"UPDATE log_leaves SET leaf = X'{leaf.hex()}' WHERE position = 3")
    (tmp_path / "away.key").rename(key)
    for dry_run in (True, False):
        with pytest.raises(DatabaseError, match="no checkpoint was signed"):
            logged.log_checkpoint(dry_run=dry_run)
    assert len(records(logged)) == 3


def test_a_push_that_dies_before_its_checkpoint_is_covered_by_the_next(
    logged: Registry, push: Push, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claim: a head whose transaction is undone after the signature is signed the same again, so that there is no fork."""

    class DiedError(Exception):
        """The process, as far as this test goes."""

    def die(self: LogTables, row: CheckpointRow) -> None:
        raise DiedError

    monkeypatch.setattr(LogTables, "add_checkpoint", die)
    with pytest.raises(DiedError):
        push(logged)
    monkeypatch.undo()
    assert [one.checkpoint for one in logged.log_entries()] == [1, 2, 3, None]
    push(logged)
    assert records(logged)[-1].start == 3
    assert kinds(logged) == set()


def test_a_shared_registry_has_a_key_only_if_one_is_named(push: Push, tmp_path: Path) -> None:
    """Claim: a named database gets no key by itself; ``log_key`` names one, which must be there and be Ed25519."""
    flags = {"database_url": f"sqlite:///{tmp_path}/a.db", "storage_url": f"file://{tmp_path}/store"}
    with Registry.open(settings=load_settings(flags, environ={}, cwd=tmp_path)) as registry:
        push(registry)
        assert [one.checkpoint for one in registry.log_entries()] == [None]
        with pytest.raises(NotFoundError, match="log_key is not"):
            registry.log_key()
    path = tmp_path / "log.key"
    named = load_settings({**flags, "log_key": str(path)}, environ={}, cwd=tmp_path)
    with Registry.open(settings=named) as registry:
        with pytest.raises(NotFoundError):
            push(registry)
        path.touch(mode=0o600)
        path.write_bytes(ADA.to_pem())
        with pytest.raises(SigningError, match="ed25519"):
            push(registry)
        path.write_bytes(PrivateKey.generate(Algorithm.ED25519).to_pem())
        push(registry)
        assert [one.checkpoint for one in registry.log_entries()] == [2, 2]


@pytest.mark.parametrize(
    "line",
    [
        "UPDATE log_leaves SET leaf = 'a text' WHERE position = 1",
        "UPDATE log_nodes SET hash = 'a text' WHERE number = 0",
        "UPDATE log_nodes SET hash = 7 WHERE level = 1",
        "UPDATE log_checkpoints SET note = 'a text' WHERE size = 3",
        "UPDATE log_leaves SET payload_sha256 = x'00' WHERE position = 2",
    ],
)
def test_columns_of_another_type_are_damage(logged: Registry, push: Push, line: str) -> None:
    """Claim: what SQLite lets somebody put into a column ends as an error that says so, at a push and at an audit."""
    run_sql(logged, line)
    with contextlib.suppress(DatabaseError):
        assert not logged.log_audit().is_clean
    with contextlib.suppress(DatabaseError):
        push(logged)
