"""The promises of leases, over every database: what a push needs is kept, what nobody needs goes, no clock is asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from modelreg.client import claim as claiming
from modelreg.client.claim import Claim, holder
from modelreg.client.sweep import preview, sweep
from modelreg.db.leases import Leases
from modelreg.db.records import Index
from modelreg.db.schema import condemned, leased_blobs, leases
from modelreg.db.session import Session
from modelreg.db.transaction import Transaction
from modelreg.digest import sha256_hex
from modelreg.errors import CondemnedError, StoreError
from modelreg.manifest import FileEntry, Manifest, manifest_digest
from modelreg.store.local import LocalStore
from modelreg.store.memory import MemoryStore

NOW = "2026-11-23T18:55:36Z"
ONE, TWO = sha256_hex(b"1"), sha256_hex(b"2")
Make = Callable[..., Manifest]
EntryOf = Callable[[str, bytes], FileEntry]


@pytest.fixture
def index(session: Session) -> Index:
    return Index(session)


@pytest.fixture
def held(session: Session) -> Leases:
    return Leases(session)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def claim(index: Index, held: Leases, store: MemoryStore) -> Iterator[Claim]:
    with Claim(index, held, store, "ada") as taken:
        yield taken


def rows(session: Session) -> tuple[int, int, int]:
    """How many leases, leased blobs and condemned blobs there are."""
    with session.reading() as connection:
        counts = [
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (leases, leased_blobs, condemned)
        ]
    return counts[0], counts[1], counts[2]


def add(transaction: Transaction, make_manifest: Make, *files: FileEntry) -> str:
    version, previous = transaction.next_version("fraud")
    manifest = make_manifest(version=version, previous=previous, files=files)
    digest = manifest_digest(manifest.to_bytes())
    transaction.add(manifest, digest)
    return digest


HOLDER = """
import sys, time
from modelreg.db.leases import Leases
from modelreg.db.session import Session
with Leases(Session(sys.argv[1])).take("another process", "2026-11-23T18:55:36Z") as lease:
    lease.protect(sys.argv[3:])
    if sys.argv[2] == "condemn":
        lease.condemn(sys.argv[3:])
    print(lease.id, flush=True)
    time.sleep(120)
