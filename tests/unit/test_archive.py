"""The archive's form: one sequence of bytes for what it holds, a tar for everybody, and nothing else is taken for one."""

from __future__ import annotations

import contextlib
import io
import tarfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.archive import (
    BLOCK_SIZE_BYTES,
    END,
    ArchivedBlob,
    ArchiveIndex,
    Offer,
    archive_size_bytes,
    header,
    members,
    read_archive,
)
from modelreg.digest import sha256_hex
from modelreg.errors import DocumentError

MANIFESTS = (b"the manifest of a:1", b"the manifest of b:2")
FILES = tuple(sorted((b"", b"x" * 512, b"y" * 700), key=sha256_hex))
INDEX = ArchiveIndex(
    (
        Offer("a", 1, sha256_hex(MANIFESTS[0]), aliases=("candidate", "production")),
        Offer("b", 2, sha256_hex(MANIFESTS[1]), "2026-11-23T18:55:36Z", "leaked"),
    ),
    tuple(ArchivedBlob(sha256_hex(data), len(data)) for data in (*MANIFESTS, *FILES)),
)


class Bytes:
    """Bytes as a reader."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read_into(self, view: memoryview, offset: int) -> int:
        part = self._data[offset : offset + len(view)]
        view[: len(part)] = part
        return len(part)


def packed(index: ArchiveIndex = INDEX, head: bytes | None = None) -> bytes:
    """The archive of ``index``, by another road than the library's writer."""
    head = index.to_bytes() if head is None else head
    out = io.BytesIO()
    for name, data in (
        ("modelreg-archive.json", head),
        *((f"blobs/sha256/{sha256_hex(data)}", data) for data in (*MANIFESTS, *FILES)),
    ):
        out.write(header(name, len(data)) + data + bytes(-len(data) % 512))
    return out.getvalue() + END


ARCHIVE = packed()


def read(data: bytes) -> ArchiveIndex:
    return read_archive(Bytes(data), len(data)).index


def test_what_was_written_is_read() -> None:
    """Claim: index, digest and the place of every blob come back."""
    archive = read_archive(Bytes(ARCHIVE), len(ARCHIVE))
    assert archive.index == INDEX
    assert archive.digest == sha256_hex(INDEX.to_bytes())
    found = {sha256: ARCHIVE[place.offset :][: place.size_bytes] for sha256, place in archive.blobs.items()}
    assert found == {sha256_hex(data): data for data in (*MANIFESTS, *FILES)}


def test_it_is_a_tar_for_everybody_else() -> None:
    """Claim: Python's tarfile lists and reads it, checksums checked."""
    with tarfile.open(fileobj=io.BytesIO(ARCHIVE), mode="r:") as tar:
        found = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
        assert all(member.isreg() and member.mode == 0o644 and member.mtime == 0 for member in tar)
    assert list(found) == [member.name for member in members(len(INDEX.to_bytes()), INDEX.blobs)]
    assert {sha256_hex(data): data for name, data in found.items() if name.startswith("blobs/")} == {
        sha256_hex(data): data for data in (*MANIFESTS, *FILES)
    }


@pytest.mark.parametrize("size_bytes", [0, 1, 8**11 - 1, 8**11, 2**53 - 1])
def test_a_header_says_any_size_as_tar_does(size_bytes: int) -> None:
    """Claim: Python's own reader of headers finds name and size, also beyond 8 GiB."""
    found = tarfile.TarInfo.frombuf(header("blobs/sha256/ab", size_bytes), "ascii", "strict")
    assert (found.name, found.size, found.type) == ("blobs/sha256/ab", size_bytes, tarfile.REGTYPE)


def test_the_size_is_known_before_anything_is_written() -> None:
    """Claim: the size that is told is the size that comes out."""
    assert archive_size_bytes(len(INDEX.to_bytes()), INDEX.blobs) == len(ARCHIVE)


@pytest.mark.parametrize("length", [*range(0, len(ARCHIVE), 256), len(ARCHIVE) - 1])
def test_a_truncated_archive_is_told(length: int) -> None:
    """Claim: cut anywhere, at a boundary or not, it is refused."""
    with pytest.raises(DocumentError):
        read(ARCHIVE[:length])


def _replaced(offset: int, data: bytes) -> bytes:
    return ARCHIVE[:offset] + data + ARCHIVE[offset + len(data) :]


_places = list(members(len(INDEX.to_bytes()), INDEX.blobs))
_second = _places[1]
_extra = header("blobs/sha256/" + "0" * 64, 1) + b"x" + bytes(511)


def _of_type(kind: bytes, link: str = "") -> bytes:
    info = tarfile.TarInfo(_second.name)
    info.type, info.size, info.linkname = kind, _second.size_bytes, link
    return _replaced(_second.offset - BLOCK_SIZE_BYTES, info.tobuf(tarfile.USTAR_FORMAT))


def _named(name: str) -> bytes:
    return _replaced(_second.offset - BLOCK_SIZE_BYTES, header(name, _second.size_bytes))


HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "not an archive": b"\x89HDF" + bytes(4096),
    "another tar": header("README", 1) + b"x" + bytes(511) + END,
    "a symbolic link": _of_type(tarfile.SYMTYPE, "/etc/passwd"),
    "a hard link": _of_type(tarfile.LNKTYPE, "blobs/sha256/ab"),
    "a device": _of_type(tarfile.CHRTYPE),
    "a folder": _of_type(tarfile.DIRTYPE),
    "a sparse file": _of_type(tarfile.GNUTYPE_SPARSE),
    "a pax header": _of_type(tarfile.XHDTYPE),
    "a long name": _of_type(tarfile.GNUTYPE_LONGNAME),
    "an absolute path": _named("/etc/passwd"),
    "a climbing path": _named("blobs/sha256/../../../../etc/passwd"),
    "another digest in a header": _named("blobs/sha256/" + "0" * 64),
    "another size in a header": _replaced(_second.offset - BLOCK_SIZE_BYTES, header(_second.name, 1)),
    "a member twice": ARCHIVE[: -len(END)] + ARCHIVE[_second.offset - 512 : _second.end] + END,
    "a member too many": ARCHIVE[: -len(END)] + _extra + END,
    "a member behind the end": ARCHIVE + _extra,
    "one byte behind the end": ARCHIVE + b"\0",
    "bytes in the padding": _replaced(_second.offset + _second.size_bytes, b"x"),
    "bytes in the end": ARCHIVE[:-1] + b"x",
    "a checksum that is wrong": _replaced(_second.offset - BLOCK_SIZE_BYTES + 148, b"7"),
    "an owner": _replaced(_second.offset - BLOCK_SIZE_BYTES + 265, b"root"),
    "an index of 8 EiB": header("modelreg-archive.json", 2**63) + ARCHIVE[512:],
    "an index of 8 GiB": header("modelreg-archive.json", 8**11 - 1) + ARCHIVE[512:],
    "an index that is no JSON": packed(head=b"[" * 600),
    "an index in another order": packed(head=INDEX.to_bytes().replace(b'{"blobs"', b'{ "blobs"')),
    "an index with a key more": packed(head=INDEX.to_bytes()[:-1] + b',"time":"now"}'),
    "an index of a later form": packed(head=INDEX.to_bytes().replace(b"archive/v1", b"archive/v2")),
    "a blob of 8 PiB": packed(head=INDEX.to_bytes().replace(b'"size_bytes":700', b'"size_bytes":9007199254740991')),
    "a blob of less than nothing": packed(head=INDEX.to_bytes().replace(b'"size_bytes":700', b'"size_bytes":-1')),
    "a name that climbs": packed(head=INDEX.to_bytes().replace(b'"model":"a"', b'"model":"../a"')),
    "a version of none": packed(head=INDEX.to_bytes().replace(b'"version":1', b'"version":0')),
    "a withdrawal by half": packed(head=INDEX.to_bytes().replace(b'"leaked"', b"null")),
    "a withdrawal of no time": packed(head=INDEX.to_bytes().replace(b"2026-11-23T18:55:36Z", b"yesterday")),
    "an alias that is none": packed(head=INDEX.to_bytes().replace(b'"production"', b'"7"')),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused(name: str) -> None:
    """Claim: whatever has not the one form is a ``DocumentError``, and no tar header is ever interpreted."""
    with pytest.raises(DocumentError):
        read(HOSTILE[name])


INDICES: dict[str, Callable[[], ArchiveIndex]] = {
    "no version": lambda: ArchiveIndex((), ()),
    "a version twice": lambda: ArchiveIndex((INDEX.versions[0],) * 2, INDEX.blobs),
    "versions out of order": lambda: ArchiveIndex(INDEX.versions[::-1], INDEX.blobs),
    "a blob twice": lambda: ArchiveIndex(INDEX.versions, (*INDEX.blobs, INDEX.blobs[-1])),
    "blobs out of order": lambda: ArchiveIndex(INDEX.versions, (*INDEX.blobs[:2], *INDEX.blobs[:1:-1])),
    "no manifests": lambda: ArchiveIndex(INDEX.versions, INDEX.blobs[2:]),
    "a manifest of 65 MiB": lambda: ArchiveIndex(
        INDEX.versions[:1], (ArchivedBlob(INDEX.versions[0].digest, 65 * 1024 * 1024),)
    ),
}


@pytest.mark.parametrize("name", INDICES)
def test_an_index_has_one_order(name: str) -> None:
    """Claim: an index of any other order, or that holds something twice, cannot be made."""
    with pytest.raises(DocumentError):
        INDICES[name]()


@given(st.data())
def test_any_changed_byte_outside_the_blobs_is_told(data: st.DataObject) -> None:
    """Claim: of each byte that is no blob's, each other value is refused; a blob's own are left to its digest."""
    offset = data.draw(st.integers(0, len(ARCHIVE) - 1))
    value = data.draw(st.integers(0, 255))
    changed = _replaced(offset, bytes([value]))
    in_blob = any(place.offset <= offset < place.offset + place.size_bytes for place in _places[1:])
    if changed == ARCHIVE or in_blob:
        assert read(changed) == INDEX
        return
    with contextlib.suppress(DocumentError):
        assert read(changed) != INDEX  # a letter of an alias or a reason


@given(st.binary(max_size=4096), st.sampled_from([b"", ARCHIVE[:512], ARCHIVE[: _second.offset]]))
def test_any_bytes_end_in_a_typed_error(tail: bytes, start: bytes) -> None:
    """Claim: nothing but ``DocumentError`` comes out of bytes that are no archive."""
    with pytest.raises(DocumentError):
        read(start + tail)
