"""The healing: blobs fetched anew from elsewhere, rows written anew from their manifests.

Invariants:

* Bytes are taken into a private copy, and its SHA-256 is the blob's, before the store is touched.
* The store replaces a bad blob by one rename or one put (``Store.stage``, ``publish``): whoever opens it finds the bad
  bytes or the good ones, never parts of both, and a blob that is good meanwhile is left as it is.
* A row is written anew only from a manifest that has the digest in that row.
* Everything happens under a lease, as a push's work does, so no sweep takes what is being mended.
"""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterable, Iterator, Sequence

from modelreg.client.care import Checked, Healed, Healing, Need, Problem
from modelreg.client.claim import Claim
from modelreg.client.fsck import check
from modelreg.client.manifests import WrongBytesError, read_manifest_bytes
from modelreg.client.reading import in_order
from modelreg.client.several import at_once
from modelreg.client.sources import Source, open_source, opened
from modelreg.db.leases import Leases
from modelreg.db.records import Index
from modelreg.db.rows import VersionRows, rows_of
from modelreg.db.transaction import Transaction
from modelreg.digest.streams import (
    ChunkMismatchError,
    Descriptor,
    Progress,
    RangedReader,
    SizeChangedError,
    begin_phase,
    ingest,
    transfer,
)
from modelreg.errors import BlobMissingError, StoreError
from modelreg.files import advice_on, reason_of
from modelreg.manifest import parse_manifest
from modelreg.records import DOCUMENT_SIZE_BYTES_MAX
from modelreg.store.base import BlobReader, Store

NOWHERE = "no --from was given"


def rehearse_healing(checked: Checked, index: Index, places: Iterable[str]) -> Healed:
    """What a healing would try; of what the sources hold nothing is read."""
    sources = _sources(checked, index, places)
    return Healed(tuple(_rehearsed(problem, sources) for problem in checked.problems), dry_run=True)


def _rehearsed(problem: Problem, sources: Sequence[Source]) -> Healing:
    if problem.need is not None:
        found = next((source for source in sources if _has(source, problem.need)), None)
        how = _nobody(sources) if found is None else f"would be fetched from {found.url}, and verified"
        return Healing(problem, found is not None, how)
    if problem.entry is not None:
        return Healing(problem, done=True, how="the row would be written anew from its manifest")
    if problem.alias is not None:
        return Healing(problem, done=True, how="the alias would be removed")
    return _hopeless(problem)


def _has(source: Source, need: Need) -> bool:
    try:
        with opened(source, need.sha256) as blob:
            return _has_size(blob, need)
    except BlobMissingError:
        return False


def _has_size(blob: BlobReader, need: Need) -> bool:
    if need.size_bytes is None:
        return blob.size_bytes <= DOCUMENT_SIZE_BYTES_MAX
    return blob.size_bytes == need.size_bytes


def _nobody(sources: Sequence[Source]) -> str:
    return f"none of {', '.join(source.url for source in sources)} has it" if sources else NOWHERE


def _hopeless(problem: Problem) -> Healing:
    return Healing(problem, done=False, how=f"not mended here: {problem.fix}" if problem.fix else "not mended here")


def heal(
    checked: Checked,
    store: Store,
    index: Index,
    leases: Leases,
    user: str,
    places: Iterable[str] = (),
    *,
    progress: Progress | None = None,
) -> Healed:
    """Mend what ``checked`` found, as far as it can be; blobs from the first of ``places`` that has their bytes.

    Raises ``UsageError`` for a place that is no source, ``StoreError`` and ``DatabaseError`` for what cannot be
    written: what was mended before stays so, and the same again goes on.
    """
    sources = _sources(checked, index, places)
    healed = _heal(checked, store, index, leases, user, sources, progress)
    if not any(healing.done and _is_manifest(healing.problem) for healing in healed.healings):
        return healed
    # What manifests that are back have to say was not known before.
    again = check(store, index, leases, share=checked.share, progress=progress)
    known = {(problem.kind, problem.blob, problem.versions) for problem in checked.problems}
    new = tuple(found for found in again.problems if (found.kind, found.blob, found.versions) not in known)
    more = _heal(dataclasses.replace(again, problems=new), store, index, leases, user, sources, progress)
    return Healed(healed.healings + more.healings)


def _sources(checked: Checked, index: Index, places: Iterable[str]) -> list[Source]:
    """Where blobs can come from: ``places``, and the database for records of the log, where one is needed."""
    from modelreg.client.records import RecordsOfDatabase

    sources: list[Source] = [open_source(place) for place in places]
    records = RecordsOfDatabase.among((problem.need.sha256 for problem in checked.problems if problem.need), index)
    return [*sources, records] if records else sources


def _is_manifest(problem: Problem) -> bool:
    return problem.need is not None and problem.need.size_bytes is None


