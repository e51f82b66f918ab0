"""``modelreg diff``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import modelreg
from modelreg_cli import complete
from modelreg_cli.checks import REFERENCE_HELP
from modelreg_cli.exits import COULD_NOT, DIFFERENT
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.progress import progress
from modelreg_cli.result import Block, Column, Fields, Lines, Result, Table
from modelreg_cli.subjects import existing_path
from modelreg_cli.wording import counted, prefixed, size

if TYPE_CHECKING:
    from modelreg import Difference, Json, LayerChange, ModelDifference, Side, TensorChange

ROWS_MAX = 20
"""Rows of each kind without ``--all``: a retrained model changes all of its tensors, and twenty show that."""
CELL_LENGTH_MAX = 60
"""Characters of a value without ``--all``: bytecode and vocabularies are arguments too."""

_RELATIONS = {
    modelreg.Relation.SAME_BYTES: "same bytes",
    modelreg.Relation.SAME_MODEL: "same weights and architecture, new file",
    modelreg.Relation.DIFFERENT: "different",
    modelreg.Relation.UNDECIDED: "other bytes; no difference was found in what could be compared",
}
_EXIT_STATUSES = {modelreg.Relation.DIFFERENT: DIFFERENT, modelreg.Relation.UNDECIDED: COULD_NOT}
_SUBJECT = f"A file, a folder, a pulled folder, or a version: {REFERENCE_HELP} What is both is the file or folder."

app = new_app()


@app.command()
@command
def diff(
    invocation: Invocation,
    left: Annotated[
        str, typer.Argument(metavar="A", help=_SUBJECT, show_default=False, autocompletion=complete.references)
    ],
    right: Annotated[
        str,
        typer.Argument(
            metavar="B", help="What to compare it with.", show_default=False, autocompletion=complete.references
        ),
    ],
    all_: Annotated[
        bool, typer.Option("--all", help=f"Show every row and value whole, not the first {ROWS_MAX} of each kind.")
    ] = False,
    values: Annotated[
        bool,
        typer.Option(
            "--values/--no-values", help="Read changed tensors on both sides, to tell how far apart they are."
        ),
    ] = True,
    exit_code: Annotated[
        bool,
        typer.Option(
            "--exit-code", help=f"End with {DIFFERENT} if weights or architecture differ, 1 if that is not known."
        ),
    ] = False,
) -> Result:
    """Show what differs between two models: tensors, layers, environment, facts.

    Weights and architecture are compared whatever file they are in: the same model as .h5 and as .keras is the same.
    Nothing is judged and nothing in the files is executed. Bytes of a version are fetched only to tell how far apart
    changed tensors are.
    """
    difference = _compare(invocation, left, right, values=values)
    return Result(
        schema="diff",
        value=_value(difference),
        blocks=tuple(_blocks(difference, whole=all_)),
        quiet=(difference.relation.value,),
        notes=difference.notes,
        exit_status=_EXIT_STATUSES.get(difference.relation, 0) if exit_code else 0,
    )


def _compare(invocation: Invocation, left: str, right: str, *, values: bool) -> ModelDifference:
    """Two paths need no registry, and so make none."""
    sides: list[str | Path] = [existing_path(subject) or subject for subject in (left, right)]
    paths = [side for side in sides if isinstance(side, Path)]
    with progress(invocation.output, "comparing", None) as advance:
        if len(paths) == len(sides):
            return modelreg.diff_models(*paths, values=values, progress=advance)
        with invocation.registry() as registry:
            return registry.diff(*sides, values=values, progress=advance)


def _value(difference: ModelDifference) -> dict[str, Json]:
    """The difference as JSON, a version's digest written as everywhere outside."""
    value = difference.to_json()
    for name, side in (("left", difference.left), ("right", difference.right)):
        told = value[name]
        assert isinstance(told, dict)  # noqa: S101 - for the type checker
        value[name] = {**told, "digest": prefixed(side.digest)}
    return value


