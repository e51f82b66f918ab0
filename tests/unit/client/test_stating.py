"""Moves of aliases and withdrawals as statements: made with the change, kept, logged, and brought back from the store."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.logs import kinds, run_sql
from tests.unit.trust.people import KEYS, store

from modelreg import (
    LogFlaw,
    LossKind,
    NotFoundError,
    Pushed,
    Rebuilt,
    Registry,
    SigningError,
    UsageError,
    load_settings,
    rebuild_database,
)
from modelreg.digest import sha256_hex
from modelreg.errors import DocumentError, TrustError
from modelreg.trust.acceptance import sign_trust_store
from modelreg.trust.keys import PublicKey

pytestmark = pytest.mark.slow

ADA = KEYS["ada"]
Push = Callable[..., Pushed]


class _Refusing:
    """A signer that is there, and signs nothing."""

    def __init__(self, public: PublicKey) -> None:
        self.public = public

    def sign(self, _message: bytes) -> bytes:
        raise SigningError("the token is locked")


def opened(home: Path, **flags: str) -> Registry:
    given = {"home": str(home), "target": "none", **flags}
    return Registry.open(settings=load_settings(given, environ={}, cwd=home.parent))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``production`` was at 2, put back to 1 and deleted; ``canary`` is at 2; ``churn:1`` is withdrawn."""
    folder = tmp_path_factory.mktemp("moved")
    model = folder / "model.bin"
    with opened(folder / "home") as registry:
        for number, (name, signer) in enumerate((("fraud", None), ("fraud", ADA), ("churn", None))):
            model.write_bytes(b"bytes of %d" % number)
            registry.push(model, name=name, environment="none", signer=signer)
        registry.alias("fraud:2", "production", reason="reviewed", signer=ADA)
        registry.alias("fraud:1", "production", reason="alert 7")
        registry.delete_alias("fraud", "production", reason="retired", signer=ADA)
        registry.alias("fraud:2", "canary", signer=ADA)
        registry.withdraw("churn:1", "wrong labels", signer=ADA)
    return folder / "home"


@pytest.fixture
def moved(home: Path, tmp_path: Path) -> Iterator[Registry]:
    """A copy of it."""
    shutil.copytree(home, tmp_path / "home")
    with opened(tmp_path / "home") as registry:
        yield registry


def test_the_history_tells_who_moved_it_where_and_why(moved: Registry) -> None:
    """Claim: newest first, with number, version, reason, who signed and the entry; each alias has its own numbers."""
    found = moved.alias_history("fraud", "production")
    assert [(one.sequence, one.version, one.reason, one.signed_by, one.position) for one in found] == [
        (3, None, "retired", (ADA.public.id,), 5),
        (2, 1, "alert 7", (), 4),
        (1, 2, "reviewed", (ADA.public.id,), 3),
    ]
    assert {one.by for one in found} == {moved.settings.user.value}
    assert moved.alias_history("fraud", "production", limit=1) == found[:1]
    assert [one.sequence for one in moved.alias_history("fraud", "canary")] == [1]
    with pytest.raises(NotFoundError, match="nothing was ever said"):
        moved.alias_history("fraud", "shadow")


def test_an_entry_of_the_log_tells_what_it_is_about(moved: Registry) -> None:
    """Claim: model, version and alias of moves and withdrawals stand in the log's lines; the head covers each."""
    told = [(one.kind, one.model, one.version, one.alias) for one in moved.log_entries(after=2)]
    assert told == [
        ("pointer", "fraud", 2, "production"),
        ("pointer", "fraud", 1, "production"),
        ("pointer", "fraud", None, "production"),
        ("pointer", "fraud", 2, "canary"),
        ("withdrawal", "churn", 1, None),
    ]
    assert [one.checkpoint for one in moved.log_entries(after=2)] == [4, 5, 6, 7, 8]
    assert kinds(moved) == set()


def test_a_push_states_its_aliases_behind_its_version(logged: Registry, push: Push) -> None:
    """Claim: the version's entry comes first, then its aliases', signed by the same key; the audit finds no fault."""
    push(logged, name="fraud", aliases=["a", "b"], signer=ADA)
    entries = logged.log_entries(after=2)
    assert [(one.kind, one.alias, one.signers) for one in entries] == [
        ("manifest", None, (ADA.public.id,)),
        ("pointer", "a", (ADA.public.id,)),
        ("pointer", "b", (ADA.public.id,)),
    ]
    assert [one.reason for one in logged.alias_history("fraud", "a")] == ["pushed"]
    assert kinds(logged) == set()


