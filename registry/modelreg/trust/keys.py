"""Keys that sign and keys that verify.

Invariants:

* A key is one of four kinds: ECDSA on P-256, P-384 or P-521, each with the hash of its size, or Ed25519.  Anything
  else is refused by its name.
* A key's ``id`` is the SHA-256 of its DER SubjectPublicKeyInfo in the one form that we write, whatever form was read,
  so that one key never has two ids.
* Signing gives the same bytes each time (RFC 6979 for ECDSA), and needs no random numbers.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from modelreg.digest import sha256_hex
from modelreg.errors import DocumentError, UsageError

KEY_SIZE_BYTES_MAX = 16 * 1024
"""A P-521 private key as PEM is 384 bytes long; a header of explanations may stand above it."""


class Algorithm(enum.StrEnum):
    """The kinds of keys; OpenSSF Model Signing knows the first three."""

    ECDSA_P256 = "ecdsa-p256"
    ECDSA_P384 = "ecdsa-p384"
    ECDSA_P521 = "ecdsa-p521"
    ED25519 = "ed25519"


_CURVES: dict[Algorithm, tuple[ec.EllipticCurve, hashes.HashAlgorithm]] = {
    Algorithm.ECDSA_P256: (ec.SECP256R1(), hashes.SHA256()),
    Algorithm.ECDSA_P384: (ec.SECP384R1(), hashes.SHA384()),
    Algorithm.ECDSA_P521: (ec.SECP521R1(), hashes.SHA512()),
}
_ALGORITHM_OF_CURVE = {curve.name: algorithm for algorithm, (curve, _) in _CURVES.items()}
_KNOWN = "ECDSA on P-256, P-384 or P-521, and Ed25519"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies; made by ``from_pem`` and ``from_der``, equal where its bytes are."""

    algorithm: Algorithm
    der: bytes = field(repr=False)
    _key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey = field(repr=False, compare=False)

    @classmethod
    def from_pem(cls, data: bytes) -> PublicKey:
        """Read the one ``PUBLIC KEY`` block of ``data``; raises ``DocumentError`` for anything else."""
        if data.count(b"-----BEGIN ") > 1:
            raise DocumentError(
                "more than one PEM block stands where one public key belongs", hint="give one key a file"
            )
        return cls.of(_loaded(data, serialization.load_pem_public_key, "PEM public key"))

    @classmethod
    def from_der(cls, data: bytes) -> PublicKey:
        """Read a DER SubjectPublicKeyInfo; raises ``DocumentError`` for anything else."""
        return cls.of(_loaded(data, serialization.load_der_public_key, "DER public key"))

    @classmethod
    def of(cls, key: object) -> PublicKey:
        """Take a key of the cryptography package; raises ``DocumentError`` for a kind that is not ours."""
        if not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
            raise _foreign(key)
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return cls(_algorithm_of(key), key.public_bytes(serialization.Encoding.DER, form), key)

    @property
    def id(self) -> str:
        """The SHA-256 of the DER form, as lowercase hex."""
        return sha256_hex(self.der)

    @property
    def pem(self) -> str:
        """The PEM text: header, lines of 64 columns, footer, each ended by a line feed."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self._key.public_bytes(serialization.Encoding.PEM, form).decode("ascii")

    @property
    def hint(self) -> str:
        """The SHA-256 of the PEM text, by which an OpenSSF Model Signing bundle names a key."""
        return sha256_hex(self.pem.encode("ascii"))

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether ``signature`` (DER for ECDSA, 64 bytes for Ed25519) was made over ``data`` by this key."""
        try:
            if isinstance(self._key, ed25519.Ed25519PublicKey):
                self._key.verify(signature, data)
            else:
                self._key.verify(signature, data, ec.ECDSA(_CURVES[self.algorithm][1]))
        except InvalidSignature:
            return False
        return True


