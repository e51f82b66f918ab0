"""Digests of ``.keras`` archives and of Keras's two HDF5 layouts: one model, one set of digests."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from blake3 import blake3

from modelreg.facts import Container, Facts, HazardKind, Tensor
from modelreg.inspect.reader import read_artifact
from modelreg.inspect.source import SourceFile
from modelreg.inspect.values import Values

ARCHIVES = ["py38/plain.keras", "py310/plain.keras", "py311/compiled_trained.keras", "py313/plain.keras"]


def read(data: bytes) -> Facts:
    return read_artifact([SourceFile("m", len(data), io.BytesIO(data))], values=Values(1 << 30))


def expected(archive: Path) -> dict[str, str]:
    """What h5py itself reads out of the archive's weights."""
    found: dict[str, str] = {}
    with zipfile.ZipFile(archive) as opened, h5py.File(io.BytesIO(opened.read("model.weights.h5"))) as file:

        def note(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset):
                found[name] = blake3(np.asarray(item[()]).tobytes()).hexdigest()

        file.visititems(note)
    return found


@pytest.mark.parametrize("name", ARCHIVES)
def test_tensors_within_an_archive_have_digests_in_place(models: Path, name: str) -> None:
    """Taken where they stand in the archive, offset by the member's own place."""
    facts = read((models / name).read_bytes())
    assert facts.container is Container.KERAS_ZIP
    assert {tensor.path: tensor.digest for tensor in facts.tensors} == expected(models / name)


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_compressed_archive_has_the_same_digests(models: Path, name: str) -> None:
    """Places are then not known, values are."""
    packed = io.BytesIO()
    with zipfile.ZipFile(models / name) as opened, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in opened.namelist():
            archive.writestr(member, opened.read(member))
    facts = read(packed.getvalue())
    assert HazardKind.COMPRESSED_MEMBER in [hazard.kind for hazard in facts.hazards]
    assert not any(tensor.extents for tensor in facts.tensors)
    assert {tensor.path: tensor.digest for tensor in facts.tensors} == expected(models / name)


@pytest.mark.parametrize("writer", ["py38", "py310", "py311", "py313"])
def test_one_model_has_one_set_of_digests_in_either_layout(models: Path, writer: str) -> None:
    """``plain`` saved as ``.h5`` and as ``.keras`` by one Keras; what optimizer and metrics add differs."""

    def weights(tensors: tuple[Tensor, ...]) -> list[str]:
        return sorted(str(tensor.digest) for tensor in tensors if not re.match("(optimizer|.*metric)", tensor.path))

    h5, archive = (read((models / writer / f"plain{suffix}").read_bytes()) for suffix in (".h5", ".keras"))
    assert weights(h5.tensors) == weights(archive.tensors)
    assert h5.semantic_digest == archive.semantic_digest
    assert h5.semantic_digest is not None


def test_weights_that_are_not_finite_are_counted(models: Path) -> None:
    """One value overwritten by NaN, one by an infinity, in a real file."""
    data = bytearray((models / "py38" / "plain.h5").read_bytes())
    kernel = next(tensor for tensor in read(bytes(data)).tensors if tensor.path.endswith("dense/kernel:0"))
    at = kernel.extents[0].offset
    data[at : at + 8] = np.array([np.nan, -np.inf], "<f4").tobytes()
    counted = {tensor.path: tensor.nonfinite for tensor in read(bytes(data)).tensors if tensor.nonfinite}
    assert counted == {kernel.path: 2}
