"""Damages real model files in every way that comes to mind and reads each through the inspecting child process.

    python tools/mutate_models.py [--count 2000] [--seed 1] [--cpu-s 4] [--keep FOLDER] [CONTAINER ...]

For each container, ``--count`` mutations of the real files in ``tests/models``.  What must hold for every one of them:
the parent gets facts, never an exception; the rules judge them; the reader ends in time, and by nothing but the
kernel's limits or a crash inside libhdf5, never by an exception of ours.  Prints how many came to which outcome, and
exits with 1 if anything else happened; ``--keep`` then saves the bytes that did it.

A reader that is ended by the limit of processor time is an outcome: damaged HDF5 makes libhdf5 loop for ever.  The same
seed gives the same mutations.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py

from modelreg.facts import DefectKind, Facts
from modelreg.inspect import Inspector
from modelreg.inspect.limits import ChildLimits
from modelreg.records import to_json
from modelreg.rules import Policy, Purpose, judge

MODELS = Path(__file__).parents[1] / "tests" / "models"
WALL_S_MAX = 60.0
"""More than the child's own limit; machines that are busy make wall clocks say little below it."""
Files = dict[str, bytes]

CONTAINERS: dict[str, tuple[str, ...]] = {
    "h5 of Keras 1 and 2": ("py36tf1/lstm.h5", "py36/lambda.h5", "py38/compiled_trained.h5", "py38/lambda_nested.h5"),
    "h5 of Keras 3": ("py311/lambda.h5", "py313/compiled_trained.h5", "py311/lambda_nested.h5"),
    "weights-only h5": ("py38/plain_weights_only.h5",),
    "weights.h5": ("py38/plain.weights.h5", "py313/plain.weights.h5"),
    ".keras": ("py38/lambda.keras", "py310/lambda_nested.keras", "py313/lambda_nested.keras", "py311/plain.keras"),
    ".keras that is HDF5": ("py36/lambda.keras", "py36tf1/lstm.keras"),
    "SavedModel": ("py38tf24/savedmodel_lambda", "py38/savedmodel_plain", "py311/savedmodel_export"),
    "TFLite": ("tf220/plain.tflite", "tf220/flex.tflite", "tf220/custom.tflite"),
    "ONNX": ("onnx/plain.onnx", "onnx/custom_op.onnx", "onnx/external.onnx"),
}
_SAVED_MODEL_PARTS = ("saved_model.pb", "keras_metadata.pb", "variables/variables.index", "fingerprint.pb")


@dataclass
class Tally:
    """What became of the mutations of one container; ``broken`` are those that broke a promise."""

    outcomes: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    broken: list[tuple[str, Files]] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.outcomes.total()


# Mutations of bytes


