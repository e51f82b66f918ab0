"""What can change about a version after its push: the aliases that point at it, and its withdrawal.

Each change is one transaction that holds the model's row.  When the connection breaks at its commit, the state is read
again under that lock, so that the answer is what really happened.
"""

from __future__ import annotations

from typing import Literal

from modelreg.client.claim import utc_now
from modelreg.client.results import AliasMoved, Withdrawn
from modelreg.db.records import Index
from modelreg.db.transaction import Transaction
from modelreg.errors import ConflictError
from modelreg.manifest import IndexEntry

Expected = int | Literal["none"] | None
"""Where an alias must point for a change to be made: a version, nowhere (``"none"``), or anywhere (``None``)."""


def move_alias(index: Index, entry: IndexEntry, alias: str, expect: Expected) -> AliasMoved:
    """Point ``alias`` at ``entry``; raises ``ConflictError`` if it is not where it is expected."""
    now = utc_now()

    def move(transaction: Transaction) -> AliasMoved:
        before = _checked(transaction, entry.model, alias, expect)
        transaction.move_alias(entry.model, alias, entry.version, now)
        return AliasMoved(entry.model, alias, entry.version, before)

    def moved(transaction: Transaction) -> AliasMoved | None:
        if transaction.alias_target(entry.model, alias) != entry.version:
            return None
        return AliasMoved(entry.model, alias, entry.version, expect if isinstance(expect, int) else None)

    return index.run(move, moved)


def delete_alias(index: Index, model: str, alias: str, expect: Expected) -> AliasMoved:
    """Remove ``alias``; raises ``NotFoundError``, or ``ConflictError`` if it is not where it is expected."""

    def delete(transaction: Transaction) -> AliasMoved:
        _checked(transaction, model, alias, expect)
        return AliasMoved(model, alias, None, transaction.delete_alias(model, alias))

    def deleted(transaction: Transaction) -> AliasMoved | None:
        is_gone = transaction.alias_target(model, alias) is None
        return AliasMoved(model, alias, None, expect if isinstance(expect, int) else None) if is_gone else None

    return index.run(delete, deleted)


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


def withdraw(index: Index, entry: IndexEntry, reason: str) -> Withdrawn:
    """Refuse a version from now on; raises ``ConflictError`` if it is withdrawn already."""
    done = Withdrawn(entry.model, entry.version, reason, utc_now())

    def work(transaction: Transaction) -> Withdrawn:
        transaction.withdraw(entry.model, entry.version, reason, done.withdrawn_at)
        return done

    def worked(transaction: Transaction) -> Withdrawn | None:
        return done if transaction.is_withdrawn(entry.model, entry.version, reason, done.withdrawn_at) else None

    return index.run(work, worked)
