"""Versions on the move: between databases and stores of each kind, out of hostile archives, through kills and sweeps."""

from __future__ import annotations

import dataclasses
import io
import random
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.servers.server import S3Server

from modelreg import ConflictError, NotFoundError, RefusedError, Registry, UsageError
from modelreg.archive import END, ArchivedBlob, ArchiveIndex, Offer, header
from modelreg.digest import sha256_hex
from modelreg.facts import Container
from modelreg.manifest import IndexEntry, Manifest

MODELS = {"py38/plain.h5": "demo", "py38/lambda.h5": "team/scale", "py38/savedmodel_plain": "sm"}
Pack = Callable[..., Path]


@pytest.fixture
def source(tmp_path: Path, models: Path) -> Iterator[Registry]:
    """A registry with three versions, one of them with an alias."""
    with Registry.open(home=tmp_path / "source") as opened:
        for place, name in MODELS.items():
            opened.push(models / place, name=name, environment="none", aliases=["production"] if name == "sm" else ())
        yield opened


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Registry]:
    with Registry.open(home=tmp_path / "target") as opened:
        yield opened


def told(registry: Registry) -> list[tuple[str, int, str, str | None]]:
    return [(entry.model, entry.version, entry.digest, entry.withdrawn_reason) for entry in registry.list()]


def outcomes(moved: object) -> list[str]:
    return [each.outcome.value for each in moved.versions]  # type: ignore[attr-defined]


def is_empty(registry: Registry) -> bool:
    """No version, and no byte."""
    return registry.list() == () and not list(registry.store.blobs()) and not list(registry.store.staged())


def export(registry: Registry, path: Path, *references: str, withdrawn: bool = False, force: bool = False) -> Path:
    named = references or [f"{entry.model}:{entry.version}" for entry in registry.list()]
    registry.export(named, path, withdrawn=withdrawn, force=force)
    return path


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


# --- hostile archives -------------------------------------------------------------------------------------------------


def forged(path: Path, versions: list[Manifest | bytes], files: list[bytes], offers: list[Offer] | None = None) -> Path:
    """An archive of one's own making: well-formed, whatever it says."""
    data = [version if isinstance(version, bytes) else version.to_bytes() for version in versions]
    named = [version for version in versions if isinstance(version, Manifest)]
    offers = offers or [Offer(m.model, m.version, sha256_hex(d)) for m, d in zip(named, data, strict=True)]
    blobs = [*data, *sorted(files, key=sha256_hex)]
    digests = [*(offer.digest for offer in offers), *(sha256_hex(each) for each in blobs[len(data) :])]
    listed = [ArchivedBlob(digest, len(each)) for digest, each in zip(digests, blobs, strict=True)]
    head = ArchiveIndex(tuple(offers), tuple(listed)).to_bytes()
    members = [("modelreg-archive.json", head), *zip((f"blobs/sha256/{d}" for d in digests), blobs, strict=True)]
    path.write_bytes(b"".join(header(n, len(d)) + d + bytes(-len(d) % 512) for n, d in members) + END)
    return path


@pytest.fixture
def honest(source: Registry, models: Path) -> tuple[Manifest, bytes]:
    """The manifest of a model with a Lambda, and its file."""
    return source.show("team/scale", target="none").manifest, (models / "py38" / "lambda.h5").read_bytes()


def test_an_honest_forgery_is_taken_in(target: Registry, honest: tuple[Manifest, bytes], tmp_path: Path) -> None:
    """Claim: what the tests below refuse is refused for what they changed, not for how they are made."""
    manifest, data = honest
    assert outcomes(target.import_archive(forged(tmp_path / "x.tar", [manifest], [data]))) == ["new"]


LIES: dict[str, dict[str, object]] = {
    "no Lambda": {"lambdas": ()},
    "no Lambda, no container": {"lambdas": (), "container": Container.OPAQUE},
    "another Keras": {"keras_version": "3.9.0"},
}


@pytest.mark.parametrize("name", LIES)
def test_facts_that_lie_are_refused(
    name: str, target: Registry, honest: tuple[Manifest, bytes], tmp_path: Path
) -> None:
    """Claim: a manifest that hides bytecode is found out by reading the file again, with nothing left behind."""
    manifest, data = honest
    lying = dataclasses.replace(manifest, facts=dataclasses.replace(manifest.facts, **LIES[name]))  # type: ignore[arg-type]
    moved = target.import_archive(forged(tmp_path / "x.tar", [lying], [data]))
    assert (outcomes(moved), moved.exit) == (["refused"], 16)
    assert {finding.rule for finding in moved.versions[0].verdict.refusals} == {"MR210"}  # type: ignore[union-attr]
    assert is_empty(target)
    assert outcomes(target.import_archive(tmp_path / "x.tar", allow=["MR210"])) == ["new"]


