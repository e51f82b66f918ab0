"""Lifted source of any expression: the same instructions when compiled, and the same deeds when run."""

from __future__ import annotations

import dis
import marshal
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from types import CodeType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelreg.inspect.bytecode import read_bytecode

pytestmark = pytest.mark.slow


def code_of(text: str) -> CodeType:
    """The code of the one function or lambda in ``text``."""
    module = compile(text, "here.py", "exec", dont_inherit=True)
    return next(constant for constant in module.co_consts if isinstance(constant, CodeType))


def instructions(code: CodeType) -> list[object]:
    """Names and arguments of instructions, of inner functions too; constants by value, jumps by what they lead to.

    Since 3.13 two loads or stores are one instruction or two, depending on lines and on copied ends: here they are two.
    """
    found: list[tuple[str, object]] = []
    numbers: dict[int, int] = {}
    for each in dis.get_instructions(code):
        numbers[each.offset] = len(found)
        parts = re.findall("(?:LOAD|STORE)_FAST(?:_BORROW)?", each.opname) if isinstance(each.argval, tuple) else []
        if len(parts) == 2:
            found += zip(parts, each.argval, strict=True)
        elif "JUMP" in each.opname:
            found.append((each.opname, each.argval))
        else:
            inner = instructions(each.argval) if isinstance(each.argval, CodeType) else repr(each.argval)
            found.append((each.opname, inner))
    return [(name, numbers[value] if isinstance(value, int) else value) for name, value in found]


def source_of(text: str) -> str | None:
    return read_bytecode(marshal.dumps(code_of(text))).source


NAMES = st.sampled_from(["a", "b", "c", "K", "tf"])
CONSTANTS = st.sampled_from(
    ["0", "1", "-1", "2.5", "-0.0", "1e999", "'t'", "b'x'", "None", "True", "...", "(1, 2)", "3j"]
)
ARGUMENTS = st.builds("K.f({}, -1)".format, CONSTANTS)
"""A constant where the compiler does not compute with it."""
OPERATORS = st.sampled_from(["+", "-", "*", "/", "//", "%", "@", "**", "&", "|", "^", "<<", ">>"])
COMPARISONS = st.sampled_from(["<", "<=", "==", "!=", ">", ">=", "is", "is not", "in", "not in"])


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({} {} {})".format, inner, OPERATORS, inner),
        st.builds("({} {} {})".format, inner, COMPARISONS, inner),
        st.builds("({} {} {} {} {})".format, inner, COMPARISONS, inner, COMPARISONS, inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner),
        st.builds("({}{})".format, st.sampled_from(["-", "~", "+", "not "]), inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("({})({}, *{}, k={}, **{})".format, inner, inner, inner, inner, inner),
        st.builds("({}).attribute({})".format, inner, inner),
        st.builds("({})[{}:{}, ::{}]".format, inner, inner, inner, inner),
        st.builds("({})[{}]".format, inner, inner),
        st.builds("[{}, *{}]".format, inner, inner),
        st.builds("({}, {})".format, inner, inner),
        st.builds("{{{}: {}, **{}}}".format, inner, inner, inner),
        st.builds("(lambda d, e={}: {})".format, inner, inner),
    )


@pytest.mark.skipif(
    sys.version_info >= (3, 12),
    reason="copies of ends do not tell which of two spellings with conditions was the author's",
)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@settings(max_examples=200, deadline=None)
@given(st.recursive(st.one_of(NAMES, ARGUMENTS), larger, max_leaves=8))
def test_lifted_source_of_any_expression_compiles_to_the_same_instructions(expression: str) -> None:
    """There is a source, and it is the function's own: same instructions, names and constants in this interpreter."""
    code = code_of(f"lambda a, b, c: {expression}")
    found = read_bytecode(marshal.dumps(code))
    if not found.interchangeable:
        return  # a few bytes that two versions read differently, and nothing tells which of them wrote them
    assert found.source is not None
    assert instructions(code_of(found.source)) == instructions(code)


ADDRESS = re.compile(" at 0x[0-9a-f]+")


