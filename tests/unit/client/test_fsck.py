"""The check of a registry: each kind of problem made once and named, and what is no problem told as none."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.care import blob_path, commit, copied_store, fill, flipped, overwrite
from tests.conftest import make_manifest
from tests.phases import Phases

from modelreg import Problem, ProblemKind, Registry, UsageError
from modelreg.digest import sha256_hex
from modelreg.manifest import ArraySpec, Golden, IndexedBundle

pytestmark = pytest.mark.slow

NUMBERS = b"golden numbers"
GOLDEN = Golden(
    sha256_hex(NUMBERS), len(NUMBERS), 1, 0, "1e-4", (ArraySpec("x", (1,), "float32"),),
    (ArraySpec("y", (1,), "float32"),), "3.11", "3.0",
)  # fmt: skip


@pytest.fixture
def filled(registry: Registry) -> Registry:
    """``model0`` and ``model1`` with three versions each."""
    fill(registry, 3)
    return registry


@contextlib.contextmanager
def database(registry: Registry) -> Iterator[sqlite3.Connection]:
    """The database as a foreign hand opens it, with no key checked."""
    path = registry._session.sqlite_path
    assert path is not None
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        yield connection


def tamper(registry: Registry, *statements: str) -> None:
    with database(registry) as connection:
        for statement in statements:
            connection.execute(statement)


def only(registry: Registry, share: float = 0.0) -> Problem:
    """The one problem that there is."""
    (problem,) = registry.fsck(share=share).problems
    return problem


def file_of(registry: Registry, reference: str, path: str) -> str:
    return next(file.sha256 for file in registry.resolve(reference).files if file.path == path)


def test_a_registry_that_is_well_is_clean(filled: Registry) -> None:
    """Claim: nothing is wrong with what was written in order, and everything was looked at."""
    checked = filled.fsck(share=1.0)
    assert (checked.problems, checked.orphans, checked.leftovers) == ((), (), 0)
    assert (checked.models, checked.versions, checked.blobs, checked.read_blobs) == (2, 6, 6 + 12 + 1, 13)


def test_progress_knows_its_end_in_each_phase(filled: Registry, tmp_path: Path) -> None:
    """Claim: manifests, the blobs that are read, and those that are mended are counted up to what was promised."""
    copied_store(filled, tmp_path / "second")
    entry, told = filled.resolve("model0:1"), Phases()
    overwrite(filled, entry.files[0].sha256, flipped(blob_path(filled, entry.files[0].sha256).read_bytes()))
    checked = filled.fsck(share=1.0, progress=told)
    filled.heal(checked, [str(tmp_path / "second")], progress=told)
    manifests = sum(blob_path(filled, entry.digest).stat().st_size for entry in filled.list())
    assert told.promised == {
        "checking": manifests,
        "reading": checked.read_bytes,
        "mending": entry.files[0].size_bytes,
    }
    assert told.counted == told.promised


def test_an_empty_registry_is_clean(registry: Registry) -> None:
    """Claim: there is nothing to be wrong."""
    assert registry.fsck(share=1.0).is_clean


def test_a_missing_file_is_told_once_with_every_version_that_needs_it(filled: Registry) -> None:
    """Claim: one blob that all versions share is one problem of all of them."""
    sha256 = file_of(filled, "model0:1", "vocabulary.txt")
    filled.store.delete(sha256)
    problem = only(filled)
    assert (problem.kind, problem.blob) == (ProblemKind.MISSING_BLOB, sha256)
    assert sorted(problem.versions) == [f"model{model}:{version}" for model in (0, 1) for version in (1, 2, 3)]


def test_a_missing_manifest_is_told(filled: Registry) -> None:
    """Claim: its version is named, and the rest of the check goes on by the row alone."""
    filled.store.delete(filled.resolve("model0:2").digest)
    filled.store.delete(file_of(filled, "model0:2", "a.h5"))
    problems = filled.fsck().problems
    assert [(problem.kind, problem.versions) for problem in problems] == [(ProblemKind.MISSING_BLOB, ("model0:2",))] * 2
    assert "its manifest" in problems[0].message or "its manifest" in problems[1].message


def test_missing_golden_predictions_are_told(registry: Registry) -> None:
    """Claim: the blob of golden predictions is one that a version needs."""
    registry.store.put(NUMBERS)
    commit(registry, "fraud", {"plain.h5": b"x" * 10}, golden=GOLDEN)
    assert registry.fsck(share=1.0).is_clean
    overwrite(registry, GOLDEN.sha256, flipped(NUMBERS))
    assert only(registry, 1.0).kind is ProblemKind.CHANGED_BLOB
    registry.store.delete(GOLDEN.sha256)
    assert only(registry).kind is ProblemKind.MISSING_BLOB
    assert ".modelreg/golden.npz" in only(registry).message


@pytest.mark.parametrize("change", [-1, 1])
def test_a_blob_of_another_size_is_told_by_the_listing(filled: Registry, change: int) -> None:
    """Claim: what is too short or too long is told without reading it, with both sizes."""
    sha256 = file_of(filled, "model0:1", "a.h5")
    data = blob_path(filled, sha256).read_bytes()
    overwrite(filled, sha256, data[:-1] if change < 0 else data + b"x")
    problem = only(filled)
    assert (problem.kind, problem.versions) == (ProblemKind.WRONG_SIZE, ("model0:1",))
    assert f"{len(data) + change:,} bytes of {len(data):,}" in problem.message


def test_changed_bytes_are_told_when_they_are_read(filled: Registry) -> None:
    """Claim: a flipped bit is found by reading alone, with the place in the file."""
    sha256 = file_of(filled, "model1:3", "b.h5")
    overwrite(filled, sha256, flipped(blob_path(filled, sha256).read_bytes(), 5000))
    assert filled.fsck().is_clean
    problem = only(filled, 1.0)
    assert (problem.kind, problem.blob, problem.versions) == (ProblemKind.CHANGED_BLOB, sha256, ("model1:3",))
    assert "bytes 4,096 to 8,191" in problem.message


def test_a_share_reads_some_and_names_what_it_meets(filled: Registry) -> None:
    """Claim: with a share fewer blobs are read, and never one that is not chosen is told."""
    assert 0 < filled.fsck(share=0.5).read_blobs < 13


def test_a_changed_manifest_is_told_without_reading_data(filled: Registry) -> None:
    """Claim: manifests are always read, digest first; what is changed is never parsed."""
    digest = filled.resolve("model0:2").digest
    overwrite(filled, digest, blob_path(filled, digest).read_bytes().replace(b'"ada"', b'"eve"'))
    assert (only(filled).kind, only(filled).versions) == (ProblemKind.CHANGED_BLOB, ("model0:2",))
    overwrite(filled, digest, b"[" * 100_000)
    assert only(filled).kind is ProblemKind.CHANGED_BLOB


def test_a_huge_blob_in_the_place_of_a_manifest_is_not_read(filled: Registry) -> None:
    """Claim: a manifest beyond the bound of documents is told by its size."""
    digest = filled.resolve("model0:2").digest
    overwrite(filled, digest, b"")
    with blob_path(filled, digest).open("wb") as file:
        file.truncate(10 * 1024**3)
    assert "10,737,418,240 bytes" in only(filled).message


def test_a_manifest_that_no_reader_knows_is_told(registry: Registry) -> None:
    """Claim: the right digest of something that is no manifest is a problem of its own."""
    _, digest = commit(registry, "fraud", {"plain.h5": b"x"})
    future = blob_path(registry, digest).read_bytes().replace(b"manifest:v1", b"manifest:v9")
    digest = registry.store.put(future)
    tamper(registry, f"UPDATE versions SET digest = '{digest}'")
    problem = only(registry)
    assert (problem.kind, problem.fix) == (ProblemKind.BAD_MANIFEST, "upgrade modelreg")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("created_at", "2020-01-01T00:00:00Z"),
        ("pushed_by", "eve"),
        ("container", "onnx"),
        ("keras_version", "3.9.9"),
        ("size_bytes", "1"),
    ],
)
def test_a_row_that_disagrees_is_told_and_written_anew(filled: Registry, column: str, value: str) -> None:
    """Claim: every column that the manifest tells is compared, and mended from the manifest."""
    before = filled.list()
    tamper(filled, f"UPDATE versions SET {column} = '{value}' WHERE id = 3")
    problem = only(filled)
    assert problem.kind is ProblemKind.ROW_DIFFERS
    assert f"{column} is '{value}'" in problem.message
    assert filled.heal(filled.fsck()).is_whole
    assert filled.fsck().is_clean
    assert filled.list() == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE files SET sha256 = 'aa' WHERE version_id = 3 AND path = 'a.h5'",
        "UPDATE files SET size_bytes = 7 WHERE version_id = 3 AND path = 'a.h5'",
        "UPDATE files SET path = 'z.h5' WHERE version_id = 3 AND path = 'a.h5'",
        "DELETE FROM files WHERE version_id = 3",
        "INSERT INTO files VALUES (3, 'more.h5', 1, 'bb')",
    ],
)
def test_rows_of_files_that_disagree_are_told_and_written_anew(filled: Registry, statement: str) -> None:
    """Claim: which blobs a version needs is the manifest's to say, and what it names is not taken for an orphan."""
    before = filled.list()
    tamper(filled, statement)
    checked = filled.fsck()
    assert [problem.kind for problem in checked.problems] == [ProblemKind.ROW_DIFFERS]
    assert checked.orphans == ()
    assert filled.heal(checked).is_whole
    assert filled.fsck().is_clean
    assert filled.list() == before


