"""C2SP signed notes: a text, and signature lines under it (c2sp.org/signed-note, c2sp.org/tlog-cosignature).

Two kinds of signature are made and checked: Ed25519 over the text (0x01), and a witness's timestamped cosignature
(0x04).  Invariants:

* a ``Note`` is exactly its bytes: what was parsed is written again byte for byte;
* a signature of a key that nobody named is ignored, whatever it looks like, and a key is named by name *and* id;
* a signature of a named key that does not verify makes the whole note invalid.
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelreg.errors import DocumentError
from modelreg.trust.base64_text import from_base64, to_base64
from modelreg.trust.signer import Signer, signed

if TYPE_CHECKING:
    from modelreg.trust.keys import PublicKey

NOTE_SIZE_BYTES_MAX = 256 * 1024
"""Room for 16 signatures of any algorithm, as the specification demands: post-quantum ones have nearly 5 kB."""
SIGNATURES_MAX = 64
KEY_NAME_SIZE_BYTES_MAX = 255
"""What later cosignature formats have room for."""
TIMESTAMP_MAX = 2**63 - 1

_KEY_ID_SIZE_BYTES = 4
_ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of an Ed25519 key in its DER SubjectPublicKeyInfo (RFC 8410 section 4)."""
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_DASH = "\u2014"


class SignatureType(enum.IntEnum):
    """The byte that says what a key's signatures are."""

    ED25519 = 0x01
    COSIGNATURE = 0x04


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under the name that its signature lines carry; as text a *vkey*.  Raises ``DocumentError``."""

    name: str
    type: SignatureType
    public: PublicKey

    def __post_init__(self) -> None:
        _check_key_name(self.name)
        if self.public.algorithm != "ed25519":
            raise DocumentError(
                f"{self.name!r} cannot sign notes with an {self.public.algorithm} key: use an ed25519 key"
            )

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """The key of ``NAME+ID+KEY``; raises ``DocumentError`` for anything else."""
        name, _, rest = text.partition("+")
        _, _, encoded = rest.partition("+")
        material = from_base64(encoded, "the key")
        try:
            type_ = SignatureType(int.from_bytes(material[:1]))
        except ValueError:
            raise DocumentError(
                f"{text[:80]!r} is a key of type 0x{material[:1].hex()}; notes are signed with Ed25519 (0x01) "
                "and co-signed with it (0x04)"
            ) from None
        from modelreg.trust.keys import PublicKey  # whoever reads a note and checks no signature needs none

        key = cls(name, type_, PublicKey.from_der(_ED25519_SPKI + material[1:]))
        if str(key) != text:
            raise DocumentError(
                f"in {text[:160]!r} name, id and key do not fit together",
                hint="copy the key again: a mistyped one would be another key",
            )
        return key

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{to_base64(bytes((self.type,)) + _raw(self.public))}"

    @property
    def id(self) -> bytes:
        """Four bytes that tell keys of one name apart; no proof of anything."""
        told = self.name.encode() + b"\n" + bytes((self.type,)) + _raw(self.public)
        return hashlib.sha256(told).digest()[:_KEY_ID_SIZE_BYTES]


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line, of any algorithm.  Raises ``DocumentError`` for what could not stand in one."""

    name: str
    key_id: bytes
    signature: bytes

    def __post_init__(self) -> None:
        _check_key_name(self.name)
        if len(self.key_id) != _KEY_ID_SIZE_BYTES or not self.signature:
            raise DocumentError(f"a signature line of {self.name!r} holds no key id of 4 bytes and a signature")

    @classmethod
    def parse(cls, line: str) -> NoteSignature:
        """The signature of a line without its newline; raises ``DocumentError``."""
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != _DASH:
            raise DocumentError(f"{line[:80]!r} is no signature line: {_DASH} NAME BASE64")
        blob = from_base64(parts[2], f"the signature of {parts[1][:80]!r}")
        found = cls(parts[1], blob[:_KEY_ID_SIZE_BYTES], blob[_KEY_ID_SIZE_BYTES:])
        if str(found) != line:
            raise DocumentError(f"the signature of {found.name!r} is not in the standard alphabet of base64")
        return found

    def __str__(self) -> str:
        return f"{_DASH} {self.name} {to_base64(self.key_id + self.signature)}"


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """A key whose signature verified; of a cosignature also when it was made, in POSIX seconds, as its key says."""

    key: VerifierKey
    timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends in a newline, and the signatures under it.  Raises ``DocumentError``."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def __post_init__(self) -> None:
        if not self.text.endswith("\n") or _CONTROL.search(self.text):
            raise DocumentError("a note's text ends in a newline and holds no other control character")
        if not 1 <= len(self.signatures) <= SIGNATURES_MAX:
            raise DocumentError(f"a note has 1 to {SIGNATURES_MAX} signatures, not {len(self.signatures)}")
        if len(self.to_bytes()) > NOTE_SIZE_BYTES_MAX:
            raise DocumentError(f"a note has at most {NOTE_SIZE_BYTES_MAX:,} bytes")

    @classmethod
    def parse(cls, data: bytes) -> Note:
        """The note that ``data`` is, exactly; raises ``DocumentError`` for anything else."""
        if len(data) > NOTE_SIZE_BYTES_MAX:
            raise DocumentError(f"the note is {len(data):,} bytes long; at most {NOTE_SIZE_BYTES_MAX:,} are read")
        try:
            told = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DocumentError(f"the note is not UTF-8: {error}") from None
        text, blank, lines = told.rpartition("\n\n")
        if not blank or not lines.endswith("\n"):
            raise DocumentError("the note has no signature lines below an empty line")
        if lines.count("\n") > SIGNATURES_MAX:
            raise DocumentError(f"the note has more than {SIGNATURES_MAX} signatures")
        return cls(text + "\n", tuple(NoteSignature.parse(line) for line in lines[:-1].split("\n")))

    def to_bytes(self) -> bytes:
        lines = "".join(f"{signature}\n" for signature in self.signatures)
        return _utf8(f"{self.text}\n{lines}")

    def with_signature(self, signature: NoteSignature) -> Note:
        """This note with one more signature, in place of an earlier one of the same key."""
        others = (one for one in self.signatures if (one.name, one.key_id) != (signature.name, signature.key_id))
        return Note(self.text, (*others, signature))

    def verified(self, keys: Iterable[VerifierKey]) -> tuple[VerifiedSignature, ...]:
        """The signatures of ``keys`` that stand under the text, in the order of their lines.

        None verified means that the text must not be used.  Raises ``DocumentError`` for a signature of one of
        ``keys`` that does not verify.
        """
        named: dict[tuple[str, bytes], list[VerifierKey]] = {}
        for key in keys:
            named.setdefault((key.name, key.id), []).append(key)
        found: dict[VerifiedSignature, None] = {}
        for signature in self.signatures:
            candidates = named.get((signature.name, signature.key_id), [])
            verified = [one for key in candidates if (one := _verify(key, self.text, signature.signature))]
            if candidates and not verified:
                raise DocumentError(f"the signature of {signature.name} ({signature.key_id.hex()}) does not verify")
            found |= dict.fromkeys(verified)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class NoteSigner:
    """A private key, wherever it lives, that signs notes under a name.  Raises ``DocumentError`` unless Ed25519."""

    name: str
    signer: Signer

    def __post_init__(self) -> None:
        _ = self.key(SignatureType.ED25519)

    def key(self, type_: SignatureType) -> VerifierKey:
        """What checks its signatures of this type."""
        return VerifierKey(self.name, type_, self.signer.public)

    def sign(self, text: str) -> Note:
        """A note of ``text``; raises ``DocumentError`` for a text that a note cannot hold."""
        signature = signed(self.signer, _utf8(text))
        return Note(text, (NoteSignature(self.name, self.key(SignatureType.ED25519).id, signature),))

    def cosign(self, text: str, timestamp: int) -> NoteSignature:
        """A cosignature (version 1) of a checkpoint's text, made at ``timestamp`` in POSIX seconds.

        The text is not looked at: who co-signs a checkpoint has asked ``witness.decide`` before.
        """
        signature = signed(self.signer, _cosigned(text, timestamp))
        told = timestamp.to_bytes(8) + signature
        return NoteSignature(self.name, self.key(SignatureType.COSIGNATURE).id, told)


