"""``modelreg list``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

import modelreg
from modelreg_cli import complete
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.result import Column, Result, Table
from modelreg_cli.wording import counted, entry_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelreg import IndexEntry

app = new_app()

LIMIT = 1000
"""A page that still fits a terminal's scrollback, and a tenth of a second of any database."""

_COLUMNS = (
    Column("VERSION"),
    Column("ALIASES"),
    Column("STATE"),
    Column("BYTES", right=True),
    Column("PUSHED", time=True),
    Column("DIGEST", digest=True, optional=True),
    Column("FORMAT", optional=True),
    Column("KERAS", optional=True),
    Column("BY", optional=True),
)


@app.command("list")
@command
def list_versions(
    invocation: Invocation,
    model: Annotated[
        str | None,
        typer.Argument(metavar="MODEL", help="Only this model's.", show_default=False, autocompletion=complete.models),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=0, metavar="N", help="At most this many; 0 for all of them.")
    ] = LIMIT,
    after: Annotated[
        str | None,
        typer.Option("--after", metavar="NAME:VERSION", help="Begin behind this version.", show_default=False),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", metavar="FORMAT", help="Only of this container, such as keras-zip; or of that one."),
    ] = None,
    meta: Annotated[
        list[str] | None, typer.Option("--meta", metavar="KEY[=VALUE]", help="Only with this in their metadata.")
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env",
            metavar="SPEC",
            help="Only written in, or failing that pushed from, such an environment: 'keras<3', 'python==3.8.*'.",
        ),
    ] = None,
    has: Annotated[
        list[str] | None,
        typer.Option(
            "--has", metavar="WHAT", help="Only with: lambda, custom, golden, hazard, weights-only or nonfinite."
        ),
    ] = None,
) -> Result:
    """List every version of every model, or of one, by name and number.

    All filters must hold; of several formats, one.

    When there are more than --limit, it says how to see the next ones; in JSON, "next" is what to give to --after.
    """
    matching = modelreg.parse_filter(formats=formats or (), metadata=meta or (), environments=env or (), has=has or ())
    with invocation.registry() as registry:
        found = registry.list(model, limit=limit + 1 if limit else None, after=after, matching=matching)
        unfiltered = registry.unfiltered() if matching.conditions else 0
    entries = found[:limit] if limit else found
    following = f"{entries[-1].model}:{entries[-1].version}" if len(found) > len(entries) else None
    return Result(
        schema="list",
        value={"versions": [entry_value(entry) for entry in entries], "next": following, "unfiltered": unfiltered},
        blocks=(Table(_COLUMNS, [_row(entry) for entry in entries]),) if entries else (),
        quiet=tuple(f"{entry.model}:{entry.version}" for entry in entries),
        notes=(*_notes(entries, following, after, is_filtered=bool(matching.conditions)), *_old(unfiltered)),
    )


def _old(unfiltered: int) -> tuple[str, ...]:
    if not unfiltered:
        return ()
    return (f"filters do not see {counted(unfiltered, 'version')} of an older modelreg yet: modelreg db reindex",)


def _notes(
    entries: Sequence[IndexEntry], following: str | None, after: str | None, *, is_filtered: bool
) -> tuple[str, ...]:
    if following:
        return (f"there are more: the same with --after {following}",)
    if entries:
        return ()
    if is_filtered:
        return ("no version is like that" + (f" behind {after}" if after else ""),)
    return (f"nothing behind {after}",) if after else ("no models yet; push one: modelreg push FILE",)


def _row(entry: IndexEntry) -> tuple[str, ...]:
    return (
        f"{entry.model}:{entry.version}",
        ",".join(entry.aliases),
        "withdrawn" if entry.withdrawn_at else "ok",
        f"{entry.size_bytes:,}",
        entry.created_at,
        f"sha256:{entry.digest}",
        entry.container,
        entry.keras_version or "",
        entry.pushed_by,
    )
