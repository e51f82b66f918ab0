"""The trust store that the settings name, and the copy beside the user's settings that the next one is held against.

The first trust store that is named is taken as it is, if its own roots have signed it: naming it is the user's decision
to trust it.  ``import_trust_store`` compares the fingerprint of its roots first.  Each later one must be one that may
follow (``trust.acceptance``), whatever file it comes in.

Invariant: the copy is never older than what was accepted; where the named file is not acceptable, what the copy says
still holds, and that is told.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from modelreg.client.claim import utc_now
from modelreg.client.trust_pair import read_if_there
from modelreg.config import Settings, user_configuration
from modelreg.digest import is_sha256, sha256_hex
from modelreg.errors import DocumentError, ModelregError, TrustPinError, UsageError
from modelreg.files import reason_of, replace_file
from modelreg.findings import Finding, Severity
from modelreg.rules import RULES
from modelreg.trust.acceptance import (
    accept,
    accept_chain,
    accept_pinned,
    check_fresh,
    read_complete,
    read_envelope,
)
from modelreg.trust.trust_store import Enforcement, TrustStore

COPY_NAME = "trust-store.json"


@dataclass(frozen=True, slots=True)
class Anchor:
    """What is trusted: ``store`` is ``None`` where nothing is; ``problem`` is why it is not what the settings name."""

    store: TrustStore | None
    problem: Finding | None = None


def load_anchor(settings: Settings) -> Anchor | None:
    """The trust store that the settings name, accepted now; ``None`` where they name none."""
    path = settings.trust_store.value
    return None if path is None else anchor_at(path, remembered_path(), utc_now())


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
    data = read_if_there(path)
    if data is None:
        raise DocumentError(f"there is no trust store {path}", hint="modelreg config show")
    return data


def read_trust_store(path: Path) -> tuple[TrustStore, str]:
    """The trust store in a file, if its own roots have signed it, and the SHA-256 of the file.

    Raises ``DocumentError``, and ``TrustError`` for one that lacks signatures.
    """
    data = _read(path)
    return read_complete(data), sha256_hex(data)


def _keep(copy: Path, data: bytes) -> None:
    """Replace the copy as a whole; raises ``DocumentError`` where that cannot be done, for then nothing is pinned."""
    try:
        replace_file(copy, data)
    except OSError as error:
        raise DocumentError(
            f"the trust store cannot be remembered in {copy}: {reason_of(error)}; a later one could not be told from it"
        ) from None


def remembered_path() -> Path:
    """Where the copy is."""
    return user_configuration() / COPY_NAME


@dataclass(frozen=True, slots=True)
class Remembered:
    """What this machine knows of a trust store's file.

    ``store`` is the one that is remembered; ``problem`` is why the file cannot follow it, ``None`` where it can.
    ``is_used`` tells whether the setting ``trust_store`` names the file or the copy.
    """

    store: TrustStore | None
    problem: str | None
    is_used: bool


def remembered_beside(path: Path, settings: Settings) -> Remembered:
    """Whether the trust store at ``path`` would be accepted here, without accepting it; raises ``DocumentError``."""
    copy, named = remembered_path(), settings.trust_store.value
    is_used = named is not None and os.path.realpath(named) in (os.path.realpath(path), os.path.realpath(copy))
    known, problem = _known(copy), None
    try:
        if known is None:
            check_fresh(read_complete(_read(path)), utc_now())
        else:
            accept(known, _read(path), utc_now())
    except ModelregError as error:
        problem = error.message
    return Remembered(known, problem, is_used)


@dataclass(frozen=True, slots=True)
class ImportedTrust:
    """A trust store that is remembered now; ``before`` is the version that it follows, if one was remembered."""

    store: TrustStore
    before: TrustStore | None
    path: Path
    dry_run: bool = False


def import_trust_store(
    paths: Sequence[Path],
    *,
    root: str | None = None,
    ask: Callable[[TrustStore], None] | None = None,
    dry_run: bool = False,
) -> ImportedTrust:
    """Accept the trust store in the last of ``paths``, each of which follows the one before, and remember it.

    The first one ever must have the roots of the fingerprint ``root``, or ``ask``, which raises for a no, is called.
    Raises ``UsageError`` where there is neither, ``TrustError`` for one that may not be taken, ``DocumentError``.
    """
    copy, now = remembered_path(), utc_now()
    known = _known(copy)
    candidates = [_read(path) for path in paths]
    if not candidates:
        raise UsageError("no trust store is named")
    if known is None:
        first = read_complete(candidates[0])
        if root is None and ask is None:
            raise UsageError(
                f"the first trust store is taken by the fingerprint of its roots, and {paths[0]} has "
                f"{first.root.fingerprint}",
                hint="get the fingerprint by another way than the file came, and give it: --root FINGERPRINT",
            )
        if root is None and ask is not None:
            ask(first)
        pinned = first.root.fingerprint if root is None else _fingerprint(root)
        if len(candidates) == 1 or first.root.fingerprint != pinned:
            first = accept_pinned(candidates[0], pinned, now)
        found = accept_chain(first, candidates[1:], now)
    else:
        found = accept_chain(known, candidates, now)
        if root is not None and found.root.fingerprint != _fingerprint(root):
            raise TrustPinError(
                f"the roots of version {found.version} have the fingerprint {found.root.fingerprint}, and "
                f"{root[:80]} was expected; nothing was changed"
            )
    if not dry_run and found != known:
        _keep(copy, candidates[-1])
    return ImportedTrust(found, known, copy, dry_run)


def _fingerprint(text: str) -> str:
    bare = text.strip().lower().removeprefix("sha256:")
    if not is_sha256(bare):
        raise UsageError(
            f"{text[:80]!r} is not the fingerprint of roots",
            hint="64 hex digits, as `modelreg trust show FILE` prints them",
        )
    return bare
