"""A proof that an entry is in the log, in one file that needs nobody to be checked (c2sp.org/tlog-proof).

It holds the entry's leaf, its index, the hashes on its way up, and a checkpoint with whatever signatures it has.  The
format leaves room for data of an application for which nobody vouches: here that is the leaf, and the hashes do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from modelreg.errors import DocumentError
from modelreg.trust.base64_text import from_base64, to_base64
from modelreg.trust.checkpoint import SignedCheckpoint, open_checkpoint
from modelreg.trust.leaf import LEAF_SIZE_BYTES_MAX, LogLeaf
from modelreg.trust.merkle import (
    HASH_SIZE_BYTES,
    PROOF_LENGTH_MAX,
    SIZE_MAX,
    NodeReader,
    leaf_hash,
    prove_inclusion,
    verify_inclusion,
)
from modelreg.trust.note import NOTE_SIZE_BYTES_MAX, Note, VerifierKey

PROOF_TYPE = "c2sp.org/tlog-proof@v1"
PROOF_SIZE_BYTES_MAX = NOTE_SIZE_BYTES_MAX + 2 * LEAF_SIZE_BYTES_MAX
"""The note, the leaf in base64, and 53 hashes."""

_HEAD = re.compile(
    rf"{re.escape(PROOF_TYPE)}\nextra (?P<leaf>\S+)\nindex (?P<index>0|[1-9][0-9]{{0,15}})(?P<path>(?:\n\S+)*)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry that is proven to be in the log whose signed ``head`` this is."""

    leaf: LogLeaf
    index: int
    head: SignedCheckpoint


@dataclass(frozen=True, slots=True)
class LogProof:
    """A proof as it travels; nothing of it is checked before ``open_proof``.  Raises ``DocumentError``."""

    leaf: bytes
    index: int
    path: tuple[bytes, ...]
    note: Note

    def __post_init__(self) -> None:
        if not 0 <= self.index < SIZE_MAX or len(self.path) >= PROOF_LENGTH_MAX:
            raise DocumentError(f"{len(self.path)} hashes are no proof of entry {self.index} of a log")
        if any(len(hash_) != HASH_SIZE_BYTES for hash_ in self.path) or len(self.leaf) > LEAF_SIZE_BYTES_MAX:
            raise DocumentError("a proof of inclusion holds a leaf and hashes of 32 bytes")

    @classmethod
    def make(cls, nodes: NodeReader, leaf: LogLeaf, index: int, head: SignedCheckpoint) -> LogProof:
        """The proof that ``leaf`` is entry ``index`` under ``head``; raises ``DocumentError`` if there is none such."""
        return cls(leaf.to_bytes(), index, prove_inclusion(nodes, index, head.checkpoint.size), head.note)

    @classmethod
    def parse(cls, data: bytes) -> LogProof:
        """The proof that ``data`` is, exactly; raises ``DocumentError`` for anything else."""
        if len(data) > PROOF_SIZE_BYTES_MAX:
            raise DocumentError(f"the proof is {len(data):,} bytes long; at most {PROOF_SIZE_BYTES_MAX:,} are read")
        head, _, note = data.partition(b"\n\n")
        found = _HEAD.fullmatch(head.decode("utf-8", "replace"))
        if found is None:
            raise DocumentError(f"these {len(data):,} bytes are no {PROOF_TYPE} with a leaf")
        path = tuple(from_base64(line, "a hash of the proof") for line in found["path"].split("\n")[1:])
        proof = cls(from_base64(found["leaf"], "the leaf"), int(found["index"]), path, Note.parse(note))
        if proof.to_bytes() != data:
            raise DocumentError("the proof is not in the standard alphabet of base64")
        return proof

    def to_bytes(self) -> bytes:
        head = (PROOF_TYPE, f"extra {to_base64(self.leaf)}", f"index {self.index}", *map(to_base64, self.path))
        return "".join(f"{line}\n" for line in head).encode("ascii") + b"\n" + self.note.to_bytes()


def open_proof(
    data: bytes, payload_sha256: str, logs: Iterable[VerifierKey], witnesses: Iterable[VerifierKey] = ()
) -> Logged:
    """What ``data`` proves of the statement with this digest: that it is logged, where, and with whose signatures.

    Raises ``DocumentError`` for what is no proof, for a proof of another statement, for a checkpoint that none of
    ``logs`` signed, and for hashes that do not lead from the leaf to its root.
    """
    proof = LogProof.parse(data)
    leaf = LogLeaf.parse(proof.leaf)
    if leaf.payload_sha256 != payload_sha256:
        raise DocumentError(f"the proof is one of the {leaf.kind} {leaf.payload_sha256}, not of {payload_sha256[:64]}")
    head = open_checkpoint(proof.note.to_bytes(), logs, witnesses)
    checkpoint = head.checkpoint
    if not verify_inclusion(leaf_hash(proof.leaf), proof.index, checkpoint.size, proof.path, checkpoint.root):
        raise DocumentError(
            f"the proof does not show that the {leaf.kind} {leaf.payload_sha256} is entry {proof.index} of the "
            f"{checkpoint.size:,} of {checkpoint.origin}"
        )
    return Logged(leaf, proof.index, head)
