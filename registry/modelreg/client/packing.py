"""Versions into an archive and out of it: ``export`` writes one, ``ArchiveSource`` hands out what one holds.

Invariants: no archive appears under its name unless every byte in it was verified on the way in; what is written to a
stream is whole only if the export succeeds.  Of an archive that comes in nothing is unpacked, and no name in it means
anything: a blob is asked for by the digest that a manifest names.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Self

from modelreg.archive import (
    END,
    Archive,
    ArchivedBlob,
    ArchiveIndex,
    Member,
    Offer,
    archive_size_bytes,
    members,
    read_archive,
)
from modelreg.client.bundles import read_bundles
from modelreg.client.checks import accepted, refuse
from modelreg.client.fetch import check_bytes
from modelreg.client.golden import fetch_golden
from modelreg.client.moving import believed_manifest
from modelreg.client.placement import as_placement_error, staging_prefix
from modelreg.client.results import Exported
from modelreg.digest import sha256_hex
from modelreg.digest.streams import Descriptor, Progress, Writer
from modelreg.errors import BlobMissingError, ConflictError, DocumentError, NotFoundError, StoreError, UsageError
from modelreg.files import fsync_folder, in_order, large_sink, reason_of
from modelreg.findings import Verdict
from modelreg.manifest import BUNDLES_MAX, GOLDEN_PATH, IndexEntry, Manifest
from modelreg.rules import RULES
from modelreg.store.base import Store
from modelreg.verify import Judgement, KeptBundle, missing_file, wrong_size


def offer_of(entry: IndexEntry) -> Offer:
    """A version as its own registry offers it."""
    return Offer(
        entry.model,
        entry.version,
        entry.digest,
        entry.withdrawn_at,
        entry.withdrawn_reason,
        tuple(entry.aliases),
        entry.bundles[:BUNDLES_MAX],
    )


# --- out --------------------------------------------------------------------------------------------------------------


class Packing:
    """An archive before it is written: what goes in, in which order.

    ``judge`` tells what is to be believed of a version; it is asked again for each blob, so that no manifest is kept.
    Raises ``RefusedError`` for one that is not to be believed.
    """

    def __init__(self, store: Store, entries: Sequence[IndexEntry], judge: Callable[[IndexEntry], Judgement]) -> None:
        self._store = store
        self._judge = judge
        self.entries = tuple(sorted(entries, key=lambda entry: (entry.model, entry.version)))
        self._manifests = {entry.digest: entry for entry in self.entries}
        self._places: dict[str, tuple[IndexEntry, str]] = {}
        """Every other blob, by SHA-256, with the first version and path that need it."""
        self._signatures: dict[str, IndexEntry] = {}
        """Every bundle, by SHA-256, with the version that it signs."""
        sizes: dict[str, int] = {}
        first: list[ArchivedBlob] = []
        for entry in self.entries:
            manifest, data = self._believed(entry)
            first.append(ArchivedBlob(entry.digest, len(data)))
            for file in IndexEntry.of(manifest, entry.digest).files:
                if file.sha256 not in self._manifests:
                    self._places.setdefault(file.sha256, (entry, file.path))
                    sizes[file.sha256] = file.size_bytes
            for bundle in self._bundles(entry, data):
                if bundle.listed.sha256 not in self._places:
                    self._signatures[bundle.listed.sha256] = entry
                    sizes[bundle.listed.sha256] = len(bundle.data or b"")
        rest = [ArchivedBlob(sha256, sizes[sha256]) for sha256 in sorted(sizes)]
        self._index = ArchiveIndex(tuple(map(offer_of, self.entries)), (*first, *rest))
        self._head = self._index.to_bytes()

    def _believed(self, entry: IndexEntry) -> tuple[Manifest, bytes]:
        judgement = self._judge(entry)
        return accepted(judgement, f"{entry.model}:{entry.version} was not exported"), judgement.manifest_bytes

    def _bundles(self, entry: IndexEntry, manifest: bytes) -> tuple[KeptBundle, ...]:
        """The version's signatures, whole; raises ``RefusedError``."""
        found = read_bundles(self._store, entry.bundles, manifest)
        for bundle in found:
            if bundle.data is None or sha256_hex(bundle.data) != bundle.listed.sha256:
                message = f"the signature {bundle.listed.sha256} is missing, or is not what was written"
                broken = RULES["MR202"].found(message, fix="modelreg fsck --repair --from PLACE")
                refuse(Verdict((broken,)), f"{entry.model}:{entry.version} was not exported")
        return found

    def described(self, path: str, *, dry_run: bool) -> Exported:
        """What the archive at ``path`` is."""
        blobs = self._index.blobs
        size_bytes = archive_size_bytes(len(self._head), blobs)
        return Exported(path, sha256_hex(self._head), size_bytes, len(blobs), self.entries, dry_run)

    def write(self, sink: Writer, progress: Progress | None) -> None:
        """Write everything in order; raises ``RefusedError`` at the first byte that is not what was pushed."""
        end = 0
        for member in members(len(self._head), self._index.blobs):
            sink.write_from(memoryview(member.header), member.offset - len(member.header))
            sha256 = member.name.rpartition("/")[2]
            if member.offset == len(member.header):
                sink.write_from(memoryview(self._head), member.offset)
            elif sha256 in self._manifests:
                _, data = self._believed(self._manifests[sha256])
                sink.write_from(memoryview(data), member.offset)
            elif sha256 in self._signatures and sha256 not in self._places:
                sink.write_from(memoryview(self._bundle(sha256)), member.offset)
            else:
                self._write_blob(sha256, _From(sink, member.offset), progress)
            sink.write_from(memoryview(bytes(member.padding_size_bytes)), member.offset + member.size_bytes)
            end = member.end
        sink.write_from(memoryview(END), end)

    def _bundle(self, sha256: str) -> bytes:
        entry = self._signatures[sha256]
        _, data = self._believed(entry)
        return next(bundle.data or b"" for bundle in self._bundles(entry, data) if bundle.listed.sha256 == sha256)

    def _write_blob(self, sha256: str, sink: Writer, progress: Progress | None) -> None:
        version, path = self._places[sha256]
        manifest, _ = self._believed(version)
        what = f"{manifest.model}:{manifest.version} was not exported"
        if path == GOLDEN_PATH:
            data, findings = fetch_golden(self._store, manifest)
            refuse(Verdict(findings), what)
            sink.write_from(memoryview(data or b""), 0)
            return
        entry = manifest.file(path)
        try:
            blob = self._store.open(sha256)
        except BlobMissingError:
            refuse(Verdict((missing_file(entry),)), what)
            raise
        with contextlib.closing(blob), in_order(blob, entry.size_bytes) as ordered:
            if blob.size_bytes != entry.size_bytes:
                refuse(Verdict((wrong_size(entry, blob.size_bytes),)), what)
            found = check_bytes(ordered, manifest, entry, sink=sink, full=True, progress=progress)
        refuse(Verdict(tuple(found)), what)


