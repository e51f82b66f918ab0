"""A key behind a program of the user's: a smart card's tool, another cloud's client, a script with a policy of its own.

The program is given the bytes to sign on standard input and writes the signature on standard output, raw: DER for ECDSA
with the curve's hash, 64 bytes for Ed25519.  ``openssl dgst -sha256 -sign KEY.pem`` is one such.  It is started
without a shell, and its answer and its time are bounded; one that is ended takes along what it started.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from modelreg.errors import DocumentError, NotFoundError, SigningError, UsageError
from modelreg.files import reason_of
from modelreg.trust.dsse import SIGNATURE_SIZE_BYTES_MAX
from modelreg.trust.keys import KEY_SIZE_BYTES_MAX, PublicKey

TIMEOUT_S = 120.0
"""Somebody may have to touch a token."""
COMPLAINT_SIZE_BYTES_MAX = 16 * 1024


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
        output, complaint, status = self._run(data)
        told = shlex.join(self.command)[:200]
        if len(output) > SIGNATURE_SIZE_BYTES_MAX:
            raise SigningError(f"`{told}` wrote more than the {SIGNATURE_SIZE_BYTES_MAX:,} bytes of a signature")
        if status is None:
            raise SigningError(f"`{told}` did not sign within {self.timeout_s:g} s")
        if status != 0:
            raise SigningError(f"`{told}` failed with status {status}: {_last_line(complaint)}")
        if not output:
            raise SigningError(f"`{told}` wrote no signature to its standard output")
        return output

    def _run(self, data: bytes) -> tuple[bytes, bytes, int | None]:
        """Output and complaint up to their bounds, and the status; ``None`` where it was ended."""
        pipe, deadline = subprocess.PIPE, time.monotonic() + self.timeout_s
        with tempfile.TemporaryFile() as given:  # a file, so that a program which reads nothing blocks nobody
            given.write(data)
            given.seek(0)
            try:
                process = subprocess.Popen(  # noqa: S603 - the user's own choice of program, without a shell
                    self.command, stdin=given, stdout=pipe, stderr=pipe, start_new_session=True
                )
            except OSError as error:
                raise SigningError(f"{self.command[0]!r} cannot be started: {reason_of(error)}") from None
        status = None
        with process:
            try:
                output, complaint, ended = _read_bounded(process, deadline)
                if ended:
                    status = process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
            finally:
                if status is None:
                    _end(process)
        return output, complaint, status


def read_public_key(path: Path) -> PublicKey:
    """The public key in the PEM file at ``path``; raises ``NotFoundError``, ``SigningError`` and ``DocumentError``."""
    try:
        with path.open("rb") as file:
            data = file.read(KEY_SIZE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise NotFoundError(f"there is no public key {path}") from None
    except OSError as error:
        raise SigningError(f"cannot read the public key {path}: {reason_of(error)}") from None
    try:
        return PublicKey.from_pem(data)
    except DocumentError as error:
        raise DocumentError(f"{path}: {error.message}", hint=error.hint) from None


def _read_bounded(process: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, bytes, bool]:
    """Both streams, the first up to its bound and the last of the other, and whether they ended in time."""
    output, complaint = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        for stream, kept in ((process.stdout, output), (process.stderr, complaint)):
            selector.register(stream, selectors.EVENT_READ, kept)  # type: ignore[arg-type]
        while selector.get_map() and len(output) <= SIGNATURE_SIZE_BYTES_MAX:
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                break
            for key, _ in ready:
                chunk = os.read(key.fd, 4096)
                key.data.extend(chunk)
                if not chunk:
                    selector.unregister(key.fileobj)
            del complaint[:-COMPLAINT_SIZE_BYTES_MAX]
        ended = not selector.get_map()
    return bytes(output), bytes(complaint), ended


def _end(process: subprocess.Popen[bytes]) -> None:
    """End ``process``, which leads a session of its own, and whatever it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group that has ended
        os.killpg(process.pid, signal.SIGKILL)


def _last_line(complaint: bytes) -> str:
    lines = [line.strip() for line in complaint.decode("utf-8", "replace").splitlines() if line.strip()]
    return (lines or ["it said nothing"])[-1][:200]
