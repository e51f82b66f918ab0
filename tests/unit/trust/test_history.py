"""From statements to what holds now: whatever order they come in, and with every gap, fork and false link told."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.trust.people import NOW

from modelreg.trust.history import Break, Flaw, History, replay
from modelreg.trust.statements import Pointer, Recorded, Statement, Target, TrustEvent, Withdrawal, statement_bytes

DIGESTS = [f"{number:064x}" for number in range(20)]
START = Pointer("r", "fraud", "production", Target(1, DIGESTS[1]), 1, None, "first", "ada", NOW)
WITHDRAWN = Withdrawal("r", "fraud", Target(1, DIGESTS[1]), 1, None, "leaks", "ada", NOW)
EVENT = TrustEvent("r", 1, DIGESTS[1], DIGESTS[9], 1, None, "begun", "ada", NOW)


def recorded(statement: Statement) -> Recorded:
    return Recorded.of(statement_bytes(statement))


def moves(*versions: int, start: Pointer = START) -> list[Recorded]:
    """The chain of an alias that was moved to those versions; 0 deletes it."""
    links: list[Recorded] = []
    for sequence, version in enumerate(versions, start=1):
        target = Target(version or 1, DIGESTS[version or 1])
        previous = links[-1].digest if links else None
        links.append(
            recorded(replace(start, target=target, deleted=version == 0, sequence=sequence, previous=previous))
        )
    return links


def alias(history: History) -> int | None:
    target = history.alias("r", "fraud", "production")
    return target.version if target else None


CHAIN = START.chain


def test_nothing_was_said() -> None:
    """Claim: no statements, no history."""
    assert replay([]) == History()
    assert alias(History()) is None


@pytest.mark.parametrize(("versions", "now"), [((1,), 1), ((1, 2, 1), 1), ((1, 2, 0), None), ((1, 0, 3), 3)], ids=str)
def test_an_alias_is_where_its_newest_statement_says(versions: tuple[int, ...], now: int | None) -> None:
    """Claim: moved, moved back, deleted, set again."""
    history = replay(moves(*versions))
    assert (alias(history), history.flaws) == (now, ())
    assert history.pointers == {("r", "fraud", "production"): moves(*versions)[-1]}


def test_chains_do_not_touch_each_other() -> None:
    """Claim: aliases, models, registries and kinds each have their own."""
    others: list[Statement] = [
        replace(START, alias="staging"),
        replace(START, model="other"),
        replace(START, registry="s"),
        WITHDRAWN,
        replace(WITHDRAWN, model="other"),
        EVENT,
        replace(EVENT, registry="s"),
    ]
    history = replay([*moves(1, 2), *map(recorded, others)])
    assert history.flaws == ()
    assert set(history.pointers) == {
        ("r", "fraud", "production"),
        ("r", "fraud", "staging"),
        ("r", "other", "production"),
        ("s", "fraud", "production"),
    }
    assert set(history.withdrawals) == {("r", "fraud", 1), ("r", "other", 1)}
    assert history.trust == {"r": recorded(EVENT), "s": recorded(replace(EVENT, registry="s"))}
    assert alias(history) == 2
    found = history.alias("s", "fraud", "production")
    assert found == Target(1, DIGESTS[1])
    assert history.alias("s", "fraud", "staging") is None


def test_a_statement_that_is_given_twice_counts_once() -> None:
    """Claim: a copy is no fork."""
    assert replay(moves(1, 2) * 2) == replay(moves(1, 2))


@pytest.mark.parametrize(
    ("kept", "gaps"),
    [
        ((0, 1, 3), [(3, 3)]),
        ((0, 4), [(2, 4)]),
        ((2, 3, 4), [(1, 2)]),
        ((1, 3), [(1, 1), (3, 3)]),
        ((0, 1, 2, 3), []),
    ],
    ids=str,
)
def test_a_gap_is_told_with_the_numbers_that_are_missing(kept: tuple[int, ...], gaps: list[tuple[int, int]]) -> None:
    """Claim: whatever is missing before the newest; the newest still says where the alias is."""
    links = moves(1, 2, 3, 4, 5)
    history = replay(links[index] for index in kept)
    assert history.flaws == tuple(Flaw(Break.GAP, CHAIN, first, last) for first, last in gaps)
    assert alias(history) == kept[-1] + 1


def test_an_end_that_was_cut_off_is_not_seen() -> None:
    """Claim: rollback by leaving out the newest looks whole here; the log or a client's memory must tell."""
    assert replay(moves(1, 2, 3)[:2]).flaws == ()


