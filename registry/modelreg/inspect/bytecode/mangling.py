"""Finds and undoes what Keras on Windows does to bytecode: every byte 0x5C of the marshalled code becomes 0x2F.

``func_dump`` (``keras/src/utils/python_utils.py``, every version to 3.15.1; ``generic_utils.py`` before) means to turn
the backslashes of file names round, and hits every other 0x5C too: instruction 92, counts, references, numbers.

Invariants:

* Bytes are given back only if one single choice of bytes to turn back makes code that some version of Python can have
  written, over all layouts and versions together.  A byte that may be either, such as the number 47 that may have been
  92, leaves the answer open, and nothing is given back.
* Slashes of the file name and of the tables of lines (where nothing depends on them) stay as they are.
* The search is bounded by ``limits.RESTORED_WORK_BYTES_MAX``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from modelreg.inspect import limits
from modelreg.inspect.bytecode.candidates import OF_LAYOUT, covers_all, fits_all
from modelreg.inspect.bytecode.instructions import decode
from modelreg.inspect.bytecode.marshalled import MarshalError, Parsed, parse_code
from modelreg.inspect.bytecode.opcodes import TABLES, Table
from modelreg.inspect.bytecode.values import Blob, Code, Layout, Number, Text, Value, distinct

_SLASH, _BACKSLASH = 0x2F, 0x5C
_DRIVE_PATH = re.compile(r"[A-Za-z]:/")


class _Exhausted(Exception):  # noqa: N818 - the search ends without an answer
    """The bound of the search is reached, or there are two answers."""


def may_be_mangled(data: bytes, parsed: Parsed) -> bool:
    """Whether the code was written on Windows, and a byte of it that matters may have been changed.

    The file name is a drive's path with slashes, which no Python on Windows makes by itself.
    """
    if not _DRIVE_PATH.match(parsed.code.filename):
        return False
    if any(_SLASH in data[offset : offset + size] for offset, size in parsed.lengths):
        return True
    return any(_has_open_bytes(code, data) or _SLASH in code.code.data for code in parsed.all_codes)


def restored(data: bytes) -> bytes | None:
    """``data`` with the changed bytes turned back, if there is one way to do so; ``None`` otherwise."""
    if _SLASH not in data or len(data) > limits.RESTORED_WORK_BYTES_MAX // 4:
        return None
    budget = _Budget()
    found: set[bytes] = set()
    try:
        for layout in Layout:
            for changed, parsed in _parses(data, layout, budget):
                for python in OF_LAYOUT[layout]:
                    if python in TABLES:
                        found.update(_restored_as(changed, parsed, TABLES[python], budget))
                if len(found) > 1:
                    return None
    except _Exhausted:
        return None
    return found.pop() if len(found) == 1 and data not in found else None


@dataclass(slots=True)
class _Budget:
    """Bytes that may still be read."""

    left: int = limits.RESTORED_WORK_BYTES_MAX

    def spend(self, size_bytes: int) -> None:
        self.left -= size_bytes + 1
        if self.left < 0:
            raise _Exhausted


def _parses(data: bytes, layout: Layout, budget: _Budget) -> Iterator[tuple[bytes, Parsed]]:
    """Every choice of lengths, counts and references to turn back with which the bytes have the structure of code."""
    waiting: list[tuple[int, ...]] = [()]
    while waiting:
        turned = waiting.pop()
        budget.spend(len(data))
        changed, start = _turned(data, turned), turned[-1] + 1 if turned else 0
        lengths: list[tuple[int, int]] = []
        try:
            parsed = parse_code(changed, layout, lengths)
        except MarshalError:
            parsed = None
        places = (place for offset, size in lengths for place in range(max(offset, start), offset + size))
        waiting += [(*turned, place) for place in places if place < len(changed) and changed[place] == _SLASH]
        if parsed is not None:
            yield changed, parsed


def _turned(data: bytes, places: tuple[int, ...]) -> bytes:
    changed = bytearray(data)
    for place in places:
        changed[place] = _BACKSLASH
    return bytes(changed)


def _restored_as(data: bytes, parsed: Parsed, table: Table, budget: _Budget) -> Iterator[bytes]:
    """The bytes as ``table``'s version can have written them, if that is one answer; raises ``_Exhausted`` for more."""
    places: list[int] = []
    for code in parsed.all_codes:
        lines = _line_places(code, table)
        choices = list(_choices(code, table, budget))
        if not choices or not _lines_fit(code, lines, table):
            return
        if len(choices) > 1 or _has_open_bytes(code, data):
            raise _Exhausted
        places += [code.code.offset + place for place in choices[0]]
        places += [code.lines.offset + place for place in lines]
    yield _turned(data, tuple(places))


def _choices(code: Code, table: Table, budget: _Budget) -> Iterator[tuple[int, ...]]:
    """The ways to turn back bytes of the instructions after which they fit ``table``; two at most."""
    open_places = [place for place, byte in enumerate(code.code.data) if byte == _SLASH]
    waiting: list[tuple[int, tuple[int, ...]]] = [(0, ())]
    found = 0
    while waiting and found < 2:
        index, places = waiting.pop()
        budget.spend(len(code.code.data))
        changed = replace(code, code=Blob(0, _turned(code.code.data, places)))
        decoded = decode(changed, table)
        undecided = open_places[index] if index < len(open_places) else len(code.code.data) + 1
        if any(not problem.is_jump and problem.place + 1 < undecided for problem in decoded.problems):
            continue
        if index < len(open_places):
            waiting += [(index + 1, places), (index + 1, (*places, open_places[index]))]
        elif fits_all((decoded,)):
            found += 1
            yield places


def _line_places(code: Code, table: Table) -> tuple[int, ...]:
    """Bytes of the table of lines that were certainly changed: since 3.6, every other one counts bytes in pairs."""
    if not (3, 6) <= table.version < (3, 11):
        return ()
    return tuple(place for place in range(0, len(code.lines.data), 2) if code.lines.data[place] == _SLASH)


def _lines_fit(code: Code, places: tuple[int, ...], table: Table) -> bool:
    if not (3, 8) <= table.version < (3, 11):
        return True
    lines = replace(code, lines=Blob(0, _turned(code.lines.data, places)))
    return covers_all(lines) is (table.version == (3, 10))


def _has_open_bytes(code: Code, data: bytes) -> bool:
    """Whether a constant or the table of handlers has a byte of which nothing tells what it was."""
    tables = code.exceptions.data if code.exceptions is not None else b""
    return _SLASH in tables or any(_is_open(value, data) for value in distinct(code.consts))


def _is_open(value: Value, data: bytes) -> bool:
    match value:
        case Number(offset=offset, size_bytes=size_bytes) | Text(offset=offset, size_bytes=size_bytes):
            return _SLASH in data[offset : offset + size_bytes]
        case Blob(data=content):
            return _SLASH in content
    return False
