"""Damages real model files in every way that comes to mind and reads each through the inspecting child process.

    python tools/mutate_models.py [--count 2000] [--seed 1] [--workers 1] [--keep FOLDER] [--markdown] [CONTAINER ...]

For each container, ``--count`` mutations of the real files in ``tests/models``; every other one is read with its
tensors' digests.  What must hold for every one of them:

* the parent gets facts, never an exception, and the rules judge them;
* no reader takes longer than 10 s of wall time, or more memory than a small file's limit (768 MiB);
* a reader ends by nothing but a limit or a crash inside libhdf5, never by an exception of ours.

Prints how many came to which outcome, the slowest and the largest, and exits with 1 if a promise was broken; ``--keep``
then saves the bytes that did it.  The same seed gives the same mutations, however many workers there are.  A reader
that is ended by its limit of time is an outcome: damaged HDF5 makes libhdf5 loop for ever.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from modelreg.facts import DefectKind, Facts
from modelreg.inspect import Inspector
from modelreg.inspect.limits import MEMORY_BASE_BYTES
from modelreg.records import to_json
from modelreg.rules import Policy, Purpose, judge

sys.path.insert(0, str(Path(__file__).parent))  # tests load this file by its path

from mutation import mutations_for

MODELS = Path(__file__).parents[1] / "tests" / "models"
WALL_S_MAX = 10.0
PEAK_KIB_MAX = MEMORY_BASE_BYTES // 1024
PIECE = 250
"""Mutations that a worker reads through one inspector."""
Files = dict[str, bytes]

CONTAINERS: dict[str, tuple[str, ...]] = {
    "h5 of Keras 1 and 2": ("py36tf1/lstm.h5", "py36/lambda.h5", "py38/compiled_trained.h5", "py38/lambda_nested.h5"),
    "h5 of Keras 3": ("py311/lambda.h5", "py313/compiled_trained.h5", "py311/lambda_nested.h5"),
    "weights-only h5": ("py38/plain_weights_only.h5",),
    "weights.h5": ("py38/plain.weights.h5", "py313/plain.weights.h5"),
    "weights in shards": ("tf220/sharded",),
    ".keras": ("py38/lambda.keras", "py310/lambda_nested.keras", "py313/lambda_nested.keras", "py311/plain.keras"),
    ".keras that is HDF5": ("py36/lambda.keras", "py36tf1/lstm.keras"),
    "SavedModel": ("py38tf24/savedmodel_lambda", "py38/savedmodel_plain", "py311/savedmodel_export"),
    "TFLite": ("tf220/plain.tflite", "tf220/flex.tflite", "tf220/custom.tflite"),
    "ONNX": ("onnx/plain.onnx", "onnx/custom_op.onnx", "onnx/external.onnx"),
}
_SAVED_MODEL_PARTS = ("saved_model.pb", "keras_metadata.pb", "variables/variables.index", "fingerprint.pb")


@dataclass(frozen=True, order=True)
class Extreme:
    """The worst value of something, and which mutation it was."""

    value: float = 0.0
    case: str = ""


@dataclass
class Tally:
    """What became of the mutations of one container; ``broken`` are those that broke a promise."""

    outcomes: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    slowest_s: Extreme = Extreme()
    peak_kib: Extreme = Extreme()
    broken: list[tuple[str, Files]] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.outcomes.total()

    def add(self, other: Tally) -> None:
        self.outcomes += other.outcomes
        self.kinds += other.kinds
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        self.peak_kib = max(self.peak_kib, other.peak_kib)
        self.broken += other.broken


def load(container: str) -> list[Files]:
    """The real files of a container; a file alone is an artifact of one file."""
    found = []
    for name in CONTAINERS[container]:
        path = MODELS / name
        if path.is_file():
            found.append({path.name: path.read_bytes()})
        else:
            inside = sorted(each for each in path.rglob("*") if each.is_file())
            found.append({each.relative_to(path).as_posix(): each.read_bytes() for each in inside})
    return found


def mutated(artifacts: Sequence[Files], rng: random.Random) -> tuple[str, Files]:
    """One artifact with one file changed, and how."""
    files = dict(rng.choice(artifacts))
    candidates = [name for name in _SAVED_MODEL_PARTS if files.get(name)] or list(files)
    name = rng.choice(candidates)
    other = rng.choice(artifacts)
    mutation = rng.choice(mutations_for(name, files[name]))
    files[name] = mutation(files[name], rng, other.get(name) or next(iter(other.values())))
    return mutation.__name__, files


def run(container: str, count: int, seed: int, *, start: int = 0) -> Tally:
    """Read ``count`` mutations of ``container`` from number ``start`` on, each in a process of its own."""
    artifacts, tally = load(container), Tally()
    with Inspector(expect_hdf5=True) as inspector:
        _inspect(inspector, artifacts[0], values=True)  # the time of the first is that of starting Python
        for number in range(start, start + count):
            # Seeded by position, so that one case can be made again without those before it.
            kind, files = mutated(artifacts, random.Random(f"{container}/{seed}/{number}"))
            case = f"{container} #{number} ({kind})"
            tally.kinds[kind] += 1
            outcome, problem, took_s = _tried(inspector, files, values=bool(number % 2))
            peak_kib = inspector.reader_end.peak_kib if inspector.reader_end is not None else 0
            tally.slowest_s = max(tally.slowest_s, Extreme(took_s, case))
            tally.peak_kib = max(tally.peak_kib, Extreme(peak_kib, case))
            tally.outcomes[outcome] += 1
            if took_s > WALL_S_MAX:
                problem = problem or f"took {took_s:.1f} s"
            if peak_kib > PEAK_KIB_MAX:
                problem = problem or f"took {peak_kib // 1024:,} MiB"
            if problem:
                tally.broken.append((f"{case}: {problem}", files))
    return tally


def _tried(inspector: Inspector, files: Files, *, values: bool) -> tuple[str, str | None, float]:
    """The outcome, the broken promise if there is one, and how long reading took."""
    start = time.monotonic()
    try:
        facts = _inspect(inspector, files, values=values)
        took_s = time.monotonic() - start
        return *_outcome(facts), took_s
    except Exception as error:  # whatever it is, it is what is looked for
        return "raised", f"{type(error).__name__}: {error}", time.monotonic() - start


def _inspect(inspector: Inspector, files: Files, *, values: bool) -> Facts:
    """Through descriptors of files that have no name."""
    opened: list[tuple[str, int]] = []
    try:
        for name, data in files.items():
            descriptor = os.memfd_create("mutation")
            opened.append((name, descriptor))
            os.write(descriptor, data)
        return inspector.inspect(opened, values=values)
    finally:
        for _, descriptor in opened:
            os.close(descriptor)


def _outcome(facts: Facts) -> tuple[str, str | None]:
    """How the facts are to be counted, and what is wrong with them if something is."""
    json.dumps(to_json(facts), ensure_ascii=False).encode()
    findings = judge(facts, Policy(purpose=Purpose.PULL), None, None)
    for defect in facts.defects:
        if defect.kind is DefectKind.READER_DIED:
            by_signal = "killed by signal" in defect.detail
            return f"reader died: {defect.detail[:80]}", None if by_signal else defect.detail
        if defect.kind is DefectKind.READER_TIMED_OUT:
            return "reader ended by its limit of time", None
    refused = sorted({finding.kind.value for finding in findings if finding.severity.value == "refuse"})
    return ("refused as " + " and ".join(refused)) if refused else "read", None


# The command line


def tallies(containers: Iterable[str], count: int, seed: int, workers: int) -> Iterator[tuple[str, Tally]]:
    """The tally of each container, in order; with more than one worker in processes of their own."""
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        for container in containers:
            starts = range(0, count, PIECE)
            pieces = [pool.submit(run, container, min(PIECE, count - at), seed, start=at) for at in starts]
            tally = Tally()
            for piece in pieces:
                tally.add(piece.result())
            yield container, tally


def _print(container: str, tally: Tally) -> None:
    slowest, largest = tally.slowest_s, tally.peak_kib
    print(f"{container}: {tally.count:,} mutations", flush=True)
    print(f"    slowest {slowest.value:.2f} s: {slowest.case}; largest {largest.value / 1024:.0f} MiB: {largest.case}")
    for outcome, count in tally.outcomes.most_common():
        print(f"    {count:>7,}  {outcome}", flush=True)
    for problem, _ in tally.broken:
        print(f"    BROKEN: {problem}", flush=True)


def _print_row(container: str, tally: Tally) -> None:
    """One row of the table in docs/hostile-files.md."""
    refused = sum(count for outcome, count in tally.outcomes.items() if outcome.startswith("refused"))
    ended = tally.outcomes["reader ended by its limit of time"]
    died = sum(count for outcome, count in tally.outcomes.items() if outcome.startswith("reader died"))
    counts = (tally.count, tally.outcomes["read"], refused, ended, died, len(tally.broken))
    figures = f"{tally.slowest_s.value:.2f} s | {tally.peak_kib.value / 1024:.0f} MiB"
    print("| " + " | ".join((container, *(f"{count:,}" for count in counts), figures)) + " |", flush=True)


def _keep(folder: Path, container: str, tally: Tally) -> None:
    for number, (_, files) in enumerate(tally.broken):
        for name, data in files.items():
            path = folder / f"{container.replace(' ', '-')}-{number}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def main() -> int:
    """Run what the command line asks for; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description="Read mutations of real model files and count what becomes of them.")
    parser.add_argument("containers", nargs="*", metavar="CONTAINER", help=f"one of: {', '.join(CONTAINERS)}")
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="processes that read at the same time")
    parser.add_argument("--keep", type=Path, help="a folder for the bytes that broke a promise")
    parser.add_argument("--markdown", action="store_true", help="print rows of a table too")
    options = parser.parse_args()
    broken = 0
    for container, tally in tallies(options.containers or CONTAINERS, options.count, options.seed, options.workers):
        _print(container, tally)
        if options.markdown:
            _print_row(container, tally)
        if options.keep:
            _keep(options.keep, container, tally)
        broken += len(tally.broken)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