def test_a_fork_leaves_an_alias_nowhere() -> None:
    """Claim: two statements of one number are told with both digests, and nobody guesses which one holds."""
    links = moves(1, 2, 3)
    other = recorded(replace(links[1].statement, reason="other"))
    history = replay([*links, other])
    digests = tuple(sorted((links[1].digest, other.digest)))
    assert history.flaws == (Flaw(Break.FORK, CHAIN, 2, 2, digests),)
    assert (alias(history), history.pointers) == (None, {})


def test_both_branches_of_a_fork_are_followed() -> None:
    """Claim: a statement that follows on either branch is no further flaw, one that follows on neither is."""
    links = moves(1, 2, 3)
    other = recorded(replace(links[1].statement, reason="other"))
    on_other = recorded(replace(links[2].statement, previous=other.digest, reason="other"))
    kinds = [flaw.kind for flaw in replay([*links, other, on_other]).flaws]
    assert kinds == [Break.FORK, Break.FORK]
    on_none = recorded(replace(links[2].statement, previous=DIGESTS[7]))
    flaws = replay([links[0], links[1], other, on_none]).flaws
    assert [(flaw.kind, flaw.sequence) for flaw in flaws] == [(Break.FORK, 2), (Break.MISLINKED, 3)]


def test_a_false_link_is_told() -> None:
    """Claim: the right number behind another statement than the one that is there."""
    links = moves(1, 2)
    false = recorded(replace(links[1].statement, previous=DIGESTS[7]))
    history = replay([links[0], false])
    assert history.flaws == (Flaw(Break.MISLINKED, CHAIN, 2, 2, (false.digest,)),)
    assert alias(history) == 2


def test_a_withdrawal_counts_in_any_branch_and_the_first_is_kept() -> None:
    """Claim: a fork cannot bring a version back, nor can a second withdrawal hide who made the first."""
    first = recorded(WITHDRAWN)
    fork = recorded(replace(WITHDRAWN, target=Target(2, DIGESTS[2])))
    again = recorded(replace(WITHDRAWN, sequence=2, previous=first.digest, reason="once more"))
    history = replay([again, fork, first])
    assert history.withdrawals == {("r", "fraud", 1): first, ("r", "fraud", 2): fork}
    assert [flaw.kind for flaw in history.flaws] == [Break.FORK]


def test_the_newest_trust_event_is_told_unless_there_is_a_fork() -> None:
    """Claim: as with an alias."""
    second = recorded(replace(EVENT, version=2, sequence=2, previous=recorded(EVENT).digest))
    assert replay([second, recorded(EVENT)]).trust == {"r": second}
    assert replay([second, recorded(EVENT), recorded(replace(EVENT, version=3))]).trust == {}


@given(st.lists(st.integers(0, 5), max_size=6), st.sets(st.integers(0, 5)), st.randoms(use_true_random=False))
def test_the_order_means_nothing(versions: list[int], left_out: set[int], random: Random) -> None:
    """Claim: any subset in any order gives one history; it is flawless exactly if it is a beginning of the chain."""
    links = moves(*versions)
    kept = [link for index, link in enumerate(links) if index not in left_out]
    shuffled = random.sample(kept, len(kept))
    history = replay(shuffled)
    assert history == replay(kept)
    assert (history.flaws == ()) == (kept == links[: len(kept)])
    if kept:
        assert history.pointers == {("r", "fraud", "production"): kept[-1]}


def test_flaws_come_in_the_order_of_their_chains() -> None:
    """Claim: what is told is the same each time."""
    found = replay([moves(1, 2)[1], *moves(1, 2, start=replace(START, alias="beta"))[1:]]).flaws
    assert [flaw.chain[3] for flaw in found] == ["beta", "production"]


@pytest.mark.parametrize(
    ("flaw", "words"),
    [
        (Flaw(Break.GAP, CHAIN, 3, 3), "pointer fraud@production: statement 3 is missing"),
        (Flaw(Break.GAP, CHAIN, 3, 5), "pointer fraud@production: statements 3 to 5 are missing"),
        (
            Flaw(Break.FORK, WITHDRAWN.chain, 2, 2, ("a" * 64, "b" * 64)),
            "withdrawal fraud: 2 statements have the number 2: aaaaaaaaaaaa, bbbbbbbbbbbb",
        ),
        (Flaw(Break.MISLINKED, EVENT.chain, 2, 2), "trust r: statement 2 does not follow on statement 1"),
    ],
)
def test_a_flaw_is_told_in_words(flaw: Flaw, words: str) -> None:
    """Claim: the kind, what it is about, and the numbers."""
    assert str(flaw) == words


def test_the_names_of_breaks_are_pinned() -> None:
    """Claim: they stand in JSON output, and stay."""
    assert [kind.value for kind in Break] == ["gap", "fork", "mislinked"]
