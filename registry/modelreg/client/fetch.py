"""The way out: fetch a judged version's files, every chunk verified on arrival, and re-check what is already there."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from modelreg.client.golden import check_kept_golden, fetch_golden
from modelreg.client.placement import as_placement_error
from modelreg.client.several import each_blob
from modelreg.digest.streams import (
    ChunkMismatchError,
    Descriptor,
    Progress,
    RangedReader,
    Reader,
    SizeChangedError,
    Writer,
    ingest,
    transfer,
)
from modelreg.errors import BlobMissingError
from modelreg.files import large_sink
from modelreg.findings import Finding
from modelreg.manifest import GOLDEN_PATH, SIDE_FOLDER, BundleKind, FileEntry, Manifest
from modelreg.rules import Policy
from modelreg.store.base import BlobReader, Store
from modelreg.verify import KeptBundle, foreign_file, missing_file, wrong_chunks, wrong_sha256, wrong_size

MANIFEST_NAME = "manifest.json"
BUNDLES_NAME = "bundles"
PARALLEL_FROM_BYTES = 4 * 1024 * 1024
"""Below this a file is checked sooner than threads are started."""


def fetch_files(
    store: Store, manifest: Manifest, folder: Path, *, full: bool, progress: Progress | None
) -> tuple[Finding, ...]:
    """Write the files of ``manifest`` below ``folder``, verified; returns what is wrong, empty if all is well.

    What ``folder`` holds of them already (an interrupted pull left it) is verified in place and not fetched again.
    """
    with as_placement_error(folder):
        _remove_foreign(folder, {entry.path for entry in manifest.files})

    def fetch(blob: BlobReader, entry: FileEntry) -> list[Finding]:
        target = folder / entry.path
        with as_placement_error(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            return _fetch_file(blob, manifest, entry, target, full=full, progress=progress)

    return _for_each_blob(store, manifest, fetch)


def check_stored(store: Store, manifest: Manifest, *, full: bool, progress: Progress | None) -> tuple[Finding, ...]:
    """Check every stored byte of a version without copying it anywhere."""

    def check(blob: BlobReader, entry: FileEntry) -> list[Finding]:
        return check_bytes(blob, manifest, entry, full=full, progress=progress)

    return _for_each_blob(store, manifest, check) + fetch_golden(store, manifest)[1]


def _for_each_blob(
    store: Store, manifest: Manifest, check: Callable[[BlobReader, FileEntry], list[Finding]]
) -> tuple[Finding, ...]:
    def check_entry(entry: FileEntry) -> list[Finding]:
        with _blob(store, entry) as blob:
            if blob is None:
                return [missing_file(entry)]
            if blob.size_bytes != entry.size_bytes:
                return [wrong_size(entry, blob.size_bytes)]
            return check(blob, entry)

    found = each_blob(store, check_entry, manifest.files, lambda entry: entry.size_bytes)
    return tuple(chain.from_iterable(found))


@contextlib.contextmanager
def _blob(store: Store, entry: FileEntry) -> Iterator[BlobReader | None]:
    try:
        blob = store.open(entry.sha256)
    except BlobMissingError:
        yield None
        return
    try:
        yield blob
    finally:
        blob.close()


def _fetch_file(
    blob: BlobReader, manifest: Manifest, entry: FileEntry, target: Path, *, full: bool, progress: Progress | None
) -> list[Finding]:
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        staged = Descriptor(descriptor)
        if isinstance(blob, RangedReader):
            findings = _fetch_missing(blob, manifest, entry, descriptor, progress)
            if full and not findings:
                findings = check_bytes(staged, manifest, entry, full=True, progress=None)
        elif blob.clone_to(descriptor):
            findings = check_bytes(staged, manifest, entry, full=full, progress=progress)
        else:
            sink = large_sink(staged, entry.size_bytes)
            findings = check_bytes(blob, manifest, entry, sink=sink, full=full, progress=progress)
        os.fsync(descriptor)
        return findings
    finally:
        os.close(descriptor)


def _fetch_missing(
    blob: BlobReader, manifest: Manifest, entry: FileEntry, descriptor: int, progress: Progress | None
) -> list[Finding]:
    """Fetch the chunks that the file behind ``descriptor`` does not hold; what it holds is verified first."""
    staged = Descriptor(descriptor)
    missing: Sequence[int] = range(len(entry.chunks))
    if os.fstat(descriptor).st_size:
        os.ftruncate(descriptor, entry.size_bytes)
        missing = _differing(staged, entry)
        if progress:
            progress(entry.size_bytes - sum(entry.digest.chunk_extent(index)[1] for index in missing))
    sink = large_sink(staged, entry.size_bytes)
    try:
        transfer(blob, entry.digest, sink=sink, progress=progress, only=missing)
    except ChunkMismatchError as error:
        return list(wrong_chunks(manifest, entry, error.indices))
    except SizeChangedError as error:
        return [wrong_size(entry, error.size_bytes)]
    return []


def _differing(staged: Descriptor, entry: FileEntry) -> Sequence[int]:
    try:
        transfer(staged, entry.digest)
    except ChunkMismatchError as error:
        return error.indices
    return ()


def _remove_foreign(folder: Path, known: set[str]) -> None:
    """Leave only regular files that the manifest names; a folder that a pull has just made holds nothing."""
    for place, folders, names in os.walk(folder, topdown=False):
        here = Path(place)
        for path in (here / name for name in (*folders, *names)):
            is_known = path.relative_to(folder).as_posix() in known and path.is_file()
            if path.is_symlink() or not (path.is_dir() or is_known):
                path.unlink()
            elif path.is_dir() and not any(path.iterdir()):
                path.rmdir()


def check_bytes(
    source: Reader,
    manifest: Manifest,
    entry: FileEntry,
    *,
    sink: Writer | None = None,
    full: bool,
    progress: Progress | None,
) -> list[Finding]:
    """Check one file's bytes against its entry, copying them to ``sink``: the chunks, and with ``full`` the SHA-256."""
    try:
        if not full:
            workers = None if entry.size_bytes >= PARALLEL_FROM_BYTES else 1
            transfer(source, entry.digest, sink=sink, progress=progress, workers=workers)
            return []
        actual = ingest(source, entry.size_bytes, sink=sink, progress=progress)
    except ChunkMismatchError as error:
        return list(wrong_chunks(manifest, entry, error.indices))
    except SizeChangedError as error:
        return [wrong_size(entry, error.size_bytes)]
    if actual.sha256 == entry.sha256:
        return []
    if actual.chunk_size_bytes != entry.chunk_size_bytes:
        return [wrong_sha256(entry, actual.sha256)]
    pairs = enumerate(zip(actual.chunks, entry.chunks, strict=True))
    differing = [index for index, (here, there) in pairs if here != there]
    return [*wrong_chunks(manifest, entry, differing), wrong_sha256(entry, actual.sha256)]


