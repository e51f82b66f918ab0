"""The source of stored functions, and the proof that it is theirs."""

from __future__ import annotations

import base64
import marshal
import struct
import subprocess
import sys
import warnings
from dataclasses import replace
from types import CodeType

import pytest

from modelreg.inspect.bytecode import read_bytecode
from modelreg.inspect.bytecode.lifting import lifted_source
from modelreg.inspect.bytecode.marshalled import parse_code
from modelreg.inspect.bytecode.opcodes import TABLES
from modelreg.inspect.bytecode.proof import normal_form
from modelreg.inspect.bytecode.statements import name_text
from modelreg.inspect.bytecode.symbolic import Unsupported
from modelreg.inspect.bytecode.values import Blob, Layout

from .stored_functions import PYTHONS, lambdas

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
NOT_THE_TEXT = {
    "lambda x, y=None, *rest, **more: f(x, *rest, k=y, **more)": "lambda x, y, *rest, **more: f(x, *rest, k=y, **more)",
}
"""Defaults of the function itself are no part of its code."""


def code_of(text: str) -> CodeType:
    """The code of the one function or lambda in ``text``."""
    module = compile(text, "here.py", "exec", dont_inherit=True)
    return next(constant for constant in module.co_consts if isinstance(constant, CodeType))


def source_of(text: str) -> str | None:
    return read_bytecode(marshal.dumps(code_of(text))).source


def form(text: str) -> str:
    return normal_form(parse_code(marshal.dumps(code_of(text)), Layout.PY311).code, TABLES[OWN])


@pytest.mark.parametrize("python", PYTHONS)
def test_lambdas_of_every_python_lift_to_the_text_that_was_compiled(python: str) -> None:
    """Twenty Lambdas as Keras users write them, character for character."""
    lifted = {text: read_bytecode(code).source for text, code in lambdas(python)}
    assert {text: NOT_THE_TEXT.get(text, text) for text in lifted} == lifted


@pytest.mark.parametrize("python", PYTHONS)
def test_functions_of_straight_statements_lift_to_the_text_that_was_compiled(python: str) -> None:
    """Assignments, unpacking, calls for their effect, and a return; the docstring too."""
    lifted = {text: read_bytecode(code).source for text, code in lambdas(python, "functions")}
    assert {text: None if "yield" in text else text for text in lifted} == lifted


@pytest.mark.parametrize(
    "text",
    [
        "def f(x):\n    for y in x:\n        x = y\n    return x",
        "def f(x):\n    try:\n        return g(x)\n    except ValueError:\n        return x",
        "def f(x):\n    with x:\n        return g(x)",
        "def f(x):\n    yield x",
        "async def f(x):\n    return x",
        "def f(x):\n    x.a = 1\n    return x",
        "def f(x):\n    if x:\n        y = 1\n    else:\n        y = 2\n        z = 3\n    return y + z",
        "def f(x):\n    import os\n    return os.system(x)",
    ],
)
def test_what_is_no_plain_expression_has_no_source(text: str) -> None:
    """No text is better than a text without proof."""
    assert source_of(text) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("lambda a, b: a - b", "lambda a, b: b - a"),
        ("lambda a: a + 0.0", "lambda a: a + -0.0"),
        ("lambda a: a + 1", "lambda a: a + True"),
        ("lambda a: a + 1", "lambda a: a + 1.0"),
        ("lambda a: g('x')", "lambda a: g(b'x')"),
        ("lambda a, b: a and b", "lambda a, b: a or b"),
        ("lambda a, b: g() or b", "lambda a, b: g() if g() else b"),
        ("lambda a: a < f() < 2", "lambda a: a < f() and f() < 2"),
        ("lambda a, b: a if g else b", "lambda a, b: b if g else a"),
        ("lambda a: f(a) + g(a)", "lambda a: g(a) + f(a)"),
        ("lambda a: f(x=a, y=g)", "lambda a: f(y=a, x=g)"),
        ("lambda a: f(*a)", "lambda a: f(a)"),
        ("lambda a: f(**a)", "lambda a: f(*a)"),
        ("lambda a: a[1:2]", "lambda a: a[1:2:1]"),
        ("lambda a: a[1, 2]", "lambda a: a[1][2]"),
        ("lambda a: (a,)", "lambda a: [a]"),
        ("lambda a: not a", "lambda a: a"),
        ("lambda a: a is None", "lambda a: a is not None"),
        ("lambda a, b: a", "lambda b, a: a"),
        ("lambda a: a", "lambda *a: a"),
        ("lambda a: lambda b: a", "lambda a: lambda b: b"),
        ("lambda a: lambda b=1: b", "lambda a: lambda b=2: b"),
        ("def f(a):\n    b = a\n    a = g\n    return b", "def f(a):\n    a = g\n    b = a\n    return b"),
        ("def f(a):\n    b, c = a\n    return b", "def f(a):\n    c, b = a\n    return b"),
    ],
)
def test_functions_that_do_different_things_have_different_normal_forms(one: str, other: str) -> None:
    """The proof would fail, so a wrong source is never told."""
    assert form(one) != form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("lambda a, b, c: a and b and c", "lambda a, b, c: a and (b and c)"),
        ("lambda a, b, c: b if not a else c", "lambda a, b, c: c if a else b"),
        ("lambda a: [1, 2, 3]", "lambda a: [1,2,3]"),
        ("def f(a):\n    if a:\n        return 1\n    return 2", "def f(a):\n    return 1 if a else 2"),
        ("lambda a, b: 1 if not (a or b) else 2", "lambda a, b: 1 if not a and not b else 2"),
    ],
)
def test_spellings_of_the_same_operations_have_one_normal_form(one: str, other: str) -> None:
    """The form says what is done, not how it was written."""
    assert form(one) == form(other)


