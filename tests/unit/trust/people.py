"""Keys with names that are the same in every run, and a trust store of theirs, for the tests of trust."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from modelreg.trust.acceptance import sign_trust_store
from modelreg.trust.keys import PrivateKey
from modelreg.trust.roles import Role
from modelreg.trust.trust_store import Enforcement, Roots, TrustedKey, TrustStore

NAMES = ("ada", "bob", "cyd", "dan", "eve", "fay", "gil", "hal", "ida", "jon")
KEYS = {name: PrivateKey(ec.derive_private_key(scalar, ec.SECP256R1())) for scalar, name in enumerate(NAMES, start=1)}
IDS = {name: key.public.id for name, key in KEYS.items()}
NOW = "2026-11-28T07:00:00Z"
LATER = "2027-11-28T07:00:00Z"
EARLIER = "2025-11-28T07:00:00Z"


def ids(*names: str) -> tuple[str, ...]:
    """The key ids of those people."""
    return tuple(IDS[name] for name in names)


def role(pattern: str, *names: str, **changes: Any) -> Role:
    """A role of ``pattern`` for those people."""
    return Role(pattern, ids(*names), **changes)


def store(**changes: Any) -> TrustStore:
    """A document with everybody's keys, of which ada, bob and cyd are roots and two of them sign."""
    given: dict[str, Any] = {
        "version": 1,
        "expires_at": LATER,
        "mode": Enforcement.ENFORCE,
        "root": Roots(ids("ada", "bob", "cyd"), 2),
        "keys": tuple(TrustedKey.of(name, key.public) for name, key in KEYS.items()),
    }
    return TrustStore(**{**given, **changes})


def signed(document: TrustStore, *names: str) -> bytes:
    """The envelope of ``document`` with those people's signatures."""
    return sign_trust_store(document, [KEYS[name] for name in names])
