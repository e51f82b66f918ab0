"""The local store: blobs in a folder, made durable by write, fsync, rename, fsync of the folder.

    ROOT/format                       "modelreg-store 1"
    ROOT/staging/LEASE.RANDOM         private until published; leftovers are told by the lease in their name
    ROOT/blobs/sha256/ab/abcdef...    read-only files

Invariant: a name under ``blobs`` appears by rename of a complete, fsynced file only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from modelreg.digest import BlobDigest, is_sha256, sha256_hex
from modelreg.digest.streams import (
    ChunkMismatchError,
    Descriptor,
    Progress,
    SizeChangedError,
    transfer,
)
from modelreg.errors import BlobMissingError, ModelregError, StoreAbsentError, StoreError
from modelreg.files import Cloneable, advice_on, clone_file, copy_hashed, fsync_folder, make_folder, reason_of
from modelreg.store.base import BlobInfo, StagedInfo, StoreProperties

FORMAT = "modelreg-store 1\n"
_HOLDS_NO_BLOB = (errno.ENOENT, errno.ELOOP, errno.EIO)
"""Nothing is there, or a link, or a sector that cannot be read: none is a blob that could stay."""

_MEND = "modelreg fsck --read-data --repair --from STORE-OR-FOLDER names and mends what cannot be read"


class _StagedFile:
    def __init__(self, store: LocalStore, path: Path, digest: BlobDigest, descriptor: int) -> None:
        self._store = store
        self._path: Path | None = path
        self._descriptor: int | None = descriptor
        self.digest = digest

    def descriptor(self) -> int:
        if self._descriptor is None:
            raise StoreError("the staged blob is closed")
        return self._descriptor

    def publish(self, progress: Progress | None = None) -> None:  # noqa: ARG002 - one rename
        if self._path is not None:
            self._store.move_in(self._path, self.descriptor(), self.digest)
            self._path = None

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None


class _BlobFile(Descriptor):
    def __init__(self, descriptor: int, sha256: str) -> None:
        super().__init__(descriptor)
        self._sha256 = sha256
        self.size_bytes = os.fstat(descriptor).st_size

    def read_into(self, view: memoryview, offset: int) -> int:
        """As of any descriptor; raises ``StoreError`` for what the system cannot read."""
        try:
            return super().read_into(view, offset)
        except OSError as error:
            raise StoreError(
                f"cannot read blob sha256:{self._sha256}: {reason_of(error)}", hint=advice_on(error, _MEND)
            ) from error

    def clone_to(self, descriptor: int) -> bool:
        return clone_file(self.descriptor, descriptor)

    def close(self) -> None:
        os.close(self.descriptor)


class LocalStore:
    """A folder as a store; made on first use by ``LocalStore.create``."""

    properties = StoreProperties(create_only=True, durable=True)

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = f"file://{root}"
        self._staging = root / "staging"
        self._blobs = root / "blobs" / "sha256"

    @classmethod
    def open_folder(cls, root: Path, *, create: bool = True) -> LocalStore:
        """The store in ``root``; makes it if the folder is absent or empty and ``create`` is set.

        Raises ``StoreError`` for a folder that holds something else, or a store of a format this program has not.
        """
        store = cls(root)
        with _as_store_error(f"cannot open the store in {root}"):
            try:
                found = (root / "format").read_text(encoding="utf-8")
            except FileNotFoundError:
                store._create(create=create)
                return store
        if found != FORMAT:
            raise StoreError(
                f"{root} holds a store of format {found.strip()[:60]!r}; this program reads {FORMAT.strip()!r}",
                hint="use the modelreg that wrote it",
            )
        return store

    def _create(self, *, create: bool) -> None:
        foreign = sorted(entry.name for entry in self.root.iterdir()) if self.root.is_dir() else []
        foreign = [name for name in foreign if name not in ("staging", "blobs", "lock", "format")]
        if foreign:
            raise StoreError(
                f"{self.root} is not a modelreg store and is not empty (it holds {foreign[0]!r})",
                hint="point --store or MODELREG_STORAGE_URL at a folder of its own",
            )
        if not create:
            raise StoreAbsentError(self.root)
        make_folder(self._staging)
        make_folder(self._blobs)
        self._write_durably(self.root / "format", FORMAT.encode(), "")

    def stage(
        self, source: int | Cloneable, size_bytes: int, progress: Progress | None = None, *, owner: str = ""
    ) -> _StagedFile:
        path = self._new_name(owner)
        with _as_store_error(f"cannot write to the store in {self.root}"):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                digest = copy_hashed(source, descriptor, size_bytes, progress=progress)
                return _StagedFile(self, path, digest, descriptor)
            except BaseException:
                os.close(descriptor)
                path.unlink(missing_ok=True)
                raise

    def _new_name(self, owner: str) -> Path:
        return self._staging / f"{owner}.{secrets.token_hex(16)}"

    def put(self, data: bytes, *, owner: str = "") -> str:
        sha256 = sha256_hex(data)
        target = self._path(sha256)
        with _as_store_error(f"cannot write to the store in {self.root}"):
            if not self._holds(target, data):
                self._write_durably(target, data, owner)
        return sha256

    def _holds(self, target: Path, data: bytes) -> bool:
        try:
            status = target.lstat()
            return stat.S_ISREG(status.st_mode) and status.st_size == len(data) and target.read_bytes() == data
        except OSError as error:
            if error.errno not in _HOLDS_NO_BLOB:
                raise
            return False

    def _write_durably(self, target: Path, data: bytes, owner: str) -> None:
        temporary = self._new_name(owner)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            Descriptor(descriptor).write_from(memoryview(data), 0)
            self._rename_in(temporary, descriptor, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)

    def move_in(self, staged: Path, descriptor: int, digest: BlobDigest) -> None:
        """Publish a staged file; a blob already there stays, unless it is no longer what its digest says."""
        target = self._path(digest.sha256)
        with _as_store_error(f"cannot write to the store in {self.root}"):
            if self._is_intact(target, digest):
                staged.unlink(missing_ok=True)
            else:
                self._rename_in(staged, descriptor, target)

    def _is_intact(self, target: Path, digest: BlobDigest) -> bool:
        try:
            descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            if error.errno not in _HOLDS_NO_BLOB:
                raise
            return False
        try:
            transfer(Descriptor(descriptor), digest)
        except (ChunkMismatchError, SizeChangedError):
            return False
        except OSError as error:
            if error.errno not in _HOLDS_NO_BLOB:
                raise
            return False
        finally:
            os.close(descriptor)
        return True

    def _rename_in(self, temporary: Path, descriptor: int, target: Path) -> None:
        os.fchmod(descriptor, 0o444)
        os.fsync(descriptor)
        make_folder(target.parent)
        temporary.rename(target)
        fsync_folder(target.parent)

    def open(self, sha256: str) -> _BlobFile:
        path = self._path(sha256)
        with self._as_missing(sha256), _as_store_error(f"cannot read blob sha256:{sha256}"):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise StoreError(f"{path} is not a regular file")
            return _BlobFile(descriptor, sha256)

    def read(self, sha256: str, size_bytes_max: int) -> bytes:
        blob = self.open(sha256)
        try:
            if blob.size_bytes > size_bytes_max:
                raise StoreError(
                    f"blob sha256:{sha256} is {blob.size_bytes:,} bytes long; at most {size_bytes_max:,} were expected"
                )
            view = memoryview(bytearray(blob.size_bytes))
            return bytes(view[: blob.read_into(view, 0)])
        finally:
            blob.close()

    @contextlib.contextmanager
    def _as_missing(self, sha256: str) -> Iterator[None]:
        try:
            yield
        except StoreError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise BlobMissingError(
                    f"the store {self.root} has no blob sha256:{sha256}",
                    hint="was the right store given? `modelreg config show` tells where each setting comes from",
                ) from None
            raise

    def blobs(self) -> Iterator[BlobInfo]:
        with _as_store_error(f"cannot list the store in {self.root}"):
            for folder in filter(os.DirEntry.is_dir, _entries(self._blobs)):
                for entry in _entries(Path(folder.path)):
                    if is_sha256(entry.name):
                        with contextlib.suppress(FileNotFoundError):  # swept since
                            size_bytes = entry.stat(follow_symlinks=False).st_size
                            yield BlobInfo(entry.name, size_bytes)

    def delete(self, sha256: str) -> None:
        with _as_store_error(f"cannot delete blob sha256:{sha256}"):
            self._path(sha256).unlink(missing_ok=True)

    def staged(self) -> Iterator[StagedInfo]:
        with _as_store_error(f"cannot list the store in {self.root}"):
            for entry in _entries(self._staging):
                with contextlib.suppress(FileNotFoundError):  # published or given up since
                    size_bytes = entry.stat(follow_symlinks=False).st_size
                    yield StagedInfo(entry.name, size_bytes, entry.name.partition(".")[0])

    def discard(self, name: str) -> None:
        with _as_store_error(f"cannot delete the leftover {name}"):
            (self._staging / Path(name).name).unlink(missing_ok=True)

    def _path(self, sha256: str) -> Path:
        if not is_sha256(sha256):
            raise StoreError(f"{sha256[:80]!r} is not a SHA-256")
        return self._blobs / sha256[:2] / sha256


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as found:
        return sorted(found, key=lambda entry: entry.name)


@contextlib.contextmanager
def _as_store_error(what: str) -> Iterator[None]:
    """Operating-system errors as ``StoreError``; the message keeps the system's own reason."""
    try:
        yield
    except ModelregError:
        raise
    except OSError as error:
        advice = advice_on(error, "point MODELREG_STORAGE_URL elsewhere")
        raise StoreError(f"{what}: {reason_of(error)}", hint=advice) from error
