"""The manifest: the one immutable document that describes a version, and the checks on both of its ends.

It is an in-toto Statement v1 whose subjects are the artifact's files and whose predicate is ours.  The exact bytes
are stored under their own SHA-256, which is the version's digest; they are checked first and parsed after, and are
never rebuilt from anything else.

Invariants, held by ``Manifest`` however it was made:

* paths are relative POSIX paths without ``..``, unique also where case does not count, and never under ``.modelreg``;
* the subjects are exactly the files, in the order of their paths;
* the first version has no predecessor and every other names one.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from modelreg.digest import BlobDigest, is_sha256, sha256_hex
from modelreg.environment.document import Environment
from modelreg.errors import DocumentError, UsageError
from modelreg.facts import Facts
from modelreg.findings import Finding
from modelreg.records import SPARSE, canonical_json, from_json, json_key, parse_json, to_json
from modelreg.refs import VERSION_MAX, parse_name

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:modelreg:manifest:v1"
SIDE_FOLDER = ".modelreg"
"""The folder beside a pulled model that keeps its manifest and bundles; no artifact may hold a file in it."""

GOLDEN_PATH = f"{SIDE_FOLDER}/golden.npz"
"""Where a pulled folder keeps the golden predictions."""

FILES_MAX = 10_000
PATH_BYTES_MAX = 1024
METADATA_ENTRIES_MAX = 1_000
PUSHED_BY_LENGTH_MAX = 256
GOLDEN_SIZE_BYTES_MAX = 16 * 1024 * 1024
"""Golden inputs and outputs together: 27 images of 224 x 224, or a million numbers four times over."""
GOLDEN_ARRAYS_MAX = 1024
GOLDEN_NAME_LENGTH_MAX = 512
GOLDEN_RANK_MAX = 32
"""NumPy's until version 2, which has 64; Keras models end at 6 or so."""
KERAS_VERSION_LENGTH_MAX = 64
"""What an index keeps of a version text that a file can make as long as it likes."""
METADATA_BYTES_MAX = 256 * 1024
WITHDRAWAL_REASON_LENGTH_MAX = 2000

_TOLERANCE = re.compile(r"\d{1,9}(\.\d{1,18})?(e-?\d{1,2})?", re.ASCII)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of the artifact."""

    path: str
    size_bytes: int
    sha256: str
    chunk_size_bytes: int
    chunks: tuple[str, ...]

    def __post_init__(self) -> None:
        check_path(self.path)
        _ = self.digest

    @property
    def digest(self) -> BlobDigest:
        return BlobDigest(self.size_bytes, self.sha256, self.chunk_size_bytes, self.chunks)

    @classmethod
    def of(cls, path: str, digest: BlobDigest) -> FileEntry:
        """The entry of a file at ``path`` whose bytes have ``digest``."""
        return cls(path, digest.size_bytes, digest.sha256, digest.chunk_size_bytes, digest.chunks)


def check_path(path: str) -> None:
    """Raise ``DocumentError`` unless ``path`` can safely name a file below any folder."""
    parts = path.split("/")
    if (
        not path
        or len(path.encode("utf-8", "replace")) > PATH_BYTES_MAX
        or any(part in ("", ".", "..") for part in parts)
        or any(unicodedata.category(char) in ("Cc", "Cs") or char == "\\" for char in path)
        or unicodedata.normalize("NFC", path) != path
        or str(PurePosixPath(path)) != path
    ):
        raise DocumentError(f"{path[:200]!r} is not a relative path that modelreg stores")
    if parts[0].casefold() == SIDE_FOLDER:
        raise DocumentError(f"{path!r} lies in {SIDE_FOLDER}/, which modelreg keeps for itself")


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """One input or output of a model as it was computed with; ``dtype`` is Keras's name (``float32``, ``string``)."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    def __post_init__(self) -> None:
        if len(self.name) > GOLDEN_NAME_LENGTH_MAX or len(self.dtype) > GOLDEN_NAME_LENGTH_MAX:
            raise DocumentError(f"{self.name[:80]!r} is longer than names of inputs and outputs are")
        if len(self.shape) > GOLDEN_RANK_MAX or any(size < 0 for size in self.shape):
            raise DocumentError(f"{self.name!r} has the shape {self.shape[:8]}, which no array has")


