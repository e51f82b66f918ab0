"""Digests of HDF5 datasets: whatever way libhdf5 stores them, over the values that it reads back."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from blake3 import blake3

from modelreg.facts import Defect, DefectKind, HazardKind, Tensor
from modelreg.inspect.hdf5 import Hdf5Contents, read_hdf5
from modelreg.inspect.limits import MIB
from modelreg.inspect.values import Values

Make = Callable[[h5py.File], object]
SHAPE = (40, 30, 7)


def read(make: Make, *, budget_bytes: int = 1 << 30) -> Hdf5Contents:
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        make(file)
    data = made.getvalue()
    return read_hdf5(io.BytesIO(data), file="x.h5", base=0, size_bytes=len(data), values=Values(budget_bytes))


def one(make: Make, *, budget_bytes: int = 1 << 30) -> Tensor:
    (tensor,) = read(make, budget_bytes=budget_bytes).tensors
    return tensor


def sample(dtype: str) -> np.ndarray:
    generator = np.random.default_rng(5)
    return (generator.standard_normal(SHAPE) * 50).astype(dtype)


STORAGES: dict[str, dict[str, object]] = {
    "contiguous": {},
    "one chunk": {"chunks": SHAPE},
    "chunks across every dimension": {"chunks": (7, 4, 3)},
    "chunks of one row": {"chunks": (1, 30, 7)},
    "deflated": {"chunks": (11, 30, 2), "compression": "gzip", "shuffle": True},
    "deflated with checksums": {"chunks": (40, 1, 1), "compression": "gzip", "fletcher32": True},
    "lzf": {"chunks": (3, 3, 3), "compression": "lzf"},
    "chunks larger than the shape": {"chunks": (64, 64, 8), "maxshape": (None, None, None)},
}


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("dtype", ["<f4", ">f4", ">f8", "<f2", ">i2", "u1", ">c8", "?"])
def test_the_digest_is_that_of_the_values_however_they_are_stored(storage: str, dtype: str) -> None:
    """Little-endian, in C order."""
    array = sample(dtype)
    tensor = one(lambda file: file.create_dataset("w", data=array, **STORAGES[storage]))
    assert tensor.digest == blake3(array.astype(array.dtype.newbyteorder("<")).tobytes()).hexdigest()


def test_scalars_empty_tensors_and_fill_values_have_digests_too() -> None:
    """What is not stored is the fill value; nothing at all is the digest of no bytes."""

    def make(file: h5py.File) -> None:
        file.create_dataset("scalar", data=np.float64(2.5))
        file.create_dataset("empty", shape=(0, 3), dtype="f4")
        file.create_dataset("filled", shape=(3, 5), dtype=">i4", fillvalue=7)
        file.create_dataset("filled_chunks", shape=(3, 5), dtype="f4", chunks=(2, 2), fillvalue=np.inf)
        compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        compact.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((2,))
        dataset = h5py.h5d.create(file.id, b"compact", h5py.h5t.IEEE_F32LE, space, compact)
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([1, 2], "<f4"))

    found = {tensor.path: tensor for tensor in read(make).tensors}
    expected = {
        "scalar": np.array(2.5, "<f8"),
        "empty": np.empty((0, 3), "<f4"),
        "filled": np.full((3, 5), 7, "<i4"),
        "filled_chunks": np.full((3, 5), np.inf, "<f4"),
        "compact": np.array([1, 2], "<f4"),
    }
    assert {path: tensor.digest for path, tensor in found.items()} == {
        path: blake3(array.tobytes()).hexdigest() for path, array in expected.items()
    }
    assert found["filled_chunks"].nonfinite == 15


def test_values_of_real_files_have_the_digests_of_what_libhdf5_reads(models: Path) -> None:
    """Every numeric tensor of every HDF5 file of every writer."""
    paths = sorted(path for path in models.glob("*/*.h5"))
    assert len(paths) > 20
    for path in paths:
        data = path.read_bytes()
        contents = read_hdf5(io.BytesIO(data), file="m", base=0, size_bytes=len(data), values=Values(1 << 30))
        with h5py.File(path) as file:
            for tensor in contents.tensors:
                array = file[tensor.path][()]
                assert tensor.digest == blake3(np.asarray(array).tobytes()).hexdigest(), (path, tensor.path)


def test_a_bomb_is_neither_inflated_nor_digested() -> None:
    """Four gigabytes of zeros out of four kilobytes: the hazard is told, the budget is left for the others."""

    def make(file: h5py.File) -> None:
        file.create_dataset("a_bomb", shape=(5 << 30,), dtype="u1", chunks=(32 * MIB,), compression="gzip")
        file.create_dataset("b", data=np.zeros(100, "f4"))

    contents = read(make, budget_bytes=MIB)
    bomb, tensor = contents.tensors
    assert (bomb.digest, tensor.digest) == (None, blake3(bytes(400)).hexdigest())
    assert [hazard.kind for hazard in contents.hazards] == [HazardKind.OVERSIZED_DATASET]


@pytest.mark.parametrize(
    ("shape", "chunks"),
    [((10, 10), (20_000, 20_000)), ((200, 1 << 20), (100, 1024))],
    ids=["a chunk of 1.6 GB", "a row of chunks of 400 MB"],
)
def test_chunks_that_take_too_much_memory_have_no_digest(shape: tuple[int, ...], chunks: tuple[int, ...]) -> None:
    """Nothing is allocated on the file's word."""
    options = {"chunks": chunks, "maxshape": (None, None), "compression": "gzip"}
    assert one(lambda file: file.create_dataset("w", shape=shape, dtype="f4", **options)).digest is None


