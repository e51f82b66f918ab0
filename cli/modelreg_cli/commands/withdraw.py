"""``modelreg withdraw``."""

from __future__ import annotations

from typing import Annotated

import typer

import modelreg
from modelreg_cli.checks import Reference
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.result import Lines, Result
from modelreg_cli.wording import prefixed

app = new_app()


@app.command()
@command
def withdraw(
    invocation: Invocation,
    reference: Reference,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; whoever pulls it is told.", show_default=False)
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say which version it would be, and do nothing.")] = False,
) -> Result:
    """Refuse a version from now on, and say why.

    Its bytes and its number stay. A withdrawal cannot be taken back; push the model again instead.
    """
    with invocation.registry() as registry:
        entry, exactly = invocation.resolve(registry, reference)
        name, withdrawn_at = f"{entry.model}:{entry.version}", entry.withdrawn_at
        if entry.withdrawn_at is not None:
            raise modelreg.ConflictError(
                f"{name} was withdrawn on {entry.withdrawn_at[:10]}: {entry.withdrawn_reason}",
                hint=f"modelreg show {name}",
            )
        if not dry_run:
            invocation.confirm(f"Withdraw {name}? It cannot be taken back.", yes=yes)
            withdrawn_at = registry.withdraw(exactly, reason).withdrawn_at
    line = f"{name} would be withdrawn; nothing was changed" if dry_run else f"{name} is withdrawn: {reason}"
    return Result(
        schema="withdraw",
        value={
            "reference": name,
            "model": entry.model,
            "version": entry.version,
            "digest": prefixed(entry.digest),
            "reason": reason,
            "withdrawn_at": withdrawn_at,
            "dry_run": dry_run,
        },
        blocks=(Lines((line,)),),
        quiet=(f"sha256:{entry.digest}",),
    )
