"""Archives that two readers would take differently: what the directory says against what stands in the file."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.facts import Hazard, HazardKind
from modelreg.inspect.source import SourceFile
from modelreg.inspect.zip_layout import read_layout

DUPLICATE, UNEXPECTED = HazardKind.DUPLICATE_MEMBER, HazardKind.UNEXPECTED_MEMBER
LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"


def told(data: bytes) -> list[Hazard]:
    file = SourceFile("m", len(data), io.BytesIO(data))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        layout = read_layout(file, archive)
    return [*layout.hazards, *layout.polyglot_hazards("weights")]


def archive(method: int = 0, **members: bytes) -> bytearray:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as opened:
        for name, data in members.items():
            opened.writestr(name, data)
    return bytearray(out.getvalue())


def moved_directory(data: bytearray, by: int) -> None:
    """Make the end record say that the directory stands ``by`` bytes further on."""
    at = data.rindex(END) + 16
    data[at : at + 4] = struct.pack("<I", struct.unpack_from("<I", data, at)[0] + by)


def test_archives_as_they_are_written_have_nothing_to_tell(models: Path) -> None:
    """Keras's own, compressed ones, streamed ones with data descriptors, empty ones, and appended ones."""
    for path in models.glob("py*/*.keras"):
        if zipfile.is_zipfile(path):
            assert told(path.read_bytes()) == []
    assert told(bytes(archive(zipfile.ZIP_DEFLATED, a=b"x" * 999, b=b""))) == []
    assert told(bytes(archive())) == []

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.data += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as opened:
        opened.writestr("a", b"streamed")
        with opened.open("b", "w", force_zip64=True) as member:
            member.write(b"streamed too")
    assert told(pipe.data) == []
    out = io.BytesIO(bytes(archive(a=b"1")))
    with zipfile.ZipFile(out, "a") as opened:
        opened.writestr("ü/b", b"2")
    assert told(out.getvalue()) == []


def test_a_header_that_names_another_member_is_told() -> None:
    data = archive(config=b"abc")
    data[data.index(b"config")] ^= 1
    assert [hazard.kind for hazard in told(bytes(data))] == [DUPLICATE]


@pytest.mark.parametrize(
    ("at", "value"), [(8, 8), (6, 1), (18, 2), (22, 2)], ids=["method", "encrypted", "packed", "size"]
)
def test_a_header_that_disagrees_is_told(at: int, value: int) -> None:
    """Compression, encryption and both sizes."""
    data = archive(config=b"abc")
    data[data.index(LOCAL) + at] = value
    assert [hazard.kind for hazard in told(bytes(data))] == [DUPLICATE]


def test_a_second_name_is_told() -> None:
    """Info-ZIP's Unicode path, which CPython 3.13 takes and 3.12 does not."""
    for name, expected in (("other", [DUPLICATE]), ("config", [])):
        info = zipfile.ZipInfo("config")
        info.extra = b"up" + struct.pack("<HBI", 5 + len(name), 1, 0) + name.encode()
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as opened:
            opened.writestr(info, b"abc")
        assert [hazard.kind for hazard in told(out.getvalue())] == expected


def test_members_that_share_bytes_are_told() -> None:
    """As bombs are built, and as one configuration is hidden in another's bytes."""
    data = archive(a=b"x" * 40, b=b"y" * 4)
    second = data.rindex(CENTRAL)
    data[second + 42 : second + 46] = struct.pack("<I", 20)
    assert DUPLICATE in [hazard.kind for hazard in told(bytes(data))]


def test_a_member_that_the_directory_does_not_list_is_told() -> None:
    """A whole archive's members stand before the listed ones; other bytes there are told as such."""
    hidden = archive(config=b"evil")
    hidden = hidden[: hidden.index(CENTRAL)]
    for gap, kind in ((bytes(hidden), DUPLICATE), (b"some bytes", UNEXPECTED)):
        data = archive(a=b"1")
        at = data.index(CENTRAL)
        data[at:at] = gap
        moved_directory(data, len(gap))
        assert [hazard.kind for hazard in told(bytes(data))] == [kind]


def test_two_ends_are_told() -> None:
    """One reader takes the first end of the directory, ``zipfile`` the last, here in the first one's comment."""
    data = archive(config=b"good")
    comment = bytes(data[data.index(CENTRAL) :])
    data[-2:] = struct.pack("<H", len(comment))
    data += comment
    moved_directory(data, len(comment))
    assert DUPLICATE in [hazard.kind for hazard in told(bytes(data))]


def test_an_end_inside_the_directory_is_told() -> None:
    """In a member's comment, where a reader from front to back meets it first."""
    info = zipfile.ZipInfo("config")
    info.comment = END + bytes(18)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as opened:
        opened.writestr(info, b"abc")
    assert [hazard.kind for hazard in told(out.getvalue())] == [DUPLICATE]


def test_bytes_behind_the_end_are_told() -> None:
    assert [hazard.kind for hazard in told(bytes(archive(a=b"1")) + b"more")] == [UNEXPECTED]
    with_comment = archive(a=b"1")
    with_comment[-2:] = struct.pack("<H", 4)
    assert told(bytes(with_comment) + b"more") == []


def test_hdf5_inside_the_archive_is_told_unless_it_is_the_weights() -> None:
    """The signature at byte 512 makes it a file that h5py opens."""
    signature = b"\x89HDF\r\n\x1a\n"
    for name, expected in (("weights", []), ("asset", [DUPLICATE])):
        padding = 512 - archive(config=b"").index(CENTRAL) - 30 - len(name)
        data = archive(0, **{"config": b"x" * padding, name: signature + b"..."})
        assert data.index(signature) == 512
        assert [hazard.kind for hazard in told(bytes(data))] == expected


@given(st.integers(0, 2_000), st.integers(0, 255))
def test_any_flip_gives_hazards_and_never_an_exception(at: int, value: int) -> None:
    data = archive(config=b"abc" * 50, metadata=b"{}")
    data[at % len(data)] = value
    try:
        told(bytes(data))
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError):
        return
