"""The way in: stage while hashing, inspect the staged copy, judge, lease, publish, commit.

Until the commit nothing is visible; after it everything is there.  A crash leaves blobs that no version names, which a
sweep removes.  When the connection breaks at the commit, it is found out how that ended before anything is repeated.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from modelreg.artifact import SourceFile, open_artifact
from modelreg.client.claim import Claim, utc_now
from modelreg.client.results import Pushed
from modelreg.client.several import each_blob
from modelreg.client.stating import Speaker, Stating
from modelreg.db.leases import Leases
from modelreg.db.records import Index
from modelreg.db.transaction import Transaction
from modelreg.digest import BlobDigest
from modelreg.digest.streams import Descriptor, Progress, SizeChangedError, begin_phase, ingest
from modelreg.environment import Environment, capture
from modelreg.errors import (
    BlobMissingError,
    ConflictError,
    ConnectionLostError,
    DocumentError,
    RefusedError,
    StoreError,
)
from modelreg.facts import Facts
from modelreg.findings import Decision, Verdict
from modelreg.inspect import Inspector
from modelreg.manifest import FileEntry, Manifest, manifest_digest, parse_manifest
from modelreg.records import DOCUMENT_SIZE_BYTES_MAX
from modelreg.rules import Policy, judge
from modelreg.store.base import StagedBlob, Store

if TYPE_CHECKING:
    from modelreg.client.golden import GoldenRequest, MadeGolden
    from modelreg.client.signing import MadeBundle
    from modelreg.trust.signer import Signer

CURRENT = "current"
PUSHED = "pushed"
"""The reason of an alias that a push moves."""


@dataclass(frozen=True, slots=True)
class PushRequest:
    """A checked request; ``environment`` is the push environment, or ``current`` to capture it."""

    path: Path
    model: str
    policy: Policy
    pushed_by: str
    aliases: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    environment: Environment | str | None = CURRENT
    tool: str = ""
    golden: GoldenRequest | None = None
    inspector: Inspector | None = None
    once: bool = False
    signer: Signer | None = None


def rehearse(request: PushRequest, progress: Progress | None) -> Pushed:
    """Everything that a push finds out, and nothing that it writes."""
    with _inspector(request) as inspector, open_artifact(request.path) as files:
        facts = inspector.inspect([(file.path, file.descriptor) for file in files], values=True)
        verdict = _judge(request, facts)
        with _as_conflict(request.path):
            for file in files:
                ingest(Descriptor(file.descriptor), file.size_bytes, progress=progress)
        golden = _golden(request, files, [file.descriptor for file in files], facts)
        return _result(request, _Content(files, [], facts, verdict, golden))


def push(request: PushRequest, store: Store, index: Index, leases: Leases, progress: Progress | None) -> Pushed:
    """Push the artifact; raises ``RefusedError`` with nothing left behind when a rule refuses it."""
    with (
        _inspector(request) as inspector,
        open_artifact(request.path) as files,
        contextlib.ExitStack() as stack,
    ):
        registry_id = index.registry_id(utc_now())
        claimed = stack.enter_context(Claim(index, leases, store, request.pushed_by))

        def stage(file: SourceFile) -> StagedBlob:
            blob = store.stage(file.descriptor, file.size_bytes, progress, owner=claimed.owner)
            stack.callback(blob.close)
            return blob

        with _as_conflict(request.path):
            staged = each_blob(store, stage, files, lambda file: file.size_bytes)
        places = [(file.path, blob.descriptor()) for file, blob in zip(files, staged, strict=True)]
        facts = inspector.inspect(places, values=True)
        verdict = _judge(request, facts)
        golden = _golden(request, files, [blob.descriptor() for blob in staged], facts)
        content = _Content(files, staged, facts, verdict, golden)
        content.publish(store, claimed, progress)
        commit = _Commit(request, registry_id, store, claimed, content)
        manifest, digest = commit.run()
        same_model_as = _same_model(manifest, store)
    return _result(request, content, manifest, digest, same_model_as, already_there=commit.found_there)


def _same_model(manifest: Manifest, store: Store) -> str | None:
    """The version before, if it holds the same weights and architecture.

    A remark beside the push: where the version before cannot be read, ``verify`` says so, and nothing is remarked.
    """
    if manifest.facts.semantic_digest is None or manifest.previous is None:
        return None
    try:
        before = parse_manifest(store.read(manifest.previous, DOCUMENT_SIZE_BYTES_MAX))
    except (BlobMissingError, StoreError, DocumentError):
        return None
    is_same = before.facts.semantic_digest == manifest.facts.semantic_digest
    return f"{before.model}:{before.version}" if is_same else None


def _inspector(request: PushRequest) -> contextlib.AbstractContextManager[Inspector]:
    """The reader, started before the copy; a single file is most often HDF5, so it loads that parser meanwhile."""
    if request.inspector is not None:
        return contextlib.nullcontext(request.inspector)
    return Inspector(expect_hdf5=os.path.isfile(request.path))


@contextlib.contextmanager
def _as_conflict(path: Path) -> Iterator[None]:
    try:
        yield
    except SizeChangedError as error:
        raise ConflictError(
            f"{str(path)!r} changed while it was read: {error}", hint="wait until it is written, then push again"
        ) from None


def _judge(request: PushRequest, facts: Facts) -> Verdict:
    verdict = Verdict(judge(facts, request.policy, target=None, push=None))
    if verdict.decision is Decision.REFUSED:
        first = verdict.refusals[0]
        raise RefusedError(
            f"{request.path.name!r} was not pushed: {first.message}",
            verdict=verdict,
            hint=f"{first.fix} (or --allow {first.rule})",
        )
    return verdict


def _golden(
    request: PushRequest, files: tuple[SourceFile, ...], descriptors: list[int], facts: Facts
) -> MadeGolden | None:
    if request.golden is None:
        return None
    from modelreg.client.golden import make_golden

    return make_golden(request.golden, files, descriptors, facts, request.policy)


@dataclass(frozen=True, slots=True)
class _Content:
    files: tuple[SourceFile, ...]
    staged: list[StagedBlob]
    facts: Facts
    verdict: Verdict
    golden: MadeGolden | None

    def publish(self, store: Store, claimed: Claim, progress: Progress | None) -> None:
        golden = [self.golden.golden.sha256] if self.golden is not None else []
        claimed.protect({*(blob.digest.sha256 for blob in self.staged), *golden})
        if store.properties.is_remote:
            begin_phase(progress, "uploading", sum(blob.digest.size_bytes for blob in self.staged))
        claimed.publish(self.staged, progress)
        if self.golden is not None:
            self.golden.publish(store, claimed.owner)

    def entries(self) -> tuple[FileEntry, ...]:
        digests: list[BlobDigest] = [blob.digest for blob in self.staged]
        return tuple(FileEntry.of(file.path, digest) for file, digest in zip(self.files, digests, strict=True))


class _Commit:
    """The transaction that makes a version, and what it last wrote."""

    def __init__(self, request: PushRequest, registry_id: str, store: Store, claimed: Claim, content: _Content) -> None:
        self._request = request
        self._registry_id = registry_id
        self._store = store
        self._claim = claimed
        self._content = content
        self._entries = content.entries()
        self._environment = _push_environment(request, content.facts)
        self._bundles = _bundles_by(request.signer)
        self._last: tuple[Manifest, str] | None = None
        self.found_there = False

    def run(self) -> tuple[Manifest, str]:
        """The manifest that was committed, and its digest; raises ``ConnectionLostError`` if nobody can know."""
        try:
            return self._claim.commit(self._write, self._written)
        except ConnectionLostError as error:
            if self._last is None:
                raise
            model, digest = self._request.model, self._last[1]
            raise ConnectionLostError(
                f"whether {self._request.path.name!r} was pushed is not known yet: {error.message}",
                hint=f"when the database is back, ask: modelreg show {model}@sha256:{digest}"
                " (exit 0: it was; exit 3: push again), or push again with --once",
            ) from error

    def _write(self, transaction: Transaction) -> tuple[Manifest, str]:
        version, previous = transaction.next_version(self._request.model)
        before = self._same_push(transaction, version - 1, previous)
        self.found_there, self._last = before is not None, None
        if before is not None and previous is not None:
            found, data = before
            self._sign(transaction, found, data)
            self._finish(transaction, version - 1, previous)
            return found, previous
        manifest = self._manifest(version, previous)
        data = manifest.to_bytes()
        digest = manifest_digest(data)
        transaction.require_not_condemned(digest)
        self._last = manifest, digest
        self._store.put(data, owner=self._claim.owner)
        transaction.add(manifest, digest)
        self._sign(transaction, manifest, data)
        self._finish(transaction, version, digest)
        return manifest, digest

    def _sign(self, transaction: Transaction, manifest: Manifest, data: bytes) -> None:
        """Sign in the transaction that makes the version visible, since its number is known only there."""
        if self._bundles is None:
            return
        made = self._bundles(manifest, data)
        for bundle in made:
            transaction.require_not_condemned(bundle.indexed.sha256)
            self._store.put(bundle.data, owner=self._claim.owner)
        transaction.add_bundles(manifest.model, manifest_digest(data), [bundle.indexed for bundle in made])

    def _finish(self, transaction: Transaction, version: int, digest: str) -> None:
        """Move the aliases and log everything: last of all, since that makes every other push wait till the commit."""
        request = self._request
        speaker = Speaker(self._registry_id, request.pushed_by, request.signer)
        stating = Stating(speaker, self._store, self._claim, transaction)
        for alias in request.aliases:
            stating.move(request.model, alias, version, PUSHED)
        transaction.log_manifest(digest, () if request.signer is None else (request.signer.public.id,))
        stating.log()

    def _same_push(self, transaction: Transaction, version: int, digest: str | None) -> tuple[Manifest, bytes] | None:
        """With ``once``, the newest version if it is what is being pushed: a push that was made before is found."""
        if not self._request.once or digest is None or not transaction.is_offered(self._request.model, version):
            return None
        with contextlib.suppress(BlobMissingError, DocumentError):  # what cannot be read is not what is pushed
            data = self._store.read(digest, DOCUMENT_SIZE_BYTES_MAX)
            if manifest_digest(data) != digest:
                return None
            before = parse_manifest(data)
            golden = self._content.golden.golden if self._content.golden else None
            theirs = (before.files, dict(before.metadata), before.golden and before.golden.sha256)
            ours = (self._entries, dict(self._request.metadata), golden and golden.sha256)
            return (before, data) if theirs == ours else None
        return None

    def _written(self, transaction: Transaction) -> tuple[Manifest, str] | None:
        if self._last is None or not transaction.has_version(self._request.model, self._last[1]):
            return None
        return self._last

    def _manifest(self, version: int, previous: str | None) -> Manifest:
        content = self._content
        return Manifest(
            registry=self._registry_id,
            model=self._request.model,
            version=version,
            previous=previous,
            created_at=utc_now(),
            pushed_by=self._request.pushed_by,
            files=self._entries,
            facts=content.facts,
            writer=writer_environment(content.facts),
            push=self._environment,
            findings=content.verdict.findings,
            metadata=self._request.metadata,
            tool=self._request.tool,
            golden=content.golden.golden if content.golden else None,
        )


def _bundles_by(signer: Signer | None) -> Callable[[Manifest, bytes], tuple[MadeBundle, ...]] | None:
    """What makes the bundles of ``signer``, loaded here, before a transaction for whose end others wait."""
    if signer is None:
        return None
    from modelreg.client.signing import make_bundles

    return lambda manifest, data: make_bundles(manifest, data, signer)


def _push_environment(request: PushRequest, facts: Facts) -> Environment | None:
    if request.environment != CURRENT:
        assert not isinstance(request.environment, str)  # noqa: S101 - for the type checker
        return request.environment
    named = {(wanted.module or "").split(".")[0] for wanted in facts.custom_objects}
    return capture(modules=sorted(filter(str.isidentifier, named)))  # the file named them, so they may be anything


def writer_environment(facts: Facts) -> Environment:
    """What the file itself tells of where it was written."""
    told = {"keras": facts.keras_version, "tensorflow": facts.tensorflow_version}
    return Environment(
        python=facts.writer_pythons[0] if len(facts.writer_pythons) == 1 else None,
        distributions={name: version for name, version in told.items() if version},
        keras_backend=facts.backend,
    )


def _result(
    request: PushRequest,
    content: _Content,
    manifest: Manifest | None = None,
    digest: str | None = None,
    same_model_as: str | None = None,
    *,
    already_there: bool = False,
) -> Pushed:
    return Pushed(
        model=request.model,
        version=manifest.version if manifest else None,
        digest=digest,
        size_bytes=sum(file.size_bytes for file in content.files),
        files=len(content.files),
        container=content.facts.container.value,
        aliases=request.aliases,
        verdict=content.verdict,
        dry_run=manifest is None,
        golden=content.golden.golden if content.golden else None,
        semantic_digest=content.facts.semantic_digest,
        same_model_as=same_model_as,
        already_there=already_there,
        signed_by=request.signer.public.id if request.signer and manifest else None,
    )


def default_name(path: Path) -> str:
    """The model name that a path proposes: its stem, and for ``x.weights.h5`` still ``x.weights``."""
    resolved = path.resolve() if path.name in ("", ".", "..") else path
    return resolved.name if path.is_dir() else resolved.stem