def _blocks(difference: ModelDifference, *, whole: bool) -> Iterator[Block]:
    yield _summary(difference)
    tensors = (_tensor_row(change, whole=whole) for change in difference.tensors)
    yield from _table(_TENSOR_COLUMNS, tensors, whole=whole)
    rows = (row for change in difference.layers for row in _layer_rows(change))
    yield from _table(_LAYER_COLUMNS, rows, whole=whole)
    for heading, found in (
        ("MODEL", difference.model),
        ("TRAINING", difference.training),
        ("WRITTEN WITH", difference.writer),
        ("PUSHED WITH", difference.environment),
        ("FACT", difference.facts),
        ("METADATA", difference.metadata),
    ):
        columns = Column(heading), Column("LEFT"), Column("RIGHT")
        yield from _table(columns, (_field_row(field) for field in found), whole=whole)


_TENSOR_COLUMNS = (
    Column("TENSOR"),
    Column("CHANGE"),
    Column("SHAPE"),
    Column("DTYPE"),
    Column("WORST DIFFERENCE", right=True),
    Column("AT"),
    Column("VALUES CHANGED", right=True),
)
_LAYER_COLUMNS = Column("LAYER"), Column("CHANGE"), Column("ARGUMENT"), Column("LEFT"), Column("RIGHT")


def _table(columns: tuple[Column, ...], rows: Iterable[Sequence[str]], *, whole: bool) -> Iterator[Block]:
    told = list(rows)
    if not told:
        return
    if whole:
        yield Table(columns, told)
        return
    yield Table(columns, [[_short(cell) for cell in row] for row in told[:ROWS_MAX]])
    if len(told) > ROWS_MAX:
        yield Lines((f"... and {len(told) - ROWS_MAX:,} more (--all shows them)",))


def _short(cell: str) -> str:
    return cell if len(cell) <= CELL_LENGTH_MAX else f"{cell[: CELL_LENGTH_MAX - 3]}..."


def _summary(difference: ModelDifference) -> Fields:
    left, right = difference.left, difference.right
    digest = left.semantic_digest if left.semantic_digest == right.semantic_digest else None
    weights = [change for change in difference.tensors if not change.is_state]
    state = [change for change in difference.tensors if change.is_state]
    return Fields(
        (
            ("left", _side(left)),
            ("right", _side(right)),
            ("result", _RELATIONS[difference.relation]),
            ("semantic digest", digest),
            ("tensors", _counts(weights, difference.tensors_alike, difference.tensors_unknown)),
            ("training state", _counts(state, difference.state_alike)),
            ("layers", _counts(difference.layers, difference.layers_alike)),
        )
    )


def _side(side: Side) -> str:
    keras = f"Keras {side.keras_version}" if side.keras_version else None
    stored = f"{size(side.size_bytes)} in {counted(side.files, 'file')}"
    return ", ".join(part for part in (side.name, side.container, keras, stored, prefixed(side.digest)) if part)


def _counts(changes: Sequence[TensorChange] | Sequence[LayerChange], alike: int, unknown: int = 0) -> str:
    """``4 alike, 2 changed, 1 added``."""
    counts = {"alike": alike, "of unknown values": unknown}
    for change in changes:
        counts[change.change.value] = counts.get(change.change.value, 0) + 1
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)


def _tensor_row(change: TensorChange, *, whole: bool) -> tuple[str, ...]:
    """One tensor, under both its names only if there is room: containers name the same weight differently."""
    sides = [side for side in (change.left, change.right) if side is not None]
    distance = change.distance
    return (
        _both([side.path for side in (sides if whole else sides[:1])]),
        change.change.value,
        _both(["x".join(str(length) for length in side.shape) or "scalar" for side in sides]),
        _both([side.dtype for side in sides]),
        (distance.worst or "not finite") if distance else "",
        f"[{', '.join(str(place) for place in distance.at)}]" if distance and distance.at is not None else "",
        f"{distance.changed:,} of {distance.total:,}" if distance else "",
    )


def _both(texts: Sequence[str]) -> str:
    """One text where both sides have the same."""
    return " -> ".join(dict.fromkeys(texts))


def _layer_rows(change: LayerChange) -> Iterator[tuple[str, ...]]:
    left, right = change.left_class or "", change.right_class or ""
    if change.renamed_to is not None:
        left, right = change.path, change.renamed_to
    if change.renamed_to is not None or not change.arguments or left != right:
        name = "name" if change.renamed_to is not None else "class"
        yield change.path, change.change.value, name, left, right
    for argument in change.arguments:
        yield change.path, change.change.value, *_field_row(argument)


def _field_row(field: Difference) -> tuple[str, str, str]:
    return field.field, field.left or "", field.right or ""
