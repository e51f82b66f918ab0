"""The database made again from the manifests in the store, which are the truth.

One transaction writes everything, so a rebuild that was stopped has written nothing.  It runs under a lease that names
every blob of the store, and looks once more which are there before it reads any, so no sweep takes what it lists.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from modelreg.client.care import Loss, LossKind, Rebuilt
from modelreg.client.found_bundles import find_bundles
from modelreg.client.lineage import Candidate, Lineage, decide
from modelreg.client.manifests import Found, FoundStatement, find_documents
from modelreg.client.restating import order
from modelreg.client.stores import open_store
from modelreg.digest.streams import begin_phase
from modelreg.errors import BlobMissingError, ConflictError, UsageError
from modelreg.manifest import IndexedBundle, IndexEntry, Manifest
from modelreg.records import DOCUMENT_SIZE_BYTES_MAX
from modelreg.store.base import BlobInfo, Store

if TYPE_CHECKING:
    from modelreg.client.claim import Claim
    from modelreg.client.records import FoundRecord
    from modelreg.client.restoring import FoundLog
    from modelreg.client.saved_state import SavedVersion
    from modelreg.config import Settings
    from modelreg.db.leases import Leases
    from modelreg.db.records import Index
    from modelreg.db.session import Session
    from modelreg.db.transaction import Transaction
    from modelreg.digest.streams import Progress

REGISTRY_ID_LENGTH = 36
_BIGINT_MAX = 2**63 - 1
SHOWN_MAX = 3


def rebuild_database(
    settings: Settings,
    *,
    add: bool = False,
    take: Iterable[str] = (),
    state: str | Path | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Rebuilt:
    """List every version whose manifest is in the store, in the database that ``settings`` name, made if need be.

    With ``add`` the database may list versions, which stay as they are.  ``take`` are digests that decide where two
    manifests claim one version.  Aliases and withdrawals come from the statements of them in the store, and from
    ``state``, a kept ``modelreg list --limit 0 --json``, where an older modelreg made none.  Raises ``ConflictError``
    for a database that lists versions, ``StoreError`` for a store that is absent or cannot be read, ``UsageError`` for
    a ``state`` that is no such listing.
    """
    from modelreg.client.saved_state import read_saved_state
    from modelreg.db import migrate
    from modelreg.db.leases import Leases
    from modelreg.db.records import Index
    from modelreg.db.session import Session

    saved = read_saved_state(Path(state)) if state is not None else ()
    taken = frozenset(digest.removeprefix("sha256:") for digest in take)
    store = open_store(settings.storage_url.value, create=False)
    with contextlib.closing(Session(settings.database_url.value)) as session:
        is_absent = migrate.status(session).found is None
        if not (dry_run and is_absent):
            migrate.require_current(session)
        index = Index(session)
        if not is_absent and not add and not index.is_empty():
            raise _not_empty(session)
        work = _Rebuilding(store, taken, saved, settings, add=add, progress=progress)
        if dry_run:
            return work.rehearse({} if is_absent else _listed(index), has_log=not is_absent and _has_log(index))
        return work.run(index, Leases(session), session, settings.user.value)


def _not_empty(session: Session) -> ConflictError:
    return ConflictError(
        f"the database {session.shown_url} lists versions already; nothing was changed",
        hint="--add adds what it lacks and leaves the rest; --database names another, empty one",
    )


def _has_log(index: Index) -> bool:
    with index.reading_log() as log:
        return log.size() > 0


def _listed(index: Index) -> Mapping[str, dict[int, str]]:
    found: dict[str, dict[int, str]] = {}
    for entry in index.versions():
        found.setdefault(entry.model, {})[entry.version] = entry.digest
    return found


@dataclass(frozen=True, slots=True)
class _Surveyed:
    """What the store holds: its blobs, the manifests among them by model, and signatures by the manifest's digest."""

    blobs: Mapping[str, BlobInfo]
    candidates: Mapping[str, list[Candidate]]
    losses: tuple[Loss, ...]
    bundles: Mapping[str, tuple[IndexedBundle, ...]]
    records: tuple[FoundRecord, ...]
    statements: tuple[FoundStatement, ...] = ()
    envelopes: Mapping[str, str] = field(default_factory=dict)
    """Digests of the envelopes that sign statements, by the statement's."""

    @property
    def manifests(self) -> int:
        return sum(map(len, self.candidates.values()))


