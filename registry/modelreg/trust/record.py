"""Records of the log: what a store keeps of it, so that the store alone can bring the log back.

A record holds the exact bytes of the entries since the record before, the signed checkpoint of the size that they lead
to, and the digest of the record before.  It is canonical JSON, kept like a manifest under its own digest.

Invariants: a record holds 1 to ``LEAVES_MAX`` entries and the checkpoint of exactly its end; only the first, from entry
0 on, has none before it.  Who signed the checkpoint, and whether its root is that of the entries, others find out.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from modelreg.digest import is_sha256, sha256_hex
from modelreg.errors import DocumentError
from modelreg.records import canonical_json, from_json, json_key, parse_json, to_json
from modelreg.trust.base64_text import from_base64, to_base64
from modelreg.trust.checkpoint import Checkpoint
from modelreg.trust.leaf import LEAF_SIZE_BYTES_MAX
from modelreg.trust.merkle import SIZE_MAX
from modelreg.trust.note import NOTE_SIZE_BYTES_MAX, Note

RECORD_TYPE = "urn:modelreg:log-record:v1"
BEGINNING = b'{"_type":"' + RECORD_TYPE.encode() + b'","from":'
"""How every record begins, since its keys are sorted."""
LEAVES_MAX = 1000
RECORD_SIZE_BYTES_MAX = 2 * LEAVES_MAX * LEAF_SIZE_BYTES_MAX + 2 * NOTE_SIZE_BYTES_MAX
"""Entries and note in base64; ours have about 300 bytes an entry."""


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One record.  Raises ``DocumentError``."""

    origin: str
    start: int = field(metadata=json_key("from"))
    leaves: tuple[str, ...] = field(repr=False)
    note: str = field(repr=False)
    previous: str | None
    type: str = field(default=RECORD_TYPE, metadata=json_key("_type"))

    def __post_init__(self) -> None:
        if self.type != RECORD_TYPE:
            raise DocumentError(f"{self.type[:80]!r} is no record of a log: {RECORD_TYPE}")
        if not 1 <= len(self.leaves) <= LEAVES_MAX or not 0 <= self.start <= SIZE_MAX - LEAVES_MAX:
            raise DocumentError(f"a record holds 1 to {LEAVES_MAX:,} entries, not {len(self.leaves):,}")
        if not (self.previous is None if self.start == 0 else self.previous is not None and is_sha256(self.previous)):
            raise DocumentError(f"a record from entry {self.start:,} on cannot follow {str(self.previous)[:80]!r}")
        checkpoint = self.checkpoint
        if (checkpoint.origin, checkpoint.size) != (self.origin, self.end):
            raise DocumentError(
                f"a record of {self.origin[:80]!r} up to entry {self.end:,} holds the checkpoint of "
                f"{checkpoint.origin[:80]!r} at {checkpoint.size:,}"
            )

    @classmethod
    def make(cls, origin: str, start: int, leaves: Iterable[bytes], note: bytes, previous: str | None) -> LogRecord:
        """The record of ``leaves``, the entries from ``start`` on, under the checkpoint in ``note``."""
        return cls(origin, start, tuple(map(to_base64, leaves)), to_base64(note), previous)

    @classmethod
    def parse(cls, data: bytes) -> LogRecord:
        """Parse the bytes of a record; raises ``DocumentError`` also where they are not its one form."""
        what = "the log record"
        value = parse_json(data, what=what, size_bytes_max=RECORD_SIZE_BYTES_MAX)
        record = from_json(cls, value, what=what)
        if record.to_bytes() != data:
            raise DocumentError(
                "the log record is not in its one form, or says something that this modelreg does not understand",
                hint="upgrade modelreg",
            )
        return record

    def to_bytes(self) -> bytes:
        return canonical_json(to_json(self))

    @property
    def end(self) -> int:
        """How many entries the log has with those of this record."""
        return self.start + len(self.leaves)

    @property
    def entries(self) -> tuple[bytes, ...]:
        """The exact bytes of the entries; raises ``DocumentError``."""
        found = tuple(from_base64(leaf, "an entry of the log record") for leaf in self.leaves)
        if any(len(leaf) > LEAF_SIZE_BYTES_MAX for leaf in found):
            raise DocumentError(f"an entry of the log record has more than {LEAF_SIZE_BYTES_MAX:,} bytes")
        return found

    @property
    def note_bytes(self) -> bytes:
        """The signed checkpoint; raises ``DocumentError``."""
        return from_base64(self.note, "the note of the log record")

    @property
    def checkpoint(self) -> Checkpoint:
        """What the note says, whoever signed it; raises ``DocumentError``."""
        return Checkpoint.parse(Note.parse(self.note_bytes).text)


@dataclass(frozen=True, slots=True)
class RecordHead:
    """All of a record but its entries: where it lies, where it belongs, and the checkpoint at its end."""

    sha256: str
    start: int
    previous: str | None
    checkpoint: Checkpoint
    note: bytes = field(repr=False)

    @classmethod
    def of(cls, record: LogRecord, data: bytes) -> RecordHead:
        """The head of ``record``, whose bytes are ``data``."""
        return cls(sha256_hex(data), record.start, record.previous, record.checkpoint, record.note_bytes)

    @property
    def size(self) -> int:
        return self.checkpoint.size


def follows(head: RecordHead, known: Mapping[str, RecordHead]) -> bool:
    """Whether ``head`` is a first record, or goes on where the one that it names, of ``known``, ends."""
    if head.previous is None:
        return True
    before = known.get(head.previous)
    return before is not None and (before.size, before.checkpoint.origin) == (head.start, head.checkpoint.origin)


def longest_chain(
    heads: Sequence[RecordHead], origin: str, ends: Container[str] | None = None
) -> tuple[RecordHead, ...]:
    """The records of the log ``origin`` that lead without a gap from entry 0 to the largest size, first record first.

    ``ends`` are the digests of those that may be the last.  Of two that reach as far the one with the smaller digest is
    taken.
    """
    whole: dict[str, RecordHead] = {}
    for head in sorted(heads, key=lambda head: (head.start, head.sha256)):
        if head.checkpoint.origin == origin and follows(head, whole):
            whole[head.sha256] = head
    last = [head for head in whole.values() if ends is None or head.sha256 in ends]
    place = min(last, key=lambda head: (-head.size, head.sha256), default=None)
    chain: list[RecordHead] = []
    while place is not None:
        chain.append(place)
        place = whole[place.previous] if place.previous is not None else None
    return tuple(reversed(chain))
