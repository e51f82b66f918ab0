"""Which Pythons can have written a stored function, told without running it."""

from __future__ import annotations

import base64
import contextlib
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.inspect.bytecode import BytecodeError, StoredFunction, read_bytecode, read_stored_function
from modelreg.inspect.bytecode.marshalled import MarshalError, parse_code
from modelreg.inspect.bytecode.values import Layout

from .stored_functions import ALL_BLOBS, PYTHONS, stored

EXPECTED = {
    "2.7": {("2.7",)},
    "3.6": {("3.6", "3.7")},
    "3.7": {("3.6", "3.7"), ("3.7",)},
    "3.8": {("3.8", "3.9"), ("3.8",)},
    "3.9": {("3.8", "3.9"), ("3.9",)},
    "3.10": {("3.10",)},
    "3.11": {("3.11", "3.12"), ("3.11",)},
    "3.12": {("3.11", "3.12"), ("3.12",)},
    "3.13": {("3.13",)},
    "3.14": {("3.14", "3.15")},
}


@pytest.mark.parametrize("python", PYTHONS)
def test_every_function_names_its_writer_and_only_pythons_with_the_same_instructions(python: str) -> None:
    """The true writer is among the answers, for each of 20 functions of each interpreter, and alone where it can be."""
    assert {read_stored_function(text).pythons for _, text in stored(python)} == EXPECTED[python]


@pytest.mark.parametrize("python", PYTHONS)
def test_the_names_that_a_function_uses_are_found(python: str) -> None:
    """Globals and attributes, those of nested functions too, sorted."""
    functions = dict(stored(python))
    assert read_stored_function(functions["uses_tf"]).names == ("l2_normalize", "nn", "tf")
    assert {"open", "read", "str"} <= set(read_stored_function(functions["guarded"]).names)
    assert "method" in read_stored_function(functions["nests"]).names


@pytest.mark.parametrize("python", PYTHONS)
def test_line_breaks_in_base64_do_not_matter(python: str) -> None:
    """Keras writes base64 with a line break every 76 characters."""
    for _, text in stored(python):
        wrapped = base64.encodebytes(base64.b64decode(text)).decode("ascii")
        assert read_stored_function(wrapped) == read_stored_function(text)


@pytest.mark.parametrize("python", PYTHONS)
def test_raw_bytes_as_latin_1_text_are_read_where_base64_fails(python: str) -> None:
    """``func_load`` runs such text; a reader that knows base64 only would not see the code at all."""
    for _, text in stored(python):
        raw = base64.b64decode(text).decode("latin-1")
        assert read_stored_function(raw) == read_stored_function(text)


@pytest.mark.parametrize("python", PYTHONS)
def test_every_truncation_and_every_appended_byte_is_unreadable(python: str) -> None:
    """Exactly the whole code object is read, to its last byte."""
    data = base64.b64decode(stored(python)[0][1])
    for end in range(len(data)):
        with pytest.raises(BytecodeError):
            read_bytecode(data[:end])
    with pytest.raises(BytecodeError):
        read_bytecode(data + b"\0")


def test_resume_128_is_python_3_14_or_later() -> None:
    """The number of RESUME tells; the bytes are those of 3.13 with that one instruction renumbered.

    The rest is nothing that 3.14 writes, but a 3.15 may, of which no table is known: so nothing is called bad.
    """
    data = base64.b64decode(dict(stored("3.13"))["plain"])
    found = read_bytecode(data.replace(b"\x95\x00", b"\x80\x00", 1))
    assert (found.pythons, found.bad_opcodes) == (("3.14", "3.15"), ())


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"N", id="None alone"),
        pytest.param(b"c" + b"\xff\xff\xff\x7f" * 40, id="forged counts"),
        pytest.param(b"(" + b"\xff\xff\xff\x7f" + b"N" * 10, id="a tuple of two thousand million"),
        pytest.param(b"(\x01\0\0\0" * 100_000, id="nesting of 100,000"),
        pytest.param(b"\xa9\x01r\0\0\0\0", id="a tuple that holds itself"),
        pytest.param(b"{" * 50_000, id="unclosed mappings"),
        pytest.param(b"l\0\0\0\x80", id="a long of the smallest size"),
        pytest.param(b"[" + (10_000_000).to_bytes(4, "little") + b"N" * 10_000_000, id="more objects than are read"),
    ],
)
def test_a_hostile_blob_is_refused_at_little_cost(data: bytes) -> None:
    """No length is believed: memory stays below 1 MiB more than the blob itself."""
    tracemalloc.start()
    try:
        with pytest.raises(BytecodeError):
            read_bytecode(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**20


def test_shared_references_do_not_multiply_the_work() -> None:
    """Tuples of references to tuples of references ... stand for 2**50 objects and are read once each."""
    bomb = b"\xa9\x00"
    for index in range(50):
        bomb = b"\xa9\x02" + bomb + b"r" + (50 - index).to_bytes(4, "little")
    with pytest.raises(BytecodeError):
        read_bytecode(bomb)


@given(st.binary(max_size=400))
def test_any_bytes_are_an_answer_or_a_bytecode_error(data: bytes) -> None:
    """Nothing else is ever raised, and nothing of another type returned."""
    check(data)


@given(
    st.sampled_from(ALL_BLOBS),
    st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_any_mutation_is_an_answer_or_a_bytecode_error(blob: bytes, changes: list[tuple[int, int]]) -> None:
    """The same for real functions with up to eight bytes changed, which reach deeper."""
    data = bytearray(blob)
    for offset, value in changes:
        data[offset % len(data)] = value
    check(bytes(data))


@given(st.sampled_from(ALL_BLOBS), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_any_change_of_instructions_is_an_answer(blob: bytes, changes: list[tuple[float, int]]) -> None:
    """Arguments out of range, jumps to anywhere, stacks that do not fit: damage is told, or nothing is."""
    for layout in Layout:
        with contextlib.suppress(MarshalError):
            code = parse_code(blob, layout).code.code
            data = bytearray(blob)
            for where, value in changes:
                data[code.offset + int(where * (len(code.data) - 1))] = value
            assert read_bytecode(bytes(data)).pythons


@given(st.text(max_size=300))
def test_any_text_is_an_answer_or_a_bytecode_error(text: str) -> None:
    """The text of a configuration may be anything, lone surrogates included."""
    with contextlib.suppress(BytecodeError):
        assert read_stored_function(text).pythons


def check(data: bytes) -> None:
    try:
        found = read_bytecode(data)
    except BytecodeError:
        return
    assert isinstance(found, StoredFunction)
    assert found.pythons
    assert all(isinstance(name, str) for name in found.names)
