"""Diagnosing needs no Keras: neither the parent nor the reading child imports one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
HEAVY = {"tensorflow", "keras", "tf_keras", "jax", "torch"}

CHILD = """
import importlib, sys
from modelreg.inspect import child
for name in child._PARSERS:
    importlib.import_module("modelreg.inspect." + name)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""

PARENT = """
import sys
from modelreg_cli.app import main
main(["diagnose", "--json", *sys.argv[1:]])
print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def loaded(program: str, *arguments: str, stream: str) -> set[str]:
    command = [sys.executable, "-c", program, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(getattr(result, stream).split())


def test_diagnosing_imports_no_keras() -> None:
    """Claim: files of three containers and a target are judged by one process without TensorFlow or Keras."""
    models = ROOT / "tests" / "models"
    files = [models / "py38" / "lambda.h5", models / "py311" / "plain.keras", models / "py38" / "savedmodel_plain"]
    names = loaded(PARENT, *map(str, files), "--target", str(ROOT / "examples" / "python311.txt"), stream="stderr")
    assert "modelreg" in names
    assert not names & HEAVY


def test_reading_imports_no_keras() -> None:
    """Claim: the child with every parser that it has ever need of."""
    names = loaded(CHILD, stream="stdout")
    assert "h5py" in names
    assert not names & HEAVY
