"""``modelreg replay``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

import modelreg
from modelreg_cli import complete
from modelreg_cli.checks import Allow, Strict, alias_of
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.progress import progress
from modelreg_cli.replaying import (
    CustomObjects,
    Python,
    Timeout,
    Tolerance,
    golden_line,
    output_table,
    run_line,
    run_value,
)
from modelreg_cli.result import Block, Lines, Result
from modelreg_cli.subjects import pulled_folder_of
from modelreg_cli.wording import prefixed

if TYPE_CHECKING:
    from modelreg import Replayed

app = new_app()


@app.command()
@command
def replay(
    invocation: Invocation,
    subject: Annotated[
        str,
        typer.Argument(
            metavar="REF|PATH",
            help="A reference, or a pulled folder or a file in one.",
            show_default=False,
            autocompletion=complete.references,
        ),
    ],
    python: Python = None,
    custom_objects: CustomObjects = None,
    tolerance: Tolerance = None,
    timeout: Timeout = 600.0,
    strict: Strict = None,
    allow: Allow = None,
) -> Result:
    """Compute a version's golden predictions again, in any interpreter's Keras, and compare.

    The model runs in a process of its own, from verified bytes. A version with bytecode (a Lambda) needs --allow
    MR301. The exit status is 64 where the predictions differ, or could not be computed.
    """
    request = modelreg.ReplayRequest(python, tuple(custom_objects or ()), tolerance, timeout)
    folder = pulled_folder_of(subject)
    if folder is not None:
        invocation.output.note(f"replaying the folder {str(folder)!r} by what is kept in it")
        settings = invocation.settings()
        replayed = modelreg.replay_folder(folder, request, settings=settings, strict=strict or (), allow=allow or ())
        return _result(replayed)
    with invocation.registry() as registry:
        entry, exactly = invocation.resolve(registry, subject)
        with progress(invocation.output, "verifying", entry.size_bytes) as advance:
            replayed = registry.replay(
                exactly, request, progress=advance, strict=strict or (), allow=allow or (), alias=alias_of(subject)
            )
    return _result(replayed)


def _result(replayed: Replayed) -> Result:
    run = replayed.run
    blocks: tuple[Block, ...] = (
        Lines((replayed.reference, f"at push: {golden_line(replayed.golden)}", run_line(run))),
    )
    return Result(
        schema="replay",
        value={
            "reference": replayed.reference,
            "model": replayed.model,
            "version": replayed.version,
            "digest": prefixed(replayed.digest),
            "golden": modelreg.to_json(replayed.golden),
            "run": run_value(run),
            "verdict": replayed.verdict.to_json(),
        },
        blocks=(*blocks, output_table(run, "AT PUSH", "NOW")) if run.outputs else blocks,
        quiet=(run.outcome.value,),
        verdict=replayed.verdict,
        exit_status=replayed.verdict.exit,
    )
