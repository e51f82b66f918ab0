"""The archive: versions in one file that travels by itself, and the one sequence of bytes that stands for them.

An archive is an uncompressed tar that any ``tar`` lists and unpacks:

    modelreg-archive.json       the index: which versions, and every blob with its size
    blobs/sha256/abcdef...      the manifests, in the order of the index's versions
    blobs/sha256/...            all other blobs, each once, in the order of their digests

Invariants:

* Whoever knows the index knows every other byte of the file but the blobs' own: headers, padding and end have exactly
  one form.  So a reader interprets no tar header: it says what must stand there, and compares.
* The index holds no time and no name of whoever wrote it: the same versions in the same state are the same bytes, and
  the SHA-256 of the index is the archive's digest.
* The index is not to be believed in what it says of a blob: each is hashed by whoever takes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from modelreg.digest import is_sha256, sha256_hex
from modelreg.digest.streams import Reader
from modelreg.errors import DocumentError, UsageError
from modelreg.manifest import (
    BUNDLES_MAX,
    WITHDRAWAL_REASON_LENGTH_MAX,
    BundleKind,
    IndexedBundle,
    check_timestamp,
)
from modelreg.records import DOCUMENT_SIZE_BYTES_MAX, SPARSE, canonical_json, from_json, parse_json, to_json
from modelreg.refs import VERSION_MAX, parse_alias, parse_name

SCHEMA = "modelreg.archive/v1"
INDEX_NAME = "modelreg-archive.json"
BLOCK_SIZE_BYTES = 512
"""What a tar is made of (POSIX.1-2017, pax, "ustar Interchange Format")."""
END = bytes(2 * BLOCK_SIZE_BYTES)
VERSIONS_MAX = 100_000
ALIASES_MAX = 1_000
"""Of one version; the index as a whole is bounded as every document is."""

_OCTAL_MAX = 8**11 - 1
_OCTAL = re.compile(rb"[0-7]{11}\0")


@dataclass(frozen=True, slots=True)
class Offer:
    """A version that could be taken, with what its manifest cannot say; ``aliases`` and ``bundles`` are sorted."""

    model: str
    version: int
    digest: str
    withdrawn_at: str | None = None
    withdrawn_reason: str | None = None
    aliases: tuple[str, ...] = ()
    bundles: tuple[IndexedBundle, ...] = field(default=(), metadata=SPARSE)

    def __post_init__(self) -> None:
        try:
            parse_name(self.model)
            for alias in self.aliases[:ALIASES_MAX]:
                parse_alias(alias)
        except UsageError as error:
            raise DocumentError(error.message) from None
        if not 1 <= self.version <= VERSION_MAX or not is_sha256(self.digest):
            raise DocumentError(f"{self.model}:{self.version} with the digest {self.digest[:64]!r} is no version")
        if len(self.aliases) > ALIASES_MAX or list(self.aliases) != sorted(set(self.aliases)):
            raise DocumentError(f"the aliases of {self.reference} are not at most {ALIASES_MAX:,} in their order")
        self._check_bundles()
        if (self.withdrawn_at is None) != (self.withdrawn_reason is None):
            raise DocumentError(f"{self.reference} is withdrawn by half: a withdrawal has a time and a reason")
        if self.withdrawn_at is not None and self.withdrawn_reason is not None:
            check_timestamp(self.withdrawn_at)
            reason = self.withdrawn_reason
            if not reason.strip() or "\0" in reason or len(reason) > WITHDRAWAL_REASON_LENGTH_MAX:
                raise DocumentError(f"the reason why {self.reference} was withdrawn is empty, too long or no text")

    def _check_bundles(self) -> None:
        digests = [bundle.sha256 for bundle in self.bundles]
        if len(digests) > BUNDLES_MAX or digests != sorted(set(digests)):
            raise DocumentError(f"the signatures of {self.reference} are not at most {BUNDLES_MAX} in their order")
        for bundle in self.bundles:
            is_one = is_sha256(bundle.sha256) and (bundle.key_id is None or is_sha256(bundle.key_id))
            if not is_one or bundle.kind not in tuple(BundleKind):
                raise DocumentError(f"{bundle.sha256[:64]!r} of {self.reference} is no signature")

    @property
    def reference(self) -> str:
        return f"{self.model}:{self.version}"


@dataclass(frozen=True, slots=True)
class ArchivedBlob:
    """One blob of an archive."""

    sha256: str
    size_bytes: int

    def __post_init__(self) -> None:
        if not is_sha256(self.sha256) or self.size_bytes < 0:
            raise DocumentError(f"{self.size_bytes} bytes under {self.sha256[:64]!r} are no blob")


@dataclass(frozen=True, slots=True)
class ArchiveIndex:
    """What an archive holds, in the order in which it does: the manifests first, as the versions stand here."""

    versions: tuple[Offer, ...]
    blobs: tuple[ArchivedBlob, ...]
    schema: str = field(default=SCHEMA)

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            raise DocumentError(f"it is of form {self.schema[:60]!r}; this modelreg reads {SCHEMA}")
        if not 1 <= len(self.versions) <= VERSIONS_MAX:
            raise DocumentError(f"an archive holds 1 to {VERSIONS_MAX:,} versions, not {len(self.versions):,}")
        names = [(offer.model, offer.version) for offer in self.versions]
        if names != sorted(set(names)):
            raise DocumentError("its versions are not in the order of name and number, each once")
        digests = [blob.sha256 for blob in self.blobs]
        count = len(self.versions)
        if digests[:count] != [offer.digest for offer in self.versions]:
            raise DocumentError("its first blobs are not the manifests of its versions, in their order")
        if digests[count:] != sorted(digests[count:]) or len(set(digests)) != len(digests):
            raise DocumentError("its blobs are not in the order of their digests, each once")
        if any(blob.size_bytes > DOCUMENT_SIZE_BYTES_MAX for blob in self.blobs[:count]):
            raise DocumentError(f"it has a manifest longer than {DOCUMENT_SIZE_BYTES_MAX:,} bytes, which none is")

    def to_bytes(self) -> bytes:
        """The canonical bytes, the first member of the archive; their SHA-256 is the archive's digest."""
        return canonical_json(to_json(self))


