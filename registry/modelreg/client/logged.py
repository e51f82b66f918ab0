"""Where in the log a version stands, read from the database and proved to whoever has the log's public key.

``read_evidence`` believes nothing and decides nothing; ``proved`` needs nothing but what it is given.  A client that
remembers the newest checkpoint it has seen gives it to both: then the log must have grown from it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from modelreg.client.ledger import cosigned
from modelreg.db.records import Index
from modelreg.errors import DatabaseError, DocumentError
from modelreg.trust.checkpoint import Checkpoint, SignedCheckpoint, is_consistent
from modelreg.trust.note import VerifierKey
from modelreg.trust.proof import Logged, LogProof, open_proof


@dataclass(frozen=True, slots=True)
class LogEvidence:
    """What a database shows of a version in its log: proofs as they travel, one for each entry about it.

    ``growth`` is to connect the checkpoint that the client knows with the one of the proofs.  ``problem`` is why there
    is nothing to show.
    """

    proofs: tuple[bytes, ...] = field(default=(), repr=False)
    growth: tuple[bytes, ...] = field(default=(), repr=False)
    problem: str | None = None


def read_evidence(index: Index, digest: str, known: Checkpoint | None = None, quorum: int = 0) -> LogEvidence:
    """What the database shows of the version with that digest, as of the newest checkpoint.

    With a ``quorum``, as of the newest that so many witnesses have signed, as the database says.
    """
    try:
        with index.reading_log() as log:
            newest = log.newest_checkpoint(quorum)
            if newest is None:
                by = f"{quorum} of the witnesses have not" if quorum else "nobody has"
                return LogEvidence(problem=f"{by} signed the registry's log yet")
            rows = [row for row in log.about(digest) if row.position < newest.size]
            if not rows:
                by = f" that {quorum} of the witnesses have signed" if quorum else ""
                return LogEvidence(problem=f"no signed checkpoint of the registry's log{by} covers it")
            note = cosigned(log, newest)
            paths = [(row, log.inclusion(row.position, newest.size)) for row in rows]
            proofs = tuple(LogProof(row.leaf, row.position, path, note).to_bytes() for row, path in paths)
            if known is None:
                return LogEvidence(proofs)
            old, new = sorted((known.size, newest.size))
            return LogEvidence(proofs, log.consistency(old, new))
    except (DatabaseError, DocumentError) as error:
        return LogEvidence(problem=f"the registry's log is damaged: {error.message}")


def proved(
    evidence: LogEvidence,
    digest: str,
    logs: Iterable[VerifierKey],
    *,
    witnesses: Collection[VerifierKey] = (),
    quorum: int = 0,
    known: SignedCheckpoint | None = None,
) -> tuple[Logged, ...]:
    """The places in the log that ``evidence`` proves of the manifest ``digest``, in order; none where it has none.

    ``quorum`` of ``witnesses`` must have signed the checkpoint.  Raises ``DocumentError`` for a proof or a checkpoint
    that does not verify, and for one that the log cannot have grown to from ``known``.  Pure.
    """
    keys = tuple(logs)
    found = sorted((open_proof(proof, digest, keys, witnesses) for proof in evidence.proofs), key=lambda one: one.index)
    for one in found:  # each has a checkpoint of its own to show
        checkpoint = one.head.checkpoint
        if len(one.head.witnesses) < quorum:
            raise DocumentError(
                f"the checkpoint of {checkpoint.size:,} entries is signed by {len(one.head.witnesses)} of the "
                f"witnesses, {quorum} are asked for"
            )
        if known is not None and not is_consistent(known.checkpoint, checkpoint, evidence.growth):
            raise DocumentError(
                f"the log of {checkpoint.size:,} entries is not shown to be one with the log of "
                f"{known.checkpoint.size:,} entries that was seen before"
            )
    return tuple(found)
