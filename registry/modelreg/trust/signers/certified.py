"""A signer with the certificates of its key, which then stand in its bundles over files."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from modelreg.errors import DocumentError, SigningError, UsageError
from modelreg.files import read_bounded
from modelreg.trust.keys import PublicKey
from modelreg.trust.oms import KINDS
from modelreg.trust.signer import Signer

if TYPE_CHECKING:
    from modelreg.trust.certificates import Certificate


@dataclass(frozen=True, slots=True)
class CertifiedSigner:
    """``signer`` and its chain of certificates (DER, the leaf first)."""

    signer: Signer
    chain: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def open(cls, signer: Signer, path: Path, at: dt.datetime) -> CertifiedSigner:
        """``signer`` with the certificates in the PEM file ``path``, the leaf first, which is valid ``at`` that time.

        Raises ``NotFoundError`` and ``DocumentError`` for the file, ``SigningError`` for another key's certificate and
        one that is not valid, ``UsageError`` for a key that no certificate of ours can be about.
        """
        from modelreg.trust.certificates import CHAIN_MAX

        if signer.public.algorithm not in KINDS:
            raise UsageError(
                f"certificates stand in OpenSSF Model Signing bundles, which know no {signer.public.algorithm} keys"
            )
        chain = read_certificates(path)
        if len(chain) > CHAIN_MAX:
            raise DocumentError(f"{path} holds {len(chain)} certificates: a chain has 1 to {CHAIN_MAX}")
        leaf = chain[0]
        if leaf.key != signer.public:
            raise SigningError(
                f"the first certificate of {path}, of {leaf.subject!r}, is for the key {leaf.key.id[:16]}, not for "
                f"{signer.public.id[:16]}",
                hint="the certificate of the key comes first, then that of who issued it, and so on",
            )
        if not leaf.is_valid(at):
            raise SigningError(
                f"the certificate of {leaf.subject!r} in {path} is not valid at {at:%Y-%m-%d %H:%M:%S %Z}"
            )
        return cls(signer, tuple(certificate.der for certificate in chain))

    @property
    def public(self) -> PublicKey:
        return self.signer.public

    def sign(self, data: bytes) -> bytes:
        """The signature of ``signer``; raises as it does."""
        return self.signer.sign(data)


def read_certificates(path: Path) -> tuple[Certificate, ...]:
    """The certificates of the PEM file ``path``; raises ``NotFoundError``, ``UsageError`` and ``DocumentError``."""
    from modelreg.trust.certificates import PEM_SIZE_BYTES_MAX, Certificate

    data = read_bounded(path, PEM_SIZE_BYTES_MAX, "file of certificates", error=UsageError)
    try:
        return Certificate.all_from_pem(data)
    except DocumentError as error:
        raise DocumentError(f"{path}: {error.message}", hint=error.hint) from None
