"""The view of a log: the last move of each alias and every withdrawal, by its entries alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.unit.trust.people import NOW

from modelreg.digest import sha256_hex
from modelreg.errors import DocumentError
from modelreg.trust.leaf import LogLeaf
from modelreg.trust.merkle import Frontier, leaf_hash
from modelreg.trust.statements import (
    Pointer,
    Statement,
    Target,
    TrustEvent,
    Withdrawal,
    parse_statement,
    statement_bytes,
)
from modelreg.trust.view import Entry, LogView, stated_digest

ORIGIN, ADA = "registry", "d" * 64
DIGESTS = {1: "1" * 64, 2: "2" * 64, 3: "3" * 64}


def logged(statement: Statement, signers: tuple[str, ...] = (ADA,)) -> Entry:
    """The entry of a statement."""
    data = statement_bytes(statement)
    return Entry(LogLeaf(statement.chain[0], sha256_hex(data), signers).to_bytes(), data)


def manifest(version: int) -> Entry:
    return Entry(LogLeaf("manifest", DIGESTS[version], ()).to_bytes())


def move(version: int, before: Entry | None = None, alias: str = "production", **changes: object) -> Entry:
    """A move of an alias that follows on the entry ``before``."""
    sequence, previous = 1, None
    if before is not None and before.statement is not None:
        sequence, previous = number(before) + 1, sha256_hex(before.statement)
    target = Target(version, DIGESTS[version])
    pointer = Pointer(ORIGIN, "fraud", alias, target, sequence, previous, "reviewed", "ada", NOW)
    return logged(replace(pointer, **changes))  # type: ignore[arg-type]


def number(entry: Entry) -> int:
    assert entry.statement is not None
    return parse_statement(entry.statement).sequence


def withdrawal(version: int, sequence: int = 1, previous: str | None = None) -> Entry:
    target = Target(version, DIGESTS[version])
    return logged(Withdrawal(ORIGIN, "fraud", target, sequence, previous, "leaks", "ada", NOW))


def read(entries: Sequence[Entry], view: LogView | None = None) -> LogView:
    """The view of those entries, or that one with them behind it."""
    view = view or LogView(ORIGIN)
    view.read(entries, Frontier())
    return view


def where(view: LogView, alias: str = "production") -> tuple[int, bool] | None:
    said = view.pointers.get(("fraud", alias))
    if said is None:
        return None
    assert isinstance(said.statement, Pointer)
    return said.statement.target.version, said.statement.deleted


FIRST = move(1)
SECOND = move(2, FIRST)
THIRD = move(3, SECOND)


def test_the_last_move_that_follows_counts() -> None:
    """Claim: of moves in their order the last is where the alias points; each alias has its own."""
    canary = move(3, alias="canary")
    view = read([manifest(1), manifest(2), FIRST, SECOND, manifest(3), canary, THIRD])
    assert (where(view), where(view, "canary"), view.split) == ((3, False), (3, False), {})
    said = view.pointers["fraud", "production"]
    assert (said.index, said.signers, said.recorded.digest) == (6, (ADA,), sha256_hex(THIRD.statement or b""))


def test_a_deletion_is_a_move() -> None:
    """Claim: a deleted alias is known to be deleted, and goes on from there when it is made again."""
    gone = move(2, SECOND, deleted=True)
    assert where(read([FIRST, SECOND, gone])) == (2, True)
    assert where(read([FIRST, SECOND, gone, move(1, gone)])) == (1, False)


@pytest.mark.parametrize("replayed", [FIRST, SECOND, THIRD], ids=["first", "second", "last"])
def test_a_move_that_is_logged_again_moves_nothing(replayed: Entry) -> None:
    """Claim: an old, genuine move that somebody appends anew changes neither where the alias is nor anything else."""
    once, again = read([FIRST, SECOND, THIRD]), read([FIRST, SECOND, THIRD, replayed])
    assert (again.pointers, again.split) == (once.pointers, {})


def test_a_rival_of_a_number_that_is_taken_moves_nothing() -> None:
    """Claim: a second statement of the last number is not the alias's move, whoever signed it."""
    view = read([FIRST, SECOND, move(3, FIRST)])
    assert (where(view), view.split) == ((2, False), {})


@pytest.mark.parametrize(
    "jump",
    [move(3, SECOND, sequence=9), move(3, SECOND, previous="9" * 64), move(3, SECOND, sequence=2**53 - 1)],
    ids=["number left out", "another predecessor", "fast-forward"],
)
def test_a_newer_move_that_does_not_follow_splits_the_alias(jump: Entry) -> None:
    """Claim: it does not count, where it stands is told, and stays told when the alias moves on."""
    view = read([FIRST, SECOND, jump])
    assert (where(view), view.split) == ((2, False), {("fraud", "production"): 2})
    assert read([FIRST, SECOND, jump, THIRD]).split == {("fraud", "production"): 2}


def test_a_chain_that_does_not_begin_with_one_splits_the_alias() -> None:
    """Claim: a first move that names one before it was cut off from what it follows on."""
    view = read([SECOND])
    assert (where(view), view.split) == (None, {("fraud", "production"): 0})


def test_statements_of_another_registry_say_nothing_here() -> None:
    """Claim: a genuine move or withdrawal of elsewhere, logged here, is no move and no withdrawal."""
    view = read([FIRST, withdrawal(2)], LogView("another"))
    assert (view.pointers, view.withdrawals) == ({}, {})


def test_a_withdrawal_is_known_by_version_and_manifest() -> None:
    """Claim: the first of a version stays; it is found by the manifest, so that another version 2 is not withdrawn."""
    first = withdrawal(2)
    again = withdrawal(2, 2, sha256_hex(first.statement or b""))
    view = read([first, again])
    assert view.withdrawals["fraud", 2, DIGESTS[2]].index == 0
    assert ("fraud", 2, DIGESTS[3]) not in view.withdrawals


def test_a_trust_event_is_read_over() -> None:
    """Claim: it says nothing of aliases, and its statement need not be shown."""
    event = TrustEvent(ORIGIN, 1, "a" * 64, "b" * 64, 1, None, "begun", "ada", NOW)
    assert read([Entry(logged(event).leaf)]) == LogView(ORIGIN)


MISNAMED = Entry(withdrawal(1).leaf.replace(b"withdrawal", b"pointer"), withdrawal(1).statement)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (Entry(FIRST.leaf), "not shown"),
        (Entry(FIRST.leaf, SECOND.statement), "another is shown"),
        (MISNAMED, "that is a withdrawal"),
    ],
    ids=["missing", "other bytes", "other kind"],
)
def test_what_is_not_shown_could_be_what_matters(entry: Entry, why: str) -> None:
    """Claim: an entry of a move or withdrawal whose statement is hidden, exchanged or of another kind ends the reading."""
    with pytest.raises(DocumentError, match=why):
        read([FIRST, entry])


def test_entries_that_cannot_be_read_are_of_the_tree_alone() -> None:
    """Claim: bytes that are no entry, and those of a later kind, count for the root and for nothing else."""
    odd = [Entry(b"\xff"), Entry(LogLeaf("later", "a" * 64, ()).to_bytes())]
    view = LogView(ORIGIN)
    found, frontier = view.read([*odd, FIRST], Frontier()), Frontier()
    for entry in (*odd, FIRST):
        frontier, _ = frontier.append(leaf_hash(entry.leaf))
    assert (found, where(view)) == (frontier, (1, False))
    assert [stated_digest(entry.leaf) for entry in odd] == [None, None]
