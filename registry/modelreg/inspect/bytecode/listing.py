"""The disassembly for people: offset, instruction, argument, and what the argument stands for."""

from __future__ import annotations

from modelreg.inspect import limits
from modelreg.inspect.bytecode.candidates import Candidates
from modelreg.inspect.bytecode.instructions import Decoded, Instruction
from modelreg.inspect.bytecode.opcodes import JUMPS, Argument
from modelreg.inspect.bytecode.values import Blob, Code, Frozen, Number, Single, SliceValue, Text, Value

_SINGLES = {"N": "None", "T": "True", "F": "False", ".": "Ellipsis", "S": "StopIteration"}


def listing(candidates: Candidates) -> tuple[str, ...]:
    """The lines of the oldest candidate that has a table, those of inner functions behind a line with their name.

    Empty if there are more than ``limits.LISTING_LINES_MAX``: a part of a function would pass for the whole.
    """
    if not candidates.fits or not candidates.decoded:
        return ()
    *inner, outer = next(iter(candidates.decoded.values()))
    if sum(len(each.instructions) + 1 for each in (outer, *inner)) - 1 > limits.LISTING_LINES_MAX:
        return ()
    lines = [_line(outer, instruction) for instruction in outer.instructions]
    for each in inner:
        lines.append(f"in {_short(each.code.name)}:")
        lines += [_line(each, instruction) for instruction in each.instructions]
    return tuple(lines)


def _line(decoded: Decoded, instruction: Instruction) -> str:
    line = f"{instruction.offset:>4} {instruction.name}"
    if instruction.argument is None:
        return line
    meaning = _meaning(decoded, instruction)
    return f"{line} {instruction.argument}" + (f" ({meaning})" if meaning else "")


def _meaning(decoded: Decoded, instruction: Instruction) -> str:
    code, argument = decoded.code, instruction.argument or 0
    kind = decoded.table.arguments[instruction.opcode]
    match kind:
        case Argument.CONST:
            return shown(code.consts[argument])
        case Argument.NAME | Argument.NAME_HALF | Argument.NAME_QUARTER:
            shift = {Argument.NAME: 0, Argument.NAME_HALF: 1, Argument.NAME_QUARTER: 2}[kind]
            return _short(code.names[argument >> shift])
        case Argument.LOCAL:
            return _short(code.varnames[argument])
        case Argument.LOCAL_PAIR:
            return _short(f"{code.localsplus[argument >> 4]}, {code.localsplus[argument & 15]}")
        case Argument.FREE:
            return _short((*code.cellvars, *code.freevars)[argument])
        case Argument.VARIABLE:
            return _short(code.localsplus[argument])
        case Argument.COMPARISON:
            return decoded.table.comparisons[argument >> decoded.table.comparison_shift]
        case Argument.OPERATOR:
            return decoded.table.operators[argument]
    return f"to {instruction.target}" if kind in JUMPS else ""


def shown(value: Value, depth: int = 0) -> str:
    """A constant as Python shows it, cut off at ``limits.LISTING_VALUE_LENGTH_MAX`` characters."""
    match value:
        case Single(kind):
            text = _SINGLES[kind]
        case Number():
            text = "a long number" if value.value is None else repr(value.value)
        case Text():
            text = repr(value.value[: limits.LISTING_VALUE_LENGTH_MAX])
        case Blob():
            text = repr(value.data[: limits.LISTING_VALUE_LENGTH_MAX])
        case Code():
            text = f"code of {value.name}"
        case Frozen(items):
            text = f"frozenset({_items(items, depth)})"
        case SliceValue(items):
            text = f"slice({_items(items, depth)})"
        case tuple():
            text = f"({_items(value, depth)}{',' * (len(value) == 1)})"
        case _:
            text = "a value"
    return _short(text)


def _items(items: tuple[Value, ...], depth: int) -> str:
    if depth > 2:
        return "..."
    return ", ".join(shown(item, depth + 1) for item in items[: limits.LISTING_VALUE_LENGTH_MAX])


def _short(text: str) -> str:
    return text if len(text) <= limits.LISTING_VALUE_LENGTH_MAX else text[: limits.LISTING_VALUE_LENGTH_MAX] + "..."
