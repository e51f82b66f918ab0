"""Which key signs, and how it is unlocked: what ``push`` and ``sign`` have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import modelreg
from modelreg_cli import passphrases
from modelreg_cli.invocation import Invocation

if TYPE_CHECKING:
    from modelreg import Signer

KEY_ID_SHOWN = 16
"""How much of a key's id stands in a line; ``--json`` has all of it."""


def unlocked(invocation: Invocation, name: str, passphrase_file: str | None) -> Signer:
    """The user's key ``name``; its passphrase comes from where one may, and is asked for only if there is one."""
    keyring = modelreg.Keyring.open(invocation.settings())
    is_protected = keyring.get(name).is_protected
    return keyring.unlock(name, passphrases.existing(passphrase_file, name) if is_protected else None)