def test_who_cannot_sign_changes_nothing(moved: Registry) -> None:
    """Claim: a signer that fails leaves alias, version, statements and log as they were."""
    before = moved.log_entries(), moved.list(), moved.alias_history("fraud", "canary")
    refusing = _Refusing(ADA.public)
    for attempt in (
        lambda: moved.alias("fraud:1", "canary", signer=refusing),
        lambda: moved.delete_alias("fraud", "canary", signer=refusing),
        lambda: moved.withdraw("fraud:1", "leaks", signer=refusing),
    ):
        with pytest.raises(SigningError, match="locked"):
            attempt()
    assert (moved.log_entries(), moved.list(), moved.alias_history("fraud", "canary")) == before


@pytest.mark.parametrize("reason", ["", "  ", "\x1b[2J", "x" * 2001], ids=["empty", "blank", "escape", "long"])
def test_a_reason_is_text_of_a_bounded_length(moved: Registry, reason: str) -> None:
    """Claim: what could not stand in a statement is a usage error before anything changes."""
    before = moved.list()
    for attempt in (
        lambda: moved.alias("fraud:1", "canary", reason=reason),
        lambda: moved.delete_alias("fraud", "canary", reason=reason),
        lambda: moved.withdraw("fraud:1", reason),
    ):
        with pytest.raises(UsageError, match="reason"):
            attempt()
    assert moved.list() == before


def test_statements_are_kept_as_blobs_and_come_back_from_the_database(moved: Registry) -> None:
    """Claim: a sweep leaves them; one that the store lost is found missing and put back from its row."""
    with moved._index.reading_statements() as table:
        blobs = table.blobs()
    assert len(blobs) == 5 + 4  # one was not signed
    assert not set(blobs) - moved._index.referenced()
    for sha256 in blobs:
        moved.store.delete(sha256)
    checked = moved.fsck(share=1.0)
    assert {problem.blob for problem in checked.problems} == set(blobs)
    assert moved.heal(checked).is_whole
    assert moved.fsck(share=1.0).problems == ()
    assert kinds(moved) == set()


@pytest.mark.parametrize(
    ("line", "flaw"),
    [
        ("UPDATE aliases SET version_id = 1", LogFlaw.ALIAS),
        ("DELETE FROM aliases", LogFlaw.ALIAS),
        ("UPDATE versions SET withdrawn_at = NULL, withdrawn_reason = NULL", LogFlaw.WITHDRAWAL),
        ("DELETE FROM statements WHERE alias = 'canary'", LogFlaw.STATEMENT),
        ("UPDATE statements SET statement = x'00' WHERE alias = 'canary'", LogFlaw.STATEMENT),
    ],
    ids=["alias put back", "alias gone", "withdrawal hidden", "statement gone", "statement changed"],
)
def test_an_audit_finds_what_rows_hide(moved: Registry, line: str, flaw: LogFlaw) -> None:
    """Claim: rows that say something else than what was logged are each found, as what they are."""
    run_sql(moved, line)
    assert kinds(moved) == {flaw}


def test_an_alias_of_before_statements_is_only_told_of(moved: Registry) -> None:
    """Claim: an alias that no statement ever spoke of is a remark, for an older modelreg made it."""
    run_sql(
        moved,
        "INSERT INTO aliases (model_id, alias, version_id, moved_at) VALUES (1, 'old', 1, '2026-01-01T00:00:00Z')",
    )
    assert kinds(moved) == set()
    assert [one.kind for one in moved.log_audit().findings] == [LogFlaw.ALIAS]


@pytest.fixture
def rebuild(moved: Registry, tmp_path: Path) -> Callable[..., Rebuilt]:
    def work(*, dry_run: bool = False, **flags: str) -> Rebuilt:
        given = {
            "home": str(tmp_path / "rebuilt"),
            "storage_url": moved.settings.storage_url.value,
            "log_key": str(moved.settings.home.value / "log.key"),
        }
        return rebuild_database(load_settings({**given, **flags}, environ={}, cwd=tmp_path), dry_run=dry_run)

    return work


def rebuilt(moved: Registry, tmp_path: Path) -> Registry:
    return opened(tmp_path / "rebuilt", storage_url=moved.settings.storage_url.value)


def state(registry: Registry) -> list[tuple[object, ...]]:
    """Aliases and withdrawals."""
    return [(one.model, one.version, one.aliases, one.withdrawn_at, one.withdrawn_reason) for one in registry.list()]


def test_a_rebuild_restores_aliases_withdrawals_and_their_history(
    moved: Registry, rebuild: Callable[..., Rebuilt], tmp_path: Path
) -> None:
    """Claim: no listing is needed; the log is the same, and the next move follows on the last."""
    rehearsed, found = rebuild(dry_run=True), rebuild()
    assert (found.aliases, found.withdrawals, found.losses, found.log_appended) == (1, 1, (), 0)
    assert (rehearsed.aliases, rehearsed.withdrawals, rehearsed.losses) == (1, 1, ())
    with rebuilt(moved, tmp_path) as registry:
        assert registry.log_entries() == moved.log_entries()
        assert state(registry) == state(moved)
        for alias in ("production", "canary"):
            assert registry.alias_history("fraud", alias) == moved.alias_history("fraud", alias)
        registry.alias("fraud:1", "canary")
        assert [one.sequence for one in registry.alias_history("fraud", "canary")] == [2, 1]
        assert kinds(registry) == set()


