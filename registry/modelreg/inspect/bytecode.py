"""Tells which Pythons can have written a function's stored bytecode, from the bytes alone and without running them.

Invariants:

* The true writer is always among the returned versions: a rule rules out only what CPython's compiler and marshal
  cannot have produced.
* Nothing is executed and no code object is built (see ``marshalled``); every input gives a ``StoredFunction`` or
  raises ``BytecodeError``.

Keras stores ``base64(marshal.dumps(function.__code__))`` and, before 2.0.9, the raw bytes as Latin-1 text; its loader
takes either (``keras/src/utils/python_utils.py``, ``func_load``), and so does this reader.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass

from modelreg.inspect import limits
from modelreg.inspect.marshalled import Layout, MarshalError, Parsed, parse_code

PY2 = ("2.7",)
"""No Keras ever ran on an older Python 2."""
_PY30_TO_33 = ("3.0", "3.1", "3.2", "3.3")
_PY34_35 = ("3.4", "3.5")
_PY36_37 = ("3.6", "3.7")
_PY38_39 = ("3.8", "3.9")
_PY310 = ("3.10",)
_PY311_ON = ("3.11", "3.12", "3.13", "3.14", "3.15")

_RETURN_VALUE = 83
_CODE_TYPES = (b"c", b"\xe3")
"""The first byte of a marshalled code object, without and with a reference to it."""


class BytecodeError(ValueError):
    """The text does not hold the marshalled code of any known Python."""


@dataclass(frozen=True, slots=True)
class StoredFunction:
    """``pythons`` are the versions ``X.Y`` that can have written it, oldest first; ``names``: globals, attributes."""

    pythons: tuple[str, ...]
    names: tuple[str, ...]


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
    pythons: list[str] = []
    names: set[str] = set()
    reasons: list[str] = []
    for layout, versions_of in _LAYOUTS:
        try:
            parsed = parse_code(data, layout)
        except MarshalError as error:
            reasons.append(f"{layout.value}: {error}")
            continue
        found = versions_of(parsed)
        if not found:
            reasons.append(f"{layout.value}: its tables contradict each other")
        pythons.extend(found)
        if found:
            names.update(name for code in parsed.all_codes for name in code.names)
    if not pythons:
        raise BytecodeError("not the bytecode of any known Python (" + "; ".join(reasons) + ")")
    return StoredFunction(tuple(pythons), tuple(sorted(names)))


def _py2(parsed: Parsed) -> tuple[str, ...]:
    return PY2 if all(code.code.endswith(bytes([_RETURN_VALUE])) for code in parsed.all_codes) else ()


def _py30_to_37(parsed: Parsed) -> tuple[str, ...]:
    """Marshal has had short strings since 3.4; instructions have had two bytes since 3.6.

    Up to 3.9 the compiler ends every function with RETURN_VALUE; since 3.6 that is 83 and an argument of 0.
    """
    codes = [code.code for code in parsed.all_codes]
    if all(len(code) % 2 == 0 and code.endswith(bytes([_RETURN_VALUE, 0])) for code in codes):
        return _PY36_37
    if not all(code.endswith(bytes([_RETURN_VALUE])) for code in codes):
        return ()
    return _PY30_TO_33 if parsed.code.has_old_text else _PY34_35


def _py38_to_310(parsed: Parsed) -> tuple[str, ...]:
    """The line table of 3.10 covers all of the code (PEP 626); the older ``lnotab`` never reaches its end."""
    covers = {sum(code.lines[::2]) == len(code.code) for code in parsed.all_codes}
    if any(len(code.code) % 2 or len(code.lines) % 2 for code in parsed.all_codes) or len(covers) > 1:
        return ()
    return _PY310 if covers == {True} else _PY38_39


@dataclass(frozen=True, slots=True)
class _Prologue:
    """Numbers of the instructions that can stand before a function's first RESUME, and of RESUME itself.

    Source: ``opcode.opmap`` of CPython 3.11.7, 3.12.1 and 3.13.0; order of ``insert_prefix_instructions`` in
    ``Python/compile.c`` (3.11) and ``Python/flowgraph.c`` (3.12 on).
    """

    pythons: tuple[str, ...]
    resume: int
    copy_free_vars: int
    make_cell: int
    return_generator: int
    pop_top: int

    def matches(self, code: bytes) -> bool:
        """Whether ``code`` begins with nothing but these up to a RESUME 0."""
        before = {(self.return_generator, 0), (self.pop_top, 0)}
        for opcode, argument in zip(code[::2], code[1::2], strict=False):
            if opcode == self.resume:
                return argument == 0
            is_copy = opcode == self.copy_free_vars and argument > 0
            if not (is_copy or opcode == self.make_cell or (opcode, argument) in before):
                return False
        return False


_PROLOGUES = (
    _Prologue(("3.11", "3.12"), resume=151, copy_free_vars=149, make_cell=135, return_generator=75, pop_top=1),
    _Prologue(("3.13",), resume=149, copy_free_vars=62, make_cell=94, return_generator=35, pop_top=32),
)
_RESUME_SINCE_314 = 128


def _py311_on(parsed: Parsed) -> tuple[str, ...]:
    """The versions that all code objects agree on, told by the number of the first RESUME."""
    common = set(_PY311_ON)
    for code in parsed.all_codes:
        common &= set(_py311_prologue(code.code))
    return tuple(python for python in _PY311_ON if python in common)


def _py311_prologue(code: bytes) -> tuple[str, ...]:
    """The versions by one code object; all of them where its beginning is unknown (a very large closure, say).

    128 is RESUME since 3.14, where compiled code has no number above it; in 3.11 to 3.13 it stands for others.
    """
    if len(code) % 2:
        return ()
    for prologue in _PROLOGUES:
        if prologue.matches(code):
            return prologue.pythons
    return ("3.14", "3.15") if code[:2] == bytes([_RESUME_SINCE_314, 0]) else _PY311_ON


_LAYOUTS = (
    (Layout.PY2, _py2),
    (Layout.PY30, _py30_to_37),
    (Layout.PY38, _py38_to_310),
    (Layout.PY311, _py311_on),
)
