"""Which key a word of the command line means: one of the trust store, one of the user's keyring, or a PEM file."""

from __future__ import annotations

import os
import re
from pathlib import Path

from modelreg.client.keyring import Keyring, StoredKey
from modelreg.errors import DocumentError, NotFoundError, UsageError
from modelreg.trust.keys import PublicKey
from modelreg.trust.signers.command import read_public_key
from modelreg.trust.trust_store import TrustedKey, TrustStore, check_key_name

_ID_PREFIX = re.compile(r"[0-9a-f]{8,64}")
"""So much of an id is enough to name a key of a trust store, if it is the only one."""


def given_key(text: str, keyring: Keyring, store: TrustStore | None = None) -> tuple[str, PublicKey]:
    """The key that ``text``, ``[NAME=]KEY``, means, and what it is to be called.

    ``KEY`` is a PEM file, or the name of a key in ``store`` or in ``keyring``, or the beginning of an id in ``store``.
    Raises ``UsageError`` where two of them are meant, ``NotFoundError`` for none, ``DocumentError`` for a file that
    holds no public key.
    """
    name, mark, word = text.rpartition("=")
    if mark:
        try:
            check_key_name(name)
        except DocumentError as error:
            raise UsageError(f"{text[:80]!r}: {error.message}", hint="NAME=KEY") from None
    if os.sep in word or word.endswith((".pem", ".pub")):
        return name or _name_of(Path(word)), read_public_key(Path(word))
    known = None if store is None or mark else _in_store(store, word)
    own = _in_keyring(keyring, word)
    if known is not None and own is not None and known.id != own.id:
        raise UsageError(
            f"{word!r} names a key of yours ({own.id[:12]}) and another of the trust store ({known.id[:12]})",
            hint=f"{known.id[:12]} for that of the trust store, NAME={word} for yours",
        )
    if known is not None:
        return known.name, known.public
    if own is not None:
        return name or word, PublicKey.from_pem(own.public_pem.encode("ascii"))
    places = f"a key in {keyring.folder}" + ("" if store is None else ", nor one of the trust store")
    raise NotFoundError(
        f"{word[:200]!r} is neither a PEM file (with / or ending in .pem) nor {places}", hint="modelreg key list"
    )


def known_key(text: str, store: TrustStore) -> TrustedKey:
    """The key of ``store`` with the name ``text``, or whose id begins so; raises ``NotFoundError``."""
    found = _in_store(store, text)
    if found is None:
        named = ", ".join(str(key) for key in store.keys[:20])
        raise NotFoundError(
            f"the trust store has no key {text[:80]!r}; it has {named}", hint="modelreg trust show FILE"
        )
    return found


def _in_store(store: TrustStore, word: str) -> TrustedKey | None:
    """Raises ``UsageError`` for the beginning of two ids."""
    named = next((key for key in store.keys if key.name == word), None)
    if named is not None or not _ID_PREFIX.fullmatch(word):
        return named
    found = [key for key in store.keys if key.id.startswith(word)]
    if len(found) > 1:
        raise UsageError(f"{word} begins the ids of {len(found)} keys: {', '.join(map(str, found[:5]))}")
    return found[0] if found else None


def _in_keyring(keyring: Keyring, word: str) -> StoredKey | None:
    try:
        return keyring.get(word)
    except (NotFoundError, UsageError):
        return None


def _name_of(path: Path) -> str:
    return path.name.removesuffix(".pem").removesuffix(".pub")