def test_a_rebuild_without_records_logs_statements_anew(
    moved: Registry, rebuild: Callable[..., Rebuilt], tmp_path: Path
) -> None:
    """Claim: where the log's records are gone, versions come first and then what was said of them, and nothing is lost."""
    with moved._index.reading_log() as log:
        for row in log.checkpoints():
            moved.store.delete(row.record_sha256)
    found = rebuild()
    assert (found.aliases, found.withdrawals, found.log_entries, found.losses) == (1, 1, 0, ())
    with rebuilt(moved, tmp_path) as registry:
        assert [one.kind for one in registry.log_entries()] == ["manifest"] * 3 + ["pointer"] * 4 + ["withdrawal"]
        assert state(registry) == state(moved)
        assert kinds(registry) == set()


def test_a_statement_that_the_store_lost_is_told(
    moved: Registry, rebuild: Callable[..., Rebuilt], tmp_path: Path
) -> None:
    """Claim: a chain with a hole is a loss that names it; its last statement still decides."""
    (second,) = (one for one in moved.alias_history("fraud", "production") if one.sequence == 2)
    moved.store.delete(second.statement)
    (loss,) = rebuild().losses
    assert (loss.kind, "fraud@production" in loss.message) == (LossKind.STATE, True)
    with rebuilt(moved, tmp_path) as registry:
        assert state(registry) == state(moved)


def test_two_statements_of_one_number_are_decided_by_the_log(
    moved: Registry, rebuild: Callable[..., Rebuilt], tmp_path: Path
) -> None:
    """Claim: a statement that somebody put into the store is not taken in the place of the one that was logged."""
    (last,) = moved.alias_history("fraud", "canary")
    data = moved.store.read(last.statement, 10**5)
    moved.store.put(data.replace(b"no reason given", b"by the attacker"))
    assert rebuild().losses == ()
    with rebuilt(moved, tmp_path) as registry:
        assert registry.alias_history("fraud", "canary") == (last,)


def test_an_import_states_what_it_changes(moved: Registry, tmp_path: Path) -> None:
    """Claim: aliases and withdrawals that came along are statements of the registry that took them in."""
    moved.export(["fraud:1", "fraud:2", "churn:1"], tmp_path / "x.tar", withdrawn=True)
    with opened(tmp_path / "other") as other:
        for _ in range(2):
            other.import_archive(tmp_path / "x.tar", aliases=True)
        (move,) = other.alias_history("fraud", "canary")
        assert (move.version, move.by, "import" in move.reason) == (2, other.settings.user.value, True)
        kinds_told = [one.kind for one in other.log_entries()]
        assert (kinds_told.count("pointer"), kinds_told.count("withdrawal")) == (1, 1)
        assert kinds(other) == set()


def test_a_damaged_statement_is_told_in_the_history(moved: Registry) -> None:
    """Claim: a row whose bytes are others is shown as damaged, with its number, and the others as they are."""
    run_sql(moved, "UPDATE statements SET statement = x'7b7d' WHERE alias = 'production' AND sequence = 2")
    found = moved.alias_history("fraud", "production")
    assert [(one.sequence, one.problem is not None) for one in found] == [(3, False), (2, True), (1, False)]
    assert DocumentError.__name__ not in str(found)


def test_versions_of_a_trust_store_are_announced_in_a_chain(moved: Registry, tmp_path: Path) -> None:
    """Claim: each is an entry with the fingerprint of the file; one that lacks signatures, and no trust store, are refused."""
    path = tmp_path / "trust.json"
    for version in (1, 2):
        document = store(version=version, expires_at="2099-01-01T00:00:00Z")
        path.write_bytes(sign_trust_store(document, [KEYS["ada"], KEYS["bob"]]))
        told = moved.announce_trust(path, reason="reviewed", signer=ADA)
        assert (told.version, told.fingerprint) == (version, sha256_hex(path.read_bytes()))
    lines = [(one.kind, one.model, one.version, one.signers) for one in moved.log_entries(after=7)]
    assert lines == [("trust", None, version, (ADA.public.id,)) for version in (1, 2)]
    assert kinds(moved) == set()
    path.write_bytes(sign_trust_store(store(version=3), [KEYS["ada"]]))
    with pytest.raises(TrustError):
        moved.announce_trust(path)
    path.write_bytes(b"{}")
    with pytest.raises(DocumentError):
        moved.announce_trust(path)
    assert len(moved.log_entries(after=7)) == 2
