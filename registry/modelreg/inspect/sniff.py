"""Which container the bytes are, or which of the things that are no model but land under its name.

Only bytes decide, never a suffix.  Invariants: nothing is parsed beyond fixed headers, a bounded head and a
bounded tail (all of the file only where all that was read so far is zero), and no input raises.

Sources: HDF5 File Format Specification 3.0, II.A (superblock); PKWARE APPNOTE 6.3.10, 4.3; Git LFS specification
(pointer files); FlatBuffers file identifier ``TFL3`` (TensorFlow Lite ``schema.fbs``); RFC 1952 (gzip).
"""

from __future__ import annotations

import enum
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from modelreg.facts import DefectKind, Hazard, HazardKind
from modelreg.inspect import limits
from modelreg.inspect.source import SourceFile

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
ZIP_LOCAL_HEADER = b"PK\x03\x04"
ZIP_DIRECTORY_HEADER = b"PK\x01\x02"
ZIP_END = b"PK\x05\x06"
_ZIP64_END = b"PK\x06\x06"
_ZIP64_LOCATOR = b"PK\x06\x07"
_GZIP_MAGIC = b"\x1f\x8b\x08"
_LFS_PREFIX = b"version https://git-lfs.github.com/spec/"
_LFS_SIZE_BYTES_MAX = 1_024
_ZEROS = bytes(limits.MIB)


class Format(enum.Enum):
    """How the bytes must be read."""

    HDF5 = "hdf5"
    ZIP = "zip"
    TFLITE = "tflite"
    ONNX = "onnx"
    OPAQUE = "opaque"


@dataclass(frozen=True, slots=True)
class Sniffed:
    """The format; ``start`` is where its signature stands; ``defect`` and ``detail`` say why it is no model."""

    format: Format
    start: int = 0
    defect: DefectKind | None = None
    detail: str = ""


def sniff(file: SourceFile) -> Sniffed:
    """Tell what ``file`` is from its bytes."""
    if file.size_bytes == 0:
        return Sniffed(Format.OPAQUE, 0, DefectKind.EMPTY, "0 bytes long")
    head = file.read_at(0, limits.SNIFF_HEAD_SIZE_BYTES)
    if head.startswith(HDF5_SIGNATURE):
        return _sniff_hdf5(file, 0)
    if head.startswith((ZIP_LOCAL_HEADER, ZIP_END)):
        return _sniff_zip(file)
    if (start := embedded_hdf5_start(file)) is not None:
        return _sniff_hdf5(file, start)
    if head[4:8] == b"TFL3":
        return Sniffed(Format.TFLITE)  # before the archive: TensorFlow Lite's metadata is a zip behind the model
    if (start := _prefixed_zip_start(file)) is not None:
        return Sniffed(Format.ZIP, start)
    return _sniff_defect(file, head) or Sniffed(Format.ONNX if _is_onnx(head) else Format.OPAQUE)


def _is_onnx(head: bytes) -> bool:
    from modelreg.inspect.onnx import looks_like_onnx  # loaded only where nothing else fits

    return looks_like_onnx(head)


# HDF5


def embedded_hdf5_start(file: SourceFile) -> int | None:
    """Where a signature stands behind a user block: at 512 or any double of it (specification II.A)."""
    start = 512
    while start + len(HDF5_SIGNATURE) <= file.size_bytes:
        if file.read_at(start, len(HDF5_SIGNATURE)) == HDF5_SIGNATURE:
            return start
        start *= 2
    return None


def _sniff_hdf5(file: SourceFile, start: int) -> Sniffed:
    end = _hdf5_end(file.read_at(start, 96), start)
    if end is None:
        detail = f"{file.size_bytes:,} bytes long, which ends within the HDF5 superblock"
        return Sniffed(Format.HDF5, start, DefectKind.TRUNCATED_HDF5, detail)
    if end > file.size_bytes:
        detail = f"{file.size_bytes:,} bytes long, but its HDF5 superblock says that it ends at byte {end:,}"
        return Sniffed(Format.HDF5, start, DefectKind.TRUNCATED_HDF5, detail)
    return Sniffed(Format.HDF5, start)


