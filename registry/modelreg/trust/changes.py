"""What a trust store says, sentence by sentence, and so what another one says instead.

Pure.  Every field of the document is in some sentence, so that two documents without a difference here are one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from modelreg.trust.trust_store import TrustStore


@dataclass(frozen=True, slots=True)
class Change:
    """A sentence that a document says and the one before did not (``is_new``), or says no longer."""

    is_new: bool
    sentence: str

    def __str__(self) -> str:
        return f"{'+' if self.is_new else '-'} {self.sentence}"


def changes(before: TrustStore | None, after: TrustStore) -> tuple[Change, ...]:
    """What ``after`` says otherwise than ``before``, but for the version; ``None`` says nothing."""
    old = [] if before is None else list(sentences(before))
    new = list(sentences(after))
    gone = [Change(False, sentence) for sentence in old if sentence not in new]
    return (*gone, *(Change(True, sentence) for sentence in new if sentence not in old))


def sentences(store: TrustStore) -> Iterator[str]:
    """Everything that the document says, but for its version."""
    yield f"mode {store.mode}"
    yield f"expires at {store.expires_at}"
    yield f"root: {store.root.threshold} of {_labels(store, store.root.keys)}"
    for key in sorted(store.keys, key=lambda key: key.name):
        yield f"key {key.name}: {key.public.algorithm} {key.id}"
    for role in store.roles:
        end = "on" if role.until_index is None else f"to {role.until_index - 1}"
        signers = f"{role.threshold} of {_labels(store, role.keys)}"
        yield f"role {role.pattern}: {signers}, from log index {role.from_index} {end}"
    for item in store.revocations:
        since = "compromised" if item.from_index is None else f"revoked from log index {item.from_index} on"
        yield f"key {store.label(item.key)} {since}: {item.reason}"
    for registry in store.registries:
        yield f"registry {registry.id}" + (f" with the log {registry.log}" if registry.log else "")
    for witness in store.witnesses.keys:
        yield f"witness {witness}"
    if store.witnesses.quorum:
        yield f"{store.witnesses.quorum} of {len(store.witnesses.keys)} witnesses are needed"


def _labels(store: TrustStore, keys: tuple[str, ...]) -> str:
    return ", ".join(sorted(map(store.label, keys)))
