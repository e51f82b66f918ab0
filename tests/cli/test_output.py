"""What reaches a terminal: nothing that a file could use against it, colour only where it is wanted."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg_cli.terminal import escaped

PROGRAM = Path(sys.executable).with_name("modelreg")
NOTHING: Mapping[str, str] = {}
HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202e\x9b31m\r\n\x00"


@given(st.text())
def test_escaped_text_is_printable(text: str) -> None:
    """Whatever comes in, only printable characters come out."""
    assert escaped(text).isprintable()


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_printable_text_is_left_alone(text: str) -> None:
    """A name in any script is shown as it is."""
    assert escaped(text) == text


@pytest.fixture
def hostile_model(models: Path, home: Path) -> Path:
    """A real model whose layer is named by somebody who knows terminals."""
    path = home / "hostile.h5"
    path.write_bytes((models / "py38/plain.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        config = str(file.attrs["model_config"])
        name = re.search(r'"name": "(dense\w*)"', config)
        assert name is not None
        file.attrs["model_config"] = config.replace(name[0], '"name": "\\u001b]0;owned\\u0007\\u202e\\u009b31m\\n"')
        file.attrs["keras_version"] = "2.13.1\x1b[2J"
    return path


COMMANDS = ["inspect hostile.h5", "push hostile.h5 --meta who=" + "\x1b[31m", "show hostile", "pull hostile", "list"]
COMMANDS += ["diagnose hostile.h5", "repair hostile.h5 -o mended.h5 --dry-run"]


@pytest.mark.parametrize("stream", ["pipe", "terminal"])
def test_no_file_can_write_control_characters(stream: str, hostile_model: Path) -> None:
    """Names of layers, versions and metadata are escaped on every command, in a pipe and on a terminal."""
    for line in COMMANDS:
        arguments = line.split()
        text = (on_terminal if stream == "terminal" else in_pipe)(*arguments, environment={"NO_COLOR": "1"})
        assert all(char.isprintable() or char in "\n\r" for char in without_layout(text)), (line, text)
        assert "\u202e" not in text


def test_an_error_cannot_write_control_characters(run: Callable[..., Any]) -> None:
    """What was typed comes back escaped too."""
    for arguments in (
        ("pull", HOSTILE),
        ("push", HOSTILE[:-1]),
        (HOSTILE,),
        ("list", "--" + HOSTILE),
        ("explain", HOSTILE),
    ):
        answer = run(*arguments)
        assert answer.status in (2, 3)
        assert all(char.isprintable() or char == "\n" for char in answer.err)
        assert len(answer.err.splitlines()) <= 2


def in_pipe(*arguments: str, environment: Mapping[str, str] = NOTHING) -> str:
    done = subprocess.run(
        [PROGRAM, *arguments],
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    return (done.stdout + done.stderr).decode()


def on_terminal(*arguments: str, environment: Mapping[str, str] = NOTHING, answer: bytes = b"") -> str:
    """Everything that a terminal of 80 columns gets to see."""
    ours, theirs = pty.openpty()
    variables = {**os.environ, "COLUMNS": "80", **environment}
    process = subprocess.Popen([PROGRAM, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=variables)
    os.close(theirs)
    os.write(ours, answer)
    seen = b""
    with process:
        while chunk := _read(ours):
            seen += chunk
    os.close(ours)
    return seen.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux says so when the other end is closed
        return b""


def without_layout(text: str) -> str:
    """``text`` less the bold of rich's headings, which NO_COLOR leaves (it is about colour)."""
    return re.sub(r"\x1b\[[01]m", "", text)


def test_a_pipe_gets_plain_columns_and_whole_digests(demo: str) -> None:
    """In a pipe no box is drawn, nothing is coloured and nothing is cut off."""
    text = in_pipe("list", environment={"COLUMNS": "20"})
    assert "\x1b" not in text
    assert "─" not in text
    assert re.search(r"sha256:[0-9a-f]{64}", text)
    assert len(text.splitlines()) == 2


def test_a_terminal_gets_a_table_that_fits(demo: str) -> None:
    """On a terminal the table is drawn, and no line is longer than the terminal is wide."""
    text = without_layout(on_terminal("list", environment={"COLUMNS": "60"}))
    assert "─" in text
    assert max(len(line) for line in text.splitlines()) <= 60


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
    ids=["by default", "but not with NO_COLOR", "but not with both", "but not on a dumb terminal"],
)
def test_errors_are_coloured_on_a_terminal(variables: dict[str, str], coloured: bool) -> None:
    """The word ``error:`` is red where colour is wanted."""
    assert on_terminal("explain", "MR999", environment=variables).startswith(
        "\x1b[1;31merror:" if coloured else "error:"
    )


@pytest.mark.parametrize("variables", [{}, {"FORCE_COLOR": "1"}], ids=["by default", "unless it is forced"])
def test_a_pipe_is_not_coloured(variables: dict[str, str]) -> None:
    """In a pipe only FORCE_COLOR brings colour."""
    assert in_pipe("explain", "MR999", environment=variables).startswith("\x1b" if variables else "error:")


def test_a_name_that_the_locale_cannot_show_is_escaped(run: Callable[..., Any], models: Path) -> None:
    """An ASCII locale sees a backslash form, and no traceback."""
    run("push", str(models / "py38/plain.h5"), "--name", "demo", "--env", "none", "--meta", "who=José")
    assert "Jos\\xe9" in in_pipe("show", "demo", environment={"PYTHONIOENCODING": "ascii"})


def test_a_diagnosis_is_coloured_on_a_terminal_only(models: Path) -> None:
    """Its findings are data, on standard output; a pipe gets the same words without colour."""
    arguments = ("diagnose", str(models / "py38" / "lambda.h5"))
    assert "\x1b[1;31mrefused:" in on_terminal(*arguments)
    assert "\x1b" not in in_pipe(*arguments)


def test_questions_are_asked_on_a_terminal(demo: str, run: Callable[..., Any]) -> None:
    """``withdraw`` asks, does nothing on *n*, and withdraws on *y*."""
    withdraw = ("withdraw", demo, "--reason", "wrong data")
    assert "the answer was no" in on_terminal(*withdraw, answer=b"n\n")
    assert run("pull", demo, "--dry-run").status == 0
    assert "demo:1 is withdrawn: wrong data" in on_terminal(*withdraw, answer=b"y\n")
    assert run("pull", demo, "--dry-run").status == 4
