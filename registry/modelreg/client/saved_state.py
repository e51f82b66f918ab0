"""What no manifest tells, taken from a listing that was kept: aliases and withdrawals.

The listing is ``modelreg list --limit 0 --json``.  It is not signed, so whoever gives it vouches for it; a line counts
only for the version that has its digest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from modelreg.client.care import Loss, LossKind
from modelreg.client.stating import Stating
from modelreg.errors import DocumentError, NotFoundError, UsageError
from modelreg.records import from_json, parse_json
from modelreg.refs import parse_alias

SAVED_SIZE_BYTES_MAX = 256 * 1024 * 1024
"""A line of 10^5 versions takes 0.6 KB with one file."""
RESTORED = "restored from a listing"
_REASON_LENGTH_MAX = 2000
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


@dataclass(frozen=True, slots=True)
class SavedVersion:
    """A line of the listing, as far as it matters here."""

    model: str
    version: int
    digest: str
    aliases: tuple[str, ...] = ()
    withdrawn_at: str | None = None
    withdrawn_reason: str | None = None

    def __post_init__(self) -> None:
        for alias in self.aliases:
            try:
                parse_alias(alias)
            except UsageError as error:
                raise DocumentError(error.message) from None
        is_withdrawn = self.withdrawn_at is not None
        if is_withdrawn and not _TIMESTAMP.fullmatch(self.withdrawn_at or ""):
            raise DocumentError(f"{self.withdrawn_at!r} is not a time like 2026-11-23T18:55:36Z")
        if is_withdrawn != bool(self.withdrawn_reason) or len(self.withdrawn_reason or "") > _REASON_LENGTH_MAX:
            raise DocumentError(
                f"{self.model}:{self.version} is withdrawn without time or reason, or with a longer one"
            )

    @property
    def name(self) -> str:
        return f"{self.model}:{self.version}"


@dataclass(frozen=True, slots=True)
class _Listing:
    versions: tuple[SavedVersion, ...]
    next: str | None = None


def read_saved_state(path: Path) -> tuple[SavedVersion, ...]:
    """The lines that have something to say; raises ``NotFoundError``, ``UsageError`` for what is no such listing."""
    hint = "write one while the database is well: modelreg list --limit 0 --json > FILE"
    try:
        with path.open("rb") as file:
            data = file.read(SAVED_SIZE_BYTES_MAX + 1)
    except OSError as error:
        raise NotFoundError(f"{str(path)!r} cannot be read: {error.strerror}", hint=hint) from error
    try:
        value = parse_json(data, what=str(path), size_bytes_max=SAVED_SIZE_BYTES_MAX)
        if not isinstance(value, dict) or value.get("schema") != "modelreg.list/v1":
            raise DocumentError(f"{path} is no listing of modelreg")
        listing = from_json(_Listing, value, what=str(path))
    except DocumentError as error:
        raise UsageError(error.message, hint=hint) from None
    if listing.next is not None:
        raise UsageError(f"{path} is one page of a longer listing, up to {listing.next}", hint=hint)
    return tuple(saved for saved in listing.versions if saved.aliases or saved.withdrawn_at)


@dataclass(frozen=True, slots=True)
class Restored:
    """How many aliases and withdrawals were put back, and what could not be."""

    aliases: int
    withdrawals: int
    losses: tuple[Loss, ...]


def restore_state(stating: Stating, saved: tuple[SavedVersion, ...]) -> Restored:
    """Put back aliases that are not there and withdrawals of versions that are; what is there stays as it is."""
    transaction = stating.transaction
    aliases = withdrawals = 0
    losses = []
    digests: dict[str, dict[int, str]] = {}
    for line in saved:
        if line.model not in digests:
            digests[line.model] = transaction.versions_of(line.model)
        if digests[line.model].get(line.version) != line.digest.removeprefix("sha256:"):
            what = (
                f"{line.name}: its aliases and its withdrawal were not restored: there is no version with that digest"
            )
            losses.append(Loss(LossKind.STATE, what, (line.name,)))
            continue
        for alias in line.aliases:
            if transaction.alias_target(line.model, alias) is None:
                stating.move(line.model, alias, line.version, RESTORED)
                aliases += 1
        if line.withdrawn_at and line.withdrawn_reason:
            withdrawals += stating.withdraw(line.model, line.version, line.withdrawn_reason, line.withdrawn_at)
    return Restored(aliases, withdrawals, tuple(losses))