def _hdf5_end(superblock: bytes, start: int) -> int | None:
    """The absolute end of file that the superblock gives; ``None`` if it is cut off, 0 if its version is unknown.

    A superblock that was moved (a user block put before it) keeps its old base address; libhdf5 then moves the
    end with it (``H5F__super_read``), and so does this.
    """
    if len(superblock) < 14:
        return None
    version = superblock[8]
    offset_size = superblock[13] if version < 2 else superblock[9]
    if version > 3 or offset_size not in (2, 4, 8):
        return 0
    base_at = (24, 28, 12, 12)[version]
    end_at = base_at + 2 * offset_size
    if len(superblock) < end_at + offset_size:
        return None
    base = int.from_bytes(superblock[base_at : base_at + offset_size], "little")
    end = int.from_bytes(superblock[end_at : end_at + offset_size], "little")
    return end + start - base


# ZIP


def _sniff_zip(file: SourceFile) -> Sniffed:
    if ends_with_zip_directory(file):
        return Sniffed(Format.ZIP)
    detail = f"{file.size_bytes:,} bytes long and begins as a zip archive, but has no end of central directory"
    return Sniffed(Format.ZIP, 0, DefectKind.TRUNCATED_ZIP, detail)


def ends_with_zip_directory(file: SourceFile) -> bool:
    """Whether an end of central directory stands within the last 64 KiB."""
    return ZIP_END in _tail(file)


def _tail(file: SourceFile) -> bytes:
    size = min(file.size_bytes, limits.ZIP_TAIL_SIZE_BYTES)
    return file.read_at(file.size_bytes - size, size)


def appended_archive_hazards(file: SourceFile) -> Iterator[Hazard]:
    """A zip archive behind an HDF5 or TensorFlow Lite model.

    Keras takes such a file for either, by its name alone; TensorFlow Lite keeps its metadata there.
    """
    directory = zip_directory(file)
    if directory is None:
        return
    if b"config.json" in file.read_at(directory.at, min(directory.size_bytes, limits.ZIP_DIRECTORY_SIZE_BYTES_MAX)):
        detail = "a Keras archive is appended to the model; which of the two a reader sees depends on the file's name"
        yield Hazard(HazardKind.DUPLICATE_MEMBER, file.path, detail)
    elif file.read_at(0, len(HDF5_SIGNATURE)) == HDF5_SIGNATURE:
        detail = "a zip archive is appended to the HDF5 data; readers differ in which of the two they see"
        yield Hazard(HazardKind.UNEXPECTED_MEMBER, file.path, detail)


def _prefixed_zip_start(file: SourceFile) -> int | None:
    """Where a zip archive begins behind other bytes, which Python's ``zipfile`` (and so Keras) would read."""
    directory = zip_directory(file)
    return None if directory is None else max(0, directory.at - directory.claimed_offset)


@dataclass(frozen=True, slots=True)
class ZipDirectory:
    """Where the central directory stands, how long it is, where it says that it stands, and its end record."""

    at: int
    size_bytes: int
    claimed_offset: int
    end_at: int


def zip_directory(file: SourceFile) -> ZipDirectory | None:
    """The central directory that ``zipfile`` would read: the one of the last end record in the last 64 KiB.

    A ZIP64 record directly before it takes precedence (``_EndRecData64`` of CPython 3.13).
    """
    tail = _tail(file)
    at = tail.rfind(ZIP_END)
    if at < 0 or len(tail) - at < 22:
        return None
    end_at = file.size_bytes - len(tail) + at
    size_bytes, offset = _directory_fields(tail[at + 12 : at + 20], 4)
    before = 0
    if at >= 76 and tail[at - 20 : at - 16] == _ZIP64_LOCATOR and tail[at - 76 : at - 72] == _ZIP64_END:
        size_bytes, offset = _directory_fields(tail[at - 36 : at - 20], 8)
        before = 76
    directory_at = end_at - before - size_bytes
    if directory_at < 0 or file.read_at(directory_at, 4) != ZIP_DIRECTORY_HEADER:
        return None
    return ZipDirectory(directory_at, size_bytes, offset, end_at)


