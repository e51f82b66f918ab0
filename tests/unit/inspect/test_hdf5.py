"""HDF5: attributes in every form, tensors with their places, and what reaches outside the file."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from modelreg.facts import Container, DefectKind, Facts, HazardKind, Tensor
from modelreg.inspect import limits
from modelreg.inspect.hdf5 import Hdf5Contents, read_hdf5

Make = Callable[[h5py.File], object]


@pytest.fixture
def built(tmp_path: Path) -> Callable[..., Hdf5Contents]:
    """Write a file with libhdf5 and read its metadata."""

    def run(make: Make, **options: object) -> Hdf5Contents:
        path = tmp_path / "x.h5"
        with h5py.File(path, "w", **options) as file:
            make(file)
        data = path.read_bytes()
        return read_hdf5(io.BytesIO(data), file="x.h5", base=0, size_bytes=len(data))

    return run


def kinds(contents: Hdf5Contents) -> list[HazardKind]:
    return [hazard.kind for hazard in contents.hazards]


def at_extents(data: bytes, tensor: Tensor) -> bytes:
    return b"".join(data[extent.offset : extent.offset + extent.size_bytes] for extent in tensor.extents)


HDF5_FILES = [
    "py36tf1/lstm.h5",
    "py36/lambda.h5",
    "py38/plain.h5",
    "py38/plain_weights_only.h5",
    "py38/plain.weights.h5",
    "py38/compiled_trained.h5",
    "py310/plain.h5",
    "py311/compiled_trained.h5",
    "py313/plain.weights.h5",
]


@pytest.mark.parametrize("name", HDF5_FILES)
def test_the_bytes_at_a_tensors_extents_are_its_values(models: Path, read: Callable[..., Facts], name: str) -> None:
    """Every tensor that libhdf5 lists is in the table, and its place in the file holds exactly its values."""
    path = models / name
    data, facts = path.read_bytes(), read(path, path.name)
    tensors = {tensor.path: tensor for tensor in facts.tensors}
    values: dict[str, np.ndarray] = {}
    with h5py.File(path) as file:
        file.visititems(lambda key, item: values.update({key: item[()]}) if isinstance(item, h5py.Dataset) else None)
    assert sorted(values) == sorted(tensors)
    for key, value in values.items():
        assert tensors[key].shape == value.shape
        assert tensors[key].dtype == value.dtype.name
        assert at_extents(data, tensors[key]) == value.tobytes()


@pytest.mark.parametrize("user_block_size", [0, 1024])
def test_chunks_are_listed_at_their_absolute_places(
    built: Callable[..., Hdf5Contents], tmp_path: Path, user_block_size: int
) -> None:
    """A chunked tensor's extents, user block or not, hold its values chunk by chunk."""
    values = np.arange(64, dtype="float32").reshape(8, 8)
    contents = built(lambda file: file.create_dataset("w", data=values, chunks=(2, 8)), userblock_size=user_block_size)
    (tensor,) = contents.tensors
    stored = at_extents((tmp_path / "x.h5").read_bytes(), tensor)
    assert sorted(stored[i : i + 64] for i in range(0, 256, 64)) == sorted(
        values[i : i + 2].tobytes() for i in (0, 2, 4, 6)
    )


def test_a_contiguous_tensor_behind_a_user_block_has_its_absolute_place(
    built: Callable[..., Hdf5Contents], tmp_path: Path
) -> None:
    """Offsets count from the beginning of the file, not of the HDF5 data."""
    values = np.arange(10, dtype="int64")
    (tensor,) = built(lambda file: file.create_dataset("w", data=values), userblock_size=512).tensors
    assert at_extents((tmp_path / "x.h5").read_bytes(), tensor) == values.tobytes()


def test_compact_and_empty_tensors_have_no_place(built: Callable[..., Hdf5Contents]) -> None:
    """Values inside the object header, or none at all, are no run of bytes of their own."""

    def make(file: h5py.File) -> None:
        space, creation = h5py.h5s.create_simple((2,)), h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_layout(h5py.h5d.COMPACT)
        h5py.h5d.create(file.id, b"compact", h5py.h5t.NATIVE_INT8, space, creation)
        file.create_dataset("empty", shape=(0, 3), dtype="float16")
        file.create_dataset("unwritten", shape=(7,), dtype="float64")

    contents = built(make)
    assert [(t.path, t.shape, t.dtype, t.extents) for t in contents.tensors] == [
        ("compact", (2,), "int8", ()),
        ("empty", (0, 3), "float16", ()),
        ("unwritten", (7,), "float64", ()),
    ]


