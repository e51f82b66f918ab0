"""``modelreg db``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

import modelreg
from modelreg_cli.exits import CORRUPT, COULD_NOT
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.progress import progress
from modelreg_cli.result import Lines, Result
from modelreg_cli.wording import counted, prefixed

if TYPE_CHECKING:
    from modelreg import Json, Loss, Rebuilt, SchemaStatus

app = new_app("Show and upgrade the database's schema, and rebuild a lost database.")


@app.command()
@command
def status(invocation: Invocation) -> Result:
    """Show the schema revision that the database has, and the one that this program needs.

    The exit status is 1 if they differ. An absent database is not made.
    """
    settings = invocation.settings()
    found = modelreg.schema_status(settings)
    url = modelreg.masked(settings.database_url.value)
    if found.found is None:
        state = "no schema yet; the first push makes it, or modelreg db upgrade"
    elif found.is_current:
        state = f"schema revision {found.found}, current"
    else:
        state = f"schema revision {found.found}; this program needs {found.wanted}: modelreg db upgrade"
    return Result(
        schema="db-status",
        value=_value(url, found),
        blocks=(Lines((f"{url}: {state}",)),),
        quiet=(found.found or "none",),
        exit_status=0 if found.is_current or found.found is None else COULD_NOT,
    )


@app.command()
@command
def upgrade(invocation: Invocation) -> Result:
    """Bring the database's schema to what this program needs; make it if there is none."""
    settings = invocation.settings()
    before = modelreg.upgrade_schema(settings)
    url = modelreg.masked(settings.database_url.value)
    if before.is_current:
        line = f"{url}: schema revision {before.wanted} already, nothing to do"
    else:
        line = f"{url}: schema revision {before.found or 'none'} -> {before.wanted}"
    is_old = before.found is not None and not before.is_current
    return Result(
        schema="db-upgrade",
        value={**_value(url, before), "upgraded": not before.is_current},
        blocks=(Lines((line,)),),
        quiet=(before.wanted,),
        notes=("let the filters of list find the versions that were there: modelreg db reindex",) if is_old else (),
    )


@app.command()
@command
def reindex(invocation: Invocation) -> Result:
    """Let the filters of list find versions that an older modelreg indexed, by reading their manifests.

    The exit status is 1 if a manifest could not be read; modelreg verify says why. It can be run while others push.
    """
    with invocation.registry() as registry:
        done = registry.reindex()
    unreadable = tuple(f"{name}: its manifest is missing or damaged" for name in done.unreadable)
    return Result(
        schema="db-reindex",
        value={"filled": done.filled, "unreadable": list(done.unreadable)},
        blocks=(Lines((f"{counted(done.filled, 'version')} indexed", *unreadable)),),
        quiet=done.unreadable,
        exit_status=COULD_NOT if done.unreadable else 0,
    )


@app.command()
@command
def rebuild(
    invocation: Invocation,
    *,
    add: Annotated[
        bool, typer.Option("--add", help="Add what a database lacks that lists versions; nothing in it is changed.")
    ] = False,
    take: Annotated[
        list[str] | None,
        typer.Option(
            "--take",
            metavar="sha256:DIGEST",
            help="Where two manifests claim one version: this one.",
            show_default=False,
        ),
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(
            "--state",
            metavar="FILE",
            help="A kept output of list --limit 0 --json: aliases and withdrawals that no statement tells.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be listed, and change nothing.")] = False,
) -> Result:
    """List every version anew by the manifests in the store, after the database was lost.

    Aliases and withdrawals are in no manifest: they come from --state or not at all. The newest version of a model may
    be of a push that died before its commit, which no manifest tells. The exit status is 8 if anything is lost.
    """
    settings = invocation.settings()
    with progress(invocation.output, "reading manifests", None) as advance:
        rebuilt = modelreg.rebuild_database(
            settings, add=add, take=take or (), state=state, dry_run=dry_run, progress=advance
        )
    url = modelreg.masked(settings.database_url.value)
    return Result(
        schema="db-rebuild",
        value={
            "database": url,
            "registry": rebuilt.registry,
            "blobs": rebuilt.blobs,
            "manifests": rebuilt.manifests,
            "models": rebuilt.models,
            "added": list(rebuilt.added),
            "known": rebuilt.known,
            "newest": list(rebuilt.newest),
            "uncommitted": [f"sha256:{digest}" for digest in rebuilt.unnamed],
            "losses": [_loss_value(loss) for loss in rebuilt.losses],
            "aliases": rebuilt.aliases,
            "withdrawals": rebuilt.withdrawals,
            "log": {
                "entries": rebuilt.log_entries,
                "checkpoints": rebuilt.log_checkpoints,
                "appended": rebuilt.log_appended,
                "verified": rebuilt.log_is_verified,
            },
            "foreign_registries": [{"registry": name, "versions": count} for name, count in rebuilt.foreign],
            "dry_run": rebuilt.dry_run,
        },
        blocks=(Lines(tuple(_rebuilt_lines(url, rebuilt, state))),),
        quiet=rebuilt.added,
        exit_status=CORRUPT if rebuilt.losses else 0,
    )


