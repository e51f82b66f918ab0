"""The bytes of bundles out of a store: bounded by what a bundle over the manifest can have, and nothing is believed."""

from __future__ import annotations

from modelreg.client.bundles import read_bundles, size_bytes_max
from modelreg.digest import sha256_hex
from modelreg.manifest import BUNDLES_MAX, IndexedBundle
from modelreg.store.memory import MemoryStore
from modelreg.verify import KeptBundle

MANIFEST = b"m" * 1000
LIMIT = size_bytes_max(MANIFEST)


def listed(data: bytes) -> IndexedBundle:
    return IndexedBundle(sha256_hex(data), "manifest")


def test_a_bundle_may_be_so_long() -> None:
    """Claim: twice the manifest and 256 KiB; a longer one is as good as missing, and is not read."""
    assert LIMIT == 2_000 + 256 * 1024
    store = MemoryStore()
    longest, longer = b"x" * LIMIT, b"x" * (LIMIT + 1)
    for data in (longest, longer):
        store.put(data)
    found = read_bundles(store, map(listed, (longest, longer)), MANIFEST)
    assert found == (KeptBundle(listed(longest), longest), KeptBundle(listed(longer), None))


def test_what_is_not_there_is_told_and_what_is_no_digest_is_passed_over() -> None:
    """Claim: a row can say anything, and names a blob or nothing."""
    store = MemoryStore()
    store.put(b"here")
    rows = [IndexedBundle("../here", "manifest"), listed(b"gone"), listed(b"here")]
    assert read_bundles(store, rows, MANIFEST) == (KeptBundle(rows[1], None), KeptBundle(rows[2], b"here"))


def test_a_version_has_so_many_bundles() -> None:
    """Claim: the first of very many rows are read, those that name no blob not counted."""
    nonsense = [IndexedBundle("x", "manifest")]
    rows = [listed(b"%d" % number) for number in range(BUNDLES_MAX + 1)]
    found = read_bundles(MemoryStore(), nonsense + rows, MANIFEST)
    assert [bundle.listed for bundle in found] == rows[:BUNDLES_MAX]
