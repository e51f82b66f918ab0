"""SavedModel folders, by those that TensorFlow 2.4 to 2.21 wrote."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.facts import Container, CustomObject, DefectKind, Facts, HazardKind, Layer
from modelreg.inspect import limits
from modelreg.inspect.keras_metadata import KerasObject, read_keras_objects
from modelreg.inspect.saved_model import read_saved_model
from modelreg.inspect.source import SourceFile
from modelreg.records import canonical_json, to_json

MODELS = Path(__file__).parents[2] / "models"
INDEX = "variables/variables.index"
SHARD = "variables/variables.data-00000-of-00001"


def folder(name: str) -> dict[str, bytes]:
    root = MODELS / name
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def read(files: dict[str, bytes]) -> Facts:
    return read_saved_model([SourceFile(path, len(data), io.BytesIO(data)) for path, data in files.items()])


PLAIN = folder("py38/savedmodel_plain")
LAMBDA = folder("py38/savedmodel_lambda")


@pytest.mark.parametrize(
    ("name", "tensorflow", "keras", "pythons"),
    [
        ("py38tf24/savedmodel_lambda", "2.4.4", "2.4.0", ("3.8", "3.9")),
        ("py36/savedmodel_lambda", "2.6.2", "2.6.0", ("3.6", "3.7")),
        ("py38/savedmodel_lambda", "2.13.1", "2.13.1", ("3.8", "3.9")),
        ("py310/savedmodel_lambda", "2.15.1", "2.15.0", ("3.10",)),
    ],
)
def test_versions_and_the_lambda_are_told(name: str, tensorflow: str, keras: str, pythons: tuple[str, ...]) -> None:
    """Both homes of Keras's metadata (inside the graph up to 2.4, beside it later) tell the same things, once."""
    facts = read(folder(name))
    assert (facts.container, facts.file) == (Container.SAVED_MODEL, ".")
    assert (facts.tensorflow_version, facts.keras_version, facts.backend) == (tensorflow, keras, "tensorflow")
    assert [(code.layer, code.pythons) for code in facts.lambdas] == [("scale", pythons)]
    assert facts.writer_pythons == pythons
    assert [layer.class_name for layer in facts.layers] == ["Sequential", "InputLayer", "Dense", "Lambda", "Dense"]
    assert Layer("scale", "Lambda", "sequential_1/scale") in facts.layers
    assert facts.has_training_config is False
    assert not facts.custom_objects
    assert not facts.hazards
    assert not facts.defects


def test_a_compiled_model_says_so_and_its_metrics_are_not_layers() -> None:
    """``Mean``, which Keras tracks for the loss, is neither a layer nor a custom object."""
    facts = read(PLAIN)
    assert facts.has_training_config is True
    assert [layer.class_name for layer in facts.layers] == ["Sequential", "InputLayer", "Dense", "Dense"]
    assert not facts.custom_objects


def test_an_exported_graph_has_no_keras_in_it() -> None:
    """``Model.export`` leaves TensorFlow's part only, whatever Keras made it."""
    facts = read(folder("py311/savedmodel_export"))
    assert (facts.tensorflow_version, facts.keras_version, facts.has_training_config) == ("2.21.0", None, None)
    assert not facts.layers
    assert not facts.hazards
    assert not facts.defects


@pytest.mark.parametrize(
    ("name", "digests"),
    [
        (
            "py38/savedmodel_plain",
            {
                "keras_api/metrics/0/count": ((), "float32", "df3f619804a92fdb"),
                "keras_api/metrics/0/total": ((), "float32", "df3f619804a92fdb"),
                "layer_with_weights-0/bias": ((8,), "float32", "66687aadf862bd77"),
                "layer_with_weights-0/kernel": ((10, 8), "float32", "92287badda687aae"),
                "layer_with_weights-1/bias": ((1,), "float32", "df3f619804a92fdb"),
                "layer_with_weights-1/kernel": ((8, 1), "float32", "d2e18aed86bb2d2e"),
                "optimizer/_iterations": ((), "int64", "af5570f5a1810b7a"),
                "optimizer/_learning_rate": ((), "float32", "0835a5c87ba00a93"),
            },
        ),
        (
            "py38tf24/savedmodel_lambda",
            {
                "layer_with_weights-0/bias": ((8,), "float32", "66687aadf862bd77"),
                "layer_with_weights-0/kernel": ((10, 8), "float32", "054727643871895f"),
                "layer_with_weights-1/bias": ((1,), "float32", "df3f619804a92fdb"),
                "layer_with_weights-1/kernel": ((8, 1), "float32", "e16673dd94ffb155"),
            },
        ),
    ],
)
def test_the_bytes_at_the_extents_are_the_variables_values(
    name: str, digests: dict[str, tuple[tuple[int, ...], str, str]]
) -> None:
    """The digests are those of the values that TensorFlow's own checkpoint reader returned for these files."""
    files = folder(name)
    found = {}
    for tensor in read(files).tensors:
        if tensor.path == "_CHECKPOINTABLE_OBJECT_GRAPH":
            assert tensor.dtype == "string"
            continue
        (extent,) = tensor.extents
        values = files[tensor.file][extent.offset : extent.offset + extent.size_bytes]
        path = tensor.path.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE")
        found[path] = (tensor.shape, tensor.dtype, hashlib.sha256(values).hexdigest()[:16])
    assert found == digests


