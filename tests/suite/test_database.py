"""The promises of ``modelreg.db``, over every database."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from modelreg.db.records import Index
from modelreg.db.session import Session
from modelreg.db.transaction import Transaction
from modelreg.errors import ConflictError, DatabaseError, NotFoundError
from modelreg.manifest import FileEntry, IndexedBundle, IndexEntry, Manifest, manifest_digest
from modelreg.refs import parse_reference

NOW = "2026-11-23T18:55:36Z"
Make = Callable[..., Manifest]
EntryOf = Callable[[str, bytes], FileEntry]


@pytest.fixture
def index(session: Session) -> Index:
    return Index(session)


@pytest.fixture
def push(index: Index, make_manifest: Make) -> Callable[..., IndexEntry]:
    """``push(model)`` adds one more version and gives its index entry."""

    def add(model: str = "fraud", **changes: object) -> IndexEntry:
        with index.transaction() as transaction:
            return add_version(transaction, make_manifest, model, **changes)

    return add


def add_version(transaction: Transaction, make_manifest: Make, model: str, **changes: object) -> IndexEntry:
    version, previous = transaction.next_version(model)
    manifest = make_manifest(model=model, version=version, previous=previous, **changes)
    digest = manifest_digest(manifest.to_bytes())
    transaction.add(manifest, digest)
    return IndexEntry.of(manifest, digest)


Push = Callable[..., IndexEntry]


def resolved(index: Index, text: str) -> int:
    return index.resolve(parse_reference(text)).version


def test_versions_count_from_one_per_model(index: Index, push: Push) -> None:
    """Claim: each model has its own 1, 2, 3, and each version names the digest of the one before."""
    pushed = [push("a"), push("b"), push("a"), push("a")]
    assert [(entry.model, entry.version) for entry in pushed] == [("a", 1), ("b", 1), ("a", 2), ("a", 3)]
    with index.transaction() as transaction:
        assert transaction.next_version("a") == (4, pushed[3].digest)
        assert transaction.next_version("c") == (1, None)


def test_what_is_added_is_what_is_read(index: Index, push: Push, entry_of: EntryOf) -> None:
    """Claim: an index entry comes back equal, files in the order of their paths."""
    entry = push(files=(entry_of("a/b.bin", b"12"), entry_of("a\u00e9.bin", b"3"), entry_of("z", b"")))
    assert index.resolve(parse_reference("fraud:1")) == entry
    assert index.versions() == (entry,)


def test_every_form_of_reference_resolves(index: Index, push: Push) -> None:
    """Claim: bare name, version, alias, digest, and digest beside either, each give the one version they name."""
    first, second = push(), push()
    with index.transaction() as transaction:
        transaction.move_alias("fraud", "production", 1, NOW)
    for text, version in {
        "fraud": 2,
        "fraud:1": 1,
        "fraud@production": 1,
        f"fraud@sha256:{first.digest}": 1,
        f"fraud:2@sha256:{second.digest}": 2,
        f"fraud@production@sha256:{first.digest}": 1,
    }.items():
        assert resolved(index, text) == version, text


def test_a_digest_that_does_not_agree_is_a_conflict(index: Index, push: Push) -> None:
    """Claim: a version or alias beside another version's digest is told with what that version's digest is."""
    first, second = push(), push()
    with index.transaction() as transaction:
        transaction.move_alias("fraud", "production", 1, NOW)
    for text in (f"fraud:1@sha256:{second.digest}", f"fraud@production@sha256:{second.digest}"):
        with pytest.raises(ConflictError, match=first.digest):
            index.resolve(parse_reference(text))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("other", "no model 'other'"),
        ("fraud:3", "no version 3; it has 1 to 2"),
        ("fraud@staging", "no alias 'staging'"),
        (f"fraud@sha256:{'0' * 64}", "no version with digest"),
        ("frau", "no model 'frau'"),
    ],
)
def test_what_is_not_there_is_told_by_the_part_that_is_unknown(index: Index, push: Push, text: str, says: str) -> None:
    """Claim: NotFoundError says which part of the reference names nothing, and hints at a command."""
    push()
    push()
    with pytest.raises(NotFoundError, match=says) as caught:
        index.resolve(parse_reference(text))
    assert (caught.value.hint or "").startswith("modelreg ")


def test_a_digest_of_another_model_names_nothing(index: Index, push: Push) -> None:
    """Claim: digests are looked up within the model that the reference names."""
    push("a")
    other = push("b")
    with pytest.raises(NotFoundError):
        index.resolve(parse_reference(f"a@sha256:{other.digest}"))


def test_an_alias_moves_and_tells_where_it_was(index: Index, push: Push) -> None:
    """Claim: an alias points at one version at a time, and both moves and deletions tell the one before."""
    push()
    push()
    with index.transaction() as transaction:
        assert transaction.move_alias("fraud", "production", 1, NOW) is None
        assert transaction.move_alias("fraud", "production", 2, NOW) == 1
    assert resolved(index, "fraud@production") == 2
    assert [entry.aliases for entry in index.versions("fraud")] == [(), ("production",)]
    with index.transaction() as transaction:
        assert transaction.delete_alias("fraud", "production") == 2
    with pytest.raises(NotFoundError, match="production"), index.transaction() as transaction:
        transaction.delete_alias("fraud", "production")


def test_an_alias_cannot_point_at_nothing(index: Index, push: Push) -> None:
    """Claim: a version that is not there gets no alias, and the alias stays where it was."""
    push()
    with index.transaction() as transaction:
        transaction.move_alias("fraud", "production", 1, NOW)
    with pytest.raises(DatabaseError), index.transaction() as transaction:
        transaction.move_alias("fraud", "production", 9, NOW)
    assert resolved(index, "fraud@production") == 1


def test_aliases_of_two_models_are_apart(index: Index, push: Push) -> None:
    """Claim: the same alias on two models is two aliases."""
    push("a")
    push("a")
    push("b")
    with index.transaction() as transaction:
        transaction.move_alias("a", "x", 2, NOW)
        transaction.move_alias("b", "x", 1, NOW)
    assert (resolved(index, "a@x"), resolved(index, "b@x")) == (2, 1)


def test_aliases_of_a_version_are_sorted(index: Index, push: Push) -> None:
    """Claim: a version's aliases come in the order of their text."""
    push()
    with index.transaction() as transaction:
        for alias in ("b", "a", "c"):
            transaction.move_alias("fraud", alias, 1, NOW)
    assert index.resolve(parse_reference("fraud")).aliases == ("a", "b", "c")


