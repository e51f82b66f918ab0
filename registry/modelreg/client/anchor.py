"""The trust store that the settings name, and the copy beside the user's settings that the next one is held against.

The first trust store that is named is taken as it is, if its own roots have signed it: naming it is the user's decision
to trust it.  Each later one must be one that may follow (``trust.acceptance``), whatever file it comes in.

Invariant: the copy is never older than what was accepted; where the named file is not acceptable, what the copy says
still holds, and that is told.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from modelreg.client.claim import utc_now
from modelreg.config import Settings, user_configuration
from modelreg.errors import DocumentError, ModelregError
from modelreg.files import fsync_folder, make_folder, reason_of
from modelreg.findings import Finding, Severity
from modelreg.rules import RULES
from modelreg.trust.acceptance import accept, accept_pinned, read_envelope
from modelreg.trust.trust_store import SIZE_BYTES_MAX, Enforcement, TrustStore

COPY_NAME = "trust-store.json"
FILE_SIZE_BYTES_MAX = 2 * SIZE_BYTES_MAX


@dataclass(frozen=True, slots=True)
class Anchor:
    """What is trusted: ``store`` is ``None`` where nothing is; ``problem`` is why it is not what the settings name."""

    store: TrustStore | None
    problem: Finding | None = None


def load_anchor(settings: Settings) -> Anchor | None:
    """The trust store that the settings name, accepted now; ``None`` where they name none."""
    path = settings.trust_store.value
    return None if path is None else anchor_at(path, user_configuration() / COPY_NAME, utc_now())


def anchor_at(path: Path, copy: Path, now: str) -> Anchor:
    """The trust store at ``path`` as it may follow the one in ``copy``, which it replaces."""
    known: TrustStore | None = None
    try:
        known = _known(copy)
        data = _read(path)
        if known is None:
            found = accept_pinned(data, TrustStore.parse(read_envelope(data).payload).root.fingerprint, now)
        else:
            found = accept(known, data, now)
        if known is None or found.version > known.version:
            _keep(copy, data)
    except ModelregError as error:
        return Anchor(known, _problem(error, known))
    return Anchor(found)


def _problem(error: ModelregError, known: TrustStore | None) -> Finding:
    is_enforced = known is None or known.mode is Enforcement.ENFORCE
    severity = Severity.REFUSE if is_enforced else Severity.WARN
    return RULES["MR209"].found(error.message, fix=error.hint, severity=severity)


def _known(copy: Path) -> TrustStore | None:
    """What was accepted before; nobody but the user can have written it."""
    if not os.path.lexists(copy):
        return None
    try:
        return TrustStore.parse(read_envelope(_read(copy)).payload)
    except DocumentError as error:
        raise DocumentError(
            f"the trust store that was remembered, {copy}, cannot be used: {error.message}",
            hint="put it back from a backup; without it the next trust store that is named is believed as it comes",
        ) from None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_SIZE_BYTES_MAX + 1)
    except OSError as error:
        raise DocumentError(
            f"the trust store {path} cannot be read: {reason_of(error)}", hint="modelreg config show"
        ) from None
    if len(data) > FILE_SIZE_BYTES_MAX:
        raise DocumentError(
            f"the trust store {path} is longer than the {FILE_SIZE_BYTES_MAX:,} bytes that one can have"
        )
    return data


def _keep(copy: Path, data: bytes) -> None:
    """Replace the copy as a whole; raises ``DocumentError`` where that cannot be done, for then nothing is pinned."""
    temporary = copy.parent / f".{COPY_NAME}.{secrets.token_hex(8)}"
    try:
        make_folder(copy.parent.absolute())
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(copy)
        finally:
            temporary.unlink(missing_ok=True)
        fsync_folder(copy.parent)
    except OSError as error:
        raise DocumentError(
            f"the trust store cannot be remembered in {copy}: {reason_of(error)}; a later one could not be told from it"
        ) from None
