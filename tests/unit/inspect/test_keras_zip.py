"""The ``.keras`` archive: checksums, members in place, dangerous names."""

from __future__ import annotations

import io
import stat
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from modelreg.facts import Container, DefectKind, Facts, HazardKind

Read = Callable[..., Facts]
ARCHIVES = ["py38/plain.keras", "py310/custom_layer.keras", "py311/compiled_trained.keras", "py313/lambda_nested.keras"]


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(content: dict[str, bytes], *more: tuple[str | zipfile.ZipInfo, bytes], method: int = 0) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of duplicate names, which is the point
        for name, data in (*content.items(), *more):
            archive.writestr(name, data)
    return out.getvalue()


@pytest.fixture(scope="module")
def content(models: Path) -> dict[str, bytes]:
    return members(models / "py313" / "plain.keras")


@pytest.mark.parametrize("name", ARCHIVES)
def test_tensors_of_stored_weights_have_their_place_in_the_archive(models: Path, read: Read, name: str) -> None:
    """The bytes at a tensor's extents in the archive are its values."""
    path = models / name
    data, facts = path.read_bytes(), read(path, path.name)
    values: dict[str, np.ndarray] = {}
    with h5py.File(io.BytesIO(members(path)["model.weights.h5"])) as file:
        file.visititems(lambda key, item: values.update({key: item[()]}) if isinstance(item, h5py.Dataset) else None)
    assert sorted(values) == sorted(tensor.path for tensor in facts.tensors)
    for tensor in facts.tensors:
        (extent,) = tensor.extents
        assert data[extent.offset : extent.offset + extent.size_bytes] == values[tensor.path].tobytes()


def test_compressed_weights_are_read_but_have_no_place(content: dict[str, bytes], read: Read) -> None:
    """Tensors are listed without extents, and the compression is told."""
    plain, compressed = read(packed(content)), read(packed(content, method=zipfile.ZIP_DEFLATED))
    assert [(t.path, t.shape, t.dtype) for t in compressed.tensors] == [
        (t.path, t.shape, t.dtype) for t in plain.tensors
    ]
    assert all(tensor.extents == () for tensor in compressed.tensors)
    assert [hazard.kind for hazard in compressed.hazards] == [HazardKind.COMPRESSED_MEMBER]
    assert compressed.layers == plain.layers


@pytest.mark.parametrize("member", ["config.json", "metadata.json", "model.weights.h5"])
def test_a_flipped_byte_in_a_member_is_a_defect_that_names_it(
    content: dict[str, bytes], read: Read, member: str
) -> None:
    """CRC-32 of every member is checked."""
    data = bytearray(packed(content))
    data[data.index(content[member]) + len(content[member]) // 2] ^= 1
    facts = read(bytes(data))
    assert facts.container is Container.KERAS_ZIP
    assert [defect.kind for defect in facts.defects] == [DefectKind.DAMAGED_ZIP]
    assert repr(member) in facts.defects[0].detail


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param("../outside", HazardKind.UNSAFE_MEMBER_NAME, id="climbing out"),
        pytest.param("assets/../../outside", HazardKind.UNSAFE_MEMBER_NAME, id="climbing out from assets"),
        pytest.param("/etc/cron.d/x", HazardKind.UNSAFE_MEMBER_NAME, id="an absolute path"),
        pytest.param("C:\\x", HazardKind.UNSAFE_MEMBER_NAME, id="a drive"),
        pytest.param("assets\\x", HazardKind.UNSAFE_MEMBER_NAME, id="a backslash"),
        pytest.param(link("assets/link"), HazardKind.UNSAFE_MEMBER_NAME, id="a symbolic link"),
        pytest.param("config.json", HazardKind.DUPLICATE_MEMBER, id="a second configuration"),
        pytest.param("Config.JSON", HazardKind.DUPLICATE_MEMBER, id="a second configuration but for the case"),
        pytest.param("run.py", HazardKind.UNEXPECTED_MEMBER, id="a script"),
    ],
)
def test_a_dangerous_member_is_told(
    content: dict[str, bytes], read: Read, name: str | zipfile.ZipInfo, kind: HazardKind
) -> None:
    """Names that extraction or another reader would take differently, and what Keras never writes."""
    facts = read(packed(content, (name, content["config.json"])))
    assert [hazard.kind for hazard in facts.hazards] == [kind]


