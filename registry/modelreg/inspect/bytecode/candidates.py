"""Tells which Pythons can have written a parsed code object, and which others would run it alike.

Invariants:

* The true writer is always among the answers: a rule rules out only what CPython's compiler and marshal cannot have
  produced.  Where no version of a layout fits, the bytes were damaged or transformed, and all of the layout's stay.
* A version newer than the tables stays possible where nothing rules it out.

Sources: ``compile.c``, ``flowgraph.c`` and ``ceval.c`` of CPython 2.7 and 3.6 to 3.14; PEP 626 (line table of 3.10).
"""

from __future__ import annotations

from dataclasses import dataclass

from modelreg.inspect import limits
from modelreg.inspect.bytecode.instructions import Decoded, decode
from modelreg.inspect.bytecode.marshalled import Parsed
from modelreg.inspect.bytecode.opcodes import TABLES
from modelreg.inspect.bytecode.values import Code, Layout

OF_LAYOUT = {
    Layout.PY2: ("2.7",),
    Layout.PY30: ("3.0", "3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7"),
    Layout.PY38: ("3.8", "3.9", "3.10"),
    Layout.PY311: ("3.11", "3.12", "3.13", "3.14", "3.15"),
}
"""No Keras ever ran on a Python 2 older than 2.7."""
_SHORT_TEXT_SINCE = "3.4"
_RETURN_VALUE = 83
_RESUME_SINCE_314 = 128
_ANNOTATED = 0x04


@dataclass(frozen=True, slots=True)
class Candidates:
    """``pythons`` can have written the code, ``decoded`` holds all its code objects by version, where there is a table.

    ``bad`` are the instructions that none of them has, as text; it is empty if some version fits.
    """

    pythons: tuple[str, ...]
    decoded: dict[str, tuple[Decoded, ...]]
    bad: tuple[str, ...]

    @property
    def fits(self) -> bool:
        return not self.bad


def candidates_of(parsed: Parsed, layout: Layout) -> Candidates:
    """The versions that can have written ``parsed``."""
    coarse = tuple(python for python in OF_LAYOUT[layout] if _by_form(parsed, python))
    if not coarse:
        coarse = OF_LAYOUT[layout]
    if sum(len(code.code.data) for code in parsed.all_codes) > limits.BYTECODE_WALKED_BYTES_MAX:
        return Candidates(coarse, {}, ())
    decoded = {python: _decode_all(parsed, python) for python in coarse if python in TABLES}
    fitting = {python: each for python, each in decoded.items() if fits_all(each)}
    unknown = [python for python in coarse if python not in TABLES]
    if fitting:
        pythons = tuple(fitting)
        return Candidates(pythons + _newer(pythons, unknown), fitting, ())
    if layout is Layout.PY30 and unknown:
        return Candidates(tuple(unknown), {}, ())
    begun = tuple(python for python in coarse if python in decoded and all(map(_begins, decoded[python])))
    coarse = begun + _newer(begun, unknown) or coarse
    if any(python not in TABLES for python in coarse):
        return Candidates(coarse, {}, ())
    return Candidates(coarse, {python: decoded[python] for python in coarse}, _bad(parsed, coarse))


def _newer(pythons: tuple[str, ...], unknown: list[str]) -> tuple[str, ...]:
    """Versions without a table stay beside the newest version that has one: only then nothing rules them out."""
    newest = next(reversed(TABLES))
    return tuple(python for python in unknown if newest in pythons and python not in pythons)


def _by_form(parsed: Parsed, python: str) -> bool:
    """Whether all but the instructions can be of this version."""
    table = TABLES.get(python)
    if parsed.uses_slices and python not in ("3.14", "3.15"):
        return False
    if python in OF_LAYOUT[Layout.PY30] and table is None:
        codes = [code.code.data for code in parsed.all_codes]
        is_old = python not in ("3.4", "3.5")
        if parsed.code.has_old_text is not is_old or not all(code.endswith(bytes([_RETURN_VALUE])) for code in codes):
            return False
    if python in OF_LAYOUT[Layout.PY38]:
        return all(covers_all(code) is (python == "3.10") for code in parsed.all_codes)
    if table is None and python in OF_LAYOUT[Layout.PY311]:
        return all(code.code.data[:1] <= bytes([_RESUME_SINCE_314]) for code in parsed.all_codes)
    return True


def covers_all(code: Code) -> bool:
    """The line table of 3.10 covers all of the code (PEP 626); the older ``lnotab`` never reaches its end."""
    return sum(code.lines.data[::2]) == len(code.code.data)


def _decode_all(parsed: Parsed, python: str) -> tuple[Decoded, ...]:
    """All code objects by one version's table, up to the first problem."""
    found: list[Decoded] = []
    for code in parsed.all_codes:
        found.append(decode(code, TABLES[python]))
        if found[-1].problems:
            break
    return tuple(found)


def fits_all(decoded: tuple[Decoded, ...]) -> bool:
    """Whether all code objects can be of the version that they were decoded by."""
    return all(not each.problems and _begins(each) and _ends(each) and _pairs(each) for each in decoded)


_BEFORE_RESUME = frozenset({"COPY_FREE_VARS", "MAKE_CELL", "RETURN_GENERATOR", "POP_TOP"})


def _begins(decoded: Decoded) -> bool:
    """Since 3.11 a RESUME 0 comes first, before it only what prepares cells and generators.

    Source: ``insert_prefix_instructions`` in ``Python/compile.c`` (3.11) and ``Python/flowgraph.c`` (3.12 on).
    """
    if decoded.table.version < (3, 11):
        return True
    for instruction in decoded.instructions:
        if instruction.name == "RESUME":
            return instruction.argument == 0
        if instruction.name not in _BEFORE_RESUME:
            return False
    return False


