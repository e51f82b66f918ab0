"""The audit of the log: everything read again from the store, as somebody would who believes neither rows nor records.

The entries are those of the records in the store, and behind them those that only the database has; each is held
against its row, its statement is read from the store, and ``trust.audit`` follows the chains and meets the roots.  Then
every version of the index must be one that was logged, and every manifest that was logged one of the index.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from modelreg.client.records import find_records, read_record
from modelreg.client.several import many_at_once
from modelreg.db.log import CheckpointRow, LeafRow, LogTables
from modelreg.db.records import Index
from modelreg.digest import is_sha256, sha256_hex
from modelreg.digest.streams import Progress, begin_phase
from modelreg.errors import BlobMissingError, DatabaseError, DocumentError, UsageError
from modelreg.records import DOCUMENT_SIZE_BYTES_MAX
from modelreg.store.base import Store
from modelreg.trust.audit import IRREGULARITIES_KEPT_MAX, AuditReport, Irregularity, LogEntry, audit
from modelreg.trust.checkpoint import Checkpoint, open_checkpoint
from modelreg.trust.leaf import LeafKind, LogLeaf
from modelreg.trust.merkle import Frontier, leaf_hash
from modelreg.trust.note import Note, VerifierKey
from modelreg.trust.record import RecordHead, longest_chain
from modelreg.trust.statements import Pointer
from modelreg.trust.view import Entry, LogView, stated_digest

_REMARKS = (Irregularity.LATE, Irregularity.UNKNOWN_KIND)
"""What an honest log can have: versions that were imported out of order, entries of a later modelreg."""


class LogFlaw(enum.StrEnum):
    """What the audit of a registry finds beside the irregularities of the log itself."""

    ROW = "row-differs"
    """An entry's row is gone, or is not what its record in the store holds."""
    TREE = "tree-damaged"
    """The tree's nodes are not those of the entries."""
    RECORD = "bad-record"
    """A record is missing, or is none."""
    CHECKPOINT = "bad-checkpoint"
    """A checkpoint is not signed by the log's key."""
    FORK = "forked-checkpoint"
    """Two signed checkpoints of one size have different roots."""
    CUT = "cut"
    """A signed checkpoint has more entries than there are."""
    UNLOGGED = "unlogged-version"
    """The index lists a version that was never logged: put in the place of another, perhaps."""
    UNLISTED = "unlisted-version"
    """A logged manifest is not in the index: a version was taken away."""
    STATEMENT = "statement-differs"
    """The row of a statement is gone, or is not what the store holds under its digest."""
    ALIAS = "alias-differs"
    """An alias is not where its last logged move leads, or no move of it was ever logged."""
    WITHDRAWAL = "withdrawal-hidden"
    """A logged withdrawal is not in the index."""


@dataclass(frozen=True, slots=True)
class LogFinding:
    """One thing that is wrong, or with ``is_remark`` only worth telling; ``kind`` is a ``LogFlaw`` or irregularity."""

    kind: str
    message: str
    position: int | None = None
    is_remark: bool = False


@dataclass(frozen=True, slots=True)
class LogAudit:
    """What reading ``entries`` entries again showed.

    ``covered`` of them are under a signed checkpoint.  ``checkpoints`` are the sizes whose root was met;
    ``keys`` the vkeys by which signatures were checked, none if nobody knows any.  Of ``problems`` the first thousand
    are among the ``findings``.
    """

    origin: str
    entries: int
    covered: int
    root: str
    kinds: Mapping[str, int]
    checkpoints: tuple[int, ...]
    records: int
    versions: int
    keys: tuple[str, ...]
    problems: int
    findings: tuple[LogFinding, ...]

    @property
    def is_clean(self) -> bool:
        return not self.problems


def audit_log(
    store: Store,
    index: Index,
    origin: str,
    keys: Sequence[VerifierKey],
    known: Iterable[bytes] = (),
    progress: Progress | None = None,
) -> LogAudit:
    """Read the log ``origin`` again; checkpoints count that one of ``keys`` signed, or all if there is no key.

    ``known`` are notes that somebody has kept.  Raises ``UsageError`` for one that is no checkpoint of this log,
    ``StoreError`` and ``DatabaseError`` for what cannot be reached.
    """
    with index.reading_log() as log:
        auditing = _Auditing(store, log, origin, tuple(keys))
        return auditing.run([auditing.known(note) for note in known], progress)


