"""The instructions of each Python version, as its own ``opcode`` module tells them.

The tables are data, ``opcodes.json``, which ``tools/opcode_tables.py`` makes.  They are read when this module is
imported, because the inspecting child can open no file by the time that it parses.
"""

from __future__ import annotations

import enum
import importlib.resources
import json
from dataclasses import dataclass
from typing import Any


class Argument(enum.Enum):
    """What an instruction's argument counts."""

    NONE = "none"
    PLAIN = "plain"
    CONST = "const"
    NAME = "name"
    NAME_HALF = "name, doubled"
    NAME_QUARTER = "name, fourfold"
    LOCAL = "local"
    LOCAL_PAIR = "two locals"
    FREE = "free"
    VARIABLE = "variable of any kind"
    COMPARISON = "comparison"
    OPERATOR = "operator"
    FLAG = "zero or one"
    FORWARD = "jump forward"
    BACKWARD = "jump backward"
    ABSOLUTE = "jump"


JUMPS = frozenset({Argument.FORWARD, Argument.BACKWARD, Argument.ABSOLUTE})


@dataclass(frozen=True, slots=True)
class Table:
    """The instructions of one version; tuples are indexed by the number of an instruction."""

    python: str
    version: tuple[int, int]
    names: tuple[str | None, ...]
    numbers: dict[str, int]
    arguments: tuple[Argument, ...]
    caches: tuple[int, ...]
    comparisons: tuple[str, ...]
    operators: tuple[str, ...]
    builtins: frozenset[str]

    @property
    def jump_unit(self) -> int:
        """Bytes that a jump's argument counts in (CPython 3.10: instructions instead of bytes)."""
        return 2 if self.version >= (3, 10) else 1

    @property
    def comparison_shift(self) -> int:
        """Where the comparison begins in COMPARE_OP's argument; the bits below are for the interpreter."""
        return 5 if self.version >= (3, 13) else 4 if self.version >= (3, 12) else 0


_KINDS = {
    "const": Argument.CONST,
    "name": Argument.NAME,
    "local": Argument.LOCAL,
    "free": Argument.FREE,
    "jrel": Argument.FORWARD,
    "jabs": Argument.ABSOLUTE,
    "compare": Argument.COMPARISON,
}
_DOUBLED_SINCE = {"LOAD_GLOBAL": (3, 11), "LOAD_ATTR": (3, 12)}
"""Instructions whose lowest bit is a flag (``Lib/dis.py`` of 3.11 and 3.12)."""
_FLAGS = frozenset({"IS_OP", "CONTAINS_OP"})
_PAIRS = frozenset(
    {
        "LOAD_FAST_LOAD_FAST",
        "STORE_FAST_LOAD_FAST",
        "STORE_FAST_STORE_FAST",
        "LOAD_FAST_BORROW_LOAD_FAST_BORROW",
    }
)


def _argument(name: str, kind: Argument, version: tuple[int, int]) -> Argument:
    if version >= _DOUBLED_SINCE.get(name, (9, 9)):
        return Argument.NAME_HALF
    if name == "LOAD_SUPER_ATTR":
        return Argument.NAME_QUARTER
    if name in _PAIRS:
        return Argument.LOCAL_PAIR
    if kind is Argument.FORWARD and ("BACKWARD" in name or name == "END_ASYNC_FOR"):
        return Argument.BACKWARD
    if version >= (3, 11) and (kind is Argument.FREE or name == "LOAD_DEREF"):
        return Argument.VARIABLE
    if version >= (3, 12) and kind is Argument.LOCAL:
        # An inlined comprehension (PEP 709) reaches a variable that is a cell by these too.
        return Argument.VARIABLE
    if name == "BINARY_OP":
        return Argument.OPERATOR
    return Argument.FLAG if name in _FLAGS else kind


def _table(python: str, data: dict[str, Any]) -> Table:
    major, _, minor = python.partition(".")
    version = int(major), int(minor)
    numbers: dict[str, int] = data["opcodes"]
    caches: dict[str, int] = data["caches"]
    kinds: dict[str, list[str]] = data["kinds"]
    kind_of = {name: _KINDS[kind] for kind, names in kinds.items() for name in names}
    with_argument = frozenset(data["argument"])
    names: list[str | None] = [None] * 256
    arguments, counts = [Argument.NONE] * 256, [0] * 256
    for name, number in numbers.items():
        names[number] = name
        counts[number] = caches.get(name, 0)
        if name in with_argument:
            arguments[number] = _argument(name, kind_of.get(name, Argument.PLAIN), version)
    return Table(
        python,
        version,
        tuple(names),
        numbers,
        tuple(arguments),
        tuple(counts),
        tuple(data["comparisons"]),
        tuple(symbol for _, symbol in data["operators"]),
        frozenset(data["builtins"]),
    )


def _read_tables() -> dict[str, Table]:
    text = importlib.resources.files(__package__).joinpath("opcodes.json").read_text(encoding="utf-8")
    return {python: _table(python, data) for python, data in json.loads(text).items()}


TABLES = _read_tables()
"""By version ``X.Y``, oldest first; a Python that is not among them can be named all the same (see ``candidates``)."""