def without_conditions(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({} {} {})".format, inner, OPERATORS, inner),
        st.builds("({} {} {})".format, inner, COMPARISONS, inner),
        st.builds("({})({}, *{}, k={}, **{})".format, inner, inner, inner, inner, inner),
        st.builds("({}).attribute({})[{}:, {}]".format, inner, inner, inner, inner),
        st.builds("[{}, *{}, {{{}: {}, **{}}}]".format, inner, inner, inner, inner, inner),
        st.builds("(lambda d, e={}: {})".format, inner, inner),
    )


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@settings(max_examples=200, deadline=None)
@given(st.recursive(st.one_of(NAMES, ARGUMENTS), without_conditions, max_leaves=8))
def test_lifted_source_without_conditions_compiles_to_the_same_instructions(expression: str) -> None:
    """The same for every interpreter, where no condition stands in the expression."""
    code = code_of(f"lambda a, b, c: {expression}")
    found = read_bytecode(marshal.dumps(code))
    if found.interchangeable:
        assert found.source is not None
        assert instructions(code_of(found.source)) == instructions(code)


class Witness:
    """Writes down all that is done to it; what it answers depends only on what was done before."""

    log: list[str]

    def __init__(self, log: list[str], name: str) -> None:
        self.log = log
        self.name = name

    def __repr__(self) -> str:
        return self.name

    def __hash__(self) -> int:
        return len(self.name)

    def did(self, *what: object) -> Witness:
        self.log.append(f"{self.name} {ADDRESS.sub('', repr(what))}")
        return Witness(self.log, f"w{len(self.log)}")

    def truth(self, *what: object) -> bool:
        self.log.append(f"{self.name} {ADDRESS.sub('', repr(what))}")
        return zlib.crc32(repr(self.log).encode()) % 2 == 0

    def __bool__(self) -> bool:
        """The same answer each time, and told once: how often a value is tested in a row is not compared."""
        if f"{self.name} ('bool',)" not in self.log:
            self.log.append(f"{self.name} ('bool',)")
        return zlib.crc32(self.name.encode()) % 2 == 0

    def __contains__(self, item: object) -> bool:
        return self.truth("contains", item)

    def __iter__(self) -> Iterator[Witness]:
        return iter([self.did("first"), self.did("second")])

    def __len__(self) -> int:
        return 2

    def keys(self) -> list[str]:
        self.did("keys")
        return ["p", "q"]

    def __getattr__(self, name: str) -> Witness:
        if name.startswith("_"):
            raise AttributeError(name)
        return self.did("attribute", name)

    def __call__(self, *arguments: object, **named: object) -> Witness:
        return self.did("call", arguments, named)

    def __getitem__(self, index: object) -> Witness:
        return self.did("item", index)


def _operation(name: str) -> Callable[..., Witness]:
    return lambda self, *others: self.did(name, *others)


for _name in [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "matmul",
    "pow",
    "and",
    "or",
    "xor",
    "lshift",
    "rshift",
    "lt",
    "le",
    "eq",
    "ne",
    "gt",
    "ge",
]:
    setattr(Witness, f"__{_name}__", _operation(_name))
    setattr(Witness, f"__r{_name}__", _operation(f"r{_name}"))
for _name in ["neg", "pos", "invert"]:
    setattr(Witness, f"__{_name}__", _operation(_name))


def witnessed(text: str) -> list[str]:
    """All that the lambda ``text`` does to its arguments and globals, and how it ends."""
    log: list[str] = []
    function = eval(text, {name: Witness(log, name) for name in ("K", "tf")})
    try:
        result = function(*(Witness(log, name) for name in ("a", "b", "c")))
        log.append("lambda" if callable(result) and not isinstance(result, Witness) else ADDRESS.sub("", repr(result)))
    except Exception as error:
        log.append(f"{type(error).__name__}")
    return log


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@settings(max_examples=300, deadline=None)
@given(st.recursive(st.one_of(NAMES, CONSTANTS, ARGUMENTS), larger, max_leaves=8))
def test_lifted_source_does_the_same_when_it_is_run(expression: str) -> None:
    """Not by the normal form but by running both: each operation, each argument, each test, in the same order."""
    text = f"lambda a, b, c: {expression}"
    source = source_of(text)
    if source is not None:
        assert witnessed(source) == witnessed(text)
