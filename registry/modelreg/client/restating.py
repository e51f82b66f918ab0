"""Aliases and withdrawals brought back from the statements of them in the store, which the log had an entry for.

Which statements there are is decided like which versions: of two that claim one number of a chain the one counts that
was logged, and where that does not tell them apart the one with the smaller digest, and it is told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from modelreg.client.care import Loss, LossKind
from modelreg.client.manifests import FoundStatement
from modelreg.client.stating import made_row
from modelreg.db.statements import StatementRow
from modelreg.db.transaction import Transaction
from modelreg.trust.leaf import LogLeaf
from modelreg.trust.statements import Chain, Pointer, Withdrawal


@dataclass(frozen=True, slots=True)
class FoundStatements:
    """The statements of a registry in the store, by chain, each from its first number on, as far as they are there."""

    chains: Mapping[Chain, tuple[FoundStatement, ...]] = field(default_factory=dict)
    losses: tuple[Loss, ...] = ()

    @property
    def aliases(self) -> int:
        """How many aliases pointed somewhere in the end."""
        lasts = (chain[-1].recorded.statement for chain in self.chains.values())
        return sum(isinstance(last, Pointer) and not last.deleted for last in lasts)

    @property
    def withdrawals(self) -> int:
        """How many versions were withdrawn."""
        return sum(len(chain) for named, chain in self.chains.items() if named[0] == "withdrawal")

    def write(self, transaction: Transaction, envelopes: Mapping[str, bytes], logged: Collection[str]) -> Restated:
        """Write the chains of which the database has nothing yet, and what they say; log what was not.

        ``envelopes`` are those that sign statements, by the statement's digest; ``logged`` are the digests that have an
        entry.
        """
        restated = Restated()
        for named, chain in sorted(self.chains.items()):
            kind, _, *names = named
            model, alias, *_ = (*names, "", "")
            if transaction.statements.last(kind, model, alias) is not None:
                continue
            rows = [_row(found, envelopes.get(found.recorded.digest)) for found in chain]
            transaction.statements.add(rows)
            restated.unlogged += [LogLeaf(row.kind, row.sha256, ()) for row in rows if row.sha256 not in logged]
            if model:
                _apply(transaction, model, chain, restated)
        transaction.log.append(restated.unlogged)
        return restated


@dataclass(slots=True)
class Restated:
    """What was brought back."""

    aliases: int = 0
    withdrawals: int = 0
    unlogged: list[LogLeaf] = field(default_factory=list)


def _row(found: FoundStatement, envelope: bytes | None) -> StatementRow:
    return made_row(found.recorded.statement, found.data, envelope)


def _apply(transaction: Transaction, model: str, chain: Sequence[FoundStatement], restated: Restated) -> None:
    """Let the rows say what a chain does, of versions that are there."""
    digests = transaction.versions_of(model)
    last = chain[-1].recorded.statement
    if isinstance(last, Pointer):
        is_there = digests.get(last.target.version) == last.target.manifest
        if is_there and not last.deleted and transaction.alias_target(model, last.alias) is None:
            transaction.move_alias(model, last.alias, last.target.version, last.created_at)
            restated.aliases += 1
        return
    for found in chain:
        said = found.recorded.statement
        if isinstance(said, Withdrawal) and digests.get(said.target.version) == said.target.manifest:
            restated.withdrawals += transaction.withdraw(model, said.target.version, said.reason, said.created_at)


def order(found: Iterable[FoundStatement], registry: str | None, logged: Collection[str]) -> FoundStatements:
    """The statements of ``registry`` among ``found``, in their chains; ``logged`` are those of which the log knows."""
    chains: dict[Chain, dict[int, list[FoundStatement]]] = {}
    for one in found:
        statement = one.recorded.statement
        if statement.registry == registry:
            chains.setdefault(statement.chain, {}).setdefault(statement.sequence, []).append(one)
    losses: list[Loss] = []
    ordered = {}
    for named, by_number in sorted(chains.items()):
        kept = [_chosen(by_number[number], logged, losses) for number in sorted(by_number)]
        newest = kept[-1].recorded.statement.sequence
        if newest != len(kept):
            what = f"{_name(named)}: {newest - len(kept):,} of {newest:,} statements are not in the store"
            losses.append(Loss(LossKind.STATE, what, fix="put the blobs back from another store"))
        ordered[named] = tuple(kept)
    return FoundStatements(ordered, tuple(losses))


def _chosen(rivals: Sequence[FoundStatement], logged: Collection[str], losses: list[Loss]) -> FoundStatement:
    known = [one for one in rivals if one.recorded.digest in logged]
    ranked = sorted(known or rivals, key=lambda one: one.recorded.digest)
    if len(ranked) > 1:
        named = _name(ranked[0].recorded.statement.chain)
        what = f"{named}: {len(ranked)} statements have the number {ranked[0].recorded.statement.sequence}"
        losses.append(Loss(LossKind.CONFLICT, what, (), tuple(one.recorded.digest for one in ranked)))
    return ranked[0]


def _name(chain: Chain) -> str:
    kind, _, *names = chain
    return " ".join((kind, "@".join(names))).strip()
