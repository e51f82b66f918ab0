"""Measures how far apart the values of two stored tensors are, block by block.

Invariants:

* A number is told only for what the facts say is there: the bytes that were read must have the digests of both
  tensors.  So values that are compressed, stored in pieces out of order, or big-endian give no number.
* Memory is a few blocks, whatever a tensor's size, and all pairs together read no more than a budget.

Only the child process imports this module.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modelreg.digest.values import value_hasher
from modelreg.facts import Distance, Extent
from modelreg.inspect import limits
from modelreg.inspect.pairs import StoredPair, StoredTensor
from modelreg.inspect.progress import Progress
from modelreg.inspect.source import SourceFile
from modelreg.inspect.values import ITEM_SIZES, Values, stored_size_bytes

_NUMBERS = frozenset(
    {
        *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
        *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
    }
)
"""Types whose values NumPy can subtract (``bfloat16`` is the upper half of a ``float32``)."""
_SIGNIFICANT = ".9g"
"""Nine digits tell any two neighbouring ``float32`` apart."""

_Array = npt.NDArray[Any]


def measure(
    pairs: Sequence[StoredPair], files: Sequence[SourceFile], progress: Progress | None = None
) -> tuple[Distance | None, ...]:
    """The distance of each pair; ``None`` for one whose values cannot be read side by side."""
    budget = Values.for_artifact(sum(file.size_bytes for file in files), progress)
    return tuple(_measure(pair, files, budget) for pair in pairs)


def _measure(pair: StoredPair, files: Sequence[SourceFile], budget: Values) -> Distance | None:
    size_bytes = stored_size_bytes(pair.shape, pair.dtype)
    sides = pair.left, pair.right
    if pair.dtype not in _NUMBERS or not size_bytes or not all(0 <= side.file < len(files) for side in sides):
        return None
    if any(sum(extent.size_bytes for extent in side.extents) != size_bytes for side in sides):
        return None
    if not budget.afford(2 * size_bytes):
        return None
    seen = _Worst(pair.dtype)
    hashers = value_hasher(), value_hasher()
    for blocks in zip(*(_blocks(side, files, size_bytes) for side in sides), strict=True):
        if len(blocks[0]) != len(blocks[1]):
            return None
        for hasher, block in zip(hashers, blocks, strict=True):
            hasher.update(block)
        seen.take(*blocks)
        budget.progress.worked(sum(map(len, blocks)))
    if [hasher.hexdigest() for hasher in hashers] != [side.digest for side in sides]:
        return None
    return seen.distance(pair.shape)


def _blocks(side: StoredTensor, files: Sequence[SourceFile], size_bytes: int) -> Iterator[memoryview]:
    """The values in blocks of one size, whatever the extents; shorter where the file ends early."""
    pieces = iter(side.extents)
    extent = Extent(0, 0)
    for start in range(0, size_bytes, limits.VALUES_BLOCK_SIZE_BYTES):
        block = bytearray()
        wanted = min(limits.VALUES_BLOCK_SIZE_BYTES, size_bytes - start)
        while len(block) < wanted:
            if not extent.size_bytes:
                extent = next(pieces)  # their sizes add up to size_bytes
            data = files[side.file].read_at(extent.offset, min(extent.size_bytes, wanted - len(block)))
            if not data:
                break
            block += data
            extent = Extent(extent.offset + len(data), extent.size_bytes - len(data))
        yield memoryview(block)


@dataclass(slots=True)
class _Worst:
    """The worst difference so far, and how many values differ."""

    dtype: str
    taken: int = 0
    changed: int = 0
    nonfinite: int = 0
    index: int | None = None
    difference: float = 0.0
    values: tuple[Any, Any] = (0, 0)

    def take(self, left: memoryview, right: memoryview) -> None:
        """Compare one block; values are the same if their bits are."""
        bits = f"V{ITEM_SIZES[self.dtype]}"
        changed = np.flatnonzero(np.frombuffer(left, bits) != np.frombuffer(right, bits))
        if len(changed):
            ours, theirs = _numbers(left, self.dtype)[changed], _numbers(right, self.dtype)[changed]
            finite = np.isfinite(ours) & np.isfinite(theirs)
            self.changed += len(changed)
            self.nonfinite += int(np.count_nonzero(~finite))
            self._note(changed[finite], ours[finite], theirs[finite])
        self.taken += len(left) // ITEM_SIZES[self.dtype]

    def _note(self, places: npt.NDArray[np.intp], ours: _Array, theirs: _Array) -> None:
        if not len(places):
            return
        differences = _differences(ours, theirs)
        at = int(differences.argmax())
        if self.index is None or float(differences[at]) > self.difference:
            self.index = self.taken + int(places[at])
            self.difference = float(differences[at])
            self.values = ours[at].item(), theirs[at].item()

    def distance(self, shape: tuple[int, ...]) -> Distance:
        """What was found; ``shape`` is the tensor's."""
        counts = self.changed, math.prod(shape), self.nonfinite
        if self.index is None:
            return Distance(None, None, None, None, *counts)
        at = tuple(int(place) for place in np.unravel_index(self.index, shape)) if shape else ()
        left, right = (_text(value) for value in self.values)
        return Distance(_text(self.difference), at, left, right, *counts)


def _numbers(block: memoryview, dtype: str) -> _Array:
    """The values as a type that is wide enough to subtract in."""
    if dtype == "bfloat16":
        return (np.frombuffer(block, "<u2").astype("<u4") << 16).view("<f4").astype(np.float64)
    if dtype == "bool":
        return np.frombuffer(block, np.uint8).astype(np.int64)
    values: _Array = np.frombuffer(block, np.dtype(dtype).newbyteorder("<"))
    if values.dtype.kind == "c":
        return values.astype(np.complex128)
    if values.dtype.kind == "f":
        return values.astype(np.float64)
    return values.astype(np.uint64 if dtype == "uint64" else np.int64)


def _differences(ours: _Array, theirs: _Array) -> _Array:
    """Absolute differences; of 64-bit integers as unsigned ones, which cannot overflow."""
    if ours.dtype.kind in "iu":
        greater, less = np.maximum(ours, theirs), np.minimum(ours, theirs)
        return greater.astype(np.uint64) - less.astype(np.uint64)
    with np.errstate(over="ignore"):
        differences: _Array = np.abs(ours - theirs)
    return differences


def _text(value: complex) -> str:
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else format(value, _SIGNIFICANT)
    return f"{value.real:{_SIGNIFICANT}}{value.imag:+{_SIGNIFICANT}}j"
