"""The entry point: the table of commands, and what becomes of every exception.

A command's module is imported when the command is used, so that ``modelreg --help`` stays fast whatever is added.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, MutableMapping, Sequence
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import modelreg
from modelreg_cli.exits import (
    INTERRUPTED,
    INTERRUPTION,
    OutputClosedError,
    failure_of,
    interruptible,
    silence_standard_output,
)
from modelreg_cli.output import Form, Output

PROGRAM = "modelreg"
COMMANDS = {
    "push": "Push a model file or folder as the next version of its name.",
    "pull": "Judge a version, then fetch it, every chunk verified.",
    "verify": "Check a version in the store, or a pulled folder without any registry.",
    "list": "List models and versions.",
    "show": "Show everything about a version, and what a pull of it would find.",
    "inspect": "Read a file, a folder or a version: layers, tensors, custom objects, hazards.",
    "alias": "Point an alias at a version, or delete it.",
    "withdraw": "Refuse a version from now on, and say why.",
    "gc": "Remove blobs that no version needs.",
    "explain": "Explain a rule, or list them all.",
    "env": "Capture and compare environments.",
    "config": "Show every setting and where its value comes from.",
    "db": "Show and upgrade the database's schema.",
    "doctor": "Say whether the registry can be used, and what is in the way.",
}
"""Every command and its one line of help; the module ``modelreg_cli.commands.NAME`` holds its ``app``."""


class _Commands(MutableMapping[str, Any]):
    """The commands by name; one is imported when it is looked up."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in COMMANDS:
            raise KeyError(name)
        if name not in self._loaded:
            module = importlib.import_module(f"modelreg_cli.commands.{name}")
            loaded = typer.main.get_command(module.app)
            loaded.name = name
            self._loaded[name] = loaded
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class LazyGroup(TyperGroup):
    """A group that lists its commands from ``COMMANDS``, importing none of them."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**(attributes | {"commands": _Commands()}))

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - typer's signature
        """Write the section of ``--help`` that lists the commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _print_version(value: bool) -> None:
    if value:
        sys.stdout.write(f"{PROGRAM} {modelreg.__version__}\n")
        raise typer.Exit


app = typer.Typer(
    cls=LazyGroup,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit statuses: 0 done, 1 failed, 2 usage, 3 not found; a refusal is the sum of 4 policy, 8 corrupt, "
    "16 untrusted, 32 unsafe, 64 incompatible.",
)


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Keep Keras models, and verify them before Keras touches the bytes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program with ``arguments`` (by default this process's) and return its exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that this locale cannot show must not end us
    output = Output(_form(arguments))
    try:
        with interruptible():
            return _run(arguments, output)
    except OutputClosedError:
        silence_standard_output()
        return 1


def _run(arguments: list[str], output: Output) -> int:
    try:
        status = typer.main.get_command(app).main(arguments, prog_name=PROGRAM, standalone_mode=False)
    except OutputClosedError:
        raise
    except (Exception, KeyboardInterrupt) as error:
        failure = failure_of(error, command=_command_of(arguments))
        output.failure(failure)
        return failure.exit_status
    if status == INTERRUPTED:
        output.failure(INTERRUPTION)
    return int(status or 0)


def _form(arguments: Sequence[str]) -> Form:
    """The form of an error, which may come before the options are parsed."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return Form.JSON if "--json" in options else Form.TEXT


def _command_of(arguments: Sequence[str]) -> str:
    """``modelreg push`` of what was typed, for the hint to its help."""
    return next((f"{PROGRAM} {word}" for word in arguments if word in COMMANDS), PROGRAM)
