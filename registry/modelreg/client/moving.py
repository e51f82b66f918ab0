"""Versions on the move: where they come from, and how a registry takes one in.

An archive and another registry are both a ``Source``: they offer versions, and hand out manifests and blobs, of which
nothing is believed.  ``Receiver`` takes them in, the same way from either:

1. its number is free here and its neighbours are those that it names, or the version is there already;
2. its manifest has the digest and the form that it must have, each file the bytes that the manifest names;
3. the files are read again in the sandbox: what they hold is judged as at a push, and the manifest hides none of it;
4. blobs are published under a lease, and one transaction makes the version visible, withdrawn if it is so there.

Invariants: until that transaction nothing is visible; what is here is never changed but for a withdrawal, and an alias
where aliases are asked for; a version that is withdrawn on either side is withdrawn here afterwards.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from modelreg.archive import Offer
from modelreg.artifact import allow_descriptors
from modelreg.client.bundles import read_bundles
from modelreg.client.checks import refuse
from modelreg.client.claim import Claim
from modelreg.client.results import AliasMoved, Outcome, Received
from modelreg.client.stating import Speaker, Stating
from modelreg.db.leases import Leases
from modelreg.db.records import Index
from modelreg.db.transaction import Transaction, require_history
from modelreg.digest import is_sha256
from modelreg.digest.streams import ChunkMismatchError, Descriptor, Progress, SizeChangedError, transfer
from modelreg.errors import BlobMissingError, DocumentError, HistoryError, RefusedError
from modelreg.findings import Finding, Verdict
from modelreg.inspect import Inspector
from modelreg.manifest import IndexedBundle, IndexedFile, IndexEntry, Manifest, manifest_digest, parse_manifest
from modelreg.records import DOCUMENT_SIZE_BYTES_MAX, canonical_json, parse_json
from modelreg.refs import Reference
from modelreg.rules import RULES, Policy, judge
from modelreg.rules.disclosure import hidden
from modelreg.store.base import BlobReader, StagedBlob, Store
from modelreg.store.memory import MemoryStore
from modelreg.verify import wrong_chunks

if TYPE_CHECKING:
    from modelreg.client.signing import MadeBundle


class Source(Protocol):
    """Where versions come from."""

    def read(self, sha256: str, size_bytes_max: int) -> bytes:
        """A whole small blob; raises ``BlobMissingError``, or ``StoreError`` if it is longer than allowed."""
        ...

    def open(self, sha256: str) -> BlobReader:
        """Open a blob; raises ``BlobMissingError``."""
        ...


@dataclass(frozen=True, slots=True)
class Reception:
    """How versions are to be taken in; ``what`` is the work, as whoever looks at the leases is told it.

    ``speaker`` states what changes here: aliases that move, versions that are withdrawn.
    """

    policy: Policy
    speaker: Speaker
    what: str
    with_aliases: bool = False
    dry_run: bool = False
    progress: Progress | None = None


class Receiver:
    """A registry as it takes in versions of elsewhere."""

    def __init__(self, store: Store, index: Index, leases: Leases, how: Reception) -> None:
        self._store = store
        self._index = index
        self._leases = leases
        self._how = how
        self._broken: dict[str, str] = {}
        """By model the first version that was in conflict: what follows on it follows on nothing here."""
        self._private: Store = MemoryStore() if how.dry_run else store
        """Where the bytes lie while they are looked at."""

    def receive(self, source: Source, offer: Offer, inspector: Callable[[], Inspector]) -> Received:
        """Take in one version; what stands against it is in the answer.

        The versions of a model are to be given in order, by one thread; ``inspector`` is asked for when files are read.

        Raises ``StoreError`` and ``DatabaseError`` for what has nothing to do with the version.
        """
        try:
            near = self._index.near(offer.model, offer.version)
            if near.get(offer.version) == offer.digest:
                return self._confirm(source, offer)
            if offer.model in self._broken:
                raise HistoryError(
                    f"{self._broken[offer.model]} before it is in conflict, so that it follows on nothing"
                )
            manifest, data = believed_manifest(source, offer)
            self._require_place(manifest, offer.digest, near)
            return self._take_in(source, offer, manifest, data, inspector)
        except HistoryError as error:
            self._broken.setdefault(offer.model, offer.reference)
            return Received(offer.model, offer.version, offer.digest, Outcome.CONFLICT, reason=error.message)
        except RefusedError as error:
            return Received(
                offer.model, offer.version, offer.digest, Outcome.REFUSED, reason=error.message, verdict=error.verdict
            )

    def _confirm(self, source: Source, offer: Offer) -> Received:
        """The version is here: only its state can be new."""
        signatures = self._new_signatures(source, offer)
        has_state = offer.withdrawn_at is not None or (self._how.with_aliases and offer.aliases) or signatures
        if self._how.dry_run or not has_state:
            return Received(offer.model, offer.version, offer.digest, Outcome.PRESENT)
        listed = tuple(signature.indexed for signature in signatures)
        with Claim(self._index, self._leases, self._store, self._how.speaker.user, self._how.what) as claimed:
            claimed.protect({bundle.sha256 for bundle in listed})
            self._keep(signatures, claimed)
            work = _Settlement(offer, self._how, self._store, claimed, is_new=False, bundles=listed)
            return claimed.commit(work.mark, lambda _: None)

    def _new_signatures(self, source: Source, offer: Offer) -> tuple[MadeBundle, ...]:
        """Those of a version that is here which are not; raises ``RefusedError``."""
        if not offer.bundles:
            return ()
        here = {bundle.sha256 for bundle in self._index.resolve(Reference(offer.model, offer.version)).bundles}
        new = tuple(bundle for bundle in offer.bundles if bundle.sha256 not in here)
        return _signatures(source, offer, new, *believed_manifest(source, offer)) if new else ()

    def _keep(self, signatures: tuple[MadeBundle, ...], claimed: Claim) -> None:
        for signature in signatures:
            claimed.published(self._store.put(signature.data, owner=claimed.owner))

    def _require_place(self, manifest: Manifest, digest: str, near: dict[int, str]) -> None:
        """Raise ``HistoryError`` unless the version can stand between its neighbours here."""
        require_history(manifest, digest, near)
        after = near.get(manifest.version + 1)
        if after is None or not is_sha256(after):
            return
        try:
            follower = parse_manifest(self._store.read(after, DOCUMENT_SIZE_BYTES_MAX))
        except (BlobMissingError, DocumentError):
            return  # that version is damaged, which ``verify`` tells of it
        if follower.previous != digest:
            raise HistoryError(
                f"{manifest.model}:{follower.version} here follows on sha256:{follower.previous}, "
                f"and {manifest.model}:{manifest.version} there is sha256:{digest}"
            )

    def _take_in(
        self, source: Source, offer: Offer, manifest: Manifest, data: bytes, inspector: Callable[[], Inspector]
    ) -> Received:
        files = IndexEntry.of(manifest, offer.digest).files
        signatures = _signatures(source, offer, offer.bundles, manifest, data)
        listed = tuple(signature.indexed for signature in signatures)
        allow_descriptors(2 * len(files))
        with contextlib.ExitStack() as stack:
            claimed = None
            if not self._how.dry_run:
                taken = Claim(self._index, self._leases, self._store, self._how.speaker.user, self._how.what)
                claimed = stack.enter_context(taken)
                needed = (*(file.sha256 for file in files), *(bundle.sha256 for bundle in listed))
                claimed.protect({offer.digest, *needed})
            content = _Content(self._store, self._private, claimed, self._how.progress)
            for file in files:
                stack.callback(content.fetch(source, file).close)
            content.require_chunks(manifest)
            verdict = self._judged(manifest, content, inspector)
            size_bytes = sum(file.size_bytes for file in files)
            if claimed is None:
                return Received(
                    offer.model, offer.version, offer.digest, Outcome.NEW, size_bytes=size_bytes, verdict=verdict
                )
            content.publish(claimed)
            self._store.put(data, owner=claimed.owner)
            claimed.published(offer.digest)
            self._keep(signatures, claimed)
            work = _Settlement(offer, self._how, self._store, claimed, True, manifest, size_bytes, verdict, listed)
            return claimed.commit(work.admit, work.admitted)

    def _judged(self, manifest: Manifest, content: _Content, inspector: Callable[[], Inspector]) -> Verdict:
        """The verdict of a push on what the files hold now; raises ``RefusedError``."""
        facts = inspector().inspect([(file.path, content.descriptor(file.sha256)) for file in manifest.files])
        policy = self._how.policy
        findings = (*policy.settle(hidden(manifest.facts, facts)), *judge(facts, policy, target=None, push=None))
        verdict = Verdict(findings)
        refuse(verdict, f"{manifest.model}:{manifest.version} was not taken in")
        return verdict


@contextlib.contextmanager
def inspector_on_demand() -> Iterator[Callable[[], Inspector]]:
    """A reader that is started when it is first asked for."""
    with contextlib.ExitStack() as stack:
        yield functools.cache(lambda: stack.enter_context(Inspector()))


def believed_manifest(source: Source, offer: Offer) -> tuple[Manifest, bytes]:
    """The manifest of an offered version, with its exact bytes; raises ``RefusedError`` for one that lies."""
    what = f"{offer.reference} was not taken in"
    try:
        data = source.read(offer.digest, DOCUMENT_SIZE_BYTES_MAX)
    except BlobMissingError as error:
        raise _refusal(what, RULES["MR101"].found(error.message)) from None
    actual = manifest_digest(data)
    if actual != offer.digest:
        message = f"the manifest has SHA-256 {actual}; sha256:{offer.digest} was offered"
        raise _refusal(what, RULES["MR101"].found(message))
    try:
        manifest = parse_manifest(data)
        is_canonical = canonical_json(parse_json(data, what="the manifest")) == data
    except DocumentError as error:
        raise _refusal(what, RULES["MR101"].found(error.message)) from None
    if any("\0" in text for text in (manifest.pushed_by, manifest.facts.keras_version or "")):
        raise _refusal(what, RULES["MR101"].found("the manifest holds NUL where a database holds text"))
    if not is_canonical:
        raise _refusal(what, RULES["MR101"].found("the manifest is not in its canonical form"))
    if (manifest.model, manifest.version) != (offer.model, offer.version):
        message = f"{offer.reference} is offered, the manifest says {manifest.model}:{manifest.version}"
        raise _refusal(what, RULES["MR102"].found(message))
    return manifest, data


def _signatures(
    source: Source, offer: Offer, listed: tuple[IndexedBundle, ...], manifest: Manifest, data: bytes
) -> tuple[MadeBundle, ...]:
    """The offered signatures, each over this version; raises ``RefusedError`` for one that is over another."""
    if not listed:
        return ()
    from modelreg.client.signing import received_bundle

    made = []
    for bundle in read_bundles(source, listed, data):
        try:
            made.append(received_bundle(bundle, manifest, data))
        except DocumentError as error:
            message = f"the signature {bundle.listed.sha256}: {error.message}"
            raise _refusal(f"{offer.reference} was not taken in", RULES["MR202"].found(message)) from None
    return tuple(made)


def _refusal(what: str, *findings: Finding) -> RefusedError:
    return RefusedError(f"{what}: {findings[0].message}", verdict=Verdict(findings), hint=findings[0].fix)


class _Content:
    """The blobs of one version, privately staged."""

    def __init__(self, store: Store, private: Store, claimed: Claim | None, progress: Progress | None) -> None:
        self._store = store
        self._private = private
        self._owner = claimed.owner if claimed else ""
        self._progress = progress
        self._staged: dict[str, StagedBlob] = {}
        self._new: list[str] = []

    def fetch(self, source: Source, file: IndexedFile) -> StagedBlob:
        """Stage a blob from the store, if it is there and whole, or else from the source; raises ``RefusedError``."""
        if file.sha256 in self._staged:
            return self._staged[file.sha256]
        with contextlib.suppress(BlobMissingError, RefusedError):
            self._staged[file.sha256] = self._stage(self._store, file, None)
            return self._staged[file.sha256]
        what = f"{file.path} was not taken in"
        try:
            self._staged[file.sha256] = self._stage(source, file, self._progress)
        except BlobMissingError as error:
            raise _refusal(what, RULES["MR103"].found(f"{file.path}: {error.message}", where=file.path)) from None
        self._new.append(file.sha256)
        return self._staged[file.sha256]

    def _stage(self, source: Source, file: IndexedFile, progress: Progress | None) -> StagedBlob:
        what = f"{file.path} was not taken in"
        with contextlib.closing(source.open(file.sha256)) as blob:
            try:
                if blob.size_bytes != file.size_bytes:
                    raise SizeChangedError(blob.size_bytes)
                staged = self._private.stage(blob, file.size_bytes, progress, owner=self._owner)
            except SizeChangedError as error:
                message = f"{file.path}: {error.size_bytes:,} bytes are there, {file.size_bytes:,} were pushed"
                raise _refusal(what, RULES["MR103"].found(message, where=file.path)) from None
        if staged.digest.sha256 == file.sha256:
            return staged
        staged.close()
        message = f"{file.path}: SHA-256 is {staged.digest.sha256}, {file.sha256} was pushed"
        raise _refusal(what, RULES["MR105"].found(message, where=file.path))

    def require_chunks(self, manifest: Manifest) -> None:
        """Check the chunk digests of the manifest, which a pull will rely on; raises ``RefusedError``."""
        for entry in manifest.files:
            if self._staged[entry.sha256].digest == entry.digest:
                continue
            try:
                transfer(Descriptor(self.descriptor(entry.sha256)), entry.digest)
            except ChunkMismatchError as error:
                findings = tuple(wrong_chunks(manifest, entry, error.indices))
                raise _refusal(f"{entry.path} was not taken in", *findings) from None

    def descriptor(self, sha256: str) -> int:
        """The staged bytes."""
        return self._staged[sha256].descriptor()

    def publish(self, claimed: Claim) -> None:
        """Publish what was not there before."""
        claimed.publish(self._staged[sha256] for sha256 in self._new)


@dataclass(frozen=True, slots=True)
class _Settlement:
    """The transaction that makes a version visible, with its state; each part can be run again."""

    offer: Offer
    how: Reception
    store: Store
    claim: Claim
    is_new: bool
    manifest: Manifest | None = None
    size_bytes: int = 0
    verdict: Verdict | None = None
    bundles: tuple[IndexedBundle, ...] = ()

    def admit(self, transaction: Transaction) -> Received:
        """Index the version and mark it; it may have come by another way meanwhile."""
        assert self.manifest is not None  # noqa: S101 - only ``mark`` does without
        transaction.admit(self.manifest, self.offer.digest)
        return self.mark(transaction)

    def admitted(self, transaction: Transaction) -> Received | None:
        """The same if it was committed before the connection broke."""
        is_there = transaction.has_version(self.offer.model, self.offer.digest)
        return self.mark(transaction) if is_there else None

    def mark(self, transaction: Transaction) -> Received:
        """Withdraw the version if it is so there, list its signatures, and move its aliases if that is asked for."""
        offer, is_withdrawn = self.offer, False
        stating = Stating(self.how.speaker, self.store, self.claim, transaction)
        if self.bundles:
            transaction.add_bundles(offer.model, offer.digest, self.bundles)
        if offer.withdrawn_at is not None and offer.withdrawn_reason is not None:
            is_withdrawn = stating.withdraw(offer.model, offer.version, offer.withdrawn_reason, offer.withdrawn_at)
        moved = tuple(self._moved(stating)) if self.how.with_aliases else ()
        transaction.log_manifest(offer.digest)  # with no signer: whose the received signatures are nobody has asked
        stating.log()
        return Received(
            offer.model,
            offer.version,
            offer.digest,
            Outcome.NEW if self.is_new else Outcome.PRESENT,
            size_bytes=self.size_bytes,
            withdrawn=is_withdrawn,
            aliases=moved,
            verdict=self.verdict,
        )

    def _moved(self, stating: Stating) -> Iterator[AliasMoved]:
        model, version = self.offer.model, self.offer.version
        reason = f"as it was where {self.how.what} took the version from"
        for alias in self.offer.aliases:
            if stating.transaction.alias_target(model, alias) != version:
                before = stating.move(model, alias, version, reason)
                yield AliasMoved(model, alias, version, before, reason)
