"""The one place that prints.

The rules of output, written once:

* data go to standard output, everything else to standard error;
* for a person: blocks of text; with ``--json`` one object, also for an error; with ``-q`` one word a line;
* an error is ``error:`` and one sentence, then what was found, then ``hint:`` and what to do;
* tables are drawn on a terminal only; in a pipe they are columns of plain text, and nothing is cut off;
* whatever is printed was made harmless by ``escaped`` before.
"""

from __future__ import annotations

import enum
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from modelreg_cli.exits import Failure, OutputClosedError, OutputError
from modelreg_cli.result import Block, Column, Fields, Findings, Lines, Result, Table
from modelreg_cli.terminal import Style, escaped, is_terminal, painted, wants_colour

if TYPE_CHECKING:
    from modelreg import Finding, IndexEntry, Json, Verdict

DIGEST_SHOWN = 12
"""How many digits of a digest a terminal's table shows: 48 bits tell the versions of any registry apart."""
GAP = 2


class Form(enum.Enum):
    """What the output is for."""

    TEXT = "text"
    JSON = "json"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Output:
    """Prints results, notes and failures in one form."""

    form: Form = Form.TEXT

    def result(self, result: Result) -> None:
        """Print a command's answer."""
        match self.form:
            case Form.JSON:
                self._json(result.document)
            case Form.QUIET:
                _write_lines(sys.stdout, (escaped(line) for line in result.quiet))
            case Form.TEXT:
                if result.verdict is not None:
                    self._findings(result.verdict)
                for note in result.notes:
                    self.note(note)
                for index, block in enumerate(result.blocks):
                    if index and not isinstance(block, Lines | Findings):
                        _write_lines(sys.stdout, [""])
                    _show_block(block)

    def note(self, text: str) -> None:
        """A sentence beside the data."""
        if self.form is Form.TEXT:
            _write_lines(sys.stderr, [escaped(text)])

    def resolved(self, entry: IndexEntry) -> None:
        """Which version a reference turned out to be."""
        self.note(f"resolved: {entry.model}:{entry.version} sha256:{entry.digest}")

    def failure(self, failure: Failure) -> None:
        """Print why a command failed."""
        if self.form is Form.JSON:
            self._json(failure.document)
        else:
            _write_lines(sys.stderr, failure_lines(failure, colour=wants_colour(sys.stderr)))

    def _findings(self, verdict: Verdict) -> None:
        colour = wants_colour(sys.stderr)
        for finding in verdict.findings:
            _write_lines(sys.stderr, finding_lines(finding, colour=colour))

    def _json(self, value: Json) -> None:
        """Everything beyond ASCII is escaped, so that no terminal and no encoding can stumble over it."""
        indent = 2 if is_terminal(sys.stdout) else None
        _write_lines(sys.stdout, [json.dumps(value, indent=indent)])


# --- findings and failures --------------------------------------------------------------------------------------------

_LABELS = {"refuse": ("refused:", Style.RED), "warn": ("warning:", Style.YELLOW), "info": ("note:", Style.CYAN)}


def finding_lines(finding: Finding, *, colour: bool, said: str = "", fix: str | None = None) -> list[str]:
    """``warning: MR301 unsafe: message``, then where and the fix; the message is left out if ``said`` ends with it."""
    label, style = _LABELS[finding.severity.value]
    message = "" if said.endswith(finding.message) else f": {escaped(finding.message)}"
    lines = [f"{painted(label, style, colour=colour)} {finding.rule} {finding.kind.value}{message}"]
    if finding.severity.value == "info":
        return lines
    if finding.where and finding.where not in finding.message:
        lines.append(f"    where: {escaped(finding.where)}")
    fix = fix or finding.fix
    return [*lines, f"    fix: {escaped(fix)}"] if fix else lines


def failure_lines(failure: Failure, *, colour: bool) -> list[str]:
    """``error:`` and its sentence, the findings that refuse, ``hint:``."""
    lines = [f"{painted('error:', Style.RED, colour=colour)} {escaped(failure.message)}"]
    hint = failure.hint
    if failure.verdict is not None and failure.verdict.refusals:
        first, *others = failure.verdict.refusals
        lines += finding_lines(first, colour=colour, said=failure.message, fix=failure.hint)
        for finding in (*others, *failure.verdict.warnings):
            lines += finding_lines(finding, colour=colour)
        hint = f"modelreg explain {first.rule}"
    return [*lines, f"{painted('hint:', Style.CYAN, colour=colour)} {escaped(hint)}"] if hint else lines