class _From:
    """A writer whose beginning is at ``offset`` of another."""

    def __init__(self, sink: Writer, offset: int) -> None:
        self._sink = sink
        self._offset = offset

    def write_from(self, view: memoryview, offset: int) -> None:
        self._sink.write_from(view, self._offset + offset)


class Nowhere:
    """Where a rehearsal writes."""

    def write_from(self, view: memoryview, offset: int) -> None:
        """Forget it."""


class StreamWriter:
    """A stream that is written from its beginning to its end, as a pipe must be."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write_from(self, view: memoryview, offset: int) -> None:  # noqa: ARG002 - always where the last one ended
        try:
            self._stream.write(view)
        except BrokenPipeError:
            raise StoreError("whoever read the archive went away before its end") from None


def check_archive_path(path: Path, *, force: bool) -> None:
    """Raise ``ConflictError`` if ``path`` is in the way and may not be replaced."""
    if not os.path.lexists(path):
        return
    if path.is_symlink() or not path.is_file():
        raise ConflictError(f"{str(path)!r} exists and is no regular file", hint="give another file with -o")
    if not force:
        raise ConflictError(f"{str(path)!r} exists", hint="give another file with -o, or --force to replace it")


@contextlib.contextmanager
def archive_file(path: Path, size_bytes: int, *, force: bool) -> Iterator[Writer]:
    """A writer of the file ``path``, which appears whole and durable at the end, or not at all."""
    prefix = f"{staging_prefix(path)}export-"
    staged = path.with_name(f"{prefix}{secrets.token_hex(8)}")
    with as_placement_error(path):
        _remove_abandoned(path.parent, prefix)
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        with as_placement_error(path):
            yield large_sink(Descriptor(descriptor), size_bytes)
            os.fsync(descriptor)
            check_archive_path(path, force=force)
            staged.replace(path)
            fsync_folder(path.absolute().parent)
    finally:
        os.close(descriptor)
        staged.unlink(missing_ok=True)


def _remove_abandoned(folder: Path, prefix: str) -> None:
    """Remove what exports to the same path left that were killed: nobody holds its lock."""
    for leftover in folder.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            descriptor = os.open(leftover, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                leftover.unlink()
            finally:
                os.close(descriptor)


# --- in ---------------------------------------------------------------------------------------------------------------


class ArchiveSource:
    """An archive as a source of versions; a context manager, which raises ``RefusedError`` for one of another form.

    Everything but the content of the files is checked on entering.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = contextlib.ExitStack()
        self._archive: Archive | None = None
        self._descriptor = -1

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._descriptor = _open_regular(self._path)
            stack.callback(os.close, self._descriptor)
            try:
                self._archive = read_archive(Descriptor(self._descriptor), os.fstat(self._descriptor).st_size)
                self._check_blobs()
            except DocumentError as error:
                verdict = Verdict((RULES["MR107"].found(error.message, where=self._path.name),))
                refuse(verdict, f"{str(self._path)!r} was not imported")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def archive(self) -> Archive:
        assert self._archive is not None  # noqa: S101 - within ``with``
        return self._archive

    @property
    def offers(self) -> tuple[Offer, ...]:
        return self.archive.index.versions

    def _check_blobs(self) -> None:
        """The archive holds what its manifests name, and nothing else; raises ``DocumentError``, ``RefusedError``."""
        wanted: dict[str, int] = {}
        for offer in self.offers:
            manifest, _ = believed_manifest(self, offer)
            for file in IndexEntry.of(manifest, offer.digest).files:
                if wanted.setdefault(file.sha256, file.size_bytes) != file.size_bytes:
                    raise DocumentError(f"two manifests disagree on the size of sha256:{file.sha256}")
        manifests = {offer.digest for offer in self.offers}
        found = {sha256: member.size_bytes for sha256, member in self.archive.blobs.items()}
        for sha256, size_bytes in wanted.items():
            if sha256 not in found:
                raise DocumentError(f"the archive lacks blob sha256:{sha256}, which a manifest in it names")
            if found[sha256] != size_bytes:
                raise DocumentError(
                    f"blob sha256:{sha256} is {found[sha256]:,} bytes long in the archive, {size_bytes:,} in a manifest"
                )
        signatures = {bundle.sha256 for offer in self.offers for bundle in offer.bundles}
        if lacking := signatures - found.keys():
            raise DocumentError(f"the archive lacks blob sha256:{min(lacking)}, a signature of a version in it")
        foreign = found.keys() - wanted.keys() - manifests - signatures
        if foreign:
            raise DocumentError(f"the archive holds blob sha256:{min(foreign)}, which no manifest in it names")

    def open(self, sha256: str) -> _ArchivedFile:
        member = self.archive.blobs.get(sha256)
        if member is None:
            raise BlobMissingError(f"the archive {str(self._path)!r} has no blob sha256:{sha256}")
        return _ArchivedFile(self._descriptor, member)

    def read(self, sha256: str, size_bytes_max: int) -> bytes:
        blob = self.open(sha256)
        if blob.size_bytes > size_bytes_max:
            raise StoreError(f"blob {sha256} is {blob.size_bytes:,} bytes long; at most {size_bytes_max:,} are read")
        view = memoryview(bytearray(blob.size_bytes))
        return bytes(view[: blob.read_into(view, 0)])


class _ArchivedFile:
    """The bytes of one member; holds nothing."""

    def __init__(self, descriptor: int, member: Member) -> None:
        self._file = Descriptor(descriptor)
        self._offset = member.offset
        self.size_bytes = member.size_bytes

    def read_into(self, view: memoryview, offset: int) -> int:
        length = max(0, min(len(view), self.size_bytes - offset))
        return self._file.read_into(view[:length], self._offset + offset) if length else 0

    def clone_to(self, descriptor: int) -> bool:  # noqa: ARG002 - a part of a file, at 512 bytes
        return False

    def close(self) -> None:
        """The archive stays open."""


def _open_regular(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {str(path)!r}", hint=f"ls {path.parent}") from None
    except (OSError, ValueError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else error
        raise UsageError(f"cannot read {str(path)[:200]!r}: {reason}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UsageError(f"{str(path)!r} is not a regular file", hint="write a stream to a file first, then import it")
    return descriptor
