"""What care of a registry finds and does: problems, a check, a healing, a rebuilt database, all as frozen values."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from modelreg.client.results import LeaseHolder
from modelreg.digest import BlobDigest
from modelreg.manifest import IndexEntry


class ProblemKind(enum.StrEnum):
    """What is wrong; each is a corruption."""

    MISSING_BLOB = "missing-blob"
    WRONG_SIZE = "wrong-size"
    CHANGED_BLOB = "changed-blob"
    UNREADABLE_BLOB = "unreadable-blob"
    BAD_MANIFEST = "bad-manifest"
    WRONG_CHUNKS = "wrong-chunks"
    ROW_DIFFERS = "row-differs"
    GAP = "gap"
    BROKEN_CHAIN = "broken-chain"
    DANGLING_ALIAS = "dangling-alias"
    DANGLING_ROW = "dangling-row"


@dataclass(frozen=True, slots=True)
class Need:
    """What a blob must be: of a manifest only the SHA-256 is known, of golden predictions no chunks."""

    sha256: str
    size_bytes: int | None = None
    digest: BlobDigest | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and which versions suffer from it.

    ``need`` is what the blob must be, ``entry`` what the row must say, ``alias`` the model and alias that point at
    nothing: where one of them is there, a healing can mend the problem.
    """

    kind: ProblemKind
    message: str
    versions: tuple[str, ...] = ()
    blob: str | None = None
    fix: str | None = None
    need: Need | None = field(default=None, repr=False)
    entry: IndexEntry | None = field(default=None, repr=False)
    alias: tuple[str, str] | None = None

    @property
    def can_heal(self) -> bool:
        """Whether there is anything to be tried."""
        return self.need is not None or self.entry is not None or self.alias is not None


@dataclass(frozen=True, slots=True)
class Checked:
    """A check of rows, manifests and blobs against each other; ``share`` of the blobs' bytes were read.

    ``orphans`` no version names, ``leftovers`` are of dead pushes: both are ``gc``'s, and no corruption.  Of the
    orphans ``unlisted`` are manifests that ``db rebuild --add`` would list.
    """

    problems: tuple[Problem, ...]
    models: int
    versions: int
    blobs: int
    share: float
    read_blobs: int
    read_bytes: int
    orphans: tuple[str, ...] = ()
    orphan_bytes: int = 0
    unlisted: tuple[str, ...] = ()
    leftovers: int = 0
    leftover_bytes: int = 0
    leases: tuple[LeaseHolder, ...] = ()

    @property
    def is_clean(self) -> bool:
        return not self.problems

    @property
    def healable(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.can_heal)


@dataclass(frozen=True, slots=True)
class Healing:
    """What became of one problem: ``how`` it was mended or, where ``done`` is false, why it was not."""

    problem: Problem
    done: bool
    how: str


@dataclass(frozen=True, slots=True)
class Healed:
    """A healing; with ``dry_run`` what would be tried, from places whose bytes were not looked at yet."""

    healings: tuple[Healing, ...]
    dry_run: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong any more, as far as the check had looked."""
        return all(healing.done for healing in self.healings)


class LossKind(enum.StrEnum):
    """What a rebuilt database does not have, or has with something missing."""

    GAP = "gap"
    CONFLICT = "conflict"
    MISSING_BLOB = "missing-blob"
    DOUBTFUL = "doubtful"
    BAD_MANIFEST = "bad-manifest"
    BAD_RECORD = "bad-record"
    STATE = "state"


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing that a rebuild could not bring back or decide."""

    kind: LossKind
    message: str
    versions: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A database made again from manifests, or with ``dry_run`` what it would be.

    ``added`` versions were written beside ``known`` ones that were there; ``unnamed`` manifests are of pushes that were
    never committed, as the versions after them show.  ``aliases`` and ``withdrawals`` came from statements and from a
    saved listing.  ``log_entries`` with ``log_checkpoints`` came from the log's records, and ``log_appended`` versions
    that none covers were logged anew; ``log_is_verified`` if a key that is known had signed the last record.
    """

    registry: str | None
    blobs: int
    manifests: int
    models: int
    added: tuple[str, ...]
    known: int
    newest: tuple[str, ...]
    unnamed: tuple[str, ...]
    losses: tuple[Loss, ...]
    aliases: int = 0
    withdrawals: int = 0
    foreign: tuple[tuple[str, int], ...] = ()
    log_entries: int = 0
    log_checkpoints: int = 0
    log_appended: int = 0
    log_is_verified: bool = False
    dry_run: bool = False
