"""What a SavedModel asks of its runtime, its configuration as text, and the digests of its variables."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3

from modelreg.facts import Container, Facts, Operator
from modelreg.inspect.reader import read_artifact
from modelreg.inspect.saved_model import read_saved_model
from modelreg.inspect.source import SourceFile, unread
from modelreg.inspect.values import Values


def folder_facts(root: Path, *, values: bool = False) -> Facts:
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    files = [
        SourceFile(path.relative_to(root).as_posix(), path.stat().st_size, io.BytesIO(path.read_bytes()))
        for path in paths
    ]
    return read_artifact(files, values=Values(1 << 30) if values else None)


def names(facts: Facts) -> set[str]:
    assert facts.graph is not None
    return {operator.name for operator in facts.graph.operators}


def field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return bytes([number << 3, content])
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


def graph(content: bytes) -> Facts:
    """A SavedModel with one graph, written after the schema."""
    data = field(2, field(2, content))
    return read_saved_model([SourceFile("saved_model.pb", len(data), io.BytesIO(data))])


def node(op: str) -> bytes:
    return field(1, field(1, b"n") + field(2, op.encode()))


@pytest.mark.parametrize(
    ("name", "tensorflow", "producer", "min_consumer"),
    [
        ("py37tf115/savedmodel_graph", "1.15.0", 134, 0),
        ("py37tf115/savedmodel_plain", "1.15.0", 134, 12),
        ("py37tf23/savedmodel_plain", "2.3.4", 440, 12),
        ("py38tf24/savedmodel_lambda", "2.4.4", 561, 12),
        ("py310/savedmodel_lambda", "2.15.1", 1645, 12),
        ("py311/savedmodel_export", "2.21.0", 2474, 12),
    ],
)
def test_graph_versions_are_those_that_each_tensorflow_writes(
    models: Path, name: str, tensorflow: str, producer: int, min_consumer: int
) -> None:
    """``TF_GRAPH_DEF_VERSION`` of the release; functions in the graph ask for a consumer of version 12."""
    facts = folder_facts(models / name)
    assert facts.graph is not None
    assert (facts.tensorflow_version, facts.defects) == (tensorflow, ())
    assert (facts.graph.producer, facts.graph.min_consumer, facts.graph.bad_consumers) == (producer, min_consumer, ())
    assert {"Const", "MatMul", "Placeholder"} <= names(facts)
    assert list(facts.graph.operators) == sorted(facts.graph.operators, key=lambda operator: operator.name)


def test_operations_inside_functions_count_and_the_functions_own_names_do_not() -> None:
    """A TensorFlow must register ``Relu``; ``f`` is in the file itself."""
    function = field(1, field(1, field(1, b"f")) + field(3, field(1, b"m") + field(2, b"Relu")))
    facts = graph(node("f") + node("Const") + node("Const") + field(2, function))
    assert facts.graph is not None
    assert facts.graph.operators == (Operator("Const"), Operator("Relu"))


def test_the_most_that_any_graph_asks_for_is_told() -> None:
    """A file may hold a graph for serving and one for training."""
    versions = [
        field(4, field(1, 9) + field(2, 3) + field(3, 7)),
        field(4, field(1, 5) + field(2, 4) + field(3, b"\x02\x07")),
    ]
    data = b"".join(field(2, field(2, node("Const") + each)) for each in versions)
    facts = read_saved_model([SourceFile("saved_model.pb", len(data), io.BytesIO(data))])
    assert facts.graph is not None
    assert (facts.graph.producer, facts.graph.min_consumer, facts.graph.bad_consumers) == (9, 4, (2, 7))


def test_a_graph_of_tensorflow_1_has_no_objects_and_no_keras(models: Path) -> None:
    """Its variables are named as the graph names them; with constants only there is no index to miss."""
    facts = folder_facts(models / "py37tf115" / "savedmodel_graph", values=True)
    assert (facts.container, facts.keras_version, facts.config, facts.layers) == (Container.SAVED_MODEL, None, None, ())
    kernel = blake3(np.arange(12, dtype="<f4").tobytes()).hexdigest()
    steps = blake3(np.array(7, "<i8").tobytes()).hexdigest()
    assert [(tensor.path, tensor.shape, tensor.digest) for tensor in facts.tensors] == [
        ("kernel", (4, 3), kernel),
        ("steps", (), steps),
    ]
    assert folder_facts(models / "py37tf115" / "savedmodel_frozen").defects == ()


def test_slices_of_rows_have_the_digest_of_the_whole_and_slices_of_columns_none(models: Path) -> None:
    """The bytes of column slices in order are not the values in order."""
    root = models / "py37tf115" / "savedmodel_partitioned"
    columns, table = folder_facts(root, values=True).tensors
    assert (columns.path, columns.digest) == ("columns", None)
    whole = np.load(models / "py37tf115" / "savedmodel_partitioned.table.npy")
    assert (table.path, table.digest) == ("table", blake3(whole.astype("<f4").tobytes()).hexdigest())


@pytest.mark.parametrize("name", ["py36", "py38", "py310"])
def test_variables_have_the_digests_of_the_same_models_h5(models: Path, name: str) -> None:
    """One model, saved twice by one Keras; the order of values and of bytes is the same in both."""
    saved = folder_facts(models / name / "savedmodel_lambda", values=True)
    whole = (models / name / "lambda.h5").read_bytes()
    h5 = read_artifact([SourceFile("m.h5", len(whole), io.BytesIO(whole))], values=Values(1 << 30))
    digests = [tensor.digest for tensor in saved.tensors if tensor.dtype != "string"]
    assert None not in digests
    assert sorted(map(str, digests)) == sorted(str(tensor.digest) for tensor in h5.tensors)


def test_digests_are_not_taken_unless_asked_for(models: Path) -> None:
    facts = folder_facts(models / "py38" / "savedmodel_plain")
    assert {tensor.digest for tensor in facts.tensors} == {None}


def test_a_shard_that_was_not_given_leaves_its_variables_without_digests(models: Path) -> None:
    """Of hundreds of shards not all can be open; nothing fails because of that."""
    root = models / "py38" / "savedmodel_plain"
    files = [
        SourceFile(
            path.relative_to(root).as_posix(),
            path.stat().st_size,
            unread() if ".data-" in path.name else io.BytesIO(path.read_bytes()),
        )
        for path in root.rglob("*")
        if path.is_file()
    ]
    facts = read_saved_model(files, values=Values(1 << 30))
    assert facts.defects == ()
    assert {tensor.digest for tensor in facts.tensors} == {None}
    assert any(tensor.extents for tensor in facts.tensors)


@pytest.mark.parametrize(
    ("name", "layers", "has_training"),
    [
        ("py37tf115/savedmodel_plain", 2, True),
        ("py37tf23/savedmodel_plain", 3, True),
        ("py38tf24/savedmodel_lambda", 4, False),
        ("py36/savedmodel_lambda", 4, False),
        ("py38/savedmodel_plain", 3, True),
        ("py310/savedmodel_lambda", 4, False),
    ],
)
def test_the_root_models_configuration_is_kept_as_an_h5s_is(
    models: Path, name: str, layers: int, has_training: bool
) -> None:
    """Whether it was inside the graph (2.4 and older) or in ``keras_metadata.pb``."""
    facts = folder_facts(models / name)
    assert facts.config is not None
    config = json.loads(facts.config)
    assert sorted(config) == ["class_name", "config"]
    assert (config["class_name"], len(config["config"]["layers"])) == ("Sequential", layers)
    assert (facts.training_config is not None) is has_training
    if facts.training_config is not None:
        assert json.loads(facts.training_config)["loss"] in ("mse", "mean_squared_error", "binary_crossentropy")


def test_the_configuration_of_an_h5_and_of_a_savedmodel_of_one_keras_are_one_text(
    models: Path, read: Callable[..., Facts]
) -> None:
    """Keras 2.6, which writes both in one dialect."""
    saved = folder_facts(models / "py36" / "savedmodel_lambda")
    h5 = read(models / "py36" / "lambda.h5", "m.h5")
    assert (saved.config, saved.training_config) == (h5.config, h5.training_config)


def test_a_graph_without_keras_has_no_configuration(models: Path) -> None:
    """``Model.export`` leaves functions only."""
    facts = folder_facts(models / "py311" / "savedmodel_export", values=True)
    assert (facts.config, facts.training_config, facts.keras_version) == (None, None, None)
    assert all(tensor.digest for tensor in facts.tensors if tensor.dtype != "string")
