"""``modelreg export``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

import modelreg
from modelreg_cli import complete
from modelreg_cli.checks import REFERENCE_HELP
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.output import Form
from modelreg_cli.progress import progress
from modelreg_cli.result import Lines, Result
from modelreg_cli.wording import counted, entry_value, prefixed, size

if TYPE_CHECKING:
    from modelreg import Exported

app = new_app()


@app.command()
@command
def export(
    invocation: Invocation,
    references: Annotated[
        list[str],
        typer.Argument(metavar="REF...", help=REFERENCE_HELP, show_default=False, autocompletion=complete.references),
    ],
    *,
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FILE", help="The archive; - for standard output.", show_default=False)
    ],
    withdrawn: Annotated[
        bool, typer.Option("--withdrawn", help="Export withdrawn versions too; they stay withdrawn.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it is there.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Verify every byte, and write nothing.")] = False,
) -> Result:
    """Write versions into one archive, every byte verified on the way.

    It is a tar without compression: an index, the manifests and every file once. The same versions in the same state
    give the same bytes, of which the printed digest tells. FILE appears whole or not at all.
    """
    is_stream = out == "-"
    if is_stream and invocation.output.form is Form.JSON:
        raise modelreg.UsageError("the archive and the JSON cannot both stand on standard output", hint="-o FILE")
    if is_stream and not dry_run and sys.stdout.isatty():
        raise modelreg.UsageError("an archive is nothing for a terminal to show", hint="-o FILE, or | ssh HOST ...")
    with invocation.registry() as registry:
        size_bytes = sum(registry.resolve(reference).size_bytes for reference in references)
        with progress(invocation.output, "export", size_bytes) as advance:
            done = registry.export(
                references,
                sys.stdout.buffer if is_stream else out,
                withdrawn=withdrawn,
                force=force,
                dry_run=dry_run,
                progress=advance,
            )
    return _result(done, is_written_to_stdout=is_stream and not dry_run)


def _result(done: Exported, *, is_written_to_stdout: bool) -> Result:
    """What was exported; where the archive itself is on standard output, for standard error."""
    verb = "would export" if done.dry_run else "exported"
    line = f"{verb} {counted(len(done.versions), 'version')} in {counted(done.blobs, 'blob')}"
    line += f", {size(done.size_bytes)}: {done.path}"
    if is_written_to_stdout:
        return Result(schema="export", value={}, notes=(line, f"archive {prefixed(done.digest)}"))
    return Result(
        schema="export",
        value={
            "path": done.path,
            "digest": prefixed(done.digest),
            "size_bytes": done.size_bytes,
            "blobs": done.blobs,
            "versions": [entry_value(entry) for entry in done.versions],
            "dry_run": done.dry_run,
        },
        blocks=(
            Lines(
                (
                    line,
                    f"archive {prefixed(done.digest)}",
                    *(f"{entry.model}:{entry.version} {prefixed(entry.digest)}" for entry in done.versions),
                )
            ),
        ),
        quiet=(f"sha256:{done.digest}",),
    )
