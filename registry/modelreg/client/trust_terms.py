"""What the words of ``modelreg trust`` mean: a time to expire at, a mode, a registry."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from modelreg.errors import DocumentError, UsageError
from modelreg.trust.note import VerifierKey
from modelreg.trust.trust_store import Enforcement, TrustedRegistry

_DAYS = re.compile(r"([0-9]{1,5})d", re.ASCII)
DAYS_MAX = 36_500


def expiry(text: str, now: str) -> str:
    """The time that ``text`` means at ``now``: ``365d``, ``2027-11-28`` or ``2027-11-28T12:00:00Z``.

    Raises ``UsageError`` for anything else, and for what is over.
    """
    if (days := _DAYS.fullmatch(text)) is not None and 1 <= int(days[1]) <= DAYS_MAX:
        return _written(datetime.fromisoformat(now) + timedelta(days=int(days[1])))
    try:
        time = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ" if "T" in text else "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise UsageError(
            f"{text[:40]!r} is no time to expire at", hint="--expires 365d, or --expires 2027-11-28"
        ) from None
    if _written(time) <= now:
        raise UsageError(f"{text} is over, it is {now}", hint="--expires 365d")
    return _written(time)


def _written(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def mode_of(text: str) -> Enforcement:
    """The mode that ``text`` names; raises ``UsageError``."""
    try:
        return Enforcement(text)
    except ValueError:
        raise UsageError(f"{text[:40]!r} is no mode of a trust store", hint="off, warn or enforce") from None


def registry_of(text: str) -> TrustedRegistry:
    """The registry that ``text`` names: ``ID``, ``ID=VKEY``, or the log's ``VKEY`` alone, whose name is the id.

    Raises ``UsageError``, also for the key of another log.
    """
    name, _, log = text.partition("=")
    if "+" in name:  # which no id holds
        name, log = name.partition("+")[0], text
    with as_usage():
        found = TrustedRegistry(name, log or None)
        if log and (key := VerifierKey.parse(log)).name != name:
            raise UsageError(f"{log[:80]!r} is the key of the log {key.name!r}, not of {name!r}")
        return found


@contextlib.contextmanager
def as_usage() -> Iterator[None]:
    """What cannot stand in a document was asked for by somebody, who can ask for something else."""
    try:
        yield
    except DocumentError as error:
        raise UsageError(error.message, hint=error.hint) from None
