"""What a client remembers of a log, and what it makes of one that does not fit, on whole registries."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelreg import ConflictError, Finding, Purpose, RefusedError, Registry, load_settings, verify_folder
from modelreg.client.memory import FOLDER_NAME, Memory, Seen, address_of, forget_log
from modelreg.config import user_configuration
from modelreg.trust.checkpoint import Checkpoint, Fork, open_checkpoint
from modelreg.trust.keys import PrivateKey
from modelreg.trust.note import NoteSigner, SignatureType, VerifierKey

pytestmark = pytest.mark.slow
Push = Callable[[str], str]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tmp_path / "model.bin"


@pytest.fixture
def push(registry: Registry, model: Path, tmp_path: Path) -> Push:
    def pushed(text: str) -> str:
        model.write_text(text)
        with somebody_else(tmp_path):
            return registry.push(model, name="fraud", environment="none").reference

    return pushed


@contextlib.contextmanager
def somebody_else(tmp_path: Path) -> Iterator[None]:
    """Who has seen nothing of the log: each time another user, who would sign whatever he finds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path / f"user-{secrets.token_hex(4)}"))
        yield


def history(registry: Registry, reference: str = "fraud") -> list[Finding]:
    """What a pull is told of the log."""
    _, judgement = registry.judge(reference, Purpose.PULL, target="none")
    return [found for found in judgement.verdict.findings if found.rule == "MR208"]


def remembered(registry: Registry) -> Seen | None:
    return Memory().recall(address_of(registry.settings))


def snapshot(tmp_path: Path) -> Callable[[], None]:
    """Keep the database, to be put back."""
    path = tmp_path / "home" / "registry.db"
    with sqlite3.connect(path) as database, sqlite3.connect(tmp_path / "old.db") as old:
        database.backup(old)

    def restore() -> None:
        with sqlite3.connect(tmp_path / "old.db") as kept, sqlite3.connect(path) as database:
            kept.backup(database)

    return restore


def test_what_is_seen_is_remembered(registry: Registry, push: Push) -> None:
    """Claim: the first look remembers, each later one goes forward, under the address and under the log's name."""
    assert remembered(registry) is None
    for size in (1, 2, 3):
        push(f"model {size}")
        assert history(registry) == []
        seen = remembered(registry)
        assert seen is not None
        assert seen.size == size
        assert Memory().recall(seen.checkpoint.origin) == seen


def test_an_old_state_is_refused(registry: Registry, push: Push, tmp_path: Path) -> None:
    """Claim: a database that was put back is refused by who has seen more, and nothing he remembers changes."""
    push("first")
    restore = snapshot(tmp_path)
    push("second")
    assert history(registry) == []
    before = remembered(registry)
    restore()
    with pytest.raises(RefusedError, match="a log of 2 entries was seen before, and now it has 1") as caught:
        registry.pull("fraud", tmp_path / "out", target="none")
    assert caught.value.exit_status == 16
    assert remembered(registry) == before


def test_a_fork_is_kept(registry: Registry, push: Push, tmp_path: Path) -> None:
    """Claim: both notes are kept, and whoever has the log's public key can see from them alone that it forked."""
    push("first")
    restore = snapshot(tmp_path)
    push("second")
    assert history(registry) == []
    restore()
    push("another second")
    (found,) = history(registry)
    path = Path(found.message.partition("kept in ")[2])
    assert path.parent == user_configuration() / FOLDER_NAME / "forks"
    fork = Fork.parse(path.read_bytes())
    assert fork.is_proven([VerifierKey.parse(registry.log_key())])
    assert history(registry) == [found]
    assert len(list(path.parent.iterdir())) == 1


def test_a_log_that_is_gone(registry: Registry, push: Push, tmp_path: Path) -> None:
    """Claim: neither a log without checkpoints nor damaged tables pass for a registry that never had one."""
    push("first")
    assert history(registry) == []
    push("second")
    with sqlite3.connect(tmp_path / "home" / "registry.db") as database:
        database.execute("DELETE FROM log_nodes WHERE level = 0")
    assert "damaged" in history(registry)[0].message
    with sqlite3.connect(tmp_path / "home" / "registry.db") as database:
        database.execute("DELETE FROM log_checkpoints")
    assert "not shown any more" in history(registry)[0].message


