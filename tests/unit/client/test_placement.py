"""Placement: the destination is what it was or what was verified, whatever goes wrong in between."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelreg.client import placement
from modelreg.client.placement import check_destination, place, staging_folder, staging_prefix
from modelreg.errors import ConflictError, PlacementError


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def old(destination: Path) -> Path:
    """A destination that holds something."""
    destination.mkdir()
    (destination / "old.h5").write_text("old")
    return destination


def put(destination: Path, name: str = "new.h5") -> None:
    with staging_folder(destination) as staging:
        (staging / name).write_text("new")
        place(staging, destination)


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def beside(destination: Path) -> list[str]:
    return sorted(path.name for path in destination.parent.iterdir())


def test_an_absent_destination_is_made_whole(destination: Path) -> None:
    """Claim: the folder appears with its content, and nothing else stays beside it."""
    put(destination)
    assert content(destination) == {"new.h5": "new"}
    assert beside(destination) == ["out"]


def test_missing_parents_are_made(tmp_path: Path) -> None:
    """Claim: -o a/b/c works where none of them is there."""
    put(tmp_path / "a" / "b" / "c")
    assert content(tmp_path / "a" / "b" / "c") == {"new.h5": "new"}


def test_an_empty_destination_is_filled(destination: Path) -> None:
    """Claim: an empty folder is in nobody's way."""
    destination.mkdir()
    check_destination(destination, force=False)
    put(destination)
    assert content(destination) == {"new.h5": "new"}


def test_the_placed_folder_has_the_usual_rights(destination: Path) -> None:
    """Claim: the private staging mode does not stay: others may read as the umask says."""
    mask = os.umask(0o022)
    try:
        put(destination)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(destination.stat().st_mode) == 0o755


def test_a_destination_that_holds_something_is_refused(old: Path) -> None:
    """Claim: without force ConflictError, with both ways out in the hint."""
    with pytest.raises(ConflictError, match="not empty") as caught:
        check_destination(old, force=False)
    assert "--force" in (caught.value.hint or "")


@pytest.mark.parametrize("can_swap", [True, False], ids=["in one step", "moved aside"])
def test_with_force_the_old_is_replaced_as_a_whole(old: Path, can_swap: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: the new folder stands alone, the old one is gone, whether or not the system can exchange two names."""
    if not can_swap:
        monkeypatch.setattr(placement, "_swap_at_once", lambda *_: False)
    check_destination(old, force=True)
    put(old)
    assert content(old) == {"new.h5": "new"}
    assert beside(old) == ["out"]


@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("kind", ["file", "link to a folder", "dangling link"])
def test_what_is_no_folder_is_never_replaced(destination: Path, tmp_path: Path, kind: str, force: bool) -> None:
    """Claim: a file or a link at the destination is refused even with force."""
    if kind == "file":
        destination.write_text("precious")
    else:
        destination.symlink_to(tmp_path if kind == "link to a folder" else tmp_path / "no")
    with pytest.raises(ConflictError, match="not a folder"):
        check_destination(destination, force=force)


@pytest.mark.parametrize("kind", ["cwd", "above cwd", "dot", "home", "root"])
def test_force_never_replaces_where_you_are_or_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Claim: the working folder, any above it, the home folder and a mount point are refused however they are spelt."""
    here = tmp_path / "a" / "b"
    here.mkdir(parents=True)
    (here / "file").touch()
    monkeypatch.chdir(here)
    home = tmp_path / "home"
    home.mkdir()
    (home / "file").touch()
    monkeypatch.setenv("HOME", str(home))
    places = {"cwd": here, "above cwd": tmp_path, "dot": Path(), "home": Path("../../home"), "root": Path("/")}
    with pytest.raises(ConflictError, match="home, a mount point or where you are"):
        check_destination(places[kind], force=True)


def test_an_empty_working_folder_is_not_half_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: ``-o .`` in an empty folder ends as an error or as a whole model there, with nothing hidden left."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    try:
        check_destination(Path(), force=False)
        put(Path())
    except (ConflictError, PlacementError):
        assert sorted(here.iterdir()) == []
        assert [path.name for path in tmp_path.iterdir()] == ["here"]
    else:
        assert content(here) == {"new.h5": "new"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(errno.ENOSPC, "No space left"), ConflictError("x")])
def test_any_error_while_staging_leaves_the_destination_and_nothing_else(
    old: Path, error: type[BaseException] | BaseException
) -> None:
    """Claim: whatever is raised in between, the old content stays and the staging folder goes."""

    def fail() -> None:
        with staging_folder(old) as staging:
            (staging / "half.h5").write_text("ha")
            raise error

    with pytest.raises((KeyboardInterrupt, OSError, ConflictError)):
        fail()
    assert content(old) == {"old.h5": "old"}
    assert beside(old) == ["out"]