def test_dtypes_have_numpys_names(built: Callable[..., Hdf5Contents]) -> None:
    """Integers, floats, booleans, complex numbers and bfloat16 as Keras 3 stores it; none of them is a hazard."""
    names = ["bool", "complex128", "complex64", "float16", "float32", "float64", "int16", "int8", "uint32", "uint8"]

    def make(file: h5py.File) -> None:
        for name in names:
            file.create_dataset(name, data=np.zeros(2, name))
        opaque = file.create_dataset("opaque", data=np.zeros(2, "V2"))
        opaque.attrs["dtype"] = "bfloat16"
        file.create_dataset("big_endian", data=np.zeros(2, ">f4"))

    contents = built(make)
    told = {tensor.path: tensor.dtype for tensor in contents.tensors}
    assert told == {name: name for name in names} | {"opaque": "bfloat16", "big_endian": "float32"}
    assert kinds(contents) == []


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        pytest.param(
            lambda f: f.create_dataset("x", shape=(4,), dtype="u1", external=[("/etc/passwd", 0, 4)]),
            HazardKind.EXTERNAL_STORAGE,
            id="data in another file",
        ),
        pytest.param(
            lambda f: f.__setitem__("x", h5py.ExternalLink("other.h5", "/y")),
            HazardKind.EXTERNAL_LINK,
            id="a link to another file",
        ),
        pytest.param(lambda f: f.__setitem__("x", h5py.SoftLink("/y")), HazardKind.SOFT_LINK, id="a soft link"),
        pytest.param(
            lambda f: f.create_virtual_dataset("x", virtual_layout()),
            HazardKind.VIRTUAL_DATASET,
            id="a virtual dataset",
        ),
        pytest.param(
            lambda f: f.create_dataset("x", data=["a", "b"], dtype=h5py.string_dtype()),
            HazardKind.NON_NUMERIC_DATASET,
            id="variable strings",
        ),
        pytest.param(
            lambda f: f.create_dataset("x", data=np.array([b"ab"])), HazardKind.NON_NUMERIC_DATASET, id="fixed strings"
        ),
        pytest.param(
            lambda f: f.create_dataset("x", data=np.array([f.ref], dtype=h5py.ref_dtype)),
            HazardKind.NON_NUMERIC_DATASET,
            id="object references",
        ),
        pytest.param(
            lambda f: f.create_dataset("x", shape=(2,), dtype=h5py.vlen_dtype("i4")),
            HazardKind.NON_NUMERIC_DATASET,
            id="rows of varying length",
        ),
        pytest.param(
            lambda f: f.create_dataset("x", data=np.zeros(2, "V7")), HazardKind.NON_NUMERIC_DATASET, id="opaque bytes"
        ),
        pytest.param(
            lambda f: f.create_dataset("x", shape=(2**40,), dtype="f4", chunks=(1024,)),
            HazardKind.OVERSIZED_DATASET,
            id="four terabytes that are not there",
        ),
    ],
)
def test_a_hazard_is_named_with_its_place(built: Callable[..., Hdf5Contents], make: Make, kind: HazardKind) -> None:
    """Each way to reach out of the file or to exhaust the reader."""
    contents = built(make)
    assert [(hazard.kind, hazard.where) for hazard in contents.hazards] == [(kind, "x")]
    assert contents.hazards[0].detail
    assert contents.defects == []


def virtual_layout() -> h5py.VirtualLayout:
    layout = h5py.VirtualLayout(shape=(4,), dtype="f4")
    layout[:] = h5py.VirtualSource("other.h5", "y", shape=(4,))
    return layout


