"""A witness: what it co-signs, and each reason for which it does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.notes import ORIGIN, log_key, signed
from tests.proofs import MemoryLog

from modelreg.trust.checkpoint import Fork
from modelreg.trust.merkle import leaf_hash
from modelreg.trust.witness import Answer, Refusal, decide

LOG = MemoryLog.of(12)
SEEN = [signed(root, size) for size, root in enumerate(LOG.roots)]
OTHER_ROOT = leaf_hash(b"another history")


def test_the_first_checkpoint_is_cosigned() -> None:
    """Claim: a witness trusts what it sees first, and says so."""
    assert decide(None, SEEN[7], ()) == Answer(f"the first checkpoint of {ORIGIN} that this witness sees, of 7 entries")


def test_a_log_that_grew_is_cosigned() -> None:
    """Claim: for every pair of sizes, with its proof."""
    for old in range(len(SEEN)):
        for new in range(old + 1, len(SEEN)):
            answer = decide(SEEN[old], SEEN[new], LOG.consistency(old, new).proof)
            assert answer == Answer(f"the log grew from the {old:,} entries that were co-signed before to {new:,}")


def test_a_log_that_stands_still_is_cosigned_again() -> None:
    """Claim: a fresh time says that it has not moved."""
    assert decide(SEEN[7], SEEN[7], ()) == Answer("still the 7 entries that were co-signed before")


def test_another_log_is_refused() -> None:
    """Claim: a witness that watches one log signs no other; the reason names both."""
    answer = decide(SEEN[7], signed(LOG.roots[8], 8, "elsewhere"), LOG.consistency(7, 8).proof)
    assert answer == Answer(f"a checkpoint of elsewhere; this witness watches {ORIGIN}", Refusal.OTHER_LOG)


def test_a_log_that_shrank_is_refused() -> None:
    """Claim: though the proof shows that it was so once; no fork is claimed."""
    answer = decide(SEEN[7], SEEN[5], LOG.consistency(5, 7).proof)
    assert answer == Answer("5 entries, where 7 were co-signed before", Refusal.ROLLBACK)


def test_a_forked_log_is_refused_with_evidence() -> None:
    """Claim: the evidence alone convicts."""
    other = signed(OTHER_ROOT, 7)
    answer = decide(SEEN[7], other, ())
    assert answer.refusal is Refusal.FORK
    assert answer.reason == f"two roots of 7 entries, both signed by {ORIGIN}"
    assert answer.fork == Fork.of(SEEN[7], other)
    assert answer.fork.is_proven([log_key()])


@pytest.mark.parametrize("proof", [(), (OTHER_ROOT,), LOG.consistency(6, 9).proof, LOG.consistency(7, 8).proof])
def test_growth_without_its_proof_is_refused(proof: tuple[bytes, ...]) -> None:
    """Claim: both notes are kept, with what was offered."""
    answer = decide(SEEN[7], SEEN[9], proof)
    assert answer.refusal is Refusal.UNPROVEN
    assert answer.reason == "no proof that the log grew from the 7 entries that were co-signed before to 9"
    assert answer.fork == Fork.of(SEEN[7], SEEN[9], proof)


@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_a_witness_never_signs_both_sides_of_a_fork(turns: list[bool]) -> None:
    """Claim: two logs that part at entry 4 ask in turns: whichever is co-signed first behind it, only that one ever is."""
    sides = [MemoryLog.of(4), MemoryLog.of(4)]
    last = signed(sides[0].roots[4], 4)
    cosigned: set[int] = set()
    for turn, is_left in enumerate(turns):
        side = sides[is_left]
        side.append(b"%d %d" % (is_left, turn))
        seen = signed(side.frontier.root, side.frontier.size)
        known = last.checkpoint.size
        proof = side.consistency(known, side.frontier.size).proof if known <= side.frontier.size else ()
        if decide(last, seen, proof).refusal is None:
            last = seen
            cosigned.add(int(is_left))
    assert len(cosigned) == 1
