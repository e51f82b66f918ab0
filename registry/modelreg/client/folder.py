"""A pulled folder checked by itself: no registry, no network."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from modelreg.client.bundles import size_bytes_max
from modelreg.client.checks import Checks, accepted, accepted_bytes, policy_of, refuse, target_of, with_signatures
from modelreg.client.fetch import BUNDLES_NAME, MANIFEST_NAME, check_folder
from modelreg.client.golden import check_kept_golden
from modelreg.client.replay import Replayed, ReplayRequest, replay_if_allowed, require_replayable, run_golden
from modelreg.client.results import Verified
from modelreg.config import Settings, load_settings
from modelreg.digest.streams import Progress
from modelreg.errors import DocumentError, NotFoundError
from modelreg.files import read_bounded
from modelreg.findings import Verdict
from modelreg.manifest import (
    BUNDLES_MAX,
    GOLDEN_PATH,
    SIDE_FOLDER,
    Golden,
    IndexedBundle,
    Manifest,
    manifest_digest,
    parse_manifest,
)
from modelreg.records import DOCUMENT_SIZE_BYTES_MAX
from modelreg.replay import PredictionRun
from modelreg.rules import Policy, Purpose
from modelreg.verify import Evidence, Judgement, KeptBundle, verify


def is_pulled_folder(path: str | Path) -> bool:
    """Whether modelreg put this folder there."""
    return (Path(path) / SIDE_FOLDER / MANIFEST_NAME).is_file()


def read_kept_manifest(folder: Path) -> bytes:
    """The manifest's bytes beside a pulled model; raises ``NotFoundError``."""
    kept = folder / SIDE_FOLDER / MANIFEST_NAME
    try:
        with kept.open("rb") as file:
            return file.read(DOCUMENT_SIZE_BYTES_MAX + 1)
    except OSError as error:
        raise NotFoundError(
            f"{str(folder)!r} was not pulled by modelreg: {str(kept)!r} cannot be read ({error.strerror})",
            hint="modelreg pull REF -o DIR, then modelreg verify DIR",
        ) from error


_BUNDLE = re.compile(r"(?P<sha256>[0-9a-f]{64})\.(?P<kind>manifest|oms)\.json", re.ASCII)


def read_kept_bundles(folder: Path, manifest: bytes) -> tuple[KeptBundle, ...]:
    """The bundles beside a pulled model; whoever can change the model can have changed them too."""
    place = folder / SIDE_FOLDER / BUNDLES_NAME
    if not place.is_dir():
        return ()
    try:
        paths = sorted(path for path in place.iterdir() if _BUNDLE.fullmatch(path.name))[:BUNDLES_MAX]
    except OSError as error:
        raise NotFoundError(
            f"the signatures in {str(place)!r} cannot be read ({error.strerror})", hint=f"ls -l {place.parent}"
        ) from error
    return tuple(_read_kept_bundle(path, size_bytes_max(manifest)) for path in paths)


def _read_kept_bundle(path: Path, limit: int) -> KeptBundle:
    sha256, kind, _ = path.name.split(".")
    data: bytes | None = None
    with contextlib.suppress(NotFoundError, DocumentError):  # no bytes, which whoever judges it tells
        data = read_bounded(path, limit, "signature")
    return KeptBundle(IndexedBundle(sha256, kind), data)


def verify_folder(
    folder: str | Path,
    *,
    settings: Settings | None = None,
    full: bool = False,
    replay: ReplayRequest | None = None,
    progress: Progress | None = None,
    **checks: Unpack[Checks],
) -> Verified:
    """Check a pulled folder against the manifest kept in it, and with ``replay`` its golden predictions too.

    This finds accidents and changed files; it proves no origin by itself, since whoever can change the model can
    change an unsigned manifest too.  Raises ``NotFoundError`` for a folder that was not pulled, ``RefusedError``.
    """
    folder = Path(folder)
    judged = _judge_folder(folder, settings, full=full, progress=progress, **checks)
    run, verdict = None, judged.verdict
    if replay is not None:
        run, findings = replay_if_allowed(folder, judged.manifest, folder / GOLDEN_PATH, judged.policy, replay)
        verdict = accepted_bytes(verdict, findings, f"{str(folder)!r} is refused")
    manifest = judged.manifest
    return Verified(
        manifest.model, manifest.version, judged.digest, manifest.size_bytes, full, verdict, run, judged.signed_by
    )