@dataclass(frozen=True, slots=True)
class Member:
    """One file of the tar; its bytes begin at ``offset``, and its header right before it."""

    name: str
    offset: int
    size_bytes: int

    @property
    def header(self) -> bytes:
        return header(self.name, self.size_bytes)

    @property
    def padding_size_bytes(self) -> int:
        return -self.size_bytes % BLOCK_SIZE_BYTES

    @property
    def end(self) -> int:
        """Where the next header begins."""
        return self.offset + self.size_bytes + self.padding_size_bytes


def header(name: str, size_bytes: int) -> bytes:
    """The 512 bytes before a member: a regular file of nobody's, of the year 1970.

    A size beyond eleven octal digits (8 GiB) is written in base 256, as GNU tar, BSD tar and Python do.
    """
    size = b"%011o\0" % size_bytes if size_bytes <= _OCTAL_MAX else b"\x80" + size_bytes.to_bytes(11, "big")
    start = name.encode("ascii").ljust(100, b"\0") + b"0000644\0" + 2 * b"0000000\0" + size + b"00000000000\0"
    rest = b"0" + bytes(100) + b"ustar\x0000" + bytes(64) + 2 * b"0000000\0" + bytes(155 + 12)
    return start + b"%06o\0 " % (sum(start) + sum(rest) + 8 * ord(" ")) + rest


def members(index_size_bytes: int, blobs: tuple[ArchivedBlob, ...]) -> Iterator[Member]:
    """Every member in order, the index first."""
    member = Member(INDEX_NAME, BLOCK_SIZE_BYTES, index_size_bytes)
    yield member
    for blob in blobs:
        member = Member(f"blobs/sha256/{blob.sha256}", member.end + BLOCK_SIZE_BYTES, blob.size_bytes)
        yield member


def archive_size_bytes(index_size_bytes: int, blobs: tuple[ArchivedBlob, ...]) -> int:
    """How long the archive is, its end included."""
    *_, last = members(index_size_bytes, blobs)
    return last.end + len(END)


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive whose form was checked; ``blobs`` are the members by SHA-256, their bytes not yet believed."""

    index: ArchiveIndex
    digest: str
    blobs: Mapping[str, Member]


def read_archive(source: Reader, size_bytes: int) -> Archive:
    """Check the form of the ``size_bytes`` long archive ``source``; raises ``DocumentError`` that says what is wrong.

    Read are the index, the headers and the padding, not the blobs.
    """
    data = _read_index(source, size_bytes)
    index = from_json(ArchiveIndex, parse_json(data, what="the archive's index"), what="the archive's index")
    if index.to_bytes() != data:
        raise DocumentError("the archive's index is not in the one form that it can have")
    wanted = archive_size_bytes(len(data), index.blobs)
    if size_bytes != wanted:
        state = "cut short" if size_bytes < wanted else "followed by something else"
        raise DocumentError(f"the archive is {state}: {size_bytes:,} bytes are there, its index tells of {wanted:,}")
    places: dict[str, Member] = {}
    end = 0
    for member in members(len(data), index.blobs):
        found = _exactly(source, member.offset - BLOCK_SIZE_BYTES, BLOCK_SIZE_BYTES)
        padding = _exactly(source, member.offset + member.size_bytes, member.padding_size_bytes)
        if found != member.header or any(padding):
            raise DocumentError(f"around {member.name} the archive says something else than its index")
        places[member.name.rpartition("/")[2]] = member
        end = member.end
    if _exactly(source, end, len(END)) != END:
        raise DocumentError("the archive does not end as a tar does")
    del places[INDEX_NAME]
    return Archive(index, sha256_hex(data), places)


def _read_index(source: Reader, size_bytes: int) -> bytes:
    start = _exactly(source, 0, min(BLOCK_SIZE_BYTES, size_bytes))
    octal = start[124:136]
    length = int(octal[:11], 8) if _OCTAL.fullmatch(octal) else -1
    if length < 0 or start != header(INDEX_NAME, length):
        raise DocumentError(f"it is no archive of modelreg: it does not begin with {INDEX_NAME}")
    if length > min(DOCUMENT_SIZE_BYTES_MAX, size_bytes):
        raise DocumentError(
            f"the archive's index claims to be {length:,} bytes long, of {size_bytes:,} that are there; "
            f"at most {DOCUMENT_SIZE_BYTES_MAX:,} are read"
        )
    return _exactly(source, BLOCK_SIZE_BYTES, length)


def _exactly(source: Reader, offset: int, length: int) -> bytes:
    data = bytearray(length)
    found = source.read_into(memoryview(data), offset) if length else 0
    if found != length:
        raise DocumentError(f"the archive is cut short: it ends at byte {offset + found:,}")
    return bytes(data)
