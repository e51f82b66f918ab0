"""Repairs a model file: plans on its facts, writes a copy with another configuration, and judges what came out.

Invariants:

* The file itself is only read; hostile bytes are parsed by the confined child, which writes nothing.
* What is put in place holds the tensors of the file, digest by digest, and is not refused for the target; where a proof
  was asked for, it was not seen to predict anything else.
* Nothing of the file runs unless a proof is asked for, and then in a child.
* The destination is either what it was or the whole repaired file; it is never replaced unless that was asked for.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import secrets
import shlex
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from modelreg.artifact import SourceFile, open_artifact
from modelreg.client.checks import Checks, policy_of, target_of
from modelreg.client.folder import kept_golden
from modelreg.client.golden import copy_bytes
from modelreg.client.placement import as_placement_error
from modelreg.client.proof import Proof, ProofRequest, Subject, prove
from modelreg.config import Settings
from modelreg.digest.streams import Descriptor, ingest
from modelreg.environment import interpreter_of_target
from modelreg.errors import ConflictError, InspectionError, PlacementError, RefusedError, UsageError
from modelreg.facts import Container, Facts, Tensor
from modelreg.files import fsync_folder
from modelreg.findings import Finding, Kind, Verdict
from modelreg.inspect import Inspector
from modelreg.inspect.pieces import Piece
from modelreg.repair import Change, Plan, plan_repair, render
from modelreg.replay import private_folder
from modelreg.rules import Policy, Purpose, Target, judge
from modelreg.rules.keras.reader import Reader, reader_of

MENDABLE = frozenset({Container.KERAS_HDF5, Container.KERAS_ZIP})
_TAKEN_AWAY = frozenset({"MR301", "MR307"})
"""Bytecode, damaged or not, is what a repair takes out of a file; the result is judged for what is left of it."""
_PACKAGE_DIGITS = 8
_COPIED_SIZE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair changed, what it could not, and the verdict on the result.

    ``module`` is where the generated functions are, ``source`` their text; both ``None`` without any.  ``loads`` says
    that nothing is left that refuses it; only then, and not in a dry run, it ``is_written``.  ``proof`` is there where
    one was asked for and the result could be judged.
    """

    path: str
    out: Path
    target: str
    reader: str
    changes: tuple[Change, ...]
    unmended: tuple[str, ...]
    before: Verdict
    verdict: Verdict
    module: Path | None
    source: str | None
    loads: bool
    is_written: bool
    proof: Proof | None = None


def repair_model(
    path: str,
    out: Path,
    *,
    settings: Settings,
    force: bool = False,
    dry_run: bool = False,
    proof: ProofRequest | None = None,
    **checks: Unpack[Checks],
) -> Repaired:
    """Write ``path``, changed so that the target's Keras reads it, as ``out``, if that can be done.

    Judged is what ``keras.models.load_model(OUT, compile=False)`` does there after the generated module was imported.
    With ``proof`` both files are loaded where that can be, in child processes, and what they predict is compared: other
    numbers refuse (MR440), and so does a result that does not run (MR441); what could not be compared warns (MR441).
    Raises ``RefusedError`` for a damaged or unsafe file and for one without a configuration, ``ConflictError`` for a
    destination that is in the way, ``UsageError`` for a target without Keras, ``PlacementError``.
    """
    target = target_of(checks.get("target"), settings)
    reader = reader_of(target.environment) if target is not None else None
    if target is None or reader is None:
        raise UsageError(
            "a repair needs a target with Keras" + (f"; {target.name!r} has none" if target else ""),
            hint="--target PYTHON, --target requirements.txt@3.11 ...",
        )
    work = _Work(path, out, policy_of(settings, Purpose.DIAGNOSE, **checks), target, reader, proof)
    with open_artifact(Path(path)) as files, Inspector(expect_hdf5=True) as inspector:
        if len(files) != 1 or Path(path).is_dir():
            raise UsageError(f"{path!r} is a folder; only single files (.h5, .keras) are repaired")
        work.check_destination(files[0], force=force)
        return work.run(files[0], inspector, dry_run=dry_run)


def module_of(out: Path) -> Path:
    """Where the functions of the repaired file ``out`` are written: a name that can be imported."""
    return out.with_name(f"{_identifier(out.stem)}_functions.py")


@dataclass(frozen=True, slots=True)
class _Module:
    """The generated functions: where they go, and their text."""

    place: Path
    text: str


@dataclass(frozen=True, slots=True)
class _Original:
    """The file that is repaired."""

    source: SourceFile
    facts: Facts
    sha256: str


