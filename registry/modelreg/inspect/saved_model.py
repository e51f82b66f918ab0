"""Reads a SavedModel folder: TensorFlow's version, dangerous operations, Keras's own metadata, and the variables.

Invariants:

* Bad bytes are a defect ``damaged-saved-model`` with the reason, or a hazard where a bound was reached; only the
  environment (a stream that fails) raises.
* The variables' data are read only where digests are asked for; that the index's places lie within the shards is
  checked by size.

Sources: ``tensorflow/core/protobuf/{saved_model,meta_graph,saved_object_graph}.proto``; TensorFlow
``python/saved_model/{constants,loader_impl}.py`` (2.15).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from modelreg.facts import Asset, Container, Defect, DefectKind, Facts, Graph, Hazard, HazardKind, Operator, Tensor
from modelreg.inspect import limits
from modelreg.inspect.config import common_pythons
from modelreg.inspect.graph_ops import GraphOps
from modelreg.inspect.keras_metadata import (
    KerasObject,
    graph_objects,
    metadata_objects,
    read_keras_objects,
)
from modelreg.inspect.leveldb_table import read_table
from modelreg.inspect.protobuf import Budget, ProtobufError, fields
from modelreg.inspect.source import SourceFile
from modelreg.inspect.tensor_bundle import BundleError, read_bundle
from modelreg.inspect.text import plain

if TYPE_CHECKING:
    from modelreg.inspect.values import Values

GRAPH_FILE = "saved_model.pb"
OTHER_GRAPH_FILES = ("saved_model.pbtxt", "saved_model.cpb")
KERAS_FILE = "keras_metadata.pb"
VARIABLES = "variables/variables"
INDEX_FILE = f"{VARIABLES}.index"
ASSETS = "assets/"


@dataclass(slots=True)
class GraphVersions:
    """``GraphDef.versions`` of all graphs of the file: what is asked for is the most that any of them asks."""

    producer: int | None = None
    min_consumer: int | None = None
    bad_consumers: set[int] = field(default_factory=set)

    def read(self, versions: memoryview, budget: Budget) -> None:
        """Read a ``VersionDef``: producer 1, min_consumer 2, bad_consumers 3; a number left out is 0."""
        producer = min_consumer = 0
        for each in fields(versions, budget):
            if each.number == 1:
                producer = each.int64
            elif each.number == 2:
                min_consumer = each.int64
            elif each.number == 3:
                self.bad_consumers.update(each.varints())
        self.producer = max(producer, self.producer or 0)
        self.min_consumer = max(min_consumer, self.min_consumer or 0)


@dataclass(slots=True)
class _Reading:
    """What has been found so far; ``objects`` are the Keras objects inside the graph file."""

    files: dict[str, SourceFile]
    values: Values | None = None
    tensorflow_version: str | None = None
    ops: GraphOps = field(default_factory=GraphOps)
    functions: set[str] = field(default_factory=set)
    versions: GraphVersions = field(default_factory=GraphVersions)
    objects: list[KerasObject] = field(default_factory=list)
    graphs: int = 0
    has_object_graph: bool = False
    tensors: list[Tensor] = field(default_factory=list)
    hazards: list[Hazard] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)

    def damaged(self, file: str, detail: str) -> None:
        if len(self.defects) < limits.DEFECTS_MAX:
            self.defects.append(Defect(DefectKind.DAMAGED_SAVED_MODEL, file, plain(detail)))

    def content(self, path: str, size_bytes_max: int) -> bytes | None:
        """The whole of a file, or ``None`` and a hazard if it is too large to be read."""
        file = self.files[path]
        if file.size_bytes > size_bytes_max:
            detail = f"{path} is {file.size_bytes:,} bytes long; at most {size_bytes_max:,} are read"
            self.hazards.append(Hazard(HazardKind.TOO_MUCH, plain(path), plain(detail)))
            return None
        return file.read_at(0, file.size_bytes)


def read_saved_model(files: Sequence[SourceFile], *, values: Values | None = None) -> Facts:
    """Read the files of a SavedModel, whose paths are relative to its folder; ``Facts.file`` is ``"."``."""
    reading = _Reading({file.path: file for file in files}, values)
    _read_graph_file(reading)
    metadata = read_keras_objects(_keras_objects(reading), file=_keras_file(reading))
    _read_variables(reading)
    graph = _graph(reading)
    config = metadata.config
    hazards = (*reading.ops.hazards(), *reading.hazards, *config.hazards)
    return Facts(
        Container.SAVED_MODEL,
        ".",
        keras_version=metadata.keras_version,
        backend=metadata.backend,
        tensorflow_version=reading.tensorflow_version,
        has_training_config=config.has_training_config if config.layers else None,
        writer_pythons=common_pythons(config.lambdas),
        layers=tuple(config.layers),
        custom_objects=tuple(config.custom_objects),
        lambdas=tuple(config.lambdas),
        tensors=tuple(reading.tensors),
        hazards=hazards[: limits.HAZARDS_MAX],
        defects=(*reading.defects, *config.defects),
        config=metadata.model_config,
        training_config=metadata.training_config,
        graph=graph,
        assets=tuple(_assets(reading)),
    )


def _assets(reading: _Reading) -> Iterator[Asset]:
    """The digest of each file below ``assets`` that was given to be read, where digests are asked for."""
    for path in sorted(reading.files):
        size_bytes = reading.files[path].size_bytes
        if reading.values is None or not path.startswith(ASSETS):
            continue
        try:
            digest = reading.values.of_file(reading.files[path].stream, size_bytes)
        except io.UnsupportedOperation:  # of a file beyond the most that may be open
            continue
        if digest is not None:
            yield Asset(plain(path), size_bytes, digest)


def _graph(reading: _Reading) -> Graph | None:
    """Names of the operations that a TensorFlow must have; functions that the file brings itself are none."""
    if not reading.graphs:
        return None
    names = sorted({plain(name) for name in reading.ops.counts.keys() - reading.functions})
    if len(names) > limits.GRAPH_OPERATORS_MAX:
        detail = f"{len(names):,} kinds of operations; the first {limits.GRAPH_OPERATORS_MAX:,} are listed"
        reading.hazards.append(Hazard(HazardKind.TOO_MUCH, GRAPH_FILE, detail))
    return Graph(
        tuple(Operator(name) for name in names[: limits.GRAPH_OPERATORS_MAX]),
        reading.versions.producer,
        reading.versions.min_consumer,
        tuple(sorted(reading.versions.bad_consumers)[: limits.DEFECTS_MAX]),
    )


def _read_graph_file(reading: _Reading) -> None:
    if GRAPH_FILE not in reading.files:
        reading.damaged(GRAPH_FILE, f"there is no {GRAPH_FILE}")
        for path in OTHER_GRAPH_FILES:
            if path in reading.files:
                detail = f"the graph is in {path}, a form that is not read"
                reading.hazards.append(Hazard(HazardKind.TOO_MUCH, path, detail))
        return
    content = reading.content(GRAPH_FILE, limits.SAVED_MODEL_GRAPH_SIZE_BYTES_MAX)
    if content is None:
        return
    try:
        _read_saved_model(reading, memoryview(content))
    except ProtobufError as error:
        reading.damaged(GRAPH_FILE, f"{GRAPH_FILE} is not a SavedModel: {error}")
        return
    if not reading.graphs:
        reading.damaged(GRAPH_FILE, f"{GRAPH_FILE} holds no graph ({len(content):,} bytes)")


def _read_saved_model(reading: _Reading, content: memoryview) -> None:
    """``SavedModel.meta_graphs`` (field 2) and of each ``MetaGraphDef`` the fields 1, 2, 6 and 7."""
    budget = Budget()
    reading.ops.has_assets = False
    for graph in fields(content, budget):
        if graph.number != 2:
            continue
        reading.graphs += 1
        for part in fields(graph.data, budget):
            if part.number == 1:
                _read_meta_info(reading, part.data, budget)
            elif part.number == 2:
                reading.ops.read_graph(part.data, budget)
                _read_versions(reading, part.data, budget)
            elif part.number == 6:
                reading.ops.read_asset(part.data, budget)
            elif part.number == 7:
                reading.has_object_graph = reading.has_object_graph or len(part.data) > 0
                reading.objects.extend(graph_objects(part.data, budget))


def _read_versions(reading: _Reading, graph: memoryview, budget: Budget) -> None:
    """``GraphDef``: library 2 (functions 1: signature 1: name 1), versions 4."""
    told = False
    for each in fields(graph, budget):
        if each.number == 4:
            told = True
            reading.versions.read(each.data, budget)
        elif each.number == 2:
            for function in fields(each.data, budget):
                if function.number == 1:
                    reading.functions.add(_function_name(function.data, budget))
    if not told:
        reading.versions.read(memoryview(b""), budget)


def _function_name(function: memoryview, budget: Budget) -> str:
    signature = next((each.data for each in fields(function, budget) if each.number == 1), memoryview(b""))
    return next((each.text() for each in fields(signature, budget) if each.number == 1), "")


def _read_meta_info(reading: _Reading, info: memoryview, budget: Budget) -> None:
    """``MetaInfoDef.tensorflow_version`` (field 5) of the first graph that tells it."""
    for each in fields(info, budget):
        if each.number == 5 and reading.tensorflow_version is None:
            reading.tensorflow_version = plain(each.text()) or None


def _keras_file(reading: _Reading) -> str:
    return KERAS_FILE if KERAS_FILE in reading.files else GRAPH_FILE


def _keras_objects(reading: _Reading) -> list[KerasObject]:
    """The objects of ``keras_metadata.pb``, then those inside the graph; which it takes depends on Keras's age."""
    objects: list[KerasObject] = []
    content = reading.content(KERAS_FILE, limits.KERAS_METADATA_SIZE_BYTES_MAX) if KERAS_FILE in reading.files else None
    if content is not None:
        try:
            objects.extend(metadata_objects(memoryview(content), Budget()))
        except ProtobufError as error:
            reading.damaged(KERAS_FILE, f"{KERAS_FILE} cannot be parsed: {error}")
    return objects + reading.objects


