"""A certificate authority for tests: chains of whatever form is asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from modelreg.trust.certificates import Certificate
from modelreg.trust.keys import PrivateKey

BEGIN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
END = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
MIDDLE = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
Key: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
CODE, SERVER = ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.SERVER_AUTH


def usage(*purposes: str) -> x509.KeyUsage:
    """A keyUsage with just these purposes."""
    names = [
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ]
    return x509.KeyUsage(**{name: name in purposes for name in names})


SIGNS_DATA = usage("digital_signature")
SIGNS_CERTIFICATES = usage("key_cert_sign")
AUTHORITY = x509.BasicConstraints(ca=True, path_length=None)


@dataclass(frozen=True)
class Holder:
    """A certificate and the key that it is about."""

    name: str
    key: Key
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def parsed(self) -> Certificate:
        return Certificate.from_der(self.der)

    @property
    def signer(self) -> PrivateKey:
        return PrivateKey(self.key)


def issue(
    name: str,
    extensions: Iterable[x509.ExtensionType] = (),
    *,
    by: Holder | None = None,
    key: Key | None = None,
    begin: dt.datetime = BEGIN,
    end: dt.datetime = END,
) -> Holder:
    """A certificate of ``name``, by itself where nobody else is named."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(by.name if by else name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return Holder(name, key, builder.sign(by.key if by else key, hashes.SHA256()))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def authority(name: str, *, by: Holder | None = None, end: dt.datetime = END, path_length: int | None = None) -> Holder:
    """An authority in good order."""
    constraints = x509.BasicConstraints(ca=True, path_length=path_length)
    return issue(name, [constraints, SIGNS_CERTIFICATES], by=by, end=end)
