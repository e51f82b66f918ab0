"""``modelreg diagnose``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

import modelreg
from modelreg_cli import complete
from modelreg_cli.checks import Allow, Provides, Strict, checks_of
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.output import finding_lines
from modelreg_cli.result import Block, Column, Fields, Lines, Result, Table
from modelreg_cli.subjects import existing_path
from modelreg_cli.wording import counted

if TYPE_CHECKING:
    from modelreg import Cell, Diagnosis, Explained, Facts, Finding, Json, Judged

app = new_app()

_SHOWN = {
    "error-at-load": "error",
    "error-at-predict": "error (predict)",
    "interpreter-dies": "dies",
    "other-numbers": "WRONG numbers",
    "undefined": "may die",
    "error-at-compile": "error",
    None: "no",
}
"""A refused load in a cell of the table, by what would be seen."""
_FINDINGS_SHOWN = 8
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
        blocks=tuple(block for each in diagnoses for block in _blocks(each, error=error, with_table=with_table)),
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


# --- for a person -----------------------------------------------------------------------------------------------------


def _blocks(diagnosis: Diagnosis, *, error: str | None, with_table: bool) -> Iterator[Block]:
    yield _summary(diagnosis)
    for explained in diagnosis.explained:
        yield _explanation(explained)
    if error is not None and not diagnosis.explained:
        yield Lines(("the error is none of those that modelreg knows.",))
    if diagnosis.cells:
        if with_table and _is_judgeable(diagnosis):
            yield _table(diagnosis)
            yield Lines(("", _where_it_loads(diagnosis)))
        yield Lines(tuple(_one_of_each_rule(_reasons(diagnosis))))
        yield Lines(tuple(_advice(diagnosis)))
    for result in diagnosis.results if not diagnosis.cells else ():
        yield Lines((f"{diagnosis.path} {_place(result)}: {_decision(result)}",))
        yield Lines(tuple(_findings(result.verdict.findings)))


def _is_judgeable(diagnosis: Diagnosis) -> bool:
    facts = diagnosis.facts
    return not facts.defects and facts.container.value in ("keras-hdf5", "keras-zip", "saved-model")


def _place(result: Judged) -> str:
    return f"for {result.target}" if result.target else "by itself"


def _decision(result: Judged) -> str:
    match result.verdict.decision.value:
        case "refused":
            kinds = sorted({finding.kind.value for finding in result.verdict.refusals})
            return f"will not do ({', '.join(kinds)})"
        case "warned":
            return f"should load, with {counted(len(result.verdict.warnings), 'warning')}"
    return "should load"


def _summary(diagnosis: Diagnosis) -> Fields:
    facts = diagnosis.facts
    written = facts.keras_version and f"Keras {facts.keras_version}"
    if facts.tensorflow_version:
        written = " and ".join(filter(None, (written, f"TensorFlow {facts.tensorflow_version}")))
    return Fields(
        (
            ("file", diagnosis.path),
            ("what it is", _kind(facts)),
            ("written by", written),
            ("bytecode of", " or ".join(f"Python {python}" for python in facts.writer_pythons)),
            *(("lambda", f"{code.path}: {code.source}") for code in facts.lambdas[:4] if code.source),
            ("needs", ", ".join(dict.fromkeys(wanted.class_name for wanted in facts.custom_objects))),
        )
    )


def _kind(facts: Facts) -> str:
    names = {
        "keras-hdf5": "a whole Keras model in HDF5",
        "keras-hdf5-weights": "weights of a Keras model in HDF5, without its architecture",
        "keras-v3-weights": "weights of a Keras model (.weights.h5), without its architecture",
        "keras-zip": "a whole Keras model in a .keras archive",
        "hdf5": "HDF5 that is no Keras model",
        "saved-model": "a TensorFlow SavedModel",
        "tflite": "a TensorFlow Lite model",
        "onnx": "an ONNX model",
        "opaque": "nothing that modelreg knows",
    }
    counts = [counted(len(facts.layers), "layer")] if facts.layers else []
    counts += [counted(len(facts.tensors), "tensor")] if facts.tensors else []
    return f"{names[facts.container.value]}" + (f" ({', '.join(counts)})" if counts else "")


def _explanation(explained: Explained) -> Lines:
    symptom = explained.symptom
    lines = [f"the error ({symptom.name}): {symptom.cause}."]
    if explained.findings:
        lines += _findings(explained.findings)
    else:
        lines.append("    nothing in this file shows its sign.")
    lines.append(f"    in general: {symptom.advice}")
    return Lines(tuple(lines))


def _table(diagnosis: Diagnosis) -> Table:
    """Pythons down, Kerases across; Pythons that do not differ share a row."""
    stations = list(dict.fromkeys(cell.station for cell in diagnosis.cells))
    rows: list[tuple[list[str], list[str]]] = []
    for python, cells in groupby(diagnosis.cells, key=lambda cell: cell.python):
        words = [_word(cell) for cell in cells]
        if rows and rows[-1][1] == words:
            rows[-1][0].append(python)
        else:
            rows.append(([python], words))
    columns = (Column("PYTHON"), *(Column(station) for station in stations))
    return Table(columns, [(_span(pythons), *words) for pythons, words in rows])


def _span(pythons: Sequence[str]) -> str:
    return pythons[0] if len(pythons) == 1 else f"{pythons[0]} to {pythons[-1]}"


def _word(cell: Cell) -> str:
    if cell.verdict is None:
        return ""
    return "loads" if cell.loads else _SHOWN[cell.outcome.value if cell.outcome else None]


def _where_it_loads(diagnosis: Diagnosis) -> str:
    """One sentence of the table: the Kerases by the Pythons on which they load it."""
    loading: dict[tuple[str, ...], list[str]] = {}
    for station in dict.fromkeys(cell.station for cell in diagnosis.cells):
        pythons = tuple(cell.python for cell in diagnosis.cells if cell.station == station and cell.loads)
        loading.setdefault(pythons, []).append(station)
    places = [f"{', '.join(names)} on Python {_span(pythons)}" for pythons, names in loading.items() if pythons]
    return f"it loads as it is with {'; '.join(places)}." if places else "it loads as it is with none of these."


_MENDABLE = frozenset({"MR401", "MR414", "MR415", "MR416", "MR417", "MR418", "MR419", "MR425"})
"""Rules whose trouble ``modelreg repair`` can take away, at least at times."""


def _advice(diagnosis: Diagnosis) -> Iterator[str]:
    rules = {finding.rule for cell in diagnosis.cells if cell.verdict for finding in cell.verdict.refusals}
    if rules & _MENDABLE and not rules & {"MR307", "MR315"}:
        stem, dot, suffix = diagnosis.path.rpartition(".")
        yield "to mend it for another place, without running anything of it:"
        yield f"    modelreg repair {diagnosis.path} -o {stem}_repaired{dot}{suffix} --target ENV"
    if rules:
        yield "to ask about one place (an interpreter, a requirements file ...):"
        yield f"    modelreg diagnose {diagnosis.path} --target ENV"


def _reasons(diagnosis: Diagnosis) -> list[Finding]:
    """What stands against the file: of itself, then of any place in the table, each rule and place once."""
    found: dict[tuple[str, str | None], Finding] = {}
    verdicts = [result.verdict for result in diagnosis.results]
    verdicts += [cell.verdict for cell in reversed(diagnosis.cells) if cell.verdict]
    for verdict in verdicts:
        for finding in verdict.findings:
            if finding.severity.value != "info":
                found.setdefault((finding.rule, finding.where), finding)
    return sorted(found.values(), key=lambda finding: finding.severity.rank)


def _one_of_each_rule(findings: Sequence[Finding]) -> Iterator[str]:
    """The first finding of each rule, and how many more there are: the table speaks of many places at once."""
    counts = Counter(finding.rule for finding in findings)
    for finding in _firsts(findings):
        yield from finding_lines(finding, colour=False)
        more = counts[finding.rule] - 1
        if more:
            yield f"    and {more:,} more of {finding.rule}; --target ENV or --json tells them all"


def _firsts(findings: Sequence[Finding]) -> list[Finding]:
    found: dict[str, Finding] = {}
    for finding in findings:
        found.setdefault(finding.rule, finding)
    return list(found.values())


def _findings(findings: Sequence[Finding]) -> list[str]:
    lines = [line for finding in findings[:_FINDINGS_SHOWN] for line in finding_lines(finding, colour=False)]
    more = len(findings) - _FINDINGS_SHOWN
    return [*lines, f"... and {more:,} more; --json has all of them"] if more > 0 else lines