"""


@pytest.fixture
def another(database_url: str) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """``another("protect", blob)`` is a process that holds a lease, and says its id first."""
    started: list[subprocess.Popen[str]] = []

    def start(what: str, *blobs: str) -> subprocess.Popen[str]:
        program = HOLDER if what == "protect" else HOLDER.replace("    lease.protect(sys.argv[3:])\n", "")
        process = subprocess.Popen(
            [sys.executable, "-c", program, database_url, what, *blobs], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_sweep_takes_what_nobody_needs_and_nothing_else(
    session: Session,
    index: Index,
    held: Leases,
    store: MemoryStore,
    claim: Claim,
    make_manifest: Make,
    entry_of: EntryOf,
) -> None:
    """Claim: referenced and leased blobs stay, the others go, and afterwards nothing is condemned."""
    referenced = entry_of("a", b"referenced")
    with index.transaction() as transaction:
        manifest = add(transaction, make_manifest, referenced)
    for data in (b"referenced", b"1", b"2"):
        store.put(data)
    claim.protect([ONE])
    told = preview(store, held)
    swept = sweep(store, held, "ada")
    assert told.blobs == swept.blobs == (TWO,)
    assert (told.dry_run, swept.dry_run, swept.kept, swept.size_bytes) == (True, False, 2, 1)
    assert [(lease.holder, lease.blobs) for lease in swept.leases] == [(holder("ada", "push"), 1)]
    assert {blob.sha256 for blob in store.blobs()} == {referenced.sha256, ONE}
    assert rows(session) == (1, 1, 0)
    assert index.referenced() == {referenced.sha256, manifest}


def test_a_commit_ends_the_lease_and_makes_the_references_at_once(
    session: Session, index: Index, claim: Claim, make_manifest: Make, entry_of: EntryOf
) -> None:
    """Claim: no moment is between leased and referenced, and a transaction that fails leaves the lease as it was."""
    entry = entry_of("a", b"1")
    claim.protect([ONE])

    def fail(transaction: Transaction) -> str:
        add(transaction, make_manifest, entry)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        claim.commit(fail, lambda _: None)
    assert rows(session) == (1, 1, 0)
    assert index.referenced() == frozenset()
    digest = claim.commit(lambda transaction: add(transaction, make_manifest, entry), lambda _: None)
    assert rows(session) == (0, 0, 0)
    assert index.referenced() == {ONE, digest}


def test_a_lease_that_is_given_up_protects_nothing(
    session: Session, index: Index, held: Leases, store: MemoryStore
) -> None:
    """Claim: a push that fails leaves no lease, and the next sweep takes what it published."""

    def push() -> None:
        with Claim(index, held, store, "ada") as claim:
            claim.protect([ONE])
            store.put(b"1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        push()
    assert rows(session) == (0, 0, 0)
    assert sweep(store, held, "ada").blobs == (ONE,)


def test_the_lease_of_a_living_process_keeps_and_that_of_a_dead_one_does_not(
    session: Session, held: Leases, store: MemoryStore, another: Callable[..., subprocess.Popen[str]]
) -> None:
    """Claim: the lock works across processes, and goes with kill -9 of its holder; no lease has to run out."""
    store.put(b"1")
    holder = another("protect", ONE)
    assert holder.stdout is not None
    lease_id = holder.stdout.readline().strip()
    swept = sweep(store, held, "ada")
    assert (swept.blobs, [lease.id for lease in swept.leases]) == ((), [lease_id])
    holder.send_signal(signal.SIGKILL)
    holder.communicate(timeout=30)
    _until(lambda: not preview(store, held).leases)
    assert sweep(store, held, "ada").blobs == (ONE,)
    assert rows(session) == (0, 0, 0)


def _until(condition: Callable[[], bool]) -> None:
    """A server needs a moment to see that its peer is gone."""
    for _ in range(200):
        if condition():
            return
        threading.Event().wait(0.05)
    pytest.fail("never")


def test_what_a_dead_sweep_had_condemned_is_finished_by_the_next(
    session: Session, held: Leases, store: MemoryStore, another: Callable[..., subprocess.Popen[str]]
) -> None:
    """Claim: a sweep killed between its two transactions leaves blobs condemned; the next one deletes them."""
    store.put(b"1")
    dead = another("condemn", ONE, TWO)  # TWO was deleted already
    assert dead.stdout is not None
    dead.stdout.readline()
    dead.kill()
    dead.communicate(timeout=30)
    assert rows(session)[2] == 2
    _until(lambda: not preview(store, held).leases)
    assert sweep(store, held, "ada").blobs == tuple(sorted((ONE, TWO)))
    assert list(store.blobs()) == []
    assert rows(session) == (0, 0, 0)


def test_a_push_waits_until_what_it_needs_is_condemned_no_more(held: Leases, index: Index, store: MemoryStore) -> None:
    """Claim: while a living sweep deletes a blob no push relies on it; protect returns after the deletion."""
    store.put(b"1")
    order: list[str] = []
    with held.take("gc", NOW) as sweeping, Claim(index, held, store, "ada") as claim:
        assert sweeping.condemn([ONE]).blobs == {ONE}

        def protect() -> None:
            claim.protect([ONE])
            order.append("protected")

        thread = threading.Thread(target=protect)
        thread.start()
        thread.join(0.5)
        store.delete(ONE)
        order.append("deleted")
        sweeping.reprieve()
        thread.join(30)
    assert order == ["deleted", "protected"]


def test_a_push_does_not_wait_for_ever(
    held: Leases, index: Index, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claim: after SWEEP_WAIT_S it is a conflict that names the command which tells who is at work."""
    monkeypatch.setattr(claiming, "SWEEP_WAIT_S", 0.2)
    with held.take("gc", NOW) as sweeping, Claim(index, held, store, "ada") as claim:
        sweeping.condemn([ONE])
        with pytest.raises(CondemnedError, match="that this push needs") as caught:
            claim.protect([ONE])
    assert "modelreg gc --dry-run" in (caught.value.hint or "")


