"""A pull with a lock file: exactly what is locked, or a refusal before a byte is fetched."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tests.unit.trust.people import KEYS

from modelreg import (
    ConflictError,
    DocumentError,
    NotFoundError,
    RefusedError,
    Registry,
    UsageError,
    find_lock,
    load_settings,
    read_lock,
    verify_folder,
    write_lock,
)
from modelreg.client.keyring import file_of
from modelreg.trust.lock import LOCK_NAME, Lock
from modelreg.trust.signers.file import make_key_folder, write_key_file

ADA, BOB = KEYS["ada"], KEYS["bob"]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A registry whose user has the keys of ada and bob; ``fraud`` has two versions, the first is production's."""
    make_key_folder(tmp_path / "keys")
    for name in ("ada", "bob"):
        write_key_file(tmp_path / "keys" / f"{name}.key", file_of(KEYS[name], None).to_bytes())
    given = {"home": str(tmp_path / "home"), "target": "none", "keys": str(tmp_path / "keys")}
    registry = Registry.open(settings=load_settings(given, environ={}, cwd=tmp_path))
    for number in (1, 2):
        path = tmp_path / f"model-{number}.bin"
        path.write_bytes(b"bytes of %d" % number)
        registry.push(path, name="fraud", environment="none", signer=ADA)
    registry.alias("fraud:1", "production")
    return registry


def locked(registry: Registry, *references: str) -> Lock:
    return registry.lock(references or ("fraud@production",))[0]


def refused(registry: Registry, tmp_path: Path, reference: str, lock: Lock) -> str:
    """Why a pull is refused as untrusted; nothing of it is there."""
    with pytest.raises(RefusedError) as caught:
        registry.pull(reference, tmp_path / "out", lock=lock)
    assert caught.value.exit_status == 16
    assert [found.rule for found in caught.value.verdict.refusals] == ["MR211"]
    assert not (tmp_path / "out").exists()
    return caught.value.message


def test_a_name_alone_is_what_is_locked(registry: Registry, tmp_path: Path) -> None:
    """Claim: though a newer version is there, and the alias was moved to it."""
    lock = locked(registry)
    registry.alias("fraud:2", "production")
    assert registry.pull("fraud", tmp_path / "out", lock=lock).version == 1
    assert registry.verify("fraud", lock=lock).version == 1
    assert verify_folder(tmp_path / "out", settings=registry.settings, lock=lock).version == 1


def test_what_was_moved_is_refused(registry: Registry, tmp_path: Path) -> None:
    """Claim: an alias that names another version now, or a version that is asked for by number, is not taken."""
    lock = locked(registry)
    assert registry.pull("fraud@production", tmp_path / "first", lock=lock).version == 1
    registry.alias("fraud:2", "production")
    for reference in ("fraud@production", "fraud:2"):
        assert "version 1" in refused(registry, tmp_path, reference, lock)
    registry.pull("fraud:2", tmp_path / "second")
    with pytest.raises(RefusedError) as caught:
        verify_folder(tmp_path / "second", settings=registry.settings, lock=lock)
    assert caught.value.exit_status == 16


def test_other_signers_are_refused(registry: Registry, tmp_path: Path) -> None:
    """Claim: a signature that was there when it was locked has to be there; one more is welcome."""
    lock = locked(registry)
    registry.sign("fraud:1", BOB)
    assert registry.pull("fraud", tmp_path / "fine", lock=lock).signed_by == tuple(
        sorted((ADA.public.id, BOB.public.id))
    )
    with sqlite3.connect(tmp_path / "home" / "registry.db") as database:
        database.execute("DELETE FROM bundles WHERE key_id = ?", (ADA.public.id,))
    assert ADA.public.id[:12] in refused(registry, tmp_path, "fraud", lock)


def test_another_registry_is_refused(registry: Registry, tmp_path: Path) -> None:
    """Claim: the same name and number in a registry put in the place of the one that was locked."""
    lock = Lock("another", locked(registry).models)
    assert "another is locked" in refused(registry, tmp_path, "fraud", lock)
    with pytest.raises(ConflictError, match="of the registry"):
        registry.lock(["fraud"], lock)


def test_a_replaced_version_is_refused(registry: Registry, tmp_path: Path) -> None:
    """Claim: whoever writes rows and lets version 1 be the other one's digest is refused by digest, not by number."""
    lock = locked(registry, "fraud:2")
    with sqlite3.connect(tmp_path / "home" / "registry.db") as database:
        database.execute("DELETE FROM aliases")
        database.execute("DELETE FROM bundles")
        database.execute("UPDATE versions SET version = 9 WHERE version = 2")
        database.execute("UPDATE versions SET version = 2 WHERE version = 1")
    with pytest.raises(RefusedError) as caught:
        registry.pull("fraud:2", tmp_path / "out", lock=lock)
    assert "MR211" in {found.rule for found in caught.value.verdict.refusals}


def test_what_is_not_locked(registry: Registry, tmp_path: Path) -> None:
    """Claim: a model that the file does not hold is an error that says how to lock it."""
    lock = Lock(locked(registry).registry, {})
    with pytest.raises(NotFoundError, match="no 'fraud'") as caught:
        registry.pull("fraud", tmp_path / "out", lock=lock)
    assert caught.value.hint == "modelreg lock fraud"


def test_locking_again(registry: Registry) -> None:
    """Claim: without references all that is locked is looked up again, as it was asked for then."""
    first, (new,) = registry.lock(["fraud@production"])
    assert (new.before, new.after.version, new.after.signed_by) == (None, 1, (ADA.public.id,))
    registry.alias("fraud:2", "production")
    second, (change,) = registry.lock(before=first)
    assert (change.before, change.after.version) == (new.after, 2)
    assert second.models["fraud"].reference == "fraud@production"
    assert registry.lock(before=second)[0] == second


def test_what_cannot_be_locked(registry: Registry) -> None:
    """Claim: what a pull would refuse, two versions of one model, and nothing."""
    with pytest.raises(UsageError, match="named twice"):
        registry.lock(["fraud:1", "fraud:2"])
    with pytest.raises(UsageError, match="no lock file yet"):
        registry.lock()
    registry.withdraw("fraud:2", "wrong labels")
    with pytest.raises(RefusedError, match="wrong labels"):
        registry.lock(["fraud:2"])


def test_the_file(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: the nearest above the working folder is meant; it is replaced whole; another file is told by its path."""
    below = tmp_path / "project" / "src"
    below.mkdir(parents=True)
    assert find_lock(None, below) == below / LOCK_NAME
    path = tmp_path / "project" / LOCK_NAME
    with pytest.raises(NotFoundError, match="no lock file"):
        read_lock(path)
    lock = locked(registry)
    write_lock(path, lock)
    assert find_lock(None, below) == path
    assert find_lock("x", below) == Path("x")
    assert read_lock(path) == lock
    assert [each.name for each in path.parent.iterdir() if each != below] == [LOCK_NAME]
    path.write_text("<<<<<<< ours")
    with pytest.raises(DocumentError, match=LOCK_NAME):
        read_lock(path)
    with pytest.raises(UsageError, match="cannot be written"):
        write_lock(path / "below", lock)
