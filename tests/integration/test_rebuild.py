"""``db rebuild`` on whole registries: lost databases come back byte for byte, and nothing is invented."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from benchmarks.seed import seed
from tests.care import blob_path, commit, fill, overwrite
from tests.conftest import make_manifest
from tests.unit.trust.people import KEYS

from modelreg import ConflictError, Purpose, Rebuilt, Registry, Settings, UsageError, load_settings, rebuild_database
from modelreg.client.stores import open_store
from modelreg_cli.app import main

if TYPE_CHECKING:
    from tests.servers.postgres import Server

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.usefixtures("aws_credentials")]

VERSIONS = 1000


@pytest.fixture
def empty_url(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[str]:
    """A second, empty database of the same kind: what is there after the first was dropped."""
    if database_url.startswith("sqlite"):
        yield f"sqlite:///{tmp_path}/new.db"
        return
    server: Server = request.getfixturevalue("postgres_server")
    with server.schema() as url:
        yield url


def settings_of(database_url: str, storage_url: str) -> Settings:
    return load_settings({"database_url": database_url, "storage_url": storage_url})


def program(capsys: pytest.CaptureFixture[str], database_url: str, storage_url: str, *words: str) -> tuple[int, str]:
    status = main([*words, "--database", database_url, "--store", storage_url])
    return status, capsys.readouterr().out


def listing(capsys: pytest.CaptureFixture[str], database_url: str, storage_url: str) -> str:
    status, out = program(capsys, database_url, storage_url, "list", "--limit", "0", "--json")
    assert status == 0
    return out


def test_a_thousand_versions_come_back_byte_for_byte(
    database_url: str,
    empty_url: str,
    storage_url: str,
    capsys: pytest.CaptureFixture[str],
    tally: Callable[[str, int], None],
) -> None:
    """Claim: drop the database, rebuild it, and ``list --json`` is the same to the byte: it shows no ids.

    The models have no aliases and no withdrawn versions, which are in no manifest: the next test has them.
    """
    is_sqlite, is_local = database_url.startswith("sqlite"), storage_url.startswith("file:")
    count = VERSIONS if is_sqlite == is_local else VERSIONS // 10  # on each database and each store once
    seed(database_url, storage_url, count, count // 4, manifests=True)
    before = listing(capsys, database_url, storage_url)
    assert len(json.loads(before)["versions"]) == count
    begun = time.perf_counter()
    status, out = program(capsys, empty_url, storage_url, "db", "rebuild", "--json")
    taken_ms = round((time.perf_counter() - begun) * 1000)
    answer = json.loads(out)
    assert (status, answer["losses"], answer["uncommitted"], len(answer["added"])) == (0, [], [], count)
    assert listing(capsys, empty_url, storage_url) == before
    assert program(capsys, empty_url, storage_url, "fsck", "--read-data")[0] == 0
    kind = database_url.partition(":")[0].partition("+")[0]
    tally(f"ms to rebuild {count} versions ({kind}, {storage_url.partition(':')[0]})", taken_ms)


def test_aliases_and_withdrawals_come_back_from_a_kept_listing(
    database_url: str, empty_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Claim: what no manifest has is lost without ``--state``, which says so, and back to the byte with it."""
    storage_url = f"file://{tmp_path}/store"
    seed(database_url, storage_url, 50, 5, manifests=True)
    with Registry.open(database_url=database_url, storage_url=storage_url) as registry:
        registry.withdraw("team1/model00001:3", "wrong labels")
    before = listing(capsys, database_url, storage_url)
    (tmp_path / "kept.json").write_text(before)
    status, out = program(capsys, empty_url, storage_url, "db", "rebuild", "--dry-run")
    assert "would be restored: aliases 0, withdrawals 1, from their statements" in out
    status, out = program(
        capsys, empty_url, storage_url, "db", "rebuild", "--state", str(tmp_path / "kept.json"), "--json"
    )
    answer = json.loads(out)
    assert (status, answer["aliases"], answer["withdrawals"]) == (0, 10, 1)
    assert listing(capsys, empty_url, storage_url) == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1",
        '{"schema":"modelreg.list/v1"}',
        '{"schema":"modelreg.list/v1","versions":[{}],"next":null}',
        '{"schema":"modelreg.list/v1","versions":[],"next":"fraud:3"}',
        '{"schema":"modelreg.list/v1","next":null,"versions":[{"model":"m","version":1,"digest":"x","aliases":["A B"]}]}',
        '{"schema":"modelreg.list/v1","next":null,"versions":[{"model":"m","version":1,"digest":"x","withdrawn_at":"x"}]}',
    ],
)
def test_a_state_that_is_no_listing_is_refused_before_anything_is_written(text: str, tmp_path: Path) -> None:
    """Claim: a damaged, foreign or partial listing is a usage error, and no database appears."""
    storage_url = f"file://{tmp_path}/store"
    open_store(storage_url)
    (tmp_path / "kept.json").write_text(text)
    with pytest.raises(UsageError):
        rebuild_database(
            settings_of(f"sqlite:///{tmp_path}/new.db", storage_url), state=tmp_path / "kept.json", dry_run=False
        )
    assert not (tmp_path / "new.db").exists()


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry.open(home=tmp_path / "home") as opened:
        fill(opened, 3)
        yield opened