def check_folder(
    folder: Path, manifest: Manifest, policy: Policy, *, full: bool, progress: Progress | None
) -> tuple[Finding, ...]:
    """Check a pulled folder: every file of the manifest, its golden predictions, and nothing beside them."""
    findings: list[Finding] = []
    for entry in manifest.files:
        findings += _check_placed(folder / entry.path, manifest, entry, full=full, progress=progress)
    findings += check_kept_golden(folder, manifest)
    known = {entry.path for entry in manifest.files}
    findings += [foreign_file(path, policy) for path in _walk_files(folder) if path not in known]
    return tuple(findings)


def _check_placed(
    place: Path, manifest: Manifest, entry: FileEntry, *, full: bool, progress: Progress | None
) -> list[Finding]:
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return [missing_file(entry)]
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return [missing_file(entry)]
        if status.st_size != entry.size_bytes:
            return [wrong_size(entry, status.st_size)]
        return check_bytes(Descriptor(descriptor), manifest, entry, full=full, progress=progress)
    finally:
        os.close(descriptor)


def _walk_files(folder: Path) -> Iterator[str]:
    for place, folders, names in os.walk(folder):
        here = Path(place)
        if here == folder:
            folders[:] = [name for name in folders if name != SIDE_FOLDER]
        links = [name for name in folders if (here / name).is_symlink()]
        for name in sorted((*names, *links)):
            yield (here / name).relative_to(folder).as_posix()


def write_side_folder(
    folder: Path, manifest: bytes, golden: bytes | None = None, bundles: Iterable[KeptBundle] = ()
) -> None:
    """Keep manifest, signatures and golden predictions beside the model, to verify and replay it without a registry."""
    side = folder / SIDE_FOLDER
    with as_placement_error(folder):
        side.mkdir()
        _keep(side / MANIFEST_NAME, manifest)
        if golden is not None:
            _keep(folder / GOLDEN_PATH, golden)
        kept = [bundle for bundle in bundles if bundle.data is not None and bundle.listed.kind in tuple(BundleKind)]
        if kept:
            (side / BUNDLES_NAME).mkdir()
        for bundle in kept:
            _keep(side / BUNDLES_NAME / f"{bundle.listed.sha256}.{bundle.listed.kind}.json", bundle.data or b"")


def _keep(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
    try:
        Descriptor(descriptor).write_from(memoryview(data), 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
