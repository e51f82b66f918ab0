"""Where an alias points and what is withdrawn, by the log that a trust store names and not by rows.

The log is read through once and the view of it kept beside the user's memory; later pulls read what is new.  Its root
is the one that the log's key signed, so that no row can hide a move or a withdrawal.

Invariant: a kept view saves work and decides nothing: where one does not lead to the signed root, the log is read from
its first entry on.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from modelreg.client.kept_view import KeptView
from modelreg.client.memory import Memory
from modelreg.client.trusting import CONTRADICTED, NOT_COVERED, UNPROVED, Trusted
from modelreg.db.records import Index
from modelreg.db.statements import StatementRow
from modelreg.errors import DatabaseError, DocumentError
from modelreg.findings import Finding
from modelreg.manifest import IndexEntry
from modelreg.rules import RULES
from modelreg.trust import dsse
from modelreg.trust.checkpoint import Checkpoint
from modelreg.trust.decision import decide
from modelreg.trust.leaf import LeafKind
from modelreg.trust.statements import Pointer, Withdrawal
from modelreg.trust.trust_store import KEY_ID_SHOWN, TrustStore
from modelreg.trust.view import LogView, Said

_ASK = "ask who runs the registry; modelreg log audit tells what was changed"


T = TypeVar("T")


def with_view(index: Index, head: Checkpoint, ask: Callable[[LogView], T], memory: Memory | None = None) -> T:
    """What ``ask`` makes of what the log said up to ``head``, which its key has signed; it may be asked twice.

    Raises ``DocumentError`` where the database does not show the entries of that root, ``DatabaseError`` for tables
    that are damaged.
    """
    path = (memory or Memory()).view_path(head.origin)
    try:
        with contextlib.closing(KeptView.open(head.origin, path)) as kept:
            if kept.size <= head.size and _grown(kept, index, head):
                return ask(kept.view)
    except sqlite3.OperationalError:
        pass  # somebody else is writing it
    except sqlite3.Error:
        with contextlib.suppress(OSError):  # then it is read past again next time
            path.unlink()  # it is damaged where nobody had looked before
    with contextlib.closing(KeptView(head.origin)) as kept:
        if not _grown(kept, index, head):
            raise DocumentError(f"the entries that are shown are not those of the signed root of {head.size:,} entries")
        return ask(kept.view)


def _grown(kept: KeptView, index: Index, head: Checkpoint) -> bool:
    """Whether ``kept`` leads to ``head``, read on if need be."""
    if kept.size == head.size:
        return kept.frontier.root == head.root
    with index.reading_log() as log:
        return kept.grow(log.entries(kept.size, head.size), head.size, head.root)


@dataclass(frozen=True, slots=True)
class Pointing:
    """What the log says of one version, and of the alias by which it was found; ``newest`` is the index's last move."""

    said: Said | None = None
    split: int | None = None
    withdrawal: Said | None = None
    newest: StatementRow | None = None
    shown: StatementRow | None = None
    """What the index shows of the statement ``said``, for its envelope."""


def read_pointing(index: Index, view: LogView, entry: IndexEntry, alias: str | None) -> Pointing:
    """What ``view`` has for a version, with what the index shows beside it."""
    withdrawal = view.withdrawals.get((entry.model, entry.version, entry.digest))
    if alias is None:
        return Pointing(withdrawal=withdrawal)
    named = entry.model, alias
    said = view.pointers.get(named)
    with index.reading_statements() as table:
        newest = table.last(LeafKind.POINTER, *named)
        shown = table.get([said.recorded.digest]).get(said.recorded.digest) if said else None
    return Pointing(said, view.split.get(named), withdrawal, newest, shown)


def judge_pointing(
    pointing: Pointing, entry: IndexEntry, alias: str | None, trusted: Trusted, store: TrustStore
) -> Iterator[Finding]:
    """What is wrong with a version that was found by ``alias``, or is withdrawn although no row says so.  Pure."""
    withdrawn = pointing.withdrawal
    if withdrawn is not None and entry.withdrawn_at is None and isinstance(withdrawn.statement, Withdrawal):
        said = withdrawn.statement
        yield RULES["MR501"].found(
            f"{entry.model}:{entry.version} was withdrawn on {said.created_at[:10]} by {said.by}: {said.reason}; the "
            f"database hides it, entry {withdrawn.index:,} of its log tells"
        )
    if alias is not None:
        yield from _judge_alias(pointing, entry, alias, trusted, store)


