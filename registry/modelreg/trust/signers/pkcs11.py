"""A key in a token or an HSM, through its PKCS#11 module: the key never leaves it, which is given digests to sign.

The only module that knows python-pkcs11.  The PIN is in no error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from modelreg.errors import DocumentError, NotFoundError, PassphraseError, SigningError, UsageError
from modelreg.trust.keys import Algorithm, PublicKey

try:
    import pkcs11
    from pkcs11 import exceptions as refused
    from pkcs11.util import ec
except ModuleNotFoundError as _absent:
    raise UsageError(
        f"a key behind PKCS#11 needs the package {_absent.name!r}, which is not installed",
        hint="pip install 'modelreg[pkcs11]'",
    ) from None

T = TypeVar("T")

_DIGESTS = {
    Algorithm.ECDSA_P256: hashlib.sha256,
    Algorithm.ECDSA_P384: hashlib.sha384,
    Algorithm.ECDSA_P521: hashlib.sha512,
}


@dataclass(frozen=True, slots=True)
class Pkcs11Signer:
    """The ECDSA key labelled ``key`` in the token labelled ``token``."""

    public: PublicKey
    token: str
    key: str
    _private: Any = field(repr=False, compare=False)

    @classmethod
    def open(cls, module: Path, token: str, key: str, pin: str) -> Pkcs11Signer:
        """Log in to ``token`` through the PKCS#11 library ``module``.

        A login holds for the whole process and ends with it: the PIN of a second key in one token is not asked
        again.  Raises ``SigningError`` where the module or the token cannot be used,
        ``NotFoundError`` where there is no such token or key, ``PassphraseError`` for a wrong PIN, and
        ``DocumentError`` for a key of another kind.
        """
        what = f"cannot use the key {key!r} of the token {token!r}"
        library = _loaded(module)
        session = _answered(lambda: _session(library, token, pin), what)
        private = _answered(lambda: session.get_key(pkcs11.ObjectClass.PRIVATE_KEY, label=key), what)
        if private.key_type is not pkcs11.KeyType.EC:
            raise DocumentError(f"{what}: modelreg takes no {private.key_type.name} keys from a token, but ECDSA")
        half = _answered(lambda: session.get_key(pkcs11.ObjectClass.PUBLIC_KEY, label=key), f"{what}: its public half")
        public = PublicKey.from_der(_answered(lambda: ec.encode_ec_public_key(half), what))
        return cls(public, token, key, private)

    def sign(self, data: bytes) -> bytes:
        """The token's signature over ``data``; raises ``SigningError``."""
        digest = _DIGESTS[self.public.algorithm](data).digest()
        what = f"the key {self.key!r} of the token {self.token!r} does not sign"
        raw = _answered(lambda: self._private.sign(digest, mechanism=pkcs11.Mechanism.ECDSA), what)
        signature: bytes = ec.encode_ecdsa_signature(raw)
        return signature


def _session(library: Any, token: str, pin: str) -> Any:
    found = library.get_token(token_label=token)
    try:
        return found.open(user_pin=pin)
    except refused.UserAlreadyLoggedIn:
        return found.open()


def _loaded(module: Path) -> Any:
    if not module.is_file():
        raise NotFoundError(f"there is no PKCS#11 module {module}")
    try:
        return pkcs11.lib(str(module))
    except (refused.PKCS11Error, RuntimeError) as error:
        raise SigningError(f"{module} cannot be loaded as a PKCS#11 module: {_words(error)}") from None


def _answered(call: Callable[[], T], what: str) -> T:
    """``call()``; raises the error that fits, saying ``what``."""
    try:
        return call()
    except (refused.PinIncorrect, refused.PinInvalid, refused.PinLenRange):
        raise PassphraseError(f"{what}: the PIN is wrong", hint="a token locks itself after a few wrong ones") from None
    except (refused.NoSuchToken, refused.NoSuchKey) as error:
        raise NotFoundError(f"{what}: there is none ({_words(error)})") from None
    except refused.PKCS11Error as error:
        raise SigningError(f"{what}: {_words(error)}") from None


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")
