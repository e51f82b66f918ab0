"""The keyring: private files in a private folder, never written over, and nothing secret in what it returns."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from modelreg import (
    ConflictError,
    DocumentError,
    Keyring,
    NotFoundError,
    PassphraseError,
    SigningError,
    StoredKey,
    UnreadableKey,
    UsageError,
    load_settings,
    read_stored_key,
)
from modelreg.trust.keyfile import Cost, protect
from modelreg.trust.keys import Algorithm, PrivateKey, PublicKey

KEY = PrivateKey.generate()
PROTECTED = protect(KEY, "p", Cost(8, 1, 1))


@pytest.fixture(autouse=True)
def cheap_passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a guess costs stands in each file; ``test_keyfile`` makes one at full cost."""
    monkeypatch.setattr(Cost.__init__, "__defaults__", (8, 1, 1))


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    """A keyring whose folder is not there yet."""
    return Keyring(tmp_path / "configuration" / "keys")


def private_file(path: Path, data: bytes) -> Path:
    path.touch(0o600)
    path.write_bytes(data)
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folder_is_beside_the_user_s_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: by default it is ``keys`` beside ``config.toml``, and ``MODELREG_KEYS`` names another."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Keyring.open().folder.parent.name == "modelreg"
    assert Keyring.open().folder.name == "keys"
    assert Keyring.open().folder.is_relative_to(tmp_path)
    assert Keyring.open(load_settings(environ={"MODELREG_KEYS": "/k"})).folder == Path("/k")


def test_a_project_does_not_say_where_keys_lie(tmp_path: Path) -> None:
    """Claim: a project's file that names the folder of keys is an error, whatever else names one."""
    (tmp_path / "modelreg.toml").write_text('keys = "keys"\n')
    with pytest.raises(UsageError, match="keys is each user's own"):
        load_settings(environ={"MODELREG_KEYS": "/k"}, cwd=tmp_path)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_key_is_made_and_signs(keyring: Keyring, algorithm: Algorithm) -> None:
    """Claim: each kind is made, told without a passphrase, and signs what its public half verifies."""
    made = keyring.generate(algorithm=algorithm.value, passphrase=None)
    assert keyring.get() == made == read_stored_key(made.path)
    assert (made.name, made.algorithm, made.is_protected) == ("default", algorithm.value, False)
    public = PublicKey.from_pem(made.public_pem.encode())
    assert (public.id, public.hint) == (made.id, made.hint)
    assert public.verify(keyring.unlock().sign(b"x"), b"x")


def test_files_are_their_owner_s_alone(keyring: Keyring) -> None:
    """Claim: the folder has 0700 and the file 0600 under any umask, and nothing else is left there."""
    before = os.umask(0)
    try:
        made = keyring.generate("ada", passphrase=None)
    finally:
        os.umask(before)
    assert (mode(keyring.folder), mode(made.path)) == (0o700, 0o600)
    assert os.listdir(keyring.folder) == ["ada.key"]


def test_a_protected_key_needs_its_passphrase(keyring: Keyring) -> None:
    """Claim: a key that was made behind a passphrase is opened by it, and neither without nor by another."""
    made = keyring.generate(passphrase="correct horse")
    assert made.is_protected
    assert keyring.unlock("default", "correct horse").public.id == made.id
    for wrong in (None, "battery staple"):
        with pytest.raises(PassphraseError):
            keyring.unlock("default", wrong)
    assert b"PRIVATE" not in made.path.read_bytes()


def test_no_key_is_written_over(keyring: Keyring, tmp_path: Path) -> None:
    """Claim: making or taking in a key under a name that is taken, also by a link to nowhere, leaves the file."""
    made = keyring.generate("ada", passphrase=None)
    (keyring.folder / "bob.key").symlink_to("nowhere")
    other = private_file(tmp_path / "other.pem", KEY.to_pem())
    for name in ("ada", "bob"):
        with pytest.raises(ConflictError, match=f"there is a key '{name}' already"):
            keyring.generate(name, passphrase=None)
        with pytest.raises(ConflictError):
            keyring.take(other, name, passphrase=None)
    assert keyring.get("ada") == made
    assert not (keyring.folder / "nowhere").exists()


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "Ada", "a" * 65, "a\n", "é", "-x"])
def test_a_name_is_no_path(keyring: Keyring, name: str) -> None:
    """Claim: a name with anything but the alphabet is refused by every call, and nothing is made."""
    for call in (
        lambda: keyring.generate(name, passphrase=None),
        lambda: keyring.get(name),
        lambda: keyring.unlock(name),
    ):
        with pytest.raises(UsageError, match="is not a key's name"):
            call()
    assert not keyring.folder.exists()


