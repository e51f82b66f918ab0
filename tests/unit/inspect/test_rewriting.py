"""Rewriting: the recipe of a file with another configuration, worked out without writing to anything."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.errors import DocumentError
from modelreg.facts import Facts
from modelreg.inspect import Inspector, limits
from modelreg.inspect.overlay import Overlay, TooMuchWrittenError
from modelreg.inspect.pieces import Piece, check_pieces
from modelreg.inspect.rewriting import rewritten
from modelreg.inspect.source import SourceFile

CONFIG = json.dumps({"class_name": "Sequential", "config": {"name": "n" * 200_000, "layers": []}})


def source(data: bytes) -> SourceFile:
    return SourceFile("m", len(data), io.BytesIO(data))


def assembled(data: bytes, pieces: Sequence[Piece]) -> bytes:
    check_pieces(pieces, len(data))
    parts = [
        data[piece.offset : piece.offset + piece.size_bytes] if piece.new_bytes is None else piece.new_bytes
        for piece in pieces
    ]
    return b"".join(parts)


def new_bytes(data: bytes, config: str) -> bytes:
    rewriting = rewritten(source(data), config)
    assert rewriting.reason is None
    return assembled(data, rewriting.pieces)


FILES = ["py36/lambda.h5", "py38/plain.h5", "py38/compiled_trained.h5", "py310/plain.h5", "py38/lambda.keras",
         "py310/lambda.keras", "py313/plain.keras", "py36tf1/lstm.h5"]  # fmt: skip


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("config", ["{}", CONFIG], ids=["shorter", "longer"])
def test_only_the_configuration_differs(models: Path, read: Callable[..., Facts], name: str, config: str) -> None:
    """Claim: tensors with their digests, weight groups and training configuration are those of the file."""
    data = (models / name).read_bytes()
    changed = new_bytes(data, json.dumps({"class_name": "X", "config": config}))
    before, after = read(data, name), read(changed, name)
    assert json.loads(after.config or "") == {"class_name": "X", "config": config}
    assert not after.defects
    assert after.hazards == ()
    assert [(t.path, t.shape, t.dtype) for t in after.tensors] == [(t.path, t.shape, t.dtype) for t in before.tensors]
    for old, new in zip(before.tensors, after.tensors, strict=True):
        assert at_extents(data, old.extents) == at_extents(changed, new.extents)
    assert (after.weight_groups, after.training_config) == (before.weight_groups, before.training_config)


def at_extents(data: bytes, extents: Sequence[object]) -> bytes:
    return b"".join(data[e.offset : e.offset + e.size_bytes] for e in extents)  # type: ignore[attr-defined]


def test_other_members_stay_byte_for_byte(tmp_path: Path) -> None:
    """Claim: of an archive only ``config.json`` is written anew, compressed or not, wherever it stands."""
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", method) as archive:
            archive.writestr("metadata.json", "{}")
            archive.writestr("model.weights.h5", os.urandom(5_000))
            archive.writestr("config.json", '{"a": 1}' * 100)
            archive.writestr("assets/x", "text")
            archive.comment = b"a comment"
        changed = new_bytes(made.getvalue(), "{}")
        with zipfile.ZipFile(made) as old, zipfile.ZipFile(io.BytesIO(changed)) as new:
            assert new.testzip() is None
            assert new.namelist() == old.namelist()
            assert new.comment == b"a comment"
            assert new.read("config.json") == b"{}"
            for name in set(old.namelist()) - {"config.json"}:
                assert new.read(name) == old.read(name)
                assert new.getinfo(name).compress_type == method


def test_a_configuration_in_parts_becomes_one(read: Callable[..., Facts]) -> None:
    """Claim: the parts that Keras makes above 64 KiB (``model_config0`` ...) do not stay beside the new text."""
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        for number, part in enumerate((b'{"class_name": "A",', b' "config": {}}')):
            file.attrs[f"model_config{number}"] = np.bytes_(part)
        file["w"] = np.arange(4.0)
    changed = new_bytes(made.getvalue(), '{"class_name":"B","config":{}}')
    with h5py.File(io.BytesIO(changed)) as file:
        assert list(file.attrs) == ["model_config"]
        assert file["w"][:].tolist() == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 600, "libhdf5 cannot rewrite it"),
        (b"", "no model_config"),
        (b"PK\x05\x06" + bytes(18), "no directory"),
    ],
)
def test_what_cannot_be_rewritten_is_told(data: bytes, reason: str) -> None:
    """Claim: bad bytes give a reason, never an exception."""
    told = rewritten(source(data), "{}").reason
    assert told is not None
    assert reason in told


def archive_bytes() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", b"w" * 100)
    return made.getvalue()


def test_a_directory_that_lies_is_told() -> None:
    """Claim: an archive whose end record and directory disagree is not rewritten."""
    data = archive_bytes()
    end = data.rindex(b"PK\x05\x06")
    for at, value in ((10, 1), (10, 9), (16, 3), (12, 3)):
        width = "<H" if at == 10 else "<I"
        bad = bytearray(data)
        struct.pack_into(width, bad, end + at, value)
        assert rewritten(source(bytes(bad)), "{}").reason is not None


@given(at=st.integers(0, 400), byte=st.integers(0, 255))
def test_one_wrong_byte_never_raises(at: int, byte: int) -> None:
    """Claim: the archive's rewriter answers for any bytes, and what it answers stays within the file."""
    data = bytearray(archive_bytes())
    data[at % len(data)] = byte
    rewriting = rewritten(source(bytes(data)), "{}")
    if rewriting.reason is None:
        check_pieces(rewriting.pieces, len(data))


