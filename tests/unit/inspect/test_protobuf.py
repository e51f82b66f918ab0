"""The protocol buffers wire format."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.inspect.protobuf import Budget, Field, ProtobufError, Wire, fields, read_varint


def varint(number: int) -> bytes:
    """Encode an unsigned number, for the tests' own messages."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def read(data: bytes, budget: Budget | None = None) -> list[Field]:
    return list(fields(memoryview(data), budget or Budget()))


def test_the_example_of_the_specification_reads_as_it_says() -> None:
    """``08 96 01`` is field 1 with the number 150 (protobuf.dev, "A Simple Message")."""
    (field,) = read(b"\x08\x96\x01")
    assert (field.number, field.wire, field.uint, field.offset) == (1, Wire.VARINT, 150, 1)


def test_text_fixed_and_packed_fields_read_with_their_offsets() -> None:
    """Every wire type is read, and ``offset`` is where the value itself begins."""
    message = (
        b"\x12\x07testing\x1d\x01\x00\x00\x00\x21" + (7).to_bytes(8, "little") + b"\x32\x06\x03\x8e\x02\x9e\xa7\x05"
    )
    text, fixed32, fixed64, packed = read(message)
    assert (text.text(), text.offset) == ("testing", 2)
    assert (fixed32.uint, fixed32.wire, fixed32.offset) == (1, Wire.FIXED32, 10)
    assert (fixed64.uint, fixed64.wire, fixed64.offset) == (7, Wire.FIXED64, 15)
    assert list(packed.varints()) == [3, 270, 86942]


def test_an_unpacked_element_reads_like_a_packed_one() -> None:
    """A repeated number is legal in both forms."""
    (field,) = read(b"\x08\x05")
    assert list(field.varints()) == [5]


@given(st.integers(min_value=-(2**63), max_value=2**63 - 1))
def test_int64_reads_back_in_twos_complement(number: int) -> None:
    """Negative numbers are ten bytes long and come back negative."""
    (field,) = read(b"\x08" + varint(number % 2**64))
    assert field.int64 == number


@given(st.integers(min_value=0, max_value=2**64 - 1), st.binary(max_size=5))
def test_varints_read_back_and_end_where_they_end(number: int, behind: bytes) -> None:
    """Whatever stands behind a number is not part of it."""
    data = varint(number)
    assert read_varint(memoryview(data + behind), 0) == (number, len(data))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x08", "cut off by the end"),
        (b"\x08\x80", "cut off by the end"),
        (b"\x08" + b"\xff" * 9 + b"\x02", "more than 64 bits"),
        (b"\x08" + b"\x80" * 10 + b"\x00", "more than 64 bits"),
        (b"\x0a\x05abc", "5 bytes long, but 3 remain"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7fabc", "bytes long, but 3 remain"),
        (b"\x0d\x01", "4 bytes long, but 1 remain"),
        (b"\x09\x01", "8 bytes long, but 1 remain"),
        (b"\x0b", "wire type 3 of field 1"),
        (b"\x0f\x00", "wire type 7 of field 1"),
        (b"\x00\x00", "field number 0"),
        (b"\xf8\xff\xff\xff\xff\x01\x00", "out of range"),
    ],
)
def test_damaged_messages_are_refused_with_the_reason(data: bytes, reason: str) -> None:
    """Each way of being damaged is a ``ProtobufError`` that says which."""
    with pytest.raises(ProtobufError, match=reason):
        read(data)


def test_a_number_is_not_bytes_and_bytes_are_no_number() -> None:
    """A field of another wire type than the schema's is refused where it is used."""
    number, text = read(b"\x08\x01\x12\x01a")
    with pytest.raises(ProtobufError, match="a number where bytes belong"):
        _ = number.data
    with pytest.raises(ProtobufError, match="bytes where a number belongs"):
        _ = text.uint


def test_the_number_of_fields_is_bounded_over_all_messages() -> None:
    """One budget serves any number of messages and ends all of them."""
    budget = Budget(remaining=3)
    assert len(read(b"\x08\x01" * 2, budget)) == 2
    with pytest.raises(ProtobufError, match="more than"):
        read(b"\x08\x01" * 2, budget)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """No input raises anything but ``ProtobufError``, and no field reaches beyond the input."""
    try:
        found = read(data)
    except ProtobufError:
        return
    for field in found:
        size = 0 if isinstance(field.value, int) else len(field.value)
        assert 0 < field.offset <= field.offset + size <= len(data)
        assert list(field.varints()) if field.wire is Wire.VARINT else True
