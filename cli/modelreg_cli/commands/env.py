"""``modelreg env``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import modelreg
from modelreg_cli.exits import OutputError
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.result import Column, Lines, Result, Table

if TYPE_CHECKING:
    from modelreg import Environment

app = new_app("Capture and compare environments.")

_FORMS = "current, a document, an interpreter, or a lock file (FILE@3.11)"


@app.command()
@command
def capture(
    invocation: Invocation,  # noqa: ARG001 - every command gets one
    python: Annotated[
        str | None,
        typer.Option("--python", metavar="EXE", help="Another interpreter's path, folder or name; 2.7 or later."),
    ] = None,
    out: Annotated[str | None, typer.Option("--out", "-o", metavar="FILE", help="Write the document there.")] = None,
) -> Result:
    """Describe an interpreter and what is installed in it.

    The document that it prints is for --target and --env; without --python it is about this interpreter. TensorFlow
    is not imported. The document is JSON already, so --json changes nothing.
    """
    environment = modelreg.capture(python)
    document = json.loads(modelreg.to_document(environment))
    if out is None:
        blocks = (Lines(tuple(json.dumps(document, indent=2).splitlines())),)
    else:
        _write(Path(out), json.dumps(document, indent=2) + "\n")
        blocks = (Lines((f"{out}: {_summary(environment)}",)),)
    schema, _, version = document.pop("schema").removeprefix("modelreg.").partition("/v")
    quiet = (out,) if out is not None else (json.dumps(document),)
    return Result(schema=schema, version=int(version), value=document, blocks=blocks, quiet=quiet)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{str(path)!r} cannot be written: {error.strerror or error}") from None


def _summary(environment: Environment) -> str:
    known = (("Python", environment.python), ("TensorFlow", environment.tensorflow), ("Keras", environment.keras))
    return ", ".join(f"{name} {version or 'not installed'}" for name, version in known)


@app.command()
@command
def diff(
    invocation: Invocation,  # noqa: ARG001 - every command gets one
    left: Annotated[str, typer.Argument(metavar="A", help=f"An environment: {_FORMS}.", show_default=False)],
    right: Annotated[str, typer.Argument(metavar="B", help="Another one.", show_default=False)],
) -> Result:
    """Show what differs between two environments, gravest for a Keras model first.

    The exit status is 0 whether they differ or not; --json tells it as "equal".
    """
    differences = modelreg.diff(_environment(left), _environment(right))
    rows = [(found.field, found.left or "", found.right or "") for found in differences]
    return Result(
        schema="environment-diff",
        value={
            "left": left,
            "right": right,
            "equal": not differences,
            "differences": [modelreg.to_json(found) for found in differences],
        },
        blocks=(Table((Column("FIELD"), Column(left), Column(right)), rows),) if rows else (),
        quiet=tuple(found.field for found in differences),
        notes=() if rows else ("no difference",),
    )


def _environment(text: str) -> Environment:
    environment = modelreg.resolve_target(text)
    if environment is None:
        raise modelreg.UsageError(f"{text!r} is no environment to compare", hint=f"give {_FORMS}")
    return environment