def test_an_unknown_kind_is_told_before_anything_is_made(keyring: Keyring) -> None:
    """Claim: RSA is refused with the kinds that there are."""
    with pytest.raises(UsageError, match="'rsa' is no kind of key") as error:
        keyring.generate(algorithm="rsa", passphrase=None)
    assert "ecdsa-p256" in str(error.value.hint)
    assert not keyring.folder.exists()


def test_a_folder_that_others_can_enter_is_not_used(keyring: Keyring) -> None:
    """Claim: neither read nor written, whichever bit it is; the hint is the command that mends it."""
    made = keyring.generate("ada", passphrase=None)
    for bits in (0o710, 0o720, 0o740, 0o701, 0o702, 0o704):
        keyring.folder.chmod(bits)
        for call in (keyring.list, lambda: keyring.get("ada"), lambda: keyring.generate("bob", passphrase=None)):
            with pytest.raises(SigningError, match=f"others can enter .* its mode is {bits:04o}") as error:
                call()
            assert error.value.hint == f"chmod 700 {keyring.folder}"
    keyring.folder.chmod(0o700)
    assert keyring.list() == (made,)


def test_one_bad_file_hides_no_other_key(keyring: Keyring) -> None:
    """Claim: the list tells of each file that cannot be used, and why; other files are not keys."""
    made = keyring.generate("ada", passphrase=None)
    private_file(keyring.folder / "broken.key", b"{")
    private_file(keyring.folder / "notes.txt", b"x")
    private_file(keyring.folder / ".0123.key", b"x")
    private_file(keyring.folder / "loose.key", KEY.to_pem()).chmod(0o640)
    found = keyring.list()
    assert [key.name for key in found] == ["ada", "broken", "loose"]
    assert found[0] == made
    assert isinstance(loose := found[2], UnreadableKey)
    assert isinstance(found[1], UnreadableKey)
    assert loose.hint == f"chmod 600 {keyring.folder / 'loose.key'}"


def test_a_key_that_is_not_there_is_not_found(keyring: Keyring) -> None:
    """Claim: no folder and no file are the same to whoever asks for a key, and an empty list is no error."""
    assert keyring.list() == ()
    with pytest.raises(NotFoundError, match="there is no key 'ada' in"):
        keyring.get("ada")
    keyring.generate(passphrase=None)
    with pytest.raises(NotFoundError):
        keyring.unlock("ada", "p")


def test_a_protected_file_is_taken_in_as_it_is(keyring: Keyring, tmp_path: Path) -> None:
    """Claim: its bytes are kept, and its own passphrase still opens it; one that is given must open it."""
    path = private_file(tmp_path / "ada.key", PROTECTED)
    with pytest.raises(PassphraseError):
        keyring.take(path, passphrase="wrong")
    assert not keyring.folder.exists()
    taken = keyring.take(path, passphrase="p")
    assert (taken.name, taken.id, taken.path.read_bytes()) == ("ada", KEY.public.id, PROTECTED)
    assert keyring.take(path, "again", passphrase=None).is_protected
    assert keyring.unlock("again", "p").public == KEY.public


@pytest.mark.parametrize("passphrase", [None, "p"])
def test_a_pem_is_taken_in_behind_a_passphrase_or_none(
    keyring: Keyring, tmp_path: Path, passphrase: str | None
) -> None:
    """Claim: the key is the same and is protected as was said; the PEM file stays."""
    path = private_file(tmp_path / "ada.pem", KEY.to_pem())
    taken = keyring.take(path, passphrase=passphrase)
    assert (taken.name, taken.id, taken.is_protected) == ("ada", KEY.public.id, passphrase is not None)
    assert keyring.unlock("ada", passphrase).to_pem() == path.read_bytes() == KEY.to_pem()


