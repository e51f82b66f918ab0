"""Golden predictions at push, and their blob on the way into a store, out of it, and beside a pulled model."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from modelreg.artifact import SourceFile
from modelreg.client.replay import (
    check_began,
    check_request,
    in_safe_mode,
    model_path,
    obstacle,
    require_keras,
)
from modelreg.configuration import parse_configuration
from modelreg.digest import sha256_hex
from modelreg.digest.streams import Descriptor
from modelreg.errors import BlobMissingError, LoadError, RefusedError, UsageError
from modelreg.facts import Facts
from modelreg.findings import Finding, Verdict
from modelreg.manifest import GOLDEN_PATH, Golden, Manifest
from modelreg.replay import (
    TIMEOUT_S,
    Hint,
    Making,
    PredictionRun,
    RunOutcome,
    hints_of,
    interpreter_of,
    private_folder,
    run_predictions,
)
from modelreg.rules import RULES, Policy
from modelreg.store.base import Store

SAMPLES_MAX = 1024


@dataclass(frozen=True, slots=True)
class GoldenRequest:
    """What golden predictions a push is to make; see ``ReplayRequest`` for the rest.

    ``samples`` inputs are drawn from ``seed``.  Without a ``tolerance`` it is 1e-4, or 1e-2 for a model that computes
    in half precision.  Raises ``UsageError``.
    """

    samples: int
    python: str | None = None
    custom_objects: tuple[str, ...] = ()
    tolerance: str | None = None
    seed: int = 0
    timeout_s: float = TIMEOUT_S

    def __post_init__(self) -> None:
        if not 1 <= self.samples <= SAMPLES_MAX:
            raise UsageError(f"{self.samples} golden predictions cannot be made: 1 to {SAMPLES_MAX:,}")
        if not 0 <= self.seed < 2**53:
            raise UsageError(f"{self.seed} is not a seed: 0 to {2**53 - 1:,}")
        check_request(self.tolerance, self.timeout_s, self.custom_objects)


@dataclass(frozen=True, slots=True)
class MadeGolden:
    """What the manifest says of golden predictions, and their bytes."""

    golden: Golden
    data: bytes

    def publish(self, store: Store, owner: str) -> None:
        """Store the bytes, before the manifest that names them."""
        store.put(self.data, owner=owner)


def make_golden(
    request: GoldenRequest,
    files: Sequence[SourceFile],
    descriptors: Sequence[int],
    facts: Facts,
    policy: Policy,
) -> MadeGolden:
    """Let a child's Keras load a private copy of the artifact and predict.

    ``descriptors`` are of what will be stored.  Raises ``RefusedError`` for a model that the policy does not allow to
    run, ``LoadError`` where there is no Keras, or it cannot load the model, or the model cannot have golden
    predictions.
    """
    name = facts.file if facts.file != "." else "the folder"
    first = obstacle(facts, policy)
    if first is not None:
        raise RefusedError(
            f"no golden predictions of {name!r}: {first.message}", verdict=Verdict((first,)), hint=first.fix
        )
    executable = interpreter_of(request.python)
    if executable is None:
        require_keras()
    making = Making(request.samples, request.seed, request.tolerance, hints_in(facts))
    with private_folder("golden") as folder:
        for file, descriptor in zip(files, descriptors, strict=True):
            copy_bytes(descriptor, file.size_bytes, folder / file.path)
        run = run_predictions(
            executable,
            model_path(folder, facts),
            facts.container,
            making,
            custom_objects=request.custom_objects,
            safe_mode=in_safe_mode(policy),
            timeout_s=request.timeout_s,
        )
    check_began(run, request.python)
    if run.outcome is not RunOutcome.MADE:
        told = ": ".join(part for part in (run.error, run.message) if part)
        raise LoadError(
            f"no golden predictions of {name!r} could be made, and nothing was pushed: {told or 'no reason was given'}",
            hint=_advice(run, facts),
        )
    return MadeGolden(_described(run, making), run.golden)


def hints_in(facts: Facts) -> dict[str, Hint]:
    """What each input takes, as the configuration in the facts tells."""
    return hints_of(parse_configuration(facts.config)) if facts.config is not None else {}


def _described(run: PredictionRun, making: Making) -> Golden:
    return Golden(
        sha256=sha256_hex(run.golden),
        size_bytes=len(run.golden),
        samples=run.samples,
        seed=making.seed,
        tolerance=run.tolerance,
        inputs=run.inputs,
        outputs=run.predicted,
        python=run.versions.get("python", ""),
        keras=run.versions.get("keras", ""),
        tensorflow=run.versions.get("tensorflow"),
    )


def _advice(run: PredictionRun, facts: Facts) -> str:
    if run.stage == "load" and facts.custom_objects:
        return f"--custom-objects MODULE with {facts.custom_objects[0].class_name!r} in it"
    if run.stage == "load":
        return "--python EXE with a Keras that loads it, or push it without --golden"
    return "push it without --golden"


def copy_bytes(source: int, size_bytes: int, target: Path) -> None:
    """Copy an open file to ``target``, which is made, with its folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    reader, view, offset = Descriptor(source), memoryview(bytearray(min(size_bytes, 1024 * 1024) or 1)), 0
    with target.open("xb") as stream:
        while count := reader.read_into(view, offset):
            stream.write(view[:count])
            offset += count


# --- the blob ---------------------------------------------------------------------------------------------------------


def fetch_golden(store: Store, manifest: Manifest) -> tuple[bytes | None, tuple[Finding, ...]]:
    """The golden file of a version, ``None`` for one without, and what is wrong with it.

    The bytes are to be used only if nothing is wrong.
    """
    golden = manifest.golden
    if golden is None:
        return None, ()
    try:
        blob = store.open(golden.sha256)
    except BlobMissingError:
        return None, (_missing(golden),)
    with contextlib.closing(blob):
        if blob.size_bytes != golden.size_bytes:
            return None, (_wrong_size(golden, blob.size_bytes),)
        view = memoryview(bytearray(golden.size_bytes))
        data = bytes(view[: blob.read_into(view, 0)])
    return data, tuple(_wrong(golden, data))


def check_kept_golden(folder: Path, manifest: Manifest) -> tuple[Finding, ...]:
    """What is wrong with the golden file of a pulled folder."""
    golden = manifest.golden
    if golden is None:
        return ()
    try:
        descriptor = os.open(folder / GOLDEN_PATH, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return (_missing(golden),)
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return (_missing(golden),)
        if status.st_size != golden.size_bytes:
            return (_wrong_size(golden, status.st_size),)
        return tuple(_wrong(golden, stream.read(golden.size_bytes)))


def _missing(golden: Golden) -> Finding:
    return RULES["MR103"].found(
        f"{GOLDEN_PATH}: its {golden.size_bytes:,} bytes are missing (blob sha256:{golden.sha256})", where=GOLDEN_PATH
    )


def _wrong_size(golden: Golden, size_bytes: int) -> Finding:
    return RULES["MR103"].found(
        f"{GOLDEN_PATH}: {size_bytes:,} bytes are there, {golden.size_bytes:,} were pushed", where=GOLDEN_PATH
    )


def _wrong(golden: Golden, data: bytes) -> Iterator[Finding]:
    actual = sha256_hex(data)
    if len(data) != golden.size_bytes:
        yield _wrong_size(golden, len(data))
    elif actual != golden.sha256:
        yield RULES["MR105"].found(f"{GOLDEN_PATH}: SHA-256 is {actual}, {golden.sha256} was pushed", where=GOLDEN_PATH)
