"""What Keras on Windows does to bytecode, found and undone; each pair of blobs was compiled on a drive C."""

from __future__ import annotations

import contextlib

import pytest

from modelreg.inspect.bytecode import read_bytecode
from modelreg.inspect.bytecode.marshalled import MarshalError, parse_code
from modelreg.inspect.bytecode.values import Layout

from .stored_functions import PYTHONS, lambdas, windows

UNTIL_312 = PYTHONS[:8]
"""In these, UNPACK_SEQUENCE is 92 and nothing is 47."""


def slashes_only(restored: bytes, code: bytes) -> bool:
    r"""Whether the two differ in nothing but the two slashes of the file name ``C:\x\y.py``."""
    differing = [index for index, (one, other) in enumerate(zip(restored, code, strict=True)) if one != other]
    return restored.replace(b"C:/x/y.py", b"C:\\x\\y.py") == code and len(differing) == 2


def meaning(data: bytes) -> list[tuple[object, ...]]:
    """What code objects are made of, file name and table of lines apart."""
    for layout in Layout:
        with contextlib.suppress(MarshalError):
            codes = parse_code(data, layout).all_codes
            return [(code.code.data, code.consts, code.names, code.varnames, code.flags) for code in codes]
    raise AssertionError


@pytest.mark.parametrize("name", ["unpacks", "unpacks twice"])
@pytest.mark.parametrize("python", UNTIL_312)
def test_unpacking_is_restored_to_the_byte(python: str, name: str) -> None:
    """Instruction 92 became 47, which is none: there is one way back, and it is the original."""
    code, mangled = windows(python)[name]
    found, original = read_bytecode(mangled), read_bytecode(code)
    assert found.mangled == "undone"
    assert found.restored is not None
    assert slashes_only(found.restored, code)
    assert (found.pythons, found.source, found.bad_opcodes) == (original.pythons, original.source, ())
    assert original.mangled is None


@pytest.mark.parametrize("python", UNTIL_312)
def test_the_source_is_that_of_the_restored_code(python: str) -> None:
    """``a, b = inputs`` stands behind the instruction that Windows broke."""
    assert read_bytecode(windows(python)["unpacks"][1]).source == "def f(inputs):\n    a, b = inputs\n    return a * b"


@pytest.mark.parametrize("name", ["has 92", "has 47", "has a backslash"])
@pytest.mark.parametrize("python", PYTHONS)
def test_a_constant_that_may_have_been_another_is_told_as_possible(python: str, name: str) -> None:
    """47 may have been 92: nothing in the bytes tells, so nothing is given back and nothing is passed over."""
    found = read_bytecode(windows(python)[name][1])
    assert (found.mangled, found.restored) == ("possible", None)
    assert python in found.pythons


@pytest.mark.parametrize("python", UNTIL_312)
def test_certain_damage_beside_an_open_constant_gives_nothing_back(python: str) -> None:
    """Restoring half of it would make a function that runs and computes something else."""
    found = read_bytecode(windows(python)["unpacks and has 92"][1])
    assert (found.mangled, found.restored, found.source) == ("possible", None, None)
    assert found.bad_opcodes
    assert python in found.pythons


@pytest.mark.parametrize("python", PYTHONS)
def test_code_without_a_slash_but_in_its_file_name_was_not_harmed(python: str) -> None:
    """No byte that matters is 0x2F, so none was changed: no warning."""
    found = read_bytecode(windows(python)["unharmed"][1])
    assert (found.mangled, found.restored) == (None, None)
    assert found.filename == "C:/x/y.py"


@pytest.mark.parametrize("python", PYTHONS)
def test_a_count_of_92_that_became_47_is_found_or_left_alone(python: str) -> None:
    """A tuple of 92 names does not even parse with 47; what comes back, if anything, is the original."""
    code, mangled = windows(python)["92 names"]
    try:
        found = read_bytecode(mangled)
    except ValueError:
        return
    assert found.mangled in ("undone", "possible")
    if found.restored is not None:
        assert meaning(found.restored) == meaning(code)


@pytest.mark.parametrize("python", PYTHONS)
def test_code_of_other_systems_is_never_called_mangled(python: str) -> None:
    """A drive's path is what tells Windows; a slash in a constant alone tells nothing."""
    assert {read_bytecode(code).mangled for _, code in lambdas(python)} == {None}


def test_damage_that_is_not_windows_is_not_restored() -> None:
    """Another instruction that nobody has is no 47."""
    data = dict(lambdas("3.9"))["lambda t: t * 2.0 + 1.0"].replace(b"|\x00", b"\x07\x00", 1)
    found = read_bytecode(data)
    assert (found.mangled, found.restored, found.bad_opcodes) == (None, None, ("7 at 0",))
