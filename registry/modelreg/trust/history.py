"""From a set of statements to what holds now, and to what in their chains does not fit.

Pure, and independent of the order in which the statements come.  A chain whose end was cut off looks whole here: only
the log, or a client that remembers more, can tell.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from modelreg.trust.statements import Chain, Pointer, Recorded, Target, TrustEvent, Withdrawal, follows


class Break(enum.StrEnum):
    """In what way the statements of a chain do not follow on each other."""

    GAP = "gap"
    """A sequence number is missing."""
    FORK = "fork"
    """Two statements have the same sequence number."""
    MISLINKED = "mislinked"
    """A statement names another predecessor than the one that is there."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """One place where a chain does not fit: the ``sequence`` at which, and the digests of the statements involved.

    ``until`` is the last missing number of a gap, else ``sequence`` again.
    """

    kind: Break
    chain: Chain
    sequence: int
    until: int
    digests: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = f"{self.chain[0]} {'@'.join(self.chain[2:]) or self.chain[1]}"
        match self.kind:
            case Break.GAP:
                if self.until == self.sequence:
                    return f"{place}: statement {self.sequence} is missing"
                return f"{place}: statements {self.sequence} to {self.until} are missing"
            case Break.FORK:
                told = ", ".join(digest[:12] for digest in self.digests)
                return f"{place}: {len(self.digests)} statements have the number {self.sequence}: {told}"
            case Break.MISLINKED:
                return f"{place}: statement {self.sequence} does not follow on statement {self.sequence - 1}"


@dataclass(frozen=True, slots=True)
class History:
    """What holds by the statements.

    ``pointers`` has the newest statement of each alias, also where that deletes it; ``withdrawals`` the first of each
    withdrawn version.  An alias or a trust store whose chain forks is not there at all, since nobody can tell which
    branch holds; a withdrawal counts in any branch.  Keys are (registry, model, alias), (registry, model, version) and
    registry.
    """

    pointers: Mapping[tuple[str, str, str], Recorded] = field(default_factory=dict)
    withdrawals: Mapping[tuple[str, str, int], Recorded] = field(default_factory=dict)
    trust: Mapping[str, Recorded] = field(default_factory=dict)
    flaws: tuple[Flaw, ...] = ()

    def alias(self, registry: str, model: str, alias: str) -> Target | None:
        """Where the alias points by its newest statement; ``None`` also where its chain forks."""
        match self.pointers.get((registry, model, alias)):
            case Recorded(Pointer(target=target, deleted=False)):
                return target
        return None


def replay(statements: Iterable[Recorded]) -> History:
    """The history that ``statements``, all of them verified, tell; one that is given twice counts once."""
    chains: dict[Chain, dict[str, Recorded]] = {}
    for recorded in statements:
        chains.setdefault(recorded.statement.chain, {})[recorded.digest] = recorded
    pointers: dict[tuple[str, str, str], Recorded] = {}
    withdrawals: dict[tuple[str, str, int], Recorded] = {}
    trust: dict[str, Recorded] = {}
    flaws: list[Flaw] = []
    for chain, by_digest in sorted(chains.items()):
        links = sorted(by_digest.values(), key=lambda link: (link.statement.sequence, link.digest))
        found = _flaws(chain, links)
        flaws += found
        is_forked = any(flaw.kind is Break.FORK for flaw in found)
        for link in links:
            match link.statement:
                case Withdrawal() as withdrawal:
                    key = (withdrawal.registry, withdrawal.model, withdrawal.target.version)
                    withdrawals.setdefault(key, link)
                case Pointer() as pointer if not is_forked:
                    pointers[pointer.registry, pointer.model, pointer.alias] = link
                case TrustEvent() as event if not is_forked:
                    trust[event.registry] = link
    return History(pointers, withdrawals, trust, tuple(flaws))


def _flaws(chain: Chain, links: list[Recorded]) -> list[Flaw]:
    """What does not fit in a chain's statements, which are sorted by their numbers."""
    flaws: list[Flaw] = []
    levels: dict[int, list[Recorded]] = {}
    for link in links:
        levels.setdefault(link.statement.sequence, []).append(link)
    wanted = 1
    before: list[Recorded] = []
    for sequence, level in levels.items():
        if sequence > wanted:
            flaws.append(Flaw(Break.GAP, chain, wanted, sequence - 1))
        elif sequence > 1:
            flaws += [
                Flaw(Break.MISLINKED, chain, sequence, sequence, (link.digest,))
                for link in level
                if not any(follows(previous, link.statement) for previous in before)
            ]
        if len(level) > 1:
            flaws.append(Flaw(Break.FORK, chain, sequence, sequence, tuple(link.digest for link in level)))
        wanted, before = sequence + 1, level
    return flaws