def test_a_python_function_in_the_graph_is_a_hazard() -> None:
    """``tf.py_function`` leaves an operation that only the saving process could run."""
    (hazard,) = read(folder("tf220/savedmodel_pyfunc")).hazards
    assert hazard.kind is HazardKind.EXECUTABLE_OP
    assert hazard.where.endswith("node EagerPyFunc")
    assert hazard.detail == "EagerPyFunc calls back into the Python that saved it (1 times in the graph)"


def test_an_operation_that_reads_files_is_found_in_a_real_graph() -> None:
    """``Identity`` of the function library, renamed in place to an operation of the same length, is found and counted."""
    graph = PLAIN["saved_model.pb"].replace(b"\x12\x08Identity", b"\x12\x08ReadFile")
    (hazard,) = read(PLAIN | {"saved_model.pb": graph}).hazards
    assert (hazard.kind, hazard.where.split(",")[1]) == (HazardKind.OUTSIDE_FILE, " node Identity")
    assert hazard.detail == "ReadFile reads files that the graph names (40 times in the graph)"


def graph_of(op: str, *, attribute: bytes = b"") -> dict[str, bytes]:
    """A SavedModel whose graph is the one node ``n``, written after the schema."""
    node = b"\x0a\x01n" + field(2, op.encode()) + attribute
    return {"saved_model.pb": field(2, field(2, field(1, node)))}


def field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


@pytest.mark.parametrize("op", ["WriteFile", "PyFunc", "PyFuncStateless", "EagerPyFunc", "Save", "RegisterDataset"])
def test_operations_that_reach_outside_are_hazards(op: str) -> None:
    """Python, files and the network, told by the operation's name."""
    (hazard,) = read(graph_of(op)).hazards
    assert hazard.kind in (HazardKind.EXECUTABLE_OP, HazardKind.OUTSIDE_FILE)
    assert hazard.where == "graph, node n"


def test_an_asset_whose_path_climbs_out_of_the_folder_is_a_hazard() -> None:
    """``AssetFileDef.filename`` is joined to the model's ``assets`` folder when the graph is loaded."""
    for name, unsafe in (("../../etc/passwd", True), ("vocabulary.txt", False)):
        asset = field(6, field(2, name.encode()))
        found = read({"saved_model.pb": field(2, field(2, b"\x0a\x05\x0a\x01n\x12\x00") + asset)}).hazards
        assert [hazard.kind for hazard in found] == [HazardKind.OUTSIDE_FILE] * unsafe


@pytest.mark.parametrize("op", ["RestoreV2", "SaveV2", "MergeV2Checkpoints", "ShardedFilename", "PrintV2", "ReadFile2"])
def test_operations_that_every_saved_model_has_are_none(op: str) -> None:
    """A SavedModel restores its own variables by operations; to call those dangerous would refuse them all."""
    assert not read(graph_of(op)).hazards


def test_printing_into_a_file_is_a_hazard() -> None:
    """``PrintV2`` writes wherever its attribute ``output_stream`` says."""
    attribute = field(5, field(1, b"output_stream") + field(2, field(2, b"file:///etc/passwd")))
    (hazard,) = read(graph_of("PrintV2", attribute=attribute)).hazards
    assert "writes files" in hazard.detail


def without(path: str) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    return lambda files: {name: data for name, data in files.items() if name != path}


