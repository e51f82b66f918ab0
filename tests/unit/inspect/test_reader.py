"""Real files of every writer, read in this process, and folders."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from modelreg.facts import Container, DefectKind, Facts, HazardKind
from modelreg.inspect import limits
from modelreg.inspect.reader import read_artifact
from modelreg.inspect.source import SourceFile, unread
from modelreg.records import canonical_json, from_json, parse_json, to_json

Read = Callable[..., Facts]

WRITERS = {  # folder: Python, Keras version, container of what is called .keras
    "py36tf1": ("3.6", "2.2.4", Container.KERAS_HDF5),
    "py36": ("3.6", "2.6.0", Container.KERAS_HDF5),
    "py38": ("3.8", "2.13.1", Container.KERAS_ZIP),
    "py310": ("3.10", "2.15.0", Container.KERAS_ZIP),
    "py311": ("3.11", "3.15.1", Container.KERAS_ZIP),
    "py313": ("3.13", "3.15.1", Container.KERAS_ZIP),
}
ALL_FILES = sorted(
    str(path.relative_to(Path(__file__).parents[2] / "models"))
    for writer in WRITERS
    for path in (Path(__file__).parents[2] / "models" / writer).iterdir()
    if path.suffix in (".h5", ".keras")
)
NESTED = {
    "py36/lambda_timedistributed.h5": "model_2/td/sq",
    "py38/lambda_timedistributed.h5": "model_2/td/sq",
    "py38/lambda_nested.h5": "model_1/sequential_3/inner_lambda",
    "py310/lambda_nested.keras": "model_1/sequential_3/inner_lambda",
    "py311/lambda_nested.h5": "functional_5/sequential_3/inner_lambda",
    "py313/lambda_nested.keras": "functional_5/sequential_3/inner_lambda",
}


def folder(**files: bytes) -> list[SourceFile]:
    return [SourceFile(path, len(data), io.BytesIO(data)) for path, data in files.items()]


@pytest.mark.parametrize("name", ALL_FILES)
def test_a_real_files_facts_are_complete_and_survive_the_manifest(models: Path, read: Read, name: str) -> None:
    """Container, version, layers and tensors are there, nothing is wrong, and canonical JSON gives the same back."""
    writer, path = name.partition("/")[0], models / name
    _, version, archive = WRITERS[writer]
    facts = read(path, path.name)
    weights = {"plain.weights.h5": Container.KERAS_V3_WEIGHTS, "plain_weights_only.h5": Container.KERAS_HDF5_WEIGHTS}
    expected = archive if path.suffix == ".keras" else weights.get(path.name, Container.KERAS_HDF5)
    assert facts.container is expected
    assert (facts.hazards, facts.defects) == ((), ())
    assert bool(facts.tensors) is ("timedistributed" not in name)  # which has no weights
    if not facts.container.holds_weights_only:
        assert facts.keras_version == version
        assert {"InputLayer", "Dense", "LSTM"} & {layer.class_name for layer in facts.layers}
    data = canonical_json(to_json(facts))
    assert from_json(Facts, parse_json(data, what="facts"), what="facts") == facts


@pytest.mark.parametrize("name", [name for name in ALL_FILES if "lambda" in name and "def_defaults.keras" not in name])
def test_the_writers_python_is_among_those_of_its_lambdas(models: Path, read: Read, name: str) -> None:
    """For every real Lambda file."""
    python = WRITERS[name.partition("/")[0]][0]
    facts = read(models / name)
    assert facts.lambdas
    assert python in facts.writer_pythons
    assert all(python in code.pythons for code in facts.lambdas)


@pytest.mark.parametrize(("name", "path"), NESTED.items(), ids=list(NESTED))
def test_a_nested_lambda_is_found_at_its_path(models: Path, read: Read, name: str, path: str) -> None:
    """Inside a nested model and inside a wrapper."""
    assert path in [code.path for code in read(models / name).lambdas]


def test_a_named_function_is_bytecode_in_keras_2_and_a_name_in_keras_3(models: Path, read: Read) -> None:
    """The same source, two ways to store it."""
    assert [code.layer for code in read(models / "py38/lambda_def_defaults.h5").lambdas] == ["shift"]
    facts = read(models / "py313/lambda_def_defaults.keras")
    assert facts.lambdas == ()
    assert [(item.class_name, item.role) for item in facts.custom_objects] == [("shifted", "object")]


@pytest.mark.parametrize("name", [name for name in ALL_FILES if "/custom_" in name])
def test_custom_objects_of_real_files_are_told(models: Path, read: Read, name: str) -> None:
    """The custom activation and the custom layer, in every dialect, and nothing else."""
    expected = ("custom_activation", "activation") if "activation" in name else ("Twice", "layer")
    assert [(item.class_name, item.role) for item in read(models / name).custom_objects] == [expected]


@pytest.mark.parametrize(
    "name", [name for name in ALL_FILES if "custom" not in name and "def_defaults.keras" not in name]
)
def test_other_real_files_need_no_custom_object(models: Path, read: Read, name: str) -> None:
    """No false alarm."""
    assert read(models / name).custom_objects == ()


@pytest.mark.parametrize("writer", ["py38", "py311", "py313"])
def test_training_is_told(models: Path, read: Read, writer: str) -> None:
    """A compiled model has a training configuration and optimizer weights; one that was not compiled has none."""
    compiled = read(models / writer / "compiled_trained.h5")
    assert compiled.has_training_config
    assert any(tensor.path.startswith("optimizer_weights/") for tensor in compiled.tensors)
    assert read(models / writer / "lambda.h5").has_training_config is False


def test_a_folder_with_one_model_among_other_files_is_that_model(models: Path) -> None:
    """A download with a licence and a picture beside the model."""
    data = (models / "py38/plain.h5").read_bytes()
    facts = read_artifact(folder(**{"LICENSE": b"text", "cat.png": b"\x89PNG\r\n", "model.h5": data}))
    assert (facts.container, facts.file) == (Container.KERAS_HDF5, "model.h5")


def test_a_folder_with_two_models_is_opaque(models: Path) -> None:
    """Which of them is meant cannot be known."""
    data = (models / "py38/plain.h5").read_bytes()
    assert read_artifact(folder(**{"a.h5": data, "b.h5": data})) == Facts(Container.OPAQUE, ".")


def test_a_folder_without_a_model_is_opaque() -> None:
    """Kept as bytes."""
    assert read_artifact(folder(a=b"text", b=b"more")) == Facts(Container.OPAQUE, ".")


def test_an_empty_folder_is_a_defect() -> None:
    """There is nothing to keep."""
    assert [defect.kind for defect in read_artifact([]).defects] == [DefectKind.EMPTY]


def test_a_big_folder_without_a_saved_model_is_not_read() -> None:
    """That it was not read is told."""
    files = [SourceFile(f"{index}", 1, unread()) for index in range(limits.FOLDER_FILES_READ_MAX + 1)]
    assert [hazard.kind for hazard in read_artifact(files).hazards] == [HazardKind.TOO_MUCH]


def test_a_saved_model_folder_is_read_as_one(models: Path) -> None:
    """Told by ``saved_model.pb`` at its root."""
    root = models / "py38" / "savedmodel_lambda"
    files: Sequence[Path] = sorted(path for path in root.rglob("*") if path.is_file())
    facts = read_artifact(
        [SourceFile(p.relative_to(root).as_posix(), p.stat().st_size, io.BytesIO(p.read_bytes())) for p in files]
    )
    assert facts.container is Container.SAVED_MODEL
    assert "3.8" in facts.writer_pythons


@pytest.mark.parametrize(
    ("name", "container"), [("tf220/plain.tflite", Container.TFLITE), ("onnx/plain.onnx", Container.ONNX)]
)
def test_other_formats_reach_their_reader(models: Path, read: Read, name: str, container: Container) -> None:
    """TFLite and ONNX."""
    assert read(models / name).container is container


@pytest.mark.parametrize("name", ["py38/plain.h5", "py38/plain.keras", "py313/lambda.h5"])
def test_the_same_bytes_give_the_same_facts(models: Path, read: Read, name: str) -> None:
    """Facts are signed, so they must not depend on anything else."""
    assert canonical_json(to_json(read(models / name))) == canonical_json(to_json(read(models / name)))
