"""OpenSSF Model Signing 1.0: bundles over a set of files, which the public ``model_signing`` tool reads and writes.

Invariants:

* The bytes that came are what is verified: media type, payload type and signature first, the statement parsed after.
* A bundle has one signature, and names its key by the right hint or not at all.

What the statement says of the files is ``oms_statement``'s.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelreg.errors import DocumentError, UntrustedError
from modelreg.records import Json, canonical_json, from_json, json_key, parse_json
from modelreg.trust.base64_text import from_base64, to_base64
from modelreg.trust.dsse import ENVELOPE_SIZE_BYTES_MAX, IN_TOTO_TYPE, Envelope, EnvelopeDocument, Signature, pae
from modelreg.trust.keys import Algorithm, PublicKey
from modelreg.trust.oms_statement import Statement
from modelreg.trust.signer import Signer, signed

if TYPE_CHECKING:
    from modelreg.trust.certificates import Certificate

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
BUNDLE_SIZE_BYTES_MAX = ENVELOPE_SIZE_BYTES_MAX
KINDS = (Algorithm.ECDSA_P256, Algorithm.ECDSA_P384, Algorithm.ECDSA_P521)
"""The keys that the specification knows."""
_WHAT = "the OpenSSF Model Signing bundle"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A signed statement, not verified, with either a key's hint or a chain of certificates (DER, the leaf first)."""

    envelope: Envelope
    hint: str | None = None
    chain: tuple[bytes, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if self.envelope.payload_type != IN_TOTO_TYPE:
            raise DocumentError(f"the payload type is {self.envelope.payload_type[:80]!r}, not {IN_TOTO_TYPE!r}")
        if len(self.envelope.signatures) != 1:
            raise DocumentError(f"it has {len(self.envelope.signatures)} signatures; a bundle has one")

    @classmethod
    def parse(cls, data: bytes) -> Bundle:
        """Read a bundle; raises ``DocumentError`` for what is none, or of a kind that needs the network to verify."""
        value = parse_json(data, what=_WHAT, size_bytes_max=BUNDLE_SIZE_BYTES_MAX)
        _refuse_foreign_keys(value, _KEYS)
        document = from_json(_BundleDocument, value, what=_WHAT)
        try:
            return document.decoded()
        except DocumentError as error:
            raise DocumentError(f"{_WHAT}: {error.message}", hint=error.hint) from None

    def to_bytes(self) -> bytes:
        """The bundle as canonical JSON, as the public tool reads it."""
        (signature,) = self.envelope.signatures
        material: dict[str, Json] = {"publicKey": {"hint": self.hint}}
        if self.chain:
            material = {"x509CertificateChain": {"certificates": [{"rawBytes": to_base64(der)} for der in self.chain]}}
        return canonical_json(
            {
                "mediaType": MEDIA_TYPE,
                "verificationMaterial": {**material, "tlogEntries": []},
                "dsseEnvelope": {
                    "payload": to_base64(self.envelope.payload),
                    "payloadType": self.envelope.payload_type,
                    "signatures": [{"keyid": signature.key_id, "sig": to_base64(signature.sig)}],
                },
            }
        )

    def verify_with_keys(self, keys: Iterable[PublicKey]) -> Signed:
        """Check the signature against trusted ``keys``.

        Raises ``UntrustedError`` where none of them has signed, or another than the bundle says, and
        ``DocumentError`` where what was signed is no statement of ours to read.
        """
        if self.chain:
            raise UntrustedError(
                "the bundle was signed with a certificate, and keys were given to verify it", hint="give the root"
            )
        for key in set(keys):
            if self._is_by(key):
                if self.hint not in (None, key.hint):
                    raise UntrustedError(f"the bundle was signed by the key {key.id[:16]} and says that it was another")
                return Signed(key, Statement.parse(self.envelope.payload))
        raise UntrustedError("no trusted key has signed the bundle")

    def verify_by_leaf(self) -> Signed:
        """Check the signature with the key of the bundle's own certificate, for which nobody vouches here."""
        if not self.chain:
            raise UntrustedError("the bundle was signed with a bare key")
        from modelreg.trust.certificates import Certificate  # X.509 is dear to load, and few bundles have it

        key = Certificate.from_der(self.chain[0]).key
        if not self._is_by(key):
            raise UntrustedError(f"the key {key.id[:16]} of the bundle's certificate has not signed it")
        return Signed(key, Statement.parse(self.envelope.payload))

    def verify_with_roots(self, roots: Iterable[Certificate], at: dt.datetime) -> Signed:
        """Check the chain up to one of ``roots`` as it stood ``at`` a time, and the signature by its leaf.

        ``at`` is the time of signing where a log vouches for it, and now where none does.  Raises as
        ``verify_with_keys``.
        """
        if not self.chain:
            raise UntrustedError(
                "the bundle was signed with a bare key, and roots were given to verify it", hint="give the key"
            )
        from modelreg.trust.certificates import verify_chain

        verify_chain(self.chain, roots, at)
        return self.verify_by_leaf()

    def verify(self, keys: Iterable[PublicKey], roots: Iterable[Certificate], at: dt.datetime) -> Signed | Stranger:
        """Check the signature against trusted ``keys``, or its chain up to one of ``roots`` as it stood ``at`` a time.

        Whoever else made it is a ``Stranger``; raises as ``verify_with_keys`` for one that claims to be by one of
        ``keys``, or by its own certificate, and is not.
        """
        known = set(keys)
        if not self.chain:
            if self.hint in {key.hint for key in known} or any(map(self._is_by, known)):
                return self.verify_with_keys(known)
            return Stranger(f"the key with the hint {self.hint[:12]}" if self.hint else "a key that gives no hint", "")
        signed = self.verify_by_leaf()
        if signed.key in known:
            return signed
        from modelreg.trust.certificates import Certificate, verify_chain

        try:
            verify_chain(self.chain, roots, at)
        except UntrustedError as error:
            return Stranger(f"the certificate of {Certificate.from_der(self.chain[0]).subject!r}", error.message)
        return signed

    def _is_by(self, key: PublicKey) -> bool:
        (signature,) = self.envelope.signatures
        message = pae(self.envelope.payload_type, self.envelope.payload)
        return key.algorithm in KINDS and key.verify(signature.sig, message)


@dataclass(frozen=True, slots=True)
class Signed:
    """What a verified bundle says, and the key that says it."""

    key: PublicKey
    statement: Statement


@dataclass(frozen=True, slots=True)
class Stranger:
    """Who made a bundle by its own word, for whom nobody vouches; ``reason`` is why its certificates do not."""

    name: str
    reason: str


def sign(statement: Statement, signer: Signer, *, chain: Iterable[bytes] = ()) -> Bundle:
    """A bundle over ``statement``; with ``chain``, the certificates of ``signer``'s key (DER, the leaf first).

    Raises ``SigningError`` where the signer cannot sign, and ``DocumentError`` for a key that the specification does
    not know or a chain that is another key's.
    """
    if signer.public.algorithm not in KINDS:
        raise DocumentError(
            f"OpenSSF Model Signing knows no {signer.public.algorithm} keys: it takes " + ", ".join(KINDS),
            hint="modelreg key generate --algorithm ecdsa-p256",
        )
    certificates = tuple(chain)
    if certificates:
        from modelreg.trust.certificates import Certificate

        leaf = Certificate.from_der(certificates[0]).key
        if leaf != signer.public:
            raise DocumentError(f"the first certificate is for the key {leaf.id[:16]}, not for {signer.public.id[:16]}")
    payload = statement.to_bytes()
    made = Signature("", signed(signer, pae(IN_TOTO_TYPE, payload)))
    return Bundle(Envelope(IN_TOTO_TYPE, payload, (made,)), None if certificates else signer.public.hint, certificates)


@dataclass(frozen=True, slots=True)
class _PublicKeyDocument:
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class _CertificateDocument:
    raw_bytes: str = field(metadata=json_key("rawBytes"))


@dataclass(frozen=True, slots=True)
class _ChainDocument:
    certificates: tuple[_CertificateDocument, ...]

    def decoded(self) -> tuple[bytes, ...]:
        from modelreg.trust.certificates import CHAIN_MAX

        if not 1 <= len(self.certificates) <= CHAIN_MAX:
            raise DocumentError(f"it has {len(self.certificates)} certificates: 1 to {CHAIN_MAX} are read")
        return tuple(from_base64(item.raw_bytes, "a certificate") for item in self.certificates)


@dataclass(frozen=True, slots=True)
class _MaterialDocument:
    public_key: _PublicKeyDocument | None = field(default=None, metadata=json_key("publicKey"))
    chain: _ChainDocument | None = field(default=None, metadata=json_key("x509CertificateChain"))
    certificate: _CertificateDocument | None = None


@dataclass(frozen=True, slots=True)
class _BundleDocument:
    media_type: str = field(metadata=json_key("mediaType"))
    material: _MaterialDocument = field(metadata=json_key("verificationMaterial"))
    envelope: EnvelopeDocument = field(metadata=json_key("dsseEnvelope"))

    def decoded(self) -> Bundle:
        if self.media_type != MEDIA_TYPE:
            raise DocumentError(f"the media type is {self.media_type[:80]!r}, not {MEDIA_TYPE!r}")
        if self.material.certificate is not None:
            raise DocumentError(
                "it was signed without a key of its own (Fulcio and Rekor), which only the network can tell",
                hint="model_signing verify sigstore",
            )
        envelope = self.envelope.decoded()
        match self.material.public_key, self.material.chain:
            case _PublicKeyDocument() as key, None:
                return Bundle(envelope, hint=key.hint or None)
            case None, _ChainDocument() as chain:
                return Bundle(envelope, chain=chain.decoded())
        raise DocumentError("it needs a publicKey or an x509CertificateChain, and not both")


_Keys = dict[str, "_Keys | None"]
_KEYS: _Keys = {
    "mediaType": None,
    "verificationMaterial": {
        "publicKey": {"hint": None, "rawBytes": None, "keyDetails": None},
        "x509CertificateChain": {"certificates": {"rawBytes": None}},
        "certificate": None,
        "tlogEntries": None,
        "timestampVerificationData": None,
    },
    "dsseEnvelope": {"payload": None, "payloadType": None, "signatures": {"sig": None, "keyid": None}},
}
"""The keys of Sigstore's bundle as far as we look into it; its readers take no others, for nobody signs them."""


def _refuse_foreign_keys(value: Json, known: _Keys | None) -> None:
    match value:
        case list():
            for item in value:
                _refuse_foreign_keys(item, known)
        case dict() if known is not None:
            for key, inner in value.items():
                if key not in known:
                    raise DocumentError(f"{_WHAT}: there is no key {key[:60]!r} at that place of a bundle")
                _refuse_foreign_keys(inner, known[key])
