"""Reads the text that Keras stores for a function: which Pythons can have written it, what it needs, what it computes.

Keras stores ``base64(marshal.dumps(function.__code__))`` and, before 2.0.9, the raw bytes as Latin-1 text; its loader
takes either (``keras/src/utils/python_utils.py``, ``func_load``), and so does this reader.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass, replace

from modelreg.inspect import limits
from modelreg.inspect.bytecode.candidates import Candidates, are_interchangeable, candidates_of, runs_alike
from modelreg.inspect.bytecode.lifting import lifted_source
from modelreg.inspect.bytecode.listing import listing
from modelreg.inspect.bytecode.mangling import may_be_mangled, restored
from modelreg.inspect.bytecode.marshalled import MarshalError, Parsed, parse_code
from modelreg.inspect.bytecode.names import outside_names
from modelreg.inspect.bytecode.opcodes import TABLES
from modelreg.inspect.bytecode.values import Code, Layout

_CODE_TYPES = (b"c", b"\xe3")
"""The first byte of a marshalled code object, without and with a reference to it."""

_MANGLED_UNPACK = 47
"""What Windows's Keras makes of UNPACK_SEQUENCE (92); from 2.7 to 3.12 it is no instruction."""


class BytecodeError(ValueError):
    """The text does not hold the marshalled code of any known Python."""


@dataclass(frozen=True, slots=True)
class StoredFunction:
    """What the bytes of a function say.

    Default values and the values of free variables stand outside the code object, so they are not told here, and
    ``source`` leaves the defaults of the function's own parameters out.
    """

    pythons: tuple[str, ...]
    """Versions ``X.Y`` that can have written it, oldest first; the true one is among them."""
    names: tuple[str, ...]
    """Globals and attributes that it and the functions in it use, sorted."""
    interchangeable: bool = True
    """Whether every instruction means the same in all of ``pythons``, so that it does not matter which wrote it."""
    runs_alike: tuple[str, ...] = ()
    """Versions that cannot have written it, and in which every instruction means the same all the same."""
    function: str | None = None
    globals: tuple[str, ...] = ()
    """Names looked up outside it, built-ins of its Python left out, sorted."""
    parameters: tuple[str, ...] = ()
    """Names of the positional parameters."""
    keyword_only: tuple[str, ...] = ()
    free_variables: tuple[str, ...] = ()
    """Names of the variables that the closure holds, in its order."""
    filename: str | None = None
    """``co_filename``: where the author's source lay."""
    argcount: int = 0
    """Number of positional parameters."""
    has_varargs: bool = False
    has_varkeywords: bool = False
    listing: tuple[str, ...] = ()
    """The disassembly, one instruction a line; empty where the code is long or no version fits."""
    bad_opcodes: tuple[str, ...] = ()
    """Instructions that no candidate has, each as ``OPCODE at OFFSET``."""
    mangled: str | None = None
    """Windows's Keras writes each byte 0x5C as 0x2F (see ``mangling``).

    ``undone``: it did, there is one way back, and all of this is told of the code as it was.  ``possible``: it may have
    changed something, and nothing tells what.  ``None``: nothing says so, or nothing that matters can have changed.
    """
    restored: bytes | None = None
    """Where ``mangled`` is ``undone``: the marshalled bytes (not base64) as they were, but for file names."""
    source: str | None = None
    """The lambda expression or ``def`` that it was compiled from (see ``lifting`` for what is proved)."""


def read_stored_function(text: str) -> StoredFunction:
    """Read the text that Keras stores for a function; raises ``BytecodeError``.

    Base64 is decoded as leniently as Keras does it (characters outside the alphabet are skipped).  Where that fails,
    Keras takes the text itself for the bytes, so a reader without this second way is blind to code that Keras runs;
    and files of Keras before 2.0.9 hold such text even where it would pass for base64 (Python 2's is all ASCII).
    """
    if len(text) > 2 * limits.BYTECODE_SIZE_BYTES_MAX:
        raise BytecodeError(f"{len(text):,} characters of bytecode, more than are read")
    raw = text.encode("raw_unicode_escape", "replace")
    try:
        decoded = binascii.a2b_base64(text.encode("ascii"))
    except (UnicodeEncodeError, binascii.Error):
        return read_bytecode(raw)
    try:
        return read_bytecode(decoded)
    except BytecodeError:
        if raw[:1] not in _CODE_TYPES:
            raise
        return read_bytecode(raw)


def read_bytecode(data: bytes) -> StoredFunction:
    """Read marshalled bytes; raises ``BytecodeError`` if no known Python can have written them."""
    readings, reasons = _readings(data)
    if not any(each.candidates.fits for each in readings):
        back = restored(data)
        if back is not None:
            return replace(_described(_readings(back)[0]), mangled="undone", restored=back)
    if not readings:
        raise BytecodeError("not the bytecode of any known Python (" + "; ".join(reasons) + ")")
    found = _described(readings)
    is_suspect = any(opcode.startswith(f"{_MANGLED_UNPACK} at") for opcode in found.bad_opcodes)
    if is_suspect or any(may_be_mangled(data, each.parsed) for each in readings):
        return replace(found, mangled="possible")
    return found


def _readings(data: bytes) -> tuple[list[_Reading], list[str]]:
    """The bytes as code of each layout in which they are some, and why not of the others."""
    readings: list[_Reading] = []
    reasons: list[str] = []
    for layout in Layout:
        try:
            parsed = parse_code(data, layout)
        except MarshalError as error:
            reasons.append(f"{layout.value}: {error}")
        else:
            readings.append(_Reading(parsed, layout, candidates_of(parsed, layout)))
    return readings, reasons


@dataclass(frozen=True, slots=True)
class _Reading:
    """The bytes as code of one layout."""

    parsed: Parsed
    layout: Layout
    candidates: Candidates


def _described(readings: list[_Reading]) -> StoredFunction:
    """One answer of all layouts in which the bytes can be read: practically always a single one."""
    readings = [each for each in readings if each.candidates.fits] or readings
    first = readings[0]
    code: Code = first.parsed.code
    all_codes = [code for each in readings for code in each.parsed.all_codes]
    return StoredFunction(
        pythons=tuple(python for each in readings for python in each.candidates.pythons),
        names=tuple(sorted({name for code in all_codes for name in code.names})),
        interchangeable=len(readings) == 1 and are_interchangeable(first.candidates),
        runs_alike=runs_alike(first.candidates, first.parsed, first.layout) if len(readings) == 1 else (),
        function=code.name,
        globals=tuple(sorted({name for each in readings for name in outside_names(each.parsed, each.candidates)})),
        parameters=code.parameters,
        keyword_only=code.keyword_only,
        free_variables=code.freevars,
        filename=code.filename,
        argcount=code.argcount,
        has_varargs=code.has_varargs,
        has_varkeywords=code.has_varkeywords,
        listing=listing(first.candidates),
        bad_opcodes=first.candidates.bad,
        source=_source(first) if len(readings) == 1 else None,
    )


def _source(reading: _Reading) -> str | None:
    """The source on which all candidates agree that have a table."""
    if not reading.candidates.fits:
        return None
    pythons = [python for python in reading.candidates.decoded if python in reading.candidates.pythons]
    if are_interchangeable(reading.candidates):
        pythons = pythons[:1]
    found = {lifted_source(reading.parsed.code, TABLES[python]) for python in pythons}
    return found.pop() if len(found) == 1 else None
