"""``modelreg key``: passphrases come from where they may, people are asked in a terminal, and no secret is shown."""

from __future__ import annotations

import os
import pty
import shlex
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelreg import Keyring

PLANTED = "hunter2-planted"
VARIABLE = "MODELREG_KEY_PASSPHRASE"


@pytest.fixture
def secret(home: Path) -> str:
    """The path of a file that holds the passphrase."""
    path = home / "secret.txt"
    path.write_text(f"{PLANTED}\n")
    return str(path)


def at_a_terminal(*arguments: str, answers: tuple[str, ...] = ()) -> tuple[int, str]:
    """The program's exit status and what a person sees who answers each question in turn."""
    program = str(Path(sys.executable).with_name("modelreg"))
    process, terminal = pty.fork()
    if process == 0:
        os.execv(program, [program, *arguments])
    left, shown, asked = list(answers), b"", 0
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # how Linux tells that the other end is closed
            break
        if not piece:
            break
        shown += piece
        if shown.endswith(b": ") and left and len(shown) > asked:
            asked = len(shown)
            os.write(terminal, left.pop(0).encode() + b"\n")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), shown.decode()


def test_a_person_is_asked_twice_and_sees_nothing_of_it() -> None:
    """A new key's passphrase is asked for twice without an echo; it opens the key, and is asked for once then."""
    status, shown = at_a_terminal("key", "generate", answers=(PLANTED, PLANTED))
    assert status == 0, shown
    assert shown.count("passphrase for the key default: ") == 1
    assert shown.count("The same again: ") == 1
    assert PLANTED not in shown
    made = Keyring.open().unlock("default", PLANTED)
    status, shown = at_a_terminal("key", "passwd", "default", answers=(PLANTED, "other", "other"))
    assert status == 0, shown
    assert PLANTED not in shown
    assert Keyring.open().unlock("default", "other").public == made.public


@pytest.mark.parametrize("answers", [(PLANTED, "hunter2-mistyped"), ("",)])
def test_a_slip_of_the_fingers_makes_no_key(answers: tuple[str, ...]) -> None:
    """Two passphrases that differ, or an empty one, are a usage error and nothing is written."""
    status, shown = at_a_terminal("key", "generate", answers=answers)
    assert status == 2, shown
    assert "nothing was written" in shown
    assert "hunter2" not in shown
    assert Keyring.open().names() == ()


def test_a_taken_name_is_told_before_a_passphrase_is_asked_for(ada: Path) -> None:
    """Nobody types a passphrase twice for nothing."""
    status, shown = at_a_terminal("key", "generate", "ada")
    assert (status, "there is a key 'ada' already" in shown, "assphrase" in shown) == (1, True, False)


def test_a_private_key_is_not_for_a_terminal(ada: Path) -> None:
    """It is shown on one with --yes only; the public half always is."""
    status, shown = at_a_terminal("key", "export", "ada", "--private")
    assert (status, "PRIVATE" in shown, "--yes" in shown) == (2, False, True)
    status, shown = at_a_terminal("key", "export", "ada", "--private", "--yes")
    assert (status, shown.replace("\r", "")) == (0, ada.read_text())
    assert at_a_terminal("key", "export", "ada")[0] == 0


def test_without_a_terminal_the_error_says_what_to_give(spawn: Callable[..., Any]) -> None:
    """Each command that needs a passphrase names the file, the variable and the way without."""
    answer = spawn("key", "generate")
    assert (answer.status, answer.out) == (2, "")
    assert "standard input is no terminal" in answer.err
    assert f"hint: --passphrase-file FILE, or {VARIABLE}; or --no-passphrase" in answer.err
    spawn("key", "generate", **{VARIABLE: PLANTED})
    for line in ("key passwd default", "key export default --private"):
        answer = spawn(*line.split())
        assert (answer.status, answer.out) == (2, "")
        assert f"hint: --passphrase-file FILE, or {VARIABLE}\n" in answer.err
    answer = spawn("key", "passwd", "default", **{VARIABLE: PLANTED})
    assert (answer.status, "hint: --new-passphrase-file FILE; or" in answer.err) == (2, True)


