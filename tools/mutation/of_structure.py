"""Mutations of the numbers by which containers find their way: offsets, lengths, counts, tags."""

from __future__ import annotations

import functools
import io
import random
import re

import h5py

from modelreg.inspect.leveldb_table import masked_crc32c
from modelreg.inspect.protobuf import Budget, ProtobufError, fields, read_varint
from mutation.of_bytes import flip_bits, interesting_number, put_number
from mutation.of_json import varint

_HDF5_MARKS = re.compile(rb"OHDR|OCHK|TREE|SNOD|HEAP|GCOL|FRHP|FHDB|FHIB|BTHD|BTLF|BTIN|FAHD|FADB|EAHD|SMTB")
"""Signatures of the file's structures (HDF5 File Format Specification 3.0, III and IV)."""


@functools.lru_cache(maxsize=32)
def _hdf5_places(data: bytes) -> tuple[int, ...]:
    """Where the structures begin; object headers of version 1 have no signature, so libhdf5 is asked."""
    places = {match.start() for match in _HDF5_MARKS.finditer(data)} | {0}

    def note(_name: str, item: object) -> None:
        assert isinstance(item, h5py.Group | h5py.Dataset)
        places.add(h5py.h5o.get_info(item.id).addr)

    with h5py.File(io.BytesIO(data), "r") as file:
        places.add(h5py.h5o.get_info(file.id).addr)
        file.visititems(note)
    return tuple(sorted(places))


def edit_hdf5_headers(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    """One to four numbers within a structure: addresses, sizes of messages, counts, types, chunk shapes, filters."""
    for _ in range(rng.randrange(1, 5)):
        start = rng.choice(_hdf5_places(data) if len(data) < 1 << 20 else (0,))
        place = start + rng.randrange(rng.choice((16, 64, 400)))
        if rng.randrange(3):
            return put_number(data, place, rng.choice((1, 2, 4, 8)), rng)
        target = rng.choice(_hdf5_places(data)) + rng.choice((0, 0, 8, 4))
        place = min(place & ~7, len(data) - 8)
        return data[:place] + target.to_bytes(8, "little") + data[place + 8 :]  # a pointer to another structure
    return data


_ZIP_FIELDS = {
    b"PK\3\4": ((4, 2), (6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)),
    b"PK\1\2": ((6, 2), (8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (38, 4), (42, 4)),
    b"PK\5\6": ((4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)),
}
"""Offset and width of the fields of local headers, directory entries and the end record (APPNOTE 6.3.10, 4.3)."""


def edit_zip_fields(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    """One to three fields of the headers and of the directory."""
    for _ in range(rng.randrange(1, 4)):
        mark = rng.choice(list(_ZIP_FIELDS))
        places = [match.start() for match in re.finditer(re.escape(mark), data)]
        if places:
            offset, width = rng.choice(_ZIP_FIELDS[mark])
            data = put_number(data, rng.choice(places) + offset, width, rng)
    return data


@functools.lru_cache(maxsize=32)
def _protobuf_places(data: bytes) -> tuple[tuple[int, int], ...]:
    """Start and end of every tag and length of a message, and of the messages in it as far as bytes are some."""
    found: list[tuple[int, int]] = []
    stack = [(0, len(data))]
    while stack and len(found) < 20_000:
        start, end = stack.pop()
        view = memoryview(data)[start:end]
        try:
            for each in fields(view, Budget()):
                if not isinstance(each.value, int):
                    behind = start + each.offset
                    length = len(varint(len(each.value)))
                    found.append((behind - length, behind))
                    tag = len(varint(each.number << 3 | 2))
                    found.append((behind - length - tag, behind - length))
                    stack.append((behind, behind + len(each.value)))
        except ProtobufError:
            continue
    return tuple(place for place in found if place[0] >= 0)


def edit_protobuf(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    """One to three tags or lengths of a message at any depth; those around it keep theirs, so they disagree."""
    places = _protobuf_places(data)
    for start, end in sorted(rng.sample(places, min(rng.randrange(1, 4), len(places))), reverse=True):
        old = read_varint(memoryview(data), start)[0]
        number = rng.choice((old + 1, old - 1, old << 7, old ^ 7, interesting_number(rng, 8, len(data)))) % (1 << 64)
        data = data[:start] + varint(number) + data[end:]
    return data


def edit_table(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    """Bytes of one block of a ``variables.index``, whose checksum is then made to fit again."""
    handles, position = [], len(data) - 48
    try:
        for _ in range(4):  # offset and size of the index of metadata, then of the index
            number, position = read_varint(memoryview(data), position)
            handles.append(number)
    except ProtobufError:
        return flip_bits(data, rng, b"")
    start, size = rng.choice(((0, handles[0] - 5), (handles[2], handles[3])))
    if size <= 0 or not 0 < start + size < len(data) - 5:
        return flip_bits(data, rng, b"")
    block = data[start : start + size]
    block = rng.choice((flip_bits(block, rng, b""), put_number(block, rng.randrange(size), 1, rng)))
    checked = block + data[start + size : start + size + 1]
    return data[:start] + checked + masked_crc32c(checked).to_bytes(4, "little") + data[start + size + 5 :]


def edit_flatbuffer(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    """One to three of the aligned numbers that flatbuffers are made of: offsets to tables, vtables, lengths."""
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        place = rng.randrange(len(data) // 4) * 4
        old = int.from_bytes(changed[place : place + 4], "little")
        near = (0, 4, old + 4, old - 4, -old, -place, len(data) - place, interesting_number(rng, 4, len(data)))
        changed[place : place + 4] = (rng.choice(near) % (1 << 32)).to_bytes(4, "little")
    return bytes(changed)
