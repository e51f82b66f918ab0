"""What an OpenSSF Model Signing bundle says of the files, and where files differ from it.

Invariants:

* Names are not part of a statement's root digest: two trees with a file renamed have one root.  So the root is
  compared and never taken as an identity; what counts are the pairs of name and digest, each name once.
* Of the specification's hashes SHA-256 alone is computed; the others are refused by their names.
* Shards are read as the specification has them and as ``model_signing``'s library writes them: the size as 3.0, the
  hash as ``sha256-sharded-3``.
* Nothing is left out: a file that the signer told to ignore (``.git``) is a file that nobody signed.

Reading and hashing is the caller's: files come in as pairs of relative path and SHA-256.
"""

from __future__ import annotations

import enum
import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from modelreg.digest import is_sha256
from modelreg.errors import DocumentError
from modelreg.records import Json, canonical_json, from_json, json_key, parse_json, to_json

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"
STATEMENT_SIZE_BYTES_MAX = 64 * 1024 * 1024
RESOURCES_MAX = 1_000_000
NAME_LENGTH_MAX = 4096
SHARD_SIZE_BYTES_MAX = 2**50
_WHAT = "the signed statement"
_SHARD = re.compile(r"(?P<path>.+):(?P<start>\d{1,16}):(?P<end>\d{1,16})", re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Resource:
    """One file, or one piece of a file, and its digest; other keys of a resource are none of our business."""

    name: str
    algorithm: str
    digest: str


@dataclass(frozen=True, slots=True)
class Serialization:
    """How the signer went over the files."""

    method: str
    hash_type: str
    allow_symlinks: bool
    ignore_paths: tuple[str, ...] = ()
    shard_size: int | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """What was signed, checked to be consistent however it was made."""

    name: str
    root: str
    resources: tuple[Resource, ...]
    serialization: Serialization

    def __post_init__(self) -> None:
        if not self.name:
            raise DocumentError("the statement's subject has no name")
        if not 1 <= len(self.resources) <= RESOURCES_MAX:
            raise DocumentError(f"the statement has {len(self.resources):,} resources: 1 to {RESOURCES_MAX:,} are read")
        self._check_serialization()
        seen: set[str] = set()
        for resource in self.resources:
            _check_resource(resource, self.serialization.shard_size)
            if resource.name in seen:
                raise DocumentError(f"the resource {resource.name[:200]!r} stands twice in the statement")
            seen.add(resource.name)
        if self.root != (found := root_digest(resource.digest for resource in self.resources)):
            raise DocumentError(f"the statement's root digest is {self.root[:64]!r}, that of its resources {found}")

    def _check_serialization(self) -> None:
        told = self.serialization
        if told.method not in ("files", "shards"):
            raise DocumentError(f"the statement's method is {told.method[:60]!r}: modelreg reads 'files' and 'shards'")
        _check_hash(told.hash_type)
        if (told.method == "shards") != (told.shard_size is not None):
            raise DocumentError(f"the method {told.method!r} does not go with the shard_size {told.shard_size}")
        if told.shard_size is not None and not 1 <= told.shard_size <= SHARD_SIZE_BYTES_MAX:
            raise DocumentError(f"the shard_size {told.shard_size:,} is none: 1 to {SHARD_SIZE_BYTES_MAX:,} bytes are")

    @classmethod
    def parse(cls, data: bytes) -> Statement:
        """Read what was signed; raises ``DocumentError``."""
        value = parse_json(data, what=_WHAT, size_bytes_max=STATEMENT_SIZE_BYTES_MAX, whole_floats=True)
        document = from_json(_StatementDocument, value, what=_WHAT)
        for told, known in ((document.kind, STATEMENT_TYPE), (document.predicate_type, PREDICATE_TYPE)):
            if told != known:
                raise DocumentError(f"{_WHAT} is of the type {told[:80]!r}, not {known!r}")
        if len(document.subject) != 1:
            raise DocumentError(f"{_WHAT} has {len(document.subject)} subjects, not one")
        (subject,), predicate = document.subject, document.predicate
        return cls(subject.name, subject.digest.sha256, predicate.resources, predicate.serialization)

    @property
    def paths(self) -> frozenset[str]:
        """The files that were signed, whole or in shards; raises ``DocumentError`` for what is no shard."""
        names = (resource.name for resource in self.resources)
        return frozenset(names if self.serialization.shard_size is None else (_shard(name)[0] for name in names))

    def to_bytes(self) -> bytes:
        """The statement as canonical JSON."""
        serialization = self.serialization
        told: dict[str, Json] = {
            "allow_symlinks": serialization.allow_symlinks,
            "hash_type": serialization.hash_type,
            "method": serialization.method,
        }
        if serialization.ignore_paths:
            told["ignore_paths"] = list(serialization.ignore_paths)
        if serialization.shard_size is not None:
            told["shard_size"] = serialization.shard_size
        return canonical_json(
            {
                "_type": STATEMENT_TYPE,
                "predicate": {"resources": to_json(self.resources), "serialization": told},
                "predicateType": PREDICATE_TYPE,
                "subject": [{"name": self.name, "digest": {"sha256": self.root}}],
            }
        )


def _check_resource(resource: Resource, shard_size: int | None = None) -> None:
    if not 1 <= len(resource.name) <= NAME_LENGTH_MAX:
        raise DocumentError(
            f"a resource's name has {len(resource.name):,} characters: 1 to {NAME_LENGTH_MAX:,} are read"
        )
    if shard_size is None or resource.algorithm != f"sha256-sharded-{shard_size}":
        _check_hash(resource.algorithm)
    if not is_sha256(resource.digest):
        raise DocumentError(f"the digest of {resource.name[:200]!r} is not 64 lowercase hex digits")


def _check_hash(name: str) -> None:
    if name != "sha256":
        raise DocumentError(
            f"the files were hashed with {name[:60]!r}; modelreg verifies sha256 alone",
            hint="sign them again with --hash-algorithm sha256" if name in ("blake2b", "blake3") else None,
        )


def root_digest(digests: Iterable[str]) -> str:
    """The SHA-256 of the raw digests one behind the other; no identity, for it holds no names."""
    whole = hashlib.sha256()
    for digest in digests:
        whole.update(bytes.fromhex(digest))
    return whole.hexdigest()


def statement_of(files: Iterable[tuple[str, str]], *, name: str, ignore_paths: tuple[str, ...] = ()) -> Statement:
    """The statement over ``files``, pairs of relative path and SHA-256, in code point order.

    The public tool passes over ``ignore_paths`` when it verifies.

    Raises ``DocumentError`` for no files, a path that stands twice, or one that JSON would not keep as it is.
    """
    ordered = sorted(files)
    for path, _ in ordered:
        if unicodedata.normalize("NFC", path) != path:
            raise DocumentError(f"the path {path!r} is not in Unicode's composed form (NFC)")
    resources = tuple(Resource(path, "sha256", digest) for path, digest in ordered)
    for resource in resources:
        _check_resource(resource)
    root = root_digest(resource.digest for resource in resources)
    return Statement(name, root, resources, Serialization("files", "sha256", False, ignore_paths))


class Flaw(enum.StrEnum):
    """How a file differs from what was signed."""

    CHANGED = "changed"
    MISSING = "missing"
    UNSIGNED = "unsigned"


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """One file that is not as it was signed."""

    path: str
    flaw: Flaw


class Pieces(Protocol):
    """The bytes behind the paths, for statements over shards of files; the caller's own, since it reads."""

    def size_bytes(self, path: str) -> int:
        """How long the file is."""
        ...

    def sha256(self, path: str, start: int, end: int) -> str:
        """The digest of the bytes from ``start`` up to ``end``."""
        ...


def differences(
    statement: Statement, files: Iterable[tuple[str, str]], *, pieces: Pieces | None = None
) -> tuple[Difference, ...]:
    """Where ``files``, pairs of path and SHA-256 without the bundle itself, differ from ``statement``, by path.

    A file by itself is given under its basename; the public tool signs one under the name ``.``, which is taken as
    the one file there is.  A statement over shards is compared through ``pieces``.  Raises ``DocumentError`` for
    shards without them, for a shard that is none of a whole file's, and for a path that is given twice.
    """
    found: dict[str, str] = {}
    for path, sha256 in files:
        if path in found:
            raise DocumentError(f"the path {path[:200]!r} was given twice")
        found[path] = sha256
    if statement.serialization.shard_size is not None:
        return _shard_differences(statement, frozenset(found), statement.serialization.shard_size, pieces)
    signed = {resource.name: resource.digest for resource in statement.resources}
    if signed.keys() == {"."} and len(found) == 1:
        signed = {path: signed["."] for path in found if "/" not in path}
    changed = {path for path in signed.keys() & found.keys() if signed[path] != found[path]}
    return _sorted(changed, signed.keys() - found.keys(), found.keys() - signed.keys())


def _shard_differences(
    statement: Statement, paths: frozenset[str], shard_size: int, pieces: Pieces | None
) -> tuple[Difference, ...]:
    if pieces is None:
        raise DocumentError(
            f"the files were signed in shards of {shard_size:,} bytes, which are not to be had here",
            hint="verify it with model_signing, or sign the files as a whole",
        )
    signed: dict[str, dict[tuple[int, int], str]] = {}
    for resource in statement.resources:
        path, start, end = _shard(resource.name)
        signed.setdefault(path, {})[start, end] = resource.digest
    changed: set[str] = set()
    for path in signed.keys() & paths:
        size_bytes = pieces.size_bytes(path)
        starts = range(0, size_bytes, shard_size)
        extents = [(start, min(start + shard_size, size_bytes)) for start in starts]
        if signed[path].keys() != set(extents) or any(
            pieces.sha256(path, *extent) != signed[path][extent] for extent in extents
        ):
            changed.add(path)
    return _sorted(changed, signed.keys() - paths, paths - signed.keys())


def _shard(name: str) -> tuple[str, int, int]:
    """The path, start and end of ``PATH:START:END``; a path may have colons of its own."""
    match = _SHARD.fullmatch(name)
    if match is None:
        raise DocumentError(f"the resource {name[:200]!r} is no shard: PATH:START:END")
    return match["path"], int(match["start"]), int(match["end"])


def _sorted(changed: Iterable[str], missing: Iterable[str], unsigned: Iterable[str]) -> tuple[Difference, ...]:
    told = ((changed, Flaw.CHANGED), (missing, Flaw.MISSING), (unsigned, Flaw.UNSIGNED))
    return tuple(sorted(Difference(path, flaw) for paths, flaw in told for path in paths))


@dataclass(frozen=True, slots=True)
class _DigestDocument:
    sha256: str


@dataclass(frozen=True, slots=True)
class _SubjectDocument:
    name: str
    digest: _DigestDocument


@dataclass(frozen=True, slots=True)
class _PredicateDocument:
    resources: tuple[Resource, ...]
    serialization: Serialization


@dataclass(frozen=True, slots=True)
class _StatementDocument:
    kind: str = field(metadata=json_key("_type"))
    subject: tuple[_SubjectDocument, ...]
    predicate_type: str = field(metadata=json_key("predicateType"))
    predicate: _PredicateDocument