class _Rebuilding:
    """One rebuild."""

    def __init__(
        self,
        store: Store,
        taken: frozenset[str],
        saved: tuple[SavedVersion, ...],
        settings: Settings,
        *,
        add: bool,
        progress: Progress | None,
    ) -> None:
        self._store = store
        self._taken = taken
        self._saved = saved
        self._settings = settings
        self._add = add
        self._progress = progress
        self._last: tuple[Rebuilt, IndexEntry] | None = None

    def rehearse(self, listed: Mapping[str, dict[int, str]], *, has_log: bool) -> Rebuilt:
        """What would be written beside what ``listed`` has; a saved listing is not looked at."""
        surveyed = self._survey(self._listed())
        lineages = self._lineages(surveyed, lambda model: listed.get(model, {}))
        told = replace(self._told(surveyed, lineages), dry_run=True)
        found = None if has_log else self._find_log(surveyed, told.registry)
        logged = found.payloads if found else frozenset[str]()
        unlogged = sum(1 for one in _chosen(lineages) if one.entry.digest not in logged)
        said = order(surveyed.statements, told.registry, logged)
        told = replace(told, aliases=said.aliases, withdrawals=said.withdrawals, losses=told.losses + said.losses)
        return _with_log(told, found, unlogged)

    def run(self, index: Index, leases: Leases, session: Session, user: str) -> Rebuilt:
        """Write it."""
        from modelreg.client.claim import Claim

        with Claim(index, leases, self._store, user, "db rebuild") as claimed:
            listed = self._listed()
            claimed.protect(listed)
            there = self._listed()  # a sweep may have been at work before the lease named them
            surveyed = self._survey({sha256: blob for sha256, blob in there.items() if sha256 in listed})
            return claimed.commit(
                lambda transaction: self._write(transaction, surveyed, session, claimed), self._written
            )

    def _listed(self) -> dict[str, BlobInfo]:
        return {blob.sha256: blob for blob in self._store.blobs()}

    def _survey(self, blobs: Mapping[str, BlobInfo]) -> _Surveyed:
        begin_phase(self._progress, "reading manifests", sum(blob.size_bytes for blob in blobs.values()))
        found = list(find_documents(self._store, blobs.values(), self._progress, keep=_kept))
        candidates = [one for one in found if isinstance(one, Candidate)]
        self._require_taken(candidates)
        files = {file.sha256 for one in candidates for file in one.entry.files}
        by_model: dict[str, list[Candidate]] = {}
        for one in candidates:
            by_model.setdefault(one.entry.model, []).append(replace(one, is_file=one.entry.digest in files))
        statements = tuple(one for one in found if isinstance(one, FoundStatement))
        bundles, envelopes = find_bundles(self._store, blobs, candidates, {one.recorded.digest for one in statements})
        losses = tuple(one for one in found if isinstance(one, Loss))
        return _Surveyed(blobs, by_model, losses, bundles, self._records(blobs), statements, envelopes)

    def _records(self, blobs: Mapping[str, BlobInfo]) -> tuple[FoundRecord, ...]:
        from modelreg.client.records import find_records

        begin_phase(self._progress, "reading the log", sum(blob.size_bytes for blob in blobs.values()))
        return tuple(find_records(self._store, blobs.values(), self._progress))

    def _require_taken(self, candidates: list[Candidate]) -> None:
        unknown = sorted(self._taken - {one.entry.digest for one in candidates})
        if unknown:
            raise UsageError(
                f"--take {unknown[0][:80]!r} is no manifest in the store", hint="modelreg db rebuild --dry-run"
            )

    def _lineages(self, surveyed: _Surveyed, pinned: Callable[[str], Mapping[int, str]]) -> dict[str, Lineage]:
        return {
            model: decide(model, surveyed.candidates[model], pinned(model), self._taken)
            for model in sorted(surveyed.candidates)
        }

    def _write(self, transaction: Transaction, surveyed: _Surveyed, session: Session, claimed: Claim) -> Rebuilt:
        from modelreg.client.claim import utc_now
        from modelreg.client.saved_state import restore_state
        from modelreg.client.stating import Speaker, Stating

        if not self._add and not transaction.is_empty():
            raise _not_empty(session)
        now = utc_now()
        lineages = self._lineages(surveyed, transaction.versions_of if self._add else lambda _: {})
        for model, lineage in lineages.items():
            if lineage.chosen:
                transaction.next_version(model)  # makes the model's row
                transaction.add_rows(model, [one.rows for one in reversed(lineage.chosen)])
            for one in lineage.chosen:
                if one.entry.digest in surveyed.bundles:
                    transaction.add_bundles(model, one.entry.digest, surveyed.bundles[one.entry.digest])
        told = self._told(surveyed, lineages)
        if told.registry is not None:
            transaction.set_registry_id(told.registry, now)
        found = None if transaction.log.size() else self._find_log(surveyed, told.registry)
        if found is not None:
            found.restore(transaction.log, self._store)
        told = _with_log(told, found, transaction.log.append_unlogged())
        logged = found.payloads if found is not None else frozenset[str]()
        said = order(surveyed.statements, told.registry, logged)
        restated = said.write(transaction, self._envelopes(surveyed), logged)
        stating = Stating(Speaker(told.registry or "", self._settings.user.value), self._store, claimed, transaction)
        restored = restore_state(stating, self._saved)
        stating.log()
        told = replace(
            told,
            aliases=restated.aliases + restored.aliases,
            withdrawals=restated.withdrawals + restored.withdrawals,
            losses=told.losses + said.losses + restored.losses,
        )
        added = [one.entry for lineage in lineages.values() for one in lineage.chosen]
        self._last = (told, added[-1]) if added else None
        return told

    def _envelopes(self, surveyed: _Surveyed) -> dict[str, bytes]:
        """The envelopes of statements; one that is gone meanwhile leaves its statement unsigned."""
        found = {}
        for statement, sha256 in surveyed.envelopes.items():
            with contextlib.suppress(BlobMissingError):  # swept meanwhile: the statement stays, unsigned
                found[statement] = self._store.read(sha256, DOCUMENT_SIZE_BYTES_MAX)
        return found

    def _find_log(self, surveyed: _Surveyed, origin: str | None) -> FoundLog | None:
        """The log of the registry that most versions came from, as far as the store has it."""
        if origin is None:
            return None
        from modelreg.client.logkey import log_keys
        from modelreg.client.restoring import find_log

        return find_log(self._store, surveyed.records, origin, log_keys(self._settings, origin))

    def _written(self, transaction: Transaction) -> Rebuilt | None:
        """What was told of a transaction of unknown outcome, if it was committed."""
        if self._last is None or not transaction.has_version(self._last[1].model, self._last[1].digest):
            return None
        return self._last[0]

    def _told(self, surveyed: _Surveyed, lineages: Mapping[str, Lineage]) -> Rebuilt:
        chosen = _chosen(lineages)
        unnamed = [one.entry.digest for lineage in lineages.values() for one in lineage.unnamed]
        identities = Counter(one.registry for one in chosen if len(one.registry) <= REGISTRY_ID_LENGTH)
        ranked = sorted(identities.items(), key=lambda item: (-item[1], item[0]))
        named = {one.previous for one in chosen}
        return Rebuilt(
            registry=ranked[0][0] if ranked else None,
            blobs=len(surveyed.blobs),
            manifests=surveyed.manifests,
            models=sum(1 for lineage in lineages.values() if lineage.chosen),
            added=tuple(_name(one.entry) for one in chosen),
            known=sum(lineage.known for lineage in lineages.values()),
            newest=tuple(_name(one.entry) for one in chosen if one.entry.digest not in named),
            unnamed=tuple(unnamed),
            losses=(
                *surveyed.losses,
                *(loss for lineage in lineages.values() for loss in lineage.losses),
                *(loss for one in chosen for loss in self._missing(one.entry, surveyed)),
            ),
            foreign=tuple(ranked[1:]),
        )

    def _missing(self, entry: IndexEntry, surveyed: _Surveyed) -> list[Loss]:
        missing = [file for file in entry.files if not self._is_there(file.sha256, file.size_bytes, surveyed)]
        if not missing:
            return []
        shown = ", ".join(f"{file.path} (sha256:{file.sha256})" for file in missing[:SHOWN_MAX])
        more = f" and {len(missing) - SHOWN_MAX} more" if len(missing) > SHOWN_MAX else ""
        what = f"{_name(entry)}: the store does not hold the right number of bytes of {shown}{more}"
        return [Loss(LossKind.MISSING_BLOB, what, (_name(entry),), (), "modelreg fsck --repair --from ...")]

    def _is_there(self, sha256: str, size_bytes: int, surveyed: _Surveyed) -> bool:
        if sha256 in surveyed.blobs:
            return surveyed.blobs[sha256].size_bytes == size_bytes
        try:  # a listing may be stale
            with contextlib.closing(self._store.open(sha256)) as blob:
                return blob.size_bytes == size_bytes
        except BlobMissingError:
            return False


