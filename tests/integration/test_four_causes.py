"""The four causes of "bad marshal data" and its relatives, each on a real file: what modelreg says before Keras could."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from modelreg import Mode, RefusedError, Registry

PYTHON_311 = "# python==3.11.7\ntensorflow-cpu==2.21.0\nkeras==3.15.1\n"

LOAD = """
import sys
import keras
keras.models.load_model(sys.argv[1], safe_mode=False)
print("loaded")
"""


@pytest.fixture
def target(tmp_path: Path) -> str:
    """A lock file of a Python 3.11 with Keras 3."""
    path = tmp_path / "python311.txt"
    path.write_text(PYTHON_311)
    return str(path)


@pytest.mark.parametrize("name", ["py38/lambda.h5", "py38/lambda.keras"])
def test_cause_1_bytecode_of_another_python_is_refused(
    registry: Registry, models: Path, tmp_path: Path, target: str, name: str
) -> None:
    """Claim: a Lambda by Python 3.8 for a Python 3.11 is refused with 64, naming the layer and the reason."""
    pushed = registry.push(models / name, name="m", environment="none")
    assert [finding.rule for finding in pushed.verdict.warnings] == ["MR301"]
    with pytest.raises(RefusedError) as caught:
        registry.pull("m", tmp_path / "out", target=target)
    assert caught.value.exit_status == 64
    finding = caught.value.verdict.refusals[0]
    assert finding.rule == "MR401"
    assert "'scale'" in finding.message
    assert "Python 3.8 or 3.9; the target has Python 3.11.7" in finding.message
    assert "bad marshal data" in finding.message
    assert not (tmp_path / "out").exists()


@pytest.mark.tensorflow
@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="needs the tensorflow extra")
def test_cause_1_without_modelreg_keras_really_raises_bad_marshal_data(
    models: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    """Claim: the error that started this project is real: Keras here fails on that file with these words."""
    output, errors = start(LOAD, models / "py38" / "lambda.h5").communicate(timeout=180)
    assert "loaded" not in output
    assert "bad marshal data" in errors


def test_cause_1_the_python_that_wrote_it_is_served(registry: Registry, models: Path, tmp_path: Path) -> None:
    """Claim: the same file for a Python 3.8 with Keras 2 passes, with warnings only."""
    registry.push(models / "py38" / "lambda.h5", name="m", environment="none")
    lock = tmp_path / "python38.txt"
    lock.write_text("# python==3.8.18\ntensorflow==2.13.1\nkeras==2.13.1\n")
    pulled = registry.pull("m", tmp_path / "out", target=str(lock))
    assert {finding.rule for finding in pulled.verdict.warnings} == {"MR201", "MR301"}
    assert (tmp_path / "out" / "lambda.h5").read_bytes() == (models / "py38" / "lambda.h5").read_bytes()


def test_cause_2_corruption_is_refused_before_keras(registry: Registry, models: Path, tmp_path: Path) -> None:
    """Claim: one flipped byte in the store is refused with 8 and told by its offset (test_corruption has the rest)."""
    registry.push(models / "py311" / "plain.h5", name="m", environment="none")
    (blob,) = (tmp_path / "home" / "store" / "blobs").rglob(registry.resolve("m").files[0].sha256)
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.chmod(0o600)
    blob.write_bytes(data)
    with pytest.raises(RefusedError, match=r"plain\.h5: bytes [\d,]+ to [\d,]+ differ from what was pushed") as caught:
        registry.pull("m", tmp_path / "out", target="none")
    assert caught.value.exit_status == 8
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("suffix", ["h5", "keras"])
@pytest.mark.parametrize(
    ("name", "role"), [("custom_activation", "activation"), ("custom_layer", "layer")], ids=["function", "class"]
)
def test_cause_3_custom_objects_are_named_at_push_and_at_pull(
    registry: Registry, models: Path, tmp_path: Path, target: str, name: str, role: str, suffix: str
) -> None:
    """Claim: push and pull name what the loader must provide; a loader that says it has nothing is refused with 64."""
    pushed = registry.push(models / "py311" / f"{name}.{suffix}", name="m", environment="none")
    (wanted,) = registry.show("m", target="none").manifest.facts.custom_objects
    assert wanted.role == role
    pulled = registry.pull("m", tmp_path / "out", target=target)
    for verdict in (pushed.verdict, pulled.verdict):
        (finding,) = [finding for finding in verdict.warnings if finding.rule == "MR420"]
        assert repr(wanted.class_name) in finding.message
        assert "custom_objects=" in (finding.fix or "")
    with pytest.raises(RefusedError, match=wanted.class_name) as caught:
        registry.pull("m", tmp_path / "out2", target=target, provides=())
    assert caught.value.exit_status == 64
    registry.pull("m", tmp_path / "out2", target=target, provides=[wanted.class_name])


@pytest.mark.parametrize("name", ["py38/plain_weights_only.h5", "py311/plain.weights.h5", "py38/plain.weights.h5"])
def test_cause_4_weights_only_is_said_at_push_and_at_pull(
    registry: Registry, models: Path, tmp_path: Path, target: str, name: str
) -> None:
    """Claim: both say "holds weights only" and what to do; under --verify the pull is refused."""
    pushed = registry.push(models / name, name="m", environment="none")
    pulled = registry.pull("m", tmp_path / "out", target=target)
    for verdict in (pushed.verdict, pulled.verdict):
        (finding,) = [finding for finding in verdict.warnings if finding.rule == "MR410"]
        assert "holds weights only" in finding.message
        assert "build the model, then `load_weights`" in finding.message
    with pytest.raises(RefusedError, match="holds weights only") as caught:
        registry.pull("m", tmp_path / "out2", target=target, mode=Mode.VERIFY)
    assert caught.value.exit_status == 64
