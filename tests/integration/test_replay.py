"""Replays by a real Keras: golden predictions made at push, computed again, and told apart when they differ.

``MODELREG_REPLAY_PYTHONS`` may name further interpreters, joined by colons; each then computes what this one recorded.
"""

from __future__ import annotations

import importlib.util
import json
import os
import stat
from pathlib import Path

import pytest

from modelreg import GoldenRequest, LoadError, PredictionRun, RefusedError, Registry, ReplayRequest, replay_folder
from modelreg.facts import Container
from modelreg.replay import Making, run_predictions

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="needs the tensorflow extra"),
]

VECTORS = Path(__file__).resolve().parents[1] / "vectors"
OTHER_PYTHONS = [Path(name) for name in os.environ.get("MODELREG_REPLAY_PYTHONS", "").split(":") if name]
CUSTOM_OBJECTS = """
import keras

class Twice(keras.layers.Layer):
    def __init__(self, factor=2.0, **options):
        super().__init__(**options)
        self.factor = factor

    def call(self, inputs):
        return inputs * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}

def custom_activation(inputs):
    return inputs * (inputs + 1.0)

class Noise(keras.layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.numbers = keras.random.SeedGenerator()

    def call(self, inputs):
        return inputs + keras.random.normal(keras.ops.shape(inputs), seed=self.numbers)
"""


@pytest.fixture(autouse=True)
def one_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")


@pytest.fixture
def layers_file(tmp_path: Path) -> str:
    """A module with the custom objects of the real files."""
    (tmp_path / "own_layers.py").write_text(CUSTOM_OBJECTS)
    return str(tmp_path / "own_layers.py")


@pytest.mark.parametrize("path", ["py311/plain.h5", "py311/plain.keras", "py38/plain.h5", "py311/savedmodel_export"])
def test_what_a_model_predicted_it_predicts_again(registry: Registry, models: Path, tmp_path: Path, path: str) -> None:
    """Claim: push, replay by reference, pull with replay, replay by folder: the same numbers, for each container."""
    golden = registry.push(models / path, name="m", environment="none", golden=3).golden
    assert golden is not None
    assert (golden.samples, golden.tolerance, golden.inputs[0].shape) == (3, "1e-4", (3, 10))
    assert registry.replay("m").run.outcome == "same"
    pulled = registry.pull("m", tmp_path / "out", target="none", replay=ReplayRequest())
    assert pulled.replayed is not None
    assert pulled.replayed.outcome == "same"
    assert replay_folder(tmp_path / "out", ReplayRequest(tolerance="0")).run.outcome == "same"


def test_two_pushes_of_a_model_make_the_same_golden_predictions(registry: Registry, models: Path) -> None:
    """Claim: samples are drawn, not dealt: the store keeps one blob for both."""
    first, second = (registry.push(models / "py311/plain.keras", name="m", environment="none", golden=2) for _ in "ab")
    assert first.golden == second.golden


def test_weights_that_changed_are_found(registry: Registry, models: Path, tmp_path: Path) -> None:
    """Claim: golden predictions tell a model from one with other weights and the same architecture."""
    registry.push(models / "py311/plain.h5", name="m", environment="none", golden=2)
    registry.pull("m", tmp_path / "out", target="none")
    run = run_predictions(
        None,
        _with_other_weights(models / "py311/plain.h5", tmp_path / "other.h5"),
        Container.KERAS_HDF5,
        tmp_path / "out" / ".modelreg" / "golden.npz",
    )
    assert run.outcome == "different"
    assert [report.beyond > 0 for report in run.outputs] == [True]


def _with_other_weights(source: Path, target: Path) -> Path:
    """A copy of ``source`` with every bias a tenth larger than it was."""
    import h5py

    target.write_bytes(source.read_bytes())
    with h5py.File(target, "r+") as file:
        biases: list[str] = []
        file.visit(lambda name: biases.append(name) if name.rpartition("/")[2].startswith("bias") else None)
        for name in biases:
            file[name][...] = file[name][...] + 0.1
    assert biases
    return target


