"""Roles: which keys may sign which models, how many of them it takes, and over which part of the log.

A role's pattern is one of four forms.  They read as in a CODEOWNERS file:

    *         every model
    team/**   every model below ``team``, at any depth
    team/*    every model directly below ``team``
    team/x    that model

The most specific pattern that matches a name governs it: the one with the most fixed parts, and of two with as many
the narrower (``team/*`` before ``team/**``).  Two patterns that match one name are never equally specific, so the order
of roles in a document means nothing.  The choice is *terminating*: where the governing pattern's roles do not let a key
sign, no wider pattern is asked.

Roles of one pattern follow each other in time, each over its own window of log indices, so that a later role (other
keys, a higher threshold) leaves what was signed before as good as it was.  A release that has no index in the log is
judged as if it came after everything that the log will ever hold: only a window without an end holds it, and a revoked
key is refused whatever the revocation says.
"""

from __future__ import annotations

import enum
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from modelreg.digest import is_sha256
from modelreg.errors import DocumentError, UsageError
from modelreg.refs import parse_name

ROLE_KEYS_MAX = 64
REASON_LENGTH_MAX = 2000
LOG_INDEX_MAX = 2**53 - 1


class Reach(enum.IntEnum):
    """How far a pattern reaches from its prefix; of two with one prefix the higher is the more specific."""

    BELOW = 0
    CHILDREN = 1
    EXACT = 2


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed pattern; ``parts`` are its fixed parts."""

    parts: tuple[str, ...]
    reach: Reach

    def __str__(self) -> str:
        return "/".join((*self.parts, *_wildcard(self)))

    @property
    def specificity(self) -> tuple[int, Reach]:
        """What patterns are ordered by; different for any two that match the same name."""
        return len(self.parts), self.reach

    def matches(self, model: str) -> bool:
        """Whether ``model``, a name as ``parse_name`` takes it, is one that this pattern is about."""
        parts = tuple(model.split("/"))
        further = len(parts) - len(self.parts)
        if parts[: len(self.parts)] != self.parts:
            return False
        return {Reach.EXACT: further == 0, Reach.CHILDREN: further == 1, Reach.BELOW: further >= 1}[self.reach]

    def covers(self, other: Pattern) -> bool:
        """Whether every name that ``other`` matches is one that this pattern matches too."""
        if other.parts[: len(self.parts)] != self.parts:
            return False
        further = len(other.parts) - len(self.parts)
        if self.reach is Reach.BELOW:
            return further >= 1 or other.reach is not Reach.EXACT
        return self == other or (self.reach is Reach.CHILDREN and other.reach is Reach.EXACT and further == 1)


def _wildcard(pattern: Pattern) -> tuple[str, ...]:
    if pattern.reach is Reach.EXACT:
        return ()
    return ("*",) if pattern.reach is Reach.CHILDREN or not pattern.parts else ("**",)


def parse_pattern(text: str) -> Pattern:
    """The pattern that ``text`` writes; raises ``UsageError``."""
    if text == "*":
        return Pattern((), Reach.BELOW)
    prefix, _, last = text.rpartition("/")
    reach = {"*": Reach.CHILDREN, "**": Reach.BELOW}.get(last, Reach.EXACT)
    try:
        name = parse_name(text if reach is Reach.EXACT else prefix)
    except UsageError:
        raise UsageError(
            f"{text[:200]!r} is not a pattern of model names",
            hint="write * (every model), team/** (all below team), team/* (directly below) or a model's name",
        ) from None
    return Pattern(tuple(name.split("/")), reach)


@dataclass(frozen=True, slots=True)
class Role:
    """``threshold`` of ``keys`` must sign a model of ``pattern`` whose log index is in ``[from_index, until_index)``.

    ``keys`` are key ids and are kept sorted.
    """

    pattern: str
    keys: tuple[str, ...]
    threshold: int = 1
    from_index: int = 0
    until_index: int | None = None

    def __post_init__(self) -> None:
        try:
            parse_pattern(self.pattern)
        except UsageError as error:
            raise DocumentError(error.message, hint=error.hint) from None
        object.__setattr__(self, "keys", tuple(sorted(self.keys)))
        check_threshold(self.keys, self.threshold, f"the role {self.pattern}")
        end = LOG_INDEX_MAX if self.until_index is None else self.until_index
        if not 0 <= self.from_index < end <= LOG_INDEX_MAX:
            raise DocumentError(
                f"the role {self.pattern} cannot be in force from log index {self.from_index} until {self.until_index}"
            )

    def holds(self, log_index: int | None) -> bool:
        """Whether the role is in force at ``log_index``; ``None`` is after everything."""
        if log_index is None:
            return self.until_index is None
        return self.from_index <= log_index and (self.until_index is None or log_index < self.until_index)


def check_threshold(keys: Sequence[str], threshold: int, what: str) -> None:
    """Raise ``DocumentError`` unless ``threshold`` of the distinct key ids ``keys`` can be asked for."""
    if len(set(keys)) != len(keys):
        raise DocumentError(f"{what} names a key twice; signatures are counted by distinct keys")
    if not 1 <= len(keys) <= ROLE_KEYS_MAX:
        raise DocumentError(f"{what} names {len(keys):,} keys; 1 to {ROLE_KEYS_MAX} can be")
    for key in keys:
        if not is_sha256(key):
            raise DocumentError(f"{what} names {key[:80]!r}, which is not the id of a key (64 lowercase hex digits)")
    if not 1 <= threshold <= len(keys):
        raise DocumentError(f"{what} asks for {threshold} signatures by {len(keys)} keys")


def check_windows(roles: Iterable[Role]) -> None:
    """Raise ``DocumentError`` if two roles of one pattern are in force at the same log index."""
    ends: dict[str, Role] = {}
    for role in sorted(roles, key=lambda role: (role.pattern, role.from_index)):
        before = ends.get(role.pattern)
        if before is not None and (before.until_index is None or before.until_index > role.from_index):
            raise DocumentError(f"two roles {role.pattern} are in force at log index {role.from_index}")
        ends[role.pattern] = role


def governing(roles: Iterable[Role], model: str) -> tuple[Role, ...]:
    """The roles of the most specific pattern that matches ``model``, in the order of their windows; maybe none."""
    by_pattern: dict[Pattern, list[Role]] = {}
    for role in roles:
        pattern = parse_pattern(role.pattern)
        if pattern.matches(model):
            by_pattern.setdefault(pattern, []).append(role)
    if not by_pattern:
        return ()
    best = max(by_pattern, key=lambda pattern: pattern.specificity)
    return tuple(sorted(by_pattern[best], key=lambda role: role.from_index))


def role_at(roles: Iterable[Role], log_index: int | None) -> Role | None:
    """The one of ``roles``, all of one pattern, that is in force at ``log_index``."""
    return next((role for role in roles if role.holds(log_index)), None)


@dataclass(frozen=True, slots=True)
class Revocation:
    """A key that is no longer good: from a log index on, or never was (``compromised``).

    ``from_index`` is the first log index at which its signatures do not count; what it signed before stays good.  A
    ``compromised`` key has no index: nothing that it ever signed counts, for a thief can date a release back where
    there is no witness.
    """

    key: str
    reason: str
    from_index: int | None = None
    compromised: bool = False

    def __post_init__(self) -> None:
        if not is_sha256(self.key):
            raise DocumentError(f"{self.key[:80]!r} is revoked, which is not the id of a key (64 lowercase hex digits)")
        object.__setattr__(self, "reason", checked_reason(self.reason, f"the revocation of {self.key[:12]}"))
        if self.compromised == (self.from_index is not None):
            raise DocumentError(
                f"the revocation of {self.key[:12]} needs one of two: the log index from which it holds, "
                "or that the key is compromised"
            )
        if self.from_index is not None and not 0 <= self.from_index <= LOG_INDEX_MAX:
            raise DocumentError(f"{self.key[:12]} cannot be revoked from log index {self.from_index}")

    def applies(self, log_index: int | None) -> bool:
        """Whether a signature over the release at ``log_index`` does not count; without an index none does."""
        return self.from_index is None or log_index is None or log_index >= self.from_index


def checked_reason(text: str, what: str) -> str:
    """``text`` in NFC if it can be the reason of ``what``; raises ``DocumentError``."""
    reason = unicodedata.normalize("NFC", text)
    if not reason.strip() or len(reason) > REASON_LENGTH_MAX or any(map(_is_control, reason)):
        raise DocumentError(
            f"{what} gives {text[:80]!r} as its reason: 1 to {REASON_LENGTH_MAX:,} characters of text are needed"
        )
    return reason


def _is_control(char: str) -> bool:
    """Whether ``char`` could do something to a terminal; line breaks and tabs are text."""
    return unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t"