class _Work:
    """One repair."""

    def __init__(
        self,
        path: str,
        out: Path,
        policy: Policy,
        target: Target,
        reader: Reader,
        proof: ProofRequest | None,
    ) -> None:
        self.path = path
        self.out = out
        self.policy = policy
        self.target = target
        self.reader = reader
        self.proof = proof

    def check_destination(self, source: SourceFile, *, force: bool) -> None:
        if not self.out.name:
            raise UsageError(f"{str(self.out)!r} is no name for a file", hint="-o repaired.h5")
        if not self.out.parent.is_dir():
            raise PlacementError(
                f"there is no folder {str(self.out.parent)!r}", hint=f"mkdir -p {shlex.quote(str(self.out.parent))}"
            )
        with as_placement_error(self.out):
            for place in (self.out, module_of(self.out)):
                if not os.path.lexists(place):
                    continue
                if place.exists() and os.path.samestat(place.stat(), os.fstat(source.descriptor)):
                    raise ConflictError(f"{str(place)!r} is the file itself, which is never changed", hint="-o OTHER")
                if place.exists() and not place.is_file():
                    what = "a folder" if place.is_dir() else "no regular file"
                    raise ConflictError(f"{str(place)!r} is {what}", hint="give another name with -o")
                if not force:
                    raise ConflictError(
                        f"{str(place)!r} exists", hint="give another name with -o, or --force to replace it"
                    )

    def run(self, source: SourceFile, inspector: Inspector, *, dry_run: bool) -> Repaired:
        facts = inspector.inspect([(source.path, source.descriptor)], values=True)
        before = self._verdict(facts)
        self._check_mendable(facts, before)
        sha256 = ingest(Descriptor(source.descriptor), source.size_bytes).sha256
        plan = plan_repair(facts, self.reader, f"{_identifier(self.out.stem)}_{sha256[:_PACKAGE_DIGITS]}")
        module = self._module(plan, sha256)
        pieces, unmended = self._pieces(source, inspector, facts, plan)
        with self._staged(source, pieces, dry_run=dry_run) as (descriptor, staged):
            after, verdict = self._checked(inspector, descriptor, facts, plan if pieces else None)
            proof = None
            if self.proof is not None and pieces and not verdict.refusals:
                original = _Original(source, facts, sha256)
                proof = self._prove(self.proof, original, Subject(self.out.name, staged, after), module)
                verdict = verdict.with_findings(self.policy.settle(proof.findings(Path(self.path).name, self.out.name)))
            loads = bool(pieces) and not verdict.refusals
            if loads and not dry_run:
                self._place(staged, module)
        return Repaired(
            path=self.path,
            out=self.out,
            target=self.target.name,
            reader=str(self.reader),
            changes=plan.changes,
            unmended=unmended,
            before=before,
            verdict=verdict,
            module=module.place if module else None,
            source=module.text if module else None,
            loads=loads,
            is_written=loads and not dry_run,
            proof=proof,
        )

    def _module(self, plan: Plan, sha256: str) -> _Module | None:
        if not plan.functions:
            return None
        text = render(plan.functions, source=self.out.name, sha256=sha256, reader=self.reader)
        return _Module(module_of(self.out), text)

    def _verdict(self, facts: Facts) -> Verdict:
        return Verdict(judge(facts, self.policy, self.target, None), self.target.name)

    def _check_mendable(self, facts: Facts, before: Verdict) -> None:
        """Raise for what no change of a configuration can mend."""
        grave = [
            finding
            for finding in before.refusals
            if finding.kind in (Kind.CORRUPT, Kind.UNSAFE) and finding.rule not in _TAKEN_AWAY
        ]
        if grave:
            raise self._refused(grave[0], before)
        if facts.container in MENDABLE and facts.config is not None:
            return
        if before.refusals:
            raise self._refused(before.refusals[0], before)
        raise UsageError(
            f"{self.path!r} cannot be mended: it is {facts.container.value} and holds no Keras configuration",
            hint=f"modelreg diagnose {self.path}",
        )

    def _refused(self, finding: Finding, before: Verdict) -> RefusedError:
        return RefusedError(
            f"{self.path!r} cannot be mended by changing its configuration: {finding.message}",
            verdict=before,
            hint=finding.fix,
        )

    def _pieces(
        self, source: SourceFile, inspector: Inspector, facts: Facts, plan: Plan
    ) -> tuple[tuple[Piece, ...], tuple[str, ...]]:
        """The recipe of the repaired file, empty where there can be none, and what is not mended."""
        if plan.config == facts.config:
            return (Piece(0, source.size_bytes),), plan.unmended
        rewriting = inspector.rewrite(source.path, source.descriptor, plan.config)
        if rewriting.reason is not None:
            return (), (*plan.unmended, f"the file cannot be rewritten: {rewriting.reason}")
        return rewriting.pieces, plan.unmended

    def _checked(self, inspector: Inspector, descriptor: int, facts: Facts, plan: Plan | None) -> tuple[Facts, Verdict]:
        """What was staged and the verdict on it, once it is known to hold the tensors and the planned configuration.

        The functions of the generated module are no custom objects that anybody else must provide.
        """
        if plan is None:
            renamed = dataclasses.replace(facts, file=self.out.name)
            return renamed, self._verdict(renamed)
        after = inspector.inspect([(self.out.name, descriptor)], values=True)
        if _tensors(after) != _tensors(facts) or after.weight_groups != facts.weight_groups:
            raise InspectionError("the rewritten file does not hold the weights of the file; it was not kept")
        if after.config != plan.config or after.training_config != facts.training_config:
            raise InspectionError("the rewritten file does not hold the planned configuration; it was not kept")
        names = frozenset(function.registered for function in plan.functions)
        wanted = tuple(each for each in after.custom_objects if (each.registered_name or each.class_name) not in names)
        known = dataclasses.replace(after, custom_objects=wanted)
        return known, self._verdict(known)

    def _prove(
        self,
        request: ProofRequest,
        original: _Original,
        repaired: Subject,
        module: _Module | None,
    ) -> Proof:
        """Compare predictions; the file runs from a private copy, and the module is imported as a user imports it."""
        path, source = Path(self.path), original.source
        kept = kept_golden(path, original.sha256)
        with private_folder("proof") as folder:
            before = Subject(path.name, folder / "file" / source.path, original.facts)
            copy_bytes(source.descriptor, source.size_bytes, before.place)
            if module is not None:
                place = folder / "functions" / module.place.name
                place.parent.mkdir()
                place.write_text(module.text, encoding="ascii")
                repaired = dataclasses.replace(repaired, imports=(place,))
            target = interpreter_of_target(self.target.name)
            return prove(request, before, repaired, kept=kept, target=target, policy=self.policy, folder=folder)

    # Files

    @contextlib.contextmanager
    def _staged(self, source: SourceFile, pieces: Sequence[Piece], *, dry_run: bool) -> Iterator[tuple[int, Path]]:
        """The repaired file under a hidden name beside the destination, for a dry run among temporary files."""
        import tempfile

        folder = Path(tempfile.gettempdir()) if dry_run else self.out.parent
        staged = folder / f".modelreg-repair-{secrets.token_hex(8)}"
        with as_placement_error(self.out):
            descriptor = os.open(staged, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with as_placement_error(self.out):
                _write(pieces, source.descriptor, descriptor)
                os.fchmod(descriptor, stat.S_IMODE(os.fstat(source.descriptor).st_mode) & 0o777 | stat.S_IWUSR)
                os.fsync(descriptor)
            yield descriptor, staged
        finally:
            os.close(descriptor)
            staged.unlink(missing_ok=True)

    def _place(self, staged: Path, module: _Module | None) -> None:
        """The module first, so that a model in place always has its functions beside it."""
        with as_placement_error(self.out):
            if module is not None:
                _put(module.place, module.text.encode("ascii"))
            staged.replace(self.out)
            fsync_folder(self.out.parent)


def _write(pieces: Sequence[Piece], source: int, target: int) -> None:
    at = 0
    for piece in pieces:
        data = piece.new_bytes
        if data is not None:
            _write_all(target, data, at)
            at += len(data)
            continue
        done = 0
        while done < piece.size_bytes:
            run = os.pread(source, min(_COPIED_SIZE_BYTES, piece.size_bytes - done), piece.offset + done)
            if not run:
                raise InspectionError("the file became shorter while it was read")
            _write_all(target, run, at + done)
            done += len(run)
        at += piece.size_bytes


def _write_all(target: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(target, view, offset)
        view, offset = view[written:], offset + written


def _put(place: Path, data: bytes) -> None:
    staged = place.with_name(f".modelreg-repair-{secrets.token_hex(8)}")
    try:
        with staged.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        staged.replace(place)
    finally:
        staged.unlink(missing_ok=True)


def _tensors(facts: Facts) -> tuple[Tensor, ...]:
    """The tensors without their places, which change where something before them grows."""
    return tuple(dataclasses.replace(tensor, file="", extents=()) for tensor in facts.tensors)


def _identifier(text: str) -> str:
    plain = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    name = re.sub(r"\W", "_", plain, flags=re.ASCII)
    return name if name[:1].isalpha() else f"model_{name}"
