"""The store port: what an adapter promises, and the values that cross it.

A store holds immutable blobs under their SHA-256.  It knows nothing of the registry above it, is never trusted (what
it returns is checked by the caller against the manifest), and retries nothing (that is a wrapper's work).

Every adapter promises, and the shared suite in ``tests/suite`` shows:

* ``publish`` and ``put`` are durable when they return, and all or nothing: no reader ever sees part of a blob;
* a blob that is there is not written again, unless its bytes are no longer what its digest says;
* ``stage`` reads its source once, and what it hashed is what a later ``publish`` publishes;
* whatever was staged and not published is gone after ``close``; if the process died, ``staged`` tells it, with its
  owner, and ``discard`` removes it.

What may be deleted or discarded while others are at work is not the store's to know: ``modelreg.db.leases`` decides it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from modelreg.digest import BlobDigest
from modelreg.digest.streams import Progress
from modelreg.files import Cloneable


@dataclass(frozen=True, slots=True)
class StoreProperties:
    """What an adapter can do; ``doctor`` shows it.

    ``create_only``: a second writer of a name is refused by the store itself.  ``copy_on_write``: a published blob can
    be handed out without copying its bytes (``None``: depends on the file system, told on use).  ``is_remote``: bytes
    come over a network, so that those which came once and were verified are worth keeping.
    """

    create_only: bool
    durable: bool
    copy_on_write: bool | None = None
    is_remote: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """One ability of the server behind a store, as it was tried: ``held`` is ``None`` where it gave no answer."""

    name: str
    held: bool | None
    remark: str = ""
    is_needed: bool = False


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """One stored blob, as a listing tells it."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class StagedInfo:
    """Something staged and not published under its private ``name``.

    ``owner`` is the lease under which it was staged or, for bytes that are on their way to a blob, that blob's SHA-256.
    """

    name: str
    size_bytes: int
    owner: str


class StagedBlob(Protocol):
    """Bytes that the store holds privately, hashed, not yet visible under their digest."""

    @property
    def digest(self) -> BlobDigest: ...

    def descriptor(self) -> int:
        """A read-only file descriptor of the staged bytes, owned by this object."""
        ...

    def publish(self, progress: Progress | None = None) -> None:
        """Make the bytes visible under their digest; idempotent.

        ``progress`` counts what goes over a network; a store that is not remote may leave it alone.
        """
        ...

    def close(self) -> None:
        """Give up what was not published."""
        ...


class BlobReader(Cloneable, Protocol):
    """An open blob; ``size_bytes`` is what the store says and is checked by the caller."""

    @property
    def size_bytes(self) -> int: ...

    def close(self) -> None: ...


class Store(Protocol):
    """The port."""

    @property
    def url(self) -> str: ...

    @property
    def properties(self) -> StoreProperties: ...

    def stage(
        self, source: int | Cloneable, size_bytes: int, progress: Progress | None = None, *, owner: str = ""
    ) -> StagedBlob:
        """Copy ``source``, a descriptor or a blob of elsewhere, into the store's private space while hashing it.

        ``owner`` is the lease, 32 hex digits, whose holder stages it; what nobody owns may be discarded at any time.
        Raises ``SizeChangedError`` if the source does not have ``size_bytes``, ``StoreError`` on the store's side.
        """
        ...

    def put(self, data: bytes, *, owner: str = "") -> str:
        """Publish a small blob, staged for ``owner`` if at all; returns its SHA-256."""
        ...

    def open(self, sha256: str) -> BlobReader:
        """Open a blob; raises ``BlobMissingError``."""
        ...

    def read(self, sha256: str, size_bytes_max: int) -> bytes:
        """A whole small blob; raises ``BlobMissingError``, or ``StoreError`` if it is longer than allowed."""
        ...

    def blobs(self) -> Iterator[BlobInfo]:
        """Every published blob, in no particular order."""
        ...

    def delete(self, sha256: str) -> None:
        """Remove a blob; a blob that is not there is no error."""
        ...

    def staged(self) -> Iterator[StagedInfo]:
        """Everything that is staged and not published, by the living and the dead."""
        ...

    def discard(self, name: str) -> None:
        """Remove what ``staged`` told under that name; what is not there is no error."""
        ...


@runtime_checkable
class ProbedStore(Protocol):
    """A store whose server can be tried out; ``doctor`` does."""

    def probe(self) -> tuple[Measured, ...]:
        """Try each ability on the server itself, leaving nothing behind."""
        ...
