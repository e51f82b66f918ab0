"""Attacks in the zip container of ``.keras``: members that escape, hide, or grow."""

from __future__ import annotations

import stat
import struct
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Build = Callable[..., Any]
LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
ARCHIVE = "artifact"


def with_member(name: str | zipfile.ZipInfo, data: bytes = b"x") -> Build:
    return lambda kit: kit.zip(kit.members(), (name, data))


def link(name: str, mode: int = stat.S_IFLNK) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (mode | 0o644) << 16
    return info


def duplicate(kit: Any) -> Any:
    """Two configurations: ``zipfile`` reads the last, others the first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kit.zip(kit.members(), ("config.json", kit.config(lambda config: None)))


def encrypted(kit: Any) -> Any:
    data = bytearray(kit.zip(kit.members()))
    at = data.index(b"config.json", data.index(CENTRAL)) - 46
    data[at + 8] |= 1
    return bytes(data)


def overlapping(kit: Any) -> Any:
    """The asset's bytes are those of the configuration and its neighbours, as bombs are built."""
    data = bytearray(kit.zip(kit.members(), ("assets/a", b"x" * 40)))
    at = data.index(b"assets/a", data.index(CENTRAL)) - 46
    inside = data.index(LOCAL, 4) - 20
    data[at + 42 : at + 46] = struct.pack("<I", inside)
    return bytes(data)


def local_name(kit: Any) -> Any:
    """The header before the configuration calls it otherwise than the directory."""
    data = bytearray(kit.zip(kit.members()))
    data[data.index(b"config.json")] = ord("x")
    return bytes(data)


def hidden(kit: Any) -> Any:
    """A configuration that only a reader from front to back sees."""
    data = bytearray(kit.zip(kit.members()))
    other = kit.zip({"config.json": b"{}"})
    other = other[: other.index(CENTRAL)]
    at = data.index(CENTRAL)
    data[at:at] = other
    end = data.rindex(END) + 16
    data[end : end + 4] = struct.pack("<I", at + len(other))
    return bytes(data)


def second_directory(kit: Any) -> Any:
    """A whole second directory and end, in the comment of the first."""
    data = bytearray(kit.zip(kit.members()))
    at = data.index(CENTRAL)
    comment = bytearray(data[at:])
    data[-2:] = struct.pack("<H", len(comment))
    end = comment.rindex(END) + 16
    comment[end : end + 4] = struct.pack("<I", at + len(comment))
    return bytes(data + comment)


def commented(kit: Any) -> Any:
    data = bytearray(kit.zip(kit.members()))
    data[-2:] = struct.pack("<H", 5)
    return bytes(data) + b"hello"


def bomb(kit: Any) -> Any:
    return kit.zip({**kit.members(), "assets/bomb": bytes(100 << 20)}, method=zipfile.ZIP_DEFLATED)


def compressed(kit: Any) -> Any:
    return kit.zip({**kit.members(), "assets/big": bytes(20 << 20)}, method=zipfile.ZIP_DEFLATED)


def npz(*arrays: Any) -> Build:
    def build(kit: Any) -> Any:
        members = {name: data for name, data in kit.members().items() if name != "model.weights.h5"}
        return kit.zip({**members, "model.weights.npz": kit.npz(*arrays)})

    return build


def npz_bomb(kit: Any) -> Any:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1048576, 1048576), }\n"
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(16)
    members = {name: data for name, data in kit.members().items() if name != "model.weights.h5"}
    return kit.zip({**members, "model.weights.npz": kit.zip({"layers/dense/0.npy": array})})


def npz_pickle(kit: Any) -> Any:
    members = {name: data for name, data in kit.members().items() if name != "model.weights.h5"}
    return kit.zip({**members, "model.weights.npz": b"\x80\x04cos\nsystem\n."})


NUMBERS = npz(np.ones((4, 3), "f4"))
ASSET = with_member("assets/layers/text/vocabulary.txt", b"the\ncat")
ATTACKS: dict[str, tuple[Build, Build, str, str]] = {
    "GHSA-hqp4-2352-xf5r": (with_member("../outside"), ASSET, "MR304", "../outside"),
    "zip traversal from assets": (
        with_member("assets/../../x"),
        with_member("assets/..x/y"),
        "MR304",
        "assets/../../x",
    ),
    "zip absolute path": (with_member("/etc/cron.d/x"), with_member("assets/etc/cron.d/x"), "MR304", "/etc/cron.d/x"),
    "zip drive": (with_member("C:\\x"), with_member("assets/C.x"), "MR304", "C:\\x"),
    "zip backslash": (with_member("assets\\x"), with_member("assets/x"), "MR304", "assets\\x"),
    "zip symlink": (with_member(link("assets/l")), with_member(link("assets/l", stat.S_IFREG)), "MR304", "assets/l"),
    "zip device": (with_member(link("assets/d", stat.S_IFCHR)), ASSET, "MR304", "assets/d"),
    "zip duplicate": (duplicate, with_member("assets/config.json"), "MR304", "config.json"),
    "zip duplicate by case": (with_member("CONFIG.json"), with_member("assets/CONFIG.json"), "MR304", "CONFIG.json"),
    "zip encrypted": (encrypted, commented, "MR304", "config.json"),
    "zip overlap": (overlapping, ASSET, "MR304", ""),
    "zip local name": (local_name, ASSET, "MR304", "config.json"),
    "zip hidden member": (hidden, ASSET, "MR304", ARCHIVE),
    "zip second directory": (second_directory, commented, "MR304", ARCHIVE),
    "zip bomb": (bomb, compressed, "MR303", "assets/bomb"),
    "npz objects": (npz(np.array([{}], dtype=object)), NUMBERS, "MR318", "model.weights.npz/arr_0.npy"),
    "npz bare pickle": (npz_pickle, NUMBERS, "MR318", "model.weights.npz"),
    "npz bomb": (npz_bomb, NUMBERS, "MR303", "model.weights.npz/layers/dense/0.npy"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_the_attack_is_refused(kit: Any, unsafe: Callable[..., Any], name: str) -> None:
    """With the member that it is about."""
    bad, _, rule, where = ATTACKS[name]
    found = unsafe(bad(kit))
    assert {each for each, _ in found} == {rule}
    assert where in {place for _, place in found} or not where


@pytest.mark.parametrize("name", ATTACKS)
def test_its_look_alike_is_not_refused(kit: Any, unsafe: Callable[..., Any], name: str) -> None:
    assert unsafe(ATTACKS[name][1](kit)) == []


def test_what_is_only_odd_is_a_warning(kit: Any, facts_of: Callable[..., Any], verdict: Callable[..., Any]) -> None:
    """A script, bytes before the archive, and bytes behind it: told, and left to the user."""
    whole = kit.zip(kit.members())
    for artifact in (kit.zip(kit.members(), ("payload.py", b"")), b"#!/bin/sh\n" + whole, whole + b"more"):
        judged = verdict(facts_of(artifact))
        assert judged.exit == 0
        assert "MR305" in {finding.rule for finding in judged.warnings}