@dataclass(slots=True)
class _Auditing:
    store: Store
    log: LogTables
    origin: str
    keys: tuple[VerifierKey, ...]
    findings: list[LogFinding] = field(default_factory=list)
    problems: int = 0
    logged: set[str] = field(default_factory=set)
    """The manifests that entries are about."""
    view: LogView = field(init=False)
    """What the log says of aliases and withdrawals."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Of the blobs of the store."""
    stated: dict[str, int] = field(default_factory=dict)
    """The statements of those, with the first entry about each."""

    def __post_init__(self) -> None:
        self.view = LogView(self.origin)

    def run(self, known: list[Checkpoint], progress: Progress | None) -> LogAudit:
        rows = self.log.checkpoints()
        blobs = tuple(self.store.blobs())
        begin_phase(progress, "reading records", sum(blob.size_bytes for blob in blobs))
        found = list(find_records(self.store, blobs, progress))
        every = _unrivalled([one.head for one in found if one.head is not None], rows)
        heads = [head for head in every if self._is_signed(head)]
        self._check_rows(rows, {one.sha256: one.reason for one in found}, heads)
        chain = longest_chain(every, self.origin, {head.sha256 for head in heads})
        signed = [*(head.checkpoint for head in heads), *self._signed_rows(rows), *known]
        size = self.log.size()
        head = self._head(size, chain)
        earlier = self._earlier([one for one in signed if one.origin == self.origin], head.size)
        self.sizes = {blob.sha256: blob.size_bytes for blob in blobs}
        begin_phase(progress, "reading statements", sum(self.sizes.get(one.digest, 0) for one in self.log.versions()))
        report = audit(self._with_statements(self._entries(chain, size), progress), head, earlier)
        self._take(report)
        versions = self._check_versions()
        self._check_state()
        return LogAudit(
            origin=self.origin,
            entries=report.entries,
            covered=max((one.size for one in earlier), default=0),
            root=report.root.hex(),
            kinds=report.kinds,
            checkpoints=tuple(sorted({one.size for one in earlier} & set(report.checkpoints))),
            records=len(chain),
            versions=versions,
            keys=tuple(map(str, self.keys)),
            problems=self.problems,
            findings=tuple(self.findings),
        )

    def known(self, note: bytes) -> Checkpoint:
        """A checkpoint that somebody has kept."""
        try:
            checkpoint = self._opened(note)
        except DocumentError as error:
            raise UsageError(f"the known note is no checkpoint of this log: {error.message}") from None
        if checkpoint.origin != self.origin:
            raise UsageError(f"the known note is of the log {checkpoint.origin[:80]!r}, and this is {self.origin}")
        return checkpoint

    def _opened(self, note: bytes) -> Checkpoint:
        """What a note says, if it is signed by a key that is known, or none is known."""
        if self.keys:
            return open_checkpoint(note, self.keys).checkpoint
        return Checkpoint.parse(Note.parse(note).text)

    def _is_signed(self, head: RecordHead) -> bool:
        """Whether the log's own key stands behind a record: anybody else can put one into the store."""
        try:
            return self._opened(head.note).origin == self.origin
        except DocumentError:
            return False

    def _signed_rows(self, rows: Iterable[CheckpointRow]) -> Iterator[Checkpoint]:
        for row in rows:
            try:
                checkpoint = self._opened(row.note)
            except DocumentError as error:
                self._tell(LogFlaw.CHECKPOINT, f"the checkpoint of {row.size:,} entries: {error.message}")
                continue
            if (checkpoint.origin, checkpoint.size) != (self.origin, row.size):
                told = f"{checkpoint.size:,} entries of {checkpoint.origin[:80]}"
                self._tell(LogFlaw.CHECKPOINT, f"the checkpoint of {row.size:,} entries is one of {told}")
            yield checkpoint

    def _check_rows(self, rows: Iterable[CheckpointRow], found: Mapping[str, str], heads: list[RecordHead]) -> None:
        """Every checkpoint's row needs its record."""
        there = {head.sha256: head for head in heads}
        for row in rows:
            head = there.get(row.record_sha256)
            if head is None:
                reason = found.get(row.record_sha256, "is missing") or "is not signed by the log's key"
                self._tell(
                    LogFlaw.RECORD, f"the record sha256:{row.record_sha256[:64]} of {row.size:,} entries: {reason}"
                )
            elif (head.size, head.note) != (row.size, row.note):
                self._tell(LogFlaw.CHECKPOINT, f"the checkpoint of {row.size:,} entries is not the one of its record")

    def _head(self, size: int, chain: Sequence[RecordHead]) -> Checkpoint:
        """Up to where to read: what the tree's nodes say, or where they say less the last record."""
        if chain and chain[-1].size > size:
            last = chain[-1].checkpoint
            self._tell(LogFlaw.CUT, f"the database has {size:,} entries, and the store's records {last.size:,}")
            return last
        try:
            root = self.log.frontier(size).root
        except DatabaseError as error:
            self._tell(LogFlaw.TREE, error.message)
            root = _root(self.log.leaves(0, size))
        return Checkpoint(self.origin, size, root)

    def _earlier(self, signed: Iterable[Checkpoint], size: int) -> list[Checkpoint]:
        """Each distinct checkpoint up to ``size``; two of one size are a fork, whatever the entries are."""
        by_size: dict[int, dict[bytes, Checkpoint]] = {}
        for one in signed:
            by_size.setdefault(one.size, {}).setdefault(one.root, one)
        for reached, roots in sorted(by_size.items()):
            if len(roots) > 1:
                shown = " and ".join(sorted(root.hex() for root in roots))
                self._tell(LogFlaw.FORK, f"two signed checkpoints of {reached:,} entries have the roots {shown}")
            if reached > size:
                self._tell(LogFlaw.CUT, f"a signed checkpoint has {reached:,} entries, and the log {size:,}")
        return [one for reached, roots in by_size.items() if reached <= size for one in roots.values()]

    # --- entries ------------------------------------------------------------------------------------------------------

    def _entries(self, chain: Sequence[RecordHead], size: int) -> Iterator[LogEntry]:
        """Every entry without its statement: of the records, then of the database; each held against its row."""
        rows = self.log.leaves(0, size)
        row = next(rows, None)
        position = 0
        for head in chain:
            for leaf in read_record(self.store, head.sha256).entries:
                while row is not None and row.position < position:
                    row = next(rows, None)
                if row is None or row.position != position:
                    self._tell(LogFlaw.ROW, f"the row of entry {position:,} is gone", position)
                elif row.leaf != leaf:
                    self._tell(LogFlaw.ROW, f"the row of entry {position:,} is not what its record holds", position)
                else:
                    self._check_column(row)
                yield LogEntry(position, leaf, None)
                position += 1
        while row is not None:
            if row.position >= position:
                self._check_column(row)
                yield LogEntry(row.position, row.leaf, None)
            row = next(rows, None)

    def _check_column(self, row: LeafRow) -> None:
        """The column by which entries are found must say what the entry does."""
        leaf = _leaf(row.leaf)
        if leaf is not None and leaf.payload_sha256 != row.payload_sha256:
            message = f"entry {row.position:,} is about {leaf.payload_sha256}, its row says {row.payload_sha256[:64]}"
            self._tell(LogFlaw.ROW, message, row.position)

    def _with_statements(self, entries: Iterable[LogEntry], progress: Progress | None) -> Iterator[LogEntry]:
        def read(entry: LogEntry) -> LogEntry:
            leaf = _leaf(entry.leaf)
            statement = None if leaf is None else self._statement(leaf.payload_sha256)
            if progress and statement is not None:
                progress(len(statement))
            return LogEntry(entry.index, entry.leaf, statement)

        for entry in many_at_once(self.store, read, entries, self._size_bytes):
            leaf = _leaf(entry.leaf)
            if leaf is not None and leaf.kind == LeafKind.MANIFEST:
                self.logged.add(leaf.payload_sha256)
            if (digest := stated_digest(entry.leaf)) is not None:
                self.stated.setdefault(digest, entry.index)
            with contextlib.suppress(DocumentError):  # which the audit of the entry tells
                self.view.take(entry.index, Entry(entry.leaf, entry.statement))
            yield entry

    def _size_bytes(self, entry: LogEntry) -> int:
        leaf = _leaf(entry.leaf)
        return self.sizes.get(leaf.payload_sha256, 0) if leaf is not None else 0

    def _statement(self, sha256: str) -> bytes | None:
        try:
            return self.store.read(sha256, DOCUMENT_SIZE_BYTES_MAX)
        except BlobMissingError:
            return None

    # --- what was found -----------------------------------------------------------------------------------------------

    def _take(self, report: AuditReport) -> None:
        for one in report.observations:
            self._tell(one.kind, one.message, one.index, is_remark=one.kind in _REMARKS)
        self.problems += report.observed - len(report.observations)

    def _check_versions(self) -> int:
        """Hold the index against the log; how many versions it lists."""
        count, listed = 0, set()
        for version in self.log.versions():
            count += 1
            listed.add(version.digest)
            if version.digest not in self.logged:
                shown = version.digest if is_sha256(version.digest) else repr(version.digest[:64])
                message = f"{version.model}:{version.version} is listed as {shown}, and no entry is about that manifest"
                self._tell(LogFlaw.UNLOGGED, message)
        for digest in sorted(self.logged - listed):
            self._tell(LogFlaw.UNLISTED, f"the manifest {digest} was logged, and the index lists no such version")
        return count

    def _check_state(self) -> None:
        """Hold statements, aliases and withdrawals of the index against what the log says of them."""
        rows = self.log.statements.get(self.stated)
        for digest, position in self.stated.items():
            if digest not in rows or sha256_hex(rows[digest].statement) != digest:
                how = "is not what was logged" if digest in rows else "is gone"
                self._tell(LogFlaw.STATEMENT, f"the row of the statement {digest} {how}", position)
        said = {alias: found.statement for alias, found in self.view.pointers.items()}
        listed = {(row.model, row.alias): row for row in self.log.aliases()}
        for named in sorted(said.keys() | listed.keys()):
            pointer, row, name = said.get(named), listed.get(named), "@".join(named)
            here = f"the index says version {row.version}" if row else "the index has no such alias"
            if pointer is None:
                self._tell(LogFlaw.ALIAS, f"{name}: {here}, and no move of it was logged", is_remark=True)
            elif isinstance(pointer, Pointer):
                target = None if pointer.deleted else (pointer.target.version, pointer.target.manifest)
                if target != (None if row is None else (row.version, row.digest)):
                    there = "deletes it" if target is None else f"leads to version {target[0]}"
                    self._tell(LogFlaw.ALIAS, f"{name}: {here}, and its last logged move {there}")
        withdrawn = self.log.withdrawn()
        for (model, version, digest), found in sorted(self.view.withdrawals.items()):
            if digest not in withdrawn and digest in self.logged:
                message = f"{model}:{version} was withdrawn, and the index does not say so"
                self._tell(LogFlaw.WITHDRAWAL, message, found.index)

    def _tell(self, kind: str, message: str, position: int | None = None, *, is_remark: bool = False) -> None:
        self.problems += not is_remark
        if len(self.findings) < IRREGULARITIES_KEPT_MAX:
            self.findings.append(LogFinding(str(kind), message, position, is_remark))


def _unrivalled(heads: Iterable[RecordHead], rows: Iterable[CheckpointRow]) -> list[RecordHead]:
    """``heads`` without those that hold the note of another which the database lists: anybody can make such a one."""
    heads, listed = list(heads), {row.record_sha256 for row in rows}
    notes = {head.note for head in heads if head.sha256 in listed}
    return [head for head in heads if head.sha256 in listed or head.note not in notes]


def _leaf(data: bytes) -> LogLeaf | None:
    try:
        return LogLeaf.parse(data)
    except DocumentError:
        return None


def _root(rows: Iterable[LeafRow]) -> bytes:
    frontier = Frontier()
    for row in rows:
        frontier, _ = frontier.append(leaf_hash(row.leaf))
    return frontier.root
