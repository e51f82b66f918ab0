"""``fsck`` on whole registries: damage found and mended on both kinds of store, hostile sources, and kills on the way."""

from __future__ import annotations

import json
import random
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.care import blob_path, copied_store, fill, flipped, overwrite

from modelreg import ProblemKind, Registry
from modelreg.digest import sha256_hex
from modelreg.store.local import LocalStore
from modelreg_cli.app import main

if TYPE_CHECKING:
    from tests.servers.server import S3Server

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.usefixtures("aws_credentials")]

DAMAGED = 20


@pytest.fixture
def registry(tmp_path: Path, storage_url: str) -> Iterator[Registry]:
    with Registry.open(home=tmp_path / "home", storage_url=storage_url) as opened:
        yield opened


def fsck(registry: Registry, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """The command line's answer about ``registry``."""
    settings = registry.settings
    place = ["--database", settings.database_url.value, "--store", settings.storage_url.value]
    status = main(["fsck", *arguments, *place, "--json"])
    return status, json.loads(capsys.readouterr().out)


def damage(registry: Registry, known: dict[str, bytes]) -> list[str]:
    """Flip one bit in each of twenty blobs: nine tenths of them files, the others manifests."""
    draw = random.Random(20)
    files = draw.sample(sorted(known), DAMAGED - 2)
    manifests = [registry.resolve(name).digest for name in ("model0:3", "model1:7")]
    for sha256 in (*files, *manifests):
        data = registry.store.read(sha256, 64 * 1024 * 1024)
        overwrite(registry, sha256, flipped(data, draw.randrange(len(data))))
    return sorted((*files, *manifests))


@pytest.mark.parametrize("source", ["store", "pulled copies"])
def test_flipped_bytes_in_twenty_blobs_are_named_and_mended(
    registry: Registry, source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Claim: exactly the damaged blobs are named; good bytes from elsewhere mend them; then everything verifies."""
    known = fill(registry, 15)
    known |= fill(registry, 1, seed=5, size_bytes=9_000_000)
    entries = registry.list()
    if source == "store":
        copied_store(registry, tmp_path / "second")
        places = [str(tmp_path / "second")]
    else:
        pulled = [
            registry.pull(f"{entry.model}:{entry.version}", tmp_path / "pulled" / entry.digest, target="none")
            for entry in entries
        ]
        places = [str(pull.folder) for pull in pulled]
    damaged = damage(registry, known)
    status, answer = fsck(registry, capsys, "--read-data")
    assert (status, answer["clean"]) == (8, False)
    assert sorted(problem["blob"] for problem in answer["problems"]) == [f"sha256:{sha256}" for sha256 in damaged]
    assert {problem["kind"] for problem in answer["problems"]} == {"changed-blob"}
    given = [word for place in places for word in ("--from", place)]
    status, answer = fsck(registry, capsys, "--read-data", "--repair", "--dry-run", *given)
    assert (status, {problem["mended"] for problem in answer["problems"]}) == (8, {True})
    status, answer = fsck(registry, capsys, "--read-data", "--repair", "--yes", *given)
    assert (status, answer["clean"]) == (0, True), [problem["how"] for problem in answer["problems"]]
    assert len(answer["problems"]) == DAMAGED
    status, answer = fsck(registry, capsys, "--read-data")
    assert (status, answer["problems"], answer["orphans"]["blobs"]) == (0, [], [])
    assert registry.list() == entries
    for sha256, data in known.items():
        assert registry.store.read(sha256, len(data)) == data


def test_a_blob_on_a_second_server_mends_a_local_store(
    seaweedfs: S3Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Claim: ``--from s3://...`` fetches in ranges, and what is large comes whole."""
    url = seaweedfs.url(f"care/{secrets.token_hex(8)}")
    with (
        Registry.open(home=tmp_path / "home") as registry,
        Registry.open(home=tmp_path / "2", storage_url=url) as second,
    ):
        known = fill(registry, 1, size_bytes=20_000_000)
        for data in known.values():
            second.store.put(data)
        for sha256, data in known.items():
            overwrite(registry, sha256, flipped(data))
        status, answer = fsck(registry, capsys, "--read-data", "--repair", "--yes", "--from", url)
        assert (status, len(answer["problems"])) == (0, len(known))
        assert fsck(registry, capsys, "--read-data")[0] == 0


def test_what_manifests_that_are_back_have_to_say_is_mended_too(registry: Registry, tmp_path: Path) -> None:
    """Claim: a missing manifest and a row that nobody could judge without it are mended in one healing."""
    fill(registry, 3)
    entries = registry.list()
    copied_store(registry, tmp_path / "second")
    with registry._index.transaction() as transaction:
        connection = transaction._connection
        connection.exec_driver_sql("UPDATE versions SET pushed_by = 'eve'")
    registry.store.delete(registry.resolve("model0:2").digest)
    checked = registry.fsck()
    assert len(checked.problems) == 6
    healed = registry.heal(checked, [str(tmp_path / "second")])
    assert healed.is_whole
    assert len(healed.healings) == 7
    assert registry.fsck(share=1.0).is_clean
    assert registry.list() == entries


@pytest.mark.parametrize("lie", ["other bytes", "too short", "empty", "nothing", "a link", "a folder"])
def test_a_source_that_lies_replaces_nothing(registry: Registry, lie: str, tmp_path: Path) -> None:
    """Claim: what has not the SHA-256 never reaches the store; the bad blob stays as it was, and stays told."""
    known = fill(registry, 2)
    sha256, data = min(known.items())
    bad = flipped(data)
    overwrite(registry, sha256, bad)
    second = LocalStore.open_folder(tmp_path / "second")
    path = second._path(sha256)
    path.parent.mkdir(parents=True)
    match lie:
        case "a link":
            (tmp_path / "target").write_bytes(data)
            path.symlink_to(tmp_path / "target")
        case "a folder":
            path.mkdir()
        case "nothing":
            pass
        case _:
            path.write_bytes({"other bytes": flipped(data, 7), "too short": data[:-1], "empty": b""}[lie])
    before = {blob.sha256: registry.store.read(blob.sha256, blob.size_bytes) for blob in registry.store.blobs()}
    checked = registry.fsck(share=1.0)
    (healing,) = registry.heal(checked, [str(tmp_path / "second")]).healings
    assert not healing.done
    assert str(tmp_path / "second") in healing.how
    assert {blob.sha256: registry.store.read(blob.sha256, blob.size_bytes) for blob in registry.store.blobs()} == before
    assert registry.fsck(share=1.0).problems[0].blob == sha256
    assert registry.gc(dry_run=True).leases == ()


def test_a_lying_source_before_a_good_one_is_passed_over(registry: Registry, tmp_path: Path) -> None:
    """Claim: sources are tried in turn until one has the bytes."""
    known = fill(registry, 2)
    copied_store(registry, tmp_path / "good")
    sha256, data = min(known.items())
    liar = LocalStore.open_folder(tmp_path / "liar")
    liar._path(sha256).parent.mkdir(parents=True)
    liar._path(sha256).write_bytes(flipped(data, 3))
    overwrite(registry, sha256, flipped(data))
    healed = registry.heal(registry.fsck(share=1.0), [str(tmp_path / "liar"), str(tmp_path / "good")])
    assert healed.is_whole
    assert str(tmp_path / "good") in healed.healings[0].how


def test_a_store_that_cannot_be_reached_is_no_verdict(
    registry: Registry, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Claim: exit 1, not 8 and not 0, where nothing could be checked."""
    fill(registry, 1)
    place = ["--database", registry.settings.database_url.value, "--store", f"file://{tmp_path}/elsewhere"]
    assert main(["fsck", *place, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["code"] == "store-absent"
    assert not (tmp_path / "elsewhere").exists()


def test_nobody_is_asked_where_nobody_can_answer(
    registry: Registry, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Claim: without a terminal and without --yes nothing is changed, and the exit says usage."""
    known = fill(registry, 1)
    copied_store(registry, tmp_path / "second")
    registry.store.delete(min(known))
    assert fsck(registry, capsys, "--repair", "--from", str(tmp_path / "second"))[0] == 2
    assert registry.fsck().problems[0].kind is ProblemKind.MISSING_BLOB


def test_rows_are_mended_on_both_databases(database_url: str, tmp_path: Path) -> None:
    """Claim: columns, files and an alias that leads to another model are told and mended on each database."""
    with Registry.open(database_url=database_url, storage_url=f"file://{tmp_path}/store") as registry:
        fill(registry, 3)
        registry.withdraw("model0:2", "wrong labels")
        registry.alias("model0:1", "good")
        before = registry.list()
        registry.alias("model0:1", "lost")
        with registry._index.transaction() as transaction:
            run = transaction._connection.exec_driver_sql
            run("UPDATE versions SET pushed_by = 'eve', size_bytes = 1 WHERE version = 2")
            run("DELETE FROM files WHERE path = 'b.h5' AND version_id IN (SELECT id FROM versions WHERE version = 3)")
            run("UPDATE aliases SET version_id = (SELECT max(id) FROM versions) WHERE alias = 'lost'")
        checked = registry.fsck(share=1.0)
        assert [problem.kind.value for problem in checked.problems] == ["dangling-alias"] + ["row-differs"] * 4
        assert registry.heal(checked).is_whole
        assert registry.fsck(share=1.0).is_clean
        assert registry.list() == before


def test_a_lost_database_is_no_clean_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Claim: where nothing is listed because the database is gone, fsck says so, and makes none."""
    with Registry.open(home=tmp_path / "home") as registry:
        fill(registry, 1)
    assert main(["fsck", "--home", str(tmp_path / "home"), "--database", f"sqlite:///{tmp_path}/new.db", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["code"], "modelreg db rebuild" in answer["hint"]) == ("schema-revision", True)
    assert not (tmp_path / "new.db").exists()


def test_a_sweep_beside_a_healing_takes_nothing_that_it_needs(registry: Registry, tmp_path: Path) -> None:
    """Claim: what only a damaged row hides from a sweep is under the healing's lease until the row is mended."""
    known = fill(registry, 3)
    copied_store(registry, tmp_path / "second")
    with registry._index.transaction() as transaction:
        transaction._connection.exec_driver_sql("DELETE FROM files WHERE path = 'a.h5'")
    bad = registry.resolve("model0:1").files[0].sha256
    overwrite(registry, bad, flipped(known[bad]))
    swept = []

    def sweep_meanwhile(_: int) -> None:
        with Registry.open(settings=registry.settings) as other:
            swept.extend([other.gc()])

    checked = registry.fsck(share=1.0)
    assert len(registry.gc(dry_run=True).blobs) == 6
    assert registry.heal(checked, [str(tmp_path / "second")], progress=sweep_meanwhile).is_whole
    assert [(found.blobs, len(found.leases)) for found in swept] == [((), 1)]
    assert registry.fsck(share=1.0).is_clean


HEALER = """
import sys
from modelreg import Registry
home, second = sys.argv[1:]
with Registry.open(home=home) as registry:
    checked = registry.fsck(share=1.0)
    print("go", flush=True)
    registry.heal(checked, [second])
    print("done", flush=True)
"""


@pytest.mark.slow
def test_a_killed_repair_leaves_no_blob_worse_and_the_next_one_finishes(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path, tally: Callable[[str, int], None]
) -> None:
    """Claim: whenever a repair is killed, each blob is the bad one it was or the good one; the last repair ends clean."""
    draw, kills = random.Random(9), 0
    with Registry.open(home=tmp_path / "home") as registry:
        known = fill(registry, 6, size_bytes=3_000_000)
        copied_store(registry, tmp_path / "second")
        bad = {sha256: flipped(data) for sha256, data in known.items()}
        for round_number in range(10):
            for sha256, data in bad.items():
                overwrite(registry, sha256, data)
            process = start(HEALER, tmp_path / "home", tmp_path / "second")
            assert process.stdout is not None
            assert process.stdout.readline() == "go\n"
            time.sleep(draw.uniform(0, 0.05 * (round_number + 1)))
            process.kill()
            kills += process.communicate()[0] != "done\n"
            for sha256, data in known.items():
                found = blob_path(registry, sha256).read_bytes()
                assert found in (data, bad[sha256])
                assert sha256_hex(found) == sha256 or found == bad[sha256]
        assert registry.heal(registry.fsck(share=1.0), [str(tmp_path / "second")]).is_whole
        registry.gc()
        checked = registry.fsck(share=1.0)
        assert (checked.problems, checked.leftovers, checked.leases) == ((), 0, ())
    assert kills >= 5
    tally("repairs killed", kills)