def _rebuilt_lines(url: str, rebuilt: Rebuilt, state: str | None) -> list[str]:
    lines = []
    for loss in rebuilt.losses:
        lines += [f"{loss.kind.value}: {loss.message}", *([f"    fix: {loss.fix}"] if loss.fix else [])]
    if rebuilt.unnamed:
        lines.append(f"info: {counted(len(rebuilt.unnamed), 'manifest')} of pushes that were never committed left out")
    if rebuilt.foreign:
        count = sum(versions for _, versions in rebuilt.foreign)
        lines.append(f"info: {counted(count, 'version')} came from other registries; this one is {rebuilt.registry}")
    verb = "would list" if rebuilt.dry_run else "listed"
    listed = f"{counted(len(rebuilt.added), 'version')} of {counted(rebuilt.models, 'model')}"
    known = f"; {counted(rebuilt.known, 'version')} were there already" if rebuilt.known else ""
    lines.append(f"{url}: {verb} {listed}, from {counted(rebuilt.manifests, 'manifest')} in the store{known}")
    if rebuilt.newest:
        newest = counted(len(rebuilt.newest), "newest version")
        lines.append(f"info: {newest} cannot be told from a push that died right before its commit")
    lines += _log_lines(rebuilt)
    if state or rebuilt.aliases or rebuilt.withdrawals:
        done = "would be restored" if rebuilt.dry_run else "restored"
        told = f"aliases {rebuilt.aliases:,}, withdrawals {rebuilt.withdrawals:,}"
        listing = f" and {state}" if state and not rebuilt.dry_run else ""
        lines.append(f"{done}: {told}, from their statements{listing}")
    else:
        lines.append(
            "no alias and no withdrawal is stated in the store; --state FILE restores those of an older modelreg"
        )
    return lines


def _log_lines(rebuilt: Rebuilt) -> list[str]:
    """What came back of the log, and what had to be logged anew."""
    lines, would = [], "would be " if rebuilt.dry_run else ""
    if rebuilt.log_entries:
        told = "1 entry" if rebuilt.log_entries == 1 else f"{rebuilt.log_entries:,} entries"
        checked = "" if rebuilt.log_is_verified else "; NOT checked: who signed them, since no key of the log is known"
        lines.append(f"log: {told} {would}restored under {counted(rebuilt.log_checkpoints, 'checkpoint')}{checked}")
    if rebuilt.log_appended:
        lines.append(f"log: {counted(rebuilt.log_appended, 'version')} that no record covers {would}logged anew")
    return lines


def _loss_value(loss: Loss) -> dict[str, Json]:
    return {
        "kind": loss.kind.value,
        "message": loss.message,
        "versions": list(loss.versions),
        "manifests": [prefixed(digest) for digest in loss.manifests],
        "fix": loss.fix,
    }


def _value(url: str, status: SchemaStatus) -> dict[str, Json]:
    return {"database": url, "found": status.found, "wanted": status.wanted, "current": status.is_current}
