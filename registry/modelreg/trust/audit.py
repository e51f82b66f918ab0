"""A whole log read again by somebody who believes nothing: every entry, every statement, every root.

Pure and streaming: entries come one by one, and what is kept of each is the number and digest of its statement, about
200 bytes.  Whether a statement's signatures are good is for others; here it is told what the log itself cannot mean:
two versions under one number, a number left out, a pointer that starts from two places, a root that is not that of the
entries.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice

from modelreg.digest import is_sha256, sha256_hex
from modelreg.errors import DocumentError, UsageError
from modelreg.manifest import PREDICATE_TYPE, STATEMENT_TYPE
from modelreg.records import from_json, parse_json
from modelreg.refs import VERSION_MAX, parse_name
from modelreg.trust.checkpoint import Checkpoint
from modelreg.trust.leaf import LeafKind, LogLeaf
from modelreg.trust.merkle import Frontier, leaf_hash
from modelreg.trust.statements import Chain, Target, TrustEvent, parse_statement

IRREGULARITIES_KEPT_MAX = 1_000
"""So many are told one by one; the others are counted."""
UNKNOWN = "unknown"
"""Under which entries of kinds of a later release are counted."""

_KINDS = frozenset(LeafKind)
_MANIFEST = (STATEMENT_TYPE, PREDICATE_TYPE)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry as it was found: its place, the leaf's bytes, and the statement's, ``None`` where those are gone."""

    index: int
    leaf: bytes
    statement: bytes | None


