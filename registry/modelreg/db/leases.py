"""Leases: what keeps a sweep from taking a blob that a push still needs, and a push from relying on one that goes.

Whatever publishes blobs does as a push does: an import, a mirror, a repair, a rebuild.  Invariants, each shown by
``tests/suite/test_leases.py``:

* A push names the blobs that it publishes or relies on in ``leased_blobs`` before it does either, and takes the names
  away in the transaction that makes them references.  So a blob of a push is leased or referenced, at every moment.
* A sweep condemns, in one transaction that no transaction of a lease runs beside (``Lock.SWEEP``), listed blobs that
  are neither referenced nor under a living lease.  It deletes after that commit, and forgets them after the deletion.
* A push that names a condemned blob waits until it is condemned no more, and publishes it then.
* A lease lives while its holder holds its lock (``modelreg.db.liveness``).  A dead lease is removed by the next sweep,
  and a holder whose lease was removed, or whose lock was lost, cannot commit.
* What a dead sweep had condemned is adopted by the next one, which repeats its deletion; a push that needs some of it
  takes that out of the sentence instead.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa

from modelreg.db.liveness import Locks, locks_of
from modelreg.db.postgresql import Lock, lock
from modelreg.db.records import referenced_blobs
from modelreg.db.schema import condemned, leased_blobs, leases
from modelreg.db.session import PinnedSession, Session
from modelreg.db.transaction import Transaction
from modelreg.errors import ConnectionLostError, DatabaseError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LeaseInfo:
    """A living lease: who holds it since when, and how many blobs it protects."""

    id: str
    holder: str
    begun_at: str
    blobs: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a sweep may delete: ``blobs``, and whatever is staged neither for a living lease nor for a leased blob."""

    blobs: frozenset[str]
    leased: frozenset[str]
    living: tuple[LeaseInfo, ...]


class Leases:
    """The leases of one database."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._locks = locks_of(session)

    @contextlib.contextmanager
    def take(self, holder: str, now: str, blobs: Collection[str] = ()) -> Iterator[Lease]:
        """A new lease that names ``blobs`` from the first, given up at the end unless it was committed."""
        lease_id = secrets.token_hex(16)
        with self._session.pinned() as session, self._locks.hold(session, lease_id):
            condemned_before = session.run(lambda connection: _insert(connection, lease_id, holder, now, blobs))
            lease = Lease(lease_id, session, self._locks, condemned_before)
            try:
                yield lease
            finally:
                with contextlib.suppress(DatabaseError):  # then it is dead, and the next sweep removes it
                    lease.give_up()

    def preview(self, listed: Collection[str]) -> Sentence:
        """What a sweep would find now."""
        with self._session.reading() as connection:
            living = _living(connection, self._locks)
            leased = _leased(connection, living)
            return Sentence(frozenset(listed) - referenced_blobs(connection) - leased, leased, living)


class Lease:
    """One living lease; every transaction of its holder is one of the connection that its lock belongs to."""

    def __init__(self, lease_id: str, session: PinnedSession, locks: Locks, condemned_before: frozenset[str]) -> None:
        self.id = lease_id
        self.condemned_before = condemned_before
        """Those of the blobs named from the first that a sweep was deleting then."""
        self._session = session
        self._locks = locks
        self._is_over = False

    def protect(self, blobs: Collection[str]) -> frozenset[str]:
        """Name blobs that will be published or relied on; returns those that a sweep is deleting just now."""

        def work(connection: sa.Connection) -> frozenset[str]:
            self._require(connection)
            known = connection.execute(_mine(sa.select(leased_blobs.c.sha256), self.id)).scalars()
            _name(connection, self.id, set(blobs) - set(known))
            return _condemned_of(connection, blobs)

        return self._session.run(work)

    def condemned(self, blobs: Collection[str]) -> frozenset[str]:
        """Those of ``blobs`` that a sweep is deleting just now."""
        with self._session.reading() as connection:
            return _condemned_of(connection, blobs)

    def commit(self, work: Callable[[Transaction], T]) -> T:
        """What ``work`` returns from the transaction that ends this lease; it may be called several times.

        Raises ``ConnectionLostError`` when the lease was lost before, or the connection now.
        """

        def settle(connection: sa.Connection) -> T:
            self._require(connection)
            result = work(Transaction(connection))
            _remove(connection, self.id)
            return result

        result = self._session.run(settle)
        self._is_over = True
        return result

    def _require(self, connection: sa.Connection) -> None:
        """Keep sweeps away till the end of the transaction; raise ``ConnectionLostError`` if one came before."""
        lock(connection, Lock.SWEEP, shared=True)
        if connection.execute(sa.select(leases.c.id).where(leases.c.id == self.id).with_for_update()).first() is None:
            raise _lost()
        if not self._locks.is_ours(connection, self.id):
            raise DatabaseError(
                "the lease's lock is not on this connection: a pooler that shares connections stands in between",
                hint="connect to the server directly, or through a pooler in session mode",
            )

    def condemn(self, listed: Collection[str]) -> Sentence:
        """Condemn the blobs of a listing that nobody needs, and adopt what dead sweeps had condemned.

        ``listed`` must have been listed before: what is published later is not in it.
        """

        def work(connection: sa.Connection) -> tuple[Sentence, list[str]]:
            living = self._living_alone(connection)
            dead = self._bury(connection, living)
            leased, condemned_before = _leased(connection, living), _all_condemned(connection)
            needed = referenced_blobs(connection) | leased
            doomed = frozenset(listed) - needed - condemned_before
            if doomed:
                rows = [{"sha256": sha256, "lease_id": self.id} for sha256 in sorted(doomed)]
                connection.execute(condemned.insert(), rows)
            self._spare(connection, needed & condemned_before)
            mine = connection.execute(sa.select(condemned.c.sha256).where(condemned.c.lease_id == self.id)).scalars()
            others = tuple(info for info in living if info.id != self.id)
            return Sentence(frozenset(mine), leased, others), dead

        sentence, dead = self._session.run(work)
        for lease_id in dead:
            self._locks.forget(lease_id)
        return sentence

    def rescue(self, blobs: Collection[str]) -> frozenset[str]:
        """Take blobs out of the sentences of dead sweeps; returns which."""

        def work(connection: sa.Connection) -> frozenset[str]:
            alive = {info.id for info in self._living_alone(connection)}
            rows = connection.execute(sa.select(condemned)).all()
            found = frozenset(row.sha256 for row in rows if row.lease_id not in alive) & frozenset(blobs)
            for sha256 in sorted(found):
                connection.execute(condemned.delete().where(condemned.c.sha256 == sha256))
            return found

        return self._session.run(work)

    def _living_alone(self, connection: sa.Connection) -> tuple[LeaseInfo, ...]:
        """Keep every other lease's transactions away; the living ones, this one among them."""
        lock(connection, Lock.SWEEP)
        living = _living(connection, self._locks, own=self.id)
        if not any(info.id == self.id for info in living):
            raise _lost()
        return living

    def _bury(self, connection: sa.Connection, living: tuple[LeaseInfo, ...]) -> list[str]:
        """Remove the rows of the dead; what they had condemned is ours now."""
        alive = {info.id for info in living}
        known = frozenset(connection.execute(sa.select(leases.c.id)).scalars())
        dead = sorted(known - alive)
        for lease_id in dead:
            connection.execute(condemned.update().where(condemned.c.lease_id == lease_id).values(lease_id=self.id))
            _remove(connection, lease_id)
        return dead + self._locks.strays(known)

    def _spare(self, connection: sa.Connection, blobs: frozenset[str]) -> None:
        """What is condemned to deletion by us and yet needed, as after a restored backup, is left alone."""
        for sha256 in sorted(blobs):
            connection.execute(condemned.delete().where(condemned.c.sha256 == sha256, condemned.c.lease_id == self.id))

    def reprieve(self) -> None:
        """Forget what this sweep had condemned, once it is deleted: whoever waits for it may publish it."""
        self._session.run(
            lambda connection: connection.execute(condemned.delete().where(condemned.c.lease_id == self.id))
        )

    def require_living(self) -> None:
        """Raise ``ConnectionLostError`` if the connection that the lock belongs to is gone."""
        with self._session.reading() as connection:
            if not self._locks.is_ours(connection, self.id):
                raise _lost()

    def give_up(self) -> None:
        """Remove this lease's rows; what it had condemned stays so, for the next sweep to finish."""
        if self._is_over:
            return

        def work(connection: sa.Connection) -> None:
            if connection.execute(sa.select(condemned.c.sha256).where(condemned.c.lease_id == self.id)).first() is None:
                _remove(connection, self.id)

        self._session.run(work)


