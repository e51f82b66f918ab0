"""Statements about what can change after a push: pointers, withdrawals and trust events, each naming the one before.

Each is an in-toto Statement v1 with a predicate of ours, signed in a DSSE envelope, and kept by its exact bytes, whose
SHA-256 is the statement's digest.  Statements about one thing form a chain: each gives the next sequence number and the
digest of the one before.

    pointer      where an alias of a model points, or that it was deleted   a chain per alias
    withdrawal   that a version is not to be used any more                  a chain per model
    trust        that the trust store has a new version                     a chain per registry

Who may sign one, and whether its end was cut off, is not known here: ``decision`` and the log say so.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from modelreg.digest import is_sha256, sha256_hex
from modelreg.errors import DocumentError, UsageError
from modelreg.manifest import PUSHED_BY_LENGTH_MAX, STATEMENT_TYPE, check_timestamp
from modelreg.records import canonical_json, from_json, parse_json, to_json
from modelreg.refs import VERSION_MAX, parse_alias, parse_name
from modelreg.trust.roles import checked_reason

POINTER_TYPE = "urn:modelreg:pointer:v1"
WITHDRAWAL_TYPE = "urn:modelreg:withdrawal:v1"
TRUST_EVENT_TYPE = "urn:modelreg:trust:v1"
STATEMENT_TYPES = (POINTER_TYPE, WITHDRAWAL_TYPE, TRUST_EVENT_TYPE)
STATEMENT_SIZE_BYTES_MAX = 64 * 1024
REGISTRY_LENGTH_MAX = 128
SEQUENCE_MAX = 2**53 - 1

Chain = tuple[str, ...]
"""What statements of one chain share: the kind, the registry, and the model and alias where it is about those."""


@dataclass(frozen=True, slots=True)
class Target:
    """A version, by its number and the digest of its manifest."""

    version: int
    manifest: str

    def __post_init__(self) -> None:
        if not 1 <= self.version <= VERSION_MAX:
            raise DocumentError(f"{self.version} is not a version: 1, 2, 3 ...")
        if not is_sha256(self.manifest):
            raise DocumentError(f"{self.manifest[:80]!r} is not the digest of a manifest")


@dataclass(frozen=True, slots=True)
class Pointer:
    """``alias`` of ``model`` points at ``target``; or, where it is ``deleted``, no longer does."""

    registry: str
    model: str
    alias: str
    target: Target
    sequence: int
    previous: str | None
    reason: str
    by: str
    created_at: str
    deleted: bool = False

    def __post_init__(self) -> None:
        _check_named(self.model, self.alias)
        _check_link(self)

    @property
    def chain(self) -> Chain:
        return "pointer", self.registry, self.model, self.alias


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """``target`` of ``model`` is not to be used any more, for good."""

    registry: str
    model: str
    target: Target
    sequence: int
    previous: str | None
    reason: str
    by: str
    created_at: str

    def __post_init__(self) -> None:
        _check_named(self.model)
        _check_link(self)

    @property
    def chain(self) -> Chain:
        return "withdrawal", self.registry, self.model


@dataclass(frozen=True, slots=True)
class TrustEvent:
    """The trust store's ``version`` has the bytes with ``fingerprint``, and its roots have ``root_fingerprint``."""

    registry: str
    version: int
    fingerprint: str
    root_fingerprint: str
    sequence: int
    previous: str | None
    reason: str
    by: str
    created_at: str

    def __post_init__(self) -> None:
        if not 1 <= self.version <= VERSION_MAX:
            raise DocumentError(f"{self.version} is not a version of a trust store: 1, 2, 3 ...")
        for fingerprint in (self.fingerprint, self.root_fingerprint):
            if not is_sha256(fingerprint):
                raise DocumentError(f"{fingerprint[:80]!r} is not the fingerprint of a trust store")
        _check_link(self)

    @property
    def chain(self) -> Chain:
        return "trust", self.registry


Statement = Pointer | Withdrawal | TrustEvent


