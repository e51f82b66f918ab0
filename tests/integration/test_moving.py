"""Versions on the move: between databases and stores of each kind, out of hostile archives, through kills and sweeps."""

from __future__ import annotations

import io
import os
import random
import secrets
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.archives import MODELS, export, is_empty, outcomes, told
from tests.servers.server import S3Server
from tests.unit.trust.people import KEYS

from modelreg import ConflictError, NotFoundError, Outcome, RefusedError, Registry, UsageError
from modelreg.manifest import IndexedBundle, IndexEntry

# --- there and back ---------------------------------------------------------------------------------------------------


@pytest.mark.allow_hosts(["127.0.0.1"])
@pytest.mark.usefixtures("aws_credentials")
def test_versions_go_to_postgresql_and_s3_and_back(
    source: Registry, target: Registry, postgres_url: str, seaweedfs: S3Server, tmp_path: Path
) -> None:
    """Claim: from SQLite and a folder to PostgreSQL and S3 and back, each archive has the same bytes, each file verifies."""
    out = export(source, tmp_path / "out.tar")
    with Registry.open(database_url=postgres_url, storage_url=seaweedfs.url(secrets.token_hex(8))) as far:
        assert outcomes(far.import_archive(out, aliases=True)) == ["new"] * 3
        assert far.resolve("sm@production").version == 1
        for name in MODELS.values():
            far.verify(name, target="none", full=True)
        back = export(far, tmp_path / "back.tar")
        assert far.gc(dry_run=True).blobs == ()
    assert back.read_bytes() == out.read_bytes()
    target.import_archive(back)
    assert told(target) == told(source)
    for name in MODELS.values():
        target.verify(name, target="none", full=True)


def test_a_stream_and_a_file_are_the_same_bytes(source: Registry, tmp_path: Path) -> None:
    """Claim: in whatever order versions are named, however often, to a stream or a file."""
    stream = io.BytesIO()
    source.export(["sm", "demo:1", "team/scale", "demo"], stream)
    assert stream.getvalue() == export(source, tmp_path / "out.tar", "demo", "sm@production", "team/scale").read_bytes()


def test_an_import_can_be_repeated(source: Registry, target: Registry, tmp_path: Path) -> None:
    """Claim: a second import changes nothing, and says that all is here."""
    out = export(source, tmp_path / "out.tar")
    target.import_archive(out)
    before = target.list()
    assert outcomes(target.import_archive(out)) == ["present"] * 3
    assert target.list() == before


def test_a_dry_run_finds_out_everything_and_writes_nothing(source: Registry, target: Registry, tmp_path: Path) -> None:
    """Claim: what would be imported is told, and neither a row nor a blob is made; the same of an export."""
    source.export(["demo"], tmp_path / "out.tar", dry_run=True)
    assert not (tmp_path / "out.tar").exists()
    out = export(source, tmp_path / "out.tar")
    assert outcomes(target.import_archive(out, dry_run=True)) == ["new"] * 3
    assert is_empty(target)


def test_the_next_push_has_the_next_number(source: Registry, target: Registry, models: Path, tmp_path: Path) -> None:
    """Claim: a gap in the numbers is allowed, is not filled by a push, and the next version names the one before."""
    for _ in range(2):
        source.push(models / "py38" / "plain.h5", name="demo", environment="none")
    target.import_archive(export(source, tmp_path / "out.tar", "demo:3"))
    pushed = target.push(models / "py38" / "plain.h5", name="demo", environment="none")
    assert pushed.version == 4
    assert target.show("demo:4", target="none").manifest.previous == source.resolve("demo:3").digest
    assert outcomes(target.import_archive(export(source, tmp_path / "rest.tar", "demo:1", "demo:2"))) == ["new", "new"]
    assert [entry.version for entry in target.list("demo")] == [1, 2, 3, 4]


def test_a_withdrawal_travels(source: Registry, target: Registry, tmp_path: Path) -> None:
    """Claim: a withdrawn version is exported on request only, arrives withdrawn, and one that is here is withdrawn too."""
    early = export(source, tmp_path / "early.tar", "demo")
    source.withdraw("demo:1", "leaked")
    with pytest.raises(RefusedError, match="leaked") as caught:
        export(source, tmp_path / "late.tar", "demo:1")
    assert caught.value.exit_status == 4
    late = export(source, tmp_path / "late.tar", "demo:1", withdrawn=True)
    target.import_archive(early)
    (received,) = target.import_archive(late).versions
    assert (received.outcome.value, received.withdrawn) == ("present", True)
    assert target.resolve("demo:1").withdrawn_at == source.resolve("demo:1").withdrawn_at
    target.import_archive(early)
    assert target.resolve("demo:1").withdrawn_reason == "leaked"