def _read_variables(reading: _Reading) -> None:
    if INDEX_FILE not in reading.files:
        # TensorFlow 2 always writes an index and always reads it; TensorFlow 1 does only if there are variables.
        if reading.has_object_graph or reading.ops.has_variables:
            reading.damaged(INDEX_FILE, f"{INDEX_FILE} is missing, so no variable can be restored")
        return
    content = reading.content(INDEX_FILE, limits.TABLE_SIZE_BYTES_MAX)
    if content is None:
        return
    sizes = {path: file.size_bytes for path, file in reading.files.items()}
    try:
        bundle = read_bundle(read_table(content), prefix=VARIABLES, sizes=sizes)
    except BundleError as error:
        reading.damaged(INDEX_FILE, f"{INDEX_FILE} cannot be read: {error}")
        return
    reading.tensors = [
        tensor if tensor.path in bundle.scattered else _with_values(reading, tensor) for tensor in bundle.tensors
    ]
    for detail in bundle.damage:
        reading.damaged(INDEX_FILE, detail)


def _with_values(reading: _Reading, tensor: Tensor) -> Tensor:
    """With its digest, if digests are asked for and the shard that holds it was given to be read."""
    if reading.values is None or tensor.file not in reading.files:
        return tensor
    try:
        stream = reading.files[tensor.file].stream
        digest, nonfinite = reading.values.stored(stream, tensor.extents, tensor.shape, tensor.dtype)
    except io.UnsupportedOperation:  # of a shard beyond the most that may be open
        return tensor
    return replace(tensor, digest=digest, nonfinite=nonfinite)
