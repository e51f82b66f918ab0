"""Where a passphrase comes from: a file, ``MODELREG_KEY_PASSPHRASE``, or a person at a terminal; never an argument.

Invariant: no message holds any of it.
"""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

import modelreg
from modelreg_cli.terminal import is_terminal

VARIABLE = "MODELREG_KEY_PASSPHRASE"
SIZE_BYTES_MAX = 1024

FromFile = Annotated[
    str | None,
    typer.Option(
        "--passphrase-file", metavar="FILE", help=f"Its one line is the passphrase [{VARIABLE}].", show_default=False
    ),
]


def given(file: str | None) -> str | None:
    """The passphrase of ``file``, else of the environment; ``None`` where neither is given."""
    if file is not None:
        return _read(Path(file))
    return os.environ.get(VARIABLE) or None


def existing(file: str | None, key: str) -> str:
    """The passphrase that ``key`` has; raises ``UsageError`` where it is not given and nobody can be asked."""
    found = given(file)
    return _ask(f"Passphrase of the key {key}: ", f"--passphrase-file FILE, or {VARIABLE}") if found is None else found


def of_new_key(file: str | None, key: str) -> str:
    """The passphrase of a key that is being made: given, or asked for twice; raises as ``existing``."""
    return given(file) or _chosen(key, f"--passphrase-file FILE, or {VARIABLE}")


def another(file: str | None, key: str) -> str:
    """The passphrase that ``key`` is to have instead: from ``file``, or asked for twice; raises as ``existing``."""
    return _chosen(key, "--new-passphrase-file FILE") if file is None else _read(Path(file))


def _chosen(key: str, instead: str) -> str:
    instead += "; or --no-passphrase for a key without one"
    passphrase = _ask(f"New passphrase for the key {key}: ", instead)
    if _ask("The same again: ", instead) != passphrase:
        raise modelreg.UsageError("the two passphrases differ; nothing was written")
    return passphrase


def _ask(prompt: str, instead: str) -> str:
    if not is_terminal(sys.stdin):
        raise modelreg.UsageError(
            "a passphrase is needed and nobody can be asked here: standard input is no terminal", hint=instead
        )
    try:
        passphrase = getpass.getpass(prompt, stream=sys.stderr)
    except EOFError:
        raise typer.Abort from None
    if not passphrase:
        raise modelreg.UsageError("an empty passphrase protects nothing; nothing was written")
    return passphrase


def _read(path: Path) -> str:
    """The one line of a file, which may be a pipe; its end of line is not part of it."""
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_BYTES_MAX + 2)
    except FileNotFoundError:
        raise modelreg.NotFoundError(f"there is no passphrase file {str(path)!r}") from None
    except OSError as error:
        raise modelreg.UsageError(
            f"the passphrase file {str(path)!r} cannot be read: {error.strerror or error}"
        ) from None
    line = data.removesuffix(b"\n").removesuffix(b"\r")
    if len(line) > SIZE_BYTES_MAX:
        raise modelreg.UsageError(f"{str(path)!r} holds more than the {SIZE_BYTES_MAX:,} bytes of a passphrase")
    if b"\n" in line or b"\0" in line:
        raise modelreg.UsageError(f"{str(path)!r} holds more than one line", hint="a passphrase file is one line")
    if not line:
        raise modelreg.UsageError(f"the passphrase file {str(path)!r} is empty", hint="or --no-passphrase")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        raise modelreg.UsageError(f"the passphrase file {str(path)!r} is not UTF-8 text") from None