def test_another_log_at_the_same_address(registry: Registry, push: Push, tmp_path: Path, model: Path) -> None:
    """Claim: a registry put in the place of another is told, and so is the log of old at another address."""
    restore = snapshot(tmp_path)
    push("first")
    push("second")
    assert history(registry) == []
    home = tmp_path / "elsewhere"
    home.mkdir()
    with sqlite3.connect(tmp_path / "home" / "registry.db") as database, sqlite3.connect(home / "registry.db") as copy:
        database.backup(copy)
    with sqlite3.connect(home / "registry.db") as copy:
        copy.execute("DELETE FROM log_checkpoints WHERE size = 2")
    store = registry.settings.storage_url.value
    with Registry.open(settings=load_settings({"home": str(home), "storage_url": store})) as there:
        assert "now it has 1" in history(there)[0].message
    restore()
    with sqlite3.connect(tmp_path / "home" / "registry.db") as database:
        database.execute("DELETE FROM registry")
    (tmp_path / "home" / "log.key").unlink()
    with Registry.open(home=tmp_path / "home") as other:
        model.write_text("of another registry")
        with somebody_else(tmp_path):
            other.push(model, name="fraud", environment="none")
        assert "another registry is shown" in history(other)[0].message


def test_who_has_seen_more_signs_no_other_history(registry: Registry, model: Path, tmp_path: Path) -> None:
    """Claim: whoever puts an old database back and pushes on is told, and signs no fork until he forgets what he saw."""

    def push(text: str) -> str | None:
        model.write_text(text)
        return registry.push(model, name="fraud", environment="none").checkpoint_problem

    assert push("first") is None
    restore = snapshot(tmp_path)
    assert push("second") is None
    restore()
    assert "a log of 2 entries was seen before, and now it has 1" in (push("another second") or "")
    assert [one.checkpoint for one in registry.log_entries()] == [1, None]
    with pytest.raises(ConflictError, match="not signed") as caught:
        registry.log_checkpoint()
    assert "modelreg log forget" in (caught.value.hint or "")
    assert forget_log(registry.settings) == 2
    assert registry.log_checkpoint().size == 2
    assert history(registry) == []


def test_a_lock_file_remembers_too(registry: Registry, push: Push, tmp_path: Path) -> None:
    """Claim: who has seen nothing himself refuses a log that did not grow from the one of the lock file."""
    push("first")
    restore = snapshot(tmp_path)
    push("second")
    lock, _ = registry.lock(["fraud:1"], target="none")
    note = lock.note()
    assert note is not None
    restore()
    assert Memory().forget(address_of(registry.settings)) is not None
    assert history(registry) == []
    Memory().forget(address_of(registry.settings))
    with pytest.raises(RefusedError, match="was seen before") as caught:
        registry.pull("fraud", tmp_path / "out", target="none", lock=lock)
    assert [found.rule for found in caught.value.verdict.refusals] == ["MR208"]


def test_a_damaged_memory_refuses(registry: Registry, push: Push) -> None:
    """Claim: what cannot be read is no reason to believe anything; forgetting it is the user's decision."""
    push("first")
    assert history(registry) == []
    address = address_of(registry.settings)
    Memory().path(address).write_text("no note")
    (found,) = history(registry)
    assert (found.severity.value, "log forget" in str(found.fix)) == ("refuse", True)
    assert Memory().forget(address) is None
    assert history(registry) == []


def test_a_folder_that_cannot_be_written(registry: Registry, push: Push, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: a machine without a place for settings pulls all the same, and is told that it remembers nothing."""
    push("first")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/proc/nowhere")
    (found,) = history(registry)
    assert (found.severity.value, "cannot be remembered" in found.message) == ("info", True)


@pytest.mark.usefixtures("refused_by_rights")
def test_somebody_elses_home(registry: Registry, push: Push) -> None:
    """Claim: a container that runs as another user than its home's pulls all the same, and is told."""
    push("first")
    assert history(registry) == []
    folder = user_configuration()
    folder.chmod(0)
    try:
        (found,) = history(registry)
    finally:
        folder.chmod(0o700)
    assert (found.severity.value, "cannot be remembered" in found.message) == ("info", True)


def seen_of(signer: NoteSigner, size: int) -> Seen:
    return Seen.of(Checkpoint(signer.name, size, bytes([size]) * 32).sign(signer).to_bytes())


def test_two_readers_at_a_time(tmp_path: Path) -> None:
    """Claim: in whatever order they come to write, the one who has seen more wins."""
    signer = NoteSigner("log", PrivateKey.generate("ed25519"))
    memory = Memory(tmp_path / "memory")
    threads = [threading.Thread(target=memory.remember, args=("here", seen_of(signer, size))) for size in range(1, 17)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = memory.recall("here")
    assert last is not None
    assert last.size == 16
    assert open_checkpoint(last.note, [signer.key(SignatureType.ED25519)]).checkpoint == last.checkpoint


def test_a_folder_needs_no_log(registry: Registry, push: Push, tmp_path: Path) -> None:
    """Claim: what was pulled before is verified without any registry, and nothing of a log is asked."""
    push("first")
    registry.pull("fraud", tmp_path / "out", target="none")
    verdict = verify_folder(tmp_path / "out", settings=registry.settings, target="none").verdict
    assert [found for found in verdict.findings if found.rule == "MR208"] == []
