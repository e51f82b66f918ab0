"""The port through which everything here signs; ``trust/signers`` holds one file per adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from modelreg.errors import SigningError

if TYPE_CHECKING:
    from modelreg.trust.keys import PublicKey


@runtime_checkable
class Signer(Protocol):
    """What signs: a ``PrivateKey``, or a key that lies elsewhere.

    ``sign`` raises ``SigningError`` where the place of the key cannot be reached or refuses.
    """

    @property
    def public(self) -> PublicKey:
        """The key that verifies."""
        ...

    def sign(self, data: bytes) -> bytes:
        """The signature over ``data``: DER for ECDSA with the curve's hash, 64 bytes for Ed25519."""
        ...


def signed(signer: Signer, data: bytes) -> bytes:
    """``signer``'s signature over ``data``, checked; raises ``SigningError`` for one that does not verify."""
    signature = signer.sign(data)
    if not signer.public.verify(signature, data):
        raise SigningError(
            f"the signature made does not verify with the {signer.public.algorithm} key {signer.public.id[:16]}",
            hint="is the public key that of the private key that signs?",
        )
    return signature
