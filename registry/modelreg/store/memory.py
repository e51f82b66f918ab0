"""The in-memory store: a real adapter for tests and for trying things out; nothing survives the process."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator

from modelreg.digest import BlobDigest, sha256_hex
from modelreg.digest.streams import Descriptor, Progress
from modelreg.errors import BlobMissingError, StoreError
from modelreg.files import Cloneable, copy_hashed
from modelreg.store.base import BlobInfo, StagedInfo, StoreProperties


class _StagedBytes:
    """Staged bytes in an unnamed temporary file, since an inspector needs a descriptor."""

    def __init__(self, store: MemoryStore, digest: BlobDigest, descriptor: int) -> None:
        self._store = store
        self.digest = digest
        self._descriptor: int | None = descriptor

    def descriptor(self) -> int:
        if self._descriptor is None:
            raise StoreError("the staged blob is closed")
        return self._descriptor

    def publish(self, progress: Progress | None = None) -> None:  # noqa: ARG002 - nothing goes anywhere
        view = memoryview(bytearray(self.digest.size_bytes))
        Descriptor(self.descriptor()).read_into(view, 0)
        self._store.put(bytes(view))

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class _BytesReader:
    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self.size_bytes = len(data)

    def read_into(self, view: memoryview, offset: int) -> int:
        part = self._data[offset : offset + len(view)]
        view[: len(part)] = part
        return len(part)

    def clone_to(self, descriptor: int) -> bool:  # noqa: ARG002 - memory has nothing to share with a file
        return False

    def close(self) -> None:
        self._data.release()


class MemoryStore:
    """Blobs in a dictionary."""

    url = "memory:"
    properties = StoreProperties(create_only=True, durable=False, copy_on_write=False)

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def stage(
        self,
        source: int | Cloneable,
        size_bytes: int,
        progress: Progress | None = None,
        *,
        owner: str = "",  # noqa: ARG002 - it dies with us
    ) -> _StagedBytes:
        descriptor, path = tempfile.mkstemp(prefix="modelreg-")
        os.unlink(path)  # noqa: PTH108 - the descriptor is all that is wanted
        try:
            digest = copy_hashed(source, descriptor, size_bytes, progress=progress)
        except BaseException:
            os.close(descriptor)
            raise
        return _StagedBytes(self, digest, descriptor)

    def put(self, data: bytes, *, owner: str = "") -> str:  # noqa: ARG002 - nothing is staged
        sha256 = sha256_hex(data)
        with self._lock:
            self._blobs[sha256] = data
        return sha256

    def open(self, sha256: str) -> _BytesReader:
        return _BytesReader(self._blob(sha256))

    def read(self, sha256: str, size_bytes_max: int) -> bytes:
        data = self._blob(sha256)
        if len(data) > size_bytes_max:
            raise StoreError(f"blob {sha256} is {len(data):,} bytes long; at most {size_bytes_max:,} were expected")
        return data

    def _blob(self, sha256: str) -> bytes:
        try:
            return self._blobs[sha256]
        except KeyError:
            raise BlobMissingError(f"the store {self.url} has no blob sha256:{sha256}") from None

    def blobs(self) -> Iterator[BlobInfo]:
        with self._lock:
            listed = [BlobInfo(sha256, len(data)) for sha256, data in self._blobs.items()]
        return iter(listed)

    def delete(self, sha256: str) -> None:
        with self._lock:
            self._blobs.pop(sha256, None)

    def staged(self) -> Iterator[StagedInfo]:
        return iter(())

    def discard(self, name: str) -> None:
        """Nothing staged outlives its process."""
