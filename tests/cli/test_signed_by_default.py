"""A push that nobody said how to sign: the key that it makes, and what keeps it from making one."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelreg import Keyring
from modelreg.client.keyring import DEFAULT_NAME


@pytest.fixture(autouse=True)
def said_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting says what signs."""
    monkeypatch.delenv("MODELREG_SIGN")


@pytest.fixture
def line(models: Path) -> tuple[str, ...]:
    return ("push", str(models / "py38/plain.h5"), "--name", "demo", "--env", "none")


def test_what_is_pushed_here_is_signed_here(run: Callable[..., Any], line: tuple[str, ...]) -> None:
    """The key is made once, its file is its owner's alone, and a demand for a signature is met."""
    first, second = run(*line, "--json").json, run(*line, "--json").json
    key = Keyring.open().get(DEFAULT_NAME)
    assert (first["signed_by"], first["key_made"], first["not_signed"]) == (key.id, True, None)
    assert (second["signed_by"], second["key_made"]) == (key.id, False)
    assert stat.S_IMODE(key.path.stat().st_mode) == 0o600
    assert run("pull", "demo", "--verify", "--strict", "MR201").status == 0


@pytest.mark.parametrize("words", [("--no-sign",), ("--dry-run",)], ids=" ".join)
def test_no_key_is_made_for_nothing(words: tuple[str, ...], run: Callable[..., Any], line: tuple[str, ...]) -> None:
    """Neither a push that is not to sign nor a rehearsal makes one."""
    answer = run(*line, *words, "--json")
    assert (answer.status, answer.json["signed_by"], answer.json["key_made"]) == (0, None, False)
    assert not Keyring.open().folder.exists()


def test_the_setting_none_makes_none(
    run: Callable[..., Any], line: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting that says none is no push without a setting."""
    monkeypatch.setenv("MODELREG_SIGN", "none")
    assert run(*line, "--json").json["not_signed"] is None
    assert not Keyring.open().folder.exists()


def test_a_key_that_a_setting_names_is_not_made(
    run: Callable[..., Any], line: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks for a key by name, also the default one's, gets it or an error."""
    monkeypatch.setenv("MODELREG_SIGN", "default")
    answer = run(*line)
    assert (answer.status, "there is no key 'default'" in answer.err) == (3, True)
    assert run("list", "-q").out == ""


def test_where_no_key_can_be_made_the_push_is_told_unsigned(
    run: Callable[..., Any], line: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine without a place for settings pushes all the same, and says what is missing and why."""
    Path("file").touch()
    monkeypatch.setenv("MODELREG_KEYS", str(Path("file/keys").absolute()))
    answer = run(*line)
    assert answer.status == 0
    assert "not signed: " in answer.err
    assert "file/keys" in answer.err
    answer = run(*line, "--json")
    assert answer.json["signed_by"] is None
    assert "file/keys" in answer.json["not_signed"]
    assert run(*line, "--sign", "default").status != 0


@pytest.mark.parametrize("damage", ["mode", "bytes"])
def test_a_key_that_cannot_be_used_keeps_no_push(
    damage: str, run: Callable[..., Any], line: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong with it is told with its fix; where it was asked for, it is an error."""
    run(*line)
    path = Keyring.open().get().path
    if damage == "mode":
        path.chmod(0o644)
    else:
        path.write_bytes(b"x")
    answer = run(*line)
    assert (answer.status, "not signed: " in answer.err, str(path) in answer.err) == (0, True, True)
    assert run(*line, "--sign", "default").status == 1


def test_a_wrong_passphrase_is_an_error(
    run: Callable[..., Any], line: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever gives one wants a signature."""
    Path("right.txt").write_text("correct horse")
    run("key", "generate", "--passphrase-file", "right.txt")
    monkeypatch.setenv("MODELREG_KEY_PASSPHRASE", "wrong")
    assert run(*line).status == 1
    assert run("list", "-q").out == ""
    assert run(*line, "--passphrase-file", "right.txt", "--json").json["signed_by"] == Keyring.open().get().id


def test_two_first_pushes_at_the_same_time_make_one_key(run: Callable[..., Any], line: tuple[str, ...]) -> None:
    """Both are signed by it, whichever made it, and both succeed."""
    run("doctor")
    program = str(Path(sys.executable).with_name("modelreg"))
    pushes = [
        subprocess.Popen([program, *line], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ, text=True)
        for _ in range(3)
    ]
    told = [push.communicate(timeout=120) for push in pushes]
    assert [push.returncode for push in pushes] == [0, 0, 0], told
    assert sum("made the key default" in err for _, err in told) == 1, told
    key = Keyring.open().get()
    assert all(f"signed by default ({key.id[:16]})" in out for out, _ in told), told
    assert len(list(key.path.parent.iterdir())) == 1


def test_a_key_that_came_meanwhile_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever finds the name taken at the last moment signs with the key that took it."""
    keyring = Keyring.open()
    real = Keyring.get

    def late(self: Keyring, name: str = DEFAULT_NAME) -> Any:
        monkeypatch.setattr(Keyring, "get", real)
        made = keyring.generate(name, passphrase=None)
        assert made.id
        return real(self, "nobody")

    monkeypatch.setattr(Keyring, "get", late)
    key, is_new = keyring.ensure()
    assert (key, is_new) == (real(keyring), False)


def _loads(module: str, *arguments: str) -> bool:
    """Whether the command line loads ``module`` on the way."""
    program = (
        "import sys; from modelreg_cli.app import main; status = main(sys.argv[2:]); "
        "sys.exit(2 * status or sys.argv[1] in sys.modules)"
    )
    command = [sys.executable, "-c", program, module, *arguments]
    ended = subprocess.run(command, check=False, env=os.environ, capture_output=True).returncode
    assert ended in (0, 1)
    return ended == 1


def test_listing_costs_no_cryptography(line: tuple[str, ...], run: Callable[..., Any]) -> None:
    """That pushes sign makes nothing else slower."""
    run(*line)
    assert not _loads("cryptography", "list")


def test_a_push_without_certificates_loads_no_x509(line: tuple[str, ...]) -> None:
    """Claim: signing by a bare key costs what that needs; X.509 alone is a third of the cryptography package."""
    assert _loads("cryptography", *line)
    assert not _loads("cryptography.x509", *line)
