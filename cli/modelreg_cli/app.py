"""The entry point: from arguments to an exit status, whatever happens in between."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Annotated

import typer

import modelreg
from modelreg_cli.exits import (
    INTERRUPTED,
    INTERRUPTION,
    OutputClosedError,
    failure_of,
    interruptible,
    silence_standard_output,
)
from modelreg_cli.group import COMMANDS, LazyGroup
from modelreg_cli.output import Form, Output

PROGRAM = "modelreg"


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
    gc.set_threshold(100_000, 50, 50)  # importing makes many objects that all live on; looking at them costs a tenth
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
