"""``modelreg gc``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

import modelreg
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.result import Lines, Result
from modelreg_cli.wording import counted, size

if TYPE_CHECKING:
    from modelreg import LeaseHolder, Swept

app = new_app()


@app.command()
@command
def gc(
    invocation: Invocation,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    even_if_empty: Annotated[
        bool,
        typer.Option("--even-if-empty", help="Go on where the database lists nothing and the store holds versions."),
    ] = False,
) -> Result:
    """Remove blobs that no version needs, while others push and pull.

    They are what pushes leave that were refused, interrupted or killed. No blob of a version is ever removed, a
    withdrawn one's neither, and none that a running push needs: those who are at work are listed.
    """
    with invocation.registry() as registry:
        if not (dry_run or yes):
            found = registry.gc(dry_run=True, even_if_empty=even_if_empty)
            if found.blobs or found.leftovers:
                invocation.confirm(f"Remove {_what(found)}?", yes=yes)
        swept = registry.gc(dry_run=dry_run, even_if_empty=even_if_empty)
    return Result(
        schema="gc",
        value={
            "blobs": [f"sha256:{digest}" for digest in swept.blobs],
            "leftovers": swept.leftovers,
            "size_bytes": swept.size_bytes,
            "kept": swept.kept,
            "dry_run": swept.dry_run,
            "leases": [modelreg.to_json(lease) for lease in swept.leases],
        },
        blocks=(Lines((_line(swept), *map(_at_work, swept.leases))),),
        quiet=tuple(f"sha256:{digest}" for digest in swept.blobs),
    )


def _at_work(lease: LeaseHolder) -> str:
    return f"at work since {lease.begun_at}, {counted(lease.blobs, 'blob')} left alone: {lease.holder}"


def _what(swept: Swept) -> str:
    leftovers = f"{counted(swept.leftovers, 'leftover')} of unfinished pushes"
    return f"{counted(len(swept.blobs), 'unneeded blob')} and {leftovers}, {size(swept.size_bytes)}"


def _line(swept: Swept) -> str:
    if not (swept.blobs or swept.leftovers):
        return f"nothing to remove; {counted(swept.kept, 'blob')} needed"
    verb = "would remove" if swept.dry_run else "removed"
    return f"{verb} {_what(swept)}; {counted(swept.kept, 'blob')} kept"
