"""Manifests, and statements of other types, as they lie in a store: hostile until digest and grammar were checked.

Invariants: the size is bounded before anything is read; the SHA-256 is checked before anything is parsed; a manifest is
found in a store only if its bytes are canonical.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from modelreg.client.several import Made, many_at_once
from modelreg.digest import sha256_hex
from modelreg.digest.streams import ATTEMPTS_AGAIN, Progress
from modelreg.errors import BlobMissingError, DocumentError, StoreError
from modelreg.manifest import STATEMENT_TYPE, Manifest, parse_manifest
from modelreg.records import DOCUMENT_SIZE_BYTES_MAX, canonical_json, parse_json
from modelreg.store.base import BlobInfo, Store
from modelreg.trust.statements import STATEMENT_TYPES, Recorded

BEGINNING = b'{"_type":"' + STATEMENT_TYPE.encode() + b'","predicate":{'
"""How every manifest begins, since its keys are sorted: what begins otherwise is a file of a model."""
_MARKS = tuple(f'"predicateType":"{kind}"'.encode() for kind in STATEMENT_TYPES)
"""One of which every other statement holds."""
READ_AT_ONCE_BYTES = 256 * 1024
"""Up to here one request for the whole blob costs less than one for its beginning and another for the rest."""


class WrongBytesError(Exception):
    """The bytes under a digest are not those that the digest is of; ``data`` is what came last."""

    def __init__(self, data: bytes) -> None:
        super().__init__(f"{len(data):,} bytes of another digest")
        self.data = data


def read_manifest_bytes(store: Store, sha256: str) -> bytes:
    """The bytes under ``sha256``, which are its own.

    Raises ``BlobMissingError``, ``StoreError``, and ``WrongBytesError`` for other bytes; a store over a network, which
    may lie once, is asked again before.
    """
    data = b""
    for _ in range(1 + (ATTEMPTS_AGAIN if store.properties.is_remote else 0)):
        data = store.read(sha256, DOCUMENT_SIZE_BYTES_MAX)
        if sha256_hex(data) == sha256:
            return data
    raise WrongBytesError(data)


@dataclass(frozen=True, slots=True)
class FoundManifest:
    """A blob that begins as a manifest does, or cannot be read: the manifest, or why there is none."""

    sha256: str
    manifest: Manifest | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FoundStatement:
    """A blob that is a statement about what changed after a push."""

    recorded: Recorded
    data: bytes


Found = FoundManifest | FoundStatement


def find_document(store: Store, blob: BlobInfo) -> Found | None:
    """The manifest or other statement that ``blob`` is; ``None`` for what is neither or went meanwhile.

    Raises ``StoreError`` where a store over a network cannot be read; a local file that cannot may be a manifest.
    """
    if not len(BEGINNING) < blob.size_bytes <= DOCUMENT_SIZE_BYTES_MAX:
        return None
    try:
        if blob.size_bytes > READ_AT_ONCE_BYTES and not _begins_as_manifest(store, blob.sha256):
            return None
        data = read_manifest_bytes(store, blob.sha256)
    except BlobMissingError:
        return None
    except WrongBytesError as error:
        is_one = error.data.startswith(BEGINNING)
        return FoundManifest(blob.sha256, None, "its bytes are not those of its digest") if is_one else None
    except StoreError as error:
        if store.properties.is_remote:
            raise
        return FoundManifest(blob.sha256, None, f"it cannot be read ({error})")
    if not data.startswith(BEGINNING):
        return None
    if any(mark in data for mark in _MARKS):
        with contextlib.suppress(DocumentError):  # then it is a manifest, or told as a bad one
            return FoundStatement(Recorded.of(data), data)
    try:
        if canonical_json(parse_json(data, what="the manifest")) != data:
            return FoundManifest(blob.sha256, None, "its bytes are not canonical")
        return FoundManifest(blob.sha256, parse_manifest(data))
    except DocumentError as error:
        return FoundManifest(blob.sha256, None, error.message)


def _begins_as_manifest(store: Store, sha256: str) -> bool:
    view = memoryview(bytearray(len(BEGINNING)))
    with contextlib.closing(store.open(sha256)) as blob:
        return blob.read_into(view, 0) == len(view) and bytes(view) == BEGINNING


def find_documents(
    store: Store,
    blobs: Iterable[BlobInfo],
    progress: Progress | None = None,
    *,
    keep: Callable[[Found], Made | None],
) -> Iterator[Made]:
    """What ``keep`` makes of every manifest and other statement among ``blobs``, in their order, several at once.

    ``progress`` counts the bytes of all blobs, as if each was read to its end.
    """

    def find(blob: BlobInfo) -> Made | None:
        found = find_document(store, blob)
        if progress:
            progress(blob.size_bytes)
        return None if found is None else keep(found)

    return (found for found in many_at_once(store, find, blobs, lambda blob: blob.size_bytes) if found is not None)


def find_manifests(store: Store, blobs: Iterable[BlobInfo], *, keep: Callable[[FoundManifest], Made]) -> Iterator[Made]:
    """What ``keep`` makes of every manifest among ``blobs``, as ``find_documents`` does."""
    return find_documents(store, blobs, keep=lambda found: keep(found) if isinstance(found, FoundManifest) else None)
