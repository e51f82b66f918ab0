"""What can change about a version after its push: the aliases that point at it, and its withdrawal.

Each change is one transaction that holds the model's row, and states itself (``modelreg.client.stating``).  When the
connection breaks at its commit, the state is read again under that lock, so that the answer is what really happened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from modelreg.client.claim import Claim, utc_now
from modelreg.client.results import AliasMoved, TrustAnnounced, Withdrawn
from modelreg.client.stating import Speaker, Stating
from modelreg.db.leases import Leases
from modelreg.db.records import Index
from modelreg.db.transaction import Transaction
from modelreg.errors import ConflictError
from modelreg.manifest import IndexEntry
from modelreg.store.base import Store
from modelreg.trust.leaf import LeafKind

Done = TypeVar("Done", AliasMoved, Withdrawn, TrustAnnounced)

Expected = int | Literal["none"] | None
"""Where an alias must point for a change to be made: a version, nowhere (``"none"``), or anywhere (``None``)."""


@dataclass(frozen=True, slots=True)
class Marking:
    """Whoever changes something: in which registry, and in whose name."""

    store: Store
    index: Index
    leases: Leases
    speaker: Speaker

    def move_alias(self, entry: IndexEntry, alias: str, expect: Expected, reason: str) -> AliasMoved:
        """Point ``alias`` at ``entry``; raises ``ConflictError`` if it is not where it is expected."""

        def move(stating: Stating) -> AliasMoved:
            before = _checked(stating.transaction, entry.model, alias, expect)
            stating.move(entry.model, alias, entry.version, reason)
            return AliasMoved(entry.model, alias, entry.version, before, reason, self._signer)

        def moved(transaction: Transaction) -> AliasMoved | None:
            if transaction.alias_target(entry.model, alias) != entry.version:
                return None
            before = expect if isinstance(expect, int) else None
            return AliasMoved(entry.model, alias, entry.version, before, reason, self._signer)

        return self._stated("alias", move, moved)

    def delete_alias(self, model: str, alias: str, expect: Expected, reason: str) -> AliasMoved:
        """Remove ``alias``; raises ``NotFoundError``, or ``ConflictError`` if it is not where it is expected."""

        def delete(stating: Stating) -> AliasMoved:
            _checked(stating.transaction, model, alias, expect)
            before = stating.delete(model, alias, reason)
            return AliasMoved(model, alias, None, before, reason, self._signer)

        def deleted(transaction: Transaction) -> AliasMoved | None:
            if transaction.alias_target(model, alias) is not None:
                return None
            before = expect if isinstance(expect, int) else None
            return AliasMoved(model, alias, None, before, reason, self._signer)

        return self._stated("alias", delete, deleted)

    def withdraw(self, entry: IndexEntry, reason: str) -> Withdrawn:
        """Refuse a version from now on; raises ``ConflictError`` if it is withdrawn already."""
        done = Withdrawn(entry.model, entry.version, reason, utc_now(), self._signer)

        def work(stating: Stating) -> Withdrawn:
            if not stating.withdraw(entry.model, entry.version, reason, done.withdrawn_at):
                name = f"{entry.model}:{entry.version}"
                raise ConflictError(f"{name} is already withdrawn", hint=f"modelreg show {name}")
            return done

        def worked(transaction: Transaction) -> Withdrawn | None:
            return done if transaction.is_withdrawn(entry.model, entry.version, reason, done.withdrawn_at) else None

        return self._stated("withdraw", work, worked)

    def announce_trust(self, announced: TrustAnnounced, root_fingerprint: str) -> TrustAnnounced:
        """State that the trust store has a new version."""

        def state(stating: Stating) -> TrustAnnounced:
            stating.trust(announced.version, announced.fingerprint, root_fingerprint, announced.reason)
            return announced

        def stated(transaction: Transaction) -> TrustAnnounced | None:
            last = transaction.statements.last(LeafKind.TRUST)
            is_there = last is not None and announced.fingerprint.encode() in last.statement
            return announced if is_there else None

        return self._stated("trust announce", state, stated)

    @property
    def _signer(self) -> str | None:
        return None if self.speaker.signer is None else self.speaker.signer.public.id

    def _stated(
        self, what: str, work: Callable[[Stating], Done], settled: Callable[[Transaction], Done | None]
    ) -> Done:
        """What ``work`` returns from a committed transaction that states what it did."""
        with Claim(self.index, self.leases, self.store, self.speaker.user, what) as claimed:

            def run(transaction: Transaction) -> Done:
                stating = Stating(self.speaker, self.store, claimed, transaction)
                done = work(stating)
                stating.log()
                return done

            return claimed.commit(run, settled)


def _checked(transaction: Transaction, model: str, alias: str, expect: Expected) -> int | None:
    """Where ``alias`` points, if that is what was expected."""
    found = transaction.alias_target(model, alias)
    if expect is None or found == (None if expect == "none" else expect):
        return found
    is_at = f"points at version {found}" if found else "is not there"
    wanted = "no such alias was" if expect == "none" else f"version {expect} was"
    raise ConflictError(
        f"{model}@{alias} {is_at}, {wanted} expected; nothing was changed",
        hint=f"modelreg show {model}@{alias}" if found else f"modelreg list {model}",
    )