def _ends(decoded: Decoded) -> bool:
    """Up to 3.9 the compiler ends every function with RETURN_VALUE, and since 3.6 that has an argument of 0."""
    if decoded.table.version >= (3, 10):
        return True
    end = b"S" if decoded.table.version < (3, 6) else b"S\0"
    return decoded.code.code.data.endswith(end)


def _pairs(decoded: Decoded) -> bool:
    """Numbers that 3.9 gave to other instructions stand, in 3.8, only beside ones that 3.9 does not have.

    3.8 (``Python/compile.c``: ``compiler_with``, ``compiler_try_finally``): WITH_CLEANUP_FINISH (82) follows a
    WITH_CLEANUP_START, and CALL_FINALLY (162) and POP_FINALLY (163) need a block that a SETUP opened.  3.9
    (``starunpack_helper``): LIST_EXTEND (162) and SET_UPDATE (163) always extend what is one below the top.
    """
    instructions = decoded.instructions
    if decoded.table.python == "3.8":
        names = {instruction.name for instruction in instructions}
        if "WITH_CLEANUP_FINISH" in names and "WITH_CLEANUP_START" not in names:
            return False
        return not names & {"CALL_FINALLY", "POP_FINALLY"} or bool(names & _SETUPS)
    if decoded.table.python == "3.9":
        return all(each.argument == 1 for each in instructions if each.name in ("LIST_EXTEND", "SET_UPDATE"))
    return True


_SETUPS = frozenset({"SETUP_FINALLY", "SETUP_WITH", "SETUP_ASYNC_WITH"})


def _bad(parsed: Parsed, pythons: tuple[str, ...]) -> tuple[str, ...]:
    """What every one of ``pythons`` cannot have; where that is nothing, what the one that gets farthest cannot have."""
    found: list[dict[tuple[int, int], str]] = []
    for python in pythons:
        problems: dict[tuple[int, int], str] = {}
        for index, code in enumerate(parsed.all_codes):
            decoded = decode(code, TABLES[python], problems_max=limits.BAD_OPCODES_MAX)
            inner = "" if code is parsed.code else f" in {code.name[: limits.LISTING_VALUE_LENGTH_MAX]!a}"
            for problem in decoded.problems:
                problems[index, problem.place] = f"{problem.opcode} at {problem.place}{inner}"
        found.append(problems)
    shared = set.intersection(*(set(problems) for problems in found))
    if not shared:
        farthest = max(found, key=lambda problems: min(problems, default=(0, 0)))
        shared = set(sorted(farthest)[:1])
        return tuple(farthest[place] for place in shared) or ("its tables contradict each other",)
    return tuple(found[0][place] for place in sorted(shared)[: limits.BAD_OPCODES_MAX])


def runs_alike(candidates: Candidates, parsed: Parsed, layout: Layout) -> tuple[str, ...]:
    """The versions outside ``candidates`` in which every instruction has the same name, caches and argument meaning."""
    if not candidates.fits or not candidates.decoded or set(candidates.decoded) != set(candidates.pythons):
        return ()
    others = [python for python in OF_LAYOUT[layout] if python in TABLES and python not in candidates.pythons]
    found = []
    for python in others:
        decoded = _decode_all(parsed, python)
        if not any(each.problems for each in decoded) and all(
            _same(decoded, written) for written in candidates.decoded.values()
        ):
            found.append(python)
    return tuple(found)


def are_interchangeable(candidates: Candidates) -> bool:
    """Whether the code means the same in every one of ``candidates``, so that it does not matter which wrote it."""
    if len(candidates.pythons) == 1:
        return True
    if set(candidates.decoded) != set(candidates.pythons):
        return False
    first, *others = candidates.decoded.values()
    return all(_same(first, other) for other in others)


_RENAMED = {
    "POP_JUMP_FORWARD_IF_FALSE": "POP_JUMP_IF_FALSE",
    "POP_JUMP_FORWARD_IF_TRUE": "POP_JUMP_IF_TRUE",
    "POP_JUMP_FORWARD_IF_NONE": "POP_JUMP_IF_NONE",
    "POP_JUMP_FORWARD_IF_NOT_NONE": "POP_JUMP_IF_NOT_NONE",
}
"""3.12 dropped the jumps backward on a condition and the word FORWARD from those that stayed; nothing else changed."""


def _same(first: tuple[Decoded, ...], second: tuple[Decoded, ...]) -> bool:
    """Whether two versions read the same instructions in the same way."""
    return len(first) == len(second) and all(_same_code(one, other) for one, other in zip(first, second, strict=True))


def _same_code(first: Decoded, second: Decoded) -> bool:
    ages = sorted((first.table.version, second.table.version))
    if ages[0] < (3, 10) <= ages[1] and not _means_the_same_in_310(first):
        return False
    if len(first.instructions) != len(second.instructions):
        return False
    return all(
        _RENAMED.get(one.name, one.name) == _RENAMED.get(other.name, other.name)
        and (one.offset, one.end, one.argument, one.target) == (other.offset, other.end, other.argument, other.target)
        for one, other in zip(first.instructions, second.instructions, strict=True)
    )


def _means_the_same_in_310(decoded: Decoded) -> bool:
    """3.10 starts generators otherwise (GEN_START), and its MAKE_FUNCTION takes annotations as a tuple."""
    return not decoded.code.waits and not any(
        instruction.name == "MAKE_FUNCTION" and (instruction.argument or 0) & _ANNOTATED
        for instruction in decoded.instructions
    )