def test_a_withdrawn_version_is_no_longer_the_newest(index: Index, push: Push) -> None:
    """Claim: a bare name skips withdrawn versions, their number still resolves, and it is never given again."""
    push()
    push()
    with index.transaction() as transaction:
        transaction.withdraw("fraud", 2, "leaked", NOW)
    assert resolved(index, "fraud") == 1
    found = index.resolve(parse_reference("fraud:2"))
    assert (found.withdrawn_at, found.withdrawn_reason) == (NOW, "leaked")
    assert push().version == 3


def test_a_model_whose_every_version_is_withdrawn_says_so(index: Index, push: Push) -> None:
    """Claim: the error tells a model that is empty from one that is not there."""
    push()
    with index.transaction() as transaction:
        transaction.withdraw("fraud", 1, "leaked", NOW)
    with pytest.raises(NotFoundError, match="every version"):
        index.resolve(parse_reference("fraud"))


def test_of_two_withdrawals_the_first_reason_stays(index: Index, push: Push) -> None:
    """Claim: the second changes nothing, and says so."""
    push()
    with index.transaction() as transaction:
        assert transaction.withdraw("fraud", 1, "first", NOW)
    with index.transaction() as transaction:
        assert not transaction.withdraw("fraud", 1, "second", NOW)
    assert index.resolve(parse_reference("fraud:1")).withdrawn_reason == "first"


def test_names_are_found_by_prefix_literally(index: Index, push: Push) -> None:
    """Claim: the characters that LIKE treats as patterns stand for themselves in a prefix."""
    for model in ("a_b", "axb", "a.b/c", "ab", "b"):
        push(model)
    assert index.names() == ("a.b/c", "a_b", "ab", "axb", "b")
    assert index.names("a_") == ("a_b",)
    assert index.names("a.b/") == ("a.b/c",)
    for nothing in ("%", "_", "a%", "a\\", "/"):
        assert index.names(nothing) == (), nothing


def test_a_prefix_in_capitals_finds_nothing(index: Index, push: Push) -> None:
    """Claim: every database compares names as they are; SQLite's LIKE alone would not tell ``A`` from ``a``."""
    push("ab")
    assert index.names("A") == ()


