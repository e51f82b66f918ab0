"""What a witness decides: whether a log has only grown since it last looked.  Pure; whoever asks keeps the answer.

A witness in the hands of whoever holds the log's key detects nothing that this one wants hidden.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from modelreg.trust.checkpoint import Fork, Relation, SignedCheckpoint, is_consistent, relate


class Refusal(enum.StrEnum):
    """Why a checkpoint is not co-signed."""

    OTHER_LOG = "other-log"
    ROLLBACK = "rollback"
    """It is smaller than what was co-signed last: true perhaps, but not what the log is now."""
    FORK = "fork"
    """It has another root at the same size."""
    UNPROVEN = "unproven"
    """The proof does not show that it continues what was co-signed last."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Co-sign where ``refusal`` is ``None``; ``reason`` says it in a sentence.

    ``fork`` is the evidence to keep, where the two checkpoints are one.
    """

    reason: str
    refusal: Refusal | None = None
    fork: Fork | None = None


def decide(last: SignedCheckpoint | None, seen: SignedCheckpoint, proof: Sequence[bytes]) -> Answer:
    """Whether to co-sign ``seen``, with ``last`` the last that was (``None``: none yet) and ``proof`` from there.

    Before the cosignature is handed out ``seen`` must be kept as the new ``last``, in one step with the comparison:
    of two that decide at once, one would else be rolled back.
    """
    head = seen.checkpoint
    if last is None:
        return Answer(f"the first checkpoint of {head.origin} that this witness sees, of {head.size:,} entries")
    before = last.checkpoint
    if before.origin != head.origin:
        return Answer(f"a checkpoint of {head.origin}; this witness watches {before.origin}", Refusal.OTHER_LOG)
    match relate(before, head):
        case Relation.SAME:
            return Answer(f"still the {head.size:,} entries that were co-signed before")
        case Relation.OLDER:
            return Answer(f"{head.size:,} entries, where {before.size:,} were co-signed before", Refusal.ROLLBACK)
        case Relation.FORK:
            reason = f"two roots of {head.size:,} entries, both signed by {head.origin}"
            return Answer(reason, Refusal.FORK, Fork.of(last, seen))
        case Relation.NEWER:
            step = f"the {before.size:,} entries that were co-signed before to {head.size:,}"
            if is_consistent(before, head, proof):
                return Answer(f"the log grew from {step}")
            return Answer(f"no proof that the log grew from {step}", Refusal.UNPROVEN, Fork.of(last, seen, proof))