def cut(path: str, size_bytes: int) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    return lambda files: files | {path: files[path][:-size_bytes]}


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (without("saved_model.pb"), "there is no saved_model.pb"),
        (without(INDEX), "variables.index is missing"),
        (without(SHARD), "data-00000-of-00001 is missing"),
        (cut("saved_model.pb", 5), "saved_model.pb is not a SavedModel: field 2"),
        (cut("keras_metadata.pb", 5), "keras_metadata.pb cannot be parsed"),
        (cut(INDEX, 5), "variables.index cannot be read"),
        (cut(SHARD, 2000), "the index puts"),
        (lambda files: files | {"saved_model.pb": b""}, "holds no graph"),
        (lambda files: files | {"saved_model.pb": b"version https://git-lfs"}, "is not a SavedModel"),
    ],
)
def test_each_way_of_being_damaged_is_told(damage: Callable[[dict[str, bytes]], dict[str, bytes]], reason: str) -> None:
    """A folder that TensorFlow could not load, or would load wrongly, has a defect that says why."""
    defects = read(damage(PLAIN)).defects
    assert {defect.kind for defect in defects} == {DefectKind.DAMAGED_SAVED_MODEL}
    assert any(reason in defect.detail for defect in defects), defects


def test_a_shard_cut_by_one_byte_is_noticed() -> None:
    """The last tensor then ends beyond the file; the others keep their extents."""
    facts = read(cut(SHARD, 1)(PLAIN))
    assert len(facts.defects) == 1
    assert [tensor.path for tensor in facts.tensors if not tensor.extents] == ["_CHECKPOINTABLE_OBJECT_GRAPH"]


def test_a_graph_in_a_form_that_is_not_read_is_not_passed_over() -> None:
    """With ``saved_model.pbtxt`` alone nothing is known of the graph, and that is said."""
    facts = read(without("saved_model.pb")(PLAIN) | {"saved_model.pbtxt": b"meta_graphs {}"})
    assert [hazard.kind for hazard in facts.hazards] == [HazardKind.TOO_MUCH]
    assert facts.defects


def test_a_graph_beyond_the_bound_is_said_to_be_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reached bound is a hazard, never silence."""
    monkeypatch.setattr(limits, "SAVED_MODEL_GRAPH_SIZE_BYTES_MAX", 1000)
    assert [hazard.kind for hazard in read(PLAIN).hazards] == [HazardKind.TOO_MUCH]


def layer_text(class_name: str, **metadata: object) -> KerasObject:
    text = {"class_name": class_name, "name": "x", "config": {"name": "x"}, **metadata}
    return KerasObject("_tf_keras_layer", json.dumps(text).encode())


def test_a_custom_layer_is_needed_only_where_keras_cannot_do_without_it() -> None:
    """Keras falls back to a layer's saved functions unless ``must_restore_from_config`` says otherwise."""
    free = read_keras_objects([layer_text("Twice", must_restore_from_config=False)], file="f").config
    bound = read_keras_objects([layer_text("Twice", must_restore_from_config=True)], file="f").config
    assert [layer.class_name for layer in free.layers] == ["Twice"]
    assert not free.custom_objects
    assert [(item.class_name, item.role) for item in bound.custom_objects] == [("Twice", "layer")]


def test_custom_losses_of_the_training_configuration_are_told() -> None:
    """They are needed to compile, and marked as needed for that only."""
    training = {"loss": "my_loss", "metrics": None, "optimizer_config": {"class_name": "Adam", "config": {}}}
    found = read_keras_objects([layer_text("Dense", training_config=training)], file="f").config
    assert found.has_training_config
    assert [(item.class_name, item.needed_for_training_only) for item in found.custom_objects] == [("my_loss", True)]
    assert all(isinstance(item, CustomObject) for item in found.custom_objects)


@pytest.mark.parametrize("text", [b"", b"{", b"[" * 5000, b"[" * 100_000, b'{"a":1,"a":2', b"\xff\xfe\x00"])
def test_texts_that_are_no_json_are_defects_or_hazards(text: bytes) -> None:
    """Whatever stands where the JSON belongs, nothing is raised and it is not passed over."""
    found = read_keras_objects([KerasObject("_tf_keras_layer", text)], file="f").config
    assert found.defects or found.hazards


@given(st.data())
def test_mutated_folders_are_read_or_told_to_be_damaged(data: st.DataObject) -> None:
    """No mutation of any file raises; the facts can be written down, and every extent stays within its shard."""
    files = dict(LAMBDA)
    path = data.draw(st.sampled_from(sorted(files)))
    damaged = bytearray(files[path])
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    files[path] = bytes(damaged[: data.draw(st.integers(0, len(damaged)))] if data.draw(st.booleans()) else damaged)
    facts = read(files)
    assert canonical_json(to_json(facts))
    for tensor in facts.tensors:
        assert all(extent.offset + extent.size_bytes <= len(files[tensor.file]) for extent in tensor.extents)
