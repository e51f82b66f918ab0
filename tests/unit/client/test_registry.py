"""The registry's methods on real files: what they return, what they leave, and what they refuse."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from modelreg import (
    ConflictError,
    DatabaseError,
    Decision,
    Inspector,
    Mode,
    NotFoundError,
    RefusedError,
    Registry,
    StoreError,
    UsageError,
    examine,
    is_pulled_folder,
    load_settings,
    verify_folder,
)
from modelreg.client.push import default_name
from modelreg.errors import StoreAbsentError

pytestmark = pytest.mark.slow


@pytest.fixture
def plain(models: Path) -> Path:
    return models / "tf220" / "plain.tflite"


def blobs(registry: Registry) -> int:
    return sum(1 for _ in registry.store.blobs())


def leftovers(registry: Registry) -> int:
    return sum(1 for _ in registry.store.staged())


def test_what_is_pushed_is_listed_shown_pulled_and_verified(registry: Registry, models: Path, tmp_path: Path) -> None:
    """Claim: one round over everything agrees on name, version, digest, size and bytes."""
    source = models / "py311" / "plain.h5"
    pushed = registry.push(source, name="team/fraud", aliases=["b", "a", "b"], metadata={"git": "1f3c"})
    assert (pushed.version, pushed.files, pushed.container, pushed.aliases) == (1, 1, "keras-hdf5", ("a", "b"))
    assert pushed.size_bytes == source.stat().st_size
    (listed,) = registry.list()
    shown = registry.show("team/fraud@a")
    assert shown.entry == listed == registry.resolve(f"team/fraud@sha256:{pushed.digest}")
    assert shown.manifest.metadata == {"git": "1f3c"}
    assert shown.manifest.push is not None
    assert shown.manifest.facts.keras_version == "3.15.1"
    pulled = registry.pull("team/fraud", tmp_path / "out", target="none")
    assert (pulled.reference, pulled.digest, pulled.files) == ("team/fraud:1", pushed.digest, ("plain.h5",))
    assert (tmp_path / "out" / "plain.h5").read_bytes() == source.read_bytes()
    assert is_pulled_folder(tmp_path / "out")
    kept = (tmp_path / "out" / ".modelreg" / "manifest.json").read_bytes()
    assert kept == shown.manifest.to_bytes()
    assert json.loads(kept)["predicate"]["model"] == "team/fraud"
    for full in (False, True):
        for verified in (
            registry.verify("team/fraud", target="none", full=full),
            verify_folder(tmp_path / "out", target="none", full=full),
        ):
            assert (verified.reference, verified.digest, verified.full) == ("team/fraud:1", pushed.digest, full)
            assert verified.verdict.decision is Decision.WARNED


def test_the_default_destination_is_the_last_part_of_the_name(
    registry: Registry, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claim: ``pull team/fraud`` makes ``./fraud``."""
    registry.push(plain, name="team/fraud", environment="none")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    registry.pull("team/fraud", target="none")
    assert [path.name for path in Path().iterdir()] == ["fraud"]


@pytest.mark.parametrize(
    ("path", "name"), [("a/fraud.h5", "fraud"), ("fraud.keras", "fraud"), ("a/m.weights.h5", "m.weights")]
)
def test_the_default_name_is_the_stem(path: str, name: str) -> None:
    """Claim: a file proposes its stem."""
    assert default_name(Path(path)) == name