class PrivateKey:
    """A key that signs; it never shows itself in a text."""

    __slots__ = ("_key", "public")

    def __init__(self, key: object) -> None:
        """Take a key of the cryptography package; raises ``DocumentError`` for a kind that is not ours."""
        if not isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
            raise _foreign(key)
        self._key = key
        self.public = PublicKey.of(key.public_key())

    def __repr__(self) -> str:
        return f"PrivateKey({self.public.algorithm.value}, {self.public.id})"

    @classmethod
    def generate(cls, algorithm: str = Algorithm.ECDSA_P256) -> PrivateKey:
        """A new key; raises ``UsageError`` for an algorithm that is not one of ``Algorithm``."""
        if algorithm not in tuple(Algorithm):
            raise UsageError(
                f"{algorithm!r} is no kind of key that modelreg makes", hint="choose one of " + ", ".join(Algorithm)
            )
        if algorithm == Algorithm.ED25519:
            return cls(ed25519.Ed25519PrivateKey.generate())
        return cls(ec.generate_private_key(_CURVES[Algorithm(algorithm)][0]))

    @classmethod
    def from_pem(cls, data: bytes) -> PrivateKey:
        """Read an unprotected PEM private key (PKCS8 or SEC1); raises ``DocumentError`` for anything else."""
        if b"ENCRYPTED" in data:
            raise DocumentError(
                "the PEM private key is protected by a passphrase in a form that modelreg does not read",
                hint="take the protection off first: openssl pkey -in KEY.pem -out PLAIN.pem",
            )
        return cls(_loaded(data, _load_pem_private, "PEM private key"))

    @classmethod
    def from_der(cls, data: bytes) -> PrivateKey:
        """Read an unprotected DER PKCS8 private key; raises ``DocumentError`` for anything else."""
        return cls(_loaded(data, _load_der_private, "DER private key"))

    def to_pem(self) -> bytes:
        """The key as an unprotected PKCS8 PEM block: whoever reads it can sign."""
        return self._bytes(serialization.Encoding.PEM)

    def to_der(self) -> bytes:
        """The key as unprotected DER PKCS8."""
        return self._bytes(serialization.Encoding.DER)

    def _bytes(self, encoding: serialization.Encoding) -> bytes:
        return self._key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

    def sign(self, data: bytes) -> bytes:
        """The signature over ``data``, the same each time."""
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(data)
        return self._key.sign(data, ec.ECDSA(_CURVES[self.public.algorithm][1], deterministic_signing=True))


def _load_pem_private(data: bytes) -> object:
    return serialization.load_pem_private_key(data, password=None)


def _load_der_private(data: bytes) -> object:
    return serialization.load_der_private_key(data, password=None)


def _loaded(data: bytes, load: Callable[[bytes], object], what: str) -> object:
    """What ``load`` makes of hostile ``data``."""
    if len(data) > KEY_SIZE_BYTES_MAX:
        raise DocumentError(f"a {what} of {len(data):,} bytes is none: at most {KEY_SIZE_BYTES_MAX:,} are read")
    try:
        key = load(data)
    except UnsupportedAlgorithm:
        raise DocumentError(f"the {what} is of a kind that modelreg does not take: it takes {_KNOWN}") from None
    except (ValueError, TypeError):
        raise DocumentError(f"these {len(data):,} bytes are no {what}", hint=_hint_on(data)) from None
    return key


def _hint_on(data: bytes) -> str | None:
    """What the bytes seem to be instead."""
    if b"PRIVATE KEY-----" in data:
        return "this is a private key; its public half: openssl pkey -in KEY.pem -pubout"
    if b"-----BEGIN CERTIFICATE-----" in data:
        return "this is a certificate; its key: openssl x509 -in CERT.pem -noout -pubkey"
    if b"-----BEGIN PUBLIC KEY-----" in data:
        return "this is a public key, which cannot sign"
    return None


def _algorithm_of(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> Algorithm:
    if isinstance(key, ed25519.Ed25519PublicKey):
        return Algorithm.ED25519
    algorithm = _ALGORITHM_OF_CURVE.get(key.curve.name)
    if algorithm is None:
        raise DocumentError(f"modelreg takes no ECDSA key on the curve {key.curve.name}: it takes {_KNOWN}")
    return algorithm


def _foreign(key: object) -> DocumentError:
    """The error for a key of another kind, by its name: ``RSAPublicKey`` is an RSA key."""
    name = type(key).__name__.removesuffix("PublicKey").removesuffix("PrivateKey").strip("_")
    return DocumentError(f"modelreg takes no {name} keys: it takes {_KNOWN}")