# --- what is in the way -----------------------------------------------------------------------------------------------


# --- signatures -------------------------------------------------------------------------------------------------------


def signatures(registry: Registry) -> dict[str, tuple[IndexedBundle, ...]]:
    return {f"{entry.model}:{entry.version}": entry.bundles for entry in registry.list()}


@pytest.mark.parametrize("way", ["archive", "mirror"])
def test_signatures_travel_also_those_made_later(source: Registry, target: Registry, tmp_path: Path, way: str) -> None:
    """Claim: every bundle arrives, with its version or after it, and a second time nothing is new."""

    def move(name: str) -> list[str]:
        if way == "archive":
            return outcomes(target.import_archive(export(source, tmp_path / f"{name}.tar")))
        return outcomes(source.mirror(target))

    source.sign("demo", KEYS["ada"])
    assert move("first") == ["new"] * 3
    assert signatures(target) == signatures(source)
    for key in ("ada", "bob"):
        source.sign("sm", KEYS[key])
    target.sign("sm", KEYS["eve"])
    own = set(target.resolve("sm").bundles)
    assert move("second") == ["present"] * 3
    assert set(target.resolve("sm").bundles) == own | set(source.resolve("sm").bundles)
    before = signatures(target)
    assert move("third") == ["present"] * 3
    assert signatures(target) == before
    assert target.fsck(share=1.0).problems == ()
    assert target.gc(dry_run=True).blobs == ()


@pytest.mark.parametrize("is_here", [False, True], ids=["new", "present"])
@pytest.mark.parametrize("kind", ["manifest", "oms"])
def test_a_signature_over_something_else_is_not_taken_in(
    source: Registry, target: Registry, tmp_path: Path, kind: str, is_here: bool
) -> None:
    """Claim: a version that is offered with another's bundle is refused, and nothing of it is kept."""
    if is_here:
        target.import_archive(export(source, tmp_path / "before.tar", "sm"))
    made = source.sign("demo", KEYS["ada"]).bundles
    entry = source.resolve("sm")
    with source._index.transaction() as transaction:
        transaction.add_bundles("sm", entry.digest, [bundle for bundle in made if bundle.kind == kind])
    (received,) = target.import_archive(export(source, tmp_path / "forged.tar", "sm")).versions
    assert received.outcome is Outcome.REFUSED
    assert "signature" in (received.reason or "")
    assert received.verdict is not None
    assert [finding.rule for finding in received.verdict.findings] == ["MR202"]
    assert signatures(target) == ({"sm:1": ()} if is_here else {})
    assert target.gc(dry_run=True, even_if_empty=True).blobs == ()


def test_a_version_with_a_damaged_signature_is_not_exported(source: Registry, tmp_path: Path) -> None:
    """Claim: an archive holds every signature whole, or is not made."""
    bundle = source.sign("demo", KEYS["ada"]).bundles[0]
    source.store.delete(bundle.sha256)
    with pytest.raises(RefusedError, match=f"demo:1 was not exported: the signature {bundle.sha256} is missing"):
        export(source, tmp_path / "out.tar", "demo")
    assert not (tmp_path / "out.tar").exists()


# --- histories --------------------------------------------------------------------------------------------------------


def test_a_number_that_is_taken_is_a_conflict(source: Registry, target: Registry, models: Path, tmp_path: Path) -> None:
    """Claim: another version of that number stays as it is, it is told, and the other versions are taken in."""
    mine = target.push(models / "py38" / "lambda.h5", name="demo", environment="none")
    moved = target.import_archive(export(source, tmp_path / "out.tar"))
    assert (outcomes(moved), moved.exit) == (["conflict", "new", "new"], 1)
    assert target.resolve("demo:1").digest == mine.digest
    target.verify("demo:1", target="none", full=True)
    assert target.gc(dry_run=True).blobs == ()


@pytest.mark.parametrize("number", ["before", "after"])
def test_a_neighbour_that_is_another_is_a_conflict(
    number: str, source: Registry, target: Registry, models: Path, tmp_path: Path
) -> None:
    """Claim: a version that does not follow on what is here, or that what is here does not follow on, is not taken in."""
    for registry in (source, target):
        registry.push(models / "tf220" / "plain.tflite", name="mixed", environment="none")
        registry.push(
            models / "tf220" / "plain.tflite", name="mixed", environment="none", metadata={"of": str(registry)}
        )
    if number == "before":
        moved = target.import_archive(export(source, tmp_path / "out.tar", "mixed:2"))
    else:
        with Registry.open(home=tmp_path / "third") as third:
            third.import_archive(export(target, tmp_path / "two.tar", "mixed:2"))
            moved = third.import_archive(export(source, tmp_path / "out.tar", "mixed:1"))
    assert (outcomes(moved), moved.exit) == (["conflict"], 1)


