"""The options that say how golden predictions are computed, shared by ``push``, ``pull``, ``verify`` and ``replay``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

import modelreg
from modelreg_cli.result import Column, Table
from modelreg_cli.wording import counted

if TYPE_CHECKING:
    from modelreg import Golden, Json, OutputReport, PredictionRun, ReplayRequest

Python = Annotated[
    str | None,
    typer.Option(
        "--python",
        metavar="EXE",
        help="Compute the predictions with this interpreter's Keras: a path, a virtual environment, a name on PATH.",
    ),
]
CustomObjects = Annotated[
    list[str] | None,
    typer.Option(
        "--custom-objects",
        metavar="MODULE",
        help="A module, or a .py file, with the classes and functions that the model needs.",
    ),
]
Tolerance = Annotated[
    str | None,
    typer.Option(
        "--tolerance", metavar="T", help="How far a prediction may be off, in units of its scale, such as 1e-4."
    ),
]
Timeout = Annotated[float, typer.Option("--timeout", metavar="SECONDS", help="How long the predictions may take.")]
Replay = Annotated[
    bool, typer.Option("--replay", help="Compute the golden predictions again, and refuse if they differ.")
]


def request_of(*, replay: bool, python: str | None, custom_objects: list[str] | None) -> ReplayRequest | None:
    """The library's request for what was typed; raises ``UsageError`` for options that mean nothing without it."""
    if replay:
        return modelreg.ReplayRequest(python, tuple(custom_objects or ()))
    refuse_without("--replay", python=python, custom_objects=custom_objects)
    return None


def refuse_without(option: str, **given: object) -> None:
    """Raise ``UsageError`` for the first option in ``given`` that was typed although ``option`` was not."""
    for name, value in given.items():
        if value:
            typed = "--" + name.replace("_", "-")
            raise modelreg.UsageError(f"{typed} means something with {option} only", hint=f"add {option}")


def golden_line(golden: Golden) -> str:
    """``4 samples, 1 output, to 1e-4, by Keras 3.15.1 on Python 3.11.7``."""
    return (
        f"{counted(golden.samples, 'sample')}, {counted(len(golden.outputs), 'output')}, to "
        f"{golden.tolerance}, by Keras {golden.keras} on Python {golden.python}"
    )


def output_table(run: PredictionRun, expected: str, actual: str) -> Table:
    """Every output and the worst of its values, under headings for what was ``expected`` and what is ``actual``."""
    columns = (
        Column("OUTPUT"),
        Column("BEYOND", right=True),
        Column("WORST", right=True),
        Column("OF SCALE", right=True),
        Column("AT"),
        Column(expected, right=True, optional=True),
        Column(actual, right=True, optional=True),
    )
    return Table(columns, [_output_row(report) for report in run.outputs])


def place_of(run: PredictionRun) -> str:
    """``Keras 3.15.1, TensorFlow 2.21.0, Python 3.11.7``, as far as it is known."""
    return ", ".join(f"{name} {run.versions[key]}" for name, key in _SHOWN if key in run.versions)


def run_line(run: PredictionRun) -> str:
    """``replayed: the same by Keras 3.15.1 on Python 3.11.7 (4 samples, to 1e-4)``."""
    place = place_of(run)
    outcome = {"same": "the same", "different": "other numbers"}.get(run.outcome.value, run.outcome.value)
    told = f" ({counted(run.samples, 'sample')}, to {run.tolerance})" if run.samples else ""
    return f"replayed: {outcome}{told} by {place or 'an interpreter that did not start'}"


_SHOWN = (("Keras", "keras"), ("TensorFlow", "tensorflow"), ("Python", "python"))


def run_value(run: PredictionRun | None) -> Json:
    """A run as a JSON object."""
    if run is None:
        return None
    return {
        "outcome": run.outcome.value,
        "stage": run.stage,
        "error": run.error or None,
        "message": run.message or None,
        "versions": dict(run.versions),
        "samples": run.samples,
        "tolerance": run.tolerance or None,
        "outputs": [modelreg.to_json(report) for report in run.outputs],
    }


def _output_row(report: OutputReport) -> tuple[str, ...]:
    """One line of the table of outputs."""
    place = "[" + ", ".join(map(str, report.index)) + "]" if report.index else "-"
    beyond = f"{report.beyond:,} of {report.values:,}"
    return (report.name, beyond, report.worst_absolute, report.worst_relative, place, report.expected, report.actual)