def flip_bits(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def truncate(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def cut_out(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.randrange(1, 512) :]


def swap_blocks(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    size = min(rng.choice((4, 16, 64, 512)), len(data) // 2)
    first, second = sorted((rng.randrange(len(data) - size), rng.randrange(len(data) - size)))
    changed = bytearray(data)
    changed[first : first + size], changed[second : second + size] = (
        data[second : second + size],
        data[first : first + size],
    )
    return bytes(changed[: len(data)])


def set_length(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    """Write a number that a length or an offset might be over some bytes."""
    width = rng.choice((1, 2, 4, 8))
    values = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, (1 << 64) - 1, len(data))
    number = (rng.choice(values) + rng.choice((-1, 0, 1))) % (1 << (8 * width))
    changed = bytearray(data)
    # Structure stands at the beginning of most containers, and at the end of archives.
    place = rng.choice(
        (rng.randrange(len(data)), rng.randrange(min(4096, len(data))), len(data) - rng.randrange(1, 400))
    )
    place = max(0, min(place, len(data) - width))
    changed[place : place + width] = number.to_bytes(width, rng.choice(("little", "big")))
    return bytes(changed)


def repeat_block(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    start = rng.randrange(len(data))
    block = data[start : start + rng.choice((8, 64, 1024))]
    return data[:start] + block * rng.choice((2, 3, 100)) + data[start:]


def splice(data: bytes, rng: random.Random, other: bytes) -> bytes:
    """The beginning of one file and the end of another."""
    return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]


def overlay(data: bytes, rng: random.Random, other: bytes) -> bytes:
    """A piece of another file in the place of this one's."""
    start, size = rng.randrange(len(data)), rng.choice((16, 256, 2048))
    source = rng.randrange(len(other))
    return data[:start] + other[source : source + size] + data[start + size :]


def zeros(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    start, size = rng.randrange(len(data)), rng.choice((8, 512, 4096))
    return data[:start] + bytes(min(size, len(data) - start)) + data[start + size :]


Mutation = Callable[[bytes, random.Random, bytes], bytes]
BYTE_MUTATIONS: tuple[Mutation, ...] = (
    flip_bits, truncate, cut_out, swap_blocks, set_length, set_length, repeat_block, splice, overlay, zeros,
)  # fmt: skip


# Mutations of JSON


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container and key in a document."""
    stack = [value]
    while stack:
        item = stack.pop()
        keys = list(item) if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else ()
        for key in keys:
            yield item, key
            stack.append(item[key])


def edit_json(text: bytes, rng: random.Random) -> bytes:
    """One to three values replaced, removed, moved, nested, or given another type; sometimes no JSON any more."""
    value = json.loads(text)
    for _ in range(rng.randrange(1, 4)):
        places = list(_places(value))
        if not places:
            break
        holder, key = rng.choice(places)
        choice = rng.randrange(6)
        if choice == 0 and isinstance(holder, dict):
            del holder[key]
        elif choice == 1:
            holder[key] = rng.choice((None, True, -1, 1e308, 10**40, "", "\ud800", "\0", "x" * 5000, [], {}, [[]]))
        elif choice == 2:
            other, other_key = rng.choice(places)
            holder[key] = json.loads(json.dumps(other[other_key]))
        elif choice == 3:
            for _ in range(rng.choice((1, 50, 400))):
                holder[key] = {rng.choice(("config", "layer", "items", "x")): holder[key]}
        elif choice == 4:
            holder[key] = {"class_name": rng.choice(_CLASSES), "config": holder[key]}
        elif isinstance(holder[key], str) and holder[key]:
            at = rng.randrange(len(holder[key]))
            holder[key] = holder[key][:at] + chr(rng.randrange(0x3000)) + holder[key][at + rng.randrange(2) :]
    result = json.dumps(value).encode("utf-8")
    return flip_bits(result, rng, b"") if rng.randrange(8) == 0 else result


_CLASSES = (
    "Lambda",
    "__lambda__",
    "function",
    "__tuple__",
    "__slice__",
    "TFOpLambda",
    "Sequential",
    "StringLookup",
    "Mine",
)


def edit_hdf5_text(data: bytes, rng: random.Random, other: bytes) -> bytes:
    """A configuration attribute of a sound HDF5 file, edited."""
    stream = io.BytesIO(data)
    with h5py.File(stream, "r+") as file:
        names = [name for name in ("model_config", "training_config") if name in file.attrs]
        if not names:
            return flip_bits(data, rng, other)
        name = rng.choice(names)
        text = file.attrs[name]
        edited = edit_json(text if isinstance(text, bytes) else text.encode(), rng)
        del file.attrs[name]
        try:
            file.attrs[name] = edited
        except (OSError, RuntimeError, ValueError):
            return flip_bits(data, rng, other)  # longer than an attribute may be, or with a null in it
    return stream.getvalue()


def edit_zip_member(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    """A sound archive with one member edited: JSON as JSON, weights as bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(out, "w", rng.choice((0, 0, 8))) as changed:
        chosen = rng.choice(archive.namelist())
        for name in archive.namelist():
            content = archive.read(name)
            if name == chosen and name.endswith(".json"):
                content = edit_json(content, rng)
            elif name == chosen:
                content = rng.choice(BYTE_MUTATIONS)(content, rng, data)
            changed.writestr(name, content)
    return out.getvalue()


def _mutations(data: bytes) -> tuple[Mutation, ...]:
    if data.startswith(b"\x89HDF"):
        return (*BYTE_MUTATIONS, edit_hdf5_text, edit_hdf5_text, edit_hdf5_text)
    if data.startswith(b"PK"):
        return (*BYTE_MUTATIONS, *[edit_zip_member] * 6)
    return BYTE_MUTATIONS


# Running


def load(container: str) -> list[Files]:
    """The real files of a container; a file alone is an artifact of one file."""
    found = []
    for name in CONTAINERS[container]:
        path = MODELS / name
        if path.is_file():
            found.append({path.name: path.read_bytes()})
        else:
            found.append(
                {each.relative_to(path).as_posix(): each.read_bytes() for each in path.rglob("*") if each.is_file()}
            )
    return found


def mutated(artifacts: Sequence[Files], rng: random.Random) -> tuple[str, Files]:
    """One artifact with one file changed, and how."""
    files = dict(rng.choice(artifacts))
    candidates = [name for name in _SAVED_MODEL_PARTS if files.get(name)] or list(files)
    name = rng.choice(candidates)
    other = rng.choice(artifacts)
    mutation = rng.choice(_mutations(files[name]))
    files[name] = mutation(files[name], rng, other.get(name) or next(iter(other.values())))
    return mutation.__name__, files


def run(container: str, count: int, seed: int, cpu_s: int = 4) -> Tally:
    """Read ``count`` mutations of ``container``, each in a process of its own that has ``cpu_s`` of processor time."""
    artifacts, tally = load(container), Tally()
    with Inspector(expect_hdf5=True, child_limits=ChildLimits(cpu_s=cpu_s)) as inspector:
        for number in range(count):
            # Seeded by position, so that one case can be made again without those before it.
            kind, files = mutated(artifacts, random.Random(f"{container}/{seed}/{number}"))
            tally.kinds[kind] += 1
            start = time.monotonic()
            try:
                outcome, problem = _outcome(_inspect(inspector, files))
            except Exception as error:  # whatever it is, it is what is looked for
                outcome, problem = "raised", f"{type(error).__name__}: {error}"
            took_s = time.monotonic() - start
            tally.slowest_s = max(tally.slowest_s, took_s)
            tally.outcomes[outcome] += 1
            if took_s > WALL_S_MAX:
                problem = problem or f"took {took_s:.1f} s"
            if problem:
                tally.broken.append((f"{container} #{number} ({kind}): {problem}", files))
    return tally


def _inspect(inspector: Inspector, files: Files) -> Facts:
    """Through descriptors of files that have no name."""
    opened: list[tuple[str, int]] = []
    try:
        for name, data in files.items():
            descriptor = os.memfd_create("mutation")
            opened.append((name, descriptor))
            os.write(descriptor, data)
        return inspector.inspect(opened)
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


def main() -> int:
    """Run what the command line asks for; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description="Read mutations of real model files and count what becomes of them.")
    parser.add_argument("containers", nargs="*", metavar="CONTAINER", help=f"one of: {', '.join(CONTAINERS)}")
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cpu-s", type=int, default=4, help="limit of each reader; a sound file takes 0.1 s")
    parser.add_argument("--keep", type=Path, help="a folder for the bytes that broke a promise")
    options = parser.parse_args()
    broken = 0
    for container in options.containers or CONTAINERS:
        tally = run(container, options.count, options.seed, options.cpu_s)
        print(f"{container}: {tally.count:,} mutations, slowest {tally.slowest_s:.2f} s", flush=True)
        for outcome, count in tally.outcomes.most_common():
            print(f"    {count:>7,}  {outcome}", flush=True)
        for number, (problem, files) in enumerate(tally.broken):
            print(f"    BROKEN: {problem}", flush=True)
            if options.keep:
                for name, data in files.items():
                    path = options.keep / f"{container.replace(' ', '-')}-{number}" / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(data)
        broken += len(tally.broken)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
