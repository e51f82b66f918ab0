"""Reads TensorFlow's checkpoint index (``variables.index``): which tensor lies where in which data shard.

Invariants: pure (entries and sizes in, tensors and reasons out); an extent is given only if it lies within its shard.

Source: TensorFlow ``tensorflow/core/protobuf/tensor_bundle.proto`` and ``util/tensor_bundle/tensor_bundle.cc`` (2.15).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from modelreg.facts import Extent, Tensor
from modelreg.inspect import limits
from modelreg.inspect.leveldb_table import TableError
from modelreg.inspect.protobuf import Budget, ProtobufError, fields
from modelreg.inspect.text import plain

DTYPES = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 7: "string", 8: "complex64", 9: "int64",
    10: "bool", 11: "qint8", 12: "quint8", 13: "qint32", 14: "bfloat16", 15: "qint16", 16: "quint16", 17: "uint16",
    18: "complex128", 19: "float16", 20: "resource", 21: "variant", 22: "uint32", 23: "uint64", 24: "float8_e5m2",
    25: "float8_e4m3fn", 26: "float8_e4m3fnuz", 27: "float8_e4m3b11fnuz", 28: "float8_e5m2fnuz", 29: "int4",
    30: "uint4", 31: "int2", 32: "uint2",
}  # fmt: skip
"""``tensorflow/core/framework/types.proto``, ``DataType``."""
_ITEM_SIZES = {
    "float32": 4, "float64": 8, "int32": 4, "uint8": 1, "int16": 2, "int8": 1, "complex64": 8, "int64": 8, "bool": 1,
    "bfloat16": 2, "uint16": 2, "complex128": 16, "float16": 2, "uint32": 4, "uint64": 8,
}  # fmt: skip
_SLICE_KEY_START = b"\0"
_SLICE_NAME_END = b"\0\1"


class BundleError(ValueError):
    """The index cannot be read."""


@dataclass(slots=True)
class Bundle:
    """The tensors of one checkpoint, and every reason why its files do not hold what the index says."""

    tensors: list[Tensor] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    scattered: set[str] = field(default_factory=set)
    """Tensors kept in slices that are not runs of rows, so that their bytes in order are not their values in order."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """``BundleEntryProto``; ``sliced`` entries have no bytes of their own, their slices have entries elsewhere.

    ``by_rows`` says that every slice is whole in all dimensions but the first.
    """

    dtype: int = 0
    shape: tuple[int, ...] = ()
    shard: int = 0
    offset: int = 0
    size_bytes: int = 0
    sliced: bool = False
    by_rows: bool = True


def read_bundle(index: Iterable[tuple[bytes, memoryview]], *, prefix: str, sizes: Mapping[str, int]) -> Bundle:
    """Read the entries of ``variables.index``; ``prefix`` is its path without suffix, ``sizes`` those of all files.

    Raises ``BundleError`` if the index itself is unreadable; a shard that is missing or too short is ``damage``.
    """
    budget = Budget()
    entries: dict[str, _Entry] = {}
    slices: dict[str, list[_Entry]] = {}
    shards = 1
    try:
        for key, value in index:
            if not key:
                shards = _shards(value, budget)
            elif key.startswith(_SLICE_KEY_START):
                name = key[1:].partition(_SLICE_NAME_END)[0]
                slices.setdefault(_name(name), []).append(_entry(value, budget))
            else:
                entries[_name(key)] = _entry(value, budget)
    except (TableError, ProtobufError) as error:
        raise BundleError(str(error)) from None
    if len(entries) > limits.TENSORS_MAX:
        raise BundleError(f"names more than {limits.TENSORS_MAX:,} tensors")
    return _Placing(prefix, shards, sizes).place(entries, slices)


def _name(key: bytes) -> str:
    return plain(key.decode("utf-8", "replace"))


@dataclass(slots=True)
class _Placing:
    """Turns entries into tensors with extents, checking each against the shards that are really there."""

    prefix: str
    shards: int
    sizes: Mapping[str, int]
    bundle: Bundle = field(default_factory=Bundle)
    missing: set[str] = field(default_factory=set)

    def place(self, entries: Mapping[str, _Entry], slices: Mapping[str, list[_Entry]]) -> Bundle:
        for shard in range(self.shards):
            self._size_of(self._shard_path(shard))
        for name, entry in entries.items():
            parts = slices.get(name, []) if entry.sliced else [entry]
            file = self._shard_path(parts[0].shard if parts else entry.shard)
            extents = tuple(self._extents(name, parts)) if all(part.shard == parts[0].shard for part in parts) else ()
            dtype = DTYPES.get(entry.dtype, f"dtype-{entry.dtype}")
            self._check_size(name, entry, dtype)
            if not entry.by_rows:
                self.bundle.scattered.add(name)
            self.bundle.tensors.append(Tensor(name, entry.shape, dtype, file, extents))
        return self.bundle

    def _check_size(self, name: str, entry: _Entry, dtype: str) -> None:
        """TensorFlow refuses to restore a tensor whose stored size is not that of its shape (``BundleReader``)."""
        needed = math.prod(entry.shape) * _ITEM_SIZES.get(dtype, 0)
        if dtype in _ITEM_SIZES and not entry.sliced and needed != entry.size_bytes:
            stored = f"{entry.size_bytes:,} bytes are stored"
            self.bundle.damage.append(f"{name!r} is {dtype} of shape {entry.shape}, for which {stored}")

    def _extents(self, name: str, parts: Iterable[_Entry]) -> Iterator[Extent]:
        for part in parts:
            path = self._shard_path(part.shard)
            size = self._size_of(path)
            if size is None:
                continue
            if part.offset < 0 or part.size_bytes < 0 or part.offset + part.size_bytes > size:
                where = f"bytes {part.offset:,} to {part.offset + part.size_bytes:,} of {path}"
                self.bundle.damage.append(f"the index puts {name!r} at {where}, which is {size:,} bytes long")
            elif part.size_bytes:
                yield Extent(part.offset, part.size_bytes)

    def _size_of(self, path: str) -> int | None:
        if path not in self.sizes and path not in self.missing:
            self.missing.add(path)
            self.bundle.damage.append(f"the data shard {path} is missing")
        return self.sizes.get(path)

    def _shard_path(self, shard: int) -> str:
        return f"{self.prefix}.data-{shard:05d}-of-{self.shards:05d}"


def _shards(header: memoryview, budget: Budget) -> int:
    """``BundleHeaderProto.num_shards``; a big-endian bundle is refused, for nothing wrote one in ten years."""
    shards = 0
    for each in fields(header, budget):
        if each.number == 1:
            shards = each.uint
        elif each.number == 2 and each.uint != 0:
            raise BundleError("the index is for big-endian machines, which is not read")
    if not 1 <= shards <= limits.SHARDS_MAX:
        raise BundleError(f"the index speaks of {shards:,} data shards")
    return shards


def _entry(value: memoryview, budget: Budget) -> _Entry:
    entry = _Entry()
    slices: list[tuple[int | None, ...]] = []
    for each in fields(value, budget):
        match each.number:
            case 1:
                entry = replace(entry, dtype=each.uint)
            case 2:
                entry = replace(entry, shape=tuple(_shape(each.data, budget)))
            case 3:
                entry = replace(entry, shard=each.int64)
            case 4:
                entry = replace(entry, offset=each.int64)
            case 5:
                entry = replace(entry, size_bytes=each.int64)
            case 7:
                slices.append(_lengths(each.data, budget))
    if len(entry.shape) > limits.RANK_MAX or not 0 <= entry.shard < limits.SHARDS_MAX:
        raise ProtobufError(f"an entry of {len(entry.shape)} dimensions in shard {entry.shard}")
    inner = entry.shape[1:]
    by_rows = all(
        length in (None, size) for lengths in slices for length, size in zip(lengths[1:], inner, strict=False)
    )
    return replace(entry, sliced=bool(slices), by_rows=by_rows)


def _lengths(slice_: memoryview, budget: Budget) -> tuple[int | None, ...]:
    """``TensorSliceProto``: an extent (1) for each dimension; one without a length (2) is the whole dimension."""
    extents = [each.data for each in fields(slice_, budget) if each.number == 1]
    if len(extents) > limits.RANK_MAX:
        raise ProtobufError(f"a slice of {len(extents):,} dimensions")
    return tuple(
        next((inner.int64 for inner in fields(extent, budget) if inner.number == 2), None) for extent in extents
    )


def _shape(shape: memoryview, budget: Budget) -> Iterator[int]:
    """``TensorShapeProto``: the sizes of its dimensions, -1 where one is not known."""
    for each in fields(shape, budget):
        if each.number == 2:
            size = 0
            for inner in fields(each.data, budget):
                if inner.number == 1:
                    size = inner.int64
            if not -1 <= size < limits.DIMENSION_END:
                raise ProtobufError(f"a tensor's dimension is {size}")
            yield size
