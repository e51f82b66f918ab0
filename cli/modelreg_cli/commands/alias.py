"""``modelreg alias``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

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
) -> Result:
    """Point an alias at a version, or delete it.

    An alias that is there already is moved; it says where it pointed before.
    """
    with invocation.registry() as registry:
        if delete:
            return _result(registry.delete_alias(_bare_name(reference), alias))
        _, exactly = invocation.resolve(registry, reference)
        return _result(registry.alias(exactly, alias))


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
