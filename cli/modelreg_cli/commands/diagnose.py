"""``modelreg diagnose``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

import modelreg
from modelreg_cli import complete
from modelreg_cli.checks import Allow, Provides, Strict, checks_of
from modelreg_cli.diagnosis import diagnosis_blocks
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.result import Result
from modelreg_cli.subjects import existing_path

if TYPE_CHECKING:
    from modelreg import Cell, Diagnosis, Explained, Facts, Json, Judged

app = new_app()

_FILES_WITH_TABLE = 3
"""With more files than these the table of each would bury the answer."""


@app.command()
@command
def diagnose(
    invocation: Invocation,
    subjects: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|REF...",
            help="Files, folders or versions. What is both is the file or folder.",
            show_default=False,
            autocompletion=complete.references,
        ),
    ],
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            metavar="ENV",
            help="Judge for this environment (again for more): current, a document, an interpreter, or a lock file "
            "(FILE@3.11). Without one: a table of Pythons and Kerases.",
        ),
    ] = None,
    provides: Provides = None,
    error: Annotated[
        str | None,
        typer.Option("--error", metavar="TEXT", help="An error message that you saw: what it means for this file."),
    ] = None,
    strict: Strict = None,
    allow: Allow = None,
) -> Result:
    """Say whether a model will load there, why not, and what to type.

    Nothing is loaded: files are read in a child process, and what load_model would do is worked out from their
    content and from what each Keras release accepts. Judged is load_model(PATH, compile=False, safe_mode=False).
    """
    diagnostics = modelreg.Diagnostics(
        invocation.settings(),
        targets=target or (),
        error=error,
        **checks_of(strict=strict, allow=allow, provides=provides),
    )
    diagnoses = [diagnostics.diagnose(path, facts) for path, facts in _facts_of(invocation, subjects)]
    with_table = len(diagnoses) <= _FILES_WITH_TABLE
    return Result(
        schema="diagnose",
        value={"error": error, "results": [value for each in diagnoses for value in _values(each)]},
        blocks=tuple(
            block for each in diagnoses for block in diagnosis_blocks(each, error=error, with_table=with_table)
        ),
        quiet=tuple(_quiet(each.path, result) for each in diagnoses for result in each.results),
        exit_status=_exit_status(diagnoses),
    )


def _facts_of(invocation: Invocation, subjects: Sequence[str]) -> Iterator[tuple[str, Facts]]:
    """The facts of each subject, in the order given; runs of paths share one reader."""
    for is_path, group in groupby(subjects, key=lambda subject: existing_path(subject) is not None):
        if is_path:
            yield from modelreg.inspect_many(group)
            continue
        with invocation.registry() as registry:
            for subject in group:
                try:
                    _, exactly = invocation.resolve(registry, subject)
                except modelreg.NotFoundError as error:
                    raise modelreg.NotFoundError(f"no file {subject!r}, and {error.message}", hint=error.hint) from None
                yield subject, registry.show(exactly, target="none").manifest.facts


def _exit_status(diagnoses: Sequence[Diagnosis]) -> int:
    """Every refused kind once, over all files and targets."""
    status = 0
    for diagnosis in diagnoses:
        for result in diagnosis.results:
            status |= result.verdict.exit
    return status


# --- for a program ----------------------------------------------------------------------------------------------------


def _values(diagnosis: Diagnosis) -> Iterator[Json]:
    for result in diagnosis.results:
        yield {
            "path": diagnosis.path,
            "target": result.target,
            "verdict": result.verdict.to_json(),
            "facts": modelreg.to_json(diagnosis.facts),
            "landscape": [_cell_value(cell) for cell in diagnosis.cells if cell.verdict],
            "explained": [_explained_value(each) for each in diagnosis.explained],
        }


def _cell_value(cell: Cell) -> Json:
    rules: list[Json] = [*sorted({finding.rule for finding in cell.verdict.refusals})] if cell.verdict else []
    return {
        "keras": cell.station,
        "python": cell.python,
        "loads": cell.loads,
        "outcome": cell.outcome.value if cell.outcome else None,
        "rules": rules,
    }


def _explained_value(explained: Explained) -> Json:
    return {
        "symptom": explained.symptom.name,
        "cause": explained.symptom.cause,
        "advice": explained.symptom.advice,
        "findings": [modelreg.to_json(finding) for finding in explained.findings],
    }


def _quiet(path: str, result: Judged) -> str:
    return f"{result.verdict.decision.value} {path}" + (f" {result.target}" if result.target else "")
