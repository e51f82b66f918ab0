"""The lock file on disk, and a version held against it.

``trust.lock`` says what is in one.  A name alone, pulled with a lock file, is the version that is locked; whatever else
is asked for must be that version.  What differs is MR211, and refuses before a byte is fetched.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from modelreg.client.checks import Checks, accepted
from modelreg.client.memory import Memory
from modelreg.config import find_above
from modelreg.digest import sha256_hex
from modelreg.errors import ConflictError, DocumentError, NotFoundError, UsageError
from modelreg.files import read_bounded, reason_of, replace_file
from modelreg.findings import Finding
from modelreg.manifest import IndexEntry, Manifest
from modelreg.records import canonical_json, to_json
from modelreg.refs import parse_reference
from modelreg.rules import RULES, Purpose
from modelreg.trust.lock import LOCK_NAME, LOCK_SIZE_BYTES_MAX, Lock, LockedVersion
from modelreg.trust.note import Note
from modelreg.verify import Judgement

if TYPE_CHECKING:
    from collections.abc import Callable

    Judge = Callable[..., tuple[IndexEntry, Judgement]]


@dataclass(frozen=True, slots=True)
class LockChange:
    """What became of one model in a lock file; ``before`` is ``None`` for one that was not in it."""

    model: str
    before: LockedVersion | None
    after: LockedVersion


def find_lock(given: str | Path | None, cwd: Path) -> Path:
    """The lock file that is meant: ``given``, else the nearest above ``cwd``, else one to be made there."""
    return Path(given) if given is not None else find_above(cwd, LOCK_NAME) or cwd / LOCK_NAME


def read_lock(path: Path) -> Lock:
    """The lock file at ``path``; raises ``NotFoundError`` where there is none, ``DocumentError`` for another file."""
    data = read_bounded(path, LOCK_SIZE_BYTES_MAX, "lock file", hint="modelreg lock NAME makes one")
    try:
        return Lock.parse(data)
    except DocumentError as error:
        raise DocumentError(f"{path}: {error.message}", hint=f"git log -p {path.name}") from None


def write_lock(path: Path, lock: Lock) -> None:
    """Put ``lock`` in the place of what is at ``path``, whole or not at all; raises ``UsageError`` where it cannot."""
    try:
        replace_file(path, lock.to_bytes())
    except OSError as error:
        raise UsageError(f"the lock file {path} cannot be written: {reason_of(error)}") from None


def locked_reference(reference: str, lock: Lock | None) -> str:
    """``reference``, or for a name alone the version that is locked."""
    asked = parse_reference(reference)
    if lock is None or asked != dataclasses.replace(asked, version=None, alias=None, digest=None):
        return reference
    return f"{asked.name}:{_locked(lock, asked.name).version}"


def _locked(lock: Lock, model: str) -> LockedVersion:
    if model not in lock.models:
        raise NotFoundError(f"the lock file has no {model!r}", hint=f"modelreg lock {model}")
    return lock.models[model]


def against_lock(judgement: Judgement, lock: Lock, model: str) -> Judgement:
    """``judgement`` with MR211 for everything in which the version is not the one that is locked for ``model``.

    Raises ``NotFoundError`` where none is.
    """
    locked = _locked(lock, model)
    if judgement.manifest is None:
        return judgement
    found = locked_version(locked.reference, judgement)
    findings = _differences(lock, locked, judgement.manifest, found)
    return dataclasses.replace(judgement, verdict=judgement.verdict.with_findings(findings))


def _differences(lock: Lock, locked: LockedVersion, manifest: Manifest, found: LockedVersion) -> Iterator[Finding]:
    name = f"{manifest.model}:{manifest.version}"
    if manifest.registry != lock.registry:
        yield RULES["MR211"].found(f"{name} is of the registry {manifest.registry}, {lock.registry} is locked")
    for difference in locked.differences(found):
        yield RULES["MR211"].found(f"{name} is not what is locked: {difference}")


def locked_version(reference: str, judgement: Judgement) -> LockedVersion:
    """What a lock file says of a version that was judged, and has a manifest."""
    assert judgement.manifest is not None  # noqa: S101 - the caller has looked
    environment = judgement.manifest.push
    return LockedVersion(
        reference=reference,
        version=judgement.manifest.version,
        digest=sha256_hex(judgement.manifest_bytes),
        signed_by=tuple(sorted(judgement.signed_by)),
        log_index=judgement.log_index,
        environment=None if environment is None else sha256_hex(canonical_json(to_json(environment))),
    )


def relock(
    judge: Judge, address: str, references: Sequence[str], before: Lock | None, **checks: Unpack[Checks]
) -> tuple[Lock, tuple[LockChange, ...]]:
    """Look up ``references``, or all that are in ``before``, and lock what they name in the database at ``address``.

    Raises ``RefusedError`` for a version that a pull would refuse, ``ConflictError`` for a lock file of another
    registry, ``UsageError`` for two references to one model.
    """
    if not references and before is None:
        raise UsageError("there is no lock file yet, so name what to lock", hint="modelreg lock NAME@ALIAS")
    references = references or [locked.reference for locked in (before.models.values() if before else ())]
    models: dict[str, LockedVersion] = {}
    registry = before.registry if before else None
    for reference in references:
        entry, judgement = judge(reference, Purpose.PULL, **checks)
        name = f"{entry.model}:{entry.version}"
        manifest = accepted(judgement, f"{name} was not locked")
        if entry.model in models:
            raise UsageError(f"{entry.model!r} is named twice; a lock file holds one version of each model")
        if manifest.registry != (registry := registry or manifest.registry):
            raise ConflictError(
                f"{name} is of the registry {manifest.registry}, the lock file of {registry}",
                hint="one lock file is about one registry: name another with --lock-file",
            )
        models[entry.model] = locked_version(reference, judgement)
    known = before.models if before else {}
    changes = tuple(LockChange(model, known.get(model), after) for model, after in models.items())
    seen = Memory().recall(address)
    note = None if seen is None else Note.parse(seen.note)
    return (before or Lock(registry or "", {})).holding(models, note), changes
