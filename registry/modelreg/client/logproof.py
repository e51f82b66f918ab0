"""Proofs and checkpoints of a log, checked from a file and with no registry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from modelreg.digest import is_sha256
from modelreg.errors import DocumentError, PlacementError, UntrustedError, UsageError
from modelreg.files import read_bounded, reason_of, replace_file
from modelreg.trust.checkpoint import SignedCheckpoint, open_checkpoint
from modelreg.trust.leaf import LogLeaf
from modelreg.trust.note import NOTE_SIZE_BYTES_MAX, VerifierKey
from modelreg.trust.proof import PROOF_SIZE_BYTES_MAX, PROOF_TYPE, LogProof, open_proof


@dataclass(frozen=True, slots=True)
class LogChecked:
    """What a file proves: that a log had ``size`` entries under ``root``, and of a proof also which is ``position``.

    Of a checkpoint alone ``position``, ``kind`` and ``payload_sha256`` are ``None``.
    """

    origin: str
    size: int
    root: str
    position: int | None = None
    kind: str | None = None
    payload_sha256: str | None = None
    signers: tuple[str, ...] = ()


def vkey(text: str) -> VerifierKey:
    """The public key of a log that ``text`` is; raises ``UsageError``."""
    try:
        return VerifierKey.parse(text)
    except DocumentError as error:
        raise UsageError(error.message, hint="modelreg log key prints it, as NAME+ID+KEY") from None


def read_note_file(path: Path) -> bytes:
    """The bytes of a checkpoint or proof; raises ``NotFoundError``, ``DocumentError`` for what is too long."""
    most = max(NOTE_SIZE_BYTES_MAX, PROOF_SIZE_BYTES_MAX)
    return read_bounded(path, most, "proof or checkpoint", hint="modelreg log prove REF -o FILE")


def write_log_file(path: Path, data: bytes) -> None:
    """Make ``path`` hold a proof or a checkpoint, whole or not at all; raises ``PlacementError``."""
    try:
        replace_file(path, data)
    except OSError as error:
        raise PlacementError(f"{str(path)!r} cannot be written: {reason_of(error)}", hint="name another file") from None


def check_log_file(path: str | Path, keys: Iterable[str], digest: str | None = None) -> LogChecked:
    """Check a proof or a checkpoint in a file by the log's public keys; with ``digest`` that it is about this manifest.

    Raises ``UntrustedError`` for a file that does not prove it, ``UsageError`` for what is no key or digest.
    """
    logs = tuple(map(vkey, keys))
    if digest is not None and not is_sha256(digest := digest.removeprefix("sha256:")):
        raise UsageError(f"{digest[:80]!r} is no SHA-256", hint="64 hex digits, as modelreg show prints them")
    data = read_note_file(Path(path))
    try:
        if not data.startswith(PROOF_TYPE.encode()):
            if digest is not None:
                raise DocumentError("it is a checkpoint, which proves nothing of one version")
            return _of(open_checkpoint(data, logs))
        wanted = digest or LogLeaf.parse(LogProof.parse(data).leaf).payload_sha256
        found = open_proof(data, wanted, logs)
    except DocumentError as error:
        raise UntrustedError(f"{path} proves nothing: {error.message}") from None
    return _of(found.head, found.index, found.leaf)


def _of(head: SignedCheckpoint, position: int | None = None, leaf: LogLeaf | None = None) -> LogChecked:
    checkpoint = head.checkpoint
    return LogChecked(
        checkpoint.origin,
        checkpoint.size,
        checkpoint.root.hex(),
        position,
        leaf.kind if leaf else None,
        leaf.payload_sha256 if leaf else None,
        leaf.signer_key_ids if leaf else (),
    )