def _insert(connection: sa.Connection, lease_id: str, holder: str, now: str, blobs: Collection[str]) -> frozenset[str]:
    lock(connection, Lock.SWEEP, shared=True)
    connection.execute(leases.insert().values(id=lease_id, holder=holder[:512], begun_at=now))
    _name(connection, lease_id, blobs)
    return _condemned_of(connection, blobs) if blobs else frozenset()


def _name(connection: sa.Connection, lease_id: str, blobs: Collection[str]) -> None:
    rows = [{"lease_id": lease_id, "sha256": sha256} for sha256 in sorted(set(blobs))]
    if rows:
        connection.execute(leased_blobs.insert(), rows)


def _lost() -> ConnectionLostError:
    return ConnectionLostError("the lease was lost: its holder was taken for dead", hint="try again")


def _living(connection: sa.Connection, locks: Locks, own: str | None = None) -> tuple[LeaseInfo, ...]:
    counts = (
        sa.select(leases, sa.func.count(leased_blobs.c.sha256).label("blobs"))
        .outerjoin(leased_blobs)
        .group_by(leases.c.id, leases.c.holder, leases.c.begun_at)
        .order_by(leases.c.begun_at, leases.c.id)
    )
    found = [LeaseInfo(**row) for row in connection.execute(counts).mappings()]
    return tuple(info for info in found if info.id == own or locks.is_held(connection, info.id))


def _leased(connection: sa.Connection, living: tuple[LeaseInfo, ...]) -> frozenset[str]:
    """What living leases protect."""
    alive = {info.id for info in living}
    named = connection.execute(sa.select(leased_blobs.c.lease_id, leased_blobs.c.sha256))
    return frozenset(row.sha256 for row in named if row.lease_id in alive)


def _all_condemned(connection: sa.Connection) -> frozenset[str]:
    return frozenset(connection.execute(sa.select(condemned.c.sha256)).scalars())


def _condemned_of(connection: sa.Connection, blobs: Collection[str]) -> frozenset[str]:
    """``condemned`` is empty but during a sweep, so it is read whole."""
    return _all_condemned(connection) & frozenset(blobs)


def _mine(query: sa.Select[tuple[str]], lease_id: str) -> sa.Select[tuple[str]]:
    return query.where(leased_blobs.c.lease_id == lease_id)


def _remove(connection: sa.Connection, lease_id: str) -> None:
    connection.execute(leased_blobs.delete().where(leased_blobs.c.lease_id == lease_id))
    connection.execute(leases.delete().where(leases.c.id == lease_id))
