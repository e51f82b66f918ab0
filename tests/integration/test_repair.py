"""Repaired files, loaded by the Keras that runs here: measured on the oracle's, and proved by ``--prove``."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from modelreg import GoldenRequest, ProofRequest, Registry, Repaired, load_settings, repair_model

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs the tensorflow extra"),
]

NOT_MENDABLE = {"py38/lambda.keras": "numbers the weights"}
"""Keras 2.13 counts layers with weights twice in an archive: no configuration can help (MR422)."""


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """The measurement itself, which is a program and no package."""
    path = Path(__file__).resolve().parents[2] / "tools" / "repair_oracle.py"
    spec = importlib.util.spec_from_file_location("repair_oracle", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_every_lambda_file_gives_the_stored_predictions(
    tool: ModuleType, tmp_path: Path, tally: Callable[[str, int], None]
) -> None:
    """Claim: repaired for here, each loads in safe mode and predicts as its author's Keras did, within 1e-6.

    The ones that cannot be are named, each with its reason, and were not written.
    """
    here = tool.read_reader(tool.HERE, sys.executable)
    rows = tool.measure(tmp_path, here, tool.lambda_files(("py36", "py38", "py310")))
    told = {row.file: row.reason for row in rows if not row.is_mended}
    assert len(rows) == 36
    assert set(told) == set(NOT_MENDABLE), told
    for file, reason in NOT_MENDABLE.items():
        assert told[file].startswith("not written")
        assert reason in told[file]
    tally("Lambda files repaired, with the stored predictions", sum(row.is_mended for row in rows))
    page = tool.PAGE.read_text(encoding="utf-8")
    for row in rows:
        cell = "mended" if row.is_mended else ", ".join(row.rules)
        assert f"| {row.file} | {cell} |" in page, f"docs/repairs.md says otherwise of {row.file}: run the tool"


Repair = Callable[..., Repaired]
GOLDEN = Path(__file__).resolve().parents[1] / "vectors" / "golden-v1-keras-2.2.4-lstm.npz"
OWN_LAYER = """
import keras

class Twice(keras.layers.Layer):
    def __init__(self, factor=2.0, **options):
        super().__init__(**options)
        self.factor = factor

    def call(self, inputs):
        return inputs * self.factor
"""
LAYER_NAMED_RELU = """
import keras, sys
model = keras.Sequential([
    keras.Input((4,)),
    keras.layers.Lambda(lambda x: x - 1.0, name="relu"),
    keras.layers.Dense(3, activation="relu", bias_initializer="ones"),
])
model.save(sys.argv[1])
"""


@pytest.fixture
def repair(tmp_path: Path) -> Repair:
    """``repair(file, proof, "out.h5")`` for the Keras that runs here."""

    def run(file: Path, proof: ProofRequest, out: str = "out.h5", **checks: Any) -> Repaired:
        settings = load_settings({})
        return repair_model(str(file), tmp_path / out, settings=settings, target="current", proof=proof, **checks)

    return run


def test_the_old_definition_is_proved_by_what_the_old_keras_predicted(
    registry: Registry, models: Path, tmp_path: Path, repair: Repair
) -> None:
    """Claim: an LSTM of Keras 2.2.4 is written out with its hard_sigmoid, and predicts what Keras 2.2.4 did, to 1e-6.

    The golden predictions are that Keras's own (``tests/vectors/README.md``).  Demanding the last bit refuses it, and
    nothing is written.
    """
    folder = _pulled(registry, models / "py36tf1/lstm.h5", tmp_path)
    result = repair(folder / "lstm.h5", ProofRequest(tolerance="1e-6"))
    assert result.proof is not None
    assert (result.proof.outcome, result.proof.before, result.is_written) == ("same", None, True)
    assert result.proof.recorded is not None
    assert result.proof.recorded.keras == "2.2.4"
    refused = repair(folder / "lstm.h5", ProofRequest(tolerance="0"), "other.h5")
    assert refused.proof is not None
    assert refused.proof.outcome == "different"
    assert [finding.rule for finding in refused.verdict.refusals] == ["MR440"]
    assert not refused.is_written
    assert not (tmp_path / "other.h5").exists()


def _pulled(registry: Registry, model: Path, folder: Path) -> Path:
    """``model`` pushed and pulled with the golden predictions of the vector, which a stand-in for Keras 2.2.4 hands out."""
    import zipfile

    with zipfile.ZipFile(GOLDEN) as archive:
        header = json.loads(archive.read("golden.json"))
    kept = ("inputs", "outputs", "samples", "tolerance", "versions")
    answer = {"outcome": "made", "stage": "done"} | {key: header[key] for key in kept}
    (folder / "answer").write_text(json.dumps(answer))
    program = folder / "python-of-sorts"
    program.write_text(f"#!/bin/sh\ncp {folder}/answer result.json\ncp {GOLDEN} golden.npz\n")
    program.chmod(0o755)
    registry.push(model, name="m", environment="none", golden=GoldenRequest(4, str(program)))
    registry.pull("m", folder / "pulled", target="none")
    return folder / "pulled"


def test_functions_are_imported_as_a_user_imports_them(tmp_path: Path, repair: Repair) -> None:
    """Claim: a function whose Lambda was called ``relu`` does not take the place of Keras's own relu in the proof."""
    model = tmp_path / "model.keras"
    subprocess.run([sys.executable, "-c", LAYER_NAMED_RELU, str(model)], check=True, timeout=300, capture_output=True)
    result = repair(model, ProofRequest(), "out.keras", allow=["MR301"])
    assert "def relu(" in (result.source or "")
    assert result.proof is not None
    assert (result.proof.outcome, result.is_written) == ("same", True)


def test_a_model_with_own_layers_needs_them_for_its_proof(models: Path, tmp_path: Path, repair: Repair) -> None:
    """Claim: without the class OUT does not load, which refuses and says what to give; with it the numbers are the same."""
    shutil.copy(models / "py38/custom_layer.h5", tmp_path / "own.h5")
    (tmp_path / "own_layers.py").write_text(OWN_LAYER)
    refused = repair(tmp_path / "own.h5", ProofRequest())
    assert not refused.is_written
    (finding,) = refused.verdict.refusals
    assert (finding.rule, finding.fix) == ("MR441", "--custom-objects MODULE with 'Twice' in it")
    result = repair(tmp_path / "own.h5", ProofRequest(custom_objects=(str(tmp_path / "own_layers.py"),)))
    assert result.proof is not None
    assert (result.proof.outcome, result.is_written) == ("same", True)
