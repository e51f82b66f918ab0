"""``modelreg alias``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

import modelreg
from modelreg_cli import complete
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.result import Lines, Result

if TYPE_CHECKING:
    from modelreg import AliasMoved

app = new_app()


@app.command()
@command
def alias(
    invocation: Invocation,
    reference: Annotated[
        str,
        typer.Argument(
            metavar="REF|NAME",
            help="The version that the alias is to point at; with --delete the model's name.",
            show_default=False,
            autocompletion=complete.references,
        ),
    ],
    alias: Annotated[
        str,
        typer.Argument(
            metavar="ALIAS", help="Such as production.", show_default=False, autocompletion=complete.aliases
        ),
    ],
    delete: Annotated[bool, typer.Option("--delete", help="Delete the alias; the version stays.")] = False,
    expect: Annotated[
        str | None,
        typer.Option(
            "--expect",
            metavar="VERSION|none",
            help="Only if it points at this version now, or with none only if there is no such alias.",
            show_default=False,
        ),
    ] = None,
) -> Result:
    """Point an alias at a version, or delete it.

    An alias that is there already is moved; it says where it pointed before. With --expect nobody else's move is
    overwritten: if it points elsewhere, nothing is changed and the exit status is 1.
    """
    expected = _expected(expect)
    with invocation.registry() as registry:
        if delete:
            return _result(registry.delete_alias(_bare_name(reference), alias, expect=expected))
        _, exactly = invocation.resolve(registry, reference)
        return _result(registry.alias(exactly, alias, expect=expected))


def _expected(text: str | None) -> int | Literal["none"] | None:
    if text is None:
        return None
    if text == "none":
        return "none"
    if text.isascii() and text.isdigit() and 0 < len(text) <= 10:
        return int(text)
    raise modelreg.UsageError(f"--expect takes a version's number or none, not {text!r}", hint="--expect 3")


def _bare_name(text: str) -> str:
    """``text`` if it names a model and no version of it: an alias belongs to the model."""
    reference = modelreg.parse_reference(text)
    if str(reference) != reference.name:
        raise modelreg.UsageError(
            f"an alias is deleted from a model, and {text!r} names a version",
            hint=f"modelreg alias --delete {reference.name} ALIAS",
        )
    return reference.name


def _result(moved: AliasMoved) -> Result:
    before = "" if moved.before is None else f" (before: {moved.model}:{moved.before})"
    if moved.version is None:
        line = f"{moved.model}@{moved.alias} deleted{before}"
    else:
        line = f"{moved.model}@{moved.alias} -> {moved.model}:{moved.version}{before}"
    return Result(
        schema="alias",
        value={
            "model": moved.model,
            "alias": moved.alias,
            "version": moved.version,
            "before": moved.before,
            "deleted": moved.version is None,
        },
        blocks=(Lines((line,)),),
        quiet=(f"{moved.model}@{moved.alias}",),
    )
