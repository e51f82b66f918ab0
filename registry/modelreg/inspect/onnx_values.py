"""Takes the digest of an ONNX tensor's values, however its protocol buffer stores them.

Source: ``onnx/onnx.proto`` (IR version 12), TensorProto: ``raw_data`` is little-endian on every machine; ``int32_data``
holds each value of a smaller type as a number of its own, half floats by their bits.

Only the child process imports this module.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from modelreg.inspect import limits
from modelreg.inspect.protobuf import Field, ProtobufError, Wire
from modelreg.inspect.values import ITEM_SIZES, NOTHING, Taken, Values

_FIELDS_OF_TYPE = {
    "float32": 4, "complex64": 4, "float64": 10, "complex128": 10, "int64": 7, "uint32": 11, "uint64": 11,
}  # fmt: skip
"""Which field holds a type's values where ``raw_data`` (9) does not; of the others it is ``int32_data`` (5)."""
_RAW = 9
_PACKED = ("int2", "uint2", "int4", "uint4", "float4_e2m1fn")


def initializer_values(stored: Sequence[Field], shape: Sequence[int], dtype: str, values: Values) -> Taken:
    """The digest of the values in ``stored``, the tensor's value fields in their order.

    Nothing is taken where two fields hold values, or one that does not belong to the type.
    """
    numbers = {each.number for each in stored}
    if not numbers:
        return values.computed((), shape, dtype)
    if numbers == {_RAW} and len(stored) == 1:
        return values.computed(_blocks(stored[0].data), shape, dtype)
    wanted = _FIELDS_OF_TYPE.get(dtype, 5)
    if numbers != {wanted} or dtype not in ITEM_SIZES or dtype in _PACKED:
        return NOTHING
    if wanted in (4, 10):
        return values.computed(_floats(stored, 4 if wanted == 4 else 8), shape, dtype)
    return values.computed(_integers(stored, ITEM_SIZES[dtype]), shape, dtype)


def _blocks(data: memoryview) -> Iterator[memoryview]:
    for start in range(0, len(data), limits.VALUES_BLOCK_SIZE_BYTES):
        yield data[start : start + limits.VALUES_BLOCK_SIZE_BYTES]


def _floats(stored: Sequence[Field], size_bytes: int) -> Iterator[memoryview]:
    """Packed runs as they are; values that stand alone joined to runs."""
    alone = bytearray()
    for each in stored:
        if each.wire is Wire.BYTES:
            if alone:
                yield memoryview(bytes(alone))
                alone.clear()
            yield from _blocks(each.data)
        else:
            alone += each.uint.to_bytes(8, "little")[:size_bytes]
    if alone:
        yield memoryview(bytes(alone))


def _integers(stored: Sequence[Field], item_size: int) -> Iterator[memoryview]:
    """The numbers, cut to their type's size; beyond the bound of conversion there is no block, so no digest."""
    left = limits.VALUES_CONVERTED_SIZE_BYTES_MAX
    for each in stored:
        if each.wire is Wire.BYTES:
            left -= len(each.data)
            if left < 0:
                return
            yield _cut(_varints(each.data), item_size)
        else:
            left -= 1
            yield memoryview(each.uint.to_bytes(8, "little")[:item_size])


def _cut(numbers: npt.NDArray[np.uint64], item_size: int) -> memoryview:
    return memoryview(numbers.astype(f"<u{item_size}").tobytes())


def _varints(data: memoryview) -> npt.NDArray[np.uint64]:
    """All numbers of a packed field at once; raises ``ProtobufError`` where the last is cut off or one is too long."""
    raw = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(raw < 0x80)
    if not len(raw) or not len(ends) or ends[-1] != len(raw) - 1:
        if len(raw):
            raise ProtobufError("a packed number is cut off by the end of its field")
        return np.empty(0, np.uint64)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > 10:
        raise ProtobufError("a packed number has more than 64 bits")
    numbers = np.zeros(len(ends), np.uint64)
    for index in range(int(lengths.max())):
        here = lengths > index
        part = (raw[starts[here] + index] & 0x7F).astype(np.uint64) << np.uint64(7 * index)
        numbers[here] |= part
    return numbers