def test_referenced_is_every_manifest_and_file(index: Index, push: Push, entry_of: EntryOf) -> None:
    """Claim: a sweep keeps exactly the manifests and the files of all versions, withdrawn ones too."""
    one, two = entry_of("a", b"1"), entry_of("b", b"2")
    pushed = [push("m", files=(one, two)), push("n", files=(two,))]
    with index.transaction() as transaction:
        transaction.withdraw("m", 1, "x", NOW)
    assert index.referenced() == {one.sha256, two.sha256, *(entry.digest for entry in pushed)}


SIGNATURES = (IndexedBundle("1" * 64, "manifest", "a" * 64), IndexedBundle("2" * 64, "oms"))


def test_signatures_are_state_of_their_version_and_needed_by_a_sweep(index: Index, push: Push) -> None:
    """Claim: every reading of a version tells its bundles by digest, an added one twice is one, and each is referenced."""
    first, second = push("m"), push("m")
    with index.transaction() as transaction:
        transaction.add_bundles("m", first.digest, SIGNATURES[1:])
        assert not transaction.has_bundles(first.digest, SIGNATURES)
        transaction.add_bundles("m", first.digest, SIGNATURES)
        assert transaction.has_bundles(first.digest, SIGNATURES)
        assert not transaction.has_bundles(second.digest, SIGNATURES[:1])
    assert [entry.bundles for entry in index.versions("m")] == [SIGNATURES, ()]
    assert index.resolve(parse_reference("m:1")).bundles == SIGNATURES
    assert {"1" * 64, "2" * 64} < index.referenced()
    assert index.stray_rows() == {}


def test_a_signature_of_no_version_is_refused(index: Index, push: Push) -> None:
    """Claim: a bundle's row belongs to a version of that model with that digest, or is not written."""
    pushed = push("m")
    push("n")
    for model, digest in (("m", "0" * 64), ("n", pushed.digest)):
        with pytest.raises(NotFoundError, match="has no version sha256:"), index.transaction() as transaction:
            transaction.add_bundles(model, digest, SIGNATURES)
    assert [entry.bundles for entry in index.versions()] == [(), ()]


def test_a_registry_s_id_is_drawn_once(session: Session) -> None:
    """Claim: every opening and every thread sees the same random identity."""
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: Index(session).registry_id(NOW), range(16)))
    assert len(found) == 1
    assert len(found.pop()) == 36


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, ConflictError])
def test_any_exception_undoes_a_transaction(index: Index, make_manifest: Make, failure: type[BaseException]) -> None:
    """Claim: nothing of a transaction that raises is kept, and the exception comes out as it is."""

    def fail() -> None:
        with index.transaction() as transaction:
            add_version(transaction, make_manifest, "fraud")
            transaction.move_alias("fraud", "production", 1, NOW)
            raise failure("stop")

    with pytest.raises(failure, match="stop"):
        fail()
    assert index.versions() == ()
    assert index.names() == ()


def test_the_same_manifest_twice_is_refused_by_the_database(index: Index, push: Push, make_manifest: Make) -> None:
    """Claim: version numbers and digests are unique by constraint, not by good manners."""
    push()
    for version in (1, 2):
        manifest = make_manifest(version=version)
        digest = manifest_digest(make_manifest().to_bytes())
        with pytest.raises(DatabaseError, match=r"(?i)unique"), index.transaction() as transaction:
            transaction.add(manifest, digest)
    assert len(index.versions()) == 1


def test_racing_threads_get_numbers_without_gap_or_double(index: Index, make_manifest: Make) -> None:
    """Claim: 40 transactions on 8 threads give 1 to 40."""

    def add(_: int) -> int:
        with index.transaction() as transaction:
            return add_version(transaction, make_manifest, "fraud").version

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(add, range(40))) == list(range(1, 41))


def test_reading_does_not_change_anything(session: Session, push: Push) -> None:
    """Claim: a reader sees one state from its first query on, whatever is committed meanwhile."""
    push()
    with session.reading() as connection:
        before = connection.execute(sa.text("SELECT count(*) FROM versions")).scalar()
        push()
        assert connection.execute(sa.text("SELECT count(*) FROM versions")).scalar() == before == 1


def test_foreign_keys_are_enforced(session: Session) -> None:
    """Claim: a row that points at nothing is refused (SQLite leaves this off by default)."""
    with pytest.raises(DatabaseError, match=r"(?i)foreign key"), session.writing() as connection:
        connection.execute(sa.text("INSERT INTO files VALUES (99, 'p', 1, 'x')"))


def test_entries_are_values(push: Push) -> None:
    """Claim: what the index gives is frozen."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        push().version = 2  # type: ignore[misc]
