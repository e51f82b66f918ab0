"""Works out how a file looks with another configuration in it; runs in the confined child, and writes nothing.

What is changed: the root attribute ``model_config`` of HDF5, the member ``config.json`` of a ``.keras`` archive.  Every
other byte that a reader takes for content stays: libhdf5 moves its own bookkeeping only, and of an archive the offsets
in the directory change.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO

from modelreg.inspect.overlay import Overlay, TooMuchWrittenError
from modelreg.inspect.pieces import Piece, Rewriting
from modelreg.inspect.sniff import ZIP_DIRECTORY_HEADER, ZIP_LOCAL_HEADER, Format, sniff, zip_directory
from modelreg.inspect.source import SourceFile
from modelreg.inspect.text import plain

CONFIG_MEMBER = b"config.json"
_CONFIG_ATTRIBUTE = "model_config"
_PARTS_MAX = 1_000
_LOCAL_SIZE_BYTES, _ENTRY_SIZE_BYTES, _END_SIZE_BYTES = 30, 46, 22
_UNICODE_NAME_FLAG = 0x800
_ZIP64_OFFSET, _ZIP64_COUNT = 0xFFFFFFFF, 0xFFFF
_VERSION_NEEDED = 20


class UnwritableError(ValueError):
    """The file's form is one that is not rewritten, and why."""


def rewritten(file: SourceFile, config: str) -> Rewriting:
    """The recipe for ``file`` with ``config`` in the place of its configuration; never raises for bad bytes."""
    data = config.encode("ascii")
    try:
        if sniff(file).format is Format.ZIP:
            return Rewriting(tuple(_archive(file, data)))
        return Rewriting(tuple(_hdf5(file.stream, file.size_bytes, data)))
    except (UnwritableError, TooMuchWrittenError) as error:
        return Rewriting(reason=plain(str(error)))


# --- HDF5 -------------------------------------------------------------------------------------------------------------


def _hdf5(stream: BinaryIO, size_bytes: int, config: bytes) -> list[Piece]:
    import h5py

    from modelreg.inspect.hdf5 import H5_ERRORS

    overlay = Overlay(stream, size_bytes)
    try:
        with h5py.File(overlay, "r+") as opened:
            parts = [_CONFIG_ATTRIBUTE, *(f"{_CONFIG_ATTRIBUTE}{number}" for number in range(_PARTS_MAX))]
            held = [part for part in parts if part in opened.attrs]
            if not held:
                raise UnwritableError("it has no model_config")
            for part in held:
                del opened.attrs[part]
            opened.attrs[_CONFIG_ATTRIBUTE] = config
    except UnwritableError:
        raise
    except H5_ERRORS as error:
        raise UnwritableError(f"libhdf5 cannot rewrite it: {error}") from error
    return overlay.pieces()


# --- zip --------------------------------------------------------------------------------------------------------------


def _archive(file: SourceFile, config: bytes) -> list[Piece]:
    """The same members in the same order, ``config.json`` stored anew (APPNOTE 4.3.7, 4.3.12, 4.3.16)."""
    entries, start, end = _directory(file)
    entry = next((each for each in entries if _name(each) == CONFIG_MEMBER), None)
    if entry is None:
        raise UnwritableError("it has no config.json")
    offset = _number(entry, 42, 4)
    following = min((_number(each, 42, 4) for each in entries if _number(each, 42, 4) > offset), default=start)
    member = _local_header(entry, config) + config
    shift = len(member) - (following - offset)
    directory = b"".join(_moved(each, offset, shift, config if each is entry else None) for each in entries)
    if start + shift >= _ZIP64_OFFSET:
        raise UnwritableError("it is larger than archives without ZIP64 can be")
    finish = end[:12] + len(directory).to_bytes(4, "little") + (start + shift).to_bytes(4, "little") + end[20:]
    pieces = [Piece(0, offset), Piece.new(member), Piece(following, start - following), Piece.new(directory + finish)]
    return [piece for piece in pieces if piece.size_bytes]


def _directory(file: SourceFile) -> tuple[list[bytes], int, bytes]:
    """The entries of the central directory, where it begins, and the end record with its comment."""
    found = zip_directory(file)
    if found is None:
        raise UnwritableError("it has no directory")
    end = file.read_at(found.end_at, file.size_bytes - found.end_at)
    count, size, start = _number(end, 10, 2), _number(end, 12, 4), _number(end, 16, 4)
    if count == _ZIP64_COUNT or start == _ZIP64_OFFSET:
        raise UnwritableError("it is a ZIP64 archive, whose directory is not rewritten")
    if start + size != found.end_at or start != found.at:
        raise UnwritableError("its directory does not stand where its end says")
    data, entries = file.read_at(start, size), []
    for _ in range(count):
        if data[:4] != ZIP_DIRECTORY_HEADER or len(data) < _ENTRY_SIZE_BYTES:
            raise UnwritableError("its directory is damaged")
        length = _ENTRY_SIZE_BYTES + sum(_number(data, at, 2) for at in (28, 30, 32))
        entries.append(data[:length])
        data = data[length:]
        if _number(entries[-1], 42, 4) >= start:
            raise UnwritableError("its directory names members that lie behind it")
    if data:
        raise UnwritableError("its directory holds more than its members")
    return entries, start, end


def _moved(entry: bytes, offset: int, shift: int, config: bytes | None) -> bytes:
    """A directory entry for the new archive; ``config`` is given for the member that was changed."""
    if config is not None:
        flags = _number(entry, 8, 2) & _UNICODE_NAME_FLAG
        sizes = len(config).to_bytes(4, "little") * 2
        name = _name(entry)
        return (
            entry[:6]
            + _VERSION_NEEDED.to_bytes(2, "little")
            + flags.to_bytes(2, "little")
            + bytes(2)
            + entry[12:16]
            + zlib.crc32(config).to_bytes(4, "little")
            + sizes
            + len(name).to_bytes(2, "little")
            + bytes(4)  # neither extra field nor comment
            + entry[34:46]
            + name
        )
    place = _number(entry, 42, 4)
    moved = place + shift if place > offset else place
    return entry[:42] + moved.to_bytes(4, "little") + entry[46:]


def _local_header(entry: bytes, config: bytes) -> bytes:
    name = _name(entry)
    flags = _number(entry, 8, 2) & _UNICODE_NAME_FLAG
    return (
        ZIP_LOCAL_HEADER
        + _VERSION_NEEDED.to_bytes(2, "little")
        + flags.to_bytes(2, "little")
        + bytes(2)
        + entry[12:16]
        + zlib.crc32(config).to_bytes(4, "little")
        + len(config).to_bytes(4, "little") * 2
        + len(name).to_bytes(2, "little")
        + bytes(2)
        + name
    )


def _name(entry: bytes) -> bytes:
    return entry[_ENTRY_SIZE_BYTES : _ENTRY_SIZE_BYTES + _number(entry, 28, 2)]


def _number(data: bytes, at: int, size_bytes: int) -> int:
    return int.from_bytes(data[at : at + size_bytes], "little")