def test_a_file_that_a_push_refuses_is_refused(target: Registry, models: Path, entry_of: Callable[..., object], honest: tuple[Manifest, bytes], tmp_path: Path) -> None:  # fmt: skip
    """Claim: a damaged file in a manifest that tells of the damage is refused all the same, as at a push."""
    manifest, data = honest
    cut = data[: len(data) // 2]
    lying = dataclasses.replace(manifest, files=(entry_of("lambda.h5", cut),))  # type: ignore[arg-type]
    moved = target.import_archive(forged(tmp_path / "x.tar", [lying], [cut]))
    assert outcomes(moved) == ["refused"]
    assert "MR114" in {finding.rule for finding in moved.versions[0].verdict.refusals}  # type: ignore[union-attr]
    assert moved.exit & 8
    assert is_empty(target)


def test_a_swapped_blob_is_refused_and_the_others_come_in(source: Registry, target: Registry, tmp_path: Path) -> None:
    """Claim: one changed byte refuses the version that it belongs to, as corrupt, and no other."""
    out = export(source, tmp_path / "out.tar")
    (file,) = source.show("demo", target="none").manifest.files
    data = bytearray(out.read_bytes())
    place = data.index(f"blobs/sha256/{file.sha256}\0".encode()) + 512
    data[place + file.size_bytes // 2] ^= 1
    out.write_bytes(data)
    moved = target.import_archive(out)
    assert (outcomes(moved), moved.exit) == (["refused", "new", "new"], 8)
    target.gc()
    assert {blob.sha256 for blob in target.store.blobs()} == target._index.referenced()
    export(source, out, force=True)
    assert outcomes(target.import_archive(out)) == ["new", "present", "present"]


def _archives(honest: tuple[Manifest, bytes], tmp_path: Path) -> dict[str, Path]:
    """Well-formed archives whose parts do not belong together."""
    manifest, data = honest
    path, raw = tmp_path / "x.tar", manifest.to_bytes()
    spaced = raw.replace(b'{"_type"', b'{ "_type"')
    other = Offer("team/other", 1, sha256_hex(raw))
    return {
        "a blob too many": forged(path.with_name("1.tar"), [manifest], [data, b"more"]),
        "a blob too few": forged(path.with_name("2.tar"), [manifest], []),
        "a blob of another size": forged(path.with_name("3.tar"), [manifest], [data[:-1]]),
        "a manifest of another name": forged(path.with_name("4.tar"), [raw], [data], [other]),
        "a manifest of another number": forged(
            path.with_name("5.tar"), [raw], [data], [Offer(manifest.model, 2, sha256_hex(raw))]
        ),
        "a manifest of another digest": forged(
            path.with_name("6.tar"), [raw], [data], [Offer(manifest.model, 1, "0" * 64)]
        ),
        "a manifest with blanks": forged(
            path.with_name("7.tar"), [spaced], [data], [Offer(manifest.model, 1, sha256_hex(spaced))]
        ),
        "a manifest that is none": forged(
            path.with_name("8.tar"), [b"{}"], [data], [Offer(manifest.model, 1, sha256_hex(b"{}"))]
        ),
    }


def test_parts_that_do_not_belong_together_are_refused_as_corrupt(
    target: Registry, honest: tuple[Manifest, bytes], tmp_path: Path
) -> None:
    """Claim: a blob or a manifest that is not what the rest says is exit status 8, and nothing was written."""
    for name, path in _archives(honest, tmp_path).items():
        with pytest.raises(RefusedError) as caught:
            target.import_archive(path)
        assert caught.value.exit_status == 8, name
        assert is_empty(target), name


def test_an_archive_that_is_cut_at_each_boundary_is_refused(source: Registry, target: Registry, tmp_path: Path) -> None:
    """Claim: cut at any block, the archive is MR107 before anything is written."""
    out = export(source, tmp_path / "out.tar", "demo")
    whole = out.read_bytes()
    for length in range(0, len(whole), 512):
        out.write_bytes(whole[:length])
        with pytest.raises(RefusedError) as caught:
            target.import_archive(out)
        assert [finding.rule for finding in caught.value.verdict.refusals] == ["MR107"]
    assert is_empty(target)


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
        print(len(registry.gc().blobs), flush=True)
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
    import brings the rest.
    """
    chance = random.Random(11)
    big = tmp_path / "big.bin"
    for number in range(6):
        big.write_bytes(chance.randbytes(3 * 1024 * 1024))
        source.push(big, name=f"big{number}", environment="none")
    out, home, between = export(source, tmp_path / "out.tar"), tmp_path / "target", set()
    with Registry.open(home=home) as target:
        sweeper = _begun(start(SWEEPER, home))
        try:
            for _ in range(12):
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
    tally("imports killed", 12)
    tally("different numbers of versions after a kill", len(between))


def test_what_is_exported_is_what_the_index_says(source: Registry, tmp_path: Path) -> None:
    """Claim: the result names every version with its digest."""
    done = source.export(["demo"], tmp_path / "out.tar")
    assert [IndexEntry.of(source.show("demo", target="none").manifest, done.versions[0].digest)] == list(done.versions)
    assert (tmp_path / "out.tar").stat().st_size == done.size_bytes
