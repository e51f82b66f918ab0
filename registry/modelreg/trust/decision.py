"""What a trust store says of one version's signers: enough of the right keys, or what is wrong with each.

Pure.  Who has signed was found out before (``dsse.valid_signers`` over ``TrustStore.public_keys()``); here it is
decided whether that is who had to.  ``roles`` says how the role is chosen and what time means.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass

from modelreg.digest import is_sha256
from modelreg.findings import Severity
from modelreg.trust.roles import Revocation, Role, governing, role_at
from modelreg.trust.trust_store import KEY_ID_SHOWN, Enforcement, TrustStore

STRANGERS_NAMED_MAX = 20
"""An envelope can name many keys that nobody knows; so many are told of one by one."""
KEYS_NAMED_MAX = 5


class Distrust(enum.StrEnum):
    """What can be wrong with who signed."""

    MISSING = "missing"
    INVALID = "invalid"
    """A signature that names a trusted key, and is not by it."""
    FOREIGN = "foreign"
    REVOKED = "revoked"
    WRONG_PATTERN = "wrong-pattern"
    UNCOVERED = "uncovered"
    """No role is about the model at all."""
    TOO_FEW = "too-few"
    OUTSIDE_WINDOW = "outside-window"

    @property
    def rule(self) -> str:
        """The id of the rule whose finding this is."""
        return _RULES[self]


_RULES = {
    Distrust.MISSING: "MR201",
    Distrust.INVALID: "MR202",
    Distrust.FOREIGN: "MR203",
    Distrust.REVOKED: "MR204",
    Distrust.WRONG_PATTERN: "MR205",
    Distrust.UNCOVERED: "MR205",
    Distrust.TOO_FEW: "MR206",
    Distrust.OUTSIDE_WINDOW: "MR207",
}
_GRAVE = (Distrust.INVALID, Distrust.REVOKED)
"""What only tampering or a thief brings about: refused also where the store only warns."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """One thing that is wrong: ``key`` is the id of the key that it is about, ``fix`` what to do."""

    severity: Severity
    kind: Distrust
    message: str
    fix: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class TrustDecision:
    """``role`` was asked, and ``good`` are the keys that count for it, sorted; ``trusted`` if they are enough.

    Of a trusted version the doubts are about signatures that were not needed.
    """

    trusted: bool
    role: Role | None
    good: tuple[str, ...]
    doubts: tuple[Doubt, ...]


def decide(
    store: TrustStore,
    model: str,
    signers: Iterable[str],
    log_index: int | None,
    *,
    unverified: Collection[str] = (),
) -> TrustDecision:
    """Whether ``signers`` are those who had to sign a version of ``model`` whose leaf is at ``log_index``.

    ``signers`` are ids of keys whose signatures over the version's manifest were *verified*; ``unverified`` are the ids
    that other signatures give for themselves, which never count and only let the doubts be told apart.  ``log_index``
    is one that was *proved* by a checkpoint of the registry's log; without a proof it is ``None``, and the version
    counts as newer than everything in the log.
    """
    case = _Case(store, model, governing(store.roles, model), log_index)
    verified = sorted(set(signers))
    told = {key: case.flaw(key) for key in verified}
    good = tuple(key for key, flaw in told.items() if flaw is None)
    role = case.role
    trusted = role is not None and len(good) >= role.threshold
    flaws = [flaw for flaw in told.values() if flaw is not None]
    strangers = sorted(set(unverified) - set(verified), key=lambda key: (store.key(key) is None, key))
    flaws += map(case.stranger, strangers[:STRANGERS_NAMED_MAX])
    if role is not None and good and not trusted:
        flaws.append(case.too_few(role, good))
    if not flaws and not trusted:
        flaws.append(case.missing())
    doubts = (Doubt(_severity(store.mode, flaw.kind, trusted=trusted), **asdict(flaw)) for flaw in flaws)
    return TrustDecision(trusted, role, good, tuple(doubts))


def _severity(mode: Enforcement, kind: Distrust, *, trusted: bool) -> Severity:
    """How grave it is; a signature that was not needed is only told of, unless it is a forgery."""
    if mode is Enforcement.OFF or (trusted and kind is not Distrust.INVALID):
        return Severity.INFO
    return Severity.REFUSE if mode is Enforcement.ENFORCE or kind in _GRAVE else Severity.WARN


@dataclass(frozen=True, slots=True)
class _Flaw:
    """A doubt before it is graded."""

    kind: Distrust
    message: str
    fix: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class _Case:
    """One version before the trust store: ``roles`` are those of the governing pattern."""

    store: TrustStore
    model: str
    roles: tuple[Role, ...]
    log_index: int | None

    @property
    def role(self) -> Role | None:
        return role_at(self.roles, self.log_index)

    def flaw(self, key: str) -> _Flaw | None:
        """What keeps the verified signature of ``key`` from counting."""
        if self.store.key(key) is None:
            return self._foreign(key)
        if (revocation := self.store.revocation(key)) is not None and revocation.applies(self.log_index):
            return self._revoked(revocation)
        if not self.roles:
            return _Flaw(
                Distrust.UNCOVERED,
                f"{self.model} is signed by {self._label(key)}, and no role of the trust store is about {self.model}",
                "have those who keep the root keys give it a role: modelreg trust add",
                key,
            )
        if self.role is not None and key in self.role.keys:
            return None
        if any(key in role.keys for role in self.roles):
            return self._outside(key)
        asked = self.role or self.roles[-1]
        return _Flaw(
            Distrust.WRONG_PATTERN,
            f"{self._label(key)} may not sign {self.model}: the role {asked.pattern} is that of "
            f"{self._labels(asked.keys)}",
            "have one of the role's keys sign it, or those who keep the root keys change the role",
            key,
        )

    def stranger(self, told: str) -> _Flaw:
        """A signature that no trusted key made, and that gives ``told`` as its key."""
        if self.store.key(told) is None:
            return self._foreign(told)
        return _Flaw(
            Distrust.INVALID,
            f"a signature on {self.model} names {self._label(told)} and is not by that key: it, or what it signs, was "
            "changed",
            "get the version and its signatures from where it was pushed",
            told,
        )

    def too_few(self, role: Role, good: Sequence[str]) -> _Flaw:
        """``good`` are keys of ``role``, and not enough of them."""
        return _Flaw(
            Distrust.TOO_FEW,
            f"{self.model} needs {role.threshold} signatures under the role {role.pattern} and has {len(good)}: "
            f"{self._labels(good)}",
            f"have more of the role's keys sign it: {self._labels([key for key in role.keys if key not in good])}",
        )

    def missing(self) -> _Flaw:
        """There is no signature at all."""
        if self.role is not None:
            wanted = f"the role {self.role.pattern} asks for {self.role.threshold}"
        else:
            wanted = f"no role of the trust store is {'in force for' if self.roles else 'about'} it"
        return _Flaw(Distrust.MISSING, f"{self.model} has no signature; {wanted}", "sign it: modelreg sign")

    def _foreign(self, told: str) -> _Flaw:
        return _Flaw(
            Distrust.FOREIGN,
            f"{self.model} is signed by {_shown(told)}, which the trust store does not know",
            "do not use the version, or have those who keep the root keys add the key: modelreg trust add",
            told,
        )

    def _revoked(self, revocation: Revocation) -> _Flaw:
        if revocation.compromised:
            since = "whose key is compromised"
        elif self.log_index is None:
            since = f"revoked from log index {revocation.from_index} on, and nothing proves that this version is older"
        else:
            since = f"revoked from log index {revocation.from_index} on, and this version has {self.log_index}"
        return _Flaw(
            Distrust.REVOKED,
            f"{self.model} is signed by {self._label(revocation.key)}, {since}: {revocation.reason}",
            "do not use the version before somebody has looked at it and signed it with a key that is trusted",
            revocation.key,
        )

    def _outside(self, key: str) -> _Flaw:
        windows = ", ".join(_window(role) for role in self.roles if key in role.keys)
        here = "none, which counts as the newest" if self.log_index is None else str(self.log_index)
        return _Flaw(
            Distrust.OUTSIDE_WINDOW,
            f"{self._label(key)} may sign {self.model} under the role {self.roles[0].pattern} at the log indices "
            f"{windows}, and this version has {here}",
            "have a key sign it that may do so now, or prove the version's place in the log: modelreg log prove",
            key,
        )

    def _label(self, key: str) -> str:
        return self.store.label(key)

    def _labels(self, keys: Sequence[str]) -> str:
        more = len(keys) - KEYS_NAMED_MAX
        return ", ".join(map(self._label, keys[:KEYS_NAMED_MAX])) + (f" and {more} more" if more > 0 else "")


def _shown(told: str) -> str:
    """A key that nobody vouches for, as its envelope names it."""
    if is_sha256(told):
        return f"the key {told[:KEY_ID_SHOWN]}"
    return f"a key that calls itself {told[:40]!r}" if told else "a key that gives no id"


def _window(role: Role) -> str:
    return f"from {role.from_index} on" if role.until_index is None else f"{role.from_index} to {role.until_index - 1}"
