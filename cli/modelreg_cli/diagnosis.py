"""A diagnosis as a person reads it: what the file is, what the error means, where it loads, why not elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import PurePath
from typing import TYPE_CHECKING

from modelreg_cli.result import Block, Column, Fields, Findings, Lines, Table
from modelreg_cli.wording import counted

if TYPE_CHECKING:
    from modelreg import Cell, Diagnosis, Explained, Facts, Finding, Judged

_FINDINGS_MAX = 8
"""Findings of one target that are shown; more than a screen helps nobody."""
_LAMBDAS_MAX = 4
_WORDS = {
    "error-at-load": "error",
    "error-at-predict": "predict",
    "interpreter-dies": "dies",
    "other-numbers": "WRONG",
    "undefined": "may die",
    "error-at-compile": "error",
    None: "no",
}
"""A refused load in a cell of the table, by what would be seen."""
_LEGEND = {
    "predict": "predict: it loads, and then predict raises",
    "dies": "dies: the interpreter is killed",
    "WRONG": "WRONG: it loads, and predicts other numbers without an error",
    "may die": "may die: undefined behaviour, from the right numbers to a killed interpreter",
}
"""What the words of the table mean that do not speak for themselves."""
_REPAIR = "modelreg repair"
"""What a fix says where rewriting the configuration takes the trouble away, at least at times."""
_NOT_MENDABLE = frozenset({"MR307", "MR315"})
"""Rules that make any repair of the file pointless."""


def diagnosis_blocks(diagnosis: Diagnosis, *, error: str | None, with_table: bool) -> Iterator[Block]:
    """Everything about one file, the answer to the pasted ``error`` first."""
    yield _summary(diagnosis)
    for explained in diagnosis.explained:
        yield Lines(tuple(_explanation(explained)))
    if error is not None and not diagnosis.explained:
        yield Lines(("the error is none of those that modelreg knows.",))
    if diagnosis.cells:
        yield from _anywhere(diagnosis, with_table=with_table)
    else:
        for result in diagnosis.results:
            yield Lines((f"{diagnosis.path} {_place(result)}: {_decision(result)}",))
            yield _first_findings(result.verdict.findings)


def _anywhere(diagnosis: Diagnosis, *, with_table: bool) -> Iterator[Block]:
    """No target was named: the table, then one finding of each rule that stands against some place in it."""
    reasons = _reasons(diagnosis)
    if with_table and _is_judgeable(diagnosis.facts):
        table = _table(diagnosis.cells)
        yield table
        yield Lines(tuple(_legend(table)))
        yield Lines((_where_it_loads(diagnosis.cells), *(["and why not elsewhere:"] if reasons else [])))
    yield _one_of_each_rule(reasons)
    yield Lines(tuple(_advice(diagnosis)))


# The file, and the error that was pasted


def _is_judgeable(facts: Facts) -> bool:
    return not facts.defects and facts.container.value in ("keras-hdf5", "keras-zip", "saved-model")


def _summary(diagnosis: Diagnosis) -> Fields:
    facts = diagnosis.facts
    written = [f"Keras {facts.keras_version}"] if facts.keras_version else []
    written += [f"TensorFlow {facts.tensorflow_version}"] if facts.tensorflow_version else []
    return Fields(
        (
            ("file", diagnosis.path),
            ("what it is", _kind(facts)),
            ("written by", " and ".join(written)),
            ("bytecode of", " or ".join(f"Python {python}" for python in facts.writer_pythons)),
            *(("lambda", f"{code.path}: {code.source}") for code in facts.lambdas[:_LAMBDAS_MAX] if code.source),
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


def _explanation(explained: Explained) -> Iterator[str]:
    """What the error means, and where its sign is; the findings themselves follow with all others."""
    symptom = explained.symptom
    yield f"the error ({symptom.name}): {symptom.cause}."
    signs = [f"{finding.rule}{f', {finding.where}' if finding.where else ''}" for finding in explained.findings]
    if signs:
        more = f" and {len(signs) - _FINDINGS_MAX:,} more" if len(signs) > _FINDINGS_MAX else ""
        yield f"    its sign is in this file: {'; '.join(signs[:_FINDINGS_MAX])}{more}"
    else:
        yield "    nothing in this file shows its sign."
        yield f"    in general: {symptom.advice}"


# The table of Kerases and Pythons


def _table(cells: Sequence[Cell]) -> Table:
    """Kerases down, Pythons across; Pythons that do not differ share a column."""
    stations = list(dict.fromkeys(cell.station for cell in cells))
    columns: list[tuple[list[str], list[str]]] = []
    for python, group in groupby(cells, key=lambda cell: cell.python):
        words = [_word(cell) for cell in group]
        if columns and columns[-1][1] == words:
            columns[-1][0].append(python)
        else:
            columns.append(([python], words))
    heads = (Column("KERAS \\ PYTHON"), *(Column(_span(pythons, to="-")) for pythons, _ in columns))
    return Table(heads, [(station, *(words[row] for _, words in columns)) for row, station in enumerate(stations)])


def _span(pythons: Sequence[str], to: str = " to ") -> str:
    return pythons[0] if len(pythons) == 1 else f"{pythons[0]}{to}{pythons[-1]}"


def _word(cell: Cell) -> str:
    if cell.verdict is None:
        return ""
    return "loads" if cell.loads else _WORDS[cell.outcome.value if cell.outcome else None]


def _legend(table: Table) -> Iterator[str]:
    used = {word for row in table.rows for word in row[1:]}
    yield from (meaning for word, meaning in _LEGEND.items() if word in used)
    yield ""


def _where_it_loads(cells: Sequence[Cell]) -> str:
    """One sentence of the table: the Kerases by the Pythons on which they load it."""
    loading: dict[tuple[str, ...], list[str]] = {}
    for station in dict.fromkeys(cell.station for cell in cells):
        pythons = tuple(cell.python for cell in cells if cell.station == station and cell.loads)
        loading.setdefault(pythons, []).append(station)
    places = [f"{', '.join(names)} on Python {_span(pythons)}" for pythons, names in loading.items() if pythons]
    return f"it loads as it is with {'; '.join(places)}." if places else "it loads as it is with none of these."


# Findings, and what to type


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


def _first_findings(findings: Sequence[Finding]) -> Findings:
    more = len(findings) - _FINDINGS_MAX
    after = (f"... and {more:,} more; --json has all of them",) if more > 0 else ()
    return Findings(tuple((finding, ()) for finding in findings[:_FINDINGS_MAX]), after)


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


def _one_of_each_rule(findings: Sequence[Finding]) -> Findings:
    """The first finding of each rule, and how many more there are: the table speaks of many places at once."""
    counts = Counter(finding.rule for finding in findings)
    firsts: dict[str, Finding] = {}
    for finding in findings:
        firsts.setdefault(finding.rule, finding)
    return Findings(tuple((finding, _more(rule, counts[rule] - 1)) for rule, finding in firsts.items()))


def _more(rule: str, count: int) -> tuple[str, ...]:
    return (f"    and {count:,} more of {rule}; --target ENV or --json tells them all",) if count else ()


def _advice(diagnosis: Diagnosis) -> Iterator[str]:
    refusals = [finding for cell in diagnosis.cells if cell.verdict for finding in cell.verdict.refusals]
    is_mendable = any(_REPAIR in (finding.fix or "") for finding in refusals)
    path = PurePath(diagnosis.path)
    if is_mendable and _NOT_MENDABLE.isdisjoint(finding.rule for finding in refusals) and not _is_folder(diagnosis):
        mended = path.with_name(f"{path.stem}_repaired{path.suffix}")
        yield "to mend it for another place, without running anything of it:"
        yield f"    modelreg repair {path} -o {mended} --target ENV"
    if refusals:
        yield "to ask about one place (an interpreter, a requirements file ...):"
        yield f"    modelreg diagnose {path} --target ENV"


def _is_folder(diagnosis: Diagnosis) -> bool:
    return diagnosis.facts.container.value == "saved-model"
