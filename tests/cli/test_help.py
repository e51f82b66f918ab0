"""Help: fast, complete, and the same wherever it is told."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from modelreg_cli.group import COMMANDS

HEAVY = [
    "sqlalchemy",
    "alembic",
    "h5py",
    "numpy",
    "cryptography",
    "boto3",
    "tensorflow",
    "keras",
    "rich",
    "blake3",
    "pydantic",
    "pygments",
]
GROUPS: dict[str, tuple[str, ...]] = {
    "log": ("show", "checkpoint", "witness", "prove", "verify", "audit", "key", "forget"),
    "trust": ("init", "show", "add", "remove", "revoke", "rotate", "amend", "sign", "import", "announce"),
    "key": ("generate", "list", "show", "export", "import", "passwd"),
    "env": ("capture", "diff"),
    "config": ("show",),
    "db": ("status", "upgrade", "rebuild", "reindex"),
}
LEAVES: list[tuple[str, ...]] = [
    leaf for name in COMMANDS for leaf in ([(name, part) for part in GROUPS[name]] if name in GROUPS else [(name,)])
]


def imported_by(*arguments: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after the call."""
    code = (
        "import sys\nfrom modelreg_cli.app import main\n"
        f"status = main({list(arguments)!r})\n"
        "print(status, *{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    status, *names = done.stderr.splitlines()[-1].split()
    assert status == "0"
    return set(names)


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--version",), ("pull", "--help"), ("key", "export", "--help")], ids=" ".join
)
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    """Whoever only asks for help waits for no database, no array library and no Keras."""
    assert imported_by(*arguments).isdisjoint(HEAVY)


def test_everyday_commands_import_no_keras(demo: str) -> None:
    """A pull is judged and verified without Keras, TensorFlow or NumPy in the process."""
    assert imported_by("pull", demo).isdisjoint({"numpy", "h5py", "tensorflow", "keras", "boto3", "cryptography"})


@pytest.mark.parametrize("line", ["list", "verify demo", "log show", "fsck", "gc --dry-run"])
def test_what_signs_nothing_imports_no_cryptography(line: str, demo: str) -> None:
    """Only what signs pays for the keys: the key commands, and a push, whose log is signed."""
    assert "cryptography" not in imported_by(*line.split())


def test_no_argument_is_a_request_for_help(run: Callable[..., Any]) -> None:
    """``modelreg`` alone prints what ``modelreg --help`` prints."""
    assert run() == run("--help")


def test_help_lists_every_command(run: Callable[..., Any]) -> None:
    """The table of commands is the section that ``--help`` prints, each with its one line."""
    listed = " ".join(run("--help").out.split())
    assert all(f"{name} {line}" in listed for name, line in COMMANDS.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_of_itself_what_the_table_says(name: str) -> None:
    """The first sentence of a command's own help is its line in the table of commands."""
    command = typer.main.get_command(importlib.import_module(f"modelreg_cli.commands.{name}").app)
    assert (command.help or "").splitlines()[0] == COMMANDS[name]


def test_the_table_of_commands_is_the_folder_of_commands() -> None:
    """No command's module is forgotten in the table, and no line of the table lacks a module."""
    folder = Path(str(importlib.import_module("modelreg_cli.commands").__file__)).parent
    assert set(COMMANDS) == {path.stem for path in folder.glob("[a-z]*.py")}


@pytest.mark.parametrize("leaf", LEAVES, ids=" ".join)
def test_every_command_has_the_shared_options(leaf: tuple[str, ...], run: Callable[..., Any]) -> None:
    """``--json``, ``-q`` and where the registry is can be given to every command."""
    words = run(*leaf, "--help").out.split()
    assert {"--json", "--quiet", "--home", "--database", "--store", "--help"} <= set(words)


@pytest.mark.parametrize("leaf", LEAVES, ids=" ".join)
def test_short_help_option_is_the_long_one(leaf: tuple[str, ...], run: Callable[..., Any]) -> None:
    """``-h`` prints what ``--help`` prints."""
    assert run(*leaf, "-h") == run(*leaf, "--help")
