"""NumPy archives: headers are read, arrays are not, and nothing is unpickled."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.facts import HazardKind
from modelreg.inspect.npz import npz_hazards


def kinds(data: bytes) -> list[HazardKind]:
    return [hazard.kind for hazard in npz_hazards(io.BytesIO(data), len(data), where="w.npz")]


def npz(**arrays: object) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def npy(header: str, version: int = 1) -> bytes:
    text = header.encode()
    length = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + text


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.npy", content)
    return out.getvalue()


def test_numbers_are_harmless() -> None:
    """Plain and structured types, scalars and empty arrays."""
    structured = np.zeros(3, dtype=[("a", "<f4", (2, 2)), ("b", [("c", "u1")])])
    text = np.array(["é"])
    assert kinds(npz(a=np.ones((3, 4), np.float32), b=np.int64(3), c=np.zeros((0, 9)), d=structured, e=text)) == []


def test_an_array_of_objects_is_told() -> None:
    """Whole, or as a field of a structured type."""
    objects = np.array([{"x": 1}], dtype=object)
    fields = np.zeros(1, dtype=[("a", "f4"), ("b", "O")])
    assert kinds(npz(good=np.ones(3), bad=objects)) == [HazardKind.PICKLED_ARRAY]
    assert kinds(npz(bad=fields)) == [HazardKind.PICKLED_ARRAY]


def test_an_object_type_that_is_spelled_by_escapes_is_told() -> None:
    """The header is a Python literal, and NumPy reads it as one."""
    header = "{'\\x64escr': '\\x7cO', 'fortran_order': False, 'shape': (1,), }"
    assert kinds(zipped(npy(header))) == [HazardKind.PICKLED_ARRAY]


def test_a_bare_pickle_is_told() -> None:
    """NumPy takes what is neither an archive nor an array for a pickle."""
    assert kinds(b"\x80\x04\x95\x00") == [HazardKind.PICKLED_ARRAY]


def test_a_shape_far_beyond_what_is_stored_is_told() -> None:
    """By header only: nothing is allocated."""
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000), }"
    assert kinds(zipped(npy(header))) == [HazardKind.OVERSIZED_DATASET]
    assert kinds(npy(header, version=3)) == [HazardKind.OVERSIZED_DATASET]


@pytest.mark.parametrize(
    "header",
    [
        "", "{", "[]", "{'descr': '<f8'}", "{'descr': '<f8', 'shape': (-1,)}", "{'descr': '<f8', 'shape': 3}",
        "{'descr': 7, 'shape': ()}", "{'descr': '?!', 'shape': ()}", "{'descr': [7], 'shape': ()}",
        "-" * 9_000 + "1", "(" * 9_000, "x" * 20_000, "__import__('os')",
    ],
)  # fmt: skip
def test_a_header_that_is_none_is_told(header: str) -> None:
    """Bounded in length and depth."""
    assert kinds(npy(header)) == [HazardKind.TOO_MUCH]


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_give_hazards_and_never_an_exception(data: bytes, magic: bool) -> None:
    kinds((b"\x93NUMPY\x01\x00" if magic else b"") + data)
    kinds(zipped((b"\x93NUMPY\x01\x00" if magic else b"") + data))


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_archive_gives_hazards_and_never_an_exception(at: int, value: int) -> None:
    data = bytearray(npz(a=np.ones((3, 4), np.float32), b=np.zeros(2)))
    data[at % len(data)] = value
    kinds(bytes(data))
    kinds(bytes(data[: at % len(data)]))