def test_a_folder_s_default_name_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: a folder keeps its dots, and ``.`` means the folder one is in."""
    folder = tmp_path / "fraud.v2"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert default_name(folder) == default_name(Path()) == default_name(Path(".")) == "fraud.v2"


def test_a_name_that_is_none_is_refused_before_anything_is_read(registry: Registry, plain: Path) -> None:
    """Claim: names, aliases, metadata and rules are checked first."""
    for options in ({"name": "Fraud"}, {"aliases": ["7"]}, {"metadata": {"": "x"}}, {"allow": ["MR101"]}):
        with pytest.raises(UsageError):
            registry.push(plain, **options)
    assert registry.list() == ()
    assert blobs(registry) == 0


def test_the_same_bytes_are_stored_once(registry: Registry, plain: Path) -> None:
    """Claim: a second push of the same file adds one manifest and one record of the log, and no other blob."""
    registry.push(plain, name="a", environment="none")
    registry.push(plain, name="b", environment="none")
    registry.push(plain, name="a", environment="none")
    assert blobs(registry) == 1 + 3 + 3


def test_a_refused_push_leaves_nothing(registry: Registry, tmp_path: Path) -> None:
    """Claim: neither blob, leftover, model nor version of what a rule refused; the hint names the rule to allow."""
    path = tmp_path / "model.h5"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    with pytest.raises(RefusedError) as caught:
        registry.push(path, environment="none")
    assert caught.value.exit_status == 8
    assert "--allow MR111" in (caught.value.hint or "")
    assert (registry.list(), registry.names(), blobs(registry), leftovers(registry)) == ((), (), 0, 0)
    assert registry.push(path, environment="none", allow=["MR111"]).version == 1


def test_a_rehearsed_push_says_the_same_and_writes_nothing(registry: Registry, plain: Path) -> None:
    """Claim: dry_run finds the verdict and the facts, and makes no version, blob or leftover."""
    rehearsed = registry.push(plain, environment="none", dry_run=True)
    assert (rehearsed.version, rehearsed.digest, rehearsed.dry_run) == (None, None, True)
    assert (registry.list(), blobs(registry), leftovers(registry)) == ((), 0, 0)
    pushed = registry.push(plain, environment="none")
    assert (rehearsed.container, rehearsed.size_bytes, rehearsed.verdict) == (
        pushed.container,
        pushed.size_bytes,
        pushed.verdict,
    )


def test_a_file_that_grows_while_it_is_pushed_is_a_conflict(registry: Registry, tmp_path: Path) -> None:
    """Claim: a file that somebody still writes is told, and nothing of it is kept."""
    path = tmp_path / "model.bin"
    path.write_bytes(random.Random(1).randbytes(3_000_000))

    def grow(_done: int) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    with pytest.raises(ConflictError, match="changed while it was read"):
        registry.push(path, environment="none", progress=grow)
    assert (registry.list(), blobs(registry), leftovers(registry)) == ((), 0, 0)


def test_an_interrupted_push_leaves_nothing(registry: Registry, tmp_path: Path) -> None:
    """Claim: Ctrl-C while staging leaves no blob, no leftover, no version."""
    path = tmp_path / "model.bin"
    path.write_bytes(random.Random(1).randbytes(3_000_000))

    def interrupt(_done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        registry.push(path, environment="none", progress=interrupt)
    assert (registry.list(), blobs(registry), leftovers(registry)) == ((), 0, 0)


def test_a_rehearsed_pull_writes_nothing(registry: Registry, plain: Path, tmp_path: Path) -> None:
    """Claim: dry_run gives the verdict, checks the destination, and makes no folder."""
    registry.push(plain, name="m", environment="none")
    assert registry.pull("m", tmp_path / "out", target="none", dry_run=True).dry_run
    assert not (tmp_path / "out").exists()


def test_a_refusal_comes_before_any_byte_is_fetched(registry: Registry, models: Path, tmp_path: Path) -> None:
    """Claim: with every file's blob gone, a refused verdict is still the verdict on the facts, not on the blobs."""
    registry.push(models / "py38" / "lambda.h5", name="m", environment="none")
    for file in registry.resolve("m").files:
        registry.store.delete(file.sha256)
    with pytest.raises(RefusedError) as caught:
        registry.pull("m", tmp_path / "out", target="none", strict=["MR301"])
    assert [finding.rule for finding in caught.value.verdict.refusals] == ["MR301"]
    assert caught.value.exit_status == 32
    assert not (tmp_path / "out").exists()