def rebuilt(registry: Registry, tmp_path: Path, **given: Any) -> tuple[Rebuilt, Registry]:
    """A second database over the same store."""
    settings = settings_of(f"sqlite:///{tmp_path}/new.db", registry.settings.storage_url.value)
    return rebuild_database(settings, **given), Registry.open(settings=settings)


def test_a_dry_run_makes_no_database(registry: Registry, tmp_path: Path) -> None:
    """Claim: it says what would be listed, and writes nothing at all."""
    settings = settings_of(f"sqlite:///{tmp_path}/new.db", registry.settings.storage_url.value)
    would = rebuild_database(settings, dry_run=True)
    assert not (tmp_path / "new.db").exists()
    assert would == replace(rebuild_database(settings), dry_run=True)


def test_a_database_that_lists_versions_is_left_alone(registry: Registry, tmp_path: Path) -> None:
    """Claim: without ``--add`` a database in use is refused, and with it nothing in it changes but what was lacking."""
    with pytest.raises(ConflictError, match="lists versions already"):
        rebuild_database(registry.settings)
    registry.alias("model0:1", "production")
    before = registry.list()
    assert rebuild_database(registry.settings, add=True).added == ()
    with registry._index.transaction() as transaction:
        connection = transaction._connection
        for table in ("files", "facets"):
            connection.exec_driver_sql(f"DELETE FROM {table} WHERE version_id = 3")
        connection.exec_driver_sql("DELETE FROM versions WHERE id = 3")
    assert rebuild_database(registry.settings, add=True).added == ("model0:2",)
    assert registry.list() == before


def test_the_identity_of_the_registry_comes_back(registry: Registry, tmp_path: Path) -> None:
    """Claim: pushes into the rebuilt database name the registry that the manifests name."""
    found, again = rebuilt(registry, tmp_path)
    with again:
        assert again._index.registry_id("2026-01-01T00:00:00Z") == make_manifest().registry == found.registry


def test_a_push_after_a_rebuild_goes_on_with_the_numbers(registry: Registry, tmp_path: Path) -> None:
    """Claim: the next version has the next number and names its predecessor."""
    _, again = rebuilt(registry, tmp_path)
    with again:
        manifest, _ = commit(again, "model0", {"a.h5": b"next"})
        assert (manifest.version, manifest.previous) == (4, again.resolve("model0:3").digest)
        assert again.fsck(share=1.0).is_clean


def test_a_push_that_died_before_its_commit_is_left_out_where_it_can_be_told(
    registry: Registry, tmp_path: Path
) -> None:
    """Claim: its manifest is told as never committed, but at the top, where it cannot be told from a version."""
    one, three = (registry.resolve(f"model0:{version}").digest for version in (1, 3))
    dead = registry.store.put(make_manifest(model="model0", version=2, previous=one, pushed_by="dead").to_bytes())
    registry.store.put(make_manifest(model="model0", version=4, previous=three, pushed_by="dead").to_bytes())
    registry.store.put(bytes(range(256)) * 64)
    found, again = rebuilt(registry, tmp_path)
    with again:
        assert (found.unnamed, found.losses) == ((dead,), ())
        assert again.resolve("model0:2").pushed_by == "ada"
        assert again.resolve("model0:4").pushed_by == "dead"
        assert found.newest == ("model0:4", "model1:3")


