"""Checkpoints: the signed head of a log (c2sp.org/tlog-checkpoint), and what two of them say of each other.

Invariants:

* a ``SignedCheckpoint`` exists only where the log's key signed it under the log's own name;
* two roots of one size, or a root that is no prefix of another, end as a ``Fork``, which keeps both notes as they
  came: whoever has the log's public key can see for himself.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from modelreg.errors import DocumentError
from modelreg.records import canonical_json, from_json, json_key, parse_json, to_json
from modelreg.trust.base64_text import from_base64, to_base64
from modelreg.trust.merkle import EMPTY_ROOT, HASH_SIZE_BYTES, PROOF_LENGTH_MAX, SIZE_MAX, verify_consistency
from modelreg.trust.note import NOTE_SIZE_BYTES_MAX, Note, NoteSigner, VerifiedSignature, VerifierKey

CHECKPOINT_SIZE_BYTES_MAX = 4096
"""Of the text; ours have about 100 bytes."""
FORK_TYPE = "urn:modelreg:fork:v1"
FORK_SIZE_BYTES_MAX = 3 * NOTE_SIZE_BYTES_MAX
"""Two notes in base64, and the proof."""

_SIZE = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f]")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of the log ``origin`` at ``size`` entries.  Raises ``DocumentError``.

    ``extensions`` are kept, since the log signed them, and mean nothing here; we write none.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for line in (self.origin, *self.extensions):
            if not line or _CONTROL.search(line):
                raise DocumentError(f"{line[:80]!r} is no line of a checkpoint: not empty, without control characters")
        if not 0 <= self.size <= SIZE_MAX:
            raise DocumentError(f"a log cannot have {self.size} entries: 0 to {SIZE_MAX:,}")
        if len(self.root) != HASH_SIZE_BYTES or (self.size == 0 and self.root != EMPTY_ROOT):
            raise DocumentError(f"{self.root[:40].hex()!r} is no root of {self.size:,} entries")
        if len(self.text.encode("utf-8", "replace")) > CHECKPOINT_SIZE_BYTES_MAX:
            raise DocumentError(f"a checkpoint's text has at most {CHECKPOINT_SIZE_BYTES_MAX:,} bytes")

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """The checkpoint that a note's ``text`` is, exactly; raises ``DocumentError`` for anything else."""
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1]:
            raise DocumentError(f"the text of {len(lines) - 1} lines is no checkpoint: origin, size, root hash")
        origin, size, root, *extensions = lines[:-1]
        if not _SIZE.fullmatch(size):
            raise DocumentError(f"{size[:80]!r} is no size of a log")
        found = cls(origin, int(size), from_base64(root, "the root hash"), tuple(extensions))
        if found.text != text:
            raise DocumentError("the root hash is not in the standard alphabet of base64")
        return found

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in (self.origin, self.size, to_base64(self.root), *self.extensions))

    def sign(self, signer: NoteSigner) -> Note:
        """The note that the log puts out; raises ``DocumentError`` for a signer of another name than the origin."""
        if signer.name != self.origin:
            raise DocumentError(f"the key of {signer.name!r} cannot sign checkpoints of {self.origin!r}")
        return signer.sign(self.text)


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint that its log signed; made by ``open_checkpoint``.

    ``cosignatures`` are those that verified, of the witnesses that were named.
    """

    checkpoint: Checkpoint
    note: Note
    cosignatures: tuple[VerifiedSignature, ...] = ()

    @property
    def witnesses(self) -> frozenset[str]:
        """The ids of the distinct keys that co-signed: a quorum counts keys, not lines or names."""
        return frozenset(signature.key.public.id for signature in self.cosignatures)


def open_checkpoint(
    data: bytes, logs: Iterable[VerifierKey], witnesses: Iterable[VerifierKey] = ()
) -> SignedCheckpoint:
    """The checkpoint in a note, if one of ``logs`` signed it as its own; ``witnesses`` may have, and are told.

    Raises ``DocumentError`` for bytes that are no signed checkpoint, for one that no key of ``logs`` signed whose name
    is the checkpoint's origin, and for a signature of a key given here that does not verify.
    """
    note = Note.parse(data)
    signed_by = note.verified(logs)
    cosigned_by = note.verified(witnesses)
    checkpoint = Checkpoint.parse(note.text)
    if not any(one.timestamp is None and one.key.name == checkpoint.origin for one in signed_by):
        raise DocumentError(f"the checkpoint of {checkpoint.origin[:80]!r} is not signed by a log that is trusted here")
    return SignedCheckpoint(checkpoint, note, tuple(one for one in cosigned_by if one.timestamp is not None))


class Relation(enum.StrEnum):
    """What sizes and roots alone say of a checkpoint beside the one that is known."""

    SAME = "same"
    OLDER = "older"
    """Smaller: genuine or not, a consistency proof decides."""
    NEWER = "newer"
    """Larger: genuine or not, a consistency proof decides."""
    FORK = "fork"
    """Two roots of one size, both signed: the log has lied to somebody."""


def relate(known: Checkpoint, seen: Checkpoint) -> Relation:
    """What ``seen`` is beside ``known``; raises ``DocumentError`` for checkpoints of two logs."""
    if known.origin != seen.origin:
        raise DocumentError(f"a checkpoint of {seen.origin[:80]!r} says nothing of the log {known.origin[:80]!r}")
    if seen.size != known.size:
        return Relation.NEWER if seen.size > known.size else Relation.OLDER
    return Relation.SAME if seen.root == known.root else Relation.FORK


def is_consistent(known: Checkpoint, seen: Checkpoint, proof: Sequence[bytes]) -> bool:
    """Whether ``proof`` shows that one of the two, whichever is smaller, is the beginning of the other."""
    if known.origin != seen.origin:
        return False
    old, new = sorted((known, seen), key=lambda checkpoint: checkpoint.size)
    return verify_consistency(old.size, old.root, new.size, new.root, proof)


@dataclass(frozen=True, slots=True)
class Fork:
    """Evidence: two notes of one log of which no history can hold both, or of which nobody could show one that does.

    ``known`` is the one that was trusted before.  Both are the notes as they came, in base64, since a text in JSON
    would be normalised and its signatures lost; ``proof`` are the hashes in hex that were offered to connect them.
    """

    known: str
    seen: str
    proof: tuple[str, ...] = ()
    type: str = field(default=FORK_TYPE, metadata=json_key("_type"))

    def __post_init__(self) -> None:
        if self.type != FORK_TYPE:
            raise DocumentError(f"{self.type[:80]!r} is no evidence of a fork: {FORK_TYPE}")
        _ = self.notes

    @classmethod
    def of(cls, known: SignedCheckpoint, seen: SignedCheckpoint, proof: Sequence[bytes] = ()) -> Fork:
        """The evidence that two checkpoints are; of a proof that is too long to be one its beginning."""
        offered = tuple(hash_[:HASH_SIZE_BYTES].hex() for hash_ in proof[:PROOF_LENGTH_MAX])
        return cls(to_base64(known.note.to_bytes()), to_base64(seen.note.to_bytes()), offered)

    @classmethod
    def parse(cls, data: bytes) -> Fork:
        """Evidence as it was kept; raises ``DocumentError``."""
        what = "the evidence of a fork"
        return from_json(cls, parse_json(data, what=what, size_bytes_max=FORK_SIZE_BYTES_MAX), what=what)

    def to_bytes(self) -> bytes:
        return canonical_json(to_json(self))

    @property
    def notes(self) -> tuple[Note, Note]:
        """The known and the seen note."""
        return Note.parse(from_base64(self.known, "the known note")), Note.parse(
            from_base64(self.seen, "the seen note")
        )

    def is_proven(self, logs: Iterable[VerifierKey]) -> bool:
        """Whether the two notes alone convict the log: both signed, of one size, with two roots.

        Raises ``DocumentError`` for a note that no key of ``logs`` signed, and for those of two logs.
        """
        keys = tuple(logs)
        known, seen = (open_checkpoint(note.to_bytes(), keys).checkpoint for note in self.notes)
        return relate(known, seen) is Relation.FORK
