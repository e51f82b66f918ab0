"""The sweep: removes what no version needs, beside running pushes.

The order is what makes it safe: list the store, condemn in one transaction what is neither referenced nor leased,
delete after its commit, and only then let pushes have the names again.
"""

from __future__ import annotations

from modelreg.client.claim import holder, utc_now
from modelreg.client.manifests import find_manifests
from modelreg.client.results import LeaseHolder, Swept
from modelreg.db.leases import Leases, Sentence
from modelreg.errors import ConflictError
from modelreg.store.base import BlobInfo, StagedInfo, Store


def require_no_manifest(store: Store) -> None:
    """Raise ``ConflictError`` if the store holds manifests: for a database that lists nothing.

    The database that listed them is lost, or another was named by mistake, and a sweep would remove every version.
    """
    for sha256 in find_manifests(store, store.blobs(), keep=lambda found: found.sha256):
        raise ConflictError(
            f"the database lists no version, and the store holds manifests (sha256:{sha256}): nothing was removed",
            hint="modelreg db rebuild lists them anew; --even-if-empty removes them for good",
        )


def preview(store: Store, leases: Leases) -> Swept:
    """What a sweep would remove now, and who is at work."""
    staged, blobs = tuple(store.staged()), tuple(store.blobs())
    return _swept(leases.preview([blob.sha256 for blob in blobs]), staged, blobs, dry_run=True)


def sweep(store: Store, leases: Leases, user: str) -> Swept:
    """Remove blobs that no version and no running push needs, and what dead pushes had staged."""
    with leases.take(holder(user, "gc"), utc_now()) as lease:
        staged, blobs = tuple(store.staged()), tuple(store.blobs())
        sentence = lease.condemn([blob.sha256 for blob in blobs])
        for sha256 in sorted(sentence.blobs):
            lease.require_living()  # a push may have what a dead sweep condemned
            store.delete(sha256)
        lease.reprieve()
        for leftover in abandoned(sentence, staged):
            store.discard(leftover.name)
    return _swept(sentence, staged, blobs, dry_run=False)


def abandoned(sentence: Sentence, staged: tuple[StagedInfo, ...]) -> tuple[StagedInfo, ...]:
    """What the dead staged: its lease is there before the first byte, and ``staged`` was listed before the leases."""
    owners = {info.id for info in sentence.living} | sentence.leased
    return tuple(info for info in staged if info.owner not in owners)


def _swept(sentence: Sentence, staged: tuple[StagedInfo, ...], blobs: tuple[BlobInfo, ...], *, dry_run: bool) -> Swept:
    leftovers = abandoned(sentence, staged)
    sizes = [blob.size_bytes for blob in blobs if blob.sha256 in sentence.blobs]
    return Swept(
        blobs=tuple(sorted(sentence.blobs)),
        leftovers=len(leftovers),
        size_bytes=sum(sizes) + sum(info.size_bytes for info in leftovers),
        kept=sum(1 for blob in blobs if blob.sha256 not in sentence.blobs),
        dry_run=dry_run,
        leases=tuple(LeaseHolder(info.id, info.holder, info.begun_at, info.blobs) for info in sentence.living),
    )
