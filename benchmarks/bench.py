"""Speed, side by side in one run: modelreg against the machine's own copy, checksum and sync.

usage: bench.py [--sizes 1,4] [--rounds 5] [--pause SECONDS_PER_GIB] [--folder DIR] [--json FILE]

Every figure is the median of ROUNDS whole-process runs; the two sides of a pair take turns and change who begins, so
that noise hits both alike.  Before each run of a large file it waits until the disk is idle: many disks write the first
gigabyte faster than the next, and whoever comes second would pay.  The model files are real HDF5 with float32 tensors;
memory is the peak resident size that the kernel reports for the process (``wait4``).  Everything is made in one
temporary folder on the disk under test and removed at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

GIB = 1024**3
TENSOR_BYTES = 64 * 1024 * 1024

COPY_SHA256_FSYNC = """
import hashlib, os, sys
digest, buffer = hashlib.sha256(), memoryview(bytearray(1 << 20))
with open(sys.argv[1], "rb", buffering=0) as source, open(sys.argv[2], "wb", buffering=0) as target:
    while count := source.readinto(buffer):
        digest.update(buffer[:count])
        target.write(buffer[:count])
    os.fsync(target.fileno())
print(digest.hexdigest())
"""
"""The push's reference: one process that copies, computes OpenSSL's SHA-256 and makes the copy durable."""


@dataclass(frozen=True)
class Run:
    """One process: wall-clock seconds and peak resident bytes."""

    seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class Row:
    """One comparison: medians, their ratio, and what was aimed at."""

    what: str
    ours_s: float
    reference_s: float | None
    aim: str
    peak_mb: float

    @property
    def ratio(self) -> float | None:
        return self.ours_s / self.reference_s if self.reference_s else None


def run(arguments: list[str], environment: dict[str, str] | None = None) -> Run:
    """Run a process to its end; raises if it fails."""
    started = time.perf_counter()
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    complaint = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments} exited {process.returncode}: {complaint.decode(errors='replace')}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Run(time.perf_counter() - started, usage.ru_maxrss * unit)


def pair(
    rounds: int, ours: Callable[[], Run], reference: Callable[[], Run], *, pause_s: float = 0
) -> tuple[list[Run], list[Run]]:
    """Both sides in turn, after one round that does not count; who begins changes, since a disk remembers."""
    results: tuple[list[Run], list[Run]] = ([], [])
    for number in range(rounds + 1):
        sides = [(ours, results[0]), (reference, results[1])]
        for side, found in sides if number % 2 else reversed(sides):
            run(["sync"])
            time.sleep(pause_s)
            outcome = side()
            if number:
                found.append(outcome)
    return results


def row(what: str, runs: tuple[list[Run], list[Run]], aim: str) -> Row:
    """The medians of one pair, printed at once."""
    ours, reference = ([outcome.seconds for outcome in side] for side in runs)
    peak = max(outcome.peak_bytes for outcome in runs[0]) / 1e6
    made = Row(what, statistics.median(ours), statistics.median(reference), aim, peak)
    print(
        f"{what:<34} {made.ours_s:8.3f} s {made.reference_s:8.3f} s   x {made.ratio:5.2f}   {aim:<22} {peak:6.0f} MB",
        flush=True,
    )
    return made


WRITE_MODEL = """
import sys
import h5py
import numpy as np
path, size_bytes, tensor_bytes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
generator = np.random.default_rng(7)
with h5py.File(path, "w") as file:
    for index in range(max(1, size_bytes // tensor_bytes)):
        values = generator.random(min(size_bytes, tensor_bytes) // 4, dtype=np.float32)
        file.create_dataset(f"layers/dense_{index}/vars/0", data=values)
"""
"""A real HDF5 file of Keras 3's weights layout; in a process of its own, because a child inherits its parent's peak."""


def write_model(path: Path, size_bytes: int) -> None:
    """Make a model file of about ``size_bytes`` with random float32 tensors of 64 MiB."""
    run([sys.executable, "-c", WRITE_MODEL, str(path), str(size_bytes), str(TENSOR_BYTES)])


class Bench:
    """The commands under test, and the folder that they work in."""

    def __init__(self, folder: Path, rounds: int, pause_s_per_gib: float) -> None:
        self.folder = folder
        self.rounds = rounds
        self.pause_s_per_gib = pause_s_per_gib
        self.modelreg = str(Path(sys.executable).with_name("modelreg"))
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MODELREG_")}
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        kept["XDG_CONFIG_HOME"] = str(folder / "config")  # keys and what was seen of logs are not the user's own
        self.environment = kept | {"MODELREG_SIGN": "none"}
        self.rows: list[Row] = []

    def in_registry(self, home: Path, *arguments: str) -> Run:
        """Run modelreg on the registry in ``home``."""
        return run([self.modelreg, *arguments], self.environment | {"MODELREG_HOME": str(home)})

    def pair_of_copies(
        self, size_gib: float, ours: Callable[[], Run], reference: Callable[[], Run]
    ) -> tuple[list[Run], list[Run]]:
        """A pair whose sides each write ``size_gib``."""
        return pair(self.rounds, ours, reference, pause_s=self.pause_s_per_gib * size_gib)

    def push(self, source: Path, size_gib: float) -> None:
        """Push a file into a fresh registry, against copy + SHA-256 + fsync."""
        home, copy = self.folder / "push", self.folder / "copy"

        def ours() -> Run:
            shutil.rmtree(home, ignore_errors=True)
            self.in_registry(home, "db", "upgrade")
            return self.in_registry(home, "push", str(source), "--name", "bench", "--env", "none", "-q")

        def reference() -> Run:
            copy.unlink(missing_ok=True)
            return run([sys.executable, "-c", COPY_SHA256_FSYNC, str(source), str(copy)], self.environment)

        runs = self.pair_of_copies(size_gib, ours, reference)
        self.rows.append(row(f"push {size_gib:g} GiB", runs, "<= 1.0 copy+sha256+fsync"))
        copy.unlink()

    def pull(self, size_gib: float) -> None:
        """Pull what ``push`` left behind, against cp + sync of the same stored file."""
        home, out, copy = self.folder / "push", self.folder / "out", self.folder / "copied"
        blob = max((path for path in home.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
        checks = ("--verify", "--target", "none", "--allow", "MR410")

        def ours() -> Run:
            shutil.rmtree(out, ignore_errors=True)
            return self.in_registry(home, "pull", "bench", "-o", str(out), *checks, "-q")

        def reference() -> Run:
            copy.unlink(missing_ok=True)
            return run(["/bin/sh", "-c", 'cp "$1" "$2" && sync "$2"', "sh", str(blob), str(copy)], self.environment)

        runs = self.pair_of_copies(size_gib, ours, reference)
        self.rows.append(row(f"pull --verify {size_gib:g} GiB", runs, "<= 1.2 cp+sync"))
        copy.unlink()
        shutil.rmtree(out)
        shutil.rmtree(home)

    def cold_start(self) -> None:
        """Whole-process cold starts of small commands, against an empty Python."""
        home, out, small = self.folder / "small", self.folder / "small-out", self.folder / "small.weights.h5"
        write_model(small, 100_000)
        self.in_registry(home, "push", str(small), "--name", "small")
        rounds = max(self.rounds, 9)

        def reference() -> Run:
            return run([sys.executable, "-c", "pass"], self.environment)

        def pull() -> Run:
            shutil.rmtree(out, ignore_errors=True)
            return self.in_registry(home, "pull", "small", "-o", str(out))

        for what, ours, aim in (
            ("modelreg --help", lambda: self.in_registry(home, "--help"), "<= 0.1 s"),
            ("modelreg list", lambda: self.in_registry(home, "list"), ""),
            ("push 100 KB", lambda: self.in_registry(home, "push", str(small), "--name", "small"), "<= 0.6 s"),
            ("pull 100 KB", pull, "<= 0.6 s"),
        ):
            self.rows.append(row(what, pair(rounds, ours, reference), aim))

    def signatures(self) -> None:
        """What trust costs: a push that signs and a pull under a trust store in the mode enforce, against neither."""
        home, store, small = self.folder / "signed", self.folder / "trust.json", self.folder / "signed.weights.h5"
        self.environment["MODELREG_TARGET"] = "none"
        write_model(small, 100_000)
        for line in (
            "key generate ada --no-passphrase",
            f"trust init -o {store} --root ada --mode enforce",
            f"trust add {store} ada --for *",
            f"push {small} --name signed --sign ada",
        ):
            self.in_registry(home, *line.split())
        vkey = subprocess.run(
            [self.modelreg, "log", "key", "-q"],
            env=self.environment | {"MODELREG_HOME": str(home)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        self.in_registry(home, "trust", "amend", str(store), "--registry", vkey)

        def push(*how: str) -> Callable[[], Run]:
            return lambda: self.in_registry(home, "push", str(small), "--name", "small", "--env", "none", *how)

        def pull(**trust: str) -> Callable[[], Run]:
            def run_once() -> Run:
                out = self.folder / "signed-out"
                shutil.rmtree(out, ignore_errors=True)
                command = [self.modelreg, "pull", "signed:1", "-o", str(out)]
                return run(command, self.environment | {"MODELREG_HOME": str(home)} | trust)

            return run_once

        rounds = max(self.rounds, 9)
        for what, ours, reference in (
            ("push, signed, against --no-sign", push("--sign", "ada"), push("--no-sign")),
            ("pull, enforced, against no trust", pull(MODELREG_TRUST_STORE=str(store)), pull()),
        ):
            self.rows.append(row(what, pair(rounds, ours, reference), "<= 0.1 s more"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1,4", help="sizes in GiB, comma separated; empty for cold starts only")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pause", type=float, default=2, help="seconds to wait before a run, per GiB that it writes")
    parser.add_argument("--folder", type=Path, default=None, help="a folder on the disk under test")
    parser.add_argument("--json", type=Path, default=None, help="write the rows there too")
    options = parser.parse_args()
    print(f"{'':<34} {'modelreg':>10} {'reference':>10}   {'ratio':>7}   {'aim':<22} {'peak':>9}")
    with tempfile.TemporaryDirectory(prefix="modelreg-bench-", dir=options.folder) as name:
        bench = Bench(Path(name), options.rounds, options.pause)
        bench.cold_start()
        bench.signatures()
        for size in (float(text) for text in options.sizes.split(",") if text):
            source = Path(name) / "model.weights.h5"
            write_model(source, int(size * GIB))
            bench.push(source, size)
            bench.pull(size)
            source.unlink()
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps([asdict(made) for made in bench.rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
