"""``modelreg repair``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import modelreg
from modelreg_cli.checks import Allow, Provides, Strict, checks_of
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.result import Block, Lines, Result
from modelreg_cli.wording import counted

if TYPE_CHECKING:
    from modelreg import Json, Repaired

app = new_app()

_SHOWN_LENGTH = 160
"""Characters of a value in the diff; ``--json`` has all of it."""
_INCOMPATIBLE = 64


@app.command()
@command
def repair(
    invocation: Invocation,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A whole Keras model: HDF5 or .keras.", show_default=False)
    ],
    *,
    out: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="The repaired file.", show_default=False)],
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="ENV",
            help="Repair for this environment: current, a document, an interpreter, or a lock file (FILE@3.11).",
        ),
    ] = None,
    provides: Provides = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the changes and write nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT and its module of functions.")] = False,
    strict: Strict = None,
    allow: Allow = None,
) -> Result:
    """Mend a model for another Keras by rewriting its configuration, never its weights.

    Nothing of the file is run. A Lambda becomes a named function in a module beside OUT, written from source that
    was proved; OUT loads once that module is imported. OUT is written only if nothing refuses it any more.
    """
    repaired = modelreg.repair_model(
        file,
        out,
        settings=invocation.settings(),
        force=force,
        dry_run=dry_run,
        **checks_of(target=target, strict=strict, allow=allow, provides=provides),
    )
    return Result(
        schema="repair",
        value=_value(repaired, dry_run=dry_run),
        blocks=tuple(_blocks(repaired, dry_run=dry_run)),
        quiet=tuple(str(path) for path in (repaired.out, repaired.module) if path and repaired.is_written),
        verdict=repaired.verdict,
        exit_status=0 if repaired.loads else repaired.verdict.exit or _INCOMPATIBLE,
    )


def _value(repaired: Repaired, *, dry_run: bool) -> dict[str, Json]:
    return {
        "path": repaired.path,
        "out": str(repaired.out),
        "module": None if repaired.module is None else str(repaired.module),
        "source": repaired.source,
        "target": repaired.target,
        "keras": repaired.reader,
        "changes": [
            {
                "where": change.where,
                "what": change.what,
                "before": change.before,
                "after": change.after,
                "why": change.why,
                "proved": change.is_proved,
            }
            for change in repaired.changes
        ],
        "unmended": list(repaired.unmended),
        "loads": repaired.loads,
        "written": repaired.is_written,
        "dry_run": dry_run,
        "before": repaired.before.to_json(),
        "verdict": repaired.verdict.to_json(),
    }


def _blocks(repaired: Repaired, *, dry_run: bool) -> Iterator[Block]:
    yield Lines(tuple(_diff(repaired)))
    if dry_run and repaired.source is not None:
        yield Lines((f"+++ {repaired.module}", *(f"+{line}" for line in repaired.source.splitlines()), ""))
    yield Lines(tuple(f"not mended: {reason}" for reason in repaired.unmended))
    unproved = sum(not change.is_proved for change in repaired.changes)
    if unproved:
        yield Lines((f"{counted(unproved, 'change')} of these cannot be proved to keep the predictions; see above",))
    yield Lines(tuple(_ending(repaired, dry_run=dry_run)))


def _diff(repaired: Repaired) -> Iterator[str]:
    where = None
    for change in repaired.changes:
        if change.where != where:
            where = change.where
            yield f"@@ {where}"
        if change.before is not None:
            yield f"-{change.what}: {_short(change.before)}"
        if change.after is not None:
            yield f"+{change.what}: {_short(change.after)}"
        yield f" # {change.why}"
    if not repaired.changes:
        yield f"nothing to change for {repaired.reader}"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_LENGTH else text[: _SHOWN_LENGTH - 3] + "..."


def _ending(repaired: Repaired, *, dry_run: bool) -> Iterator[str]:
    if not repaired.loads:
        yield f"{repaired.path} cannot be mended for {repaired.reader}; nothing was written"
        return
    if dry_run:
        yield f"{repaired.out} would load in {repaired.reader}; nothing was written"
        return
    yield f"{repaired.path} -> {repaired.out}, for {repaired.reader}: {counted(len(repaired.changes), 'change')}"
    if repaired.module is not None:
        yield f"read {repaired.module}, then load it so:"
        yield f"    import {repaired.module.stem}"
        yield f"    keras.models.load_model({str(repaired.out)!r}, compile=False)"
