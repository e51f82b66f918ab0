"""Archives for the tests: written by a registry, or forged; and what became of versions, in short."""

from __future__ import annotations

from pathlib import Path

from modelreg import Moved, Registry
from modelreg.archive import END, ArchivedBlob, ArchiveIndex, Offer, header
from modelreg.digest import sha256_hex
from modelreg.manifest import Manifest

MODELS = {"py38/plain.h5": "demo", "py38/lambda.h5": "team/scale", "py38/savedmodel_plain": "sm"}


def told(registry: Registry) -> list[tuple[str, int, str, str | None]]:
    return [(entry.model, entry.version, entry.digest, entry.withdrawn_reason) for entry in registry.list()]


def outcomes(moved: Moved) -> list[str]:
    return [each.outcome.value for each in moved.versions]


def is_empty(registry: Registry) -> bool:
    """No version, and no byte."""
    return registry.list() == () and not list(registry.store.blobs()) and not list(registry.store.staged())


def export(registry: Registry, path: Path, *references: str, withdrawn: bool = False, force: bool = False) -> Path:
    named = references or [f"{entry.model}:{entry.version}" for entry in registry.list()]
    registry.export(named, path, withdrawn=withdrawn, force=force)
    return path


def forged(path: Path, versions: list[Manifest | bytes], files: list[bytes], offers: list[Offer] | None = None) -> Path:
    """An archive of one's own making: well-formed, whatever it says."""
    data = [version if isinstance(version, bytes) else version.to_bytes() for version in versions]
    named = [version for version in versions if isinstance(version, Manifest)]
    offers = offers or [Offer(m.model, m.version, sha256_hex(d)) for m, d in zip(named, data, strict=True)]
    blobs = [*data, *sorted(files, key=sha256_hex)]
    digests = [*(offer.digest for offer in offers), *(sha256_hex(each) for each in blobs[len(data) :])]
    listed = [ArchivedBlob(digest, len(each)) for digest, each in zip(digests, blobs, strict=True)]
    head = ArchiveIndex(tuple(offers), tuple(listed)).to_bytes()
    members = [("modelreg-archive.json", head), *zip((f"blobs/sha256/{d}" for d in digests), blobs, strict=True)]
    path.write_bytes(b"".join(header(n, len(d)) + d + bytes(-len(d) % 512) for n, d in members) + END)
    return path
