"""``modelreg list``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from modelreg_cli import complete
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.result import Column, Result, Table
from modelreg_cli.wording import entry_value

if TYPE_CHECKING:
    from modelreg import IndexEntry

app = new_app()

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
) -> Result:
    """List every version of every model, or of one."""
    with invocation.registry() as registry:
        entries = registry.list(model)
    return Result(
        schema="list",
        value={"versions": [entry_value(entry) for entry in entries]},
        blocks=(Table(_COLUMNS, [_row(entry) for entry in entries]),) if entries else (),
        quiet=tuple(f"{entry.model}:{entry.version}" for entry in entries),
        notes=() if entries else ("no models yet; push one: modelreg push FILE",),
    )


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
