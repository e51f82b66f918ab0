"""DSSE envelopes (secure-systems-lab/dsse, protocol 1.0.2): the bytes that were signed, and by whom they say.

Invariants:

* What is signed is ``pae(payload_type, payload)``; the payload is never parsed here, nor written in another form.
* A ``keyid`` is a word of whoever wrote the envelope and decides nothing: ``valid_signers`` tries the trusted keys,
  and counts keys, not signatures.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from modelreg.errors import DocumentError
from modelreg.records import canonical_json, from_json, json_key, parse_json
from modelreg.trust.base64_text import from_base64, to_base64
from modelreg.trust.keys import PublicKey
from modelreg.trust.signer import Signer, signed

IN_TOTO_TYPE = "application/vnd.in-toto+json"
ENVELOPE_SIZE_BYTES_MAX = 96 * 1024 * 1024
"""Base64 makes 86 MiB of the largest document that ``records`` reads."""
SIGNATURES_MAX = 64
SIGNATURE_SIZE_BYTES_MAX = 1024
"""ECDSA on P-521 has 139 bytes at most; other formats' signatures may stand beside ours, RSA-4096 has 512."""
TYPE_LENGTH_MAX = 256
KEY_ID_LENGTH_MAX = 256


def pae(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding: what is signed instead of ``payload`` alone."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature; ``key_id`` is a hint that nobody vouches for."""

    key_id: str
    sig: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.key_id) > KEY_ID_LENGTH_MAX:
            raise DocumentError(f"a keyid of {len(self.key_id):,} characters: at most {KEY_ID_LENGTH_MAX} are read")
        if not 1 <= len(self.sig) <= SIGNATURE_SIZE_BYTES_MAX:
            raise DocumentError(f"a signature of {len(self.sig):,} bytes: 1 to {SIGNATURE_SIZE_BYTES_MAX:,} are read")


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload, its type, and at least one signature over both."""

    payload_type: str
    payload: bytes = field(repr=False)
    signatures: tuple[Signature, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.payload_type) <= TYPE_LENGTH_MAX:
            raise DocumentError(f"a payload type has 1 to {TYPE_LENGTH_MAX} characters, not {len(self.payload_type):,}")
        if not 1 <= len(self.signatures) <= SIGNATURES_MAX:
            raise DocumentError(f"an envelope has 1 to {SIGNATURES_MAX} signatures, not {len(self.signatures):,}")

    @classmethod
    def parse(cls, data: bytes) -> Envelope:
        """Read an envelope; raises ``DocumentError`` for what is none.  Nothing is verified."""
        value = parse_json(data, what="the DSSE envelope", size_bytes_max=ENVELOPE_SIZE_BYTES_MAX)
        return from_json(EnvelopeDocument, value, what="the DSSE envelope").decoded()

    def to_bytes(self) -> bytes:
        """The envelope as canonical JSON."""
        return canonical_json(
            {
                "payload": to_base64(self.payload),
                "payloadType": self.payload_type,
                "signatures": [
                    {"keyid": signature.key_id, "sig": to_base64(signature.sig)} for signature in self.signatures
                ],
            }
        )


def sign(payload_type: str, payload: bytes, signers: Iterable[Signer]) -> Envelope:
    """An envelope with one signature of each of ``signers``.

    Raises ``SigningError`` where one cannot sign, and ``DocumentError`` where there are none, or too many.
    """
    message = pae(payload_type, payload)
    made = tuple(Signature(signer.public.id, signed(signer, message)) for signer in signers)
    return Envelope(payload_type, payload, made)


def valid_signers(envelope: Envelope, keys: Iterable[PublicKey]) -> frozenset[str]:
    """The ids of those of ``keys`` that have signed ``envelope``; a key counts once, however often it is named."""
    message = pae(envelope.payload_type, envelope.payload)
    signatures = {signature.sig for signature in envelope.signatures}
    return frozenset(key.id for key in set(keys) if any(key.verify(signature, message) for signature in signatures))


@dataclass(frozen=True, slots=True)
class SignatureDocument:
    """A signature as JSON has it: the keyid absent, null or a text."""

    sig: str
    keyid: str | None = None


@dataclass(frozen=True, slots=True)
class EnvelopeDocument:
    """An envelope as JSON has it; a bundle holds one."""

    payload: str
    payload_type: str = field(metadata=json_key("payloadType"))
    signatures: tuple[SignatureDocument, ...] = ()

    def decoded(self) -> Envelope:
        """The envelope itself; raises ``DocumentError``."""
        signatures = tuple(
            Signature(item.keyid or "", from_base64(item.sig, "the signature")) for item in self.signatures
        )
        return Envelope(self.payload_type, from_base64(self.payload, "the payload"), signatures)
