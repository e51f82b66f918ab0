"""The table of statements: what was said of aliases, withdrawals and trust stores, by chain and number.

It answers what the last link of a chain is, and gives exact bytes; what they say is for ``modelreg.trust.statements``,
and whether they were logged for the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from modelreg.db.columns import exact_bytes, exact_int, exact_text
from modelreg.db.schema import statements

_ROWS_MAX = 300
"""Asked for at once: SQLite of old took no more than 999 variables."""


@dataclass(frozen=True, slots=True)
class StatementRow:
    """A statement as the table has it, which may be anything; ``envelope`` is ``None`` where nobody signed it."""

    sha256: str
    kind: str
    model: str
    alias: str
    sequence: int
    statement: bytes = field(repr=False)
    envelope_sha256: str | None = None
    envelope: bytes | None = field(default=None, repr=False)


class StatementTable:
    """The statements as one transaction sees them."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, rows: Sequence[StatementRow]) -> None:
        """Keep statements that are the next of their chains."""
        columns = [column.name for column in statements.c]
        for begin in range(0, len(rows), _ROWS_MAX):
            page = rows[begin : begin + _ROWS_MAX]
            self._connection.execute(
                statements.insert(), [{name: getattr(row, name) for name in columns} for row in page]
            )

    def last(self, kind: str, model: str = "", alias: str = "") -> StatementRow | None:
        """The last of a chain; the model's row is locked where somebody is to go on from it."""
        return next(iter(self.chain(kind, model, alias, limit=1)), None)

    def chain(
        self, kind: str, model: str = "", alias: str = "", *, limit: int | None = None
    ) -> tuple[StatementRow, ...]:
        """A chain from its last link back, ``limit`` of them."""
        here = (statements.c.kind == kind, statements.c.model == model, statements.c.alias == alias)
        query = sa.select(statements).where(*here).order_by(statements.c.sequence.desc()).limit(limit)
        return tuple(map(_row, self._connection.execute(query)))

    def get(self, sha256s: Iterable[str]) -> dict[str, StatementRow]:
        """The statements with those digests that are there."""
        wanted = sorted(set(sha256s))
        found: dict[str, StatementRow] = {}
        for begin in range(0, len(wanted), _ROWS_MAX):
            query = sa.select(statements).where(statements.c.sha256.in_(wanted[begin : begin + _ROWS_MAX]))
            found |= {row.sha256: _row(row) for row in self._connection.execute(query)}
        return found

    def kept_under(self, sha256: str) -> bytes | None:
        """The bytes of the statement or envelope whose blob has that digest."""
        query = sa.select(statements).where((statements.c.sha256 == sha256) | (statements.c.envelope_sha256 == sha256))
        row = self._connection.execute(query).first()
        if row is None:
            return None
        found = _row(row)
        return found.statement if found.sha256 == sha256 else found.envelope

    def blobs(self) -> tuple[str, ...]:
        """The digests of all statements and envelopes."""
        signed = sa.select(statements.c.envelope_sha256).where(statements.c.envelope_sha256.is_not(None))
        return tuple(self._connection.execute(sa.select(statements.c.sha256).union(signed)).scalars())


def _row(row: sa.Row[Any]) -> StatementRow:
    sha256 = exact_text(row.sha256, "a statement's digest")
    what = f"the statement {sha256[:64]}"
    return StatementRow(
        sha256,
        exact_text(row.kind, f"the kind of {what}"),
        exact_text(row.model, f"the model of {what}"),
        exact_text(row.alias, f"the alias of {what}"),
        exact_int(row.sequence, f"the number of {what}"),
        exact_bytes(row.statement, what),
        None if row.envelope_sha256 is None else exact_text(row.envelope_sha256, f"the envelope of {what}"),
        None if row.envelope is None else exact_bytes(row.envelope, f"the envelope of {what}"),
    )