def test_a_row_is_not_written_anew_from_a_manifest_that_is_damaged(filled: Registry) -> None:
    """Claim: only a manifest with the digest of the row speaks; what is damaged between check and healing does not."""
    tamper(filled, "UPDATE versions SET pushed_by = 'eve' WHERE id = 3")
    checked = filled.fsck()
    digest = filled.resolve("model0:2").digest
    overwrite(filled, digest, blob_path(filled, digest).read_bytes().replace(b'"ada"', b'"bob"'))
    (healing,) = filled.heal(checked).healings
    assert not healing.done
    assert filled.resolve("model0:2").pushed_by == "eve"


def test_a_row_under_another_versions_digest_is_told_and_left(filled: Registry) -> None:
    """Claim: whose name or number is wrong is not decided by a guess."""
    tamper(filled, "UPDATE versions SET version = 9 WHERE id = 5")
    kinds = [problem.kind for problem in filled.fsck().problems]
    assert kinds == [ProblemKind.GAP, ProblemKind.ROW_DIFFERS]
    assert not filled.heal(filled.fsck()).is_whole


def test_a_digest_that_is_none_is_told(filled: Registry) -> None:
    """Claim: a row can say anything, and the check goes on."""
    tamper(filled, "UPDATE versions SET digest = '../../etc/passwd' WHERE id = 5")
    problems = filled.fsck().problems
    assert [problem.kind for problem in problems] == [ProblemKind.ROW_DIFFERS]
    assert "is no SHA-256" in problems[0].message


