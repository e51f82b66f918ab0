"""The bytes of a key file: a private key behind a passphrase, or an unprotected PKCS8 PEM block.

A protected key file is one JSON document:

    {"cipher": {"ciphertext": BASE64, "name": "aes-256-gcm", "nonce": BASE64},
     "format": "urn:modelreg:key:v1",
     "kdf": {"iterations": 3, "lanes": 4, "memory_kib": 65536, "name": "argon2id", "salt": BASE64},
     "public": "-----BEGIN PUBLIC KEY-----..."}

Invariants:

* The ciphertext is the DER PKCS8 key under AES-256-GCM; the key of the cipher is Argon2id (RFC 9106) of the passphrase.
* Everything but the cipher's own part is its associated data, so that neither the public key nor a parameter can be
  exchanged without the passphrase.  What is unlocked is compared with the public key all the same.
* What a file asks for is bounded before anything is computed: 1 GiB of memory, 16 passes, 16 lanes.

``openssl pkcs8`` and the PEM encryption of ``cryptography`` derive their keys with 2,048 rounds of PBKDF2, a few
milliseconds a guess; hence a format of our own, and PEM only without protection, for import and export.
"""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm

from modelreg.errors import DocumentError, PassphraseError, SigningError, UsageError
from modelreg.records import Json, canonical_json, from_json, parse_json, to_json
from modelreg.trust.base64_text import from_base64, to_base64
from modelreg.trust.keys import PrivateKey, PublicKey

FORMAT = "urn:modelreg:key:v1"
FILE_SIZE_BYTES_MAX = 64 * 1024
"""A protected P-521 key is 1 KiB."""
MEMORY_KIB_MAX = 1024 * 1024
ITERATIONS_MAX = 16
LANES_MAX = 16
SALT_SIZE_BYTES = 16
NONCE_SIZE_BYTES = 12
"""The one length of AES-GCM that every implementation has (NIST SP 800-38D, 5.2.1.1)."""
PASSPHRASE_SIZE_BYTES_MAX = 1024
_KDF, _CIPHER = "argon2id", "aes-256-gcm"
_WHAT = "the key file"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a guess at a passphrase costs; the default is RFC 9106's second choice: 64 MiB, 0.3 s of a core."""

    memory_kib: int = 64 * 1024
    iterations: int = 3
    lanes: int = 4

    def __post_init__(self) -> None:
        for name, value, most in (
            ("lanes", self.lanes, LANES_MAX),
            ("iterations", self.iterations, ITERATIONS_MAX),
            ("memory_kib", self.memory_kib, MEMORY_KIB_MAX),
        ):
            if not 1 <= value <= most:
                raise DocumentError(f"the Argon2id parameter {name} is {value:,}: 1 to {most:,} are computed")
        if self.memory_kib < 8 * self.lanes:
            raise DocumentError(f"Argon2id needs 8 KiB a lane, and {self.lanes} lanes are given {self.memory_kib} KiB")


@dataclass(frozen=True, slots=True)
class _Kdf:
    name: str
    memory_kib: int
    iterations: int
    lanes: int
    salt: str


@dataclass(frozen=True, slots=True)
class _Cipher:
    name: str
    nonce: str
    ciphertext: str


