"""Two models side by side, from files, folders and a registry, read in the confined process."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import h5py
import pytest

from modelreg import NotFoundError, RefusedError, Registry, Relation, UsageError, diff_models
from modelreg.client.diff import StoredVersion
from modelreg.manifest import Manifest

pytestmark = pytest.mark.slow


@pytest.fixture
def plain(models: Path) -> Path:
    return models / "py38" / "plain.h5"


def edited(source: Path, target: Path, path: str = "model_weights/dense/dense/kernel:0", by: float = 0.25) -> Path:
    """A copy of ``source`` in which one value of one tensor is ``by`` greater."""
    shutil.copyfile(source, target)
    with h5py.File(target, "r+") as file:
        values = file[path][()]
        values[2, 1] += by
        file[path][...] = values
    return target


def test_the_worst_difference_of_a_changed_tensor_is_told(plain: Path, tmp_path: Path) -> None:
    """Claim: one edited value is found, with its place, both values and how far apart they are."""
    other = edited(plain, tmp_path / "edited.h5")
    difference = diff_models(plain, other)
    (change,) = difference.tensors
    assert (difference.relation, change.layer) == (Relation.DIFFERENT, "dense")
    assert change.distance is not None
    assert (change.distance.at, change.distance.changed, change.distance.total) == ((2, 1), 1, 80)
    assert float(change.distance.worst or "nan") == pytest.approx(0.25, abs=1e-6)
    assert float(change.distance.right or "nan") - float(change.distance.left or "nan") == pytest.approx(0.25, abs=1e-6)


def test_values_are_measured_across_containers(models: Path, tmp_path: Path) -> None:
    """Claim: a legacy file and an archive are read side by side."""
    other = edited(models / "py311/plain.h5", tmp_path / "edited.h5", "model_weights/dense/sequential/dense/kernel", 2)
    difference = diff_models(models / "py311/plain.keras", other)
    (change,) = difference.tensors
    assert change.distance is not None
    assert float(change.distance.worst or "nan") == pytest.approx(2, abs=1e-6)


def test_compressed_values_are_changed_without_a_number(plain: Path, tmp_path: Path) -> None:
    """Claim: what does not stand in the file as it is gets no number, and is still told."""
    other = edited(plain, tmp_path / "edited.h5")
    with h5py.File(other, "r+") as file:
        group = file["model_weights/dense/dense"]
        values = group["kernel:0"][()]
        del group["kernel:0"]
        group.create_dataset("kernel:0", data=values, chunks=(5, 4), compression="gzip")
    (change,) = diff_models(plain, other).tensors
    assert change.distance is None


def test_nothing_is_measured_if_it_is_not_wanted(plain: Path, tmp_path: Path) -> None:
    """Claim: without values the changed tensor is told and no number."""
    (change,) = diff_models(plain, edited(plain, tmp_path / "edited.h5"), values=False).tensors
    assert change.distance is None


def test_one_model_in_two_containers_is_the_same(models: Path) -> None:
    """Claim: real files of one model in both containers are the same model, and a copy is the same bytes."""
    h5, archive = models / "py313/plain.h5", models / "py313/plain.keras"
    assert diff_models(h5, archive).relation is Relation.SAME_MODEL
    assert diff_models(h5, h5).relation is Relation.SAME_BYTES


def test_versions_are_compared_with_each_other_and_with_files(
    registry: Registry, plain: Path, models: Path, tmp_path: Path
) -> None:
    """Claim: a version, its file and its pulled folder are the same bytes; two versions are compared by manifest."""
    other = edited(plain, tmp_path / "plain.h5")
    registry.push(plain, name="fraud", metadata={"a": "1"})
    registry.push(other, name="fraud", metadata={"a": "2"}, environment="none")
    registry.pull("fraud:1", tmp_path / "pulled", target="none")
    for same in (plain, tmp_path / "pulled"):
        assert registry.diff("fraud:1", same).relation is Relation.SAME_BYTES
    difference = registry.diff("fraud:1", "fraud:2")
    (change,) = difference.tensors
    assert change.distance is not None
    assert [field.field for field in difference.metadata] == ["a"]
    assert any("environments were not compared" in note for note in difference.notes)
    pulled = registry.diff("fraud:2", tmp_path / "pulled")
    assert pulled.right.name == f"{tmp_path / 'pulled'} (fraud:1)"
    assert [field.field for field in pulled.metadata] == ["a"]


def test_a_pulled_folder_that_was_changed_is_a_plain_folder(registry: Registry, plain: Path, tmp_path: Path) -> None:
    """Claim: a manifest that does not speak of the files beside it lends them nothing."""
    registry.push(plain, name="fraud", metadata={"a": "1"})
    registry.pull("fraud", tmp_path / "pulled", target="none")
    edited(plain, tmp_path / "pulled" / "plain.h5")
    difference = registry.diff("fraud", tmp_path / "pulled")
    assert difference.relation is Relation.DIFFERENT
    assert difference.right.digest is None
    assert any("compared as a plain folder" in note for note in difference.notes)


def without_digests(manifest: Manifest) -> Manifest:
    """The manifest as a modelreg wrote it that took no digests of tensors."""
    tensors = tuple(dataclasses.replace(tensor, digest=None) for tensor in manifest.facts.tensors)
    facts = dataclasses.replace(manifest.facts, tensors=tensors, semantic_digest=None)
    return dataclasses.replace(manifest, facts=facts)


def test_a_version_without_digests_is_read_again(registry: Registry, plain: Path, models: Path) -> None:
    """Claim: a version that was pushed before tensors had digests is fetched and compared all the same."""
    registry.push(plain, name="fraud")
    shown = registry.show("fraud", target="none")
    old = StoredVersion("fraud:1", shown.entry.digest, without_digests(shown.manifest), registry.store)
    difference = diff_models(old, models / "py38/plain.keras")
    assert (difference.relation, difference.tensors_alike) == (Relation.SAME_MODEL, 4)


def test_corrupt_bytes_are_not_compared(registry: Registry, plain: Path, tmp_path: Path) -> None:
    """Claim: values are read only of bytes that are what was pushed; anything else is a refusal."""
    registry.push(plain, name="fraud")
    entry = registry.show("fraud", target="none").manifest.files[0]
    (blob,) = [path for path in Path(registry.store.url.removeprefix("file://")).rglob(entry.sha256) if path.is_file()]
    blob.chmod(0o600)
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.write_bytes(data)
    other = edited(plain, tmp_path / "edited.h5")
    assert registry.diff("fraud", other, values=False).relation is Relation.DIFFERENT
    with pytest.raises(RefusedError, match="fraud:1 cannot be read"):
        registry.diff("fraud", other)


def test_the_sides_are_told(plain: Path, registry: Registry) -> None:
    """Claim: what each side is stands in the difference: name, kind, size, container, Keras, digests."""
    pushed = registry.push(plain, name="fraud")
    difference = registry.diff("fraud", plain)
    assert (difference.left.name, difference.left.kind, difference.left.digest) == ("fraud:1", "version", pushed.digest)
    assert (difference.right.name, difference.right.kind, difference.right.digest) == (str(plain), "file", None)
    assert difference.left.semantic_digest == difference.right.semantic_digest is not None
    assert {side.keras_version for side in (difference.left, difference.right)} == {"2.13.1"}


def test_what_is_not_there_is_an_error(registry: Registry, plain: Path, tmp_path: Path) -> None:
    """Claim: an unknown reference, a missing path and an empty folder are errors of their own kind."""
    with pytest.raises(NotFoundError):
        registry.diff("nothing", plain)
    with pytest.raises(NotFoundError):
        diff_models(plain, tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError):
        diff_models(plain, tmp_path / "empty")


@pytest.mark.parametrize(
    "content",
    [b"", b"\x89HDF\r\n\x1a\n" + bytes(100), b"PK\x03\x04" + bytes(60)],
    ids=["empty", "truncated HDF5", "truncated zip"],
)
def test_a_damaged_file_differs_and_is_never_the_same(content: bytes, plain: Path, tmp_path: Path) -> None:
    """Claim: bytes that are no model are compared as far as they go, and never pass as one."""
    damaged = tmp_path / "damaged.h5"
    damaged.write_bytes(content)
    other = tmp_path / "damaged too.h5"
    other.write_bytes(content + b"x")
    assert diff_models(plain, damaged).relation is Relation.DIFFERENT
    assert diff_models(damaged, other).relation in (Relation.UNDECIDED, Relation.DIFFERENT)
    assert not diff_models(damaged, other).is_same
