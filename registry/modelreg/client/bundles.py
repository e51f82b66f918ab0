"""The bytes of bundles, of which nothing is believed yet: read from wherever they are, never more than one can have."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Protocol

from modelreg.digest import is_sha256
from modelreg.errors import BlobMissingError
from modelreg.manifest import BUNDLES_MAX, IndexedBundle
from modelreg.store.base import BlobReader
from modelreg.verify import KeptBundle


class BundleSource(Protocol):
    """A store, or an archive."""

    def read(self, sha256: str, size_bytes_max: int) -> bytes:
        """A whole small blob; raises ``BlobMissingError``, or ``StoreError`` if it is longer than allowed."""
        ...

    def open(self, sha256: str) -> BlobReader:
        """Open a blob; raises ``BlobMissingError``."""
        ...


def size_bytes_max(manifest: bytes) -> int:
    """How long a bundle over this manifest or its files can be: base64, and room for signatures and certificates."""
    return 2 * len(manifest) + 256 * 1024


def read_bundles(source: BundleSource, listed: Iterable[IndexedBundle], manifest: bytes) -> tuple[KeptBundle, ...]:
    """The bytes of a version's bundles, the first ``BUNDLES_MAX`` of them."""
    bundles = [bundle for bundle in listed if is_sha256(bundle.sha256)]  # a row can say anything
    limit = size_bytes_max(manifest)
    return tuple(KeptBundle(bundle, _read(source, bundle.sha256, limit)) for bundle in bundles[:BUNDLES_MAX])


def _read(source: BundleSource, sha256: str, limit: int) -> bytes | None:
    with contextlib.suppress(BlobMissingError):
        with contextlib.closing(source.open(sha256)) as blob:
            if blob.size_bytes > limit:
                return None
        return source.read(sha256, limit)
    return None