def test_modes_and_rules_reach_the_verdict(registry: Registry, models: Path) -> None:
    """Claim: mode, allow, strict and provides act the same in verify, and the settings' lists give way to arguments."""
    registry.push(models / "py311" / "custom_layer.h5", name="m", environment="none")
    for options, status in (
        ({}, 0),
        ({"mode": Mode.VERIFY}, 0),
        ({"provides": ()}, 64),
        ({"provides": ("Twice",)}, 0),
        ({"strict": ["MR420"]}, 64),
        ({"provides": (), "allow": ["MR420"]}, 0),
        ({"provides": (), "mode": Mode.NO_VERIFY}, 0),
        ({"strict": ["MR201"]}, 16),
    ):
        try:
            found = registry.verify("m", target="none", **options).verdict.exit
        except RefusedError as error:
            found = error.exit_status
        assert found == status, options


def test_a_withdrawn_version_is_refused_everywhere(registry: Registry, plain: Path, tmp_path: Path) -> None:
    """Claim: pull and verify refuse it with 4 and the reason; a bare name skips it; its number is not given again."""
    for _ in range(2):
        registry.push(plain, name="m", environment="none")
    registry.withdraw("m:2", "leaked labels")
    for attempt in (lambda: registry.pull("m:2", tmp_path / "out", target="none"), lambda: registry.verify("m:2")):
        with pytest.raises(RefusedError, match="leaked labels") as caught:
            attempt()
        assert caught.value.exit_status == 4
    assert registry.pull("m", tmp_path / "out", target="none").version == 1
    assert registry.push(plain, name="m", environment="none").version == 3


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 2001])
def test_a_withdrawal_needs_a_reason(registry: Registry, plain: Path, reason: str) -> None:
    """Claim: nobody is left without a why."""
    registry.push(plain, name="m", environment="none")
    with pytest.raises(UsageError):
        registry.withdraw("m", reason)


def test_aliases_move_and_go(registry: Registry, plain: Path) -> None:
    """Claim: each change tells before and after; what is not there is told."""
    for _ in range(2):
        registry.push(plain, name="m", environment="none")
    assert registry.alias("m:1", "production").before is None
    moved = registry.alias("m", "production")
    assert (moved.version, moved.before) == (2, 1)
    assert registry.delete_alias("m", "production").before == 2
    for attempt in (
        lambda: registry.delete_alias("m", "production"),
        lambda: registry.delete_alias("other", "x"),
        lambda: registry.alias("m:9", "x"),
        lambda: registry.list("other"),
        lambda: registry.show("m@production"),
    ):
        with pytest.raises(NotFoundError) as caught:
            attempt()
        assert caught.value.exit_status == 3
    assert registry.names("m") == ("m",)


def test_a_sweep_takes_what_no_version_names(registry: Registry, plain: Path) -> None:
    """Claim: dry_run counts the same as the sweep removes; what versions name stays."""
    registry.push(plain, name="m", environment="none")
    orphan = registry.store.put(b"orphan")
    rehearsed = registry.gc(dry_run=True)
    assert (rehearsed.blobs, rehearsed.size_bytes, rehearsed.kept) == ((orphan,), 6, 3)
    assert blobs(registry) == 4
    swept = registry.gc()
    assert (swept.blobs, swept.leftovers, swept.size_bytes, swept.kept) == ((orphan,), 0, 6, 3)
    assert registry.verify("m", target="none", full=True).verdict.exit == 0


def test_an_empty_database_is_no_reason_to_remove_every_version(
    registry: Registry, plain: Path, tmp_path: Path
) -> None:
    """Claim: beside a store that holds manifests, a sweep by a new database refuses, rehearsed too, until it is told."""
    registry.push(plain, name="m", environment="none")
    storage_url = registry.settings.storage_url.value
    with Registry.open(database_url=f"sqlite:///{tmp_path}/new.db", storage_url=storage_url) as lost:
        for dry_run in (True, False):
            with pytest.raises(ConflictError, match="holds manifests") as caught:
                lost.gc(dry_run=dry_run)
            assert "db rebuild" in str(caught.value.hint)
        assert blobs(registry) == 3
        assert len(lost.gc(even_if_empty=True).blobs) == 3
    assert blobs(registry) == 0


