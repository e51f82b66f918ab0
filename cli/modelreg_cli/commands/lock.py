"""``modelreg lock``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import modelreg
from modelreg_cli import complete
from modelreg_cli.checks import REFERENCE_HELP, Allow, LockFile, Strict, Target, Verify, checks_of
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.result import Lines, Result
from modelreg_cli.wording import counted, prefixed

if TYPE_CHECKING:
    from modelreg import Json, LockChange, LockedVersion

app = new_app()


@app.command()
@command
def lock(
    invocation: Invocation,
    references: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[REF]...",
            help=f"{REFERENCE_HELP} Without any, all that the lock file holds.",
            autocompletion=complete.references,
        ),
    ] = None,
    *,
    lock_file: LockFile = None,
    verify: Verify = None,
    target: Target = None,
    strict: Strict = None,
    allow: Allow = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and write nothing.")] = False,
) -> Result:
    """Write down which versions names stand for, for pull --locked.

    The lock file holds one version of each model: its number, the digest of its manifest, and who had signed it. Keep
    it in git: pull --locked takes exactly what it holds, whatever becomes of the alias.
    """
    path = modelreg.find_lock(lock_file, Path.cwd())
    before = modelreg.read_lock(path) if path.exists() else None
    checks = checks_of(target=target, verify=verify, strict=strict, allow=allow)
    with invocation.registry() as registry:
        after, changes = registry.lock(references or [], before, **checks)
    changed = [change for change in changes if change.before != change.after]
    if not dry_run and after != before:
        modelreg.write_lock(path, after)
    done = "would change" if dry_run else "changed"
    summary = f"{path}: {counted(len(after.models), 'model')}, {len(changed)} {done}"
    return Result(
        schema="lock",
        value={
            "path": str(path),
            "registry": after.registry,
            "changes": [_value(change) for change in changed],
            "models": {name: _locked_value(locked) for name, locked in sorted(after.models.items())},
            "dry_run": dry_run,
        },
        blocks=(Lines((*map(_line, changed), summary)),),
        quiet=tuple(f"{name}:{locked.version}" for name, locked in sorted(after.models.items())),
    )


def _line(change: LockChange) -> str:
    after = f"{change.model}:{change.after.version} (sha256:{change.after.digest[:12]})"
    if change.before is None:
        return f"{change.after.reference} is {after}"
    return f"{change.after.reference} is {after}, was {change.model}:{change.before.version}"


def _value(change: LockChange) -> Json:
    before = change.before
    return {
        "model": change.model,
        "before": None if before is None else _locked_value(before),
        "after": _locked_value(change.after),
    }


def _locked_value(locked: LockedVersion) -> Json:
    return {
        "reference": locked.reference,
        "version": locked.version,
        "digest": prefixed(locked.digest),
        "signed_by": list(locked.signed_by),
        "log_index": locked.log_index,
        "environment": locked.environment,
    }
