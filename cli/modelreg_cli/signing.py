"""Which key signs, and how it is unlocked: what ``push`` and ``sign`` have in common."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import modelreg
from modelreg_cli import complete, passphrases
from modelreg_cli.invocation import Invocation
from modelreg_cli.terminal import is_terminal

if TYPE_CHECKING:
    from modelreg import Signer

KEY_ID_SHOWN = 16
"""How much of a key's id stands in a line; ``--json`` has all of it."""


Certificates = Annotated[
    str | None,
    typer.Option(
        "--certificates",
        metavar="FILE",
        help="X.509: the key's certificate, then its issuers', PEM.",
        show_default=False,
    ),
]


def unlocked(invocation: Invocation, name: str, passphrase_file: str | None) -> Signer:
    """The user's key ``name``, of the keyring or elsewhere.

    Its passphrase, or its token's PIN, comes from where one may, and is asked for only if there is one.
    """
    if modelreg.is_key_elsewhere(name):
        return modelreg.open_signer(name, pin=lambda: passphrases.existing(passphrase_file, name))
    keyring = modelreg.Keyring.open(invocation.settings())
    is_protected = keyring.get(name).is_protected
    return keyring.unlock(name, passphrases.existing(passphrase_file, name) if is_protected else None)


SignWith = Annotated[
    str | None,
    typer.Option(
        "--sign",
        metavar="KEY",
        help="A key of yours, awskms:ID, pkcs11:URI or command:...; by default that of the setting sign.",
        autocompletion=complete.keys,
        show_default=False,
    ),
]
NoSign = Annotated[bool, typer.Option("--no-sign", help="Do not sign, whatever the settings say.")]


@dataclass(frozen=True, slots=True)
class PushKey:
    """What signs a push, and what it is called; ``why_not`` is what kept a key that nobody named from signing."""

    signer: Signer | None = None
    name: str | None = None
    is_new: bool = False
    why_not: str | None = None


def key_of_push(invocation: Invocation, named: str | None, passphrase_file: str | None, *, dry_run: bool) -> PushKey:
    """The key that is ``named``, else the one of the setting, else the one of whoever named none, made if need be.

    A key that was asked for signs, or the push fails.  One that nobody asked for keeps no push from being made.
    """
    setting = invocation.settings().sign
    name = named or setting.value
    if name is None:
        return PushKey()
    if named is not None or setting.source != "default" or passphrase_file is not None:
        return PushKey(unlocked(invocation, name, passphrase_file), name)
    try:
        return _unasked(invocation, name, dry_run=dry_run)
    except modelreg.PassphraseError:
        raise
    except (modelreg.SigningError, modelreg.DocumentError) as error:
        return PushKey(why_not=error.message + (f" ({error.hint})" if error.hint else ""))


def key_of(
    invocation: Invocation, named: str | None, passphrase_file: str | None, *, no_sign: bool, dry_run: bool = False
) -> PushKey:
    """The key that signs, or none with ``--no-sign``; raises ``UsageError`` for both at once."""
    if no_sign and named is not None:
        raise modelreg.UsageError(f"--sign {named} and --no-sign are each other's opposite", hint="give one of them")
    return PushKey() if no_sign else key_of_push(invocation, named, passphrase_file, dry_run=dry_run)


def unsigned(key: PushKey, what: str) -> tuple[str, ...]:
    """The note on what nobody signed although somebody could have been expected to."""
    return () if key.why_not is None else (f"{what} is not signed: {key.why_not}",)


def _unasked(invocation: Invocation, name: str, *, dry_run: bool) -> PushKey:
    keyring = modelreg.Keyring.open(invocation.settings())
    if dry_run and name not in keyring.names():
        return PushKey()
    key, is_new = keyring.ensure(name)
    if is_new:
        invocation.output.note(
            f"made the key {name} ({key.id[:KEY_ID_SHOWN]}), which signs what you push: {key.path}, not protected by a "
            f'passphrase (modelreg key passwd {name}); to sign nothing: --no-sign, or sign = "none" in config.toml'
        )
    if key.is_protected and passphrases.given(None) is None and not is_terminal(sys.stdin):
        return PushKey(
            why_not=f"the key {name} has a passphrase and nobody can be asked here "
            f"(--passphrase-file FILE, or {passphrases.VARIABLE})"
        )
    return PushKey(unlocked(invocation, name, None), name, is_new)


def certified(signer: Signer, certificates: str | None) -> Signer:
    """``signer`` with the certificates of that file, if there is one."""
    return signer if certificates is None else modelreg.certified(signer, Path(certificates))
