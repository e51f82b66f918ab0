"""Repairs every Lambda file of the oracle for this interpreter's Keras, and compares predictions with the stored ones.

    python tools/repair_oracle.py            a table; exit status 1 if a repaired file does not give them

A file is repaired by ``modelreg.repair_model`` for the target ``current``, loaded in one child process with its module
of functions imported first, safe mode on, and asked for its predictions on the stored inputs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import modelreg

MODELS = Path(__file__).resolve().parents[1] / "tests" / "oracle" / "models"
WRITERS = ("py36", "py38", "py310")
TOLERANCE = 1e-6

_LOADER = """
import importlib, json, os, sys
import keras, numpy as np
for job in json.load(sys.stdin):
    sys.path.insert(0, os.path.dirname(job["out"]))
    try:
        if job["module"]:
            importlib.import_module(job["module"])
        model = keras.models.load_model(job["out"], compile=False)
        predicted = model.predict(np.load(job["inputs"]), verbose=0)
        expected = np.load(job["expected"])
        told = float(np.abs(predicted - expected).max()) if predicted.shape == expected.shape else "another shape"
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
    sys.path.pop(0)
    print("RESULT", json.dumps(told), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One file: how many changes, and the largest difference; or why there is none."""

    file: str
    changes: int
    difference: float | None
    reason: str = ""

    @property
    def is_mended(self) -> bool:
        return self.difference is not None and self.difference <= TOLERANCE


def lambda_files() -> list[Path]:
    return sorted(
        path for writer in WRITERS for path in (MODELS / writer).glob("lambda*") if path.suffix in (".h5", ".keras")
    )


def measure(folder: Path) -> list[Row]:
    """Repair everything into ``folder``, load it, compare."""
    settings = modelreg.load_settings({})
    repaired = [(path, _repair(path, folder, settings)) for path in lambda_files()]
    jobs = [(path, result) for path, result in repaired if isinstance(result, modelreg.Repaired) and result.is_written]
    told = iter(_load([_job(path, result) for path, result in jobs]))
    return [_row(path, result, told) for path, result in repaired]


def _repair(path: Path, folder: Path, settings: modelreg.Settings) -> modelreg.Repaired | str:
    with path.open("rb") as stream:
        is_zip = stream.read(2) == b"PK"
    out = folder / f"{path.parent.name}_{path.stem}_{path.suffix[1:]}{'.keras' if is_zip else '.h5'}"
    try:
        return modelreg.repair_model(str(path), out, settings=settings, target="current")
    except modelreg.ModelregError as error:
        return error.message


def _job(path: Path, result: modelreg.Repaired) -> dict[str, str | None]:
    return {
        "out": str(result.out),
        "module": result.module.stem if result.module else None,
        "inputs": f"{path}.input.npy",
        "expected": f"{path}.expected.npy",
    }


def _load(jobs: list[dict[str, str | None]]) -> list[float | str]:
    done = subprocess.run(
        [sys.executable, "-c", _LOADER],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        timeout=1_200,
        check=False,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
    )
    told = [json.loads(line[7:]) for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    return told + [f"the loading process ended ({done.returncode})"] * (len(jobs) - len(told))


def _row(path: Path, result: modelreg.Repaired | str, told: Iterator[float | str]) -> Row:
    file = f"{path.parent.name}/{path.name}"
    if isinstance(result, str):
        return Row(file, 0, None, result)
    if not result.is_written:
        reasons = [*result.unmended, *(finding.message for finding in result.verdict.refusals)]
        return Row(file, len(result.changes), None, "not written: " + "; ".join(reasons))
    answer = next(told)
    if isinstance(answer, str):
        return Row(file, len(result.changes), None, answer)
    return Row(file, len(result.changes), answer)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder))
    width = max(len(row.file) for row in rows)
    for row in rows:
        told = f"{row.difference:.2e}" if row.difference is not None else row.reason
        print(f"{row.file.ljust(width)}  {row.changes:>2}  {told}")
    mended = sum(row.is_mended for row in rows)
    print(f"{mended} of {len(rows)} give the stored predictions within {TOLERANCE:g}")
    wrong = [row for row in rows if not row.is_mended and not row.reason.startswith("not written")]
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
