"""What is told of a stored function besides its writer: names, parameters, other Pythons, the disassembly, damage."""

from __future__ import annotations

import base64
import marshal
import sys

import pytest

from modelreg.inspect import limits
from modelreg.inspect.bytecode import read_bytecode, read_stored_function
from modelreg.inspect.bytecode.opcodes import TABLES

from .stored_functions import PYTHONS, lambdas, ran, stored

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


def by_text(python: str, text: str, key: str = "lambdas") -> bytes:
    return dict(lambdas(python, key))[text]


def compiled(text: str) -> bytes:
    names: dict[str, object] = {}
    exec(compile(text, "here.py", "exec"), names)
    return marshal.dumps(names["f"].__code__)  # type: ignore[attr-defined]


@pytest.mark.parametrize("python", PYTHONS)
def test_code_that_the_interpreter_has_specialised_is_still_its_own(python: str) -> None:
    """Since 3.11 a running function's instructions change; ``marshal`` writes what they were."""
    found = read_bytecode(ran(python))
    assert python in found.pythons
    assert found.bad_opcodes == ()


@pytest.mark.parametrize("python", PYTHONS)
def test_parameters_of_every_kind_are_named(python: str) -> None:
    """Positional ones in order, and whether there are ``*rest`` and ``**more``."""
    found = read_bytecode(by_text(python, "lambda x, y=None, *rest, **more: f(x, *rest, k=y, **more)"))
    assert (found.parameters, found.argcount, found.keyword_only) == (("x", "y"), 2, ())
    assert (found.has_varargs, found.has_varkeywords) == (True, True)
    assert (found.function, found.filename) == ("<lambda>", "model.py")


def test_keyword_only_parameters_are_told_apart() -> None:
    """Their default values are never saved by Keras, so a rule needs to know of them."""
    found = read_bytecode(compiled("def f(a, b, *, c, d=1): pass"))
    assert (found.parameters, found.keyword_only, found.argcount) == (("a", "b"), ("c", "d"), 2)


@pytest.mark.parametrize("python", PYTHONS)
def test_globals_are_names_that_the_python_itself_does_not_have(python: str) -> None:
    """Those of nested functions too; ``tf`` is one, ``range``, ``len`` and attributes are none."""
    functions = dict(stored(python))
    assert read_stored_function(functions["uses_tf"]).globals == ("tf",)
    assert read_stored_function(functions["loops"]).globals == ()
    assert read_stored_function(functions["nests"]).globals == ()
    guarded = read_stored_function(functions["guarded"])
    assert guarded.globals == ()
    assert "read" in guarded.names


def test_a_name_that_only_some_candidates_have_built_in_is_kept() -> None:
    """``breakpoint`` came with 3.7; code that 3.6 can have written needs it from outside."""
    assert "breakpoint" in TABLES["3.7"].builtins - TABLES["3.6"].builtins
    data = by_text("3.6", "lambda x: x if y else z").replace(b"\xda\x01y", b"\xda\x0abreakpoint")
    assert read_bytecode(data).globals == ("breakpoint", "z")


def test_the_name_that_a_class_body_sets_itself_is_no_global() -> None:
    """``LOAD_NAME`` looks into the class first."""
    text = "def f():\n    class Inner:\n        size = 1\n        double = size * factor\n    return Inner"
    assert read_bytecode(compiled(text)).globals == ("factor",)


@pytest.mark.parametrize("python", PYTHONS)
def test_free_variables_are_those_of_the_closure(python: str) -> None:
    """In the order of ``co_freevars``; the variables that a function keeps for inner ones are none."""
    found = read_bytecode(base64.b64decode(stored(python)[-7][1]))
    assert (found.function, found.free_variables) == ("inner", ("factor", "shift"))
    outer = read_stored_function(dict(stored(python))["makes_closure"])
    assert outer.free_variables == ()