def replay_folder(
    folder: str | Path,
    request: ReplayRequest | None = None,
    *,
    settings: Settings | None = None,
    progress: Progress | None = None,
    **checks: Unpack[Checks],
) -> Replayed:
    """Compute the golden predictions of a pulled folder again; see ``Registry.replay``."""
    folder = Path(folder)
    checks.setdefault("target", "none")
    judged = _judge_folder(folder, settings, full=False, progress=progress, **checks)
    require_replayable(judged.manifest, judged.policy)
    run = run_golden(folder, judged.manifest, folder / GOLDEN_PATH, judged.policy, request or ReplayRequest())
    return Replayed.of(judged.manifest, judged.digest, run, judged.verdict, judged.policy)


def replay_staged(
    staging: Path, judgement: Judgement, policy: Policy, request: ReplayRequest
) -> tuple[PredictionRun | None, Verdict]:
    """Replay a folder before it is put in place, and check its bytes again: the model ran, and can have written there.

    Raises ``RefusedError`` for other numbers, and for bytes that are no longer what was pushed.
    """
    manifest = accepted(judgement, "the version is refused")
    name = f"{manifest.model}:{manifest.version}"
    run, findings = replay_if_allowed(staging, manifest, staging / GOLDEN_PATH, policy, request)
    verdict = accepted_bytes(judgement.verdict, findings, f"{name} was not pulled")
    findings = check_folder(staging, manifest, policy, full=False, progress=None)
    return run, accepted_bytes(verdict, findings, f"{name} was not pulled")


@dataclass(frozen=True, slots=True)
class KeptGolden:
    """Golden predictions in a pulled folder, of which every byte was checked."""

    golden: Golden
    place: Path


def kept_golden(file: Path, sha256: str) -> KeptGolden | None:
    """The golden predictions that were pulled with the model ``file``, whose SHA-256 this is; ``None`` for none.

    Raises ``RefusedError`` where they are not what was pushed.
    """
    folder = next((each for each in file.absolute().parents if is_pulled_folder(each)), None)
    if folder is None:
        return None
    manifest = parse_manifest(read_kept_manifest(folder))
    if manifest.golden is None or sha256 not in {entry.sha256 for entry in manifest.files}:
        return None
    refuse(Verdict(check_kept_golden(folder, manifest)), f"the golden predictions in {str(folder)!r} are refused")
    return KeptGolden(manifest.golden, folder / GOLDEN_PATH)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A pulled folder of which every byte was checked."""

    manifest: Manifest
    digest: str
    policy: Policy
    verdict: Verdict
    signed_by: tuple[str, ...]


def _judge_folder(
    folder: Path,
    settings: Settings | None,
    *,
    full: bool,
    progress: Progress | None,
    **checks: Unpack[Checks],
) -> _Judged:
    settings = settings or load_settings()
    data = read_kept_manifest(folder)
    policy = policy_of(settings, Purpose.PULL, **checks)
    digest = manifest_digest(data)
    evidence = with_signatures(Evidence(digest, data), read_kept_bundles(folder, data), settings)
    judgement = verify(evidence, policy, target_of(checks.get("target"), settings))
    lock = checks.get("lock")
    if lock is not None and judgement.manifest is not None:
        from modelreg.client.locks import against_lock

        judgement = against_lock(judgement, lock, judgement.manifest.model)
    manifest = accepted(judgement, f"{str(folder)!r} is refused")
    findings = check_folder(folder, manifest, policy, full=full, progress=progress)
    verdict = accepted_bytes(judgement.verdict, findings, f"{str(folder)!r} is refused")
    return _Judged(manifest, digest, policy, verdict, judgement.signed_by)