def test_a_definition_that_changed_between_versions_of_keras_is_found(
    registry: Registry, models: Path, tmp_path: Path
) -> None:
    """Claim: an LSTM of Keras 2.2.4 loads in Keras 3 without a word and is refused by MR440 for its other numbers.

    Its ``hard_sigmoid`` is another function there.  The golden predictions are what the real Keras 2.2.4 made, handed
    out by a program that stands for it; ``tests/vectors/README.md`` says how they were made.
    """
    recorded = VECTORS / "golden-v1-keras-2.2.4-lstm.npz"
    python = _canned_keras_2(tmp_path, recorded)
    registry.push(models / "py36tf1/lstm.h5", name="m", environment="none", golden=GoldenRequest(4, str(python)))
    replayed = registry.replay("m")
    assert [finding.rule for finding in replayed.verdict.refusals] == ["MR440"]
    assert replayed.verdict.exit == 64
    assert "recorded by Keras 2.2.4 on Python 3.6.15" in replayed.verdict.refusals[0].message
    with pytest.raises(RefusedError):
        registry.pull("m", tmp_path / "out", target="none", replay=ReplayRequest())
    assert not (tmp_path / "out").exists()
    assert registry.replay("m", ReplayRequest(tolerance="1")).verdict.exit == 0


def _canned_keras_2(folder: Path, recorded: Path) -> Path:
    import zipfile

    with zipfile.ZipFile(recorded) as archive:
        header = json.loads(archive.read("golden.json"))
    kept = ("inputs", "outputs", "samples", "tolerance", "versions")
    answer = {"outcome": "made", "stage": "done"} | {key: header[key] for key in kept}
    (folder / "answer").write_text(json.dumps(answer))
    program = folder / "python-of-sorts"
    program.write_text(f"#!/bin/sh\ncp {folder}/answer result.json\ncp {recorded} golden.npz\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


@pytest.mark.parametrize("name", ["custom_layer.h5", "custom_layer.keras", "custom_activation.keras"])
def test_custom_objects_come_from_a_file(registry: Registry, models: Path, layers_file: str, name: str) -> None:
    """Claim: without them nothing is pushed and the hint names the class; with them push and replay work."""
    with pytest.raises(LoadError, match="nothing was pushed") as caught:
        registry.push(models / "py311" / name, name="m", environment="none", golden=2)
    assert "--custom-objects MODULE" in (caught.value.hint or "")
    assert registry.list() == ()
    given = (layers_file,)
    registry.push(models / "py311" / name, name="m", environment="none", golden=GoldenRequest(2, custom_objects=given))
    assert registry.replay("m", ReplayRequest(custom_objects=given)).run.outcome == "same"
    assert [finding.rule for finding in registry.replay("m").verdict.refusals] == ["MR441"]


def test_a_lambda_that_is_allowed_is_replayed(registry: Registry, models: Path) -> None:
    """Claim: bytecode of this Python runs with MR301 allowed, at push and at replay."""
    import sys

    if sys.version_info[:2] != (3, 11):
        pytest.skip("the file's bytecode is of Python 3.11, and no other Python can run it")
    registry.push(models / "py311/lambda.h5", name="m", environment="none", allow=["MR301"], golden=2)
    assert registry.replay("m", allow=["MR301"]).run.outcome == "same"


# --- models made here -------------------------------------------------------------------------------------------------

BUILDERS = {
    "noise": "from own_layers import Noise; m = keras.Sequential([keras.Input((3,)), Noise()])",
    "table": "m = keras.Sequential([keras.Input((5,)), keras.layers.Embedding(7, 2)])",
    "two": "a = keras.Input((3,), name='b'); b = keras.Input((2,), name='a'); "
    "m = keras.Model([a, b], [keras.layers.Dense(2)(a), keras.layers.Dense(1, name='z')(b)])",
    "named": "a = keras.Input((3,)); b = keras.Input((2,)); "
    "m = keras.Model({'q': a, 'p': b}, {'u': keras.layers.Dense(2)(a), 'v': keras.layers.Dense(1)(b)})",
    "stateful": "m = keras.Sequential([keras.Input((4, 3), batch_size=2), keras.layers.LSTM(2, stateful=True)])",
    "open": "x = keras.Input((None, None, 3)); m = keras.Model(x, keras.layers.Conv2D(1, 40)(x))",
    "half": "keras.config.set_dtype_policy('mixed_float16'); "
    "m = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])",
    "words": "m = keras.Sequential([keras.Input((1,), dtype='string'), "
    "keras.layers.StringLookup(vocabulary=['yes', 'no'], output_mode='one_hot')])",
    "nothing": "m = keras.Sequential([keras.Input((3,)), keras.layers.Rescaling(float('nan'))])",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a ``.keras`` of each builder, saved by this Keras in a process of its own."""
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("built")
    (folder / "own_layers.py").write_text(CUSTOM_OBJECTS)
    steps = [
        f"keras.config.set_dtype_policy('float32'); keras.utils.set_random_seed(1); {build}; m.save({f'{name}.keras'!r})"
        for name, build in BUILDERS.items()
    ]
    program = "import keras\n" + "\n".join(f"exec({step!r})" for step in steps)
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True, capture_output=True, timeout=300)
    return folder


def made(built: Path, name: str, registry: Registry, **options: object) -> PredictionRun:
    registry.push(built / f"{name}.keras", name=name, environment="none", golden=GoldenRequest(4, **options))  # type: ignore[arg-type]
    return registry.replay(name).run


@pytest.mark.parametrize("name", ["table", "two", "named", "stateful", "open", "half", "words"])
def test_models_of_every_kind_of_input_are_replayed(built: Path, registry: Registry, name: str) -> None:
    """Claim: tables, several inputs by order and by name, state, open sizes, half precision and strings replay the same."""
    assert made(built, name, registry).outcome == "same"
    golden = registry.show(name, target="none").manifest.golden
    assert golden is not None
    shapes = {spec.name: spec.shape for spec in golden.inputs}
    if name == "table":
        import io

        import numpy as np

        with np.load(io.BytesIO(registry.store.read(golden.sha256, golden.size_bytes))) as archive:
            rows = archive["inputs/0"]
        assert (rows.min() >= 0, rows.max() > 1, rows.max() < 7) == (True, True, True)
    if name == "two":
        assert shapes == {"b": (4, 3), "a": (4, 2)}
    if name == "open":
        assert list(shapes.values()) == [(4, 64, 64, 3)], "32 is too small for a window of 40"
    if name == "half":
        assert golden.tolerance == "1e-2"


@pytest.mark.parametrize(
    ("name", "reason"), [("noise", "two runs on the same inputs differ"), ("nothing", "not finite")]
)
def test_a_model_that_can_have_no_golden_predictions_says_why(
    built: Path, registry: Registry, name: str, reason: str
) -> None:
    """Claim: randomness at prediction and outputs that are nowhere finite are told at push, and nothing is pushed."""
    with pytest.raises(LoadError, match=reason):
        made(built, name, registry, custom_objects=(str(built / "own_layers.py"),))
    assert registry.list() == ()


@pytest.mark.parametrize(
    ("body", "outcome"), [("import os; os.kill(os.getpid(), 11)", "killed"), ("raise SystemExit(0)", "error")]
)
def test_whatever_a_model_s_code_does_is_an_outcome(models: Path, tmp_path: Path, body: str, outcome: str) -> None:
    """Claim: code that comes with custom objects may kill or leave its process, and that is told with its stage."""
    (tmp_path / "own.py").write_text(body)
    given = (str(tmp_path / "own.py"),)
    run = run_predictions(None, models / "py311/plain.h5", Container.KERAS_HDF5, Making(2), custom_objects=given)
    assert (run.outcome, run.stage) == (outcome, "import")


@pytest.mark.parametrize("python", OTHER_PYTHONS, ids=str)
def test_other_interpreters_compute_the_same(registry: Registry, models: Path, python: Path) -> None:
    """Claim: what this Keras recorded of a file of Keras 2 each other Keras computes too."""
    registry.push(models / "py38/plain.h5", name="m", environment="none", golden=3)
    assert registry.replay("m", ReplayRequest(str(python))).run.outcome == "same"
