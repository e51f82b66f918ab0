"""Proofs of the log, exhaustively: every one to tree size 70 holds, and every forgery of it fails."""

from __future__ import annotations

from collections.abc import Callable

from tests.proofs import Consistency, Inclusion, MemoryLog

SIZE = 70


def test_every_proof_holds_and_every_forgery_fails(tally: Callable[[str, int], None]) -> None:
    """Claim: of every entry in every tree, and between all pairs of sizes from 1; refused whatever was bent in them."""
    log = MemoryLog.of(SIZE)
    accepted = refused = 0
    for size in range(1, SIZE + 1):
        claims: list[Inclusion | Consistency] = [log.inclusion(index, size) for index in range(size)]
        claims += [log.consistency(old, size) for old in range(1, size + 1)]
        for claim in claims:
            assert claim.holds()
            accepted += 1
            for forgery in claim.forged(log.roots[: size + 2 : size // 4 + 1]):
                assert not forgery.holds(), forgery
                refused += 1
    assert accepted == 4_970
    tally("proofs of the log, accepted", accepted)
    tally("proofs of the log, forged and refused", refused)
