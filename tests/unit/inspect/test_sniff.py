"""Containers and impostors, told by their bytes."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.facts import DefectKind
from modelreg.inspect.sniff import HDF5_SIGNATURE, Format, Sniffed, sniff
from modelreg.inspect.source import SourceFile

LFS_POINTER = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)


def told(data: bytes) -> Sniffed:
    return sniff(SourceFile("model", len(data), io.BytesIO(data)))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        pytest.param(b"", DefectKind.EMPTY, id="nothing"),
        pytest.param(LFS_POINTER, DefectKind.GIT_LFS_POINTER, id="a Git LFS pointer"),
        pytest.param(b"<!DOCTYPE html>\n<html><body>404</body></html>", DefectKind.HTML_PAGE, id="an HTML page"),
        pytest.param(b"\n\n  <HTML lang='en'><head>", DefectKind.HTML_PAGE, id="an HTML page in capitals"),
        pytest.param(b"\xef\xbb\xbf<html><body>\xe4\xb8\xad", DefectKind.HTML_PAGE, id="an HTML page with a mark"),
        pytest.param(b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code>', DefectKind.XML_PAGE, id="an XML error"),
        pytest.param(b"<Error><Code>AccessDenied</Code></Error>", DefectKind.XML_PAGE, id="XML without a declaration"),
        pytest.param(b'{"message": "Not Found"}', DefectKind.JSON_DOCUMENT, id="a JSON object"),
        pytest.param(b'[{"class_name": 1}]', DefectKind.JSON_DOCUMENT, id="a JSON array"),
        pytest.param(bytes(5), DefectKind.ZEROS, id="a few zeros"),
        pytest.param(bytes(3_000_000), DefectKind.ZEROS, id="many zeros"),
        pytest.param(b"PK\x03\x04" + bytes(200), DefectKind.TRUNCATED_ZIP, id="a zip without its end"),
        pytest.param(HDF5_SIGNATURE, DefectKind.TRUNCATED_HDF5, id="an HDF5 signature alone"),
    ],
)
def test_an_impostor_is_named(data: bytes, kind: DefectKind) -> None:
    """What is not a model but lands under its name is told with a detail."""
    found = told(data)
    assert found.defect is kind
    assert found.detail


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x80\x04\x95\x10\0\0\0", id="a pickle"),
        pytest.param(b"hello, world", id="text"),
        pytest.param(bytes(100_000) + b"\x01", id="almost only zeros"),
        pytest.param(b"{x: 1}", id="braces that are no JSON"),
        pytest.param(gzip.compress(b"a table of numbers"), id="gzip of no model"),
        pytest.param(b"\x1f\x8b\x08\xff\xff", id="a broken gzip header"),
    ],
)
def test_anything_else_is_opaque_without_a_defect(data: bytes) -> None:
    """Bytes that are nobody's are kept, not accused."""
    assert told(data) == Sniffed(Format.OPAQUE)


def test_the_pointer_detail_names_digest_and_size() -> None:
    """The detail says which object has to be fetched."""
    assert "sha256:4d7a2146" in told(LFS_POINTER).detail
    assert "12,345 bytes" in told(LFS_POINTER).detail


def test_gzip_of_a_model_is_a_defect(models: Path) -> None:
    """HDF5, zip, TFLite and a tar (of a SavedModel) inside gzip are models that must be unpacked."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        archive.add(models / "py38" / "plain.h5", "saved_model.pb")
    inners = [
        (models / "py38" / "plain.h5").read_bytes(),
        (models / "py38" / "plain.keras").read_bytes(),
        (models / "tf220" / "plain.tflite").read_bytes(),
        tar.getvalue(),
    ]
    assert [told(gzip.compress(inner)).defect for inner in inners] == [DefectKind.GZIP] * 4


@pytest.mark.parametrize("libver", ["earliest", "v108", "v110", "latest"])
@pytest.mark.parametrize("user_block_size", [0, 512, 4096])
def test_every_superblock_version_tells_a_truncation_with_both_numbers(
    tmp_path: Path, libver: str, user_block_size: int
) -> None:
    """Superblocks 0 to 3, with and without a user block: whole is fine, one byte less is truncated."""
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", libver=libver, userblock_size=user_block_size) as file:
        file["x"] = list(range(100))
    data = path.read_bytes()
    assert told(data) == Sniffed(Format.HDF5, user_block_size)
    found = told(data[:-1])
    assert found.defect is DefectKind.TRUNCATED_HDF5
    assert f"{len(data) - 1:,} bytes" in found.detail
    assert f"{len(data):,}" in found.detail


def test_a_moved_superblock_is_measured_from_where_it_stands(models: Path) -> None:
    """Bytes put before a whole file leave it whole: libhdf5 opens it, so it is not called truncated."""
    data = (models / "py38" / "plain.h5").read_bytes()
    assert told(bytes(512) + data) == Sniffed(Format.HDF5, 512)
    assert told(bytes(512) + data[:-1]).defect is DefectKind.TRUNCATED_HDF5


@pytest.mark.parametrize("tenth", range(1, 10))
@pytest.mark.parametrize("name", ["plain.h5", "plain.keras", "plain.weights.h5"])
def test_every_truncation_of_a_real_file_is_told(models: Path, name: str, tenth: int) -> None:
    """At each tenth, from the bytes alone."""
    data = (models / "py38" / name).read_bytes()
    cut = told(data[: len(data) * tenth // 10])
    assert cut.defect in (DefectKind.TRUNCATED_HDF5, DefectKind.TRUNCATED_ZIP)


def test_a_zip_behind_other_bytes_is_still_a_zip(models: Path) -> None:
    """Python's ``zipfile``, and so Keras, reads an archive that has something in front of it."""
    data = b"#!/bin/sh\n" + (models / "py38" / "plain.keras").read_bytes()
    assert zipfile.is_zipfile(io.BytesIO(data))
    assert told(data) == Sniffed(Format.ZIP, 10)


def test_the_suffix_does_not_matter(models: Path, source: Callable[[bytes, str], SourceFile]) -> None:
    """HDF5 that TensorFlow 2.6 wrote as ``.keras`` is HDF5."""
    data = (models / "py36" / "lambda.keras").read_bytes()
    assert sniff(source(data, "lambda.keras")).format is Format.HDF5


@given(st.binary(max_size=3000))
def test_any_bytes_have_an_answer(data: bytes) -> None:
    """Nothing is ever raised."""
    assert isinstance(told(data), Sniffed)


@given(
    st.sampled_from(
        [HDF5_SIGNATURE, b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08", b"version https://git-lfs", b"<", b"{"]
    ),
    st.binary(max_size=600),
    st.binary(max_size=100),
)
def test_any_bytes_behind_a_known_beginning_have_an_answer(start: bytes, data: bytes, tail: bytes) -> None:
    """The same where the first bytes lead deeper."""
    assert isinstance(told(start + data), Sniffed)
    assert isinstance(told(data + b"PK\x05\x06" + tail), Sniffed)
    assert isinstance(told(data.ljust(512, b"\0")[:512] + start + tail), Sniffed)
