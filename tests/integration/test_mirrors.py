"""Mirrors: what one registry has and another lacks goes over whole, and what is in the way is told."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from tests.integration.archives import MODELS, outcomes, told
from tests.servers.server import S3Server

from modelreg import NotFoundError, Registry, StoreError, UsageError, load_place


def references(moved: object, outcome: str) -> list[str]:
    return [each.reference for each in moved.versions if each.outcome.value == outcome]  # type: ignore[attr-defined]


@pytest.mark.allow_hosts(["127.0.0.1"])
@pytest.mark.usefixtures("aws_credentials")
def test_a_mirror_on_postgresql_and_s3_and_one_of_that(
    source: Registry, target: Registry, postgres_url: str, seaweedfs: S3Server, models: Path
) -> None:
    """Claim: manifests keep their bytes over both kinds of database and store, and a second run brings what is new."""
    storage = seaweedfs.url(secrets.token_hex(8))
    with Registry.open(database_url=postgres_url, storage_url=storage) as far:
        assert outcomes(source.mirror(far, aliases=True)) == ["new"] * 3
        source.push(models / "py38" / "plain.h5", name="demo", environment="none")
        source.withdraw("demo:1", "leaked")
        moved = source.mirror(far)
        assert references(moved, "new") == ["demo:2"]
        assert [each.reference for each in moved.versions if each.withdrawn] == ["demo:1"]
        assert far.resolve("sm@production").version == 1
        assert outcomes(far.mirror(target)) == ["new"] * 4
        assert told(source) == told(far) == told(target)
        assert far.gc(dry_run=True).blobs == ()
    for entry in target.list():
        assert target.store.read(entry.digest, 10**8) == source.store.read(entry.digest, 10**8)
        target.verify(f"{entry.model}:{entry.version}", target="none", full=True, allow=["MR501"])
    with pytest.raises(NotFoundError):
        target.resolve("sm@production")


def test_a_filter_names_models(source: Registry, target: Registry) -> None:
    """Claim: patterns are alternatives, a star takes slashes too, and one that fits nothing copies nothing."""
    assert outcomes(source.mirror(target, filters=["nothing"])) == []
    assert references(source.mirror(target, filters=["team/*", "s?"]), "new") == ["sm:1", "team/scale:1"]
    assert references(source.mirror(target, filters=["*"]), "new") == ["demo:1"]
    with pytest.raises(UsageError, match="fits no name"):
        source.mirror(target, filters=[""])


def test_a_dry_run_writes_nothing(source: Registry, target: Registry) -> None:
    """Claim: what would go over is told, and the other registry has neither a version nor a blob afterwards."""
    assert outcomes(source.mirror(target, dry_run=True)) == ["new"] * 3
    assert (target.list(), list(target.store.blobs())) == ((), [])


def test_histories_that_parted_are_never_mingled(source: Registry, target: Registry, models: Path) -> None:
    """Claim: from the first version that is another's on, nothing of that model goes over; other models do."""
    for registry in (source, target):
        registry.push(
            models / "tf220" / "plain.tflite", name="mixed", environment="none", metadata={"of": str(id(registry))}
        )
    for _ in range(3):
        source.push(models / "tf220" / "plain.tflite", name="mixed", environment="none")
    mine = target.resolve("mixed").digest
    moved = source.mirror(target)
    assert references(moved, "conflict") == ["mixed:1", "mixed:2", "mixed:3", "mixed:4"]
    assert (len(references(moved, "new")), moved.exit) == (3, 1)
    assert [(entry.version, entry.digest) for entry in target.list("mixed")] == [(1, mine)]


def test_bytes_that_are_there_are_not_fetched(source: Registry, target: Registry, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """Claim: of a version whose files another version here has, only the manifest is fetched."""
    source.mirror(target, filters=["demo"])
    (file,) = source.show("demo", target="none").manifest.files
    source.push(_again(source, file.sha256), name="again", environment="none")
    opened: list[str] = []
    store_open = source.store.open

    def counted(sha256: str) -> object:
        opened.append(sha256)
        return store_open(sha256)

    monkeypatch.setattr(source.store, "open", counted)
    assert outcomes(source.mirror(target, filters=["again"])) == ["new"]
    assert opened == [source.resolve("again").digest]


def _again(registry: Registry, sha256: str) -> Path:
    root: Path = registry.store.root  # type: ignore[attr-defined]
    return root / "blobs" / "sha256" / sha256[:2] / sha256


def test_a_damaged_version_is_refused_and_the_others_go_on(source: Registry, target: Registry) -> None:
    """Claim: a byte that differs at the source is found on the way: exit status 8, and nothing of it is visible."""
    (file,) = source.show("demo", target="none").manifest.files
    place = _again(source, file.sha256)
    data = bytearray(place.read_bytes())
    data[9000] ^= 1
    place.chmod(0o600)
    place.write_bytes(data)
    moved = source.mirror(target)
    assert (references(moved, "refused"), moved.exit) == (["demo:1"], 8)
    assert len(references(moved, "new")) == len(MODELS) - 1
    assert target.gc(dry_run=True).blobs == ()


def test_a_store_that_fails_ends_the_mirror(source: Registry, target: Registry, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """Claim: what has nothing to do with a version is raised, and the next run goes on."""

    def fail(sha256: str, size_bytes_max: int) -> bytes:
        raise StoreError("the network is gone", transient=True)

    with monkeypatch.context() as patch:
        patch.setattr(source.store, "read", fail)
        with pytest.raises(StoreError, match="the network is gone"):
            source.mirror(target)
    assert outcomes(source.mirror(target)) == ["new"] * 3
    assert told(target) == told(source)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no registry"),
        ("postgresql://ada:secret@host/x", "no registry"),
        ("nothing.toml", "no settings file"),
        ("half.toml", "names no registry"),
    ],
)
def test_what_names_no_registry_is_told(text: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: a URL, a file that is not there and one that leaves the store to chance are usage errors, without a secret."""
    monkeypatch.chdir(tmp_path)
    Path("half.toml").write_text('database_url = "sqlite:///x.db"\n')
    with pytest.raises(UsageError, match=says) as caught:
        load_place(text)
    assert "secret" not in str(caught.value)


def test_a_place_has_its_own_settings_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: neither the environment nor a project file moves a registry that was named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODELREG_DATABASE_URL", "sqlite:///elsewhere.db")
    monkeypatch.setenv("MODELREG_STORAGE_URL", "s3://elsewhere")
    Path("modelreg.toml").write_text('home = "elsewhere"\n')
    (tmp_path / "far").mkdir()
    Path("far/site.toml").write_text('database_url = "x.db"\nstorage_url = "blobs"\n')
    home, file = load_place("there"), load_place("far/site.toml")
    assert home.database_url.value == f"sqlite:///{tmp_path}/there/registry.db"
    assert home.storage_url.value == f"file://{tmp_path}/there/store"
    assert file.database_url.value == f"sqlite:///{tmp_path}/far/x.db"
    assert file.storage_url.value == f"file://{tmp_path}/far/blobs"
