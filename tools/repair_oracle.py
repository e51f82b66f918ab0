"""Repairs the oracle's files that a reader does not load, loads them there, and compares with the stored predictions.

    python tools/repair_oracle.py                      for this interpreter, which must be a recorded reader's like
    python tools/repair_oracle.py --reader py38=EXE    for that one's; may be given several times
    python tools/repair_oracle.py --write              writes docs/repairs.md (needs every reader of the page)

A file is repaired by ``modelreg.repair_model`` for a loader without custom objects, loaded in a child with its module
of functions imported first, safe mode on, and asked for its predictions on the stored inputs.  The exit status is 1 if
a file that was written does not give them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import modelreg

ROOT = Path(__file__).resolve().parents[1]
ORACLE = ROOT / "tests" / "oracle"
PAGE = ROOT / "docs" / "repairs.md"
HERE = "py311"
"""The recorded reader whose Keras and Python are those of the development environment."""
TOLERANCE = 1e-6
GOOD = ("same", "loaded")

_LOADER = """
import importlib, json, os, sys
import keras, numpy as np
for job in json.load(sys.stdin):
    print("BEGIN", flush=True)
    sys.path.insert(0, os.path.dirname(job["out"]))
    try:
        if job["module"]:
            importlib.import_module(job["module"])
        model = keras.models.load_model(job["out"], compile=False)
        if job["inputs"]:
            predicted = model.predict(np.load(job["inputs"]), verbose=0)
            expected = np.load(job["expected"])
            told = float(np.abs(predicted - expected).max()) if predicted.shape == expected.shape else "another shape"
        else:
            told = 0.0
    except Exception as error:
        told = "%s: %s" % (type(error).__name__, " ".join(str(error).split())[-200:])
    sys.path.pop(0)
    print("RESULT", json.dumps(told), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Reader:
    """A recorded reader: what it made of each file, and the interpreter that stands for it."""

    name: str
    executable: str
    title: str
    outcomes: dict[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """One file: how many changes, and the largest difference; or why there is none, with the rules that refuse it."""

    file: str
    changes: int
    difference: float | None
    reason: str = ""
    rules: tuple[str, ...] = ()

    @property
    def is_mended(self) -> bool:
        return self.difference is not None and self.difference <= TOLERANCE

    @property
    def is_refused(self) -> bool:
        """Nothing was written, because the rules or the repair itself said so."""
        return bool(self.rules)


def read_reader(name: str, executable: str) -> Reader:
    document = json.loads((ORACLE / "loads" / f"{name}.json").read_text(encoding="utf-8"))
    pins = dict(line.split("==", 1) for line in document["packages"] if "==" in line)
    title = f"Keras {pins['keras']}, Python {'.'.join(document['python'].split('.')[:2])}"
    outcomes = {item["file"]: item["outcome"] for item in document["results"]}
    return Reader(name, executable, title, outcomes)


def failing_files(reader: Reader) -> list[str]:
    """Single files of models that the reader did not load, or whose predictions were others."""
    found = (name for name, outcome in reader.outcomes.items() if outcome not in GOOD)
    return sorted(name for name in found if (ORACLE / "models" / name).is_file())


def lambda_files(writers: Sequence[str] = ()) -> list[str]:
    paths = (ORACLE / "models").glob("*/lambda*")
    files = (path.relative_to(ORACLE / "models").as_posix() for path in paths if path.suffix in (".h5", ".keras"))
    return sorted(name for name in files if not writers or name.partition("/")[0] in writers)


def measure(folder: Path, reader: Reader, files: Sequence[str]) -> list[Row]:
    """Repair everything into ``folder``, load it, compare."""
    settings = modelreg.load_settings({})
    target = "current" if reader.executable == sys.executable else reader.executable
    repaired = [(name, _repair(name, folder, settings, target)) for name in files]
    jobs = [_job(name, result) for name, result in repaired if isinstance(result, modelreg.Repaired) and result.loads]
    told = iter(_load(reader.executable, jobs))
    return [_row(name, result, told) for name, result in repaired]


def _repair(
    name: str, folder: Path, settings: modelreg.Settings, target: str
) -> modelreg.Repaired | modelreg.ModelregError:
    path = ORACLE / "models" / name
    with path.open("rb") as stream:
        suffix = ".keras" if stream.read(2) == b"PK" else ".h5"
    out = folder / f"{name.replace('/', '_').replace('.', '_')}{suffix}"
    try:
        return modelreg.repair_model(str(path), out, settings=settings, target=target, provides=())
    except modelreg.ModelregError as error:
        return error


def _job(name: str, result: modelreg.Repaired) -> dict[str, str | None]:
    path = ORACLE / "models" / name
    has_predictions = Path(f"{path}.expected.npy").exists()
    return {
        "out": str(result.out),
        "module": result.module.stem if result.module else None,
        "inputs": f"{path}.input.npy" if has_predictions else None,
        "expected": f"{path}.expected.npy" if has_predictions else None,
    }


def _load(executable: str, jobs: list[dict[str, str | None]]) -> Iterator[float | str]:
    """What each job came to; a process that dies is begun again behind the file that killed it."""
    while jobs:
        done = subprocess.run(
            [executable, "-c", _LOADER],
            input=json.dumps(jobs),
            capture_output=True,
            text=True,
            timeout=1_200,
            check=False,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
        )
        lines = done.stdout.splitlines()
        told = [json.loads(line[7:]) for line in lines if line.startswith("RESULT ")]
        yield from told
        if not any(line == "BEGIN" for line in lines):
            raise SystemExit(f"{executable} has no Keras:\n{done.stderr[-500:]}")
        if len(told) < len(jobs):
            yield f"the loading process ended ({done.returncode})"
        jobs = jobs[len(told) + 1 :]


def _row(name: str, result: modelreg.Repaired | modelreg.ModelregError, told: Iterator[float | str]) -> Row:
    if isinstance(result, modelreg.ModelregError):
        verdict = result.verdict if isinstance(result, modelreg.RefusedError) else None
        rules = tuple(sorted({finding.rule for finding in verdict.refusals})) if verdict else (result.code,)
        return Row(name, 0, None, result.message, rules)
    if not result.loads:
        refusals = result.verdict.refusals
        reasons = [*result.unmended, *(finding.message for finding in refusals)]
        rules = tuple(sorted({finding.rule for finding in refusals}))
        return Row(name, len(result.changes), None, "not written: " + "; ".join(reasons), rules)
    answer = next(told)
    if isinstance(answer, str):
        return Row(name, len(result.changes), None, answer)
    return Row(name, len(result.changes), answer)


# The page

_INTRODUCTION = """<!-- Generated by tools/repair_oracle.py; edit the program, not this page. -->

# What repair mends

Files that one real Keras wrote and another does not load, repaired for it, loaded there with safe mode on, and compared
with what the writer predicted (`tests/oracle/README.md` says where the files come from). No custom objects were given.

- *as it is*: loads there unrepaired, with the same predictions.
- *mended*: repaired, and every prediction within 1e-6 of the stored one.
- otherwise the rule that still refuses it: nothing was written.
"""


def page(measured: Sequence[tuple[Reader, Sequence[Row]]]) -> str:
    rows = {(reader.name, row.file): row for reader, found in measured for row in found}
    readers = [reader for reader, _ in measured]
    heads = "".join(f" {reader.title} |" for reader in readers)
    lines = ["## Models with Lambdas", "", f"| file |{heads}", "|---|" + "---|" * len(readers)]
    for name in lambda_files():
        cells = (_cell(reader, rows.get((reader.name, name)), name) for reader in readers)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "## All files that did not load",
        "",
        "| reader | failed | mended | not mended, by rule |",
        "|---|---|---|---|",
    ]
    used: set[str] = set()
    for reader, found in measured:
        causes = Counter(row.rules[0] for row in found if row.is_refused)
        used |= set(causes) | {rule for row in found for rule in row.rules if "lambda" in row.file}
        told = ", ".join(f"{rule}: {count}" for rule, count in sorted(causes.items()))
        lines.append(f"| {reader.title} | {len(found)} | {sum(row.is_mended for row in found)} | {told} |")
    lines += ["", "| rule | |", "|---|---|"]
    lines += [f"| {rule} | {modelreg.RULES[rule].title} |" for rule in sorted(used) if rule in modelreg.RULES]
    return _INTRODUCTION + "\n" + "\n".join(lines) + "\n"


def _cell(reader: Reader, row: Row | None, name: str) -> str:
    if row is None:
        return "as it is" if reader.outcomes[name] in GOOD else "?"
    return "mended" if row.is_mended else ", ".join(row.rules) or f"**{row.reason}**"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reader", action="append", metavar="NAME=EXE", default=[])
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    pairs = [text.partition("=")[::2] for text in given.reader] or [(HERE, sys.executable)]
    measured = []
    for name, executable in pairs:
        reader = read_reader(name, executable)
        with tempfile.TemporaryDirectory() as folder:
            rows = measure(Path(folder), reader, failing_files(reader))
        measured.append((reader, rows))
        for row in rows:
            told = f"{row.difference:.2e}" if row.difference is not None else row.reason
            print(f"{name}  {row.file.ljust(36)}  {row.changes:>2}  {told}")
        print(f"{reader.title}: {sum(row.is_mended for row in rows)} of {len(rows)} mended, within {TOLERANCE:g}")
    if given.write:
        PAGE.write_text(page(measured), encoding="utf-8")
    wrong = [row for _, rows in measured for row in rows if not row.is_mended and not row.is_refused]
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