def _verify(key: VerifierKey, text: str, signature: bytes) -> VerifiedSignature | None:
    if key.type is SignatureType.ED25519:
        return VerifiedSignature(key) if key.public.verify(signature, _utf8(text)) else None
    timestamp, signature = int.from_bytes(signature[:8]), signature[8:]
    if timestamp > TIMESTAMP_MAX or not key.public.verify(signature, _cosigned(text, timestamp)):
        return None
    return VerifiedSignature(key, timestamp)


def _cosigned(text: str, timestamp: int) -> bytes:
    if not 0 <= timestamp <= TIMESTAMP_MAX:
        raise DocumentError(f"{timestamp} is not a time in POSIX seconds")
    return _utf8(f"cosignature/v1\ntime {timestamp}\n{text}")


def _raw(public: PublicKey) -> bytes:
    """The 32 bytes of an Ed25519 key."""
    return public.der[len(_ED25519_SPKI) :]


def _check_key_name(name: str) -> None:
    size_bytes = len(_utf8(name))
    if not 1 <= size_bytes <= KEY_NAME_SIZE_BYTES_MAX or re.search(r"[\s+]", name) or _CONTROL.search(name):
        raise DocumentError(
            f"{name[:80]!r} is no name of a key: 1 to {KEY_NAME_SIZE_BYTES_MAX} bytes without spaces and '+'"
        )


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise DocumentError(f"{text[:80]!r} holds a lone surrogate and is not valid Unicode text") from None
