"""What lies at a path: everything is told, only what is wanted is read, and nothing is followed."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from modelreg.client import placed
from modelreg.client.placed import NO_DIGEST, Placed, sha256_of
from modelreg.digest import sha256_hex
from modelreg.digest.streams import SLICE_SIZE_BYTES, Descriptor
from modelreg.errors import NotFoundError, UsageError

HELLO = sha256_hex(b"hello")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    for path in ("model.h5", "sub/a.txt", "sub-zero", ".modelreg/manifest.json", "sub/.modelreg/x"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"hello")
    return folder


def found(folder: Path, *wanted: str, apart: Path | None = None) -> dict[str, str]:
    return dict(Placed(folder, apart).digests(frozenset(wanted)))


def test_everything_is_named_and_what_is_wanted_is_hashed(folder: Path) -> None:
    """Claim: our own notes at the top are left out, and nothing else, not even a folder of that name further down."""
    assert found(folder, "model.h5", "gone") == {
        "model.h5": HELLO,
        "sub-zero": NO_DIGEST,
        "sub/.modelreg/x": NO_DIGEST,
        "sub/a.txt": NO_DIGEST,
    }


def test_our_own_notes_count_for_whoever_signed_them(folder: Path) -> None:
    """Claim: a signature over a pulled folder as it stands names them, and they are compared."""
    assert found(folder, ".modelreg/manifest.json")[".modelreg/manifest.json"] == HELLO


def test_all_are_hashed_without_a_choice(folder: Path) -> None:
    """Claim: for the one file that is signed under no name."""
    assert set(dict(Placed(folder).digests(None)).values()) == {HELLO}
    assert dict(Placed(folder / "model.h5").digests(None)) == {"model.h5": HELLO}


def test_a_file_apart_is_none_of_them(folder: Path, tmp_path: Path) -> None:
    """Claim: the signature in the folder is left out by its place, however that is spelt, and its copies are not."""
    (folder / "model.sig").write_bytes(b"{}")
    os.link(folder / "model.sig", folder / "again.sig")
    (tmp_path / "link").symlink_to(folder)
    for apart in (folder / "model.sig", tmp_path / "link" / "model.sig", folder / "sub" / ".." / "model.sig"):
        paths = found(folder, apart=apart)
        assert "model.sig" not in paths
        assert "again.sig" in paths


@pytest.mark.parametrize("kind", ["link", "link to a folder", "link to nothing", "pipe", "socket"])
def test_what_is_no_file_is_told_and_not_read(
    kind: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claim: it is there, it has no digest even if it is wanted, and nothing waits for it."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_bytes(b"hello")
    place = folder / "odd"
    match kind:
        case "link":
            place.symlink_to(folder / "model.h5")
        case "link to a folder":
            place.symlink_to(tmp_path / "outside")
        case "link to nothing":
            place.symlink_to("nothing")
        case "pipe":
            os.mkfifo(place)
        case "socket":
            monkeypatch.chdir(folder)
            with socket.socket(socket.AF_UNIX) as one:
                one.bind("odd")
    paths = found(folder, "odd")
    assert paths["odd"] == NO_DIGEST
    assert "odd/file" not in paths


def test_notes_behind_a_link_are_not_taken_for_ours(folder: Path, tmp_path: Path) -> None:
    """Claim: a link called .modelreg is told, since what it leads to is anybody's."""
    (folder / ".modelreg").rename(tmp_path / "aside")
    (folder / ".modelreg").symlink_to(tmp_path / "aside")
    assert found(folder)[".modelreg"] == NO_DIGEST


def test_a_link_that_was_named_is_followed(folder: Path, tmp_path: Path) -> None:
    """Claim: whoever names a link to a file or a folder means where it leads."""
    (tmp_path / "one.h5").symlink_to(folder / "model.h5")
    (tmp_path / "all").symlink_to(folder)
    assert found(tmp_path / "one.h5", "one.h5") == {"one.h5": HELLO}
    assert found(tmp_path / "all", "model.h5")["model.h5"] == HELLO


def test_a_file_that_grows_while_it_is_read_has_no_digest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: reading stops at the size that the file had, and what came behind is noticed."""

    def grow(reader: Descriptor, start: int, end: int, progress: object) -> str:
        with (folder / "model.h5").open("ab") as file:
            file.write(b"!")
        return sha256_of(reader, start, end)

    monkeypatch.setattr(placed, "sha256_of", grow)
    assert found(folder, "model.h5")["model.h5"] == NO_DIGEST


def test_pieces_and_long_files_are_hashed_in_slices(tmp_path: Path) -> None:
    """Claim: the bytes from one offset up to another, also across slices, and each is counted once."""
    data = os.urandom(2 * SLICE_SIZE_BYTES + 3)
    (tmp_path / "long").write_bytes(data)
    counted: list[int] = []
    with Placed(tmp_path / "long").open("long") as reader:
        assert reader is not None
        assert sha256_of(reader, 0, len(data), counted.append) == sha256_hex(data)
        assert sha256_of(reader, 5, SLICE_SIZE_BYTES + 9) == sha256_hex(data[5 : SLICE_SIZE_BYTES + 9])
        assert sha256_of(reader, 7, 7) == sha256_hex(b"")
    assert sum(counted) == len(data)


def test_nothing_there_is_told(tmp_path: Path) -> None:
    """Claim: a path of nothing, and a text that is no path, are errors and not an empty folder."""
    for path in (tmp_path / "nothing", tmp_path / "x" / "y"):
        with pytest.raises(NotFoundError, match="there is no file or folder"):
            found(path)
    for text in ("a\0b", "a" * 300):
        with pytest.raises(UsageError, match="cannot look at"):
            found(Path(text))


def test_a_folder_that_cannot_be_read_is_no_empty_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: what was not looked at is not passed over."""
    real = os.scandir

    def scandir(path: Path) -> object:
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(UsageError, match=r"cannot read the folder .*sub.*Permission denied"):
        found(folder)


def test_a_file_that_cannot_be_read_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: "could not check" is not "differs"."""
    real = os.open

    def refuse(path: Path, flags: int) -> int:
        if str(path).endswith("model.h5"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, flags)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UsageError, match=r"cannot read .*model\.h5.*Permission denied"):
        found(folder, "model.h5")
    assert found(folder, "sub/a.txt")["sub/a.txt"] == HELLO


def test_so_many_files_are_no_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: a folder without end is not listed to its end."""
    monkeypatch.setattr(placed, "PATHS_MAX", 3)
    with pytest.raises(UsageError, match="holds more than 3 files"):
        found(folder)
