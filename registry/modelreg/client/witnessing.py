"""A witness of the log: co-signs the newest checkpoint if the log has only grown since he last did, and keeps that.

A witness is worth something where whoever runs the registry cannot reach: another team's machine, a CI job with a
secret of its own.  What he has co-signed lies beside the settings of whoever runs him.

Invariants: what he co-signed is durable before the cosignature leaves; two that run at once decide one after the other;
what contradicts is kept as evidence and never co-signed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from modelreg.client.ledger import cosigned
from modelreg.client.memory import Memory
from modelreg.config import user_configuration
from modelreg.db.records import Index
from modelreg.errors import DocumentError, NotFoundError, UntrustedError
from modelreg.trust.checkpoint import SignedCheckpoint, open_checkpoint
from modelreg.trust.note import NoteSigner, SignatureType, VerifierKey
from modelreg.trust.witness import decide

FOLDER_NAME = "witness"


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A checkpoint that was co-signed: the whole note, and the vkey by which others know the witness.

    ``reason`` says what was found of the log; with ``dry_run`` nothing was signed.
    """

    origin: str
    size: int
    root: str
    note: bytes
    key: str
    reason: str
    dry_run: bool = False


def witness_memory(signer: NoteSigner, folder: Path | None = None) -> Memory:
    """What the witness with that key has co-signed."""
    beside = user_configuration() / FOLDER_NAME if folder is None else folder
    return Memory(beside / signer.signer.public.id[:32])


def witness(
    index: Index, origin: str, keys: Sequence[VerifierKey], signer: NoteSigner, memory: Memory, *, dry_run: bool = False
) -> Witnessed:
    """Co-sign the newest checkpoint of the log ``origin``, which one of ``keys`` must have signed.

    Raises ``NotFoundError`` for a log without a checkpoint, ``UntrustedError`` for one that its key did not sign or
    that did not grow from what was co-signed before, ``PlacementError`` where nothing can be kept.
    """
    with memory.alone():
        with index.reading_log() as log:
            row = log.newest_checkpoint()
            if row is None:
                raise NotFoundError("the log has no signed checkpoint yet", hint="modelreg log checkpoint")
            seen = _opened(cosigned(log, row).to_bytes(), keys, origin)
            last = _last(memory, origin, keys)
            size = last.checkpoint.size if last else 0
            grows = 0 < size <= seen.checkpoint.size
            proof = log.consistency(size, seen.checkpoint.size) if grows else ()
        answer = decide(last, seen, proof)
        if answer.refusal is not None:
            kept = f"; both notes are kept in {memory.keep_evidence(answer.fork)}" if answer.fork else ""
            raise UntrustedError(
                f"the checkpoint was not co-signed: {answer.reason}{kept}", hint="ask whoever runs the registry"
            )
        told = (origin, seen.checkpoint.size, seen.checkpoint.root.hex())
        vkey = str(signer.key(SignatureType.COSIGNATURE))
        if dry_run:
            return Witnessed(*told, seen.note.to_bytes(), vkey, answer.reason, dry_run=True)
        memory.put(origin, seen.note.to_bytes())
    line = signer.cosign(seen.note.text, int(time.time()))
    note = seen.note.with_signature(line)
    with index.transaction() as transaction:
        transaction.log.lock()
        transaction.log.add_cosignature(seen.checkpoint.size, signer.signer.public.id, str(line).encode())
    return Witnessed(*told, note.to_bytes(), vkey, answer.reason)


def _opened(note: bytes, keys: Sequence[VerifierKey], origin: str) -> SignedCheckpoint:
    try:
        found = open_checkpoint(note, keys)
    except DocumentError as error:
        raise UntrustedError(f"the checkpoint was not co-signed: {error.message}") from None
    if found.checkpoint.origin != origin:
        raise UntrustedError(f"the checkpoint is of the log {found.checkpoint.origin[:80]!r}, and this is {origin}")
    return found


def _last(memory: Memory, origin: str, keys: Sequence[VerifierKey]) -> SignedCheckpoint | None:
    """What was co-signed last; raises ``UntrustedError`` where that is damaged, for it must not be forgotten."""
    try:
        kept = memory.recall(origin)
        return None if kept is None else open_checkpoint(kept.note, keys)
    except DocumentError as error:
        raise UntrustedError(
            f"what was co-signed before cannot be used: {error.message}",
            hint=f"put {memory.path(origin)} back from a backup; a witness that forgets vouches for nothing",
        ) from None
