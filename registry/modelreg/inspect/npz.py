"""Reads the headers of NumPy archives, the weights of a ``.keras`` file that was saved without h5py.

Invariants: no array is read and nothing is unpickled; a header is at most as long as NumPy itself takes.

Keras before 3.15 loads them with ``allow_pickle=True``, so an array of objects runs what it says, and so does a member
that is no archive at all (``numpy.lib.npyio.load`` then tries ``pickle``).
Source of the layout: NumPy's ``lib/format.py`` (versions 1.0 to 3.0); ``NpzIOStore`` of Keras 3.15.
"""

from __future__ import annotations

import ast
import math
import re
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

from modelreg.facts import Hazard, HazardKind
from modelreg.inspect import limits
from modelreg.inspect.text import plain
from modelreg.inspect.zip_layout import ZIP_ERRORS

_MAGIC = b"\x93NUMPY"
_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
_ITEM = re.compile(r"[<>|=]?([A-Za-z])(\d{0,9})")
_PARSE_ERRORS = (ValueError, SyntaxError, TypeError, LookupError, MemoryError, RecursionError)
"""What ``ast.literal_eval`` raises, and what a description of another form does."""


def npz_hazards(stream: BinaryIO, size_bytes: int, *, where: str) -> Iterator[Hazard]:
    """The hazards of a NumPy archive (or of a single array, which NumPy takes as well) in ``stream``."""
    start = stream.read(6)
    stream.seek(0)
    if start.startswith(_MAGIC):
        yield from _array_hazards(stream, size_bytes, where)
        return
    if not start.startswith(_ZIP_STARTS):
        yield _hazard(HazardKind.PICKLED_ARRAY, where, "is no NumPy archive; NumPy takes such a file for a pickle")
        return
    try:
        with zipfile.ZipFile(stream) as archive:
            yield from _archive_hazards(archive, where)
    except ZIP_ERRORS as error:
        yield _hazard(HazardKind.TOO_MUCH, where, f"cannot be read as a NumPy archive: {error}")


def _archive_hazards(archive: zipfile.ZipFile, where: str) -> Iterator[Hazard]:
    members = archive.infolist()
    if len(members) > limits.ZIP_MEMBERS_MAX:
        yield _hazard(HazardKind.TOO_MUCH, where, f"holds {len(members):,} arrays, not read")
        return
    for member in members:
        with archive.open(member) as stream:
            if stream.read(len(_MAGIC)) == _MAGIC:
                stream.seek(0)
                yield from _array_hazards(stream, member.compress_size, f"{where}/{member.filename}")  # type: ignore[arg-type]


def _array_hazards(stream: BinaryIO, stored_bytes: int, where: str) -> Iterator[Hazard]:
    try:
        kinds, declared_bytes = _header(stream)
    except _PARSE_ERRORS as error:
        yield _hazard(HazardKind.TOO_MUCH, where, f"the array's header cannot be read: {type(error).__name__}")
        return
    if "O" in kinds:
        yield _hazard(HazardKind.PICKLED_ARRAY, where, "is an array of objects, which is stored by pickle")
    if (
        declared_bytes > limits.OVERSIZED_TENSOR_SIZE_BYTES
        and declared_bytes > limits.OVERSIZED_TENSOR_RATIO * stored_bytes
    ):
        yield _hazard(
            HazardKind.OVERSIZED_DATASET, where, f"declares {declared_bytes:,} bytes and stores {stored_bytes:,}"
        )


def _header(stream: BinaryIO) -> tuple[set[str], int]:
    """The type letters of the array's items and the bytes that its shape declares; raises ``_PARSE_ERRORS``."""
    prefix = stream.read(8)
    length_size = 2 if prefix[6:7] == b"\x01" else 4
    length = int.from_bytes(stream.read(length_size), "little")
    if length > limits.NPY_HEADER_SIZE_BYTES_MAX:
        raise ValueError(f"{length:,} bytes long")
    header = ast.literal_eval(stream.read(length).decode("utf-8").strip())
    shape = header["shape"] if isinstance(header, dict) else None
    if not isinstance(shape, tuple) or not all(isinstance(size, int) and size >= 0 for size in shape):
        raise ValueError("no shape")
    items = list(_items(header["descr"]))
    return {letter for letter, _ in items}, math.prod(shape) * sum(size for _, size in items)


def _items(descr: object) -> Iterator[tuple[str, int]]:
    """Letters and sizes of a type and of its fields (``numpy.lib.format.descr_to_dtype``)."""
    stack = [(descr, 1)]
    while stack:
        each, count = stack.pop()
        if isinstance(each, str):
            found = _ITEM.match(each)
            if found is None:
                raise ValueError(f"unknown type {each[:40]!r}")
            size = int(found[2] or 1) * (4 if found[1] == "U" else 1)
            yield found[1], size * count
        elif isinstance(each, list):
            stack.extend((field[1], _count(field) * count) for field in each)
        elif isinstance(each, tuple) and len(each) == 2:
            stack.append((each[0], count))
        else:
            raise TypeError("no type")


def _count(field: object) -> int:
    """How often a field ``(name, type, shape)`` stands in one item."""
    shape = field[2] if isinstance(field, tuple) and len(field) > 2 else ()
    return math.prod(shape if isinstance(shape, tuple) else (shape,))


def _hazard(kind: HazardKind, where: str, detail: str) -> Hazard:
    return Hazard(kind, plain(where), plain(detail))