def test_groups_that_contain_themselves_are_walked_once(built: Callable[..., Hdf5Contents]) -> None:
    """A hard link back to the root makes no endless walk."""

    def make(file: h5py.File) -> None:
        file.create_dataset("a/w", data=[1.0])
        file["a/again"] = file["/"]
        file["a/b/again"] = file["a"]

    assert [tensor.path for tensor in built(make).tensors] == ["a/w"]


def test_more_hazards_than_are_listed_are_told(tmp_path: Path, read: Callable[..., Facts]) -> None:
    """The list stops at its bound and its last entry says so."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for index in range(limits.HAZARDS_MAX + 10):
            file[f"{index}"] = h5py.SoftLink("/y")
    facts = read(tmp_path / "x.h5")
    assert len(facts.hazards) == limits.HAZARDS_MAX
    assert facts.hazards[-1].kind is HazardKind.TOO_MUCH
    assert f"{limits.HAZARDS_MAX + 10:,}" in facts.hazards[-1].detail


def test_groups_nested_too_deep_are_told(built: Callable[..., Hdf5Contents]) -> None:
    """What lies beyond the bound is not known, and that is said."""
    assert kinds(built(lambda file: file.create_group("/".join("g" * 100)))) == [HazardKind.TOO_MUCH]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("2.15.0", id="variable text"),
        pytest.param(b"2.15.0", id="bytes"),
        pytest.param(np.bytes_(b"2.15.0"), id="fixed bytes"),
        pytest.param(np.array(["2.15.0"], dtype=h5py.string_dtype()), id="an array of one"),
    ],
)
def test_an_attribute_is_read_in_every_form(built: Callable[..., Hdf5Contents], value: object) -> None:
    """h5py 2, h5py 3 and other writers store text in different ways."""
    assert built(lambda file: file.attrs.__setitem__("keras_version", value)).keras_version == "2.15.0"


def test_an_attribute_in_parts_is_joined(built: Callable[..., Hdf5Contents]) -> None:
    """What is above the 64 KiB header limit is split into name0, name1 ..."""

    def make(file: h5py.File) -> None:
        file.attrs["model_config0"], file.attrs["model_config1"] = b'{"class', b'_name"}'

    contents = built(make)
    assert contents.model_config == b'{"class_name"}'
    assert contents.container is Container.KERAS_HDF5


def test_an_attribute_that_is_no_text_is_told(built: Callable[..., Hdf5Contents]) -> None:
    """A configuration must be text; numbers in its place are reported and not read."""
    contents = built(lambda file: file.attrs.__setitem__("model_config", np.arange(3)))
    assert contents.model_config is None
    assert kinds(contents) == [HazardKind.NON_NUMERIC_DATASET]


def test_hdf5_without_keras_marks_is_plain_hdf5(built: Callable[..., Hdf5Contents]) -> None:
    """A table of data is no model."""
    assert built(lambda file: file.create_dataset("measurements", data=[1, 2])).container is Container.HDF5


def test_damage_is_a_defect_with_libhdf5s_reason(models: Path, read: Callable[..., Facts]) -> None:
    """A broken root group leaves no facts, but a reason."""
    data = bytearray((models / "py38" / "plain.h5").read_bytes())
    data[96:600] = bytes(504)
    facts = read(bytes(data))
    assert [defect.kind for defect in facts.defects] == [DefectKind.DAMAGED_HDF5]
    assert facts.defects[0].detail.startswith("libhdf5 cannot read it: ")


def test_a_zip_behind_the_hdf5_data_is_told(models: Path, read: Callable[..., Facts]) -> None:
    """A polyglot: one reader sees the HDF5, another the zip."""
    data = (models / "py38" / "plain.h5").read_bytes() + (models / "py38" / "plain.keras").read_bytes()
    facts = read(data)
    assert facts.container is Container.KERAS_HDF5
    assert [hazard.kind for hazard in facts.hazards] == [HazardKind.DUPLICATE_MEMBER]


def test_a_user_block_is_told(models: Path, read: Callable[..., Facts]) -> None:
    """Whatever stands in front may mean something to another reader."""
    facts = read(b"x" * 512 + (models / "py38" / "plain.h5").read_bytes())
    assert facts.container is Container.KERAS_HDF5
    assert HazardKind.USER_BLOCK in [hazard.kind for hazard in facts.hazards]
