"""A key behind a program of the user's: a smart card's tool, another cloud's client, a script with a policy of its own.

The program is given the bytes to sign on standard input and writes the signature on standard output, raw: DER for ECDSA
with the curve's hash, 64 bytes for Ed25519.  ``openssl dgst -sha256 -sign KEY.pem`` is one such.  It is started
without a shell, and its answer and its time are bounded; one that is ended takes along what it started.
"""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from modelreg.errors import DocumentError, SigningError, UsageError
from modelreg.files import read_bounded, reason_of
from modelreg.processes import Ended, run_bounded
from modelreg.trust.dsse import SIGNATURE_SIZE_BYTES_MAX
from modelreg.trust.keys import KEY_SIZE_BYTES_MAX, PublicKey

TIMEOUT_S = 120.0
"""Somebody may have to touch a token."""


@dataclass(frozen=True, slots=True)
class CommandSigner:
    """The program ``command`` (its name and arguments), which signs for ``public``."""

    public: PublicKey
    command: tuple[str, ...]
    timeout_s: float = TIMEOUT_S

    @classmethod
    def open(cls, command: Sequence[str], public_key: Path, *, timeout_s: float = TIMEOUT_S) -> CommandSigner:
        """A signer by ``command`` whose public key is the PEM file ``public_key``.

        Raises ``UsageError`` for no command, ``NotFoundError`` and ``DocumentError`` for the key.
        """
        if not command:
            raise UsageError("the command that signs is empty", hint="name a program and its arguments")
        return cls(read_public_key(public_key), tuple(command), timeout_s)

    def sign(self, data: bytes) -> bytes:
        """What the program writes; raises ``SigningError`` where it fails, says nothing, too much, or is too slow."""
        ended, told = self._run(data), shlex.join(self.command)[:200]
        if len(ended.output) > SIGNATURE_SIZE_BYTES_MAX:
            raise SigningError(f"`{told}` wrote more than the {SIGNATURE_SIZE_BYTES_MAX:,} bytes of a signature")
        if ended.status is None:
            raise SigningError(f"`{told}` did not sign within {self.timeout_s:g} s")
        if ended.status != 0:
            raise SigningError(f"`{told}` failed with status {ended.status}: {_last_line(ended.complaint)}")
        if not ended.output:
            raise SigningError(f"`{told}` wrote no signature to its standard output")
        return ended.output

    def _run(self, data: bytes) -> Ended:
        with tempfile.TemporaryFile() as given:  # a file, so that a program which reads nothing blocks nobody
            given.write(data)
            given.seek(0)
            most = SIGNATURE_SIZE_BYTES_MAX
            try:
                return run_bounded(self.command, timeout_s=self.timeout_s, output_size_bytes_max=most, given=given)
            except OSError as error:
                raise SigningError(f"{self.command[0]!r} cannot be started: {reason_of(error)}") from None


def read_public_key(path: Path) -> PublicKey:
    """The public key in the PEM file at ``path``; raises ``NotFoundError``, ``SigningError`` and ``DocumentError``."""
    data = read_bounded(path, KEY_SIZE_BYTES_MAX, "public key", error=SigningError)
    try:
        return PublicKey.from_pem(data)
    except DocumentError as error:
        raise DocumentError(f"{path}: {error.message}", hint=error.hint) from None


def _last_line(complaint: bytes) -> str:
    lines = [line.strip() for line in complaint.decode("utf-8", "replace").splitlines() if line.strip()]
    return (lines or ["it said nothing"])[-1][:200]
