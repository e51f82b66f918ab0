"""Loading: the one door to Keras gives the recorded predictions, and what is refused never gets there."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelreg import LoadError, RefusedError, Registry

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="needs the tensorflow extra"),
]

TOLERANCE = 1e-5


@pytest.fixture(autouse=True)
def quiet_tensorflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let TensorFlow's and Keras's own deprecations pass: they are about their code, not about ours."""
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    with warnings.catch_warnings():
        for module in ("keras", "tensorflow", "google", "numpy", "h5py"):
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=rf"{module}(\..*)?")
            warnings.filterwarnings("ignore", category=FutureWarning, module=rf"{module}(\..*)?")
        yield


def custom_objects() -> dict[str, object]:
    """The function and the class that the writers of the real files had; tests/models/make_models_a.py."""
    import keras

    class Twice(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self, factor: float = 2.0, **options: Any) -> None:
            super().__init__(**options)
            self.factor = factor

        def call(self, inputs: Any) -> Any:
            return inputs * self.factor

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "factor": self.factor}

    return {"Twice": Twice, "custom_activation": lambda inputs: inputs * (inputs + 1.0)}


def predictions(model: Any, models: Path, name: str) -> float:
    """The largest difference between what ``model`` predicts and what its writer recorded."""
    import numpy as np

    given = np.load(models / f"{name}.input.npy")
    recorded = np.load(models / f"{name}.expected.npy")
    told = model(given)
    if isinstance(told, dict):
        (told,) = told.values()
    return float(np.max(np.abs(np.asarray(told) - recorded)))


@pytest.mark.parametrize("suffix", ["h5", "keras"])
@pytest.mark.parametrize("name", ["plain", "custom_activation", "custom_layer", "compiled_trained"])
def test_a_loaded_model_predicts_what_its_writer_recorded(
    registry: Registry, models: Path, name: str, suffix: str
) -> None:
    """Claim: push, verify and load give the same function back, to 1e-5, for both of Keras's formats."""
    path = f"py311/{name}.{suffix}"
    registry.push(models / path, name="m", environment="none")
    wanted = {wanted.class_name for wanted in registry.show("m", target="none").manifest.facts.custom_objects}
    objects = {key: value for key, value in custom_objects().items() if key in wanted}
    model = registry.load("m", custom_objects=objects)
    assert predictions(model, models, path) <= TOLERANCE


@pytest.mark.parametrize("suffix", ["h5", "keras"])
@pytest.mark.parametrize("name", ["custom_activation", "custom_layer"])
def test_a_custom_object_that_is_not_given_is_refused_by_name(
    registry: Registry, models: Path, name: str, suffix: str
) -> None:
    """Claim: load without the needed object is refused with MR420 that names it, not left to Keras's own error."""
    registry.push(models / "py311" / f"{name}.{suffix}", name="m", environment="none")
    (wanted,) = registry.show("m", target="none").manifest.facts.custom_objects
    with pytest.raises(RefusedError, match=wanted.class_name) as caught:
        registry.load("m")
    assert [finding.rule for finding in caught.value.verdict.refusals] == ["MR420"]
    assert caught.value.exit_status == 64


def test_a_model_can_be_compiled_again(registry: Registry, models: Path) -> None:
    """Claim: compile=True restores optimizer and loss, compile=False leaves them out."""
    registry.push(models / "py311" / "compiled_trained.keras", name="m", environment="none")
    with warnings.catch_warnings():
        # Keras 3.15 builds the optimizer later than it loads its variables, and says so about its own file.
        warnings.filterwarnings("ignore", message="Skipping variable loading for optimizer", category=UserWarning)
        assert registry.load("m", compile=True).compiled
    assert not registry.load("m").compiled


@pytest.mark.parametrize(
    ("folder", "recorded"),
    [("py311/savedmodel_export", "py311/plain.h5"), ("py38/savedmodel_plain", "py38/plain.h5")],
)
def test_a_saved_model_runs_through_tfsmlayer_or_is_refused_with_that_hint(
    registry: Registry, models: Path, folder: str, recorded: str
) -> None:
    """Claim: under Keras 3 a SavedModel comes back as a TFSMLayer that predicts the same; never as Keras's own error."""
    import keras

    registry.push(models / folder, name="m", environment="none")
    model = registry.load("m", allow=["MR402"])
    assert isinstance(model, keras.layers.TFSMLayer)
    assert predictions(model, models, recorded) <= TOLERANCE
    with pytest.raises(RefusedError) as caught:
        registry.pull("m", "never", strict=["MR405"], dry_run=True)
    assert "TFSMLayer" in (caught.value.hint or "")


