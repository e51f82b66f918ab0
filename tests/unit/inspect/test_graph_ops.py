"""Operations of a graph: those that reach outside are told, those of every SavedModel are not."""

from __future__ import annotations

import pytest

from modelreg.facts import HazardKind
from modelreg.inspect.graph_ops import CODE_OPS, FILE_OPS, GraphOps
from modelreg.inspect.protobuf import Budget


def message(number: int, data: bytes | str) -> bytes:
    """One field of length-delimited protobuf."""
    content = data.encode() if isinstance(data, str) else data
    length, size = b"", len(content)
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def node(op: str, name: str = "n", **attributes: str) -> bytes:
    texts = (message(5, message(1, key) + message(2, message(2, value))) for key, value in attributes.items())
    return message(1, name) + message(2, op) + b"".join(texts)


def told(*nodes: bytes, function: bytes = b"", assets: tuple[str, ...] | None = ()) -> list[tuple[HazardKind, str]]:
    ops = GraphOps(has_assets=None if assets is None else False)
    library = message(2, message(1, message(1, message(1, "f")) + message(3, function))) if function else b""
    ops.read_graph(memoryview(b"".join(message(1, each) for each in nodes) + library), Budget())
    for asset in assets or ():
        ops.read_asset(memoryview(message(2, asset)), Budget())
    return [(hazard.kind, hazard.where) for hazard in ops.hazards()]


@pytest.mark.parametrize("op", ["ReadFile", "WriteFile", "LoadDataset", "ImmutableConst", "RpcClient", "DumpTensor"])
def test_an_operation_that_reaches_outside_is_told_with_its_place(op: str) -> None:
    """In the graph itself and in a function of its library."""
    assert op in FILE_OPS
    assert told(node(op)) == [(HazardKind.OUTSIDE_FILE, "graph, node n")]
    assert told(function=node(op)) == [(HazardKind.OUTSIDE_FILE, "function f, node n")]


@pytest.mark.parametrize("op", ["PyFunc", "EagerPyFunc", "PyFuncStateless", "TFRecordDataset", "Abort"])
def test_an_operation_that_needs_its_writer_is_told_apart(op: str) -> None:
    """It cannot work, or belongs to an input pipeline: a warning, not a refusal."""
    assert op in CODE_OPS
    assert [kind for kind, _ in told(node(op))] == [HazardKind.EXECUTABLE_OP]


@pytest.mark.parametrize(
    "op",
    [
        *("RestoreV2", "SaveV2", "MergeV2Checkpoints", "ShardedFilename", "StaticRegexFullMatch", "VarHandleOp"),
        *("PrintV2", "Print", "HashTableV2", "LookupTableFindV2", "StatefulPartitionedCall", "DecodeJpeg"),
    ],
)
def test_operations_of_every_model_are_not_told(op: str) -> None:
    """Scanners that flag them flag each real SavedModel (notes on scanners, 3.2)."""
    assert told(node(op)) == []


def test_printing_to_a_file_is_writing() -> None:
    """``PrintV2`` takes a file's URL for its stream."""
    assert told(node("PrintV2", output_stream="stderr")) == []
    assert told(node("PrintV2", output_stream="file:///tmp/x")) == [(HazardKind.OUTSIDE_FILE, "graph, node n")]


def test_a_vocabulary_is_an_asset() -> None:
    """A lookup table from a text file is ordinary where the model has assets, and an attack where it has none."""
    table = node("InitializeTableFromTextFileV2")
    assert told(table, assets=("vocabulary.txt",)) == []
    assert told(table, assets=None) == []
    assert [kind for kind, _ in told(table)] == [HazardKind.OUTSIDE_FILE]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/../../b", "..\\x", "C:\\x", "gs://bucket/x"])
def test_an_asset_that_lies_elsewhere_is_told(name: str) -> None:
    assert told(assets=(name,)) == [(HazardKind.OUTSIDE_FILE, "assets")]
    assert told(assets=("vocabulary.txt", "sub/vocabulary.txt")) == []


def test_no_operation_is_in_both_tables() -> None:
    assert not FILE_OPS.keys() & CODE_OPS.keys()
