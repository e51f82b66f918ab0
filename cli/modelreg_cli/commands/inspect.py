"""``modelreg inspect``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

import modelreg
from modelreg_cli import complete
from modelreg_cli.checks import REFERENCE_HELP
from modelreg_cli.facts import facts_blocks
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.result import Result
from modelreg_cli.subjects import existing_path
from modelreg_cli.wording import prefixed

if TYPE_CHECKING:
    from modelreg import Facts, Json

app = new_app()


@app.command()
@command
def inspect(
    invocation: Invocation,
    subject: Annotated[
        str,
        typer.Argument(
            metavar="PATH|REF",
            help=f"A file, a folder, or a version: {REFERENCE_HELP} What is both is the file or folder.",
            show_default=False,
            autocompletion=complete.references,
        ),
    ],
) -> Result:
    """Read a file, a folder or a version: layers, tensors, custom objects, hazards.

    A file is read in a child process that can do nothing else, and nothing in it is executed. Of a version its
    manifest is read, not its bytes. Nothing is judged: see verify and show.
    """
    path = existing_path(subject)
    if path is not None:
        facts = modelreg.inspect_path(path, values=True)
        return _result(facts, {"source": "path", "path": subject, "reference": None, "digest": None})
    with invocation.registry() as registry:
        entry, exactly = invocation.resolve(registry, subject)
        version = registry.show(exactly, target="none")
    of_version: dict[str, Json] = {
        "source": "manifest",
        "path": None,
        "reference": version.reference,
        "digest": prefixed(entry.digest),
    }
    return _result(version.manifest.facts, of_version)


def _result(facts: Facts, of_what: dict[str, Json]) -> Result:
    return Result(
        schema="inspect",
        value={**of_what, "facts": modelreg.to_json(facts)},
        blocks=facts_blocks(facts, tensors=True),
        quiet=(facts.container.value,),
    )