def test_a_pulled_folder_can_be_pushed_again(registry: Registry, models: Path, tmp_path: Path) -> None:
    """Claim: the notes beside a pulled SavedModel are no part of it: the same files come back under a new version."""
    registry.push(models / "py38" / "savedmodel_plain", name="m", environment="none")
    first = registry.pull("m", tmp_path / "out", target="none")
    registry.push(tmp_path / "out", name="m", environment="none")
    assert registry.resolve("m:2").files == registry.resolve("m:1").files
    assert set(first.files) == {file.path for file in registry.resolve("m:2").files}


def test_a_folder_that_was_not_pulled_is_told(tmp_path: Path) -> None:
    """Claim: verify of a folder without notes is NotFoundError with what to do."""
    with pytest.raises(NotFoundError) as caught:
        verify_folder(tmp_path)
    assert (caught.value.hint or "").startswith("modelreg pull")
    assert not is_pulled_folder(tmp_path)


def test_an_absent_registry_stays_absent_when_it_may_not_be_made(tmp_path: Path) -> None:
    """Claim: create=False makes neither folder nor file."""
    with pytest.raises((StoreError, DatabaseError)):
        Registry.open(home=tmp_path / "home", create=False)
    assert not (tmp_path / "home").exists()


def test_the_doctor_says_what_is_there_and_leaves_it(registry: Registry, plain: Path) -> None:
    """Claim: every check of a good registry is ok or a plain statement, and the probe blob is gone afterwards."""
    registry.push(plain, name="m", environment="none")
    checks = list(examine(registry.settings))
    assert {check.name for check in checks if check.ok} >= {"database", "store", "clock"}
    assert [check for check in checks if check.ok is False] == []
    assert blobs(registry) == 3


def test_the_doctor_tells_a_broken_registry(registry: Registry) -> None:
    """Claim: a store and a database that cannot be used are findings with hints, not exceptions."""
    home = registry.settings.home.value
    (home / "store" / "format").unlink()
    (home / "store" / "format").write_text("modelreg-store 9\n")
    registry.close()
    for name in os.listdir(home):
        if name.startswith("registry.db"):
            (home / name).write_text("no database")
    broken = {check.name: check for check in examine(registry.settings) if check.ok is False}
    assert set(broken) == {"database", "store"}
    assert all(check.hint for check in broken.values())


def test_versions_and_verdicts_show_in_a_notebook(registry: Registry, models: Path) -> None:
    """Claim: the HTML of a version names it, its layers and its findings."""
    registry.push(models / "py311" / "custom_layer.h5", name="m", environment="none")
    shown = registry.show("m", target="none")._repr_html_()
    for text in ("m:1", "keras-hdf5", "Twice", "MR420"):
        assert text in shown


def test_a_store_that_went_away_is_not_made_anew(tmp_path: Path, models: Path) -> None:
    """Claim: where the database lists versions, an absent store (a disk not mounted, say) is an error, not a new store."""
    with Registry.open(home=tmp_path) as registry:
        registry.push(models / "py38" / "plain.h5", name="plain", environment="none")
    (tmp_path / "store").rename(tmp_path / "away")
    with pytest.raises(StoreAbsentError, match="though the database lists versions") as caught:
        Registry.open(home=tmp_path)
    assert caught.value.exit_status == 1
    assert not (tmp_path / "store").exists()
    told = {check.name: check.ok for check in examine(load_settings({"home": str(tmp_path)}))}
    assert (told["database"], told["store"]) == (True, False)
    (tmp_path / "away").rename(tmp_path / "store")
    with Registry.open(home=tmp_path) as registry:
        assert registry.verify("plain", target="none").version == 1


def test_a_push_uses_the_reader_that_it_was_given(registry: Registry, plain: Path) -> None:
    """Claim: a reader that was started earlier reads the artifact, and no other process is started for it."""
    with Inspector(expect_hdf5=True) as inspector:
        waiting = inspector.starter_pid
        assert waiting is not None
        registry.push(plain, name="plain", environment="none", inspector=inspector)
        assert inspector.starter_pid == waiting, "another one was started"
