"""When a trust store may follow another: thresholds, versions, time, and the first one by a pin.

The rule is that of TUF's root role (specification 1.0, 5.3): the next document must be signed by a threshold of the
roots that are trusted now and by a threshold of its own, and where the roots change it must be exactly the next
version, so that every rotation is followed step by step.  Documents with the same roots may be skipped, as TUF's other
metadata may (5.4), for whoever signs the newest of them could have signed them all.  A lower version, or another
document under the same version, is a rollback.  An expired one is a freeze; only the last of a chain must be fresh
(5.3.10).

A root threshold that is stolen can push the version to its end (fast-forward).  What helps is what helps against a
stolen root anyway: pin new roots by hand, which asks for no version.

Signatures are checked before the document is parsed, wherever keys are known that must have made them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from modelreg.errors import (
    DocumentError,
    TrustExpiredError,
    TrustGapError,
    TrustPinError,
    TrustRollbackError,
    TrustThresholdError,
    UsageError,
)
from modelreg.manifest import check_timestamp
from modelreg.trust.dsse import Envelope, Signature, sign, valid_signers
from modelreg.trust.signer import Signer
from modelreg.trust.trust_store import PAYLOAD_TYPE, SIZE_BYTES_MAX, TrustStore

CHAIN_MAX = 1_000
"""How many documents one call follows; TUF's clients stop at 2**10 root versions too."""
_ENVELOPE_SIZE_BYTES_MAX = 2 * SIZE_BYTES_MAX


@dataclass(frozen=True, slots=True)
class Lacking:
    """Signatures that an envelope has not: ``threshold`` root keys of ``version`` are needed, and ``signed`` did.

    ``others`` are those that still can.  Both are ids of keys, sorted.
    """

    version: int
    threshold: int
    signed: tuple[str, ...]
    others: tuple[str, ...]


def accept(current: TrustStore, candidate: bytes, now: str) -> TrustStore:
    """The document in the envelope ``candidate``, if it may take the place of ``current`` at the time ``now``.

    The same document again is taken again.  Raises ``DocumentError``, ``TrustThresholdError``, ``TrustRollbackError``,
    ``TrustGapError`` or ``TrustExpiredError``.
    """
    return accept_chain(current, (candidate,), now)


def accept_chain(current: TrustStore, candidates: Iterable[bytes], now: str) -> TrustStore:
    """The last of ``candidates``, each of which must be acceptable after the one before; raises as ``accept`` does.

    All but the last may have expired.
    """
    check_timestamp(now)
    for count, candidate in enumerate(candidates, start=1):
        if count > CHAIN_MAX:
            raise DocumentError(f"more than {CHAIN_MAX:,} trust stores are to follow each other")
        current = _following(current, candidate)
    check_fresh(current, now)
    return current


def accept_pinned(candidate: bytes, root_fingerprint: str, now: str) -> TrustStore:
    """A first document, whose roots must be those with ``root_fingerprint`` (``Roots.fingerprint``).

    Raises ``DocumentError``, ``TrustPinError``, ``TrustThresholdError`` or ``TrustExpiredError``.
    """
    check_timestamp(now)
    envelope = read_envelope(candidate)
    store = TrustStore.parse(envelope.payload)
    if store.root.fingerprint != root_fingerprint:
        raise TrustPinError(
            f"the trust store's roots have the fingerprint {store.root.fingerprint}, "
            f"{root_fingerprint[:80]!r} was expected; nothing was changed",
            hint="ask those who keep the root keys, by another way than the file came",
        )
    _demand_threshold(envelope, store)
    check_fresh(store, now)
    return store


def check_fresh(store: TrustStore, now: str) -> None:
    """Raise ``TrustExpiredError`` if the document's time is over at ``now``."""
    if store.expires_at <= now:
        raise TrustExpiredError(
            f"version {store.version} of the trust store expired at {store.expires_at}, and it is {now}",
            hint="get the newest trust store from those who keep its root keys",
        )


def read_complete(data: bytes) -> TrustStore:
    """The document in the envelope ``data``, which its own roots must have signed; nobody asks what time it is.

    Raises ``DocumentError`` or ``TrustThresholdError``.
    """
    envelope = read_envelope(data)
    store = TrustStore.parse(envelope.payload)
    _demand_threshold(envelope, store)
    return store


