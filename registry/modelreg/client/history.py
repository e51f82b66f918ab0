"""What statements say, to be shown: the moves of an alias, and what an entry of the log is about."""

from __future__ import annotations

from dataclasses import dataclass

from modelreg.client.results import Move
from modelreg.db.records import Index
from modelreg.db.statements import StatementRow
from modelreg.digest import sha256_hex
from modelreg.errors import DocumentError
from modelreg.trust.leaf import LeafKind
from modelreg.trust.statements import Pointer, Withdrawal, parse_statement


@dataclass(frozen=True, slots=True)
class About:
    """What an entry is about, as far as anything tells; ``version`` is ``None`` for an alias that was deleted.

    Without a ``model`` it is that of a trust store.
    """

    model: str | None = None
    version: int | None = None
    alias: str | None = None


def about(row: StatementRow) -> About:
    """What a statement is about; of one that cannot be read what its row says."""
    try:
        said = parse_statement(row.statement)
    except DocumentError:
        return About(row.model or None, None, row.alias or None)
    if isinstance(said, Pointer):
        return About(said.model, None if said.deleted else said.target.version, said.alias)
    return About(said.model, said.target.version) if isinstance(said, Withdrawal) else About(None, said.version)


def moves(index: Index, model: str, alias: str, limit: int | None) -> tuple[Move, ...]:
    """The moves of ``alias``, newest first; nothing of them is verified but that a statement has its own digest."""
    with index.reading_statements() as table:
        rows = table.chain(LeafKind.POINTER, model, alias, limit=limit)
    with index.reading_log() as log:
        places = {row.sha256: next((leaf.position for leaf in log.about(row.sha256)), None) for row in rows}
    return tuple(_move(row, places[row.sha256]) for row in rows)


def _move(row: StatementRow, position: int | None) -> Move:
    try:
        if sha256_hex(row.statement) != row.sha256:
            raise DocumentError("its bytes are not those of its digest")
        said = parse_statement(row.statement)
        if not isinstance(said, Pointer) or (said.model, said.alias, said.sequence) != _place(row):
            raise DocumentError("it is about something else")
        signed_by = _signers(row)
    except DocumentError as error:
        place = (row.model, row.alias, row.sequence)
        return Move(*place, None, None, "", "", "", row.sha256, position=position, problem=error.message)
    return Move(
        said.model,
        said.alias,
        said.sequence,
        None if said.deleted else said.target.version,
        said.target.manifest,
        said.reason,
        said.by,
        said.created_at,
        row.sha256,
        signed_by,
        position,
    )


def _place(row: StatementRow) -> tuple[str, str, int]:
    return row.model, row.alias, row.sequence


def _signers(row: StatementRow) -> tuple[str, ...]:
    if row.envelope is None:
        return ()
    from modelreg.trust.dsse import Envelope

    envelope = Envelope.parse(row.envelope)
    if envelope.payload != row.statement:
        raise DocumentError("its envelope signs something else")
    return tuple(signature.key_id for signature in envelope.signatures)
