"""Facets for versions of before there were any: read from their manifests, one short transaction each."""

from __future__ import annotations

from modelreg.client.checks import evidence_of
from modelreg.client.results import Reindexed
from modelreg.db.records import Index
from modelreg.manifest import IndexEntry, Manifest
from modelreg.rules import Mode, Policy, Purpose
from modelreg.store.base import Store
from modelreg.verify import verify

_PAGE = 100


def reindex(store: Store, index: Index) -> Reindexed:
    """Fill them in; can be interrupted and run again, also beside others."""
    filled, unreadable, last = 0, [], 0
    while page := index.without_facets(last, _PAGE):
        for version_id, entry in page:
            last = version_id
            manifest = _believed(store, entry)
            if manifest is None:
                unreadable.append(f"{entry.model}:{entry.version}")
                continue
            _fill(index, version_id, entry, manifest)
            filled += 1
    return Reindexed(filled, tuple(unreadable))


def _believed(store: Store, entry: IndexEntry) -> Manifest | None:
    """The manifest of an indexed version, if it is the one that was pushed."""
    return verify(evidence_of(store, entry), Policy(Purpose.PULL, Mode.NO_VERIFY), None).manifest


def _fill(index: Index, version_id: int, entry: IndexEntry, manifest: Manifest) -> None:
    index.run(
        lambda transaction: transaction.add_facets(version_id, manifest, entry.digest),
        lambda _: None,  # doing it twice is doing it once
    )
