"""``modelreg repair``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import modelreg
from modelreg_cli.checks import Allow, Provides, Strict, checks_of
from modelreg_cli.exits import COULD_NOT
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.replaying import (
    CustomObjects,
    Timeout,
    Tolerance,
    golden_line,
    output_table,
    place_of,
    refuse_without,
    run_value,
)
from modelreg_cli.result import Block, Lines, Result
from modelreg_cli.wording import counted

if TYPE_CHECKING:
    from modelreg import Json, Proof, ProofRequest, Repaired

app = new_app()

_SHOWN_LENGTH = 160
"""Characters of a value in the diff; ``--json`` has all of it."""
_INCOMPATIBLE = 64
_NOT_PROVED = "MR441"
Pythons = Annotated[
    list[str] | None,
    typer.Option(
        "--python",
        metavar="EXE",
        help="With --prove: load FILE with this interpreter's Keras; given twice, OUT with the second's. By default "
        "FILE with this one, OUT with the target's.",
    ),
]


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
    prove: Annotated[
        bool, typer.Option("--prove", help="Load both files where possible and compare what they predict.")
    ] = False,
    python: Pythons = None,
    custom_objects: CustomObjects = None,
    tolerance: Tolerance = None,
    timeout: Timeout = 600.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the changes and write nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT and its module of functions.")] = False,
    strict: Strict = None,
    allow: Allow = None,
) -> Result:
    """Mend a model for another Keras by rewriting its configuration, never its weights.

    Nothing of the file is run without --prove. A Lambda becomes a named function in a module beside OUT, written
    from source that was proved; OUT loads once that module is imported. OUT is written only if nothing refuses it
    any more.

    With --prove each file is loaded in a process of its own and given the same drawn inputs, or the golden predictions
    that were pulled with FILE. Where the numbers differ, nothing is written and the exit status is 64; where FILE or
    OUT cannot be loaded, nothing is proved and it is 1. FILE's own bytecode runs with --allow MR301 only.
    """
    proof = _proof_request(prove, python, custom_objects, tolerance, timeout)
    repaired = modelreg.repair_model(
        file,
        out,
        settings=invocation.settings(),
        force=force,
        dry_run=dry_run,
        proof=proof,
        **checks_of(target=target, strict=strict, allow=allow, provides=provides),
    )
    return Result(
        schema="repair",
        value=_value(repaired, dry_run=dry_run),
        blocks=tuple(_blocks(repaired, dry_run=dry_run)),
        quiet=tuple(str(path) for path in (repaired.out, repaired.module) if path and repaired.is_written),
        verdict=repaired.verdict,
        exit_status=_exit_status(repaired),
    )


def _proof_request(
    prove: bool,
    python: list[str] | None,
    custom_objects: list[str] | None,
    tolerance: str | None,
    timeout: float,
) -> ProofRequest | None:
    """The library's request for what was typed; raises ``UsageError`` for options that mean nothing."""
    if not prove:
        refuse_without("--prove", python=python, custom_objects=custom_objects, tolerance=tolerance)
        return None
    before, after, *more = [*(python or []), None, None]
    if any(more):
        raise modelreg.UsageError("--python is given at most twice: FILE's interpreter, then OUT's")
    return modelreg.ProofRequest(before, after, tuple(custom_objects or ()), tolerance, timeout_s=timeout)


def _exit_status(repaired: Repaired) -> int:
    """A refusal's; 1 where a proof was asked for and could not be made, and nobody said that this is all right."""
    if not repaired.loads:
        return repaired.verdict.exit or _INCOMPATIBLE
    is_open = any(finding.rule == _NOT_PROVED for finding in repaired.verdict.warnings)
    return COULD_NOT if repaired.proof is not None and is_open else 0


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
        "proof": _proof_value(repaired.proof),
        "written": repaired.is_written,
        "dry_run": dry_run,
        "before": repaired.before.to_json(),
        "verdict": repaired.verdict.to_json(),
    }


def _proof_value(proof: Proof | None) -> Json:
    if proof is None:
        return None
    return {
        "outcome": proof.outcome.value,
        "reason": proof.reason or None,
        "golden": None if proof.recorded is None else modelreg.to_json(proof.recorded),
        "before": run_value(proof.before),
        "after": run_value(proof.after),
    }


def _blocks(repaired: Repaired, *, dry_run: bool) -> Iterator[Block]:
    yield Lines(tuple(_diff(repaired)))
    if dry_run and repaired.source is not None:
        yield Lines((f"+++ {repaired.module}", *(f"+{line}" for line in repaired.source.splitlines()), ""))
    yield Lines(tuple(f"not mended: {reason}" for reason in repaired.unmended))
    unproved = sum(not change.is_proved for change in repaired.changes)
    if unproved:
        yield Lines((f"{counted(unproved, 'change')} of these cannot be proved to keep the predictions; see above",))
    if repaired.proof is not None:
        yield from _proof_blocks(repaired.proof, Path(repaired.path).name, repaired.out.name)
    yield Lines(tuple(_ending(repaired, dry_run=dry_run)))


def _proof_blocks(proof: Proof, before: str, after: str) -> Iterator[Block]:
    run = proof.after
    if proof.outcome.value not in ("same", "different") or run is None:
        runs = run is not None and run.outcome.value == "made"
        told = f"; {after} loads and predicts by {place_of(run)}" if run is not None and runs else ""
        yield Lines((f"not proved: nothing was compared with {before}{told}",))
        return
    is_same = proof.outcome.value == "same"
    told = "proved: the same predictions" if is_same else "disproved: other predictions"
    inputs = f"{counted(run.samples, 'drawn input')}, to {run.tolerance} of their scale"
    sides = [f"    {after} by {place_of(run)}"]
    if proof.recorded is not None:
        sides.insert(0, f"    {before} as it was pushed: {golden_line(proof.recorded)}")
    elif proof.before is not None:
        sides.insert(0, f"    {before} by {place_of(proof.before)}")
    yield Lines((f"{told}, {inputs}", *sides))
    yield output_table(run, "BEFORE", "AFTER")


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
        is_disproved = repaired.proof is not None
        told = "was changed, and the proof refuses it" if is_disproved else "cannot be mended"
        yield f"{repaired.path} {told} for {repaired.reader}; nothing was written"
        return
    if dry_run:
        yield f"{repaired.out} would load in {repaired.reader}; nothing was written"
        return
    yield f"{repaired.path} -> {repaired.out}, for {repaired.reader}: {counted(len(repaired.changes), 'change')}"
    if repaired.module is not None:
        yield f"read {repaired.module}, then load it so:"
        yield f"    import {repaired.module.stem}"
        yield f"    keras.models.load_model({str(repaired.out)!r}, compile=False)"