@dataclass(frozen=True, slots=True)
class Golden:
    """What the model predicted at push for known inputs; the numbers are a blob of their own.

    ``tolerance`` is a decimal text: how far a value may be off in units of its scale.  ``python``, ``keras`` and
    ``tensorflow`` are the versions that computed it.
    """

    sha256: str
    size_bytes: int
    samples: int
    seed: int
    tolerance: str
    inputs: tuple[ArraySpec, ...]
    outputs: tuple[ArraySpec, ...]
    python: str
    keras: str
    tensorflow: str | None = None

    def __post_init__(self) -> None:
        if not is_sha256(self.sha256) or not 0 < self.size_bytes <= GOLDEN_SIZE_BYTES_MAX:
            raise DocumentError(
                f"{self.size_bytes:,} bytes under {self.sha256[:64]!r} are no golden predictions: those have a SHA-256 "
                f"and at most {GOLDEN_SIZE_BYTES_MAX:,} bytes"
            )
        check_tolerance(self.tolerance)
        for what, arrays in (("inputs", self.inputs), ("outputs", self.outputs)):
            if not 1 <= len(arrays) <= GOLDEN_ARRAYS_MAX:
                raise DocumentError(f"golden predictions have 1 to {GOLDEN_ARRAYS_MAX:,} {what}, not {len(arrays):,}")
        if self.samples < 1 or self.seed < 0:
            raise DocumentError(f"golden predictions cannot have {self.samples} samples drawn from seed {self.seed}")


def check_tolerance(text: str) -> None:
    """Raise ``DocumentError`` unless ``text`` is a decimal number from 0 to 1, such as ``1e-4``."""
    if not _TOLERANCE.fullmatch(text) or not 0 <= float(text) <= 1:
        raise DocumentError(f"{text[:40]!r} is not a tolerance: a number from 0 to 1 such as 1e-4")


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything about one version; times are UTC, ``YYYY-MM-DDThh:mm:ssZ``."""

    registry: str
    model: str
    version: int
    previous: str | None
    created_at: str
    pushed_by: str
    files: tuple[FileEntry, ...]
    facts: Facts
    writer: Environment
    push: Environment | None = None
    findings: tuple[Finding, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    tool: str = ""
    golden: Golden | None = field(default=None, metadata=SPARSE)

    def __post_init__(self) -> None:
        _check_name(self.model)
        object.__setattr__(self, "pushed_by", unicodedata.normalize("NFC", self.pushed_by))
        if len(self.pushed_by) > PUSHED_BY_LENGTH_MAX:
            raise DocumentError(
                f"{self.pushed_by[:80]!r} cannot be who pushed: at most {PUSHED_BY_LENGTH_MAX} characters"
            )
        if not 1 <= self.version <= VERSION_MAX:
            raise DocumentError(f"{self.version} is not a version: 1, 2, 3 ...")
        is_linked = (
            self.previous is None if self.version == 1 else self.previous is not None and is_sha256(self.previous)
        )
        if not is_linked:
            raise DocumentError(f"version {self.version} cannot have {self.previous!r} as its predecessor")
        check_timestamp(self.created_at)
        self._check_files()
        check_metadata(self.metadata)

    def _check_files(self) -> None:
        if not 1 <= len(self.files) <= FILES_MAX:
            raise DocumentError(f"an artifact has 1 to {FILES_MAX:,} files, not {len(self.files):,}")
        paths = [entry.path for entry in self.files]
        if paths != sorted(paths):
            raise DocumentError("the files are not in the order of their paths")
        folded = {unicodedata.normalize("NFC", path).casefold() for path in paths}
        if len(folded) != len(paths):
            raise DocumentError("two files have paths that are the same where case does not count")
        folders = {"/".join(path.split("/")[:depth]) for path in folded for depth in range(1, path.count("/") + 1)}
        if folders & folded:
            raise DocumentError(f"{min(folders & folded)!r} is both a file and a folder")

    @property
    def size_bytes(self) -> int:
        return sum(entry.size_bytes for entry in self.files)

    def file(self, path: str) -> FileEntry:
        """The entry at ``path``; raises ``KeyError``."""
        for entry in self.files:
            if entry.path == path:
                return entry
        raise KeyError(path)

    def to_bytes(self) -> bytes:
        """The canonical bytes; parsed again and compared before they are handed out."""
        data = canonical_json(to_json(_Statement.of(self)))
        if canonical_json(to_json(_Statement.of(parse_manifest(data)))) != data:
            raise DocumentError(f"the manifest of {self.model}:{self.version} does not survive its own parser")
        return data


def check_timestamp(text: str) -> None:
    """Raise ``DocumentError`` unless ``text`` is a time as a manifest writes it."""
    if not _TIMESTAMP.fullmatch(text):
        raise DocumentError(f"{text[:40]!r} is not a time like 2026-11-23T18:55:36Z")


def _check_name(model: str) -> None:
    try:
        parse_name(model)
    except UsageError as error:
        raise DocumentError(error.message) from None


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Raise ``DocumentError`` for metadata beyond the bounds of a manifest."""
    size_bytes = sum(len(key) + len(value) for key, value in metadata.items())
    if len(metadata) > METADATA_ENTRIES_MAX or size_bytes > METADATA_BYTES_MAX:
        raise DocumentError(
            f"metadata holds {len(metadata):,} entries of {size_bytes:,} characters; "
            f"at most {METADATA_ENTRIES_MAX:,} of {METADATA_BYTES_MAX:,} are kept"
        )
    if "" in metadata:
        raise DocumentError("a metadata key is empty")