def test_long_single_rows_are_read_in_pieces() -> None:
    """A hundred million columns in one row, in chunks of one row, need no hundred million in memory."""
    array = np.arange(20 * MIB, dtype="<f4").reshape(1, -1)
    tensor = one(lambda file: file.create_dataset("w", data=array, chunks=(1, MIB)))
    assert tensor.digest == blake3(array.tobytes()).hexdigest()


def test_compressed_chunks_that_were_damaged_are_told() -> None:
    """Keras cannot read them either."""
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        file.create_dataset("w", data=sample("f4"), chunks=SHAPE, compression="gzip")
        at = file["w"].id.get_chunk_info(0).byte_offset
    data = bytearray(made.getvalue())
    data[at + 20 : at + 40] = bytes(20)
    contents = read_hdf5(io.BytesIO(bytes(data)), file="x.h5", base=0, size_bytes=len(data), values=Values(1 << 30))
    assert [tensor.digest for tensor in contents.tensors] == [None]
    assert [(defect.kind, "values of w" in defect.detail) for defect in contents.defects] == [
        (DefectKind.DAMAGED_HDF5, True)
    ]
    assert isinstance(contents.defects[0], Defect)


def test_numbers_of_an_unusual_layout_have_no_digest() -> None:
    """Twelve bits within sixteen, and a float with its exponent elsewhere, are not what their NumPy name says."""

    def make(file: h5py.File) -> None:
        twelve = h5py.h5t.STD_I16LE.copy()
        twelve.set_precision(12)
        odd = h5py.h5t.IEEE_F32LE.copy()
        odd.set_fields(31, 20, 11, 0, 20)
        for name, kind in ((b"twelve", twelve), (b"odd", odd)):
            h5py.h5d.create(file.id, name, kind, h5py.h5s.create_simple((4,)))

    assert [tensor.digest for tensor in read(make).tensors] == [None, None]


def test_values_behind_links_and_in_other_files_are_not_taken(tmp_path: Path) -> None:
    """External storage and virtual datasets are hazards, and stay without digests."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"s3cret-content")

    def make(file: h5py.File) -> None:
        file.create_dataset("external", shape=(14,), dtype="u1", external=[(str(secret), 0, 14)])
        layout = h5py.VirtualLayout((4,), "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (4,))
        file.create_virtual_dataset("virtual", layout)
        file["soft"] = h5py.SoftLink("/external")

    assert {tensor.path: tensor.digest for tensor in read(make).tensors} == {"external": None, "virtual": None}
