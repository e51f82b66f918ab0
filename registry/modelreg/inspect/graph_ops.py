"""Finds the operations of a TensorFlow graph that run Python, touch files or the network, or need a library.

Invariants: pure; each distinct operation is told once, with where it stands first and how often; operations that every
SavedModel needs to restore its own variables (``RestoreV2``, ``SaveV2``, ``MergeV2Checkpoints``) are not told.

Sources: ``tensorflow/core/framework/{graph,function,node_def,attr_value}.proto``,
``tensorflow/core/protobuf/meta_graph.proto``; TensorFlow's ``SECURITY.md``.  The operations are those of TensorFlow
2.20's own registry (``TF_GetAllOpList``, 1,907 operations), each classified by its arguments; those of add-ons (tf.io's
BigQuery, Bigtable ...) are not in it and are told as unknown operations by whoever compares with a target.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import MappingProxyType

from modelreg.facts import Hazard, HazardKind
from modelreg.inspect.protobuf import Budget, fields
from modelreg.inspect.text import plain

_READS = "reads files that the graph names"
_WRITES = "writes files that the graph names"
_NETWORK = "connects to an address that the graph names"

FILE_OPS = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "ReadFile", "MatchingFiles", "ImmutableConst", "LoadDataset", "ListSnapshotChunksDataset", "SqlDataset",
                "ExperimentalSqlDataset", "SnapshotDatasetReader", "SnapshotChunkDataset",
            ),
            _READS,
        ),
        **dict.fromkeys(
            (
                "WriteFile", "SaveDataset", "SaveDatasetV2", "DatasetToTFRecord", "ExperimentalDatasetToTFRecord",
                "DistributedSave", "DumpTensor", "CalibrationStatisticsSaver", "CreateSummaryDbWriter", "DebugIdentity",
                "DebugIdentityV2", "DebugIdentityV3", "DebugNanCount", "DebugNumericSummary",
            ),
            _WRITES,
        ),
        **dict.fromkeys(
            (
                "DataServiceDataset", "DataServiceDatasetV2", "DataServiceDatasetV3", "DataServiceDatasetV4",
                "RegisterDataset", "RegisterDatasetV2", "RpcClient", "RpcServer", "RpcServerStart", "RpcCall",
            ),
            _NETWORK,
        ),
        "FileSystemSetConfiguration": "changes how files are opened",
    }
)  # fmt: skip
"""Operations by which a graph reaches outside; no model that Keras exports holds one."""

CODE_OPS = MappingProxyType(
    {
        **dict.fromkeys(("PyFunc", "PyFuncStateless", "EagerPyFunc"), "calls back into the Python that saved it"),
        **dict.fromkeys(("XlaCustomCall", "XlaCustomCallV2"), "calls native code by its name"),
        **dict.fromkeys(
            (
                "WholeFileReader", "WholeFileReaderV2", "TextLineReader", "TextLineReaderV2", "FixedLengthRecordReader",
                "FixedLengthRecordReaderV2", "TFRecordReader", "TFRecordReaderV2", "LMDBReader", "TextLineDataset",
                "TFRecordDataset", "TFRecordDatasetV2", "CSVDataset", "CSVDatasetV2", "ExperimentalCSVDataset",
                "FixedLengthRecordDataset", "FixedLengthRecordDatasetV2", "LMDBDataset", "ExperimentalLMDBDataset",
                "MatchingFilesDataset", "ExperimentalMatchingFilesDataset", "Restore", "RestoreSlice", "RecordInput",
                "Skipgram", "LoadAndRemapMatrix", "GenerateVocabRemapping",
            ),
            _READS,
        ),
        **dict.fromkeys(
            (
                "Save", "SaveSlices", "SnapshotDataset", "SnapshotDatasetV2", "CacheDataset", "CacheDatasetV2",
                "CreateSummaryFileWriter",
            ),
            _WRITES,
        ),
        "Abort": "ends the process",
    }
)  # fmt: skip
"""Operations that run what is not in the graph, or that graphs of the old days with their input pipelines hold."""

EXECUTABLE_OPS = MappingProxyType({**FILE_OPS, **CODE_OPS})

_FILE_TABLES = frozenset({"InitializeTableFromTextFile", "InitializeTableFromTextFileV2"})
"""They read a vocabulary: an asset of the model, and so none of these where the model has no assets."""
_PRINT = "PrintV2"
_FILE_URL = b"file://"
"""``PrintV2``'s attribute ``output_stream`` may name a file, and then printing is writing it."""


@dataclass(slots=True)
class GraphOps:
    """The operations seen so far: how often each, and where first."""

    counts: dict[str, int] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    has_assets: bool | None = None
    """``None`` where nobody looked."""
    unsafe_assets: dict[str, str] = field(default_factory=dict)

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
        is_told = op in EXECUTABLE_OPS or op in _FILE_TABLES or (op == _PRINT and _FILE_URL in node.tobytes())
        if is_told and op not in self.places:
            self.places[op] = f"{place}, node {name}"

    def read_asset(self, asset: memoryview, budget: Budget) -> None:
        """``AssetFileDef`` (field 6 of ``MetaGraphDef``): whose name (field 2) is taken below ``assets``."""
        self.has_assets = True
        for each in fields(asset, budget):
            if each.number == 2 and (reason := _unsafe_path(each.text())):
                self.unsafe_assets[each.text()] = reason

    def hazards(self) -> Iterator[Hazard]:
        """One hazard per dangerous operation, by name, then one per asset that lies elsewhere."""
        for op in sorted(self.places):
            if op in CODE_OPS:
                yield self._found(HazardKind.EXECUTABLE_OP, op, CODE_OPS[op])
            elif op not in _FILE_TABLES:
                yield self._found(HazardKind.OUTSIDE_FILE, op, FILE_OPS.get(op, _WRITES))
            elif self.has_assets is False:
                yield self._found(HazardKind.OUTSIDE_FILE, op, "reads a file, and the model has no assets")
        for name in sorted(self.unsafe_assets):
            detail = f"the asset {name!r} {self.unsafe_assets[name]}"
            yield Hazard(HazardKind.OUTSIDE_FILE, "assets", plain(detail))

    def _found(self, kind: HazardKind, op: str, what: str) -> Hazard:
        detail = f"{op} {what} ({self.counts[op]:,} times in the graph)"
        return Hazard(kind, plain(self.places[op]), plain(detail))

    @property
    def has_variables(self) -> bool:
        return not {"VarHandleOp", "VariableV2", "Variable"}.isdisjoint(self.counts)


def _unsafe_path(name: str) -> str | None:
    parts = name.replace("\\", "/").split("/")
    if ".." in parts:
        return "climbs out of the model's folder"
    return "is an absolute path" if not parts[0] or ":" in parts[0] else None
