"""The claim of a push, an import, a mirror, a repair or a rebuild on blobs: its lease, taken again when it is lost.

How a commit ended whose connection broke is found out here too.

Invariants: what is committed was leased since before it was published, or was found in the store after a new lease
was taken; a commit of unknown outcome is asked for, under a lock that waits for its end, before anything is repeated.
"""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from typing import TypeVar

from modelreg.client.several import each_blob
from modelreg.db.leases import Lease, Leases
from modelreg.db.records import Index
from modelreg.db.session import ATTEMPTS, pause
from modelreg.db.transaction import Transaction
from modelreg.digest.streams import Progress
from modelreg.errors import BlobMissingError, CondemnedError, ConnectionLostError, StoreError
from modelreg.store.base import StagedBlob, Store

T = TypeVar("T")

SWEEP_WAIT_S = 60
"""How long to wait for a sweep that is deleting a blob: one of 10^4 blobs over a network takes that."""


def utc_now() -> str:
    """Now, as a manifest writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def holder(user: str, what: str) -> str:
    """Who holds a lease for ``what``, to be shown: ``push by ada, process 123 on host``."""
    return f"{what} by {user}, process {os.getpid()} on {platform.node()}"


class Claim:
    """The blobs that one push publishes or relies on, from before it does to its commit.

    ``what`` is the work, ``push`` or another that makes blobs references, in the words of the command line; ``blobs``
    are those that are known before it begins, protected on entering as by ``protect``.
    """

    def __init__(
        self,
        index: Index,
        leases: Leases,
        store: Store,
        user: str,
        what: str = "push",
        blobs: Collection[str] = (),
    ) -> None:
        self._index = index
        self._leases = leases
        self._store = store
        self._user = user
        self._what = what
        self._stack = contextlib.ExitStack()
        self._lease: Lease | None = None
        self._blobs = set(blobs)
        self._doubtful: set[str] = set()

    def __enter__(self) -> Claim:
        try:
            self._take()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _take(self) -> None:
        """Take a lease that names all blobs so far; waits while a sweep is deleting one of them."""
        self._stack.close()
        lease = self._leases.take(holder(self._user, self._what), utc_now(), self._blobs)
        self._lease = self._stack.enter_context(lease)
        self._wait_for_sweeps(self._blobs, self._lease.condemned_before)

    @property
    def lease(self) -> Lease:
        assert self._lease is not None  # noqa: S101 - within ``with``
        return self._lease

    @property
    def owner(self) -> str:
        """The lease under which to stage."""
        return self.lease.id

    def protect(self, blobs: Collection[str]) -> None:
        """Name blobs before they are published or relied on; waits while a sweep is deleting one of them.

        Raises ``CondemnedError`` if that takes longer than ``SWEEP_WAIT_S``.
        """
        self._blobs |= set(blobs)
        try:
            self._wait_for_sweeps(blobs, self.lease.protect(blobs))
        except ConnectionLostError as lost:
            self._renew(lost)

    def _wait_for_sweeps(self, blobs: Collection[str], condemned: Collection[str]) -> None:
        deadline = time.monotonic() + SWEEP_WAIT_S
        for attempt in range(1, 10_000):
            if not condemned:
                return
            if time.monotonic() > deadline:
                raise CondemnedError(condemned, self._what)
            # A request of a dead sweep may still be under way to the store, so these are looked at once more.
            self._doubtful |= self.lease.rescue(condemned)
            pause(min(attempt, 4))
            condemned = self.lease.condemned(blobs)

    def commit(self, work: Callable[[Transaction], T], settled: Callable[[Transaction], T | None]) -> T:
        """What ``work`` returns from the transaction that makes the blobs references; it may be called several times.

        ``settled`` returns what ``work`` did if its last transaction was committed, and ``None`` if not.  Raises
        ``ConnectionLostError`` if the database does not come back, so that nobody knows.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._require_doubtful()
                return self.lease.commit(work)
            except CondemnedError as error:
                if attempt == ATTEMPTS:
                    raise CondemnedError(error.blobs, self._what) from None
                self._wait_for_sweeps(error.blobs, error.blobs)
            except ConnectionLostError as lost:
                if attempt == ATTEMPTS:
                    raise
                found = self._settle(lost, settled)
                if found is not None:
                    return found
                self._renew(lost)
        raise AssertionError("unreachable")

    def _settle(self, lost: ConnectionLostError, settled: Callable[[Transaction], T | None]) -> T | None:
        """Wait for the end of what the broken connection had begun, and see how it ended."""
        self._index.after(lost, lambda transaction: transaction.wait_for_lease(self.owner))
        return self._index.after(lost, settled)

    def _renew(self, lost: ConnectionLostError) -> None:
        """Take a new lease for the same blobs; those that were published may have been swept since."""
        self._index.after(lost, lambda _: None)
        self._take()
        self._doubtful |= self._blobs

    def publish(self, staged: Iterable[StagedBlob], progress: Progress | None = None) -> None:
        """Publish blobs that are protected; ``progress`` counts what goes over a network."""

        def publish(blob: StagedBlob) -> None:
            blob.publish(progress)
            self.published(blob.digest.sha256)

        each_blob(self._store, publish, list(staged), lambda blob: blob.digest.size_bytes)

    def published(self, sha256: str) -> None:
        """Say that a blob was published under the present lease."""
        self._doubtful.discard(sha256)

    def _require_doubtful(self) -> None:
        """Raise ``StoreError`` if a blob went while the lease was lost."""
        for sha256 in sorted(self._doubtful):
            try:
                self._store.open(sha256).close()
            except BlobMissingError:
                raise StoreError(
                    f"blob sha256:{sha256} was swept while the connection to the database was lost; "
                    f"the {self._what} was given up",
                    hint=f"run the {self._what} again",
                    transient=True,
                ) from None
        self._doubtful.clear()
