"""The log brought back from its records in the store: found, chained, held against their signed roots, and written.

The signature that counts is the one over the last checkpoint: its root is over every entry before it.  What no record
covers is appended anew, since nobody ever saw it under a signed checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from modelreg.client.care import Loss, LossKind
from modelreg.client.records import FoundRecord, read_record
from modelreg.db.log import CheckpointRow, LogTables
from modelreg.errors import DocumentError
from modelreg.store.base import Store
from modelreg.trust.checkpoint import open_checkpoint
from modelreg.trust.leaf import LogLeaf
from modelreg.trust.merkle import Frontier, leaf_hash
from modelreg.trust.note import VerifierKey
from modelreg.trust.record import RecordHead, longest_chain

UNREADABLE_PAYLOAD = "0" * 64
"""By what the entry is found that this modelreg cannot read; the tree has its bytes all the same."""


@dataclass(frozen=True, slots=True)
class FoundLog:
    """What the store has of the log ``origin``: ``chain`` leads from entry 0 to a signed head, root by root.

    ``is_verified`` if a key that is known signed that head; ``payloads`` are what the entries are about.
    """

    origin: str
    chain: tuple[RecordHead, ...] = ()
    is_verified: bool = False
    payloads: frozenset[str] = field(default=frozenset(), repr=False)
    losses: tuple[Loss, ...] = ()

    @property
    def entries(self) -> int:
        return self.chain[-1].size if self.chain else 0

    def restore(self, log: LogTables, store: Store) -> None:
        """Write entries, nodes and checkpoints into empty tables."""
        log.append_bytes(_with_payloads(store, self.chain))
        for head in self.chain:
            log.add_checkpoint(CheckpointRow(head.size, head.note, head.sha256))


def find_log(store: Store, found: Iterable[FoundRecord], origin: str, keys: Sequence[VerifierKey]) -> FoundLog:
    """The log ``origin`` as far as records lead to a head that one of ``keys`` signed, or any head if there is no key.

    ``found`` are the records of ``store``.  Raises ``StoreError`` where one cannot be read any more.
    """
    found = tuple(found)
    losses = [_bad(one.sha256, one.reason) for one in found if one.head is None]
    heads = [one.head for one in found if one.head is not None and one.head.checkpoint.origin == origin]
    signed = [head for head in heads if _is_signed(head, keys)] if keys else heads
    if heads and not signed:
        losses.append(_unsigned(len(heads)))
    ends = frozenset(head.sha256 for head in signed)
    read = _read(store, longest_chain(heads, origin, ends))
    while read.wrong is not None:  # anybody who writes to the store can put one beside the right one
        wrong = read.wrong.sha256
        losses.append(_bad(wrong, "the root of its checkpoint is not that of the entries up to it"))
        heads, signed = ([head for head in some if head.sha256 != wrong] for some in (heads, signed))
        read = _read(store, longest_chain(heads, origin, ends))
    reached = read.chain[-1].size if read.chain else 0
    losses += [_unconnected(head) for head in signed if head.size > reached]
    losses += [
        _forked(head)
        for head in signed
        if head.size <= reached and read.roots.get(head.size, head.checkpoint.root) != head.checkpoint.root
    ]
    return FoundLog(origin, read.chain, bool(keys) and bool(read.chain), frozenset(read.payloads), tuple(losses))


@dataclass(slots=True)
class _Read:
    """A chain of records read to its end, or to one whose entries do not have the root that its checkpoint says."""

    chain: tuple[RecordHead, ...]
    roots: dict[int, bytes] = field(default_factory=dict)
    payloads: set[str] = field(default_factory=set)
    wrong: RecordHead | None = None


def _read(store: Store, chain: tuple[RecordHead, ...]) -> _Read:
    read, frontier = _Read(chain), Frontier()
    for head in chain:
        for leaf in read_record(store, head.sha256).entries:
            frontier, _ = frontier.append(leaf_hash(leaf))
            read.roots[frontier.size] = frontier.root
            read.payloads.add(_payload(leaf))
        if frontier.root != head.checkpoint.root:
            read.wrong = head
            break
    return read


def _is_signed(head: RecordHead, keys: Sequence[VerifierKey]) -> bool:
    try:
        return open_checkpoint(head.note, keys).checkpoint == head.checkpoint
    except DocumentError:
        return False


def _with_payloads(store: Store, chain: Iterable[RecordHead]) -> Iterator[tuple[bytes, str]]:
    for head in chain:
        for leaf in read_record(store, head.sha256).entries:
            yield leaf, _payload(leaf)


def _payload(leaf: bytes) -> str:
    try:
        return LogLeaf.parse(leaf).payload_sha256
    except DocumentError:
        return UNREADABLE_PAYLOAD


def _bad(sha256: str, reason: str) -> Loss:
    what = f"blob sha256:{sha256} looks like a record of the log and cannot be used: {reason}"
    fix = "put the blob back from another store, then modelreg db rebuild into an empty database"
    return Loss(LossKind.BAD_RECORD, what, fix=fix)


def _unsigned(count: int) -> Loss:
    what = f"none of the log's {count:,} records is signed by a key that is known here, so none was taken"
    fix = "name the key that signed them: MODELREG_LOG_KEY, or a trust store that names the log"
    return Loss(LossKind.BAD_RECORD, what, fix=fix)


def _unconnected(head: RecordHead) -> Loss:
    entries = f"entries {head.start:,} to {head.size - 1:,}"
    what = f"the record sha256:{head.sha256} of {entries} follows on none that is there"
    fix = "put the record before it back from another store, then modelreg db rebuild into an empty database"
    return Loss(LossKind.BAD_RECORD, what, fix=fix)


def _forked(head: RecordHead) -> Loss:
    what = f"the record sha256:{head.sha256} has another signed root of {head.size:,} entries than the log taken"
    return Loss(LossKind.CONFLICT, what, fix="keep both records as evidence: whoever has the log's key signed two logs")
