"""Reads an ONNX file: its stored tensors, operators of foreign domains, and values kept in other files.

Invariants: bad bytes are a defect with the reason, a reached bound a hazard; no file that the model names is opened.

Source: ``onnx/onnx.proto`` (IR version 12): ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto.
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
from modelreg.inspect.protobuf import Budget, Field, ProtobufError, Wire, fields, read_varint
from modelreg.inspect.source import SourceFile
from modelreg.inspect.text import plain

if TYPE_CHECKING:
    from modelreg.inspect.values import Values

DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16",
    17: "float8_e4m3fn", 18: "float8_e4m3fnuz", 19: "float8_e5m2", 20: "float8_e5m2fnuz", 21: "uint4", 22: "int4",
    23: "float4_e2m1fn", 24: "float8_e8m0fnu", 25: "uint2", 26: "int2",
}  # fmt: skip
"""``TensorProto.DataType``."""
_RAW_FIELDS = frozenset({4, 9, 10})
"""``float_data``, ``raw_data`` and ``double_data``: little-endian values as they are."""
_NUMBER_FIELDS = frozenset({5, 7, 11})
"""``int32_data`` (for everything of 32 bits or fewer, half floats too), ``int64_data`` and ``uint64_data``: varints."""
_VALUE_FIELDS = _RAW_FIELDS | _NUMBER_FIELDS | {6}
"""``float_data`` to ``uint64_data``, with ``string_data`` (6) and ``raw_data``."""
_OWN_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training"})
_MODEL_WIRES = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}
_GRAPH_FIELDS = frozenset({1, 2, 5, 10, 11, 12, 13, 14, 15, 16})


def looks_like_onnx(head: bytes) -> bool:
    """Whether ``head``, the file's first bytes, are those of a ModelProto that reaches its graph within them.

    The format has no magic number.  Asked for is what every writer does: the IR version first, then only fields of
    ModelProto with their own wire types, up to a graph that begins as graphs do.
    """
    view = memoryview(head)
    try:
        tag, position = read_varint(view, 0)
        version, position = read_varint(view, position)
        if tag != 1 << 3 or not 1 <= version <= limits.ONNX_IR_VERSION_MAX:
            return False
        while position < len(view):
            tag, position = read_varint(view, position)
            number, wire = tag >> 3, tag & 7
            if _MODEL_WIRES.get(number) != wire:
                return False
            value, position = read_varint(view, position)
            if number == 7:
                return value > 0 and _begins_graph(view[position:])
            position += value if wire == Wire.BYTES else 0
    except ProtobufError:
        return False
    return False


def _begins_graph(view: memoryview) -> bool:
    tag, _ = read_varint(view, 0)
    return tag & 7 == Wire.BYTES and tag >> 3 in _GRAPH_FIELDS


@dataclass(slots=True)
class _Reading:
    file: str
    values: Values | None
    budget: Budget = field(default_factory=Budget)
    ir_version: int = 0
    opsets: list[Operator] = field(default_factory=list)
    operators: set[tuple[str, str]] = field(default_factory=set)
    has_graph: bool = False
    functions: set[tuple[str, str]] = field(default_factory=set)
    foreign: dict[tuple[str, str], CustomObject] = field(default_factory=dict)
    tensors: list[Tensor] = field(default_factory=list)
    hazards: list[Hazard] = field(default_factory=list)


def read_onnx(file: SourceFile, *, values: Values | None = None) -> Facts:
    """Read one ONNX file."""
    if file.size_bytes > limits.ONNX_SIZE_BYTES_MAX:
        detail = f"{file.size_bytes:,} bytes long; at most {limits.ONNX_SIZE_BYTES_MAX:,} are read"
        return Facts(Container.ONNX, file.path, hazards=(Hazard(HazardKind.TOO_MUCH, file.path, detail),))
    reading = _Reading(file.path, values)
    defects: list[Defect] = []
    try:
        _read_model(reading, memoryview(file.read_at(0, file.size_bytes)))
    except ProtobufError as error:
        defects.append(Defect(DefectKind.DAMAGED_ONNX, file.path, plain(f"the ONNX file cannot be read: {error}")))
    foreign = (item for key, item in reading.foreign.items() if key not in reading.functions)
    return Facts(
        Container.ONNX,
        file.path,
        custom_objects=tuple(foreign)[: limits.CUSTOM_OBJECTS_MAX],
        tensors=tuple(reading.tensors),
        hazards=tuple(reading.hazards)[: limits.HAZARDS_MAX],
        defects=tuple(defects),
        graph=_graph(reading),
    )


def _graph(reading: _Reading) -> Graph:
    """The operator sets imported (operators without a name, with a version), then the operators used."""
    used = sorted(key for key in reading.operators if key not in reading.functions)
    operators = (Operator(plain(name), plain(domain)) for domain, name in used)
    return Graph((*reading.opsets, *operators), format_version=reading.ir_version or None)


def _read_model(reading: _Reading, model: memoryview) -> None:
    """``ModelProto``: ir_version 1, graph 7, opset_import 8, functions 25."""
    for each in fields(model, reading.budget):
        match each.number:
            case 1:
                reading.ir_version = each.uint
            case 7:
                reading.has_graph = True
                _read_graph(reading, each.data, each.offset, 0)
            case 8:
                reading.opsets.append(_opset(each.data, reading.budget))
            case 25:
                _read_function(reading, each.data, each.offset)
    if not reading.has_graph or not reading.ir_version or not reading.opsets:
        raise ProtobufError("it lacks its IR version, its graph or its operator set")


def _opset(opset: memoryview, budget: Budget) -> Operator:
    """``OperatorSetIdProto``: domain 1, version 2."""
    domain, version = "", 0
    for each in fields(opset, budget):
        if each.number == 1:
            domain = each.text()
        elif each.number == 2:
            version = each.int64
    if not 0 <= version < limits.DIMENSION_END:
        raise ProtobufError(f"the operator set {domain[:80]!r} has version {version}")
    return Operator("", plain(domain), version)


def _read_graph(reading: _Reading, graph: memoryview, base: int, depth: int) -> None:
    """``GraphProto``: node 1, initializer 5, sparse_initializer 15; ``base`` is the graph's offset in the file."""
    if depth > limits.ONNX_GRAPH_NESTING_MAX:
        raise ProtobufError(f"graphs nest deeper than {limits.ONNX_GRAPH_NESTING_MAX} levels")
    for each in fields(graph, reading.budget):
        match each.number:
            case 1:
                _read_node(reading, each.data, base + each.offset, depth)
            case 5:
                _read_tensor(reading, each.data, base + each.offset, f"initializer-{len(reading.tensors)}")
            case 15:
                _read_sparse(reading, each.data, base + each.offset)


