"""Two models side by side: opens what each argument names, has it read, and compares.

A version is compared by its manifest; its bytes are fetched, every chunk verified, only where values must be read: to
tell how far apart changed tensors are, or because the version was pushed before tensors had digests.  Nothing is
judged: a difference can be looked at before anybody decides to trust either side.
"""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from modelreg.artifact import SourceFile, open_artifact
from modelreg.client.checks import accepted_bytes
from modelreg.client.fetch import fetch_files
from modelreg.client.folder import is_pulled_folder, read_kept_manifest
from modelreg.client.push import writer_environment
from modelreg.comparison import ModelDifference, Pair, Side, Subject, compare, match_tensors
from modelreg.digest.streams import Descriptor, Progress, SizeChangedError, ingest
from modelreg.errors import ConflictError, DocumentError, InspectionError
from modelreg.facts import Distance, Facts
from modelreg.findings import Verdict
from modelreg.inspect import Inspector
from modelreg.inspect.pairs import StoredPair, StoredTensor
from modelreg.manifest import Manifest, manifest_digest, parse_manifest
from modelreg.semantic import semantic_digest
from modelreg.store.base import Store


@dataclasses.dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version whose manifest is what was pushed, and the store that has its bytes."""

    reference: str
    digest: str
    manifest: Manifest
    store: Store


@dataclasses.dataclass(frozen=True, slots=True)
class _Opened:
    """One side: what is known of it, and how to come by its bytes; ``open`` may fetch them and is called once."""

    subject: Subject
    open: Callable[[], tuple[SourceFile, ...]]
    notes: tuple[str, ...] = ()


def diff_models(
    left: Path | StoredVersion,
    right: Path | StoredVersion,
    *,
    values: bool = True,
    progress: Progress | None = None,
) -> ModelDifference:
    """Everything in which ``right`` differs from ``left``; a path is a file, a folder, or a pulled folder.

    With ``values`` the worst absolute difference of each changed tensor is told, which reads both sides' bytes.
    Raises ``NotFoundError`` and ``UsageError`` for a path that is no artifact, ``RefusedError`` for a version whose
    fetched bytes are not what was pushed, ``InspectionError`` if no reading process can be started.
    """
    with contextlib.ExitStack() as stack:
        opening = _Opening(stack, progress)
        sides = [opening.open(side) for side in (left, right)]
        ours, theirs = (side.subject for side in sides)
        matching = match_tensors(ours.facts, theirs.facts)
        distances: Mapping[str, Distance] = {}
        notes = [note for side in sides for note in side.notes]
        if values and matching.measurable:
            try:
                distances = opening.measure(matching.measurable, sides[0].open(), sides[1].open())
            except InspectionError as error:
                notes.append(f"how far apart the changed tensors are was not found out: {error.message}")
        difference = compare(ours, theirs, matching=matching, distances=distances)
        return dataclasses.replace(difference, notes=(*notes, *difference.notes))


class _Opening:
    """Opens both sides and reads them by one inspecting process, which is started for the first thing to read."""

    def __init__(self, stack: contextlib.ExitStack, progress: Progress | None) -> None:
        self._stack = stack
        self._progress = progress
        self._inspector: Inspector | None = None

    def open(self, side: Path | StoredVersion) -> _Opened:
        return self._open_version(side) if isinstance(side, StoredVersion) else self._open_path(side)

    def _open_version(self, version: StoredVersion) -> _Opened:
        manifest = version.manifest
        fetched: list[tuple[SourceFile, ...]] = []

        def fetch() -> tuple[SourceFile, ...]:
            if not fetched:
                fetched.append(self._stack.enter_context(_fetched(version, self._progress)))
            return fetched[0]

        facts = manifest.facts
        if any(tensor.extents for tensor in facts.tensors) and not any(tensor.digest for tensor in facts.tensors):
            facts = self._read(fetch())
        sizes = [entry.size_bytes for entry in manifest.files]
        side = _side(version.reference, "version", facts, sizes, version.digest)
        contents = {entry.path: entry.sha256 for entry in manifest.files}
        subject = Subject(side, facts, contents, writer_environment(facts), manifest.push, manifest.metadata)
        return _Opened(subject, fetch)

    def _open_path(self, path: Path) -> _Opened:
        files = self._stack.enter_context(open_artifact(path))
        facts = self._read(files)
        contents = {file.path: _sha256(path, file, self._progress) for file in files}
        manifest, notes = _kept_manifest(path, contents)
        name = f"{path} ({manifest.model}:{manifest.version})" if manifest else str(path)
        kind = "folder" if path.is_dir() else "file"
        digest = manifest_digest(manifest.to_bytes()) if manifest else None
        side = _side(name, kind, facts, [file.size_bytes for file in files], digest)
        push = manifest.push if manifest else None
        metadata = manifest.metadata if manifest else None
        subject = Subject(side, facts, contents, writer_environment(facts), push, metadata)
        return _Opened(subject, lambda: files, notes)

    def _read(self, files: Sequence[SourceFile]) -> Facts:
        return self._reader().inspect([(file.path, file.descriptor) for file in files], values=True)

    def _reader(self) -> Inspector:
        if self._inspector is None:
            self._inspector = self._stack.enter_context(Inspector(expect_hdf5=True))
        return self._inspector

    def measure(
        self, pairs: Sequence[Pair], left: Sequence[SourceFile], right: Sequence[SourceFile]
    ) -> Mapping[str, Distance]:
        """The distance of each pair whose values stand in both files as they are, by the left tensor's path."""
        ours = {file.path: index for index, file in enumerate(left)}
        theirs = {file.path: index for index, file in enumerate(right, start=len(left))}
        asked = {pair.left.path: stored for pair in pairs if (stored := _stored(pair, ours, theirs)) is not None}
        if not asked:
            return {}
        files = [(file.path, file.descriptor) for file in (*left, *right)]
        found = self._reader().measure(files, tuple(asked.values()))
        return {path: distance for path, distance in zip(asked, found, strict=True) if distance is not None}


