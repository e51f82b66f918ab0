"""Artifacts on their way in: what is taken, what is refused, and that nothing is followed or waited for."""

from __future__ import annotations

import os
import resource
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelreg import artifact
from modelreg.artifact import open_artifact
from modelreg.errors import NotFoundError, UsageError
from modelreg.manifest import FILES_MAX

Within = Callable[[float, Callable[[], Any]], Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with three files in two levels."""
    root = tmp_path / "model"
    (root / "variables").mkdir(parents=True)
    (root / "saved_model.pb").write_bytes(b"graph")
    (root / "variables" / "b").write_bytes(b"bb")
    (root / "variables" / "a").write_bytes(b"")
    return root


def opened(path: Path) -> list[tuple[str, int, bytes]]:
    with open_artifact(path) as files:
        return [(file.path, file.size_bytes, os.pread(file.descriptor, 100, 0)) for file in files]


def test_a_file_is_an_artifact_of_its_own_name(folder: Path) -> None:
    """Claim: one file is known by its name alone."""
    assert opened(folder / "saved_model.pb") == [("saved_model.pb", 5, b"graph")]


def test_a_folder_is_its_files_in_the_order_of_their_paths(folder: Path) -> None:
    """Claim: paths are relative, POSIX, sorted; empty files count, empty folders do not."""
    (folder / "assets").mkdir()
    assert opened(folder) == [("saved_model.pb", 5, b"graph"), ("variables/a", 0, b""), ("variables/b", 2, b"bb")]


def test_descriptors_are_closed_afterwards(folder: Path) -> None:
    """Claim: nothing stays open, also when the body raises."""
    descriptors: list[int] = []

    def interrupted() -> None:
        with open_artifact(folder) as files:
            descriptors.extend(file.descriptor for file in files)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(descriptors) == 3
    for descriptor in descriptors:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


@pytest.mark.parametrize("target", ["inside", "outside", "nowhere", "folder"])
def test_a_link_in_a_folder_is_refused_wherever_it_points(folder: Path, tmp_path: Path, target: str) -> None:
    """Claim: no symbolic link inside a folder is followed; the error names it, where it points, and the way out."""
    places = {"inside": folder / "saved_model.pb", "outside": tmp_path, "nowhere": tmp_path / "no", "folder": folder}
    (folder / "variables" / "link").symlink_to(places[target])
    with pytest.raises(UsageError, match="symbolic link") as caught:
        opened(folder)
    assert str(places[target]) in caught.value.message
    assert (caught.value.hint or "").startswith("cp -rL ")


def test_a_link_given_by_name_is_followed(folder: Path, tmp_path: Path) -> None:
    """Claim: what the user names is what the user means: a link to one file is pushed under the link's name."""
    link = tmp_path / "latest.pb"
    link.symlink_to(folder / "saved_model.pb")
    assert opened(link) == [("latest.pb", 5, b"graph")]


@pytest.mark.parametrize("in_folder", [True, False])
def test_a_fifo_is_refused_without_waiting_for_a_writer(folder: Path, in_folder: bool, within: Within) -> None:
    """Claim: a named pipe does not hang the push."""
    fifo = folder / "pipe"
    os.mkfifo(fifo)
    with pytest.raises(UsageError, match="not a regular file"):
        within(10, lambda: opened(folder if in_folder else fifo))


def test_a_socket_and_a_device_are_refused(folder: Path, within: Within) -> None:
    """Claim: neither is a file that could be pushed."""
    with socket.socket(socket.AF_UNIX) as bound:
        here = Path.cwd()
        os.chdir(folder)
        try:
            bound.bind("sock")
        finally:
            os.chdir(here)
        with pytest.raises(UsageError):
            opened(folder)
    with pytest.raises(UsageError, match="not a regular file"):
        within(10, lambda: opened(Path("/dev/null")))


@pytest.mark.usefixtures("refused_by_rights")
@pytest.mark.parametrize("what", ["saved_model.pb", "variables"])
def test_what_cannot_be_read_is_named(folder: Path, what: str) -> None:
    """Claim: an unreadable file or folder is a UsageError with the system's reason, never a smaller artifact."""
    (folder / what).chmod(0)
    try:
        with pytest.raises(UsageError, match="Permission denied"):
            opened(folder)
    finally:
        (folder / what).chmod(0o700)


def test_nothing_and_an_empty_folder_are_told(tmp_path: Path) -> None:
    """Claim: a path that is not there, a dangling link and a folder without files each say so."""
    (tmp_path / "empty" / "deeper").mkdir(parents=True)
    (tmp_path / "dangling").symlink_to(tmp_path / "no")
    with pytest.raises(NotFoundError):
        opened(tmp_path / "no")
    with pytest.raises(NotFoundError):
        opened(tmp_path / "dangling")
    with pytest.raises(UsageError, match="no files"):
        opened(tmp_path / "empty")


def test_notes_and_desktop_files_are_left_out(folder: Path) -> None:
    """Claim: a pulled folder can be pushed again: .modelreg/ and .DS_Store are no part of the model, at any depth."""
    (folder / ".modelreg").mkdir()
    (folder / ".modelreg" / "manifest.json").write_text("{}")
    (folder / "variables" / ".DS_Store").write_text("x")
    assert [path for path, _, _ in opened(folder)] == ["saved_model.pb", "variables/a", "variables/b"]


def test_a_folder_of_too_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: one file above the bound is refused before any is opened (the bound is lowered here to keep it quick)."""
    monkeypatch.setattr(artifact, "FILES_MAX", 20)
    assert FILES_MAX == 10_000
    for number in range(20):
        (tmp_path / f"{number}").touch()
    assert len(opened(tmp_path)) == 20
    (tmp_path / "20").touch()
    with pytest.raises(UsageError, match="more than 20"):
        opened(tmp_path)


@pytest.mark.parametrize("name", ["back\\slash", "new\nline", "bell\a"])
def test_a_name_that_no_other_system_could_hold_is_refused(tmp_path: Path, name: str) -> None:
    """Claim: such a name is told at push, not at somebody else's pull."""
    (tmp_path / name).touch()
    with pytest.raises(UsageError):
        opened(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse to make such a file")
def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    """Claim: a file name in Latin-1 is a UsageError, not an encoding error half-way through the push."""
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/mod\xe8le.h5")).touch()
    with pytest.raises(UsageError):
        opened(tmp_path)


def test_a_folder_of_many_files_raises_the_limit_of_open_files(tmp_path: Path) -> None:
    """Claim: 400 files are opened at once although the soft limit is 300."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for number in range(400):
        (tmp_path / f"{number:03}").touch()
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (300, hard))
        assert len(opened(tmp_path)) == 400
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