def _judge_alias(
    pointing: Pointing, entry: IndexEntry, alias: str, trusted: Trusted, store: TrustStore
) -> Iterator[Finding]:
    rule, name, here = RULES["MR212"], f"{entry.model}@{alias}", f"{entry.model}:{entry.version}"
    unproved = UNPROVED[store.mode]
    contradicted = CONTRADICTED[store.mode]
    said = pointing.said
    if pointing.split is not None:
        message = f"entry {pointing.split:,} of the log is a move of {name} that does not follow on the one before"
        yield rule.found(message, fix=_ASK, severity=contradicted)
        return
    newest = pointing.newest
    is_pending = newest is not None and newest.sequence > (said.recorded.statement.sequence if said else 0)
    if said is None or not isinstance(said.statement, Pointer):
        message = f"no signed checkpoint of the log covers a move of {name}, which the database says is {here}"
        fix = NOT_COVERED if is_pending else f"if it belongs there, state it: modelreg alias {here} {alias} --sign KEY"
        yield rule.found(message, fix=fix, severity=unproved)
        return
    target, place = said.statement.target, f"by entry {said.index:,} of the log"
    if said.statement.deleted or (target.version, target.manifest) != (entry.version, entry.digest):
        found = "was deleted" if said.statement.deleted else f"is {entry.model}:{target.version}"
        if is_pending:
            message = f"{name} {found} {place}; no signed checkpoint covers the move to {here}"
            yield rule.found(message, fix=NOT_COVERED, severity=unproved)
        else:
            message = f"{name} {found} {place}, and the database says {here}: somebody put it back"
            yield rule.found(message, fix=_ASK, severity=contradicted)
        return
    fix = f"if it belongs there, state it again: modelreg alias {here} {alias} --sign KEY"
    for problem in _unsigned(said, pointing.shown, entry.model, trusted, store):
        yield rule.found(f"{name}: {problem}", fix=fix, severity=unproved)


def _unsigned(said: Said, shown: StatementRow | None, model: str, trusted: Trusted, store: TrustStore) -> Iterator[str]:
    """What keeps the signatures on a move from counting; of a role's keys one is enough, whatever its threshold."""
    signers: frozenset[str] = frozenset()
    if shown is not None and shown.envelope is not None:
        try:
            envelope = dsse.Envelope.parse(shown.envelope)
        except DocumentError as error:
            yield f"the signature on its last move cannot be read: {error.message}"
            return
        if envelope.payload_type == dsse.IN_TOTO_TYPE and envelope.payload == shown.statement:
            signers = dsse.valid_signers(envelope, trusted.keys)
    decision = decide(store, model, signers & set(said.signers), said.index)
    if decision.good:
        return
    told = [doubt.message for doubt in decision.doubts if doubt.key is not None]
    named = ", ".join(signer[:KEY_ID_SHOWN] for signer in said.signers)
    missing = f"signed by {named}, of which no signature is shown that counts" if named else "signed by nobody"
    yield f"its last move, entry {said.index:,} of the log, is {missing}" if not told else told[0]


def pointing_findings(
    index: Index, head: Checkpoint, entry: IndexEntry, alias: str | None, trusted: Trusted, store: TrustStore
) -> tuple[Finding, ...]:
    """What the log up to ``head`` has against a version; what cannot be read of it is MR208."""
    try:
        pointing = with_view(index, head, lambda view: read_pointing(index, view, entry, alias))
    except (DocumentError, DatabaseError) as error:
        message = f"what the log says cannot be read: {error.message}"
        return (RULES["MR208"].found(message, fix=_ASK, severity=CONTRADICTED[store.mode]),)
    return tuple(judge_pointing(pointing, entry, alias, trusted, store))
