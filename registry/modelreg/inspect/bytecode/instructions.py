"""Splits the bytes of one code object into instructions of one Python version, and tells which ones cannot be its own.

Invariants:

* ``decode`` gives an answer for any bytes; what does not fit the version is a ``Problem``, never an exception.
* An instruction without a problem has arguments in range: every index in it may be used.

Source: ``Lib/dis.py`` of CPython 2.7 and 3.6 to 3.14 (``_unpack_opargs``, ``get_instructions``).
"""

from __future__ import annotations

from dataclasses import dataclass

from modelreg.inspect.bytecode.opcodes import JUMPS, Argument, Table
from modelreg.inspect.bytecode.values import Code

_ARGUMENT_MAX = 0x7FFF_FFFF


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction; ``offset`` is that of its first byte, prefixes included, ``end`` is past its last cache.

    ``argument`` includes the prefixes, and ``target`` is the byte that a jump leads to.
    """

    offset: int
    end: int
    opcode: int
    name: str
    argument: int | None
    target: int | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """An instruction that the version's compiler cannot have written; ``place`` is the offset of its opcode."""

    place: int
    opcode: int
    reason: str
    is_jump: bool = False


@dataclass(frozen=True, slots=True)
class Decoded:
    """A code object as instructions of one version; ``problems`` is empty if it can be of that version."""

    code: Code
    table: Table
    instructions: tuple[Instruction, ...]
    problems: tuple[Problem, ...]


def decode(code: Code, table: Table, *, problems_max: int = 1) -> Decoded:
    """Split ``code`` by ``table``, up to the problem number ``problems_max``."""
    found = _Decoder(code, table, problems_max)
    if table.version < (3, 6):
        found.old_units()
    else:
        found.units()
    if not found.problems:
        found.check_jumps()
    return Decoded(code, table, tuple(found.instructions), tuple(found.problems))


class _Decoder:
    """The state of one decoding."""

    def __init__(self, code: Code, table: Table, problems_max: int) -> None:
        self.code = code
        self.data = code.code.data
        self.table = table
        self.problems_max = problems_max
        self.instructions: list[Instruction] = []
        self.problems: list[Problem] = []
        self.ends = {
            Argument.CONST: len(code.consts),
            Argument.NAME: len(code.names),
            Argument.NAME_HALF: 2 * len(code.names),
            Argument.NAME_QUARTER: 4 * len(code.names),
            Argument.LOCAL: len(code.varnames),
            Argument.FREE: len(code.cellvars) + len(code.freevars),
            Argument.VARIABLE: len(code.localsplus),
            Argument.COMPARISON: len(table.comparisons) << table.comparison_shift,
            Argument.OPERATOR: len(table.operators),
            Argument.FLAG: 2,
        }
        """Ends of the ranges of arguments."""

    def units(self) -> None:
        """Units of two bytes, since 3.6."""
        data, extended = self.data, self.table.numbers["EXTENDED_ARG"]
        if len(data) % 2:
            self.problem(len(data) - 1, "half an instruction")
            return
        start, argument, place = 0, 0, 0
        while place < len(data) and len(self.problems) < self.problems_max:
            opcode = data[place]
            argument = argument << 8 | data[place + 1]
            place += 2
            if opcode == extended and argument <= _ARGUMENT_MAX >> 8:
                continue
            end = place + 2 * self.table.caches[opcode]
            if any(data[place:end]) or end > len(data):
                self.problem(place - 2, "no room for its caches")
            self.add(start, place - 2, end, opcode, argument)
            start, argument, place = end, 0, end
        if start < place:
            self.problem(start, "a prefix of nothing")

    def old_units(self) -> None:
        """One byte, or three with an argument, before 3.6."""
        data, extended = self.data, self.table.numbers["EXTENDED_ARG"]
        start, argument, place = 0, 0, 0
        while place < len(data) and len(self.problems) < self.problems_max:
            opcode, opcode_place = data[place], place
            place += 1
            if self.table.arguments[opcode] is not Argument.NONE or opcode == extended:
                argument = argument << 16 | int.from_bytes(data[place : place + 2], "little")
                place += 2
            if place > len(data):
                self.problem(opcode_place, "cut off")
                return
            if opcode == extended and argument <= _ARGUMENT_MAX >> 16:
                continue
            self.add(start, opcode_place, place, opcode, argument)
            start, argument = place, 0
        if start < place:
            self.problem(start, "a prefix of nothing")

    def add(self, start: int, place: int, end: int, opcode: int, argument: int) -> None:
        name, kind = self.table.names[opcode], self.table.arguments[opcode]
        if name is None or name == "CACHE":
            self.problem(place, "no such instruction")
            return
        if kind is Argument.NONE:
            self.instructions.append(Instruction(start, end, opcode, name, None))
            return
        if not self.in_range(kind, argument):
            self.problem(place, f"argument {argument:,} is out of range")
        target = self.target(kind, end, argument) if kind in JUMPS else None
        self.instructions.append(Instruction(start, end, opcode, name, argument, target))

    def in_range(self, kind: Argument, argument: int) -> bool:
        if kind is Argument.LOCAL_PAIR:
            variables = len(self.code.localsplus)
            return argument >> 4 < variables and argument & 15 < variables and argument < 256
        return argument < self.ends.get(kind, _ARGUMENT_MAX + 1)

    def target(self, kind: Argument, end: int, argument: int) -> int:
        offset = argument * self.table.jump_unit
        if kind is Argument.ABSOLUTE:
            return offset
        return end - offset if kind is Argument.BACKWARD else end + offset

    def check_jumps(self) -> None:
        """Each jump leads to the beginning of an instruction."""
        starts = {instruction.offset for instruction in self.instructions}
        for instruction in self.instructions:
            if instruction.target is not None and instruction.target not in starts:
                self.problem(instruction.offset, f"jumps to byte {instruction.target:,}", is_jump=True)

    def problem(self, place: int, reason: str, *, is_jump: bool = False) -> None:
        self.problems.append(Problem(place, self.data[place] if place < len(self.data) else 0, reason, is_jump))
