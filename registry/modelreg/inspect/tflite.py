"""Reads a TensorFlow Lite file: its stored tensors, and the operators that its reader must bring along.

Invariants: tensors' data are only placed, and read only where digests are asked for; bad bytes are a defect with the
reason, a reached bound a hazard.

Source: ``tensorflow/compiler/mlir/lite/schema/schema.fbs`` (version 3; field numbers are the order of declaration).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelreg.facts import (
    Container,
    CustomObject,
    Defect,
    DefectKind,
    Extent,
    Facts,
    Graph,
    Hazard,
    HazardKind,
    Operator,
    Tensor,
)
from modelreg.inspect import limits
from modelreg.inspect.flatbuffer import FlatbufferError, Table, root_table
from modelreg.inspect.graph_ops import EXECUTABLE_OPS
from modelreg.inspect.source import SourceFile
from modelreg.inspect.tflite_operators import operator_name

if TYPE_CHECKING:
    from modelreg.inspect.values import Values

SCHEMA_VERSION = 3

DTYPES = {
    0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 5: "string", 6: "bool", 7: "int16", 8: "complex64",
    9: "int8", 10: "float64", 11: "complex128", 12: "uint64", 13: "resource", 14: "variant", 15: "uint32", 16: "uint16",
    17: "int4", 18: "bfloat16", 19: "int2",
}  # fmt: skip
"""``TensorType``."""
_CUSTOM = 32
"""``BuiltinOperator.CUSTOM``."""
_FLEX = "Flex"
"""Operators with this prefix are TensorFlow's own, run by its "flex" delegate."""
CUSTOM_DOMAIN = "custom"
"""``Operator.domain`` of what is not built in; of TensorFlow's own operators it is ``flex``."""
FLEX_DOMAIN = "flex"


@dataclass(slots=True)
class _Reading:
    file: SourceFile
    values: Values | None
    version: int | None = None
    operators: set[Operator] = field(default_factory=set)
    tensors: list[Tensor] = field(default_factory=list)
    custom_objects: list[CustomObject] = field(default_factory=list)
    hazards: list[Hazard] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)


def read_tflite(file: SourceFile, *, values: Values | None = None) -> Facts:
    """Read one TensorFlow Lite file."""
    reading = _Reading(file, values)
    try:
        _read_model(reading, root_table(file))
    except FlatbufferError as error:
        detail = f"the TensorFlow Lite file cannot be read: {error}"
        reading.defects.append(Defect(DefectKind.DAMAGED_TFLITE, file.path, detail))
    return Facts(
        Container.TFLITE,
        file.path,
        custom_objects=tuple(reading.custom_objects),
        tensors=tuple(reading.tensors),
        hazards=tuple(reading.hazards)[: limits.HAZARDS_MAX],
        defects=tuple(reading.defects),
        graph=Graph(
            tuple(sorted(reading.operators, key=lambda item: (item.domain, item.name, item.version or 0))),
            format_version=reading.version,
        ),
    )


def _read_model(reading: _Reading, model: Table) -> None:
    """``Model``: version 0, operator_codes 1, subgraphs 2, buffers 4."""
    version = model.integer(0, 4)
    if version != SCHEMA_VERSION:
        raise FlatbufferError(f"its schema version is {version}, and only {SCHEMA_VERSION} was ever released")
    reading.version = version
    for index, code in enumerate(model.tables(1, limits.TFLITE_OPERATOR_CODES_MAX)):
        _read_operator_code(reading, code, f"operator code {index}")
    extents = [_extent(reading.file, buffer) for buffer in model.tables(4, limits.TENSORS_MAX)]
    for number, subgraph in enumerate(model.tables(2, limits.TFLITE_SUBGRAPHS_MAX)):
        prefix = f"subgraph-{number}/" if number else ""
        reading.tensors.extend(_tensors(reading, subgraph, prefix, extents))
        if len(reading.tensors) > limits.TENSORS_MAX:
            raise FlatbufferError(f"more than {limits.TENSORS_MAX:,} tensors are stored")


def _read_operator_code(reading: _Reading, code: Table, where: str) -> None:
    """``OperatorCode``: deprecated_builtin_code 0, custom_code 1, version 2, builtin_code 3.

    Of the two numbers the greater counts.
    """
    builtin = max(code.integer(0, 1, signed=True), code.integer(3, 4, signed=True))
    version = code.integer(2, 4, signed=True, default=1)
    if builtin != _CUSTOM:
        reading.operators.add(Operator(operator_name(builtin), version=version))
        return
    name = code.text(1)
    domain = FLEX_DOMAIN if name.startswith(_FLEX) else CUSTOM_DOMAIN
    reading.operators.add(Operator(name, domain, version))
    module = "tensorflow" if name.startswith(_FLEX) else None
    if len(reading.custom_objects) < limits.CUSTOM_OBJECTS_MAX:
        reading.custom_objects.append(CustomObject(name, "object", where, module))
    detail = EXECUTABLE_OPS.get(name.removeprefix(_FLEX)) if module else None
    if detail:
        reading.hazards.append(Hazard(HazardKind.EXECUTABLE_OP, where, f"{name} {detail}"))


def _extent(file: SourceFile, buffer: Table) -> Extent | None:
    """``Buffer``: data 0; or, in files above 2 GiB, offset 1 and size 2 of data behind the FlatBuffer itself."""
    data = buffer.vector(0, 1, file.size_bytes)
    if data is not None:
        return Extent(data.start, data.length) if data.length else None
    offset, size_bytes = buffer.integer(1, 8), buffer.integer(2, 8)
    if offset <= 1 or not size_bytes:  # 1 is the writer's placeholder for "not known yet"
        return None
    if offset + size_bytes > file.size_bytes:
        place = f"bytes {offset:,} to {offset + size_bytes:,}"
        raise FlatbufferError(f"a buffer lies at {place}, but the file has {file.size_bytes:,}")
    return Extent(offset, size_bytes)


def _tensors(reading: _Reading, subgraph: Table, prefix: str, extents: list[Extent | None]) -> Iterator[Tensor]:
    """``SubGraph``: tensors 0; ``Tensor``: shape 0, type 1, buffer 2, name 3.  Only those with stored values."""
    for index, tensor in enumerate(subgraph.tables(0, limits.TENSORS_MAX)):
        buffer = tensor.integer(2, 4)
        if buffer >= len(extents):
            raise FlatbufferError(f"tensor {index} is in buffer {buffer:,}, but there are {len(extents):,}")
        extent = extents[buffer]
        if extent is not None:
            kind = tensor.integer(1, 1, signed=True)
            name = prefix + (tensor.text(3) or f"tensor-{index}")
            dtype = DTYPES.get(kind, f"type-{kind}")
            shape = tensor.integers(0, limits.RANK_MAX)
            digest, nonfinite = _values(reading, extent, shape, dtype)
            yield Tensor(name, shape, dtype, reading.file.path, (extent,), digest, nonfinite)


def _values(reading: _Reading, extent: Extent, shape: tuple[int, ...], dtype: str) -> tuple[str | None, int]:
    if reading.values is None:
        return None, 0
    return reading.values.stored(reading.file.stream, (extent,), shape, dtype)