def _stored(pair: Pair, ours: Mapping[str, int], theirs: Mapping[str, int]) -> StoredPair | None:
    """Where both tensors stand in the open files; ``None`` where that is not known."""
    if pair.left.file not in ours or pair.right.file not in theirs:
        return None
    left = StoredTensor.of(pair.left, ours[pair.left.file])
    right = StoredTensor.of(pair.right, theirs[pair.right.file])
    return None if left is None or right is None else StoredPair(pair.left.shape, pair.left.dtype, left, right)


@contextlib.contextmanager
def _fetched(version: StoredVersion, progress: Progress | None) -> Iterator[tuple[SourceFile, ...]]:
    with tempfile.TemporaryDirectory(prefix="modelreg-diff-") as folder:
        findings = fetch_files(version.store, version.manifest, Path(folder), full=False, progress=progress)
        accepted_bytes(Verdict(()), findings, f"{version.reference} cannot be read")
        with open_artifact(Path(folder)) as files:
            yield files


def _kept_manifest(path: Path, contents: Mapping[str, str]) -> tuple[Manifest | None, tuple[str, ...]]:
    """The manifest in a pulled folder, if it speaks of the files that are there."""
    if not is_pulled_folder(path):
        return None, ()
    try:
        manifest = parse_manifest(read_kept_manifest(path))
    except DocumentError as error:
        return None, (f"{str(path)!r} was compared as a plain folder: {error.message}",)
    if {entry.path: entry.sha256 for entry in manifest.files} != contents:
        return None, (f"{str(path)!r} was compared as a plain folder: its files are not those that were pulled",)
    return manifest, ()


def _sha256(path: Path, file: SourceFile, progress: Progress | None) -> str:
    try:
        return ingest(Descriptor(file.descriptor), file.size_bytes, progress=progress).sha256
    except SizeChangedError as error:
        raise ConflictError(
            f"{str(path)!r} changed while it was read: {error}", hint="wait until it is written, then compare again"
        ) from None


def _side(name: str, kind: str, facts: Facts, sizes: Sequence[int], digest: str | None) -> Side:
    return Side(
        name=name,
        kind=kind,
        size_bytes=sum(sizes),
        files=len(sizes),
        container=facts.container.value,
        keras_version=facts.keras_version,
        digest=digest,
        semantic_digest=facts.semantic_digest or semantic_digest(facts),
    )