@pytest.mark.parametrize(
    ("python", "pythons", "alike"), [("3.9", ("3.8", "3.9"), ("3.10",)), ("3.10", ("3.10",), ("3.8", "3.9"))]
)
def test_code_without_jumps_runs_alike_in_3_8_to_3_10(
    python: str, pythons: tuple[str, ...], alike: tuple[str, ...]
) -> None:
    """Measured: plain arithmetic runs in all three; 3.10 counts jumps otherwise."""
    plain = read_bytecode(by_text(python, "lambda t: t * 2.0 + 1.0"))
    assert (plain.pythons, plain.runs_alike, plain.interchangeable) == (pythons, alike, True)
    assert read_bytecode(by_text(python, "lambda x: x if y else z")).runs_alike == ()


def test_a_generator_of_3_9_does_not_run_alike_in_3_10() -> None:
    """3.10 begins generators with an instruction of their own, without which the stack is off by one."""
    text = "def waits(x):\n    yield x"
    assert read_bytecode(by_text("3.9", text, "functions")).runs_alike == ()
    assert read_bytecode(by_text("3.9", "lambda: None")).runs_alike == ("3.10",)


def test_a_method_call_of_3_7_does_not_run_alike_in_3_6() -> None:
    """3.6 has no LOAD_METHOD; everything else of 3.7 it has."""
    found = read_bytecode(by_text("3.7", "lambda x: K.mean(x, axis=-1, keepdims=True)"))
    assert (found.pythons, found.runs_alike) == (("3.6", "3.7"), ())
    called = read_bytecode(by_text("3.7", "lambda x: K.expand_dims(K.sum(x, 1), -1)"))
    assert (called.pythons, called.runs_alike) == (("3.7",), ())


def test_candidates_that_read_the_code_differently_are_not_interchangeable() -> None:
    """Nobody has a table of 3.15's instructions, so nobody can say that it reads 3.14's in the same way."""
    assert not read_bytecode(by_text("3.14", "lambda t: t * 2.0 + 1.0")).interchangeable
    assert read_bytecode(by_text("3.12", "lambda t: t * 2.0 + 1.0")).interchangeable


@pytest.mark.parametrize("python", PYTHONS)
def test_the_listing_shows_each_instruction_with_what_it_refers_to(python: str) -> None:
    """One line each; constants, names and variables as text."""
    lines = read_bytecode(by_text(python, "lambda x: tf.cast(x, 'float32') / 255.0")).listing
    text = "\n".join(lines)
    assert "(tf)" in text
    assert "(cast)" in text
    assert "('float32')" in text or "(b'float32')" in text
    assert "(255.0)" in text
    assert lines[-1].split()[1] == "RETURN_VALUE"


