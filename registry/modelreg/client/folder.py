"""A pulled folder checked by itself: no registry, no network."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from modelreg.client.checks import Checks, accepted, accepted_bytes, policy_of, target_of
from modelreg.client.fetch import MANIFEST_NAME, check_folder
from modelreg.client.results import Verified
from modelreg.config import Settings, load_settings
from modelreg.digest.streams import Progress
from modelreg.errors import NotFoundError
from modelreg.manifest import SIDE_FOLDER, manifest_digest
from modelreg.records import DOCUMENT_SIZE_BYTES_MAX
from modelreg.rules import Purpose
from modelreg.verify import Evidence, verify


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


def verify_folder(
    folder: str | Path,
    *,
    settings: Settings | None = None,
    full: bool = False,
    progress: Progress | None = None,
    **checks: Unpack[Checks],
) -> Verified:
    """Check a pulled folder against the manifest kept in it.

    This finds accidents and changed files; it proves no origin by itself, since whoever can change the model can
    change an unsigned manifest too.  Raises ``NotFoundError`` for a folder that was not pulled, ``RefusedError``.
    """
    folder = Path(folder)
    settings = settings or load_settings()
    data = read_kept_manifest(folder)
    policy = policy_of(settings, Purpose.PULL, **checks)
    digest = manifest_digest(data)
    judgement = verify(Evidence(digest, data), policy, target_of(checks.get("target"), settings))
    manifest = accepted(judgement, f"{str(folder)!r} is refused")
    findings = check_folder(folder, manifest, policy, full=full, progress=progress)
    verdict = accepted_bytes(judgement.verdict, findings, f"{str(folder)!r} is refused")
    return Verified(manifest.model, manifest.version, digest, manifest.size_bytes, full, verdict)
