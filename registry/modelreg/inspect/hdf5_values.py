"""Takes the digests of HDF5 datasets: plain ones from their place in the file, others in bounded pieces by libhdf5.

Invariants:

* libhdf5 reads data only of chunked or compact datasets, and of those that store nothing but a fill value; of a
  contiguous one the bytes are taken where they stand.
* No piece is larger than ``VALUES_SLAB_SIZE_BYTES_MAX``, each chunk is inflated once, and the declared size comes off
  the budget before anything is read, so that a bomb is not inflated (CVE-2026-0897).
* Only the types whose bits mean what their NumPy name says have a digest.

Only the child process imports this module.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from h5py import h5d, h5s, h5t, h5z

from modelreg.facts import Extent
from modelreg.inspect import limits
from modelreg.inspect.values import NOTHING, Taken, Values

_FLOAT_FIELDS = {
    "float16": (15, 10, 5, 0, 10),
    "bfloat16": (15, 7, 8, 0, 7),
    "float32": (31, 23, 8, 0, 23),
    "float64": (63, 52, 11, 0, 52),
}
"""Positions and sizes of sign, exponent and mantissa as ``H5Tget_fields`` gives them."""


@dataclass(frozen=True, slots=True)
class StoredDataset:
    """One dataset: its type by NumPy's name, and ``extents`` counted from the start of ``stream``."""

    dataset: h5d.DatasetID
    stream: BinaryIO
    extents: tuple[Extent, ...]
    dtype: str


def dataset_values(stored: StoredDataset, values: Values) -> Taken:
    """The digest of one dataset's values; raises what h5py does where stored chunks cannot be read."""
    dataset = stored.dataset
    shape = tuple(int(size) for size in dataset.shape or ())
    kind = dataset.get_type()
    if dataset.get_space().get_simple_extent_type() == h5s.NULL or not _is_plain(kind, stored.dtype):
        return NOTHING
    swapped = _is_big_endian(kind)
    creation = dataset.get_create_plist()
    layout = creation.get_layout()
    if layout == h5d.CONTIGUOUS and dataset.get_offset() is not None:
        return values.stored(stored.stream, stored.extents, shape, stored.dtype, swapped=swapped)
    if layout == h5d.VIRTUAL or creation.get_external_count() > 0:
        return NOTHING
    if not all(h5z.filter_avail(creation.get_filter(index)[0]) for index in range(creation.get_nfilters())):
        return NOTHING
    chunk = creation.get_chunk() if layout == h5d.CHUNKED else (1,) * len(shape)
    pieces = _pieces(shape, chunk, kind.get_size())
    if pieces is None:
        return NOTHING
    return values.computed(_read(dataset, pieces, kind), shape, stored.dtype, swapped=swapped)


_Piece = tuple[tuple[int, ...], tuple[int, ...]]
"""Start and size along each dimension."""


def _pieces(shape: Sequence[int], chunk: Sequence[int], item_size: int) -> Iterator[_Piece] | None:
    """The dataset in C order, in pieces that hold whole rows of chunks; ``None`` if such a row is too large.

    Dimensions along which a chunk is one element long are walked one by one, until a row of chunks fits.
    """
    if np.prod([float(size) for size in chunk]) * item_size > limits.VALUES_SLAB_SIZE_BYTES_MAX:
        return None
    if 0 in shape:
        return iter(())
    for depth in range(len(shape)):
        row = item_size
        for size in shape[depth + 1 :]:
            row *= size
        rows = max(1, limits.VALUES_BLOCK_SIZE_BYTES // (row * chunk[depth])) * chunk[depth]
        if min(rows, shape[depth]) * row <= limits.VALUES_SLAB_SIZE_BYTES_MAX:
            return _walk(shape, depth, rows)
        if chunk[depth] != 1 and shape[depth] != 1:
            return None
    return iter([((), ())])


def _walk(shape: Sequence[int], depth: int, rows: int) -> Iterator[_Piece]:
    inner = (0,) * (len(shape) - depth - 1)
    for outer in itertools.product(*(range(size) for size in shape[:depth])):
        for start in range(0, shape[depth], rows):
            size = min(rows, shape[depth] - start)
            yield (*outer, start, *inner), (1,) * depth + (size, *shape[depth + 1 :])


def _read(dataset: h5d.DatasetID, pieces: Iterator[_Piece], kind: h5t.TypeID) -> Iterator[memoryview]:
    """Each piece as raw bytes: the memory type is the file's own, so nothing is converted."""
    for start, size in pieces:
        space = dataset.get_space()
        buffer = np.empty(int(np.prod(size, dtype=np.int64)) * kind.get_size(), np.uint8)
        if size:
            space.select_hyperslab(start, size)
            dataset.read(h5s.create_simple(size), space, buffer, kind)
        else:
            dataset.read(h5s.create(h5s.SCALAR), space, buffer, kind)
        yield buffer.data


# Types


def _is_plain(kind: h5t.TypeID, name: str) -> bool:
    """Whether every bit of a value has its usual place."""
    match kind.get_class():
        case h5t.INTEGER:
            return bool(kind.get_precision() == 8 * kind.get_size() and kind.get_offset() == 0)
        case h5t.FLOAT:
            has_order = kind.get_order() in (h5t.ORDER_LE, h5t.ORDER_BE)
            return has_order and (kind.get_size() == 1 or kind.get_fields() == _FLOAT_FIELDS.get(name))
        case h5t.ENUM:
            return _is_plain(kind.get_super(), name)
        case h5t.COMPOUND:
            half = {"complex64": "float32", "complex128": "float64"}.get(name)
            members = [kind.get_member_type(index) for index in range(2)] if half else []
            places = [kind.get_member_offset(index) for index in range(len(members))]
            return bool(members) and all(_is_plain(each, half or "") for each in members) and places[0] == 0
    return bool(kind.get_class() == h5t.OPAQUE)


def _is_big_endian(kind: h5t.TypeID) -> bool:
    match kind.get_class():
        case h5t.INTEGER | h5t.FLOAT:
            return bool(kind.get_order() == h5t.ORDER_BE and kind.get_size() > 1)
        case h5t.ENUM:
            return _is_big_endian(kind.get_super())
        case h5t.COMPOUND:
            return _is_big_endian(kind.get_member_type(0))
    return False