@pytest.mark.parametrize("data", [b"", b"{}", KEY.public.pem.encode(), b"-----BEGIN PRIVATE KEY-----\n"])
def test_what_is_no_private_key_is_not_taken_in(keyring: Keyring, tmp_path: Path, data: bytes) -> None:
    """Claim: a document error that names the file, and no folder is made."""
    path = private_file(tmp_path / "x.pem", data)
    with pytest.raises(DocumentError, match=r"x\.pem"):
        keyring.take(path, passphrase=None)
    assert not keyring.folder.exists()


def test_a_passphrase_is_set_changed_and_removed(keyring: Keyring) -> None:
    """Claim: each time the key is the same, only the newest passphrase opens it, and the file stays private."""
    made = keyring.generate("ada", passphrase=None)
    now: str | None = None
    for new in ("one", "two", None):
        changed = keyring.change_passphrase("ada", now, new)
        assert (changed.id, changed.is_protected) == (made.id, new is not None)
        assert changed == keyring.get("ada")
        assert keyring.unlock("ada", new).public.id == made.id
        assert mode(changed.path) == 0o600
        if new is not None:
            with pytest.raises(PassphraseError):
                keyring.unlock("ada", "nought" if now is None else now)
        now = new
    assert os.listdir(keyring.folder) == ["ada.key"]


@pytest.mark.parametrize("new", ["", "x" * 1025])
def test_a_change_that_fails_leaves_the_file(keyring: Keyring, new: str) -> None:
    """Claim: after a wrong old or an impossible new passphrase the file has its bytes, and no other is there."""
    keyring.take(private_file(keyring.folder.parent.parent / "ada.key", PROTECTED), passphrase=None)
    with pytest.raises(PassphraseError):
        keyring.change_passphrase("ada", "wrong", "new")
    with pytest.raises(UsageError, match="a passphrase has 1 to"):
        keyring.change_passphrase("ada", "p", new)
    assert (keyring.folder / "ada.key").read_bytes() == PROTECTED
    assert os.listdir(keyring.folder) == ["ada.key"]


def test_a_linked_key_is_changed_where_it_lies(keyring: Keyring, tmp_path: Path) -> None:
    """Claim: no copy behind the old passphrase, or none, stays at the other end of a link."""
    keyring.generate("first", passphrase=None)
    path = private_file(tmp_path / "elsewhere.key", KEY.to_pem())
    (keyring.folder / "ada.key").symlink_to(path)
    keyring.change_passphrase("ada", None, "p")
    assert b"PRIVATE" not in path.read_bytes()
    assert (keyring.folder / "ada.key").is_symlink()
    assert keyring.unlock("ada", "p").public == KEY.public


def test_keys_leave_as_pem(keyring: Keyring, tmp_path: Path) -> None:
    """Claim: the public half for all to read, the private key for its owner alone, and neither over a file."""
    keyring.take(private_file(tmp_path / "ada.key", PROTECTED), passphrase=None)
    public, private = tmp_path / "ada.pub.pem", tmp_path / "ada.pem"
    keyring.export_public("ada", public)
    with pytest.raises(PassphraseError):
        keyring.export_private("ada", private)
    assert not private.exists()
    keyring.export_private("ada", private, "p")
    assert (public.read_text(), mode(public)) == (KEY.public.pem, 0o644)
    assert (private.read_bytes(), mode(private)) == (KEY.to_pem(), 0o600)
    with pytest.raises(ConflictError):
        keyring.export_public("ada", private)
    with pytest.raises(ConflictError):
        keyring.export_private("ada", public, "p")
    assert (public.read_text(), private.read_bytes()) == (KEY.public.pem, KEY.to_pem())


def test_nothing_secret_is_in_a_representation(keyring: Keyring, tmp_path: Path) -> None:
    """Claim: no text of anything that the keyring returns has a line of the private key or the passphrase."""
    taken = keyring.take(private_file(tmp_path / "ada.pem", KEY.to_pem()), passphrase="hunter2-planted")
    assert isinstance(taken, StoredKey)
    shown = repr((keyring, taken, keyring.list(), keyring.unlock("ada", "hunter2-planted")))
    assert "hunter2" not in shown
    assert not [line for line in KEY.to_pem().decode().splitlines()[1:-1] if line in shown]
