"""Speed of static reading, side by side in one run with reading the same file: what facts cost, and what digests do.

usage: bench_inspect.py [--sizes 0.1,100,1024] [--rounds 7] [--folder DIR] [--json FILE]

Sizes are MB of a real HDF5 file of the Keras 2 layout with float32 tensors.  One Inspector reads all of them in this
process, as a program that judges many files does; the reference is ``cat FILE > /dev/null`` in a process of its own.
Every figure is the median of ROUNDS after one that does not count; the sides take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from modelreg.artifact import open_artifact
from modelreg.facts import Facts
from modelreg.inspect import Inspector

TENSOR_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Row:
    """Medians in seconds: facts alone, facts and digests, and the reference."""

    what: str
    facts_s: float
    values_s: float
    cat_s: float
    first_s: float


def write_model(path: Path, size_bytes: int) -> None:
    """A whole model of dense layers, in the layout of Keras 2."""
    import h5py
    import numpy as np

    generator = np.random.default_rng(7)
    count = max(1, size_bytes // TENSOR_BYTES)
    names = [f"dense_{index}" for index in range(count)]
    layers = [{"class_name": "Dense", "config": {"name": name, "units": 1024}} for name in names]
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = b"2.15.0"
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": layers}}).encode()
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = [name.encode() for name in names]
        for name in names:
            group = weights.create_group(name)
            group.attrs["weight_names"] = [f"{name}/kernel:0".encode()]
            values = generator.standard_normal(min(size_bytes, TENSOR_BYTES) // 4, dtype=np.float32)
            group.create_dataset(f"{name}/kernel:0", data=values)


def timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def read(inspector: Inspector, path: Path, *, values: bool) -> Facts:
    with open_artifact(path) as files:
        facts = inspector.inspect([(file.path, file.descriptor) for file in files], values=values)
    assert not facts.defects, facts.defects
    assert all((tensor.digest is not None) is values for tensor in facts.tensors)
    return facts


def measure(path: Path, what: str, rounds: int) -> Row:
    """One file; the first reading includes the start of the processes."""
    sides: dict[str, list[float]] = {"facts": [], "values": [], "cat": []}
    with Path(os.devnull).open("wb") as nowhere:
        subprocess.run(["cat", str(path)], stdout=nowhere, check=True)
        started = time.perf_counter()
        with Inspector() as inspector:
            read(inspector, path, values=False)
            first_s = time.perf_counter() - started
            actions: dict[str, Callable[[], object]] = {
                "facts": lambda: read(inspector, path, values=False),
                "values": lambda: read(inspector, path, values=True),
                "cat": lambda: subprocess.run(["cat", str(path)], stdout=nowhere, check=True),
            }
            for number in range(rounds + 1):
                for name in sorted(actions, reverse=bool(number % 2)):
                    seconds = timed(actions[name])
                    if number:
                        sides[name].append(seconds)
    facts_s, values_s, cat_s = (statistics.median(sides[name]) for name in ("facts", "values", "cat"))
    return Row(what, facts_s, values_s, cat_s, first_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="0.1,100,1024", help="sizes in MB, comma separated")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path, default=None, help="a folder on the disk under test")
    parser.add_argument("--json", type=Path, default=None, help="write the rows there too")
    options = parser.parse_args()
    rows = []
    print(f"{'':<14} {'first':>9} {'facts':>9} {'+ digests':>9} {'cat':>9}")
    with tempfile.TemporaryDirectory(prefix="modelreg-bench-", dir=options.folder) as name:
        path = Path(name) / "model.h5"
        for size in (float(text) for text in options.sizes.split(",")):
            write_model(path, int(size * 1_000_000))
            row = measure(path, f"{size:g} MB", options.rounds)
            figures = "".join(f" {seconds:7.4f} s" for seconds in (row.first_s, row.facts_s, row.values_s, row.cat_s))
            print(f"{row.what:<14}{figures}", flush=True)
            rows.append(row)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
