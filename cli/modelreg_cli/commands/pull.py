"""``modelreg pull``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from modelreg_cli.checks import (
    Allow,
    Full,
    Locked,
    LockFile,
    Provides,
    Reference,
    Strict,
    Target,
    Verify,
    alias_of,
    checks_of,
    lock_of,
)
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.progress import progress
from modelreg_cli.replaying import CustomObjects, Python, Replay, request_of, run_line, run_value
from modelreg_cli.result import Lines, Result
from modelreg_cli.wording import counted, decided, prefixed, size

if TYPE_CHECKING:
    from modelreg import Pulled

app = new_app()


@app.command()
@command
def pull(
    invocation: Invocation,
    reference: Reference,
    *,
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", metavar="DIR", help="The folder to make; by default the last part of the name."),
    ] = None,
    verify: Verify = None,
    target: Target = None,
    strict: Strict = None,
    allow: Allow = None,
    provides: Provides = None,
    locked: Locked = False,
    lock_file: LockFile = None,
    full: Full = False,
    replay: Replay = False,
    python: Python = None,
    custom_objects: CustomObjects = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the folder as a whole if it holds something.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on where an interrupted pull over a network stopped.")
    ] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Give the verdict and fetch nothing.")] = False,
) -> Result:
    """Judge a version, then fetch it, every chunk verified.

    The verdict stands before a byte is fetched, and each chunk is verified as it arrives. A refused pull leaves the
    folder exactly as it was; the exit status is then the sum of 4 policy, 8 corrupt, 16 untrusted, 32 unsafe, 64
    incompatible.
    """
    lock = lock_of(locked=locked, lock_file=lock_file)
    checks = checks_of(target=target, verify=verify, strict=strict, allow=allow, provides=provides, lock=lock)
    checks["alias"] = alias_of(reference)
    request = request_of(replay=replay, python=python, custom_objects=custom_objects)
    with invocation.registry() as registry:
        entry, exactly = invocation.resolve(registry, reference, lock)
        with progress(invocation.output, "pull + verify", entry.size_bytes) as advance:
            pulled = registry.pull(
                exactly,
                out,
                full=full,
                replay=request,
                force=force,
                resume=resume,
                dry_run=dry_run,
                progress=advance,
                **checks,
            )
    return _result(pulled, full=full)


def _result(pulled: Pulled, *, full: bool) -> Result:
    content = f"{counted(len(pulled.files), 'file')}, {size(pulled.size_bytes)}"
    checked = "every chunk and SHA-256 verified" if full else "every chunk verified"
    done = "would be pulled; nothing was fetched" if pulled.dry_run else checked
    lines = [f"{pulled.reference} -> {pulled.folder}", f"{content}, {done}; {decided(pulled.verdict)}"]
    if pulled.replayed is not None:
        lines.append(run_line(pulled.replayed))
    return Result(
        schema="pull",
        value={
            "reference": pulled.reference,
            "model": pulled.model,
            "version": pulled.version,
            "digest": prefixed(pulled.digest),
            "folder": str(pulled.folder),
            "files": list(pulled.files),
            "size_bytes": pulled.size_bytes,
            "full": full,
            "replay": run_value(pulled.replayed),
            "dry_run": pulled.dry_run,
            "signed_by": list(pulled.signed_by),
            "verdict": pulled.verdict.to_json(),
        },
        blocks=(Lines(tuple(lines)),),
        quiet=(str(pulled.folder),),
        verdict=pulled.verdict,
    )
