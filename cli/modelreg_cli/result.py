"""What a command has to say, as a value: for a person, for a program, and in one word.

A command returns a ``Result`` and prints nothing; ``output`` prints the one form that was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelreg import Finding, Json, Verdict


@dataclass(frozen=True, slots=True)
class Lines:
    """Sentences, one a line."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fields:
    """Names and values, one pair a line; a value that is ``None`` or empty is left out."""

    pairs: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading, and what a terminal may do to it.

    ``right`` ones hold numbers; of ``digest`` and ``time`` ones a terminal shows the beginning; an ``optional`` one is
    left out where the terminal is too narrow, the last first.  In a pipe all of it is there.
    """

    heading: str
    digest: bool = False
    time: bool = False
    right: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings."""

    columns: tuple[Column, ...]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Findings:
    """Findings as data, each with the lines that follow it; ``after`` stands at the end."""

    findings: tuple[tuple[Finding, tuple[str, ...]], ...]
    after: tuple[str, ...] = ()


Block = Lines | Fields | Findings | Table


@dataclass(frozen=True, slots=True)
class Result:
    """A command's answer.

    ``schema`` is the bare name (``push``) of the JSON object whose other keys are ``value``.  ``blocks`` are for a
    person, ``quiet`` for ``-q``.  ``verdict``'s warnings and the ``notes`` go to standard error, for a person only.
    """

    schema: str
    value: Mapping[str, Json]
    blocks: tuple[Block, ...] = ()
    quiet: tuple[str, ...] = ()
    verdict: Verdict | None = None
    notes: tuple[str, ...] = ()
    exit_status: int = 0
    version: int = field(default=1, kw_only=True)

    @property
    def document(self) -> dict[str, Json]:
        """The JSON object."""
        return {"schema": f"modelreg.{self.schema}/v{self.version}", **self.value}
