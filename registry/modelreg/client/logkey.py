"""The key that signs the log's checkpoints: the one that the settings name, made with the first push where they do not.

It belongs to whoever runs the registry.  For the embedded registry it lies in its home, unprotected, since it vouches
for the order of what was pushed and not for anybody; whoever can write there could push anything anyway.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

from modelreg.config import Settings
from modelreg.errors import ConflictError, DocumentError, PassphraseError, SigningError
from modelreg.trust.keys import Algorithm, PrivateKey
from modelreg.trust.note import NoteSigner, SignatureType, VerifierKey
from modelreg.trust.signers.file import unlock_key_file, write_key_file


def log_signer(settings: Settings, origin: str) -> NoteSigner | None:
    """Who signs checkpoints of the log ``origin``; ``None`` where no key is named, or the default one is not ours.

    Raises ``NotFoundError`` or ``SigningError`` for a named key that is absent or cannot be used.
    """
    path = settings.log_key.value
    if path is None or (settings.log_key.source == "default" and not os.access(path, os.R_OK)):
        return None
    try:
        key = unlock_key_file(path)
    except PassphraseError as error:
        raise SigningError(
            f"{error.message}: a log's key signs unattended, so it has no passphrase",
            hint="keep it where only the registry's own user can read it: modelreg key passwd NAME --no-passphrase",
        ) from None
    try:
        return NoteSigner(origin, key)
    except DocumentError as error:
        raise SigningError(
            f"{path}: {error.message}", hint="modelreg key generate NAME --algorithm ed25519 --no-passphrase"
        ) from None


def made_log_signer(settings: Settings, origin: str) -> NoteSigner | None:
    """The same after the key was made, if it is one that may be: the embedded registry's, which has none yet."""
    path = settings.log_key.value
    if path is not None and settings.log_key.source == "default" and not os.path.lexists(path):
        with contextlib.suppress(ConflictError):  # another first push made it just now
            write_key_file(path, PrivateKey.generate(Algorithm.ED25519).to_pem())
    return log_signer(settings, origin)


def log_keys(settings: Settings, origin: str, given: Iterable[str] = ()) -> tuple[VerifierKey, ...]:
    """By which keys checkpoints of the log ``origin`` are checked: ``given`` ones, the trust store's, or one's own.

    There may be none.  Raises ``UsageError`` for a text that is no key, ``SigningError`` for an own key that cannot be
    used.
    """
    from modelreg.client.anchor import load_anchor
    from modelreg.client.logproof import vkey

    if texts := tuple(given):
        return tuple(map(vkey, texts))
    anchor = load_anchor(settings)
    registries = anchor.store.registries if anchor and anchor.store else ()
    if named := [one.log for one in registries if one.id == origin and one.log]:
        return tuple(map(vkey, named))
    signer = log_signer(settings, origin)
    return () if signer is None else (signer.key(SignatureType.ED25519),)
