"""TensorFlow Lite files, by those that TensorFlow 2.20's converter wrote."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from modelreg.facts import Container, CustomObject, Facts, Graph, HazardKind, Operator
from modelreg.inspect.source import SourceFile
from modelreg.inspect.tflite import read_tflite
from modelreg.inspect.tflite_operators import operator_name
from modelreg.inspect.values import Values
from modelreg.records import canonical_json, to_json

MODELS = Path(__file__).parents[2] / "models" / "tf220"
PLAIN = (MODELS / "plain.tflite").read_bytes()


def read(data: bytes) -> Facts:
    return read_tflite(SourceFile("m.tflite", len(data), io.BytesIO(data)))


def test_the_bytes_at_the_extents_are_the_tensors_values() -> None:
    """The digests are those of the values that TensorFlow Lite's own interpreter returned for this file."""
    facts = read(PLAIN)
    found = {}
    for tensor in facts.tensors:
        (extent,) = tensor.extents
        digest = hashlib.sha256(PLAIN[extent.offset : extent.offset + extent.size_bytes]).hexdigest()[:16]
        found[tensor.path] = (tensor.shape, tensor.dtype, digest)
    assert found == {
        "arith.constant": ((1, 8), "float32", "fb6477f5bc76db65"),
        "sequential_1/hidden_1/MatMul": ((8, 10), "float32", "303827d68f00e0ed"),
    }
    assert (facts.container, facts.hazards, facts.defects, facts.custom_objects) == (Container.TFLITE, (), (), ())


@pytest.mark.parametrize(
    ("name", "operator", "module"),
    [("custom", "Erfinv", None), ("flex", "FlexMatrixDeterminant", "tensorflow")],
)
def test_operators_that_the_reader_must_bring_are_named(name: str, operator: str, module: str | None) -> None:
    """Those of the application have no module; TensorFlow's own come with TensorFlow."""
    facts = read((MODELS / f"{name}.tflite").read_bytes())
    assert facts.custom_objects == (CustomObject(operator, "object", "operator code 0", module),)
    assert not facts.defects


def test_a_flex_operator_that_reads_files_is_a_hazard() -> None:
    """The operator's name, here changed in place to one of the same length, decides."""
    data = (MODELS / "flex.tflite").read_bytes().replace(b"FlexMatrixDeterminant", b"FlexMatchingFiles\0\0\0\0")
    data = data.replace(
        (21).to_bytes(4, "little") + b"FlexMatchingFiles", (17).to_bytes(4, "little") + b"FlexMatchingFiles"
    )
    assert [hazard.kind for hazard in read(data).hazards] == [HazardKind.EXECUTABLE_OP]


@pytest.mark.parametrize("size", [0, 3, 4, 8, 20, 100, 700, len(PLAIN) - 1])
def test_a_cut_off_file_is_damaged_or_keeps_its_tensors(size: int) -> None:
    """Whatever is missing, no extent lies beyond the end."""
    facts = read(PLAIN[:size])
    assert facts.defects or facts.tensors
    assert all(extent.offset + extent.size_bytes <= size for tensor in facts.tensors for extent in tensor.extents)


def test_another_schema_version_is_refused() -> None:
    """A file that says it is of another version is not read by this one's rules."""
    facts = read(b"\x10\0\0\0TFL3" + b"\0\0" + b"\x06\0\x08\0\x04\0" + b"\x06\0\0\0" + b"\x09\0\0\0")
    assert "schema version is 9" in facts.defects[0].detail


@given(st.data())
def test_mutated_files_are_read_or_told_to_be_damaged(data: st.DataObject) -> None:
    """No mutation raises; the facts can be written down, and every extent stays within the file."""
    damaged = bytearray(PLAIN)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    facts = read(bytes(damaged))
    assert canonical_json(to_json(facts))
    for tensor in facts.tensors:
        assert all(extent.offset + extent.size_bytes <= len(damaged) for extent in tensor.extents)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_told_to_be_damaged(data: bytes) -> None:
    """Random bytes behind the right mark raise nothing."""
    assert read(data[:4] + b"TFL3" + data[4:]).container is Container.TFLITE


def test_digests_are_over_the_values_of_the_interpreter() -> None:
    """The same values that TensorFlow Lite's own interpreter returned, as the extents' test has them."""
    facts = read_tflite(SourceFile("m.tflite", len(PLAIN), io.BytesIO(PLAIN)), values=Values(1 << 30))
    assert len(facts.tensors) == 2
    for tensor in facts.tensors:
        (extent,) = tensor.extents
        values = PLAIN[extent.offset : extent.offset + extent.size_bytes]
        assert tensor.digest == blake3(values).hexdigest()


@pytest.mark.parametrize(
    ("name", "operator"),
    [
        ("plain", Operator("FULLY_CONNECTED", version=1)),
        ("custom", Operator("Erfinv", "custom", 1)),
        ("flex", Operator("FlexMatrixDeterminant", "flex", 1)),
    ],
)
def test_operators_are_told_with_their_versions(name: str, operator: Operator) -> None:
    """Built in, the application's own, and TensorFlow's."""
    facts = read((MODELS / f"{name}.tflite").read_bytes())
    assert facts.graph == Graph((operator,), format_version=3)


def test_the_names_of_built_in_operators_are_the_schemas() -> None:
    """The first, the custom one, and the last of TensorFlow 2.20; later numbers are told as numbers."""
    assert [operator_name(number) for number in (0, 9, 32, 209, 210, -1)] == [
        "ADD",
        "FULLY_CONNECTED",
        "CUSTOM",
        "STABLEHLO_CASE",
        "BUILTIN-210",
        "BUILTIN--1",
    ]