def test_assets_are_expected(content: dict[str, bytes], read: Read) -> None:
    """Vocabulary files of preprocessing layers live there."""
    assert read(packed(content, ("assets/layers/text/vocabulary.txt", b"the\ncat"))).hazards == ()


def test_a_bomb_is_not_inflated(content: dict[str, bytes], read: Read) -> None:
    """A hundred megabytes out of a hundred kilobytes are left alone, and that is told."""
    bomb = {**content, "assets/bomb": bytes(100 * 2**20)}
    facts = read(packed(bomb, method=zipfile.ZIP_DEFLATED))
    assert HazardKind.OVERSIZED_DATASET in [hazard.kind for hazard in facts.hazards]


@pytest.mark.slow
def test_many_small_bombs_are_not_inflated_either(content: dict[str, bytes], read: Read) -> None:
    """Each member is below the bound for one; together they are not."""
    bombs = {f"assets/{number}": bytes(60 * 2**20) for number in range(20)}
    start = time.process_time()
    packed_bombs = packed({**content, **bombs}, method=zipfile.ZIP_DEFLATED)
    built = time.process_time()
    facts = read(packed_bombs)
    assert HazardKind.OVERSIZED_DATASET in [hazard.kind for hazard in facts.hazards]
    assert time.process_time() - built < (built - start) / 4


def test_an_encrypted_member_is_told(content: dict[str, bytes], read: Read) -> None:
    """The flag in the directory is enough: what no check can look into hides."""
    data = bytearray(packed(content))
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    assert HazardKind.UNSAFE_MEMBER_NAME in [hazard.kind for hazard in read(bytes(data)).hazards]


def test_weights_in_a_numpy_archive_are_looked_at(content: dict[str, bytes], read: Read) -> None:
    """Numbers pass, stored or compressed; objects do not."""
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        for array, kinds in ((np.ones(3), []), (np.array([{}], dtype=object), [HazardKind.PICKLED_ARRAY])):
            out = io.BytesIO()
            np.savez(out, a=array)
            members = {name: data for name, data in content.items() if name != "model.weights.h5"}
            facts = read(packed({**members, "model.weights.npz": out.getvalue()}, method=method))
            assert [hazard.kind for hazard in facts.hazards] == kinds


def test_an_archive_without_a_configuration_is_damaged(content: dict[str, bytes], read: Read) -> None:
    """Metadata and weights alone are a Keras archive that has lost its main part."""
    facts = read(packed({name: data for name, data in content.items() if name != "config.json"}))
    assert facts.container is Container.KERAS_ZIP
    assert [defect.kind for defect in facts.defects] == [DefectKind.DAMAGED_ZIP]


def test_any_other_zip_is_opaque(read: Read) -> None:
    """A PyTorch or NumPy archive is nobody's business here."""
    facts = read(packed({"data.pkl": b"\x80\x02.", "data/0": b"1234"}))
    assert facts == Facts(Container.OPAQUE, "model")


@pytest.mark.parametrize("tenth", range(1, 10))
def test_a_flip_anywhere_is_told_or_changes_nothing_that_counts(
    content: dict[str, bytes], read: Read, tenth: int
) -> None:
    """Inside the members every flip is a defect; in the headers between them at worst a different reading."""
    whole = packed(content)
    data = bytearray(whole)
    data[len(data) * tenth // 10] ^= 0x10
    facts = read(bytes(data))
    assert facts.defects or facts.layers == read(whole).layers