def _chosen(lineages: Mapping[str, Lineage]) -> list[Candidate]:
    return [one for lineage in lineages.values() for one in reversed(lineage.chosen)]


def _with_log(told: Rebuilt, found: FoundLog | None, appended: int) -> Rebuilt:
    return replace(
        told,
        log_entries=found.entries if found else 0,
        log_checkpoints=len(found.chain) if found else 0,
        log_appended=appended,
        log_is_verified=found is not None and found.is_verified,
        losses=told.losses + (found.losses if found else ()),
    )


def _name(entry: IndexEntry) -> str:
    return f"{entry.model}:{entry.version}"


def _kept(found: Found) -> Candidate | FoundStatement | Loss:
    """What is to be remembered of a manifest, which can be long, and of a statement, which is not."""
    if isinstance(found, FoundStatement):
        return found
    if found.manifest is None:
        return _bad(found.sha256, found.reason)
    from modelreg.db.rows import rows_of

    rows = rows_of(found.manifest, found.sha256)
    if not _fits(found.manifest, rows.entry):
        return _bad(found.sha256, "it says what no push can have written")
    return Candidate(rows, found.manifest.previous, found.manifest.registry)


def _fits(manifest: Manifest, entry: IndexEntry) -> bool:
    """Whether both databases can hold it: PostgreSQL takes no NUL, and neither more than 64 bits."""
    texts = (manifest.registry, entry.pushed_by, entry.keras_version or "")
    return not any("\x00" in text for text in texts) and entry.size_bytes <= _BIGINT_MAX


def _bad(sha256: str, reason: str) -> Loss:
    what = f"blob sha256:{sha256} looks like a manifest and cannot be listed: {reason}"
    fix = "if it is one: put the blob back from another store or a pulled copy, then modelreg db rebuild --add"
    return Loss(LossKind.BAD_MANIFEST, what, (), (sha256,), fix)
