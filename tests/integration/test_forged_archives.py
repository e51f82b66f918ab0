"""Hostile archives: what is well-formed and lies, and what is damaged, is refused, and nothing is left behind."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.archives import export, forged, is_empty, outcomes

from modelreg import RefusedError, Registry
from modelreg.archive import Offer
from modelreg.digest import sha256_hex
from modelreg.facts import Container
from modelreg.manifest import Manifest


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