def _heal(
    checked: Checked,
    store: Store,
    index: Index,
    leases: Leases,
    user: str,
    sources: Sequence[Source],
    progress: Progress | None,
) -> Healed:
    if not checked.healable:
        return Healed(tuple(map(_hopeless, checked.problems)))
    with Claim(index, leases, store, user, "fsck --repair") as claimed:
        claimed.protect({sha256 for problem in checked.healable for sha256 in _blobs_of(problem)})

        def mend_blob(problem: Problem) -> Healing:
            return _mend_blob(problem, store, sources, claimed, progress)

        with_blob = [problem for problem in checked.problems if problem.need is not None]
        sizes = (problem.need.size_bytes for problem in with_blob if problem.need is not None)
        begin_phase(progress, "mending", sum(size for size in sizes if size is not None))
        healings = {id(healing.problem): healing for healing in at_once(store, mend_blob, with_blob)}
        others = [problem for problem in checked.problems if problem.need is None]
        rows = {id(problem): _verified(problem, store) for problem in others}

        def write(transaction: Transaction) -> dict[int, Healing]:
            return {id(problem): _write(transaction, problem, rows[id(problem)]) for problem in others}

        healings |= claimed.commit(write, lambda _: None)
    return Healed(tuple(healings[id(problem)] for problem in checked.problems))


def _blobs_of(problem: Problem) -> Iterator[str]:
    """The blobs that must stay until the problem is mended, though no row may name them yet."""
    if problem.need is not None:
        yield problem.need.sha256
    if problem.entry is not None:
        yield problem.entry.digest
        yield from (file.sha256 for file in problem.entry.files)


# --- rows -------------------------------------------------------------------------------------------------------------


def _verified(problem: Problem, store: Store) -> VersionRows | None:
    """What a row is to say, if its manifest still is what its digest says."""
    if problem.entry is None:
        return None
    digest = problem.entry.digest
    try:
        return rows_of(parse_manifest(read_manifest_bytes(store, digest)), digest)
    except (BlobMissingError, WrongBytesError):
        return None


def _write(transaction: Transaction, problem: Problem, rows: VersionRows | None) -> Healing:
    if problem.alias is not None:
        transaction.remove_dangling_alias(*problem.alias)
        return Healing(problem, done=True, how="the alias was removed; point it anew: modelreg alias REF ALIAS")
    if problem.entry is None:
        return _hopeless(problem)
    if rows is None or not transaction.rewrite(rows):
        return Healing(problem, done=False, how="the row or its manifest changed meanwhile: modelreg fsck again")
    return Healing(problem, done=True, how="the row was written anew from its manifest")


# --- blobs ------------------------------------------------------------------------------------------------------------


def _mend_blob(
    problem: Problem, store: Store, sources: Sequence[Source], claimed: Claim, progress: Progress | None
) -> Healing:
    need = problem.need
    assert need is not None  # noqa: S101 - only such problems come here
    refusals = []
    for source in sources:
        try:
            with _private_copy(source, need, progress) as (descriptor, size_bytes):
                publish(store, need, descriptor, size_bytes, owner=claimed.owner)
        except BlobMissingError:
            continue
        except _UnfitError as error:
            refusals.append(f"{source.url} {error}")
        else:
            return Healing(problem, done=True, how=f"fetched from {source.url}, SHA-256 verified")
    return Healing(problem, done=False, how="; ".join(refusals) or _nobody(sources))


class _UnfitError(Exception):
    """A source gave something else than the blob."""


def publish(store: Store, need: Need, descriptor: int, size_bytes: int, *, owner: str) -> None:
    """Put a private copy in the place of a blob; its SHA-256 is taken once more of what the store staged."""
    staged = store.stage(descriptor, size_bytes, owner=owner)
    try:
        if staged.digest.sha256 != need.sha256:
            raise StoreError(f"the copy of sha256:{need.sha256} was staged as sha256:{staged.digest.sha256}")
        staged.publish()
    finally:
        staged.close()


@contextlib.contextmanager
def _private_copy(source: Source, need: Need, progress: Progress | None) -> Iterator[tuple[int, int]]:
    """A nameless temporary file with the blob's bytes, verified, and their number; raises ``_UnfitError``."""
    with _as_store_error(), tempfile.TemporaryFile(prefix="modelreg-") as file:
        try:
            with opened(source, need.sha256) as blob:
                if not _has_size(blob, need):
                    raise _UnfitError(f"has {blob.size_bytes:,} bytes under this digest")
                _fetch(blob, need, file.fileno(), progress)
                size_bytes = blob.size_bytes
        except BlobMissingError:
            raise
        except StoreError as error:
            raise _UnfitError(f"failed: {error.message}") from error
        yield file.fileno(), size_bytes


def _fetch(blob: BlobReader, need: Need, descriptor: int, progress: Progress | None) -> None:
    sink, size_bytes = Descriptor(descriptor), blob.size_bytes
    try:
        if isinstance(blob, RangedReader) and need.digest is not None:
            transfer(blob, need.digest, sink=sink, progress=progress)  # in parallel, what came wrong asked for again
            found = ingest(sink, size_bytes)
        else:
            with in_order(blob, size_bytes) as reader:
                found = ingest(reader, size_bytes, sink=sink, progress=progress)
    except (ChunkMismatchError, SizeChangedError) as error:
        raise _UnfitError(f"gave other bytes ({error})") from None
    if found.sha256 != need.sha256:
        raise _UnfitError(f"gave other bytes, of SHA-256 {found.sha256}")


@contextlib.contextmanager
def _as_store_error() -> Iterator[None]:
    """Errors of the temporary folder, or of a file that is copied."""
    try:
        yield
    except OSError as error:
        advice = advice_on(error, "name another folder with TMPDIR")
        raise StoreError(f"a private copy cannot be made: {reason_of(error)}", hint=advice) from error
