"""``modelreg import``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from modelreg_cli.checks import Allow
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.moving import moved_result
from modelreg_cli.progress import progress, size_on_disk
from modelreg_cli.result import Result
from modelreg_cli.wording import prefixed

app = new_app()


@app.command("import")
@command
def import_archive(
    invocation: Invocation,
    path: Annotated[str, typer.Argument(metavar="FILE", help="An archive of modelreg export.", show_default=False)],
    *,
    aliases: Annotated[
        bool, typer.Option("--aliases", help="Move the aliases that pointed at the versions there.")
    ] = False,
    allow: Allow = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Verify and judge everything, and write nothing.")] = False,
) -> Result:
    """Take in the versions of an archive, judged as at a push.

    Each keeps its name, number, digest and withdrawal. A version that is here already is left as it is. One whose
    number is another's here is a conflict, and the others are taken in. Run it again after an interruption.
    """
    with invocation.registry() as registry, progress(invocation.output, "import", size_on_disk(Path(path))) as advance:
        moved = registry.import_archive(path, aliases=aliases, allow=allow or (), dry_run=dry_run, progress=advance)
    return moved_result("import", moved, {"path": moved.source, "archive": prefixed(moved.digest)})
