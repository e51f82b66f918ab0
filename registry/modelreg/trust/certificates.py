"""X.509: whose key a certificate holds, and whether a chain of them leads to a trusted root at a given time.

The public ``model_signing`` tool verifies every chain as it stood when the leaf began to be valid, so that one which
ended years ago passes for ever.  Here the caller says when: the time of signing where a log vouches for it, and now
where none does.

Invariants, beside the signatures, names and dates that ``cryptography`` checks:

* A root, and every certificate between, is one of an authority (basicConstraints), which may sign certificates.
* The leaf may sign data: its keyUsage, where it has one, says digitalSignature, its extendedKeyUsage, where it has one,
  codeSigning, and it has one of the two.  So whoever has a web server's certificate of the same root signs no models.
"""

from __future__ import annotations

import datetime as dt
import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

from modelreg.errors import DocumentError, UntrustedError
from modelreg.trust.keys import PublicKey

T = TypeVar("T")

CHAIN_MAX = 8
"""Leaf, authorities between, and root; a company's has three or four."""
CERTIFICATE_SIZE_BYTES_MAX = 64 * 1024
PEM_SIZE_BYTES_MAX = 1024 * 1024
"""All the roots that browsers know are 220 KB."""
_NOISE = re.compile(
    r"^validation failed: |candidates exhausted: |Python extension validator failed: ValueError: "
    r"| \(encountered processing .*\)$",
    re.DOTALL,
)
"""What ``cryptography`` wraps around its reasons."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate, equal where its bytes are."""

    der: bytes = field(repr=False)
    subject: str
    _parsed: x509.Certificate = field(repr=False, compare=False)

    @classmethod
    def from_der(cls, data: bytes) -> Certificate:
        """Read a DER certificate; raises ``DocumentError`` for anything else."""
        if len(data) > CERTIFICATE_SIZE_BYTES_MAX:
            raise DocumentError(
                f"a certificate of {len(data):,} bytes: at most {CERTIFICATE_SIZE_BYTES_MAX:,} are read"
            )
        return _loaded(data, lambda: cls._of(x509.load_der_x509_certificate(data)), "DER certificate")

    @classmethod
    def all_from_pem(cls, data: bytes) -> tuple[Certificate, ...]:
        """Read every ``CERTIFICATE`` block of ``data``; raises ``DocumentError`` where there is none or a bad one."""
        if len(data) > PEM_SIZE_BYTES_MAX:
            raise DocumentError(f"certificates of {len(data):,} bytes: at most {PEM_SIZE_BYTES_MAX:,} are read")
        return _loaded(data, lambda: tuple(map(cls._of, x509.load_pem_x509_certificates(data))), "PEM certificate")

    @classmethod
    def _of(cls, parsed: x509.Certificate) -> Certificate:
        return cls(parsed.public_bytes(Encoding.DER), parsed.subject.rfc4514_string(), parsed)

    def is_valid(self, at: dt.datetime) -> bool:
        """Whether ``at`` lies between its dates, whoever issued it."""
        return self._parsed.not_valid_before_utc <= at <= self._parsed.not_valid_after_utc

    @property
    def key(self) -> PublicKey:
        """Its key; raises ``DocumentError`` for a kind that is not ours, such as RSA."""
        try:
            return PublicKey.of(self._parsed.public_key())
        except (ValueError, UnsupportedAlgorithm):
            raise DocumentError(f"the certificate of {self.subject!r} holds no key that can be read") from None


def _loaded(data: bytes, load: Callable[[], T], what: str) -> T:
    """What ``load`` makes of the hostile ``data``; what it would only warn of is refused."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", CryptographyDeprecationWarning)
            return load()
    except (ValueError, TypeError, x509.InvalidVersion, CryptographyDeprecationWarning):
        raise DocumentError(f"these {len(data):,} bytes are no {what}") from None


def verify_chain(chain: Iterable[bytes], roots: Iterable[Certificate], at: dt.datetime) -> PublicKey:
    """The key of the first certificate of ``chain`` (DER), if the others lead from it to one of ``roots``.

    Every certificate on the way is valid ``at`` that time, which has a time zone.  A root in ``chain`` itself grants
    nothing.  Raises ``UntrustedError`` with the reason, and ``DocumentError`` for what is no certificate.
    """
    leaf, *between = (Certificate.from_der(der) for der in chain)
    key = leaf.key
    trusted = [root._parsed for root in roots]  # noqa: SLF001 - of our own class
    if not trusted:
        raise UntrustedError(f"no root is trusted to vouch for the certificate of {leaf.subject!r}")
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store(trusted))
        .time(at)
        .max_chain_depth(CHAIN_MAX)
        .extension_policies(ca_policy=_AUTHORITY, ee_policy=_LEAF)
        .build_client_verifier()
    )
    try:
        verifier.verify(leaf._parsed, [certificate._parsed for certificate in between])  # noqa: SLF001
    except verification.VerificationError as error:
        reason = _NOISE.sub("", str(error))
        raise UntrustedError(
            f"the certificate of {leaf.subject!r} leads to no trusted root at {at:%Y-%m-%d %H:%M:%S %Z}: {reason}"
        ) from None
    return key


def _check_signs_certificates(_: verification.Policy, __: x509.Certificate, found: x509.KeyUsage | None) -> None:
    if found is not None and not found.key_cert_sign:
        raise ValueError("its authority may not sign certificates")


def _check_signs_data(_: verification.Policy, certificate: x509.Certificate, found: x509.KeyUsage | None) -> None:
    if found is None:
        try:
            certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
        except x509.ExtensionNotFound:
            raise ValueError("it does not say what its key is for") from None
    elif not found.digital_signature:
        raise ValueError("its key is not for signatures")


def _check_signs_code(_: verification.Policy, __: x509.Certificate, found: x509.ExtendedKeyUsage | None) -> None:
    if found is not None and ExtendedKeyUsageOID.CODE_SIGNING not in found:
        raise ValueError("its key is not for signing code")


_ANY = verification.Criticality.AGNOSTIC
_AUTHORITY = (
    verification.ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, _ANY, None)
    .may_be_present(x509.KeyUsage, _ANY, _check_signs_certificates)
)
_LEAF = (
    verification.ExtensionPolicy.permit_all()
    .may_be_present(x509.KeyUsage, _ANY, _check_signs_data)
    .may_be_present(x509.ExtendedKeyUsage, _ANY, _check_signs_code)
)