@pytest.mark.parametrize("python", PYTHONS)
def test_equal_lambdas_of_different_pythons_have_one_normal_form(python: str) -> None:
    """The form does not depend on the version, which is what lets one interpreter prove code of another."""
    for text, code in lambdas(python):
        layout = {"2.7": Layout.PY2, "3.6": Layout.PY30, "3.7": Layout.PY30}.get(
            python, Layout.PY38 if python in ("3.8", "3.9", "3.10") else Layout.PY311
        )
        assert normal_form(parse_code(code, layout).code, TABLES[python]) == form(text)


@pytest.mark.parametrize("name", [b"a b", b"a;b", b"if\0", b"a\nb", b"a=b", b"1ab", b"a#b"])
def test_a_name_that_is_no_identifier_never_gets_into_source(name: bytes) -> None:
    """A forged name could otherwise carry a statement into text that somebody runs."""
    code = marshal.dumps(code_of("lambda xyz: xyz.abc + abc"))
    assert b"\x03abc" in code
    forged = code.replace(b"\x03abc", bytes([len(name)]) + name)
    assert read_bytecode(forged).source is None


@pytest.mark.parametrize("name", ["a b", "a;b", "if", "None", "1a", "", "a\n", ".0", "a\u00b7 "])
def test_the_writer_of_source_refuses_names_that_are_none(name: str) -> None:
    """Before anything is compiled."""
    with pytest.raises(Unsupported):
        name_text(name)


def test_a_source_that_compiles_to_something_else_is_not_told() -> None:
    """The compiler reads the ligature as two letters, so the text would look up another name: only the proof sees it."""
    code = marshal.dumps(code_of("lambda x: x + abc"), 2)
    forged = code.replace(b"u\3\0\0\0abc", b"u\3\0\0\0\xef\xac\x81")
    found = read_bytecode(forged)
    assert (found.globals, found.source) == (("\ufb01",), None)
    assert read_bytecode(code).source == "lambda x: x + abc"


def test_the_source_is_found_where_no_file_can_be_opened() -> None:
    """The inspecting child is confined by then; the compiler must not want to import anything."""
    program = (
        "import codecs, sys; from modelreg.inspect.bytecode import read_stored_function;"
        "codecs.lookup('raw_unicode_escape');"  # as child.py does
        "from modelreg.inspect.confine import confine; confine();"
        "print(ascii(read_stored_function(sys.argv[1]).source))"
    )
    text = "lambda x: \u00fcber(x) if x is 1 else f'{x!r}'"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stored = base64.b64encode(marshal.dumps(code_of(text))).decode()
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", program, stored],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (done.stdout.strip(), done.stderr) == (ascii(text), "")


def test_many_conditions_end_the_search_instead_of_time() -> None:
    """Paths double with each condition; the bound is reached, and the function has no source."""
    assert (
        source_of("lambda " + "x: [" + ", ".join(f"a{index} if b{index} else c{index}" for index in range(30)) + "]")
        is None
    )


def test_shared_constants_are_not_written_out() -> None:
    """Tuples of references to tuples stand for 2**50 values in 400 bytes; no text is made of them."""
    bomb = b"\xa9\x02NN"
    code = marshal.dumps(code_of("lambda a: (a, 1.5)"), 2)
    for level in range(50):
        bomb = b"\xa9\x02" + bomb + b"r" + (50 - level).to_bytes(4, "little")
    number = b"g" + struct.pack("<d", 1.5)
    assert number in code
    found = read_bytecode(code.replace(number, bomb))
    assert (found.source, found.bad_opcodes) == (None, ())
    assert "(((...)" in "".join(found.listing)


@pytest.mark.parametrize("python", ["3.8", "3.11", "3.13"])
def test_a_chain_of_jumps_ends_the_search_instead_of_the_stack(python: str) -> None:
    """Each jump to the next one would be a call within a call."""
    table, code = TABLES[python], dict(lambdas(python))["lambda x: x if y else z"]
    layout = Layout.PY38 if python == "3.8" else Layout.PY311
    parsed = parse_code(code, layout).code
    jump = bytes([table.numbers["JUMP_FORWARD"], 0]) * 390
    place = parsed.code.data.index(table.numbers["LOAD_FAST"].to_bytes(1, "little"), 4)
    long = replace(parsed, code=Blob(0, parsed.code.data[:place] + jump + parsed.code.data[place:]))
    assert lifted_source(long, table) is None


def test_a_tower_of_copies_ends_the_search_instead_of_memory() -> None:
    """Each line doubles the text of the one before, though not the instructions."""
    lines = "".join(f"    x{index + 1} = (x{index}, x{index})\n" for index in range(60))
    assert source_of(f"def f(x0):\n{lines}    return x60") is not None
    with pytest.raises(Unsupported):
        form("lambda a: " + "(" * 60 + "a" + ",)" * 60)
