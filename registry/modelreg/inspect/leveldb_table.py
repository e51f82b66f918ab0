"""Reads the sorted-table format in which TensorFlow keeps ``variables.index``, from distrusted bytes.

Invariants:

* Every block handle lies within the file, every block's masked CRC-32C is checked before the block is used.
* Blocks are uncompressed, as TensorFlow's bundle writer makes them; a compressed one is refused by name.
* Keys rise strictly, as the format demands, so no key can stand twice.
* The only error raised is ``TableError``.

Sources: LevelDB ``doc/table_format.md``; TensorFlow ``tensorflow/core/lib/io/{format,block,table_builder}.cc`` (2.15).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

from modelreg.inspect import limits
from modelreg.inspect.protobuf import ProtobufError, read_varint

_MAGIC = 0xDB4775248B80FB57
_FOOTER_SIZE_BYTES = 48
_TRAILER_SIZE_BYTES = 5
_COMPRESSIONS = {0: "none", 1: "snappy", 2: "zstd"}


class TableError(ValueError):
    """The bytes are not such a table, or a damaged one."""


def read_table(table: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """The (key, value) pairs in rising order of the keys; raises ``TableError`` at the first thing that is wrong."""
    if len(table) > limits.TABLE_SIZE_BYTES_MAX:
        raise TableError(f"{len(table):,} bytes long; at most {limits.TABLE_SIZE_BYTES_MAX:,} are read")
    view = memoryview(table)
    previous: bytes | None = None
    for count, (key, value) in enumerate(_data_entries(view)):
        if previous is not None and key <= previous:
            raise TableError(f"key {key[:80]!r} does not follow {previous[:80]!r} in order")
        if count >= limits.TABLE_ENTRIES_MAX:
            raise TableError(f"more than {limits.TABLE_ENTRIES_MAX:,} entries")
        previous = key
        yield key, value


def _data_entries(view: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Each entry of the index block names a data block; together they may not be longer than the table itself."""
    remaining = len(view)
    for _, handle in _entries(_block(view, *_index_handle(view))):
        offset, size_bytes = _handle(handle)
        remaining -= size_bytes
        if remaining < 0:
            raise TableError("the index block names blocks that overlap")
        yield from _entries(_block(view, offset, size_bytes))


def _index_handle(view: memoryview) -> tuple[int, int]:
    if len(view) < _FOOTER_SIZE_BYTES:
        raise TableError(f"{len(view)} bytes long, but the footer alone has {_FOOTER_SIZE_BYTES}")
    footer = view[-_FOOTER_SIZE_BYTES:]
    if int.from_bytes(footer[-8:], "little") != _MAGIC:
        raise TableError("does not end with the table format's magic number")
    return _handle(footer[_handle_end(footer) :])


def _handle(view: memoryview) -> tuple[int, int]:
    """A block handle: offset and size as two varints."""
    offset, position = _varint(view, 0)
    return offset, _varint(view, position)[0]


def _handle_end(view: memoryview) -> int:
    return _varint(view, _varint(view, 0)[1])[1]


def _varint(view: memoryview, position: int) -> tuple[int, int]:
    try:
        return read_varint(view, position)
    except ProtobufError as error:
        raise TableError(str(error)) from None


def _block(view: memoryview, offset: int, size_bytes: int) -> memoryview:
    """The contents of a block, checked; behind them stand one byte of compression and a masked CRC of both."""
    end = offset + size_bytes
    if end + _TRAILER_SIZE_BYTES > len(view) - _FOOTER_SIZE_BYTES:
        raise TableError(f"the block at byte {offset:,} ends beyond the table's footer")
    compression = view[end]
    if compression != 0:
        name = _COMPRESSIONS.get(compression, f"type {compression}")
        raise TableError(f"the block at byte {offset:,} is compressed ({name}), which is not read")
    told = int.from_bytes(view[end + 1 : end + _TRAILER_SIZE_BYTES], "little")
    if masked_crc32c(view[offset : end + 1]) != told:
        raise TableError(f"the checksum of the block at byte {offset:,} does not match its bytes")
    return view[offset:end]


def _entries(block: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Entries share a prefix with the key before them; restart points only serve searches and are skipped."""
    if len(block) < 4:
        raise TableError(f"a block of {len(block)} bytes is too short for its restart points")
    restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 * (restarts + 1)
    if end < 0:
        raise TableError(f"a block of {len(block):,} bytes cannot hold {restarts:,} restart points")
    key, position = b"", 0
    while position < end:
        shared, position = _varint(block, position)
        unshared, position = _varint(block, position)
        length, position = _varint(block, position)
        if shared > len(key) or shared + unshared > limits.TABLE_KEY_LENGTH_MAX or position + unshared + length > end:
            raise TableError(f"the entry before byte {position} of a block reaches beyond it")
        key = key[:shared] + bytes(block[position : position + unshared])
        position += unshared
        yield key, block[position : position + length]
        position += length


def masked_crc32c(data: bytes | memoryview) -> int:
    """CRC-32C (RFC 3720, appendix B.4), rotated and offset as the table format stores it (``crc32c.h``, ``Mask``)."""
    table, crc = _crc_table(), 0xFFFFFFFF
    for byte in bytes(data):
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@functools.cache
def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        crc = value
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)