def test_a_conflict_is_told_with_both_digests_and_decided_by_a_person(registry: Registry, tmp_path: Path) -> None:
    """Claim: neither of two newest manifests is invented; ``--take`` decides, and a digest that is none is refused."""
    before, mine = registry.resolve("model0:2").digest, registry.resolve("model0:3").digest
    rival = registry.store.put(make_manifest(model="model0", version=3, previous=before, pushed_by="eve").to_bytes())
    found, again = rebuilt(registry, tmp_path)
    with again:
        assert [(loss.kind.value, set(loss.manifests)) for loss in found.losses] == [("conflict", {mine, rival})]
        assert [entry.version for entry in again.list("model0")] == [1, 2]
        with pytest.raises(UsageError, match="is no manifest in the store"):
            rebuild_database(again.settings, add=True, take=["sha256:" + "0" * 64])
        assert rebuild_database(again.settings, add=True, take=[f"sha256:{mine}"]).losses == ()
        assert again.resolve("model0:3").digest == mine


def test_a_missing_manifest_is_a_gap_and_a_missing_file_is_told(
    registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Claim: what is lost is said, exit 8; what is left is listed, so that fsck can mend it."""
    lost = registry.resolve("model0:2").digest
    registry.store.delete(lost)
    registry.store.delete(registry.resolve("model1:1").files[0].sha256)
    url = f"sqlite:///{tmp_path}/new.db"
    status, out = program(capsys, url, registry.settings.storage_url.value, "db", "rebuild", "--json")
    losses = {loss["kind"]: loss for loss in json.loads(out)["losses"]}
    assert (status, set(losses)) == (8, {"gap", "missing-blob"})
    assert (losses["gap"]["versions"], losses["gap"]["manifests"]) == (["model0:2"], [f"sha256:{lost}"])
    assert losses["missing-blob"]["versions"] == ["model1:1"]


@pytest.mark.parametrize(("before", "after"), [(b'"ada"', b'"eve"'), (b'"ada"', b'"'), (b"}", b"}}")])
def test_a_damaged_manifest_is_told_and_not_listed(
    registry: Registry, tmp_path: Path, before: bytes, after: bytes
) -> None:
    """Claim: digest first: bytes that are not those of the digest are never parsed."""
    digest = registry.resolve("model0:3").digest
    overwrite(registry, digest, registry.store.read(digest, 10**7).replace(before, after))
    found, again = rebuilt(registry, tmp_path)
    again.close()
    (loss,) = found.losses
    assert (loss.kind.value, loss.manifests) == ("bad-manifest", (digest,))
    assert "not those of its digest" in loss.message


FORGERIES = {
    "a space": (b'"version":4', b'"version": 4'),
    "version 0": (b'"version":4', b'"version":0'),
    "a long name": (b'"pushed_by":"ada"', b'"pushed_by":"' + b"x" * 300 + b'"'),
    "a NUL": (b'"pushed_by":"ada"', b'"pushed_by":"a\\u0000b"'),
    "deep nesting": (b'"files":[', b'"files":' + b"[" * 5000),
    "a key that stands twice": (b'"subject":', b'"subject":{},"subject":'),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_manifest_in_the_store_is_told_and_stops_nothing(
    database_url: str, tmp_path: Path, forgery: str
) -> None:
    """Claim: what is no canonical manifest of this program is named, and every other version is listed."""
    with Registry.open(home=tmp_path / "home") as registry:
        fill(registry, 3)
        storage_url = registry.settings.storage_url.value
        three = registry.resolve("model0:3").digest
        data = make_manifest(model="model0", version=4, previous=three).to_bytes()
        forged = data.replace(*FORGERIES[forgery])
        assert forged != data
        digest = registry.store.put(forged)
    found = rebuild_database(settings_of(database_url, storage_url))
    assert [(loss.kind.value, loss.manifests) for loss in found.losses] == [("bad-manifest", (digest,))]
    assert len(found.added) == 6


@pytest.mark.usefixtures("refused_by_rights")
def test_a_blob_that_cannot_be_read_is_told_and_stops_nothing(registry: Registry, tmp_path: Path) -> None:
    """Claim: what may be a manifest and cannot be read is a loss by name; the others are listed, and fsck goes on."""
    digest = registry.resolve("model0:3").digest
    blob_path(registry, digest).chmod(0)
    found, again = rebuilt(registry, tmp_path)
    with again:
        assert [loss.manifests for loss in found.losses] == [(digest,)]
        assert "Permission denied" in found.losses[0].message
        assert len(found.added) == 5
        assert again.fsck().is_clean


def test_a_manifest_that_was_pushed_as_a_model_adds_no_version(registry: Registry, tmp_path: Path) -> None:
    """Claim: who may push files cannot make versions of other models out of them."""
    three = registry.resolve("model0:3").digest
    registry.store.put(bytes(range(256)) * 64)
    forged = make_manifest(model="model0", version=4, previous=three, pushed_by="eve").to_bytes()
    commit(registry, "harmless", {"notes.json": forged})
    found, again = rebuilt(registry, tmp_path)
    with again:
        assert [loss.kind.value for loss in found.losses] == ["doubtful"]
        assert [entry.version for entry in again.list("model0")] == [1, 2, 3]
        assert again.resolve("harmless:1").pushed_by == "ada"


def test_a_sweep_beside_a_rebuild_takes_nothing(registry: Registry, tmp_path: Path) -> None:
    """Claim: a sweep by the database that is still empty leaves everything alone that the rebuild has seen."""
    settings = settings_of(f"sqlite:///{tmp_path}/new.db", registry.settings.storage_url.value)
    swept: list[tuple[str, ...]] = []

    def sweep_meanwhile(_: int) -> None:
        if not swept:
            with Registry.open(settings=settings) as other:
                swept.append(other.gc(even_if_empty=True).blobs)

    assert len(rebuild_database(settings, progress=sweep_meanwhile).added) == 6
    assert set(swept) == {()}
    with Registry.open(settings=settings) as again:
        assert again.fsck(share=1.0).is_clean


REBUILDER = """
import sys
from modelreg import load_settings, rebuild_database
database, storage = sys.argv[1:]
print("go", flush=True)
print(len(rebuild_database(load_settings({"database_url": database, "storage_url": storage})).added), flush=True)
"""


@pytest.mark.slow
def test_a_killed_rebuild_lists_nothing_and_the_next_one_everything(
    start: Callable[..., subprocess.Popen[str]], database_url: str, empty_url: str, tmp_path: Path
) -> None:
    """Claim: a rebuild is one transaction: after a kill the database is empty or whole, and can be filled."""
    storage_url, ends = f"file://{tmp_path}/store", set()
    seed(database_url, storage_url, 400, 40, manifests=True)
    for delay_ms in (100, 300, 500, 700, 900):
        process = start(REBUILDER, empty_url, storage_url)
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n"
        time.sleep(delay_ms / 1000)
        process.kill()
        process.communicate()
        with Registry.open(database_url=empty_url, storage_url=storage_url) as registry:
            ends.add(len(registry.list()))
        if max(ends):
            break
    assert ends <= {0, 400}
    if not max(ends):
        assert len(rebuild_database(settings_of(empty_url, storage_url)).added) == 400
    with Registry.open(database_url=empty_url, storage_url=storage_url) as registry:
        assert registry.fsck(share=1.0).is_clean


def test_signatures_come_back_to_the_versions_that_they_sign(
    database_url: str, empty_url: str, storage_url: str, tmp_path: Path
) -> None:
    """Claim: each bundle is listed again by what it signs, and what only begins like one is none."""
    model, before = tmp_path / "model.bin", settings_of(database_url, storage_url)
    with Registry.open(settings=before) as registry:
        for text, name in ((b"one", "fraud"), (b"two", "fraud"), (b"one", "churn")):
            model.write_bytes(text)
            registry.push(model, name=name, environment="none")
        registry.sign("fraud:1", KEYS["ada"])
        registry.sign("fraud:2", KEYS["bob"])
        registry.sign("fraud:2", KEYS["ada"])
        listed = signatures(registry)
        registry.store.put(b'{"payload":"no bundle, only the beginning of one')
        registry.store.put(KEYS["eve"].public.pem.encode())
    assert [len(found) for found in listed.values()] == [0, 2, 4]
    rebuild_database(settings_of(empty_url, storage_url))
    with Registry.open(settings=settings_of(empty_url, storage_url)) as registry:
        assert signatures(registry) == listed
        assert registry.fsck().problems == ()
        judged = registry.judge("fraud:2", Purpose.PULL)[1]
        assert {finding.rule for finding in judged.verdict.findings} >= {"MR201", "MR203"}
        assert "MR202" not in {finding.rule for finding in judged.verdict.findings}


def signatures(registry: Registry) -> dict[str, set[tuple[str, str]]]:
    """Digest and kind of every bundle, by version."""
    return {
        f"{entry.model}:{entry.version}": {(bundle.sha256, bundle.kind) for bundle in entry.bundles}
        for entry in registry.list()
    }
