"""Checkpoints of the log: its head signed, and the entries since the one before kept in the store as a record.

A head is signed after the commit of the entries that it covers, in a transaction of its own.  Signed within the
transaction that appends, a push that died between signature and commit would leave a signed head of a log that never
was, and the next one another of the same size: a fork, which convicts whoever runs the log.

Invariants: only entries that were committed are signed; a head is signed only if the tables lead from the checkpoint
before to it; the record is in the store before the row that names it, under a lease.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelreg.client.claim import Claim
from modelreg.client.results import LogHead
from modelreg.db.leases import Leases
from modelreg.db.log import CheckpointRow, LogTables
from modelreg.db.records import Index
from modelreg.db.transaction import Transaction
from modelreg.digest import sha256_hex
from modelreg.errors import ConflictError, DatabaseError, DocumentError
from modelreg.store.base import Store
from modelreg.trust.checkpoint import Checkpoint, open_checkpoint
from modelreg.trust.merkle import leaf_hash
from modelreg.trust.note import Note, NoteSignature, SignatureType
from modelreg.trust.record import LEAVES_MAX, LogRecord

if TYPE_CHECKING:
    from modelreg.trust.note import NoteSigner


def head_of(row: CheckpointRow, log: LogTables | None = None) -> LogHead:
    """What a row tells of a checkpoint, with its cosignatures in ``log``; raises ``DocumentError`` for no note."""
    note = Note.parse(row.note) if log is None else cosigned(log, row)
    checkpoint = Checkpoint.parse(note.text)
    told = (checkpoint.origin, checkpoint.size, checkpoint.root.hex(), note.to_bytes().decode())
    return LogHead(*told, row.record_sha256)


@dataclass(frozen=True, slots=True)
class Covering:
    """Everything that signing the head of a registry's log takes."""

    store: Store
    index: Index
    leases: Leases
    user: str
    signer: NoteSigner
    new_key: bool = False

    def head(self) -> LogHead | None:
        """The checkpoint that would be signed now; ``None`` for a log without entries."""
        with self.index.reading_log() as log:
            size = log.agreed_size()
            if size == 0:
                return None
            _, root = self._grown(log, log.newest_checkpoint(), size)
        note = Checkpoint(self.signer.name, size, root).sign(self.signer).to_bytes()
        return LogHead(self.signer.name, size, root.hex(), note.decode(), None)

    def cover(self) -> LogHead | None:
        """Sign the head, and keep record and checkpoint; ``None`` for a log without entries.

        Raises ``ConflictError`` where another key signed before, ``DatabaseError`` for damaged tables.
        """
        while True:
            with self.index.reading_log() as log:
                newest, size = log.newest_checkpoint(), log.agreed_size()
                start = newest.size if newest else 0
                if start == size:
                    return None if newest is None else head_of(newest, log)
                end = min(size, start + LEAVES_MAX)  # of a long backlog the first part
                leaves, root = self._grown(log, newest, end)
            note = Checkpoint(self.signer.name, end, root).sign(self.signer).to_bytes()
            previous = newest.record_sha256 if newest else None
            kept = self._keep(LogRecord.make(self.signer.name, start, leaves, note, previous))
            if kept is not None and end == size:
                return head_of(kept)

    def _keep(self, record: LogRecord) -> CheckpointRow | None:
        """Put the record into the store, and its checkpoint beside it; ``None`` if somebody covered that meanwhile."""
        data = record.to_bytes()
        row = CheckpointRow(record.end, record.note_bytes, sha256_hex(data))

        def write(transaction: Transaction) -> CheckpointRow | None:
            transaction.log.lock()
            newest = transaction.log.newest_checkpoint()
            if (newest.record_sha256 if newest else None) != record.previous:
                return None
            transaction.log.add_checkpoint(row)
            return row

        with Claim(self.index, self.leases, self.store, self.user, "log checkpoint", {row.record_sha256}) as claimed:
            claimed.published(self.store.put(data, owner=claimed.owner))
            return claimed.commit(write, lambda _: None)  # a row that is there is not written again

    def _grown(self, log: LogTables, newest: CheckpointRow | None, end: int) -> tuple[list[bytes], bytes]:
        """The entries since the ``newest`` checkpoint up to ``end``, and the root with them.

        What is signed must be what was signed before, with these entries behind it, and what the tree's nodes say.
        """
        start = newest.size if newest else 0
        frontier = log.frontier(start)
        if newest is not None and self._signed_before(newest) != frontier.root:
            raise _damaged(f"the tree's first {start:,} entries are not those of their signed checkpoint")
        leaves = []
        for row in log.leaves(start, end):
            if row.position != frontier.size:
                break
            frontier, _ = frontier.append(leaf_hash(row.leaf))
            leaves.append(row.leaf)
        if frontier != log.frontier(end):
            raise _damaged(f"the entries from {start:,} to {end - 1:,} are not those of the tree")
        return leaves, frontier.root

    def _signed_before(self, newest: CheckpointRow) -> bytes:
        """The root of the newest checkpoint; raises ``ConflictError`` unless this key signed it, or may be new."""
        try:
            if self.new_key:
                return Checkpoint.parse(Note.parse(newest.note).text).root
            key = self.signer.key(SignatureType.ED25519)
            return open_checkpoint(newest.note, [key]).checkpoint.root
        except DocumentError as error:
            raise ConflictError(
                f"the checkpoint of {newest.size:,} entries is not signed by the log's key that is named here: "
                f"{error.message}",
                hint="MODELREG_LOG_KEY must name the key that signed it; modelreg log checkpoint --new-key goes on "
                "with another, which every client must be told",
            ) from None


def cosigned(log: LogTables, row: CheckpointRow) -> Note:
    """The note of a checkpoint with what witnesses put under it; a line that is none is left out.

    Raises ``DocumentError`` for a note that is none.
    """
    note = Note.parse(row.note)
    for line in log.cosignatures(row.size):
        with contextlib.suppress(DocumentError, UnicodeDecodeError):
            note = note.with_signature(NoteSignature.parse(line.decode()))
    return note


def record_of(log: LogTables, row: CheckpointRow) -> bytes:
    """The record of a checkpoint, made again from the tables; raises ``DocumentError`` where they hold none such."""
    before = log.checkpoint_before(row.size)
    start = before.size if before else 0
    if row.size - start > LEAVES_MAX:
        raise DocumentError(f"no record holds the entries from {start:,} to {row.size:,}")
    leaves = [leaf.leaf for leaf in log.leaves(start, row.size)]
    origin = Checkpoint.parse(Note.parse(row.note).text).origin
    return LogRecord.make(origin, start, leaves, row.note, before.record_sha256 if before else None).to_bytes()


def _damaged(how: str) -> DatabaseError:
    return DatabaseError(
        f"no checkpoint was signed: {how}; somebody changed the database by hand",
        hint="modelreg log audit tells what; modelreg db rebuild, into an empty database, restores it from the store",
    )