# --- blocks -----------------------------------------------------------------------------------------------------------


def _show_block(block: Block) -> None:
    colour = wants_colour(sys.stdout)
    match block:
        case Lines(lines):
            _write_lines(sys.stdout, (escaped(line) for line in lines))
        case Fields(pairs):
            _write_lines(sys.stdout, _field_lines(pairs, colour=colour))
        case Findings(findings, after):
            for finding, more in findings:
                _write_lines(sys.stdout, [*finding_lines(finding, colour=colour), *map(escaped, more)])
            _write_lines(sys.stdout, map(escaped, after))
        case Table() if is_terminal(sys.stdout):
            _draw_table(block, colour=colour)
        case Table():
            _write_lines(sys.stdout, _table_lines(block, colour=colour))


def _field_lines(pairs: Iterable[tuple[str, str | None]], *, colour: bool) -> list[str]:
    told = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in told), default=0) + 1
    return [f"{painted(f'{name}:'.ljust(width), Style.DIM, colour=colour)} {escaped(value)}" for name, value in told]


def _table_lines(table: Table, *, colour: bool) -> list[str]:
    """Columns padded by spaces, two between them; the last one is not padded."""
    rows = [[escaped(cell) or "-" for cell in row] for row in table.rows]
    heads = [escaped(column.heading) for column in table.columns]
    widths = [max(len(row[index]) for row in (heads, *rows)) for index in range(len(heads))]
    head = painted(_padded(heads, table.columns, widths), Style.BOLD, colour=colour)
    return [head, *(_padded(row, table.columns, widths) for row in rows)]


def _padded(cells: list[str], columns: tuple[Column, ...], widths: list[int]) -> str:
    parts = [
        cell.rjust(width) if column.right else cell.ljust(width)
        for cell, column, width in zip(cells, columns, widths, strict=True)
    ]
    return "  ".join(parts).rstrip()


def _draw_table(table: Table, *, colour: bool) -> None:
    """A table as rich draws it, fit to the terminal's width; long cells are folded, never cut off."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    console = Console(file=sys.stdout, no_color=not colour, highlight=False)
    cells = [[_short(cell, column) for cell, column in zip(row, table.columns, strict=True)] for row in table.rows]
    kept = _fitting(table.columns, cells, console.width)
    drawn = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for index in kept:
        column = table.columns[index]
        drawn.add_column(Text(escaped(column.heading)), justify="right" if column.right else "left", overflow="fold")
    for row in cells:
        drawn.add_row(*(Text(row[index]) for index in kept))
    with console.capture() as capture:
        console.print(drawn)
    _write_lines(sys.stdout, [line.rstrip() for line in capture.get().splitlines()])


def _short(cell: str, column: Column) -> str:
    """A cell as a terminal shows it: of a digest its first digits, of a time no seconds."""
    if column.digest:
        return escaped(cell.removeprefix("sha256:")[:DIGEST_SHOWN])
    return escaped(cell[:16].replace("T", " ")) if column.time else escaped(cell)


def _fitting(columns: tuple[Column, ...], cells: list[list[str]], width: int) -> list[int]:
    """The columns that stand beside each other in ``width``: without optional ones, the last first, if need be."""
    widths = [max(len(row[index]) for row in ([c.heading for c in columns], *cells)) for index in range(len(columns))]
    kept = list(range(len(columns)))
    for index in reversed(range(len(columns))):
        if sum(widths[i] + GAP + 1 for i in kept) <= width:
            break
        if columns[index].optional:
            kept.remove(index)
    return kept


# --- streams ----------------------------------------------------------------------------------------------------------


def _write_lines(stream: TextIO | None, lines: Iterable[str]) -> None:
    """Write whole lines; a reader that went away or a full disk is an error of its own, not the command's."""
    if stream is None:  # the shell closed it (>&-)
        return
    try:
        stream.writelines(f"{line}\n" for line in lines)
        stream.flush()
    except BrokenPipeError:
        raise OutputClosedError from None
    except OSError as error:
        raise OutputError(f"the output cannot be written: {error.strerror or error}") from None