def _directory_fields(data: bytes, width: int) -> tuple[int, int]:
    """Size and offset, which stand one behind the other in both kinds of end record."""
    return int.from_bytes(data[:width], "little"), int.from_bytes(data[width:], "little")


# What is no model


def _sniff_defect(file: SourceFile, head: bytes) -> Sniffed | None:
    if head.startswith(_GZIP_MAGIC):
        return _sniff_gzip(head)
    if head.startswith(_LFS_PREFIX) and file.size_bytes <= _LFS_SIZE_BYTES_MAX:
        return Sniffed(Format.OPAQUE, 0, DefectKind.GIT_LFS_POINTER, _lfs_detail(head))
    if not any(head):
        if _is_all_zero(file):
            return Sniffed(Format.OPAQUE, 0, DefectKind.ZEROS, f"{file.size_bytes:,} bytes, all of them zero")
        return None
    return _sniff_text(head)


def _is_all_zero(file: SourceFile) -> bool:
    offset = 0
    while piece := file.read_at(offset, len(_ZEROS)):
        if piece != _ZEROS[: len(piece)]:
            return False
        offset += len(piece)
    return True


def _lfs_detail(head: bytes) -> str:
    size = re.search(rb"^size (\d{1,20})$", head, re.MULTILINE)
    oid = re.search(rb"^oid (sha256:[0-9a-f]{64})$", head, re.MULTILINE)
    what = oid[1].decode() if oid else "an object without a digest"
    return f"a Git LFS pointer to {what}" + (f" of {int(size[1]):,} bytes" if size else "")


def _sniff_gzip(head: bytes) -> Sniffed | None:
    """A defect if a model is inside; gzip of anything else is none of our business."""
    try:
        inner = zlib.decompressobj(wbits=31).decompress(head, 1024)
    except zlib.error:
        return None
    if inner.startswith(HDF5_SIGNATURE):
        return Sniffed(Format.OPAQUE, 0, DefectKind.GZIP, "gzip-compressed HDF5")
    if inner.startswith(ZIP_LOCAL_HEADER):
        return Sniffed(Format.OPAQUE, 0, DefectKind.GZIP, "a gzip-compressed zip archive")
    if inner[4:8] == b"TFL3":
        return Sniffed(Format.OPAQUE, 0, DefectKind.GZIP, "gzip-compressed TFLite")
    if inner[257:262] == b"ustar":
        return Sniffed(Format.OPAQUE, 0, DefectKind.GZIP, "a gzip-compressed tar archive")
    if _is_onnx(inner):
        return Sniffed(Format.OPAQUE, 0, DefectKind.GZIP, "gzip-compressed ONNX")
    return None


_HTML = re.compile(r"<!doctype\s+html|<html[\s>]|<head[\s>]|<body[\s>]", re.IGNORECASE)
_XML = re.compile(r"<\?xml\s|<!--|<[A-Za-z][\w:.-]*[\s/>]")
_JSON = re.compile(r"\{\s*(?:\"|\})|\[\s*(?:[\[{\"\]\d-]|true|false|null)")


def _sniff_text(head: bytes) -> Sniffed | None:
    text = _text(head)
    if text is None:
        return None
    start = text[:200].split("\n", 1)[0].strip()[:80]
    if _JSON.match(text):
        return Sniffed(Format.OPAQUE, 0, DefectKind.JSON_DOCUMENT, f"a JSON document that begins {start!r}")
    if text.startswith("<") and _HTML.search(text[:2048]):
        return Sniffed(Format.OPAQUE, 0, DefectKind.HTML_PAGE, f"an HTML page that begins {start!r}")
    if _XML.match(text):
        return Sniffed(Format.OPAQUE, 0, DefectKind.XML_PAGE, f"an XML document that begins {start!r}")
    return None


def _text(head: bytes) -> str | None:
    """The head as text without leading white space, if it is text at all."""
    piece = head[:4096]
    if b"\0" in piece:
        return None
    try:
        text = piece.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(piece) - 4 or len(head) <= len(piece):
            return None
        text = piece[: error.start].decode("utf-8-sig")
    return text.lstrip()