def test_the_listing_of_a_long_function_is_empty() -> None:
    """A part would pass for the whole."""
    long = "def f(x):\n" + "".join(f"    x = x + {index}.5\n" for index in range(limits.LISTING_LINES_MAX // 4 + 1))
    assert read_bytecode(compiled(long)).listing == ()


def test_a_long_constant_is_cut_off_in_the_listing() -> None:
    """What a line takes is bounded."""
    lines = read_bytecode(compiled("def f(): return " + repr("x" * 100_000))).listing
    assert max(map(len, lines)) < limits.LISTING_VALUE_LENGTH_MAX + 60


@pytest.mark.parametrize("python", PYTHONS[:-1])
def test_an_instruction_that_no_candidate_has_is_told_with_the_layouts_pythons(python: str) -> None:
    """Damage is no exception, and rules no version out: the true writer stays among the answers."""
    code = by_text(python, "lambda t: t * 2.0 + 1.0")
    first = {"2.7": b"|\0\0", "3.11": b"|\0", "3.12": b"|\0", "3.13": b"U\0"}.get(python, b"|\0")
    data = bytearray(code)
    data[code.index(first)] = 253
    found = read_bytecode(bytes(data))
    assert python in found.pythons
    assert len(found.bad_opcodes) == 1
    assert found.bad_opcodes[0].startswith("253 at ")
    assert (found.listing, found.source, found.runs_alike) == ((), None, ())


def test_an_argument_out_of_range_is_told_as_bad() -> None:
    """A constant that is not there would read beyond the tuple."""
    data = by_text("3.9", "lambda t: t * 2.0 + 1.0").replace(b"d\x01", b"d\x77", 1)
    found = read_bytecode(data)
    assert (found.pythons, found.bad_opcodes) == (("3.8", "3.9"), ("100 at 2",))


def test_a_jump_into_the_middle_of_an_instruction_is_told_as_bad() -> None:
    """The interpreter would run an argument as an instruction."""
    data = by_text("3.9", "lambda x: x if y else z").replace(b"r\x08", b"r\x07", 1)
    assert read_bytecode(data).bad_opcodes == ("114 at 2",)


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_a_cache_that_is_not_zero_is_told_as_bad(python: str) -> None:
    """The compiler leaves caches empty, and ``marshal`` empties those of a running function."""
    data = bytearray(by_text(python, "lambda t: t * 2.0 + 1.0"))
    operator = {"3.11": b"z\x05", "3.12": b"z\x05", "3.13": b"-\x05", "3.14": b",\x05"}[python]
    data[data.index(operator) + 2] = 1
    found = read_bytecode(bytes(data))
    assert python in found.pythons
    assert found.bad_opcodes or "3.15" in found.pythons


def test_a_slice_as_a_constant_is_of_3_14_or_later() -> None:
    """Marshal had no type for slices before."""
    data = compiled("def f(x): return x[1:2]") if OWN == "3.14" else by_text("3.14", "lambda x: x[:, 0:10]")
    assert read_bytecode(data).pythons == ("3.14", "3.15")


@pytest.mark.parametrize(
    ("text", "instructions", "expected"),
    [
        (b"u", b"|\0\0S", ("3.0", "3.1", "3.2", "3.3")),
        (b"z", b"|\0\0S", ("3.4", "3.5")),
        (b"z", b"|\0S\0", ("3.6", "3.7")),
        (b"u", b"|\0S\0", ("3.6", "3.7")),
    ],
)
def test_pythons_3_0_to_3_5_are_told_by_their_text_and_the_length_of_instructions(
    text: bytes, instructions: bytes, expected: tuple[str, ...]
) -> None:
    """Written here by the layout of ``marshal.c``, for no interpreter of these is at hand: ``lambda x: x``.

    A name beyond ASCII is of type ``u`` in 3.6 too, so the type alone rules 3.6 out no more.
    """

    def name(value: bytes) -> bytes:
        return text + (len(value).to_bytes(1, "little") if text == b"z" else len(value).to_bytes(4, "little")) + value

    def many(*items: bytes) -> bytes:
        return b"(" + len(items).to_bytes(4, "little") + b"".join(items)

    counts = b"".join(count.to_bytes(4, "little") for count in (1, 0, 1, 1, 67))
    parts = [b"s" + len(instructions).to_bytes(4, "little") + instructions, many(b"N"), many(), many(name(b"x"))]
    code = b"c" + counts + b"".join([*parts, many(), many(), name(b"f.py"), name(b"f")]) + b"\1\0\0\0" + b"s\0\0\0\0"
    found = read_bytecode(code)
    assert (found.pythons, found.bad_opcodes, found.parameters) == (expected, (), ("x",))


def test_code_longer_than_what_is_walked_keeps_all_versions_of_its_layout() -> None:
    """The bound costs precision, never the true version."""
    body = "    x = x + 1\n" * (limits.BYTECODE_WALKED_BYTES_MAX // 8)
    found = read_bytecode(compiled("def f(x):\n" + body))
    assert OWN in found.pythons
    assert (found.listing, found.bad_opcodes, found.source) == ((), (), None)