@given(
    original=st.binary(max_size=20_000),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["write", "truncate"]), st.integers(0, 25_000), st.binary(min_size=1, max_size=6_000)
        ),
        max_size=6,
    ),
)
def test_an_overlay_is_a_file(original: bytes, steps: list[tuple[str, int, bytes]]) -> None:
    """Claim: reads, and the recipe, give what a real file would hold after the same writes."""
    real = io.BytesIO(original)
    overlay = Overlay(io.BytesIO(original), len(original))
    for what, at, data in steps:
        if what == "write":
            for stream in (real, overlay):
                stream.seek(at)
                stream.write(data)
        else:
            size = len(real.getvalue())
            real.truncate(at)
            if at > size:
                real.seek(size)
                real.write(bytes(at - size))
            overlay.truncate(at)
    overlay.seek(0)
    assert overlay.read() == real.getvalue()
    pieces = overlay.pieces()
    if pieces:
        assert assembled(original, pieces) == real.getvalue()


def test_an_overlay_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: more than the bound is an error, whether written or made room for."""
    monkeypatch.setattr(limits, "REWRITTEN_SIZE_BYTES_MAX", 10_000)
    overlay = Overlay(io.BytesIO(b""), 0)
    with pytest.raises(TooMuchWrittenError):
        overlay.write(bytes(20_000))
    with pytest.raises(TooMuchWrittenError):
        overlay.truncate(20_000)
    assert rewritten(source(archive_bytes()), "{}").reason is None


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (Piece(0, 11),),
        (Piece(-1, 5),),
        (Piece(5, -1),),
        (Piece(0, 10), Piece(0, 10)),
        (replace(Piece.new(b"x"), data="!"),),
    ],
)
def test_a_recipe_that_is_none_is_refused(pieces: tuple[Piece, ...]) -> None:
    """Claim: the parent takes runs of the file and bounded new bytes only, whoever wrote the recipe."""
    with pytest.raises(DocumentError):
        check_pieces(pieces, 10)


def test_the_confined_child_works_out_the_recipe(models: Path) -> None:
    """Claim: it comes from the reader that can write nothing, and the file is as it was."""
    path = models / "py38" / "lambda.h5"
    data = path.read_bytes()
    with Inspector() as inspector, path.open("rb") as stream:
        rewriting = inspector.rewrite(path.name, stream.fileno(), '{"class_name":"B","config":{}}')
    assert rewriting.reason is None
    with h5py.File(io.BytesIO(assembled(data, rewriting.pieces))) as file:
        assert file.attrs["model_config"] == '{"class_name":"B","config":{}}'
    assert path.read_bytes() == data