@pytest.mark.parametrize("what", ["push", "import", "mirror", "fsck --repair", "db rebuild"])
def test_whoever_waits_or_fails_is_called_by_its_name(
    held: Leases, index: Index, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Claim: the holder of a lease, and each error, say which work it was that could not go on."""
    monkeypatch.setattr(claiming, "SWEEP_WAIT_S", 0.0)

    def be_condemned(transaction: Transaction) -> None:
        raise CondemnedError([ONE])

    with Claim(index, held, store, "ada", what) as claim:
        assert held.preview(()).living[0].holder.startswith(f"{what} by ada, process ")
        with held.take("gc", NOW) as sweeping:
            sweeping.condemn([ONE])
            with pytest.raises(CondemnedError, match=f"this {what} needs"):
                claim.protect([ONE])
            with pytest.raises(CondemnedError, match=f"this {what} needs") as caught:
                claim.commit(be_condemned, lambda _: None)
            assert f"run the {what} again" in (caught.value.hint or "")
        claim._doubtful.add(TWO)
        with pytest.raises(StoreError, match=f"the {what} was given up") as gone:
            claim.commit(lambda _: None, lambda _: None)
        assert gone.value.hint == f"run the {what} again"


def test_a_push_takes_what_it_needs_from_a_dead_sweep(
    session: Session, index: Index, held: Leases, store: MemoryStore, another: Callable[..., subprocess.Popen[str]]
) -> None:
    """Claim: nobody has to run gc before a push goes on, and what it took is looked at again before the commit."""
    dead = another("condemn", ONE, TWO)
    assert dead.stdout is not None
    dead.stdout.readline()
    dead.kill()
    dead.communicate(timeout=30)
    with Claim(index, held, store, "ada") as claim:
        claim.protect([ONE])
        assert rows(session)[2] == 1
        with pytest.raises(StoreError, match=ONE):
            claim.commit(lambda _: None, lambda _: None)


def test_a_manifest_that_is_being_deleted_is_not_relied_on(
    held: Leases, index: Index, store: MemoryStore, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claim: a commit whose manifest is condemned, left by a push of the same second, waits for its end."""
    monkeypatch.setattr(claiming, "SWEEP_WAIT_S", 20)
    attempts: list[int] = []
    with held.take("gc", NOW) as sweeping:
        sweeping.condemn([ONE])

        def work(transaction: Transaction) -> str:
            attempts.append(1)
            transaction.require_not_condemned(ONE)
            return "done"

        threading.Timer(0.3, sweeping.reprieve).start()
        assert claim.commit(work, lambda _: None) == "done"
    assert len(attempts) >= 2


def test_a_holder_that_was_taken_for_dead_cannot_commit_unseen(
    session: Session,
    index: Index,
    held: Leases,
    store: MemoryStore,
    claim: Claim,
    make_manifest: Make,
    entry_of: EntryOf,
) -> None:
    """Claim: a push whose lease was removed takes a new one and looks for every blob: gone is an error, there is well."""
    entry = entry_of("a", b"1")
    for is_there in (False, True):
        claim.protect([ONE])
        with session.writing() as connection:
            connection.execute(leased_blobs.delete())
            connection.execute(leases.delete())
        if is_there:
            store.put(b"1")
            digest = claim.commit(lambda transaction: add(transaction, make_manifest, entry), lambda _: None)
            assert index.referenced() == {ONE, digest}
        else:
            with pytest.raises(StoreError, match="swept while the connection"):
                claim.commit(lambda transaction: add(transaction, make_manifest, entry), lambda _: None)
            assert index.referenced() == frozenset()


def test_staged_files_of_the_living_are_kept(session: Session, held: Leases, tmp_path: Path) -> None:
    """Claim: a sweep discards what dead leases or nobody staged, and leaves a running push's files alone."""
    store, descriptor = LocalStore.open_folder(tmp_path / "store"), os.memfd_create("source")
    with held.take("a push", NOW) as lease:
        store.stage(descriptor, 0, owner=lease.id)
        for owner in ("", "5" * 32):
            store.stage(descriptor, 0, owner=owner)
        assert sweep(store, held, "ada").leftovers == 2
        assert [info.owner for info in store.staged()] == [lease.id]
    assert sweep(store, held, "ada").leftovers == 1
    assert list(store.staged()) == []
    os.close(descriptor)