def test_a_missing_version_is_a_gap(filled: Registry) -> None:
    """Claim: a number that is not there is told, and the manifest that waits in the store for ``db rebuild --add``."""
    tamper(filled, *(f"DELETE FROM {table} WHERE version_id = 3" for table in ("files", "facets")))
    tamper(filled, "DELETE FROM versions WHERE id = 3")
    checked = filled.fsck()
    assert [(problem.kind, problem.versions) for problem in checked.problems] == [(ProblemKind.GAP, ("model0:2",))]
    assert len(checked.unlisted) == 1
    assert len(checked.orphans) == 3


def test_a_broken_chain_is_told(filled: Registry) -> None:
    """Claim: a version that was put in the place of another does not fit the one that follows."""
    other = make_manifest(model="model0", version=2, previous=filled.resolve("model0:1").digest)
    digest = filled.store.put(other.to_bytes())
    filled.store.put(bytes(range(256)) * 64)
    tamper(filled, f"UPDATE versions SET digest = '{digest}' WHERE id = 3")
    kinds = {problem.kind: problem.versions for problem in filled.fsck().problems}
    assert kinds[ProblemKind.BROKEN_CHAIN] == ("model0:2", "model0:3")


def test_an_alias_that_points_at_nothing_is_told_and_removed(filled: Registry) -> None:
    """Claim: an alias to no version, or to another model's, is told; healing removes it and no other."""
    filled.alias("model0:1", "good")
    filled.alias("model0:1", "gone")
    filled.alias("model0:1", "foreign")
    foreign = "SELECT versions.id FROM versions JOIN models ON models.id = model_id WHERE name = 'model1' LIMIT 1"
    tamper(
        filled,
        "UPDATE aliases SET version_id = 99 WHERE alias = 'gone'",
        f"UPDATE aliases SET version_id = ({foreign}) WHERE alias = 'foreign'",
    )
    checked = filled.fsck()
    assert [problem.alias for problem in checked.problems] == [("model0", "foreign"), ("model0", "gone")]
    assert filled.heal(checked).is_whole
    assert filled.fsck().is_clean
    assert filled.resolve("model0@good").version == 1


@pytest.mark.parametrize(
    "row",
    [
        "files VALUES (99, 'x', 1, 'aa')",
        "facets VALUES ('has', 'lambda', '', 'x', 1, 99)",
        "without_facets VALUES (99)",
    ],
)
def test_rows_that_belong_to_nothing_are_told(filled: Registry, row: str) -> None:
    """Claim: rows that no command would ever show again are counted by table."""
    tamper(filled, f"INSERT INTO {row}")
    problem = only(filled)
    assert (problem.kind, problem.message.partition(" rows")[0]) == (ProblemKind.DANGLING_ROW, "1")


