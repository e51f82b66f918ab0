"""Tells which names a function looks up outside itself, and which of those its Python itself provides."""

from __future__ import annotations

from collections.abc import Iterator

from modelreg.inspect.bytecode.candidates import Candidates
from modelreg.inspect.bytecode.instructions import Decoded
from modelreg.inspect.bytecode.marshalled import Parsed
from modelreg.inspect.bytecode.opcodes import TABLES, Argument
from modelreg.inspect.bytecode.values import Code, Layout

_LOADS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_LOAD_NUMBERS_BEFORE_36 = {116: "LOAD_GLOBAL", 101: "LOAD_NAME"}
"""Both numbers, and that instructions from 90 on have an argument, are those of every Python from 2.5 to 3.12."""


def outside_names(parsed: Parsed, candidates: Candidates) -> frozenset[str]:
    """Global names that the code, and every function in it, looks up; built-ins of all candidates left out.

    A name that only some candidates have built in stays, because the true writer may lack it.  Where no candidate has
    a table of instructions, nothing is known and nothing is told, but for 3.0 to 3.5.
    """
    found: set[str] = set()
    for decoded in candidates.decoded.values():
        for each in decoded:
            found.update(_loaded(each))
    if parsed.code.layout is Layout.PY30 and not candidates.decoded:
        found.update(name for code in parsed.all_codes for name in _loaded_before_36(code))
    return frozenset(found) - _built_in(candidates)


def _built_in(candidates: Candidates) -> frozenset[str]:
    tables = [TABLES[python].builtins for python in candidates.pythons if python in TABLES]
    return frozenset.intersection(*tables) if tables else TABLES["3.6"].builtins


def _loaded(decoded: Decoded) -> Iterator[str]:
    names = decoded.code.names
    for name, index in _loads(decoded):
        if name != "LOAD_NAME" or names[index] not in _stored(decoded):
            yield names[index]


def _loads(decoded: Decoded) -> Iterator[tuple[str, int]]:
    for instruction in decoded.instructions:
        if instruction.name in _LOADS and instruction.argument is not None:
            half = decoded.table.arguments[instruction.opcode] is Argument.NAME_HALF
            index = instruction.argument >> half
            if index < len(decoded.code.names):
                yield instruction.name, index


def _stored(decoded: Decoded) -> frozenset[str]:
    """Names that the body of a class gives a value itself, besides those that it always has."""
    names = decoded.code.names
    stored = (
        names[instruction.argument]
        for instruction in decoded.instructions
        if instruction.name == "STORE_NAME" and instruction.argument is not None and instruction.argument < len(names)
    )
    return frozenset({*stored, "__name__", "__qualname__", "__module__"})


def _loaded_before_36(code: Code) -> Iterator[str]:
    """The same by the two instructions that never changed."""
    data, place, argument = code.code.data, 0, 0
    while place < len(data):
        opcode = data[place]
        if opcode >= 90:
            argument = int.from_bytes(data[place + 1 : place + 3], "little")
            if opcode in _LOAD_NUMBERS_BEFORE_36 and argument < len(code.names):
                yield code.names[argument]
        place += 3 if opcode >= 90 else 1