def test_a_file_in_the_way_is_left_alone(source: Registry, tmp_path: Path) -> None:
    """Claim: an export overwrites nothing unasked, and a failed one leaves nothing at all."""
    (tmp_path / "out.tar").write_text("mine")
    with pytest.raises(ConflictError, match="exists"):
        export(source, tmp_path / "out.tar")
    assert (tmp_path / "out.tar").read_text() == "mine"
    export(source, tmp_path / "out.tar", force=True)
    with pytest.raises(ConflictError, match="no regular file"):
        export(source, tmp_path, force=True)


def test_a_damaged_version_is_not_exported(source: Registry, tmp_path: Path) -> None:
    """Claim: a byte that differs from what was pushed ends the export, and there is no file, hidden or not."""
    (file,) = source.show("demo", target="none").manifest.files
    place = tmp_path / "source" / "store" / "blobs" / "sha256" / file.sha256[:2] / file.sha256
    data = bytearray(place.read_bytes())
    data[5000] ^= 1
    place.chmod(0o600)
    place.write_bytes(data)
    (tmp_path / "to").mkdir()
    with pytest.raises(RefusedError) as caught:
        export(source, tmp_path / "to" / "out.tar")
    assert caught.value.exit_status == 8
    assert list((tmp_path / "to").iterdir()) == []


def test_what_is_no_archive_is_told(target: Registry, tmp_path: Path) -> None:
    """Claim: nothing there, a folder, and another file each have an error of their own."""
    with pytest.raises(NotFoundError):
        target.import_archive(tmp_path / "nothing.tar")
    with pytest.raises(UsageError, match="regular file"):
        target.import_archive(tmp_path)
    with pytest.raises(UsageError, match="nothing to export"):
        target.export([], tmp_path / "out.tar")


# --- kills and sweeps -------------------------------------------------------------------------------------------------

IMPORTER = """
import sys
from modelreg import Registry
with Registry.open(home=sys.argv[1]) as registry:
    print("ready", flush=True)
    sys.stdin.readline()
    registry.import_archive(sys.argv[2])
    print("done", flush=True)
"""
SWEEPER = """
import sys
from modelreg import Registry
with Registry.open(home=sys.argv[1]) as registry:
    print("ready", flush=True)
    while True:
        print(len(registry.gc(even_if_empty=True).blobs), flush=True)
"""


def _begun(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("go\n")
    process.stdin.flush()
    return process


@pytest.mark.slow
def test_an_import_that_is_killed_goes_on_beside_sweeps(
    start: Callable[..., subprocess.Popen[str]], source: Registry, models: Path, tmp_path: Path, tally: Callable[[str, int], None]
) -> None:  # fmt: skip
    """Claim: after kill -9 at random moments, with sweeps running, every version that is there is whole, and the last
    import brings the rest.  ``IMPORT_KILLS=50`` kills longer.
    """
    kills = int(os.environ.get("IMPORT_KILLS", "8"))
    chance = random.Random(11)
    big = tmp_path / "big.bin"
    for number in range(6):
        big.write_bytes(chance.randbytes(3 * 1024 * 1024))
        source.push(big, name=f"big{number}", environment="none")
    out, home, between = export(source, tmp_path / "out.tar"), tmp_path / "target", set()
    with Registry.open(home=home) as target:
        sweeper = _begun(start(SWEEPER, home))
        try:
            for _ in range(kills):
                importer = _begun(start(IMPORTER, home, out))
                time.sleep(chance.uniform(0.02, 1.5))
                importer.kill()
                importer.communicate(timeout=30)
                between.add(len(target.list()))
                for entry in target.list():
                    target.verify(f"{entry.model}:{entry.version}", target="none", full=True)
            target.import_archive(out)
            assert sweeper.poll() is None, sweeper.communicate()[1]
        finally:
            sweeper.kill()
            sweeper.communicate(timeout=30)
        assert told(target) == told(source)
        for entry in target.list():
            target.verify(f"{entry.model}:{entry.version}", target="none", full=True)
        target.gc()
        assert {blob.sha256 for blob in target.store.blobs()} == target._index.referenced()
        assert list(target.store.staged()) == []
    tally("imports killed", kills)
    tally("different numbers of versions after a kill", len(between))


def test_what_is_exported_is_what_the_index_says(source: Registry, tmp_path: Path) -> None:
    """Claim: the result names every version with its digest."""
    done = source.export(["demo"], tmp_path / "out.tar")
    assert [IndexEntry.of(source.show("demo", target="none").manifest, done.versions[0].digest)] == list(done.versions)
    assert (tmp_path / "out.tar").stat().st_size == done.size_bytes