def test_orphans_and_leftovers_are_no_corruption(filled: Registry, tmp_path: Path) -> None:
    """Claim: what gc removes is told with its size, and the registry is clean."""
    orphan = filled.store.put(b"nobody's")
    (tmp_path / "home" / "store" / "staging" / f"{'0' * 32}.{'1' * 32}").write_bytes(b"left")
    checked = filled.fsck(share=1.0)
    assert checked.is_clean
    assert (checked.orphans, checked.orphan_bytes) == ((orphan,), 8)
    assert (checked.leftovers, checked.leftover_bytes) == (1, 4)


@pytest.mark.usefixtures("refused_by_rights")
def test_a_blob_that_cannot_be_read_is_told_and_the_check_goes_on(filled: Registry) -> None:
    """Claim: a blob that the system refuses is named, with the system's reason, beside what else is wrong."""
    sha256 = file_of(filled, "model0:1", "a.h5")
    blob_path(filled, sha256).chmod(0)
    filled.store.delete(file_of(filled, "model0:1", "b.h5"))
    problems = {problem.kind: problem for problem in filled.fsck(share=1.0).problems}
    assert set(problems) == {ProblemKind.UNREADABLE_BLOB, ProblemKind.MISSING_BLOB}
    assert "Permission denied" in problems[ProblemKind.UNREADABLE_BLOB].message


def test_a_link_in_the_place_of_a_blob_is_told_and_replaced(filled: Registry, tmp_path: Path) -> None:
    """Claim: a link is not followed, and what it pointed at stays."""
    sha256 = file_of(filled, "model0:1", "a.h5")
    pulled = filled.pull("model0:1", tmp_path / "copy", target="none")
    victim = blob_path(filled, sha256).rename(tmp_path / "victim")
    blob_path(filled, sha256).symlink_to(victim)
    assert only(filled).kind is ProblemKind.WRONG_SIZE
    assert filled.heal(filled.fsck(), [str(pulled.folder)]).is_whole
    assert not blob_path(filled, sha256).is_symlink()
    assert victim.is_file()


def test_a_reader_that_runs_beside_a_healing_keeps_what_it_opened(filled: Registry, tmp_path: Path) -> None:
    """Claim: the bad blob is replaced by one rename, so an open reader sees no mixture and a new one the good bytes."""
    sha256 = file_of(filled, "model0:1", "a.h5")
    good = blob_path(filled, sha256).read_bytes()
    pulled = filled.pull("model0:1", tmp_path / "copy", target="none")
    overwrite(filled, sha256, flipped(good))
    with contextlib.closing(filled.store.open(sha256)) as blob:
        assert filled.heal(filled.fsck(share=1.0), [str(pulled.folder)]).is_whole
        view = memoryview(bytearray(len(good)))
        blob.read_into(view, 0)
        assert bytes(view) == flipped(good)
    assert filled.store.read(sha256, len(good)) == good


def test_a_place_that_is_no_source_is_a_usage_error(filled: Registry, tmp_path: Path) -> None:
    """Claim: a folder that is neither a store nor pulled is refused before anything is tried, and is not made one."""
    filled.store.delete(file_of(filled, "model0:1", "a.h5"))
    for place in (tmp_path / "nothing", tmp_path):
        with pytest.raises(UsageError, match="neither a store nor a folder"):
            filled.heal(filled.fsck(), [str(place)])
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_signature_that_is_damaged_is_named_kept_by_a_sweep_and_mended(
    filled: Registry, damage: str, tmp_path: Path
) -> None:
    """Claim: the blob of a bundle is needed as a file is, though only its digest is known of it."""
    entry, data = filled.resolve("model0:2"), b"a bundle's bytes"
    signature = IndexedBundle(filled.store.put(data), "manifest", "a" * 64)
    with filled._index.transaction() as transaction:
        transaction.add_bundles(entry.model, entry.digest, [signature])
    assert filled.fsck(share=1.0).problems == ()
    assert filled.gc().blobs == ()
    copied_store(filled, tmp_path / "second")
    if damage == "missing":
        blob_path(filled, signature.sha256).unlink()
    else:
        overwrite(filled, signature.sha256, flipped(data, 3))
    checked = filled.fsck(share=1.0)
    (problem,) = checked.problems
    assert problem.kind is (ProblemKind.MISSING_BLOB if damage == "missing" else ProblemKind.CHANGED_BLOB)
    assert problem.message.startswith(f"blob sha256:{signature.sha256} of model0:2 (a signature) is ")
    filled.heal(checked, [str(tmp_path / "second")])
    assert filled.fsck(share=1.0).problems == ()
    assert filled.store.read(signature.sha256, 100) == data