def _check_named(model: str, alias: str | None = None) -> None:
    try:
        parse_name(model)
        if alias is not None:
            parse_alias(alias)
    except UsageError as error:
        raise DocumentError(error.message) from None


def _check_link(statement: Statement) -> None:
    """Check what every statement has, and bring its texts into NFC."""
    registry = statement.registry
    if not 1 <= len(registry) <= REGISTRY_LENGTH_MAX or not registry.isascii() or not registry.isprintable():
        raise DocumentError(f"{registry[:80]!r} is not the id of a registry")
    if not 1 <= statement.sequence <= SEQUENCE_MAX:
        raise DocumentError(f"{statement.sequence} is not a sequence number: 1, 2, 3 ...")
    previous = statement.previous
    if not (previous is None if statement.sequence == 1 else previous is not None and is_sha256(previous)):
        raise DocumentError(f"statement {statement.sequence} of a chain cannot follow {previous!r}")
    check_timestamp(statement.created_at)
    by = unicodedata.normalize("NFC", statement.by)
    if not 1 <= len(by) <= PUSHED_BY_LENGTH_MAX or not by.isprintable():
        raise DocumentError(f"{by[:80]!r} cannot be who did it: 1 to {PUSHED_BY_LENGTH_MAX} printable characters")
    object.__setattr__(statement, "by", by)
    object.__setattr__(statement, "reason", checked_reason(statement.reason, "the statement"))


_TYPES: dict[str, type[Statement]] = {
    POINTER_TYPE: Pointer,
    WITHDRAWAL_TYPE: Withdrawal,
    TRUST_EVENT_TYPE: TrustEvent,
}


def statement_bytes(statement: Statement) -> bytes:
    """The canonical bytes of ``statement``, which are signed and kept."""
    (kind,) = (kind for kind, of in _TYPES.items() if isinstance(statement, of))
    name, sha256 = _subject(statement)
    return canonical_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": {"sha256": sha256}}],
            "predicateType": kind,
            "predicate": to_json(statement),
        }
    )


def _subject(statement: Statement) -> tuple[str, str]:
    """The version that it is about, by the digest of its manifest; or the trust store, by its own."""
    if isinstance(statement, TrustEvent):
        return f"trust-store:{statement.version}", statement.fingerprint
    return f"{statement.model}:{statement.target.version}", statement.target.manifest


def parse_statement(data: bytes) -> Statement:
    """Parse the bytes of a statement of any released type; raises ``DocumentError``.

    They must be canonical and hold nothing that this reader does not know: what it ignored could be a condition.
    """
    value = parse_json(data, what="the statement", size_bytes_max=STATEMENT_SIZE_BYTES_MAX)
    if not isinstance(value, dict) or value.get("_type") != STATEMENT_TYPE:
        raise DocumentError("the statement is not an in-toto Statement v1")
    kind = str(value.get("predicateType"))
    if kind not in _TYPES:
        raise DocumentError(
            f"the statement is of type {kind[:80]!r}; this modelreg reads {', '.join(_TYPES)}", hint="upgrade modelreg"
        )
    statement = from_json(_TYPES[kind], value.get("predicate"), what="the statement")
    if statement_bytes(statement) != data:
        raise DocumentError(
            "the statement is not in its one form, or says something that this modelreg does not understand",
            hint="upgrade modelreg",
        )
    return statement


@dataclass(frozen=True, slots=True)
class Recorded:
    """A statement with the digest of its exact bytes."""

    statement: Statement
    digest: str

    @classmethod
    def of(cls, data: bytes) -> Recorded:
        """Parse ``data``; raises ``DocumentError``."""
        return cls(parse_statement(data), sha256_hex(data))


def follows(previous: Recorded | None, following: Statement) -> bool:
    """Whether ``following`` is the next of its chain after ``previous``, or the first where that is ``None``."""
    if previous is None:
        return following.sequence == 1
    before = previous.statement
    return (
        following.chain == before.chain
        and following.sequence == before.sequence + 1
        and following.previous == previous.digest
    )