class Irregularity(enum.StrEnum):
    """What cannot be so in a log that is whole and honest."""

    ROOT = "root"
    """A checkpoint's root is not that of the entries before it."""
    CUT = "cut"
    """There are fewer entries than the checkpoint says."""
    ORDER = "order"
    """An entry has another place than its own."""
    MALFORMED_LEAF = "malformed-leaf"
    UNKNOWN_KIND = "unknown-kind"
    """A kind of statement that this release does not know: what it says was not looked at."""
    MISSING_STATEMENT = "missing-statement"
    OTHER_STATEMENT = "other-statement"
    """The statement is not the one whose digest was logged."""
    MALFORMED_STATEMENT = "malformed-statement"
    """It is not a statement of the logged kind."""
    FORK = "fork"
    """Two statements have one number: two manifests of one version, or two moves of an alias."""
    GAP = "gap"
    """A number was left out."""
    LATE = "late"
    """A number that was left out came later; an import can do that."""
    MISLINKED = "mislinked"
    """A statement names another predecessor than the one that was logged."""
    UNKNOWN_TARGET = "unknown-target"
    """A pointer or a withdrawal is about a version that was not logged before it."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One irregularity, where it was met, and in a sentence; ``chain`` tells of which model or alias it is."""

    kind: Irregularity
    index: int
    message: str
    chain: Chain | None = None


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What reading ``entries`` entries again showed.

    ``kinds`` counts them, those of a later release under ``unknown``; ``checkpoints`` are the sizes whose root was met;
    of ``observed`` irregularities the first thousand are ``observations``.
    """

    entries: int
    root: bytes
    kinds: Mapping[str, int]
    checkpoints: tuple[int, ...]
    observed: int = 0
    observations: tuple[Observation, ...] = ()

    @property
    def is_clean(self) -> bool:
        return not self.observed


def audit(entries: Iterable[LogEntry], head: Checkpoint, earlier: Iterable[Checkpoint] = ()) -> AuditReport:
    """Read the log up to ``head``, and check its root and that of every checkpoint in ``earlier``.

    No more entries are taken than ``head`` has.  Raises ``DocumentError`` for checkpoints of two logs or an earlier one
    that is larger; whatever the entries are ends in the report.
    """
    checkpoints = sorted((*earlier, head), key=lambda checkpoint: checkpoint.size)
    if checkpoints[-1].size > head.size or any(one.origin != head.origin for one in checkpoints):
        raise DocumentError(f"not every earlier checkpoint is one of {head.origin[:80]!r} up to {head.size:,} entries")
    auditor = _Auditor(checkpoints)
    auditor.meet_checkpoints()
    for entry in islice(entries, head.size):
        auditor.take(entry)
        auditor.meet_checkpoints()
    return auditor.report(head.size)


@dataclass(frozen=True, slots=True)
class _Link:
    """What the audit needs of a statement: its chain, its number there, what came before, and the version meant."""

    chain: Chain
    sequence: int
    previous: str | None
    model: str | None = None
    target: Target | None = None


@dataclass(slots=True)
class _Chain:
    """The digests of a chain by number, the highest number, and what others say of numbers that are not there yet."""

    digests: dict[int, str] = field(default_factory=dict)
    newest: int = 0
    awaited: dict[int, str | None] = field(default_factory=dict)

    def has_place(self, number: int, digest: str | None) -> bool:
        """Whether ``digest`` can be that of ``number``; nothing stands before the first."""
        if number == 0:
            return digest is None
        return self.digests.get(number, self.awaited.get(number, digest)) == digest

    def put(self, link: _Link, digest: str) -> None:
        self.digests[link.sequence] = digest
        self.newest = max(self.newest, link.sequence)
        if link.sequence > 1 and link.sequence - 1 not in self.digests:
            self.awaited[link.sequence - 1] = link.previous


@dataclass(slots=True)
class _Auditor:
    """Reads entries in order; ``checkpoints`` are those still to come, smallest first."""

    checkpoints: list[Checkpoint]
    frontier: Frontier = field(default_factory=Frontier)
    kinds: Counter[str] = field(default_factory=Counter)
    met: list[int] = field(default_factory=list)
    next_index: int = 0
    chains: dict[Chain, _Chain] = field(default_factory=dict)
    observed: int = 0
    observations: list[Observation] = field(default_factory=list)

    def take(self, entry: LogEntry) -> None:
        """Judge the next entry and put it into the tree."""
        index = self.frontier.size
        self.frontier, _ = self.frontier.append(leaf_hash(entry.leaf))
        if entry.index != self.next_index:
            self._observe(Irregularity.ORDER, index, f"entry {entry.index} came where entry {self.next_index} belongs")
        self.next_index = entry.index + 1
        try:
            leaf = LogLeaf.parse(entry.leaf)
        except DocumentError as error:
            self._observe(Irregularity.MALFORMED_LEAF, index, error.message)
            return
        self.kinds[leaf.kind if leaf.kind in _KINDS else UNKNOWN] += 1
        self._judge(index, leaf, entry.statement)

    def meet_checkpoints(self) -> None:
        """Compare the root with every checkpoint of the size that is reached."""
        while self.checkpoints and self.checkpoints[0].size == self.frontier.size:
            checkpoint = self.checkpoints.pop(0)
            if checkpoint.root == self.frontier.root:
                self.met.append(checkpoint.size)
            else:
                told = f"the checkpoint of {checkpoint.size:,} entries has the root {checkpoint.root.hex()}"
                message = f"{told}, the entries have {self.frontier.root.hex()}"
                self._observe(Irregularity.ROOT, checkpoint.size, message)

    def report(self, size: int) -> AuditReport:
        entries = self.frontier.size
        if entries < size:
            self._observe(Irregularity.CUT, entries, f"the log ends after {entries:,} of {size:,} entries")
        return AuditReport(
            entries, self.frontier.root, dict(self.kinds), tuple(self.met), self.observed, tuple(self.observations)
        )

    def _judge(self, index: int, leaf: LogLeaf, statement: bytes | None) -> None:
        named = f"the {leaf.kind} {leaf.payload_sha256}"
        if statement is None:
            self._observe(Irregularity.MISSING_STATEMENT, index, f"{named} is logged and not there")
        elif (found := sha256_hex(statement)) != leaf.payload_sha256:
            self._observe(Irregularity.OTHER_STATEMENT, index, f"{named} is logged, and {found} is there")
        elif leaf.kind not in _KINDS:
            self._observe(Irregularity.UNKNOWN_KIND, index, f"{named} is of a kind that this modelreg does not know")
        else:
            try:
                link = _read(LeafKind(leaf.kind), statement)
            except DocumentError as error:
                self._observe(Irregularity.MALFORMED_STATEMENT, index, f"{named}: {error.message}")
            else:
                self._follow(index, link, leaf.payload_sha256)

    def _follow(self, index: int, link: _Link, digest: str) -> None:
        """Put a statement into its chain; one that was logged before, with other signatures perhaps, is there."""
        chain = self.chains.setdefault(link.chain, _Chain())
        if (before := chain.digests.get(link.sequence)) is not None:
            if before != digest:
                self._tell(Irregularity.FORK, index, link, f"is {before} and also {digest}")
            return
        if link.sequence != chain.newest + 1:
            kind = Irregularity.GAP if link.sequence > chain.newest else Irregularity.LATE
            self._tell(kind, index, link, f"was logged after number {chain.newest}")
        if not chain.has_place(link.sequence - 1, link.previous):
            wanted = chain.digests.get(link.sequence - 1)
            self._tell(Irregularity.MISLINKED, index, link, f"follows on {link.previous}, not on {wanted}")
        if not chain.has_place(link.sequence, digest):
            message = f"is {digest}, on which number {link.sequence + 1} does not follow"
            self._tell(Irregularity.MISLINKED, index, link, message)
        chain.put(link, digest)
        if link.target is not None and link.model is not None:
            versions = self.chains.get((LeafKind.MANIFEST.value, link.model), _Chain())
            logged = versions.digests.get(link.target.version)
            if logged != link.target.manifest:
                target = f"{link.model}:{link.target.version}"
                message = f"is about {target} as {link.target.manifest}, logged before is {logged or 'none'}"
                self._tell(Irregularity.UNKNOWN_TARGET, index, link, message)

    def _tell(self, kind: Irregularity, index: int, link: _Link, message: str) -> None:
        place = " ".join((link.chain[0], "@".join(link.chain[1:]))).strip()
        self._observe(kind, index, f"{place}: number {link.sequence} {message}", link.chain)

    def _observe(self, kind: Irregularity, index: int, message: str, chain: Chain | None = None) -> None:
        self.observed += 1
        if len(self.observations) < IRREGULARITIES_KEPT_MAX:
            self.observations.append(Observation(kind, index, message, chain))


@dataclass(frozen=True, slots=True)
class _Head:
    """Of a manifest what gives it its place; the rest of it may be of a later release."""

    model: str
    version: int
    previous: str | None

    def __post_init__(self) -> None:
        try:
            parse_name(self.model)
        except UsageError as error:
            raise DocumentError(error.message) from None
        if not 1 <= self.version <= VERSION_MAX:
            raise DocumentError(f"{self.version} is not a version: 1, 2, 3 ...")
        if self.previous is not None and not is_sha256(self.previous):
            raise DocumentError(f"{self.previous[:80]!r} is not the digest of a manifest")


def _read(kind: LeafKind, data: bytes) -> _Link:
    """The link that a statement is; raises ``DocumentError``.

    A chain is named without its registry: in one log there is one version 3 of a model, wherever it came from.
    """
    if kind is LeafKind.MANIFEST:
        value = parse_json(data, what="the manifest")
        if not isinstance(value, dict) or (value.get("_type"), value.get("predicateType")) != _MANIFEST:
            raise DocumentError(f"the statement is no {PREDICATE_TYPE}")
        head = from_json(_Head, value.get("predicate"), what="the manifest")
        return _Link((kind.value, head.model), head.version, head.previous)
    statement = parse_statement(data)
    told, _, *names = statement.chain
    if told != kind:
        raise DocumentError(f"the statement is a {told}")
    chain = (told, *names)
    if isinstance(statement, TrustEvent):
        return _Link(chain, statement.sequence, statement.previous)
    return _Link(chain, statement.sequence, statement.previous, statement.model, statement.target)