@dataclass(frozen=True, slots=True)
class _Sha256:
    sha256: str


@dataclass(frozen=True, slots=True)
class _Subject:
    name: str
    digest: _Sha256


@dataclass(frozen=True, slots=True)
class _Statement:
    """The in-toto envelope of fields around the predicate (in-toto attestation framework, Statement v1)."""

    type: str = field(metadata=json_key("_type"))
    subject: tuple[_Subject, ...]
    predicate_type: str = field(metadata=json_key("predicateType"))
    predicate: Manifest

    @classmethod
    def of(cls, manifest: Manifest) -> _Statement:
        return cls(STATEMENT_TYPE, _subjects(manifest), PREDICATE_TYPE, manifest)


def _subjects(manifest: Manifest) -> tuple[_Subject, ...]:
    return tuple(_Subject(entry.path, _Sha256(entry.sha256)) for entry in manifest.files)


def manifest_digest(data: bytes) -> str:
    """The version's digest: the SHA-256 of the manifest's exact bytes, as hex."""
    return sha256_hex(data)


def parse_manifest(data: bytes) -> Manifest:
    """Parse the bytes of a manifest of any released format version; raises ``DocumentError``."""
    value = parse_json(data, what="the manifest")
    if not isinstance(value, dict) or value.get("_type") != STATEMENT_TYPE:
        raise DocumentError("the manifest is not an in-toto Statement v1")
    if value.get("predicateType") != PREDICATE_TYPE:
        raise DocumentError(
            f"the manifest is of type {value.get('predicateType')!r}; this modelreg reads {PREDICATE_TYPE}",
            hint="upgrade modelreg",
        )
    statement = from_json(_Statement, value, what="the manifest")
    if statement.subject != _subjects(statement.predicate):
        raise DocumentError("the manifest's subjects are not its files")
    return statement.predicate


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """What an index says of one file of a version."""

    path: str
    size_bytes: int
    sha256: str


def _indexed_files(manifest: Manifest) -> tuple[IndexedFile, ...]:
    """Every blob that the version needs beside its manifest; the golden one under its place in a pulled folder.

    So it is kept by a sweep, also one of a modelreg that knows nothing of golden predictions.
    """
    entries: list[tuple[str, FileEntry | Golden]] = [(entry.path, entry) for entry in manifest.files]
    if manifest.golden is not None:
        entries.append((GOLDEN_PATH, manifest.golden))
    return tuple(
        IndexedFile(path, entry.size_bytes, entry.sha256) for path, entry in sorted(entries, key=lambda e: e[0])
    )


BUNDLES_MAX = 64
"""Of one version, in the order of their digests, so many are read; more signers than that have no use."""


class BundleKind(enum.StrEnum):
    """What a bundle signs."""

    MANIFEST = "manifest"
    OMS = "oms"
    """The files, as OpenSSF Model Signing does."""


@dataclass(frozen=True, slots=True)
class IndexedBundle:
    """A signature as an index lists it: the SHA-256 of its bytes, its ``BundleKind``, and who is said to have signed.

    A row can say anything; the bundle's bytes decide.
    """

    sha256: str
    kind: str
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """What an index says of one version; all but the state that can change is told by the manifest alone.

    ``withdrawn_at``, ``withdrawn_reason``, ``aliases`` (sorted) and ``bundles`` (by digest) are that state.
    """

    model: str
    version: int
    digest: str
    created_at: str
    pushed_by: str
    container: str
    keras_version: str | None
    size_bytes: int
    files: tuple[IndexedFile, ...]
    withdrawn_at: str | None = None
    withdrawn_reason: str | None = None
    aliases: tuple[str, ...] = ()
    bundles: tuple[IndexedBundle, ...] = ()

    @classmethod
    def of(cls, manifest: Manifest, digest: str) -> IndexEntry:
        """What every index must say of the version that ``manifest`` describes."""
        return cls(
            model=manifest.model,
            version=manifest.version,
            digest=digest,
            created_at=manifest.created_at,
            pushed_by=manifest.pushed_by,
            container=manifest.facts.container.value,
            keras_version=(manifest.facts.keras_version or "")[:KERAS_VERSION_LENGTH_MAX] or None,
            size_bytes=manifest.size_bytes,
            files=_indexed_files(manifest),
        )
