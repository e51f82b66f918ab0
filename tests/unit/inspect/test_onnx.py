"""ONNX files, by those that the onnx package wrote."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from modelreg.facts import Container, CustomObject, Facts, HazardKind, Operator
from modelreg.inspect import limits
from modelreg.inspect.onnx import looks_like_onnx, read_onnx
from modelreg.inspect.source import SourceFile
from modelreg.inspect.values import Values
from modelreg.records import canonical_json, to_json

MODELS = Path(__file__).parents[2] / "models"
PLAIN = (MODELS / "onnx" / "plain.onnx").read_bytes()


def read(data: bytes) -> Facts:
    return read_onnx(SourceFile("m.onnx", len(data), io.BytesIO(data)))


def test_the_bytes_at_the_extents_are_the_initializers_values() -> None:
    """The digests are those of the values that the onnx package returned for this file."""
    facts = read(PLAIN)
    found = {}
    for tensor in facts.tensors:
        (extent,) = tensor.extents
        values = PLAIN[extent.offset : extent.offset + extent.size_bytes]
        found[tensor.path] = (tensor.shape, tensor.dtype, hashlib.sha256(values).hexdigest()[:16])
    packed = hashlib.sha256(b"\xff" * 9 + b"\x01" + b"\x01").hexdigest()[:16]  # -1 and 1 as varints, not as raw data
    assert found == {
        "hidden.kernel": ((10, 8), "float32", "2909ac6f3b2958e1"),
        "hidden.bias": ((8,), "float32", "13bb9fb7076e99ac"),
        "out.kernel": ((8, 1), "float32", "d2857c1f06c1b9b2"),
        "out.bias": ((1,), "float32", "031498fd335fa383"),
        "shape": ((2,), "int64", packed),
    }
    assert (facts.container, facts.hazards, facts.defects, facts.custom_objects) == (Container.ONNX, (), (), ())


def test_values_in_another_file_are_a_hazard_and_have_no_extent() -> None:
    """The other file is named, never opened."""
    facts = read((MODELS / "onnx" / "external.onnx").read_bytes())
    assert {(hazard.kind, hazard.where) for hazard in facts.hazards} == {
        (HazardKind.EXTERNAL_STORAGE, name) for name in ("hidden.kernel", "hidden.bias", "out.kernel")
    }
    assert all("'external.bin'" in hazard.detail for hazard in facts.hazards)
    assert [tensor.path for tensor in facts.tensors if tensor.extents] == ["out.bias", "shape"]


def test_operators_of_foreign_domains_are_custom_objects() -> None:
    """The runtime must have a library for them."""
    facts = read((MODELS / "onnx" / "custom_op.onnx").read_bytes())
    assert facts.custom_objects == (CustomObject("Swish", "object", "node relu", "com.example"),)


@pytest.mark.parametrize("path", sorted((MODELS / "onnx").glob("*.onnx")), ids=lambda path: path.stem)
def test_onnx_is_told_by_its_first_bytes(path: Path) -> None:
    """No suffix is asked for; the first 256 bytes do."""
    assert looks_like_onnx(path.read_bytes())
    assert looks_like_onnx(path.read_bytes()[:256])


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(MODELS.rglob("*")) if path.is_file() and path.suffix != ".onnx"],
    ids=lambda path: path.relative_to(MODELS).as_posix(),
)
def test_other_files_do_not_look_like_onnx(path: Path) -> None:
    """Neither HDF5, zip, NumPy, JSON, Python, nor TensorFlow's protocol buffers."""
    assert not looks_like_onnx(path.read_bytes()[: 64 * 1024])


@pytest.mark.parametrize("size", [0, 1, 2, 50, 300, len(PLAIN) - 20])
def test_a_cut_off_file_is_damaged(size: int) -> None:
    """Protocol buffers have no end mark, but their lengths tell."""
    assert read(PLAIN[:size]).defects


def test_graphs_within_graphs_are_read_to_a_bounded_depth() -> None:
    """A tower of ``If`` bodies ends as a defect, not as a crash."""
    graph = b""
    for _ in range(100):
        attribute = message(6, graph)
        graph = message(1, message(5, attribute))
    model = b"\x08\x08" + message(7, graph) + message(8, b"\x10\x15")
    assert "nest deeper" in read(model).defects[0].detail


def message(number: int, content: bytes) -> bytes:
    """A length-delimited field, for the tests' own messages."""
    size, length = len(content), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + content


def test_a_file_beyond_the_bound_is_said_to_be_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reached bound is a hazard, never silence."""
    monkeypatch.setattr(limits, "ONNX_SIZE_BYTES_MAX", 100)
    assert [hazard.kind for hazard in read(PLAIN).hazards] == [HazardKind.TOO_MUCH]


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
def test_any_bytes_are_told_apart_and_read_without_an_error(data: bytes) -> None:
    """Neither question raises."""
    assert looks_like_onnx(data) in (True, False)
    assert read(data).container is Container.ONNX


def digests(data: bytes) -> dict[str, str | None]:
    facts = read_onnx(SourceFile("m.onnx", len(data), io.BytesIO(data)), values=Values(1 << 30))
    return {tensor.path: tensor.digest for tensor in facts.tensors}


def test_digests_are_the_same_however_the_values_are_stored() -> None:
    """Each type's values stand in the file twice: in the field of that type, and as raw data."""
    found = digests((MODELS / "onnx" / "typed.onnx").read_bytes())
    raw = {path.removesuffix(".raw"): digest for path, digest in found.items() if path.endswith(".raw")}
    assert len(raw) == 14
    assert {path: found[path] for path in raw} == raw
    assert None not in found.values()
    assert found["int64"] == blake3(np.array([-1, 2**63 - 1, 0], "<i8").tobytes()).hexdigest()
    assert found["float16"] == blake3(np.array([0, 1, -2.5, 100, np.inf], "<f2").tobytes()).hexdigest()
    assert found["empty"] == blake3(b"").hexdigest()


def test_infinities_are_counted_in_every_float_type() -> None:
    """One in each, in either way of storing it."""
    data = (MODELS / "onnx" / "typed.onnx").read_bytes()
    facts = read_onnx(SourceFile("m.onnx", len(data), io.BytesIO(data)), values=Values(1 << 30))
    counted = {tensor.path for tensor in facts.tensors if tensor.nonfinite == 1}
    assert counted == {f"{kind}{raw}" for kind in ("float", "double", "float16", "bfloat16") for raw in ("", ".raw")}


def test_values_in_another_file_or_in_two_fields_have_no_digest() -> None:
    """What is taken is what a reader of the file alone would get, or nothing."""
    assert digests((MODELS / "onnx" / "external.onnx").read_bytes())["hidden.kernel"] is None
    twice = field(1, b"\x02") + bytes([2 << 3, 1]) + field(4, bytes(4)) + field(9, bytes(4)) + field(8, b"w")
    model = b"\x08\x0e" + field(8, b"\x10\x15") + field(7, field(1, field(4, b"Relu")) + field(5, twice))
    assert digests(model) == {"w": None}


def test_the_operator_sets_and_the_operators_are_told() -> None:
    """A set imported has a version and no name; an operator used has a name."""
    graph = read((MODELS / "onnx" / "custom_op.onnx").read_bytes()).graph
    assert graph is not None
    assert graph.format_version == 14
    assert graph.operators == (
        Operator("", version=21),
        Operator("", "com.example", 1),
        Operator("Gemm"),
        Operator("Reshape"),
        Operator("Swish", "com.example"),
    )


def field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content
