"""The log of a lost database: brought back from its records, held against the key that signed them, and nothing invented."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.care import flipped, overwrite
from tests.logs import kinds, records
from tests.unit.trust.people import KEYS

from modelreg import LossKind, Pushed, Rebuilt, Registry, load_settings, rebuild_database
from modelreg.digest import sha256_hex
from modelreg.trust.checkpoint import Checkpoint
from modelreg.trust.keys import Algorithm, PrivateKey
from modelreg.trust.leaf import LogLeaf
from modelreg.trust.record import LogRecord

pytestmark = pytest.mark.slow

ADA = KEYS["ada"]
Push = Callable[..., Pushed]

TABLES = ("log_leaves", "log_nodes", "log_checkpoints")


def log_rows(path: Path) -> list[list[tuple[object, ...]]]:
    """Everything that a database holds of its log."""
    connection = sqlite3.connect(path)
    rows = [sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in TABLES]
    connection.close()
    return rows


@pytest.fixture
def rebuild(logged: Registry, tmp_path: Path) -> Callable[..., Rebuilt]:
    """Lose the database, and make it again beside the old one, by default with the log's key."""

    def run(*, dry_run: bool = False, **flags: str) -> Rebuilt:
        storage_url = logged.settings.storage_url.value
        log_key = str(logged.settings.log_key.value)
        given = {"database_url": f"sqlite:///{tmp_path}/new.db", "storage_url": storage_url, "log_key": log_key}
        return rebuild_database(load_settings({**given, **flags}, environ={}, cwd=tmp_path), dry_run=dry_run)

    return run


def test_a_rebuild_restores_the_log_byte_for_byte(
    logged: Registry, rebuild: Callable[..., Rebuilt], tmp_path: Path
) -> None:
    """Claim: entries, nodes and checkpoints of a lost database are in the new one as they were, and verified."""
    logged.sign("fraud:1", ADA)
    found = rebuild()
    assert (found.losses, found.log_entries, found.log_checkpoints, found.log_appended) == ((), 4, 4, 0)
    assert found.log_is_verified
    assert log_rows(tmp_path / "new.db") == log_rows(logged.settings.home.value / "registry.db")


def test_what_no_record_covers_is_logged_anew(
    logged: Registry, push: Push, rebuild: Callable[..., Rebuilt], tmp_path: Path
) -> None:
    """Claim: entries that nobody had signed are appended again, and told; the log goes on from there under its key."""
    path = logged.settings.home.value / "log.key"
    path.rename(tmp_path / "away.key")
    push(logged)
    found = rebuild(log_key=str(tmp_path / "away.key"))
    assert (found.losses, found.log_entries, found.log_appended) == ((), 3, 1)
    flags = {"database_url": f"sqlite:///{tmp_path}/new.db", "storage_url": logged.settings.storage_url.value}
    with Registry.open(settings=load_settings({**flags, "log_key": str(tmp_path / "away.key")})) as registry:
        assert registry.log_checkpoint().size == 4
        assert kinds(registry) == set()


def test_records_of_another_key_are_not_taken(
    logged: Registry, rebuild: Callable[..., Rebuilt], tmp_path: Path
) -> None:
    """Claim: under a key that did not sign them no record is believed, which is a loss; under none they are, and told."""
    other = tmp_path / "other.key"
    other.touch(mode=0o600)
    other.write_bytes(PrivateKey.generate(Algorithm.ED25519).to_pem())
    found = rebuild(log_key=str(other))
    assert ([loss.kind for loss in found.losses], found.log_entries) == ([LossKind.BAD_RECORD], 0)
    assert (found.log_appended, found.log_is_verified) == (3, False)
    (tmp_path / "new.db").unlink()
    flags = {"database_url": f"sqlite:///{tmp_path}/new.db", "storage_url": logged.settings.storage_url.value}
    found = rebuild_database(load_settings(flags, environ={}, cwd=tmp_path))
    assert (found.losses, found.log_entries, found.log_is_verified) == ((), 3, False)


@pytest.mark.parametrize("what", ["missing", "changed"])
def test_a_chain_of_records_that_is_broken_is_told(
    logged: Registry, rebuild: Callable[..., Rebuilt], what: str
) -> None:
    """Claim: without its first record nothing of the log is taken, and each record that hangs in the air is told."""
    first = records(logged)[0].to_bytes()
    if what == "missing":
        logged.store.delete(sha256_hex(first))
    else:
        overwrite(logged, sha256_hex(first), flipped(first))
    found = rebuild()
    assert {loss.kind for loss in found.losses} == {LossKind.BAD_RECORD}
    assert len(found.losses) == (2 if what == "missing" else 3)
    assert (found.log_entries, found.log_appended) == (0, 3)


def test_two_signed_logs_are_told_by_a_rebuild(logged: Registry, rebuild: Callable[..., Rebuilt]) -> None:
    """Attack: the log's key signed another first entry; the longer log is taken, and the fork told."""
    signer = logged._log_signer()
    assert signer is not None
    leaf = LogLeaf("manifest", sha256_hex(b"another"), ()).to_bytes()
    note = Checkpoint(signer.name, 1, bytes.fromhex(sha256_hex(b"\0" + leaf))).sign(signer).to_bytes()
    logged.store.put(LogRecord.make(signer.name, 0, [leaf], note, None).to_bytes())
    found = rebuild()
    assert ([loss.kind for loss in found.losses], found.log_entries) == ([LossKind.CONFLICT], 3)


def test_a_signed_root_of_other_entries_is_not_taken(logged: Registry, rebuild: Callable[..., Rebuilt]) -> None:
    """Attack: other entries under the note that was signed, beside the true record and in its place; told, left out."""
    last = records(logged)[-1]
    leaf = LogLeaf("manifest", sha256_hex(b"another"), ()).to_bytes()
    forged = LogRecord.make(last.origin, last.start, [leaf], last.note_bytes, last.previous).to_bytes()
    logged.store.put(forged)
    assert kinds(logged) == set()
    rehearsed = rebuild(dry_run=True)
    assert (rehearsed.log_entries, rehearsed.log_appended) == (3, 0)
    logged.store.delete(sha256_hex(last.to_bytes()))
    found = rebuild()
    assert [loss.kind for loss in found.losses] == [LossKind.BAD_RECORD]
    assert (found.log_entries, found.log_appended, found.log_is_verified) == (2, 1, True)
