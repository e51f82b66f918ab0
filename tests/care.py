"""What the tests of care share: registries filled through the real manifests without a push each, and damage done to them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.conftest import entry_of, make_manifest

from modelreg import Manifest, Registry
from modelreg.store.local import LocalStore
from modelreg.store.s3 import S3Store


def commit(registry: Registry, model: str, contents: Mapping[str, bytes], **changes: Any) -> tuple[Manifest, str]:
    """The next version of ``model`` with these files, stored and listed as a push does it."""
    for data in contents.values():
        registry.store.put(data)
    with registry._index.transaction() as transaction:
        version, previous = transaction.next_version(model)
        files = tuple(entry_of(path, data) for path, data in sorted(contents.items()))
        manifest = make_manifest(model=model, version=version, previous=previous, files=files, **changes)
        digest = registry.store.put(manifest.to_bytes())
        transaction.add(manifest, digest)
    return manifest, digest


def fill(registry: Registry, versions: int, *, seed: int = 4, size_bytes: int = 40_000) -> dict[str, bytes]:
    """Two models with ``versions`` each, every one with two files of its own and one that all share; bytes by digest."""
    draw = random.Random(seed)
    shared = draw.randbytes(size_bytes)
    known: dict[str, bytes] = {}
    for number in range(2 * versions):
        contents = {name: draw.randbytes(draw.randrange(size_bytes // 2, size_bytes)) for name in ("a.h5", "b.h5")}
        contents["vocabulary.txt"] = shared
        manifest, _ = commit(registry, f"model{number % 2}", contents)
        known |= {entry.sha256: contents[entry.path] for entry in manifest.files}
    return known


def flipped(data: bytes, place: int = -1) -> bytes:
    """``data`` with one bit changed."""
    damaged = bytearray(data)
    damaged[place if place >= 0 else len(data) // 2] ^= 1
    return bytes(damaged)


def overwrite(registry: Registry, sha256: str, data: bytes) -> None:
    """Put other bytes under a digest, past everything that would notice."""
    if isinstance(registry.store, S3Store):
        registry.store._bucket.put(registry.store._key(sha256), data, only_if_absent=False)
        return
    path = blob_path(registry, sha256)
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def blob_path(registry: Registry, sha256: str) -> Path:
    """Where a local store keeps a blob."""
    assert isinstance(registry.store, LocalStore)
    return registry.store._path(sha256)


def copied_store(registry: Registry, folder: Path) -> LocalStore:
    """A second store with every blob of the first."""
    second = LocalStore.open_folder(folder)
    for blob in registry.store.blobs():
        second.put(registry.store.read(blob.sha256, blob.size_bytes))
    return second