@dataclass(frozen=True, slots=True)
class _Document:
    format: str
    kdf: _Kdf
    cipher: _Cipher
    public: str


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key file that was read and not yet unlocked."""

    public: PublicKey
    _held: PrivateKey | _Document = field(repr=False)

    @property
    def is_protected(self) -> bool:
        return isinstance(self._held, _Document)

    @classmethod
    def parse(cls, data: bytes) -> KeyFile:
        """Read a protected key file or an unprotected PEM private key; raises ``DocumentError`` for anything else."""
        if not data.lstrip().startswith(b"{"):
            key = PrivateKey.from_pem(data)
            return cls(key.public, key)
        value = parse_json(data, what=_WHAT, size_bytes_max=FILE_SIZE_BYTES_MAX)
        document = from_json(_Document, value, what=_WHAT)
        for name, told, known in (
            ("format", document.format, FORMAT),
            ("kdf", document.kdf.name, _KDF),
            ("cipher", document.cipher.name, _CIPHER),
        ):
            if told != known:
                raise DocumentError(f"{_WHAT} has the {name} {told[:60]!r}; this program reads {known!r}")
        _ = _cost(document), _salt(document), _nonce(document), _ciphertext(document)
        return cls(PublicKey.from_pem(document.public.encode("utf-8")), document)

    def to_bytes(self) -> bytes:
        """What ``parse`` reads: the protected document as it is, or the PEM block of an unprotected key."""
        if isinstance(self._held, PrivateKey):
            return self._held.to_pem()
        return canonical_json(to_json(self._held)) + b"\n"

    def unlock(self, passphrase: str | None = None) -> PrivateKey:
        """The key itself; an unprotected one needs no passphrase and is given any.

        Raises ``PassphraseError`` where the passphrase is missing or wrong, ``DocumentError`` where the file holds
        another key than it says, and ``SigningError`` where this machine cannot compute Argon2id.
        """
        document = self._held
        if isinstance(document, PrivateKey):
            return document
        if passphrase is None:
            raise PassphraseError(f"the key {self.public.id[:16]} is protected, and no passphrase was given")
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        secret = _derived(passphrase, _salt(document), _cost(document))
        try:
            der = AESGCM(secret).decrypt(_nonce(document), _ciphertext(document), _associated(document))
        except InvalidTag:
            raise PassphraseError(
                f"the passphrase does not open the key {self.public.id[:16]}",
                hint="if it is the right one, the file was changed: restore it from a backup",
            ) from None
        key = PrivateKey.from_der(der)
        if key.public != self.public:
            raise DocumentError(f"{_WHAT} says {self.public.id[:16]} and holds the key {key.public.id[:16]}")
        return key


def protect(key: PrivateKey, passphrase: str, cost: Cost | None = None) -> bytes:
    """The key file of ``key`` behind ``passphrase``, with a new salt and nonce.

    Raises ``UsageError`` for an empty or endless passphrase, ``SigningError`` where Argon2id cannot be computed.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    cost = cost or Cost()
    salt, nonce = os.urandom(SALT_SIZE_BYTES), os.urandom(NONCE_SIZE_BYTES)
    kdf = _Kdf(_KDF, cost.memory_kib, cost.iterations, cost.lanes, to_base64(salt))
    blank = _Document(FORMAT, kdf, _Cipher(_CIPHER, to_base64(nonce), ""), key.public.pem)
    secret = _derived(passphrase, salt, cost)
    ciphertext = AESGCM(secret).encrypt(nonce, key.to_der(), _associated(blank))
    cipher = _Cipher(_CIPHER, to_base64(nonce), to_base64(ciphertext))
    return KeyFile(key.public, _Document(FORMAT, kdf, cipher, key.public.pem)).to_bytes()


def _associated(document: _Document) -> bytes:
    """What the cipher vouches for beside the key."""
    told: dict[str, Json] = {
        "cipher": document.cipher.name,
        "format": document.format,
        "kdf": to_json(document.kdf),
        "public": document.public,
    }
    return canonical_json(told)


def _derived(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    try:
        secret = unicodedata.normalize("NFC", passphrase).encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError("the passphrase is no Unicode text", hint="is it UTF-8?") from None
    if not 1 <= len(secret) <= PASSPHRASE_SIZE_BYTES_MAX:
        raise UsageError(f"a passphrase has 1 to {PASSPHRASE_SIZE_BYTES_MAX:,} bytes, not {len(secret):,}")
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    try:
        function = Argon2id(
            salt=salt, length=32, iterations=cost.iterations, lanes=cost.lanes, memory_cost=cost.memory_kib
        )
        return function.derive(secret)
    except MemoryError:
        raise SigningError(f"the key file needs {cost.memory_kib // 1024:,} MiB of memory to be opened") from None
    except UnsupportedAlgorithm:
        raise SigningError(
            "the cryptography package here was built without Argon2id, which opens protected key files",
            hint="pip install --only-binary cryptography cryptography",
        ) from None


def _cost(document: _Document) -> Cost:
    return Cost(document.kdf.memory_kib, document.kdf.iterations, document.kdf.lanes)


def _salt(document: _Document) -> bytes:
    return _sized(document.kdf.salt, "salt", SALT_SIZE_BYTES)


def _nonce(document: _Document) -> bytes:
    return _sized(document.cipher.nonce, "nonce", NONCE_SIZE_BYTES)


def _ciphertext(document: _Document) -> bytes:
    return from_base64(document.cipher.ciphertext, "the key file's ciphertext")


def _sized(text: str, name: str, size_bytes: int) -> bytes:
    data = from_base64(text, f"the key file's {name}")
    if len(data) != size_bytes:
        raise DocumentError(f"the key file's {name} has {len(data)} bytes, not {size_bytes}")
    return data
