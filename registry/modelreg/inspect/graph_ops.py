"""Finds the operations of a TensorFlow graph that run Python, touch files or the network, or need a library.

Invariants: pure; each distinct operation is told once, with where it stands first and how often; operations that every
SavedModel needs to restore its own variables (``RestoreV2``, ``SaveV2``, ``MergeV2Checkpoints``) are not told.

Sources: ``tensorflow/core/framework/{graph,function,node_def}.proto``; the operations' registrations in
``tensorflow/core/ops/{script,io,dataset,logging,summary,debug}_ops.cc`` (2.15); TensorFlow's ``SECURITY.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from modelreg.facts import Hazard, HazardKind
from modelreg.inspect.protobuf import Budget, fields
from modelreg.inspect.text import plain

_PYTHON = "calls back into the Python that saved it"
_READS = "reads files that the graph names"
_WRITES = "writes files that the graph names"
_NETWORK = "connects to an address that the graph names"

EXECUTABLE_OPS = {
    **dict.fromkeys(("PyFunc", "PyFuncStateless", "EagerPyFunc"), _PYTHON),
    **dict.fromkeys(
        (
            "ReadFile", "MatchingFiles", "ImmutableConst", "WholeFileReader", "WholeFileReaderV2", "TextLineReader",
            "TextLineReaderV2", "FixedLengthRecordReader", "FixedLengthRecordReaderV2", "TFRecordReader",
            "TFRecordReaderV2", "LMDBReader", "TextLineDataset", "TFRecordDataset", "TFRecordDatasetV2", "CSVDataset",
            "CSVDatasetV2", "ExperimentalCSVDataset", "FixedLengthRecordDataset", "FixedLengthRecordDatasetV2",
            "LMDBDataset", "ExperimentalLMDBDataset", "SqlDataset", "ExperimentalSqlDataset", "MatchingFilesDataset",
            "ExperimentalMatchingFilesDataset", "LoadDataset", "ListDataset", "Restore", "RestoreSlice",
        ),
        _READS,
    ),
    **dict.fromkeys(
        (
            "WriteFile", "Save", "SaveSlices", "SaveDataset", "SaveDatasetV2", "DatasetToTFRecord",
            "ExperimentalDatasetToTFRecord", "SnapshotDataset", "SnapshotDatasetV2", "CacheDataset", "CacheDatasetV2",
            "CreateSummaryFileWriter", "CreateSummaryDbWriter", "DebugIdentity", "DebugIdentityV2", "DebugIdentityV3",
            "DebugNanCount", "DebugNumericSummary", "DebugNumericSummaryV2",
        ),
        _WRITES,
    ),
    **dict.fromkeys(
        (
            "DataServiceDataset", "DataServiceDatasetV2", "DataServiceDatasetV3", "DataServiceDatasetV4",
            "RegisterDataset", "RegisterDatasetV2", "RpcClient", "RpcServer", "RpcCall", "BigQueryReader",
        ),
        _NETWORK,
    ),
}  # fmt: skip

_PRINT_OPS = ("Print", "PrintV2")
_FILE_URL = b"file://"
"""``PrintV2``'s attribute ``output_stream`` may name a file, and then printing is writing it."""


@dataclass(slots=True)
class GraphOps:
    """The operations seen so far: how often each, and where first."""

    counts: dict[str, int] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)

    def read_graph(self, graph: memoryview, budget: Budget) -> None:
        """Count a ``GraphDef``: its own nodes (field 1) and those of its function library (field 2)."""
        for each in fields(graph, budget):
            if each.number == 1:
                self._node(each.data, "graph", budget)
            elif each.number == 2:
                for function in fields(each.data, budget):
                    if function.number == 1:
                        self._function(function.data, budget)

    def _function(self, function: memoryview, budget: Budget) -> None:
        """``FunctionDef``: signature (field 1, whose field 1 is the name) and nodes (field 3)."""
        name = "function"
        for each in fields(function, budget):
            if each.number == 1:
                name = next((inner.text() for inner in fields(each.data, budget) if inner.number == 1), name)
            elif each.number == 3:
                self._node(each.data, f"function {name}", budget)

    def _node(self, node: memoryview, place: str, budget: Budget) -> None:
        """``NodeDef``: name (field 1) and op (field 2)."""
        name = op = ""
        for each in fields(node, budget):
            if each.number == 1:
                name = each.text()
            elif each.number == 2:
                op = each.text()
        self.counts[op] = self.counts.get(op, 0) + 1
        detail = _WRITES if op in _PRINT_OPS and _FILE_URL in node.tobytes() else EXECUTABLE_OPS.get(op)
        if detail and op not in self.details:
            self.details[op] = detail
            self.places[op] = f"{place}, node {name}"

    def hazards(self) -> Iterator[Hazard]:
        """One hazard per dangerous operation, by name."""
        for op in sorted(self.details):
            detail = f"{op} {self.details[op]} ({self.counts[op]:,} times in the graph)"
            yield Hazard(HazardKind.EXECUTABLE_OP, plain(self.places[op]), plain(detail))

    @property
    def has_variables(self) -> bool:
        return not {"VarHandleOp", "VariableV2", "Variable"}.isdisjoint(self.counts)
