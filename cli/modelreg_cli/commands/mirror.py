"""``modelreg mirror``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

import modelreg
from modelreg_cli.checks import Allow
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.moving import moved_result
from modelreg_cli.progress import progress
from modelreg_cli.result import Result

if TYPE_CHECKING:
    from modelreg import Settings

app = new_app()

_PLACE_HELP = "Its home folder, its settings file (x.toml), or current: the registry of your settings."


@app.command()
@command
def mirror(
    invocation: Invocation,
    source: Annotated[str, typer.Argument(metavar="SRC", help=_PLACE_HELP, show_default=False)],
    destination: Annotated[str, typer.Argument(metavar="DST", help="The same.", show_default=False)],
    *,
    filters: Annotated[
        list[str] | None,
        typer.Option("--filter", metavar="PATTERN", help="Only models of such a name: 'team/*'; or of that one."),
    ] = None,
    aliases: Annotated[
        bool, typer.Option("--aliases", help="Move the aliases of DST to where they are in SRC.")
    ] = False,
    allow: Allow = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Verify and judge everything, and write nothing.")] = False,
) -> Result:
    """Copy the versions that one registry has and another lacks.

    Manifests keep their bytes, and so their digests. Each version is verified and judged as by import; a withdrawal
    always goes along. Conflicts and refusals are told, and the others go on. Run it again after an interruption.
    """
    from_there, to_there = _settings(invocation, source), _settings(invocation, destination)
    with (
        modelreg.Registry.open(settings=from_there, create=False) as ours,
        modelreg.Registry.open(settings=to_there, create=not dry_run) as theirs,
        progress(invocation.output, "mirror", None) as advance,
    ):
        moved = ours.mirror(
            theirs, filters=filters or (), aliases=aliases, allow=allow or (), dry_run=dry_run, progress=advance
        )
    to = modelreg.masked(to_there.database_url.value)
    return moved_result("mirror", moved, {"source": moved.source, "destination": to})


def _settings(invocation: Invocation, place: str) -> Settings:
    return invocation.settings() if place == "current" else modelreg.load_place(place)
