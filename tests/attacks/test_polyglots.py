"""Files that are two things at once: which model is loaded depends on the name, so no check of one says anything."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import h5py
import pytest

Build = Callable[..., Any]
END = b"PK\x05\x06"


def appended(kit: Any) -> Any:
    """A legacy model, and behind it a ``.keras`` archive."""
    return bytes(kit.keras2_h5.read_bytes() + kit.zip(kit.members()))


def appended_with_zip64(kit: Any) -> Any:
    """The same with a ZIP64 end record, which ``zipfile`` prefers and simple readers do not know."""
    start = kit.keras2_h5.read_bytes()
    data = kit.zip(kit.members())
    end = data.rindex(END)
    count, size, offset = struct.unpack_from("<HII", data, end + 10)
    at = data.index(b"PK\x01\x02")
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, len(start) + at + size, 1)
    broken = bytearray(data[end:])
    broken[12:20] = b"\xff" * 8
    whole = bytes(start + data[:end] + record + locator + bytes(broken))
    assert zipfile.ZipFile(io.BytesIO(whole)).namelist() == list(kit.members())
    return whole


def user_block(kit: Any, block: bytes) -> Any:
    """HDF5 behind a user block that holds ``block``."""
    out = io.BytesIO()
    size = 1 << max(9, (len(block) - 1).bit_length())
    with h5py.File(kit.keras2_h5) as real, h5py.File(out, "w", userblock_size=size) as file:
        file.attrs.update(real.attrs)
        for name in real:
            real.copy(name, file)
    data = bytearray(out.getvalue())
    data[: len(block)] = block
    return bytes(data)


def zip_first(kit: Any) -> Any:
    """An archive from the first byte on, whose second member is a whole HDF5 file at byte 512 or a double of it."""
    head = kit.zip({"config.json": kit.config(lambda config: None)})
    start = head.index(b"PK\x01\x02")
    place = 1 << (start + 60).bit_length()
    padding = "assets/" + "p" * (place - start - 30 - len("assets/"))
    members = {"config.json": kit.config(lambda config: None), padding: kit.keras2_h5.read_bytes()}
    return bytes(kit.zip({**members, **{k: v for k, v in kit.members().items() if k != "config.json"}}))


def tflite_and_keras(kit: Any) -> Any:
    return bytes(kit.folder("tf220")["plain.tflite"] + kit.zip(kit.members()))


def tflite_with_metadata(kit: Any) -> Any:
    """TensorFlow Lite's metadata is a zip archive behind the model."""
    return bytes(kit.folder("tf220")["plain.tflite"] + kit.zip({"labels.txt": b"cat\ndog"}))


ATTACKS: dict[str, tuple[Build, Build, str, str]] = {
    "HDF5 and .keras": (appended, lambda kit: kit.keras2_h5.read_bytes(), "MR304", "artifact"),
    "HDF5 and .keras with ZIP64": (appended_with_zip64, lambda kit: kit.keras3_h5.read_bytes(), "MR304", "artifact"),
    "zip first, HDF5 inside": (zip_first, lambda kit: kit.zip(kit.members()), "MR304", "artifact"),
    "TensorFlow Lite and .keras": (tflite_and_keras, tflite_with_metadata, "MR304", "artifact"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_the_attack_is_refused(kit: Any, unsafe: Callable[..., Any], name: str) -> None:
    """Whichever of the two is read."""
    bad, _, rule, where = ATTACKS[name]
    assert unsafe(bad(kit)) == [(rule, where)]


@pytest.mark.parametrize("name", ATTACKS)
def test_its_look_alike_is_not_refused(kit: Any, unsafe: Callable[..., Any], name: str) -> None:
    assert unsafe(ATTACKS[name][1](kit)) == []


def test_a_user_block_alone_is_a_warning(kit: Any, facts_of: Callable[..., Any], verdict: Callable[..., Any]) -> None:
    """HDF5 allows one, Keras writes none, and what is behind it is read."""
    facts = facts_of(user_block(kit, b"#!/bin/sh\n"))
    assert facts.layers
    judged = verdict(facts)
    assert judged.exit == 0
    assert "MR305" in {finding.rule for finding in judged.warnings}


def test_a_user_block_that_is_an_archive_is_read_as_hdf5_and_told(
    kit: Any, facts_of: Callable[..., Any], verdict: Callable[..., Any]
) -> None:
    """A whole archive in the user block has its end far from the file's end, where no reader looks for it."""
    facts = facts_of(user_block(kit, kit.zip({"a": b"1"})))
    assert verdict(facts).exit != 0 or "MR305" in {finding.rule for finding in verdict(facts).warnings}
