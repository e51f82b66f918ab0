"""Takes the digest of tensors' values and counts what is not finite, block by block.

A digest is BLAKE3 over the values in C order, little-endian, as they are once decompressed: two containers that hold
the same tensor give the same digest.  Packed types (``int4``) are taken as they are packed.

Invariants:

* Memory is one block, whatever a tensor's size; nothing is allocated because a file says so.
* All digests of one artifact together read at most ``budget_bytes``: tensors that lie on top of each other, or that
  inflate, cannot make a reader work for longer than an honest file of that size.
* A tensor whose stored size is not that of its shape has no digest.

Only the child process imports this module.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from modelreg.digest.values import value_hasher
from modelreg.facts import Extent
from modelreg.inspect import limits
from modelreg.inspect.progress import Progress, Untold

ITEM_SIZES = {
    "bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "uint64": 8,
    "float16": 2, "bfloat16": 2, "float32": 4, "float64": 8, "complex64": 8, "complex128": 16,
    "qint8": 1, "quint8": 1, "qint16": 2, "quint16": 2, "qint32": 4,
    "float8_e4m3": 1, "float8_e5m2": 1, "float8_e4m3fn": 1, "float8_e4m3fnuz": 1, "float8_e5m2fnuz": 1,
    "float8_e4m3b11fnuz": 1, "float8_e8m0fnu": 1,
}  # fmt: skip
"""Bytes of one value, by the name that facts give its type; others (``string``) have no digest."""
_PACKED_BITS = {"int2": 2, "uint2": 2, "int4": 4, "uint4": 4, "float4_e2m1fn": 4}
_EXPONENTS = {
    "float16": (2, 0x7C00),
    "bfloat16": (2, 0x7F80),
    "float32": (4, 0x7F80_0000),
    "float64": (8, 0x7FF0_0000_0000_0000),
    "complex64": (4, 0x7F80_0000),
    "complex128": (8, 0x7FF0_0000_0000_0000),
}
"""Size in bytes of each (half of a) value and the bits of its exponent, all of them set in NaN and the infinities."""


class Taken(NamedTuple):
    """What the values of one tensor gave."""

    digest: str | None = None
    nonfinite: int = 0


NOTHING = Taken()


def stored_size_bytes(shape: Sequence[int], dtype: str) -> int | None:
    """The bytes that a tensor's values take; ``None`` where that is not known or a dimension is not."""
    if any(size < 0 for size in shape):
        return None
    if dtype in _PACKED_BITS:
        return -(-math.prod(shape) * _PACKED_BITS[dtype] // 8)
    return math.prod(shape) * ITEM_SIZES[dtype] if dtype in ITEM_SIZES else None


class Values:
    """Takes digests, as long as ``budget_bytes`` last."""

    def __init__(self, budget_bytes: int, progress: Progress | None = None) -> None:
        self._budget_bytes = budget_bytes
        self.progress = progress or Untold()
        self._block = memoryview(bytearray(limits.VALUES_BLOCK_SIZE_BYTES))
        self._known: dict[object, Taken] = {}

    @classmethod
    def for_artifact(cls, size_bytes: int, progress: Progress | None = None) -> Values:
        """With the budget for an artifact of ``size_bytes`` that were sent."""
        return cls(limits.VALUES_BUDGET_BASE_SIZE_BYTES + limits.VALUES_BUDGET_FACTOR * size_bytes, progress)

    def stored(
        self, stream: BinaryIO, extents: Sequence[Extent], shape: Sequence[int], dtype: str, *, swapped: bool = False
    ) -> Taken:
        """The values that stand in ``stream`` at ``extents``; ``swapped`` if they are big-endian.

        What was asked before (tensors may share their bytes) costs nothing again.
        """
        size_bytes = stored_size_bytes(shape, dtype)
        if size_bytes is None or sum(extent.size_bytes for extent in extents) != size_bytes:
            return NOTHING
        key = (stream, tuple(extents), dtype, swapped)
        if key not in self._known:
            blocks = (block for extent in extents for block in self._read(stream, extent))
            taken = self.computed(blocks, shape, dtype, swapped=swapped)
            if taken is NOTHING:
                return taken
            self._known[key] = taken
        return self._known[key]

    def of_file(self, stream: BinaryIO, size_bytes: int) -> str | None:
        """The digest of a whole file's bytes; ``None`` where the budget does not last."""
        return self.stored(stream, [Extent(0, size_bytes)], [size_bytes], "uint8").digest

    def _read(self, stream: BinaryIO, extent: Extent) -> Iterator[memoryview]:
        stream.seek(extent.offset)
        left = extent.size_bytes
        while left:
            view = self._block[: min(left, len(self._block))]
            count = stream.readinto(view)  # type: ignore[attr-defined]  # every stream here has it
            if count != len(view):
                return
            left -= count
            yield view

    def computed(
        self, blocks: Iterable[memoryview], shape: Sequence[int], dtype: str, *, swapped: bool = False
    ) -> Taken:
        """The values in ``blocks``, each of which may be overwritten once the next one is asked for.

        Blocks that end too early, or within a value, give no digest; none is asked for where the budget does not last.
        """
        size_bytes = stored_size_bytes(shape, dtype)
        if size_bytes is None or not self.afford(size_bytes):
            return NOTHING
        hasher, nonfinite, seen = value_hasher(), 0, 0
        counter = _counter(dtype)
        for block in blocks:
            if len(block) % ITEM_SIZES.get(dtype, 1):
                return NOTHING
            plain = _swapped(block, dtype) if swapped else block
            hasher.update(plain)
            nonfinite += counter(plain)
            seen += len(plain)
            self.progress.worked(len(plain))
        return Taken(hasher.hexdigest(), nonfinite) if seen == size_bytes else NOTHING

    def afford(self, size_bytes: int) -> bool:
        """Whether as many bytes may still be read; they are then taken off the budget."""
        if size_bytes > self._budget_bytes:
            return False
        self._budget_bytes -= size_bytes
        return True


def _swapped(block: memoryview, dtype: str) -> memoryview:
    size = _EXPONENTS[dtype][0] if dtype in _EXPONENTS else ITEM_SIZES.get(dtype, 1)
    return memoryview(np.frombuffer(block, f"<u{size}").byteswap().tobytes())


class _NoCounter:
    def __call__(self, block: memoryview) -> int:  # noqa: ARG002  (the signature of the one that counts)
        return 0


class _Counter:
    """Counts NaN and infinities: values whose exponent's bits are all set (IEEE 754-2019, 3.4).

    On integers, for then no processor slows down on denormal numbers and half floats cost what floats do.
    """

    def __init__(self, dtype: str) -> None:
        size, exponent = _EXPONENTS[dtype]
        self._dtype = np.dtype(f"<u{size}")
        self._exponent = self._dtype.type(exponent)
        self._is_complex = dtype.startswith("complex")
        self._bits: npt.NDArray[np.unsignedinteger] = np.empty(0, self._dtype)

    def __call__(self, block: memoryview) -> int:
        numbers: npt.NDArray[np.unsignedinteger] = np.frombuffer(block, self._dtype)
        if len(self._bits) < len(numbers):
            self._bits = np.empty(len(numbers), self._dtype)
        bits = self._bits[: len(numbers)]
        np.bitwise_and(numbers, self._exponent, out=bits)
        if not len(bits) or bits.max() != self._exponent:
            return 0
        found = bits == self._exponent
        return int(np.count_nonzero(found.reshape(-1, 2).any(axis=1) if self._is_complex else found))


def _counter(dtype: str) -> _Counter | _NoCounter:
    return _Counter(dtype) if dtype in _EXPONENTS else _NoCounter()