def lacking(data: bytes, current: TrustStore | None) -> tuple[Lacking, ...]:
    """What the envelope ``data`` still needs to follow ``current``, by whose roots; raises ``DocumentError``."""
    envelope = read_envelope(data)
    store = TrustStore.parse(envelope.payload)
    asked = [store] if current is None or current.root == store.root else [current, store]
    return tuple(gap for each in asked if (gap := _lacking(envelope, each)) is not None)


def read_envelope(data: bytes) -> Envelope:
    """The envelope of a trust store; raises ``DocumentError`` for any other.  Nothing is verified."""
    if len(data) > _ENVELOPE_SIZE_BYTES_MAX:
        raise DocumentError(
            f"a trust store of {len(data):,} bytes is none: at most {_ENVELOPE_SIZE_BYTES_MAX:,} are read"
        )
    envelope = Envelope.parse(data)
    if envelope.payload_type != PAYLOAD_TYPE:
        raise DocumentError(
            f"the envelope holds {envelope.payload_type[:80]!r}, a trust store would be {PAYLOAD_TYPE}",
            hint="is this the file that `modelreg trust` wrote?",
        )
    return envelope


def sign_trust_store(store: TrustStore, signers: Iterable[Signer]) -> bytes:
    """The envelope of ``store`` with a signature of each of ``signers``; raises ``SigningError``."""
    return sign(PAYLOAD_TYPE, store.to_bytes(), signers).to_bytes()


def countersign(data: bytes, signers: Iterable[Signer]) -> bytes:
    """The envelope ``data`` with the signatures of ``signers`` added, so that roots can sign one after the other.

    The document must be one that can be read, and stays as it is to the byte.  A key that has signed is not asked
    again.  Raises ``DocumentError``, ``SigningError``, or ``UsageError`` where all have signed already.
    """
    envelope = read_envelope(data)
    TrustStore.parse(envelope.payload)
    more: list[Signature] = []
    for signer in signers:
        if not valid_signers(envelope, (signer.public,)):
            more += sign(PAYLOAD_TYPE, envelope.payload, (signer,)).signatures
    if not more:
        raise UsageError("the trust store has these signatures already; nothing was changed")
    return Envelope(PAYLOAD_TYPE, envelope.payload, (*envelope.signatures, *more)).to_bytes()


def _following(current: TrustStore, candidate: bytes) -> TrustStore:
    envelope = read_envelope(candidate)
    _demand_threshold(envelope, current)
    store = TrustStore.parse(envelope.payload)
    if store.version < current.version:
        raise TrustRollbackError(
            f"version {store.version} of the trust store is older than version {current.version}, which is trusted",
            hint="get the newest trust store; an old one can hide a revocation",
        )
    if store.version == current.version and store != current:
        raise TrustRollbackError(
            f"another trust store calls itself version {store.version}: {store.fingerprint} instead of "
            f"{current.fingerprint}",
            hint="ask those who keep the root keys why there are two",
        )
    if store.root != current.root and store.version != current.version + 1:
        raise TrustGapError(
            f"version {store.version} of the trust store changes the root keys, and version {current.version} is the "
            f"last that is trusted: version {current.version + 1} is needed first",
            hint="give every version in between, the oldest first",
        )
    _demand_threshold(envelope, store)
    return store


def _demand_threshold(envelope: Envelope, store: TrustStore) -> None:
    """Raise unless enough of the roots of ``store`` have signed ``envelope``."""
    gap = _lacking(envelope, store)
    if gap is not None:
        named = ", ".join(sorted(map(store.label, gap.signed)))
        raise TrustThresholdError(
            f"{gap.threshold} of the {len(store.root.keys)} root keys of version {store.version} must have signed the "
            f"trust store, and {len(gap.signed)} did" + (f": {named}" if named else ""),
            hint="have more of the root keys sign it: modelreg trust sign",
        )


def _lacking(envelope: Envelope, store: TrustStore) -> Lacking | None:
    root = store.root
    signed = valid_signers(envelope, store.public_keys(root.keys))
    if len(signed) >= root.threshold:
        return None
    return Lacking(store.version, root.threshold, tuple(sorted(signed)), tuple(sorted({*root.keys} - signed)))
