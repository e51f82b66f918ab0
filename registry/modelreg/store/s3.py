"""The S3 store: blobs in a bucket, content-addressed, so that a lost race or a repeated request does no harm.

    PREFIX/format                       "modelreg-store 1"
    PREFIX/blobs/sha256/ab/abcdef...    the blobs

Invariants: an object appears whole or not at all (S3 promises it of a put and of a completed upload); what is uploaded
is the private snapshot that was hashed and inspected; a blob counts as there only after its bytes were read back, or
after its upload was acknowledged and its size seen.  Neither an ETag nor a server's checksum is ever taken for proof.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator

from modelreg.digest import BlobDigest, is_sha256, sha256_hex
from modelreg.digest.streams import ChunkMismatchError, Descriptor, Progress, SizeChangedError, ingest, transfer
from modelreg.errors import BlobMissingError, StoreAbsentError, StoreError
from modelreg.files import Cloneable, advice_on, copy_hashed, reason_of
from modelreg.store.base import BlobInfo, Measured, StagedInfo, StoreProperties
from modelreg.store.retry import BRIEF, Retry
from modelreg.store.s3_bucket import Bucket
from modelreg.store.s3_errors import AlreadyThereError, KeyMissingError, UploadLostError
from modelreg.store.s3_probe import probe_bucket
from modelreg.store.s3_reader import S3Blob
from modelreg.store.s3_upload import upload
from modelreg.store.s3_url import S3Location, parse_s3_url

FORMAT = b"modelreg-store 1\n"
FORMAT_SIZE_BYTES_MAX = 4096
PUBLISH_ROUNDS = 4
"""How often publishing looks again after a race, a lost acknowledgement or a foreign abort; each is rare by itself."""


class _Snapshot:
    """The staged bytes, in a temporary file that has no name and goes with its descriptor."""

    def __init__(self, store: S3Store, digest: BlobDigest, descriptor: int) -> None:
        self._store = store
        self._descriptor: int | None = descriptor
        self.digest = digest

    def descriptor(self) -> int:
        if self._descriptor is None:
            raise StoreError("the staged blob is closed")
        return self._descriptor

    def publish(self, progress: Progress | None = None) -> None:
        self._store.publish(self.descriptor(), self.digest, progress)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class S3Store:
    """A prefix of a bucket as a store; the bucket must be there, the prefix is made on first use."""

    properties = StoreProperties(create_only=False, durable=True, copy_on_write=False, is_remote=True)
    """``create_only`` is what may be relied on unasked; ``probe`` asks, and nothing here depends on its answer."""

    def __init__(self, bucket: Bucket, retry: Retry | None = None) -> None:
        self._bucket = bucket
        self._retry = retry or Retry()
        self._location: S3Location = bucket.location
        self.url = self._location.url

    @classmethod
    def open_url(cls, url: str, *, create: bool = True) -> S3Store:
        """The store at ``url``; makes it if its prefix holds nothing and ``create`` is set.

        Raises ``UsageError`` for a bad address, ``StoreAbsentError`` for a prefix without a store, ``StoreError`` for
        one that holds something else or cannot be reached.
        """
        store = cls(Bucket(parse_s3_url(url)))
        store.open_format(create=create)
        return store

    def open_format(self, *, create: bool) -> None:
        """Check that the prefix holds a store that this program can use."""
        key, brief = self._location.key("format"), Retry(BRIEF)
        try:
            found = brief(lambda: self._bucket.read(key, FORMAT_SIZE_BYTES_MAX))
        except KeyMissingError:
            self._create(key, create=create)
            return
        if found != FORMAT:
            shown = found.decode("ascii", "replace").strip()[:60]
            raise StoreError(
                f"{self.url} holds a store of format {shown!r}; this program reads {FORMAT.decode().strip()!r}",
                hint="use the modelreg that wrote it",
            )

    def _create(self, key: str, *, create: bool) -> None:
        if not create:
            raise StoreAbsentError(self.url)
        blobs = self._location.key("blobs/")
        under = f"{self._location.prefix}/" if self._location.prefix else ""
        found, _ = self._retry(lambda: self._bucket.page(under, None))
        foreign = next((item.key for item in found if item.key != key and not item.key.startswith(blobs)), None)
        if foreign is not None:
            raise StoreError(
                f"{self.url} is not a modelreg store and is not empty (it holds {foreign[:80]!r})",
                hint="give it a prefix of its own: s3://BUCKET/PREFIX?...",
            )
        self._retry(lambda: self._bucket.put(key, FORMAT, only_if_absent=False))

    def stage(
        self,
        source: int | Cloneable,
        size_bytes: int,
        progress: Progress | None = None,
        *,
        owner: str = "",  # noqa: ARG002 - a snapshot without a name dies with its process
    ) -> _Snapshot:
        with _as_store_error("cannot make a private copy of what is pushed"):
            descriptor = _unnamed_file()
            try:
                digest = copy_hashed(source, descriptor, size_bytes, to_be_kept=False, progress=progress)
                return _Snapshot(self, digest, descriptor)
            except BaseException:
                os.close(descriptor)
                raise

    def publish(self, descriptor: int, digest: BlobDigest, progress: Progress | None = None) -> None:
        """Upload a snapshot unless its bytes are there; a blob that is no longer what its digest says is replaced."""
        key = self._key(digest.sha256)
        for _ in range(PUBLISH_ROUNDS):
            size_bytes = self._retry(lambda: self._bucket.size_bytes(key))
            if size_bytes == digest.size_bytes and self._is_intact(key, digest, progress):
                return
            with contextlib.suppress(AlreadyThereError, UploadLostError):  # look again: it may be there, and good
                absent = size_bytes is None
                upload(self._bucket, self._retry, key, descriptor, digest, progress, only_if_absent=absent)
                self._check_size(key, digest.size_bytes)
                return
        raise StoreError(
            f"blob sha256:{digest.sha256} could not be published in {PUBLISH_ROUNDS} rounds: others write or abort it",
            hint="try again",
            transient=True,
        )

    def _is_intact(self, key: str, digest: BlobDigest, progress: Progress | None) -> bool:
        """Whether what lies there is the blob, by its bytes: no checksum that a server gives was taken of them now."""
        try:
            transfer(S3Blob(self._bucket, self._retry, key, digest.size_bytes), digest, progress=progress)
        except (ChunkMismatchError, SizeChangedError, BlobMissingError):
            return False
        return True

    def _check_size(self, key: str, size_bytes: int) -> None:
        found = self._retry(lambda: self._bucket.size_bytes(key))
        if found != size_bytes:
            raise StoreError(
                f"{key} was written with {size_bytes:,} bytes, and the server says it has "
                f"{'none' if found is None else f'{found:,}'}",
                hint="this server loses writes: modelreg doctor",
            )

    def put(self, data: bytes, *, owner: str = "") -> str:  # noqa: ARG002 - as in stage
        sha256 = sha256_hex(data)
        with _as_store_error("cannot make a private copy of what is put"):
            descriptor = _unnamed_file()
            try:
                Descriptor(descriptor).write_from(memoryview(data), 0)
                self.publish(descriptor, ingest(Descriptor(descriptor), len(data)))
            finally:
                os.close(descriptor)
        return sha256

    def open(self, sha256: str) -> S3Blob:
        key = self._key(sha256)
        size_bytes = self._retry(lambda: self._bucket.size_bytes(key))
        if size_bytes is None:
            raise self._missing(sha256)
        return S3Blob(self._bucket, self._retry, key, size_bytes)

    def read(self, sha256: str, size_bytes_max: int) -> bytes:
        key = self._key(sha256)
        with contextlib.suppress(KeyMissingError):
            return self._retry(lambda: self._bucket.read(key, size_bytes_max))
        raise self._missing(sha256)

    def _missing(self, sha256: str) -> BlobMissingError:
        return BlobMissingError(
            f"the store {self.url} has no blob sha256:{sha256}",
            hint="was the right store given? `modelreg config show` tells where each setting comes from",
        )

    def blobs(self) -> Iterator[BlobInfo]:
        prefix, token = self._location.key("blobs/sha256/"), None
        while True:
            asked = token
            found, token = self._retry(lambda: self._bucket.page(prefix, asked))  # noqa: B023 - called at once
            for item in found:
                folder, _, name = item.key.removeprefix(prefix).partition("/")
                if is_sha256(name) and folder == name[:2]:
                    yield BlobInfo(name, item.size_bytes)
            if token is None:
                return
            if token == asked:
                raise StoreError(f"the listing of {self.url} does not end", hint="modelreg doctor")

    def delete(self, sha256: str) -> None:
        key = self._key(sha256)
        self._retry(lambda: self._bucket.delete(key))

    def staged(self) -> Iterator[StagedInfo]:
        """Open multipart uploads; their parts are not counted.  Some servers (Ceph) list none that are there."""
        prefix, after = self._location.key("blobs/sha256/"), None
        while True:
            asked = after
            try:
                found, after = self._retry(lambda: self._bucket.uploads_page(prefix, asked))  # noqa: B023 - called at once
            except UploadLostError:  # rclone's answer for a bucket that has none
                return
            for item in found:
                sha256 = item.key.rpartition("/")[2]
                yield StagedInfo(f"{sha256}:{item.upload_id}", 0, owner=sha256)
            if after is None:
                return
            if after == asked:
                raise StoreError(f"the listing of open uploads of {self.url} does not end", hint="modelreg doctor")

    def discard(self, name: str) -> None:
        sha256, _, upload_id = name.partition(":")
        key = self._key(sha256)
        self._retry(lambda: self._bucket.abort(key, upload_id))

    def probe(self) -> tuple[Measured, ...]:
        """What this server really does, tried with an object beside the blobs that is removed again."""
        return probe_bucket(self._bucket, self._retry, self._location.key("probe")).measured()

    def _key(self, sha256: str) -> str:
        if not is_sha256(sha256):
            raise StoreError(f"{sha256[:80]!r} is not a SHA-256")
        return self._location.key(f"blobs/sha256/{sha256[:2]}/{sha256}")


def _unnamed_file() -> int:
    """A file in the temporary folder (``TMPDIR``) that nobody else can open and that no crash leaves behind."""
    folder = tempfile.gettempdir()
    with contextlib.suppress(OSError, AttributeError):  # not every system and file system has it
        return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    descriptor, path = tempfile.mkstemp(prefix="modelreg-")
    os.unlink(path)  # noqa: PTH108 - the descriptor is all that is wanted
    return descriptor


@contextlib.contextmanager
def _as_store_error(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        advice = advice_on(error, "name another folder with TMPDIR")
        raise StoreError(f"{what} in {tempfile.gettempdir()}: {reason_of(error)}", hint=advice) from error