@pytest.mark.parametrize("can_swap", [True, False])
def test_a_failing_rename_puts_the_old_folder_back(old: Path, can_swap: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: if the last step fails, the destination is the old one, also where it had been moved aside."""
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if target == old and "-old" not in self.name:
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)

    def no_swap(*_: Path) -> bool:
        if can_swap:
            raise OSError(errno.EIO, "Input/output error")
        return False

    monkeypatch.setattr(placement, "_swap_at_once", no_swap)
    with pytest.raises(PlacementError, match="Input/output error"):
        put(old)
    assert content(old) == {"old.h5": "old"}
    assert beside(old) == ["out"]


def test_what_a_dead_pull_left_is_removed_by_the_next(destination: Path) -> None:
    """Claim: a staging folder whose lock nobody holds goes when the next pull to that destination begins."""
    leftover = destination.parent / f"{staging_prefix(destination)}0123456789abcdef"
    (leftover / "variables").mkdir(parents=True)
    (leftover / "variables" / "half").touch()
    put(destination)
    assert beside(destination) == ["out"]


@pytest.fixture
def held(destination: Path) -> Iterator[Path]:
    folder = destination.parent / f"{staging_prefix(destination)}fedcba9876543210"
    folder.mkdir()
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    yield folder
    os.close(lock)


def test_what_a_living_pull_holds_stays(destination: Path, held: Path) -> None:
    """Claim: a staging folder that is locked belongs to somebody who is alive."""
    put(destination)
    assert beside(destination) == [held.name, "out"]


def test_the_leftovers_of_other_destinations_stay(destination: Path) -> None:
    """Claim: only this destination's own staging folders are removed, also where the name holds pattern characters."""
    other = destination.parent / ".other.modelreg-00"
    other.mkdir()
    put(destination.with_name("o*t"))
    put(destination.with_name("[ou]t"))
    assert other.is_dir()


def test_a_staging_folder_is_private(destination: Path) -> None:
    """Claim: nobody else can look at or add to what is not verified yet."""
    with staging_folder(destination) as staging:
        assert stat.S_IMODE(staging.stat().st_mode) == 0o700
        assert staging.parent == destination.parent


@pytest.mark.usefixtures("refused_by_rights")
def test_a_parent_without_rights_is_told(destination: Path) -> None:
    """Claim: EACCES is a PlacementError with a hint."""
    destination.parent.chmod(0o500)
    try:
        with pytest.raises(PlacementError, match="Permission denied") as caught, staging_folder(destination):
            pytest.fail("it cannot begin")
    finally:
        destination.parent.chmod(0o700)
    assert "give another folder with -o" in (caught.value.hint or "")


@pytest.mark.usefixtures("refused_by_rights")
@pytest.mark.parametrize("force", [True, False])
def test_a_destination_that_cannot_be_looked_into_is_told(old: Path, force: bool) -> None:
    """Claim: a folder without read permission is an error of ours, not a traceback."""
    old.chmod(0)
    try:
        with pytest.raises((PlacementError, ConflictError)):
            check_destination(old, force=force)
    finally:
        old.chmod(0o700)


def test_a_file_where_a_parent_should_be_is_told(tmp_path: Path) -> None:
    """Claim: -o FILE/x says that FILE is not a directory."""
    (tmp_path / "file").touch()
    with pytest.raises(PlacementError), staging_folder(tmp_path / "file" / "x"):
        pytest.fail("it cannot begin")


def test_the_longest_name_can_be_a_destination(tmp_path: Path) -> None:
    """Claim: a folder name that the file system takes can be pulled to: the staging name beside it is not longer."""
    destination = tmp_path / ("n" * 255)
    put(destination)
    assert content(destination) == {"new.h5": "new"}


@pytest.fixture
def volume(tmp_path: Path, refused_by_rights: None) -> Iterator[Path]:
    """A folder that can be written and not replaced, as the volume of a container is."""
    parent = tmp_path / "mnt"
    folder = parent / "models"
    folder.mkdir(parents=True)
    parent.chmod(0o555)
    yield folder
    parent.chmod(0o755)


def pulled(destination: Path, name: str) -> None:
    """Put a file and its manifest's folder."""
    with staging_folder(destination) as staging:
        (staging / ".modelreg").mkdir()
        (staging / name).write_text("new")
        place(staging, destination)


def test_a_folder_that_cannot_be_replaced_is_filled(volume: Path) -> None:
    """Claim: what was pulled stands in the volume itself, and no staging folder stays in it."""
    check_destination(volume, force=False)
    pulled(volume, "new.h5")
    assert sorted(path.name for path in volume.iterdir()) == [".modelreg", "new.h5"]


def test_what_an_earlier_pull_put_into_a_volume_is_replaced_with_force_only(volume: Path) -> None:
    """Claim: the container that starts again with --force gets the newer model, whole."""
    pulled(volume, "old.h5")
    with pytest.raises(ConflictError, match="not empty"):
        check_destination(volume, force=False)
    check_destination(volume, force=True)
    pulled(volume, "new.h5")
    assert sorted(path.name for path in volume.iterdir()) == [".modelreg", "new.h5"]


def test_a_volume_is_as_it_was_when_filling_it_fails(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: an error between two renames undoes those before it."""
    pulled(volume, "old.h5")
    rename = Path.rename

    def fails_at_the_new_file(self: Path, target: Path) -> Path:
        if target == volume / "new.h5":
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails_at_the_new_file)
    with pytest.raises(PlacementError, match="Input/output error"):
        pulled(volume, "new.h5")
    assert sorted(path.name for path in volume.iterdir()) == [".modelreg", "old.h5"]


def test_whatever_interrupts_the_filling_the_next_pull_can_follow(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claim: after a crash between any two renames the folder is empty, or known as an earlier pull's."""
    pulled(volume, "old.h5")
    rename = Path.rename

    def looks_first(self: Path, target: Path) -> Path:
        check_destination(volume, force=True)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", looks_first)
    pulled(volume, "new.h5")
    assert sorted(path.name for path in volume.iterdir()) == [".modelreg", "new.h5"]
