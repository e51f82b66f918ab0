"""Key files on disk: private, whole or not there, never over another; and read only where they are private."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from modelreg.errors import ConflictError, DocumentError, NotFoundError, PassphraseError, SigningError
from modelreg.trust.keyfile import FILE_SIZE_BYTES_MAX, Cost, protect
from modelreg.trust.keys import PrivateKey
from modelreg.trust.signers.file import read_key_file, replace_key_file, unlock_key_file, write_key_file

KEY = PrivateKey.generate()
PROTECTED = protect(KEY, "p", Cost(8, 1, 1))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A key file at home in a folder that is not there yet."""
    path = tmp_path / "keys" / "ada.key"
    write_key_file(path, PROTECTED)
    return path


def test_a_key_file_is_its_owner_s_alone_and_signs(path: Path) -> None:
    """Claim: mode 0600, nothing else left in the folder, and what is unlocked is the key."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["ada.key"]
    assert read_key_file(path).public == KEY.public
    assert unlock_key_file(path, "p").sign(b"x") == KEY.sign(b"x")


def test_the_mode_does_not_hang_on_the_umask(tmp_path: Path) -> None:
    """Claim: under any umask the file has exactly 0600."""
    before = os.umask(0o277)
    try:
        write_key_file(tmp_path / "k", PROTECTED)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_nothing_is_ever_written_over(tmp_path: Path, kind: str) -> None:
    """Claim: whatever has the name, also a link to nowhere, stays, and nothing is left behind."""
    path, elsewhere = tmp_path / "k", tmp_path / "elsewhere"
    match kind:
        case "file":
            path.touch()
        case "folder":
            path.mkdir()
        case _:
            path.symlink_to(elsewhere)
    with pytest.raises(ConflictError, match="was left as it is"):
        write_key_file(path, PROTECTED)
    assert [entry.name for entry in tmp_path.iterdir()] == ["k"]
    assert not elsewhere.exists()


def test_another_passphrase_takes_the_file_s_place(path: Path) -> None:
    """Claim: replacing leaves one private file, with the new bytes."""
    replace_key_file(path, protect(KEY, "q", Cost(8, 1, 1)))
    assert unlock_key_file(path, "q").public == KEY.public
    assert [entry.name for entry in path.parent.iterdir()] == ["ada.key"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_crash_before_the_name_is_given_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: bytes that could not be made durable never take the name."""

    def fails(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(SigningError, match="No space left") as caught:
        replace_key_file(path, b"new")
    assert "free some space" in str(caught.value.hint)
    with pytest.raises(SigningError, match="No space left"):
        write_key_file(path.with_name("other"), b"new")
    assert [entry.name for entry in path.parent.iterdir()] == ["ada.key"]
    assert path.read_bytes() == PROTECTED


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o777])
def test_a_file_that_others_can_touch_is_refused_with_what_to_type(path: Path, mode: int) -> None:
    """Claim: every bit of group and others is too much, and the error holds the command that mends it."""
    path.chmod(mode)
    with pytest.raises(SigningError, match=f"mode is {mode:04o}") as caught:
        read_key_file(path)
    assert caught.value.hint == f"chmod 600 {path}"


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_of_its_owner_s_is_read(path: Path, mode: int) -> None:
    """Claim: what only the owner can touch is read, also through a link."""
    path.chmod(mode)
    link = path.with_name("link")
    link.symlink_to(path)
    assert read_key_file(link).public == KEY.public


def test_what_is_not_there_or_no_file_is_told(path: Path) -> None:
    """Claim: a missing file, a folder and a pipe that nobody writes to end at once, each with its name."""
    with pytest.raises(NotFoundError, match=r"no key file .*/gone"):
        read_key_file(path.with_name("gone"))
    with pytest.raises(SigningError, match=r"no regular file|Is a directory"):
        read_key_file(path.parent)
    os.mkfifo(path.with_name("pipe"), 0o600)
    with pytest.raises(SigningError, match="pipe is no regular file"):
        read_key_file(path.with_name("pipe"))


def test_a_file_that_may_not_be_read_is_told(path: Path, refused_by_rights: None) -> None:
    """Claim: the system's own reason is in the error."""
    path.chmod(0o000)
    with pytest.raises(SigningError, match="Permission denied"):
        read_key_file(path)


def test_an_endless_or_foreign_file_is_refused_by_its_path(path: Path) -> None:
    """Claim: 64 KiB are read at most; what is no key file names itself."""
    replace_key_file(path, KEY.to_pem() + b"\n" * FILE_SIZE_BYTES_MAX)
    with pytest.raises(DocumentError, match=r"ada\.key has more than 65,536 bytes"):
        read_key_file(path)
    replace_key_file(path, KEY.public.pem.encode())
    with pytest.raises(DocumentError, match=r"ada\.key: these .* no PEM private key") as caught:
        read_key_file(path)
    assert "cannot sign" in str(caught.value.hint)


def test_a_wrong_passphrase_names_the_file(path: Path) -> None:
    """Claim: whoever has several keys learns which file was not opened."""
    with pytest.raises(PassphraseError, match=r"ada\.key: the passphrase does not open"):
        unlock_key_file(path, "q")
    with pytest.raises(PassphraseError, match=r"ada\.key: .* no passphrase was given"):
        unlock_key_file(path)