def test_a_lambda_of_this_python_loads_when_it_is_allowed(registry: Registry, models: Path) -> None:
    """Claim: safe_mode=False and an allowed MR301 load a Lambda that this very Python minor wrote, and it computes."""
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the file's bytecode is of Python 3.11, and no other Python can run it")
    registry.push(models / "py311" / "lambda.h5", name="m", environment="none")
    model = registry.load("m", safe_mode=False, allow=["MR301", "MR402"])
    assert predictions(model, models, "py311/lambda.h5") <= TOLERANCE


def test_what_keras_refuses_all_the_same_is_a_load_error(registry: Registry, models: Path) -> None:
    """Claim: Keras's own exception is the cause of a LoadError that quotes it, and no private copy is left behind."""
    registry.push(models / "py311" / "custom_layer.keras", name="m", environment="none")
    with pytest.raises(LoadError, match="although its bytes are what was pushed") as caught:
        registry.load("m", provides=["Twice"])
    assert caught.value.__cause__ is not None
    assert caught.value.exit_status == 1


# --- refused before Keras is imported -----------------------------------------------------------------------------------

ATTEMPT = """
import json, sys, tempfile
from pathlib import Path
from modelreg import RefusedError, Registry
home, options = sys.argv[1], json.loads(sys.argv[2])
with Registry.open(home=home, create=False) as registry:
    try:
        registry.load("m", **options)
    except RefusedError as error:
        told = [[f.rule for f in error.verdict.refusals], error.exit_status, error.message]
        left = [path.name for path in Path(tempfile.gettempdir()).glob("modelreg-load-*")]
        print(json.dumps([*told, sorted({"keras", "tensorflow"} & set(sys.modules)), left]))
"""


Attempt = Callable[[str, dict[str, object]], list[Any]]


@pytest.fixture
def attempt(
    registry: Registry,
    models: Path,
    tmp_path: Path,
    start: Callable[..., subprocess.Popen[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> Attempt:
    """``attempt(path, options)`` pushes a file and loads it in a fresh process with a folder for temporaries of its own."""

    def run(path: str, options: dict[str, object]) -> list[Any]:
        registry.push(models / path, name="m", environment="none")
        private = tmp_path / "private"
        private.mkdir()
        monkeypatch.setenv("TMPDIR", str(private))
        output, errors = start(ATTEMPT, tmp_path / "home", json.dumps(options)).communicate(timeout=60)
        told: list[Any] = json.loads(output or errors)
        return told

    return run


@pytest.mark.parametrize(
    ("path", "options", "rule", "status", "says"),
    [
        ("py38/plain_weights_only.h5", {}, "MR410", 64, "holds weights only"),
        ("py311/plain.weights.h5", {}, "MR410", 64, "build the model, then `load_weights`"),
        ("py311/lambda.h5", {"allow": ["MR301", "MR402"]}, "MR310", 32, "safe mode"),
        ("py311/lambda.keras", {"allow": ["MR301", "MR402"]}, "MR310", 32, "safe mode"),
        ("py38/lambda.h5", {"safe_mode": False, "allow": ["MR301"]}, "MR401", 64, "bad marshal data"),
        ("py38/lambda.keras", {"safe_mode": False, "allow": ["MR301"]}, "MR401", 64, "bad marshal data"),
        ("tf220/plain.tflite", {}, "MR412", 64, "TensorFlow Lite"),
        ("onnx/plain.onnx", {}, "MR412", 64, "ONNX"),
    ],
)
def test_what_cannot_be_loaded_is_refused_before_keras_is_imported(
    attempt: Attempt, path: str, options: dict[str, object], rule: str, status: int, says: str
) -> None:
    """Claim: load refuses with the rule and its sentence while sys.modules has neither keras nor tensorflow."""
    rules, exit_status, message, imported, left = attempt(path, options)
    assert (rule in rules, exit_status) == (True, status)
    assert says in message
    assert (imported, left) == ([], [])