def _read_function(reading: _Reading, function: memoryview, base: int) -> None:
    """``FunctionProto``: name 1, node 7, domain 10.  It makes its name in its domain no longer foreign."""
    name = domain = ""
    for each in fields(function, reading.budget):
        match each.number:
            case 1:
                name = each.text()
            case 7:
                _read_node(reading, each.data, base + each.offset, 1)
            case 10:
                domain = each.text()
    reading.functions.add((domain, name))


def _read_node(reading: _Reading, node: memoryview, base: int, depth: int) -> None:
    """``NodeProto``: name 3, op_type 4, attribute 5, domain 7."""
    name = operator = domain = ""
    attributes: list[Field] = []
    for each in fields(node, reading.budget):
        match each.number:
            case 3:
                name = each.text()
            case 4:
                operator = each.text()
            case 5:
                attributes.append(each)
            case 7:
                domain = each.text()
    if len(reading.operators) < limits.GRAPH_OPERATORS_MAX:
        reading.operators.add((domain, operator))
    if domain not in _OWN_DOMAINS:
        found = CustomObject(plain(operator), "object", plain(f"node {name}"), plain(domain))
        reading.foreign.setdefault((domain, operator), found)
    for each in attributes:
        _read_attribute(reading, each.data, base + each.offset, name, depth)


