"""What the jumps of expressions mean, in every version: what is tested, and what either way leaves on the stack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from modelreg.inspect import limits
from modelreg.inspect.bytecode import expressions as e
from modelreg.inspect.bytecode.instructions import Decoded, Instruction
from modelreg.inspect.bytecode.machine import Machine
from modelreg.inspect.bytecode.symbolic import Unsupported
from modelreg.inspect.bytecode.values import Single

_ALWAYS = frozenset({"JUMP_FORWARD", "JUMP_ABSOLUTE"})
_ENDS = frozenset({"RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE"})


@dataclass(frozen=True, slots=True)
class Flow:
    """Instructions by number, and where each leads: ``jumps`` is the number that a jump leads to.

    Jumps lead forward only, so the order of instructions is one in which everything comes after what leads to it.
    """

    instructions: tuple[Instruction, ...]
    jumps: tuple[int | None, ...]
    meets: tuple[int, ...]
    """Where all ways from an instruction meet first; ``len(instructions)`` is the end of the function."""

    @property
    def targets(self) -> frozenset[int | None]:
        """Instructions that jumps lead to."""
        return frozenset(self.jumps)

    @property
    def has_dead_end(self) -> bool:
        """Whether nothing leads to the last return, as behind an ``if`` and ``else`` that both return (before 3.8)."""
        last = len(self.instructions) - 2
        return last > 0 and self.instructions[last - 1].name in _ENDS and last not in self.targets

    @property
    def end(self) -> int:
        return len(self.instructions)


def flow_of(decoded: Decoded) -> Flow:
    """The flow of a function without loops; raises ``Unsupported`` for others."""
    instructions = tuple(_singles(decoded.instructions))
    if len(instructions) > limits.LIFTED_INSTRUCTIONS_MAX or decoded.code.waits:
        raise Unsupported("long, or a generator")
    if decoded.code.exceptions is not None and decoded.code.exceptions.data:
        raise Unsupported("handlers of exceptions")
    numbers = {instruction.offset: number for number, instruction in enumerate(instructions)}
    jumps = tuple(None if each.target is None else numbers[each.target] for each in instructions)
    if any(jump is not None and jump <= number for number, jump in enumerate(jumps)):
        raise Unsupported("a loop")
    meets = [len(instructions)] * (len(instructions) + 1)
    for number in reversed(range(len(instructions))):
        if instructions[number].name in _ENDS:
            continue
        jump = jumps[number]
        ways = [way for way in (None if is_always(instructions[number]) else number + 1, jump) if way is not None]
        meets[number] = ways[0] if len(ways) == 1 else _meeting(meets, ways[0], ways[1])
    return Flow(instructions, jumps, tuple(meets))


_PARTS = {
    "LOAD_FAST_LOAD_FAST": ("LOAD_FAST", "LOAD_FAST"),
    "LOAD_FAST_BORROW_LOAD_FAST_BORROW": ("LOAD_FAST", "LOAD_FAST"),
    "STORE_FAST_LOAD_FAST": ("STORE_FAST", "LOAD_FAST"),
    "STORE_FAST_STORE_FAST": ("STORE_FAST", "STORE_FAST"),
}
"""Two instructions in one (since 3.13), each with a number of four bits."""


def _singles(instructions: tuple[Instruction, ...]) -> Iterator[Instruction]:
    """One instruction for each thing that is done."""
    for instruction in instructions:
        parts = _PARTS.get(instruction.name)
        if parts is None or instruction.argument is None:
            yield instruction
            continue
        yield replace(instruction, name=parts[0], argument=instruction.argument >> 4)
        yield replace(instruction, name=parts[1], argument=instruction.argument & 15, offset=-1)


def _meeting(meets: list[int], one: int, other: int) -> int:
    while one != other:
        if one < other:
            one = meets[one]
        else:
            other = meets[other]
    return one


def is_always(instruction: Instruction) -> bool:
    """Whether it is a jump without a condition."""
    return instruction.name in _ALWAYS


def returned(machine: Machine, instruction: Instruction) -> e.Node | None:
    """The value that ``instruction`` returns, if it returns."""
    if instruction.name == "RETURN_VALUE":
        return machine.pop()
    if instruction.name == "RETURN_CONST":
        return e.Const(machine.code.consts[instruction.argument or 0])
    return None


@dataclass(frozen=True, slots=True)
class Test:
    """A condition: the stack if it is true, the stack if it is false, and whether true is where the jump leads."""

    value: e.Node
    if_true: list[e.Node]
    if_false: list[e.Node]
    jumps_if_true: bool


def tested(machine: Machine, instruction: Instruction) -> Test:
    """What a conditional jump tests; raises ``Unsupported`` for other instructions with a target."""
    words = instruction.name.split("_")
    is_known = words[:3] == ["POP", "JUMP", "IF"] or words[:4] == ["POP", "JUMP", "FORWARD", "IF"]
    if instruction.name in ("JUMP_IF_FALSE_OR_POP", "JUMP_IF_TRUE_OR_POP"):
        value, below = machine.pop(), machine.stack
        kept, popped = [*below, value], list(below)
        jumps_if_true = instruction.name == "JUMP_IF_TRUE_OR_POP"
        return Test(value, *((kept, popped) if jumps_if_true else (popped, kept)), jumps_if_true)
    if not is_known:
        raise Unsupported(instruction.name)
    value = machine.pop()
    if words[-1] == "NONE":
        # Told as a jump if false, which is what the compiler made it of where it tests a whole condition.
        operator = "is" if words[-2] == "NOT" else "is not"
        value = e.Compare(operator, value, e.Const(Single("N")), is_jump=True)
        machine.effects.evaluated(value)
        return Test(value, list(machine.stack), list(machine.stack), jumps_if_true=False)
    value = value.operand if isinstance(value, e.Truth) else value
    return Test(value, list(machine.stack), list(machine.stack), words[-1] == "TRUE")
