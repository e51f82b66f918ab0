"""Bundles among the blobs of a store that no database lists: which version or statement each signs, by what it signs.

Whose they are is not asked: whoever pulls does.  A bundle over files is that of every version of the model that it
names with exactly those files.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping

from modelreg.client.lineage import Candidate
from modelreg.client.manifests import READ_AT_ONCE_BYTES
from modelreg.digest import is_sha256, sha256_hex
from modelreg.errors import BlobMissingError, DocumentError, StoreError
from modelreg.manifest import BUNDLES_MAX, GOLDEN_PATH, BundleKind, IndexedBundle
from modelreg.records import DOCUMENT_SIZE_BYTES_MAX
from modelreg.store.base import BlobInfo, Store

_BEGINNINGS = {b'{"payload":"': BundleKind.MANIFEST, b'{"dsseEnvelope":{"payload":"': BundleKind.OMS}
"""How our own begin, which are canonical JSON."""
_LONGEST = max(map(len, _BEGINNINGS))

Files = frozenset[tuple[str, str]]


def find_bundles(
    store: Store, blobs: Mapping[str, BlobInfo], candidates: Iterable[Candidate], statements: Collection[str] = ()
) -> tuple[dict[str, tuple[IndexedBundle, ...]], dict[str, str]]:
    """The bundles of each of ``candidates`` that has some, by its digest, in their order.

    Beside them the digests of the envelopes that sign ``statements``, by the statement's.  Raises ``StoreError`` where
    a store over a network cannot be read.
    """
    envelopes: dict[str, str] = {}
    versions = {one.entry.digest: one for one in candidates}
    others = (
        blobs.keys()
        - versions.keys()
        - set(statements)
        - {file.sha256 for one in versions.values() for file in one.entry.files}
    )
    by_files: dict[tuple[str, Files], list[str]] = {}
    for digest, one in versions.items():
        files = frozenset((file.path, file.sha256) for file in one.entry.files if file.path != GOLDEN_PATH)
        by_files.setdefault((one.entry.model, files), []).append(digest)
    found: dict[str, list[IndexedBundle]] = {}
    for sha256 in sorted(others):
        for digest, bundle in _signed_by(store, blobs[sha256], by_files):
            if digest in versions:
                found.setdefault(digest, []).append(bundle)
            elif digest in statements and bundle.key_id is not None:
                envelopes.setdefault(digest, bundle.sha256)
    return {digest: tuple(bundles[:BUNDLES_MAX]) for digest, bundles in found.items()}, envelopes


def _signed_by(
    store: Store, blob: BlobInfo, by_files: Mapping[tuple[str, Files], list[str]]
) -> Iterator[tuple[str, IndexedBundle]]:
    """The digests of the manifests that a blob signs, if it is a bundle."""
    try:
        kind, data = _read(store, blob)
    except BlobMissingError:
        return
    except StoreError:
        if store.properties.is_remote:
            raise
        return  # which the search for manifests has told already
    if kind is None or sha256_hex(data) != blob.sha256:
        return
    from modelreg.trust import dsse, oms
    from modelreg.trust.oms_statement import Statement

    with contextlib.suppress(DocumentError):  # then it is no bundle
        if kind is BundleKind.MANIFEST:
            envelope = dsse.Envelope.parse(data)
            key_id = envelope.signatures[0].key_id
            yield (
                sha256_hex(envelope.payload),
                IndexedBundle(blob.sha256, kind.value, key_id if is_sha256(key_id) else None),
            )
            return
        statement = Statement.parse(oms.Bundle.parse(data).envelope.payload)
        files = frozenset((resource.name, resource.digest) for resource in statement.resources)
        for digest in by_files.get((statement.name, files), ()):
            yield digest, IndexedBundle(blob.sha256, kind.value)


def _read(store: Store, blob: BlobInfo) -> tuple[BundleKind | None, bytes]:
    """A blob that begins as a bundle does, whole; of a long one only the beginning is read before that is known."""
    if not _LONGEST < blob.size_bytes <= DOCUMENT_SIZE_BYTES_MAX:
        return None, b""
    if blob.size_bytes > READ_AT_ONCE_BYTES:
        view = memoryview(bytearray(_LONGEST))
        with contextlib.closing(store.open(blob.sha256)) as reader:
            reader.read_into(view, 0)
        if _kind(bytes(view)) is None:
            return None, b""
    data = store.read(blob.sha256, DOCUMENT_SIZE_BYTES_MAX)
    return _kind(data), data


def _kind(data: bytes) -> BundleKind | None:
    return next((kind for beginning, kind in _BEGINNINGS.items() if data.startswith(beginning)), None)