def _read_attribute(reading: _Reading, attribute: memoryview, base: int, node: str, depth: int) -> None:
    """``AttributeProto``: a tensor 5, a graph 6, tensors 10, graphs 11, sparse tensors 22 and 23."""
    for each in fields(attribute, reading.budget):
        if each.number in (5, 10):
            _read_tensor(reading, each.data, base + each.offset, f"{node}/value")
        elif each.number in (6, 11):
            _read_graph(reading, each.data, base + each.offset, depth + 1)
        elif each.number in (22, 23):
            _read_sparse(reading, each.data, base + each.offset)


def _read_sparse(reading: _Reading, sparse: memoryview, base: int) -> None:
    """``SparseTensorProto``: values 1, indices 2."""
    for each in fields(sparse, reading.budget):
        if each.number in (1, 2):
            _read_tensor(reading, each.data, base + each.offset, f"sparse-{len(reading.tensors)}")


def _read_tensor(reading: _Reading, tensor: memoryview, base: int, unnamed: str) -> None:
    """``TensorProto``: dims 1, data_type 2, name 8, values, external_data 13, data_location 14 (1 is outside)."""
    shape: list[int] = []
    name, dtype, outside, location = "", 0, False, ""
    extents: list[Extent] = []
    stored: list[Field] = []
    for each in fields(tensor, reading.budget):
        match each.number:
            case 1:
                shape.extend(each.varints())
            case 2:
                dtype = each.uint
            case 8:
                name = each.text()
            case 13:
                location = _location(each.data, reading.budget) or location
            case 14:
                outside = each.uint == 1
            case number if number in _VALUE_FIELDS:
                stored.append(each)
                if each.wire is Wire.BYTES and len(each.data):
                    extents.append(Extent(base + each.offset, len(each.data)))
    path = plain(name or unnamed)
    if any(abs(size) >= limits.DIMENSION_END for size in shape[: limits.RANK_MAX]):
        raise ProtobufError(f"{path!r} has a dimension beyond any memory: {shape[: limits.RANK_MAX]}")
    if len(shape) > limits.RANK_MAX or len(reading.tensors) >= limits.TENSORS_MAX:
        raise ProtobufError(f"more than {limits.TENSORS_MAX:,} tensors, or one of {len(shape):,} dimensions")
    if outside:
        detail = f"its values are in another file, {location!r}, which is not part of this one"
        reading.hazards.append(Hazard(HazardKind.EXTERNAL_STORAGE, path, plain(detail)))
    kept = () if outside else tuple(extents)
    named = DTYPES.get(dtype, f"type-{dtype}")
    digest, nonfinite = (None, 0) if outside else _values(reading, stored, shape, named)
    reading.tensors.append(Tensor(path, tuple(shape), named, reading.file, kept, digest, nonfinite))


def _values(reading: _Reading, stored: list[Field], shape: list[int], dtype: str) -> tuple[str | None, int]:
    """The digest of values that stand as they are, or one by one as varints."""
    if reading.values is None:
        return None, 0
    from modelreg.inspect.onnx_values import initializer_values

    return initializer_values(stored, shape, dtype, reading.values)


def _location(entry: memoryview, budget: Budget) -> str | None:
    """The value of ``external_data``'s entry ``location`` (``StringStringEntryProto``: key 1, value 2)."""
    texts = {each.number: each.text() for each in _strings(entry, budget)}
    return texts.get(2) if texts.get(1) == "location" else None


def _strings(entry: memoryview, budget: Budget) -> Iterator[Field]:
    return (each for each in fields(entry, budget) if each.wire is Wire.BYTES)