def test_a_file_beats_the_environment(run: Callable[..., Any], secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As every flag does; an empty variable counts as none."""
    monkeypatch.setenv(VARIABLE, "other")
    assert run("key", "generate", "--passphrase-file", secret).status == 0
    assert run("key", "export", "default", "--private").status == 1
    monkeypatch.setenv(VARIABLE, PLANTED)
    assert run("key", "export", "default", "--private").status == 0
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setattr(sys, "stdin", None)
    assert run("key", "export", "default", "--private").status == 2


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"hunter2\nhunter3\n", "holds more than one line"),
        (b"hunter2\0", "holds more than one line"),
        (b"hunter2\xff", "is not UTF-8 text"),
        (b"hunter2" * 200, "holds more than the 1,024 bytes"),
    ],
)
def test_what_is_no_passphrase_is_not_taken_for_one(
    content: bytes, complaint: str, run: Callable[..., Any], home: Path
) -> None:
    """A wrong file is told as such, none of it is shown, and no key is made."""
    (home / "secret.txt").write_bytes(content)
    answer = run("key", "generate", "--passphrase-file", "secret.txt")
    assert (answer.status, answer.out) == (2, "")
    assert complaint in answer.err
    assert "hunter" not in answer.err
    assert Keyring.open().names() == ()


@pytest.mark.parametrize(("name", "status"), [("nothing.txt", 3), (".", 2)])
def test_a_passphrase_file_that_cannot_be_read_is_told(name: str, status: int, run: Callable[..., Any]) -> None:
    """By its name, with the status of what is missing or misused."""
    answer = run("key", "generate", "--passphrase-file", name)
    assert (answer.status, repr(name) in answer.err) == (status, True)


def test_contradictions_are_told(run: Callable[..., Any], secret: str, ada: Path) -> None:
    """A passphrase and none, or a protected key that is to be taken in as unprotected: nobody guesses."""
    run("key", "generate", "locked", "--passphrase-file", secret)
    locked = str(ada.with_name("locked.key"))
    for line in (
        f"key generate x --no-passphrase --passphrase-file {secret}",
        f"key passwd ada --no-passphrase --new-passphrase-file {secret}",
        f"key import {ada} --name x --no-passphrase --passphrase-file {secret}",
        f"key import {locked} --name x --no-passphrase",
    ):
        assert run(*shlex.split(line)).status == 2, line
    assert Keyring.open().names() == ("ada", "locked")


def test_a_private_key_s_file_is_its_owner_s(run: Callable[..., Any], ada: Path) -> None:
    """What --private writes can be taken in again at once: it has the mode that import demands."""
    assert run("key", "export", "ada", "--private", "-o", "ada.pem").status == 0
    assert stat.S_IMODE(Path("ada.pem").stat().st_mode) == 0o600
    assert run("key", "import", "ada.pem", "--name", "again", "--no-passphrase").status == 0
    assert run("key", "show", "again", "-q").out == run("key", "show", "ada", "-q").out


def test_list_ends_with_1_where_a_file_cannot_be_used(run: Callable[..., Any], ada: Path) -> None:
    """The good keys are listed all the same, and the fix is the command to type."""
    ada.with_name("bob.key").write_text("x")
    ada.with_name("bob.key").chmod(0o644)
    answer = run("key", "list")
    assert (answer.status, "ada " in answer.out) == (1, True)
    assert f"fix: chmod 600 {ada.with_name('bob.key')}" in answer.out
    found = run("key", "list", "--json").json
    assert ([key["name"] for key in found["keys"]], [key["name"] for key in found["unreadable"]]) == (["ada"], ["bob"])


def test_no_command_shows_a_passphrase_or_a_private_key(
    run: Callable[..., Any], secret: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither on success nor on failure, as text, as JSON or with debugging on; --private alone shows the key."""
    monkeypatch.setenv("MODELREG_DEBUG", "1")
    (home / "other.txt").write_text("hunter2-wrong")
    run("key", "generate", "plain", "--no-passphrase")
    keys = Keyring.open().folder
    lines = (
        f"key generate ada --passphrase-file {secret}",
        f"key generate ada --passphrase-file {secret}",
        f"key generate {'x' * 65} --passphrase-file {secret}",
        "key list",
        "key show ada",
        "key show plain",
        "key export ada",
        "key export ada --private --passphrase-file other.txt",
        f"key export ada --private --passphrase-file {secret} -o ada.pem",
        f"key export ada --private --passphrase-file {secret} -o ada.pem",
        "key export plain --private -o plain.pem",
        f"key import {keys}/ada.key --name copy --passphrase-file other.txt",
        f"key import {keys}/ada.key --name copy --passphrase-file {secret}",
        f"key import plain.pem --name more --passphrase-file {secret}",
        f"key import {secret} --name x",
        "key passwd ada --passphrase-file other.txt --no-passphrase",
        f"key passwd ada --passphrase-file {secret} --new-passphrase-file other.txt",
        f"key passwd ada --passphrase-file {secret} --no-passphrase",
    )
    private = {line for line in Keyring.open().private_pem("plain").splitlines() if "-----" not in line}
    failed = 0
    for line in lines:
        for form in ([], ["--json"], ["-q"]):
            answer = run(*line.split(), *form)
            failed += answer.status != 0
            shown = answer.out + answer.err
            if Path("ada.pem").exists():
                private |= {line for line in Path("ada.pem").read_text().splitlines() if "-----" not in line}
            assert shown, line
            assert not [word for word in ("hunter2", "PRIVATE", "Traceback", *private) if word in shown], line
            assert "internal error" not in shown, line
    assert 15 < failed < 45


def test_keys_are_completed(spawn: Callable[..., Any], ada: Path) -> None:
    """The shell offers the names of keys, and nothing where there are none."""
    variables = {"_MODELREG_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    answer = spawn(**variables, _TYPER_COMPLETE_ARGS="modelreg key show a")
    assert (answer.out.partition("\t")[0].strip(), answer.err) == ("ada", "")
    answer = spawn(**variables, _TYPER_COMPLETE_ARGS="modelreg key show a", MODELREG_KEYS="/nothing/there")
    assert (answer.out.strip(), answer.err) == ("", "")
