"""Keys that are not in the keyring: in AWS KMS, in a token behind PKCS#11, behind a program of the user's.

    awskms:ID                      an id, an ARN or alias/NAME; the region is that of the ARN or AWS_REGION
    pkcs11:token=T;object=K?module-path=FILE[&pin-source=FILE]
                                   RFC 7512; the PIN comes from pin-source, or is asked for as a passphrase is
    command:PUBLIC.pem PROGRAM [ARGUMENT ...]
                                   started without a shell; it signs what it reads from standard input

No PIN can stand in one: such a text is seen by others, in lists of processes and in settings.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from modelreg.config.values import is_key_elsewhere
from modelreg.errors import SigningError, UsageError
from modelreg.files import read_bounded
from modelreg.trust.keys import PublicKey
from modelreg.trust.signer import Signer

PIN_SIZE_BYTES_MAX = 1024
_ARN = re.compile(r"arn:[a-z-]+:kms:(?P<region>[a-z0-9-]+):[0-9]+:(?:key|alias)/.+", re.ASCII)
_PKCS11_EXAMPLE = "pkcs11:token=models;object=release?module-path=/usr/lib/softhsm/libsofthsm2.so"
_PATH_ATTRIBUTES = ("token", "object", "type")
_QUERY_ATTRIBUTES = ("module-path", "pin-source")


def open_signer(text: str, *, pin: Callable[[], str] | None = None) -> Signer:
    """The signer that ``text`` names; ``pin`` is asked for the PIN of a token whose place ``text`` does not say.

    Raises ``UsageError`` for a text that names none, ``NotFoundError``, ``SigningError`` and ``DocumentError`` for a
    key that cannot be used, ``PassphraseError`` for a wrong PIN.
    """
    scheme, _, rest = text.partition(":")
    if is_key_elsewhere(text) and rest:
        if scheme == "awskms":
            return _in_aws_kms(rest)
        return _behind_a_program(rest) if scheme == "command" else _in_a_token(rest, pin)
    raise UsageError(
        f"{text[:80]!r} names no key",
        hint="awskms:ID, pkcs11:..., command:PUBLIC.pem PROGRAM, or one of the keyring",
    )


def certified(signer: Signer, certificates: Path) -> Signer:
    """``signer`` with the chain of certificates of its key, a PEM file that begins with its own.

    Raises ``NotFoundError`` and ``DocumentError`` for the file, ``SigningError`` for one of another key or out of date.
    """
    from modelreg.trust.signers.certified import CertifiedSigner

    return CertifiedSigner.open(signer, certificates, dt.datetime.now(dt.UTC))


def export_public(public: PublicKey, path: Path) -> None:
    """Write the PEM text of ``public`` into a new file; raises ``ConflictError``, ``SigningError``."""
    from modelreg.trust.signers.file import write_public_key

    write_public_key(path, public)


def _in_aws_kms(key_id: str) -> Signer:
    from modelreg.trust.signers.aws_kms import AwsKmsSigner

    key_id = key_id.removeprefix("///")  # as cosign writes it
    arn = _ARN.fullmatch(key_id)
    return AwsKmsSigner.open(key_id, region=arn["region"] if arn else os.environ.get("AWS_REGION") or None)


def _behind_a_program(text: str) -> Signer:
    from modelreg.trust.signers.command import CommandSigner

    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"command:{text[:80]}: {error}", hint="quote it as for a shell") from None
    if len(words) < 2:
        raise UsageError(
            f"command:{text[:80]} names no public key and no program",
            hint="'command:ada.pub.pem openssl dgst -sha256 -sign ada.pem', say",
        )
    return CommandSigner.open(words[1:], Path(words[0]).expanduser())


def _in_a_token(text: str, pin: Callable[[], str] | None) -> Signer:
    path, _, query = text.partition("?")
    named = _attributes(path, ";", _PATH_ATTRIBUTES)
    given = _attributes(query, "&", _QUERY_ATTRIBUTES)
    missing = [name for name in ("token", "object") if not named.get(name)]
    missing += [] if given.get("module-path") else ["module-path"]
    if missing:
        raise UsageError(f"a key in a token needs {' and '.join(missing)} besides", hint=_PKCS11_EXAMPLE)
    if named.get("type", "private") != "private":
        raise UsageError(f"an object of type {named['type'][:40]!r} does not sign", hint="type=private, or no type")
    from modelreg.trust.signers.pkcs11 import Pkcs11Signer

    if "pin-source" in given:
        secret = _pin_of(Path(given["pin-source"].removeprefix("file:")))
    elif pin is not None:
        secret = pin()
    else:
        raise UsageError("the PIN of the token is not given", hint="&pin-source=FILE behind the module's path")
    return Pkcs11Signer.open(Path(given["module-path"]), named["token"], named["object"], secret)


def _attributes(text: str, mark: str, known: tuple[str, ...]) -> dict[str, str]:
    """The attributes of a part of an RFC 7512 URI; raises ``UsageError`` that shows no value, which may be a PIN."""
    found: dict[str, str] = {}
    for part in filter(None, text.split(mark)):
        name, _, value = part.partition("=")
        if name == "pin-value":
            raise UsageError("a PIN does not belong into a key's name, where others see it", hint="pin-source=FILE")
        if name not in known or name in found:
            what = "stands twice" if name in found else "is not looked at, and so is refused"
            raise UsageError(f"pkcs11: the attribute {name[:40]!r} {what}", hint=_PKCS11_EXAMPLE)
        found[name] = unquote(value)
    return found


def _pin_of(path: Path) -> str:
    """The one line of the file ``path``."""
    data = read_bounded(path, PIN_SIZE_BYTES_MAX, "pin-source", error=SigningError)
    try:
        line = data.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        line = ""
    if not line or "\n" in line:
        raise SigningError(f"the pin-source {str(path)!r} is not one line of text with a PIN")
    return line
