"""Compares what a zip archive's directory says with what stands in the file: overlaps, gaps, headers that disagree.

Readers differ in what they believe.  ``zipfile`` (and so Keras) goes by the directory behind the members; others go
from member to member by the headers before them.  In an archive as it is written both see the same.

Invariants: pure reading of headers; members' contents are not looked at, gaps only for other members' headers.
Source: PKWARE APPNOTE 6.3.10, 4.3.7 (local header), 4.3.9 (data descriptor), 4.3.16 (end of central directory).
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from modelreg.facts import Hazard, HazardKind
from modelreg.inspect import limits
from modelreg.inspect.sniff import ZIP_DIRECTORY_HEADER, ZIP_END, ZIP_LOCAL_HEADER, embedded_hdf5_start, zip_directory
from modelreg.inspect.source import SourceFile
from modelreg.inspect.text import plain

ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError)
"""What ``zipfile`` raises for bytes that it cannot make sense of, for encryption and for methods it does not know."""
_HEADER_SIZE_BYTES = 30
_DESCRIPTOR_FLAG = 0x08
_DESCRIPTOR_SIZE_BYTES_MAX = 24
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)
"""What a local header says where the size stands elsewhere."""


@dataclass(slots=True)
class Layout:
    """``starts`` are the offsets at which stored members' bytes begin; ``embedded`` is where HDF5 begins."""

    path: str
    starts: dict[int, str] = field(default_factory=dict)
    embedded: int | None = None
    hazards: list[Hazard] = field(default_factory=list)

    def polyglot_hazards(self, weights: str) -> Iterator[Hazard]:
        """The archive is an HDF5 file too, unless that is the weights, which stand there by chance."""
        if self.embedded is not None and self.starts.get(self.embedded) != weights:
            detail = (
                f"is an HDF5 file too, from byte {self.embedded:,} on; which of the two a reader sees depends on the "
                "file's name"
            )
            yield Hazard(HazardKind.DUPLICATE_MEMBER, self.path, detail)


def data_offset(file: SourceFile, member: zipfile.ZipInfo) -> int:
    """Where a member's bytes begin: behind its local header, whose two lengths vary (APPNOTE 4.3.7)."""
    header = file.read_at(member.header_offset, _HEADER_SIZE_BYTES)
    lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    return member.header_offset + _HEADER_SIZE_BYTES + lengths


def read_layout(file: SourceFile, archive: zipfile.ZipFile) -> Layout:
    """Look at every member's local header and at what lies between the members; never raises for bad bytes."""
    layout = Layout(file.path, embedded=embedded_hdf5_start(file))
    runs: list[tuple[int, int, zipfile.ZipInfo]] = []
    for member in archive.infolist():
        start = data_offset(file, member)
        if member.compress_type == zipfile.ZIP_STORED:
            layout.starts[start] = member.filename
        runs.append((member.header_offset, start + member.compress_size, member))
        if reason := _disagreement(file, member):
            layout.hazards.append(_hazard(HazardKind.DUPLICATE_MEMBER, member.filename, reason))
    layout.hazards.extend(_between(file, sorted(runs, key=lambda run: run[:2]), archive.start_dir))
    layout.hazards.extend(_behind(file))
    return layout


def _disagreement(file: SourceFile, member: zipfile.ZipInfo) -> str | None:
    """What the local header says otherwise than the directory; sizes only where it gives them."""
    header = file.read_at(member.header_offset, _HEADER_SIZE_BYTES)
    if header[:4] != ZIP_LOCAL_HEADER:
        return None  # damage, which reading the member tells
    flags = int.from_bytes(header[6:8], "little")
    if int.from_bytes(header[8:10], "little") != member.compress_type:
        return "is compressed in one way by its own header and in another by the directory; readers differ"
    if (flags ^ member.flag_bits) & 0x1:
        return "is encrypted by one of its two headers; readers differ"
    name = file.read_at(member.header_offset + _HEADER_SIZE_BYTES, int.from_bytes(header[26:28], "little"))
    encoding = "utf-8" if flags & 0x800 else "cp437"
    if name.decode(encoding, "replace") != member.orig_filename:
        return f"is called {name.decode(encoding, 'replace')!r} by its own header; readers differ"
    if (other := _other_name(member.extra)) not in (None, member.orig_filename):
        return f"has a second name, {other!r}, which some readers take"
    sizes = (int.from_bytes(header[18:22], "little"), int.from_bytes(header[22:26], "little"))
    for said, real in zip(sizes, (member.compress_size, member.file_size), strict=True):
        if not flags & _DESCRIPTOR_FLAG and said not in _UNKNOWN_SIZES and said != real:
            return f"is {said:,} bytes long by its own header and {real:,} by the directory; readers differ"
    return None


def _other_name(extra: bytes) -> str | None:
    """Info-ZIP's Unicode path (APPNOTE 4.6.9), which CPython takes for the name since 3.13 and did not before."""
    while len(extra) >= 4:
        size = int.from_bytes(extra[2:4], "little")
        if extra[:2] == b"up" and size >= 5:
            return extra[9 : 4 + size].decode("utf-8", "replace")
        extra = extra[4 + size :]
    return None


def _between(file: SourceFile, runs: list[tuple[int, int, zipfile.ZipInfo]], directory_at: int) -> Iterator[Hazard]:
    """Overlaps of members, and bytes between them that belong to none."""
    searched = 0
    end, before = None, None
    for start, stop, member in [*runs, (directory_at, directory_at, None)]:
        if before is not None and end is not None and start < end:
            what = "the directory" if member is None else repr(member.filename)
            yield _hazard(HazardKind.DUPLICATE_MEMBER, before.filename, f"shares its bytes with {what}; readers differ")
        elif before is not None and end is not None and start > end:
            gap = file.read_at(end, max(0, min(start - end, limits.ZIP_GAP_SIZE_BYTES_MAX - searched)))
            searched += len(gap)
            if ZIP_LOCAL_HEADER in gap or ZIP_DIRECTORY_HEADER in gap:
                detail = f"bytes {end:,} to {start:,} hold members that the directory does not list; readers differ"
                yield _hazard(HazardKind.DUPLICATE_MEMBER, file.path, detail)
            elif not (before.flag_bits & _DESCRIPTOR_FLAG and start - end <= _DESCRIPTOR_SIZE_BYTES_MAX):
                detail = f"bytes {end:,} to {start:,} belong to no member"
                yield _hazard(HazardKind.UNEXPECTED_MEMBER, file.path, detail)
        if member is not None and (end is None or stop >= end):
            end, before = stop, member


def _behind(file: SourceFile) -> Iterator[Hazard]:
    """More than one end record, and bytes behind the last one's comment."""
    directory = zip_directory(file)
    if directory is None:
        return
    record = file.read_at(directory.at, file.size_bytes - directory.at)
    end = directory.end_at - directory.at
    if record.find(ZIP_END) != end:
        detail = "has two ends of its central directory; readers differ in which they take"
        yield _hazard(HazardKind.DUPLICATE_MEMBER, file.path, detail)
    rest = len(record) - end - 22 - int.from_bytes(record[end + 20 : end + 22], "little")
    if rest > 0:
        yield _hazard(HazardKind.UNEXPECTED_MEMBER, file.path, f"{rest:,} bytes stand behind the archive's end")


def _hazard(kind: HazardKind, where: str, detail: str) -> Hazard:
    return Hazard(kind, plain(where), plain(detail))
