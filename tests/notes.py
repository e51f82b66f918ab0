"""Keys and notes that the tests of the log share: everything comes out the same each time."""

from __future__ import annotations

from modelreg.trust.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint
from modelreg.trust.keys import PrivateKey
from modelreg.trust.note import NoteSigner, SignatureType, VerifierKey

_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")
"""What stands before the seed of an Ed25519 key (RFC 8410 section 7)."""

ORIGIN = "log.example/2c1f4b0e"
TIME = 1_796_000_000


def ed25519(seed: bytes) -> PrivateKey:
    """The key of 32 bytes."""
    return PrivateKey.from_der(_PKCS8 + seed)


def signer(name: str, number: int = 1) -> NoteSigner:
    return NoteSigner(name, ed25519(bytes([number]) * 32))


def log_key(origin: str = ORIGIN) -> VerifierKey:
    return signer(origin).key(SignatureType.ED25519)


def witness_key(name: str, number: int) -> VerifierKey:
    return signer(name, number).key(SignatureType.COSIGNATURE)


def signed(root: bytes, size: int, origin: str = ORIGIN) -> SignedCheckpoint:
    """A checkpoint as a client sees it."""
    note = Checkpoint(origin, size, root).sign(signer(origin))
    return open_checkpoint(note.to_bytes(), [log_key(origin)])
