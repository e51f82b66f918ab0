"""Statements of what changes about a version after its push: made, signed, kept, and logged with the change itself.

Whoever moves an alias or withdraws a version says so in a statement (``modelreg.trust.statements``) that names the one
before.  It is made in the transaction of the change, which holds the model's row, since its number is known only there.

Invariants: no alias moves and no version is withdrawn without its statement; a statement's blob and its envelope's are
in the store, under the lease, before the rows that name them; the log has an entry for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelreg.client.claim import Claim, utc_now
from modelreg.db.statements import StatementRow
from modelreg.db.transaction import Transaction
from modelreg.digest import sha256_hex
from modelreg.errors import DatabaseError, DocumentError, SigningError, UsageError
from modelreg.store.base import Store
from modelreg.trust.leaf import LeafKind, LogLeaf
from modelreg.trust.roles import checked_reason
from modelreg.trust.statements import Pointer, Statement, Target, TrustEvent, Withdrawal, statement_bytes

if TYPE_CHECKING:
    from modelreg.trust.signer import Signer

_UNSAYABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
NO_REASON = "no reason given"


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who states things in the registry of that id: ``user``, with ``signer`` where it is signed."""

    registry: str
    user: str
    signer: Signer | None = None


@dataclass(slots=True)
class Stating:
    """The statements of one transaction; ``log`` is its last act."""

    speaker: Speaker
    store: Store
    claim: Claim
    transaction: Transaction
    _leaves: list[LogLeaf] = field(default_factory=list)

    def move(self, model: str, alias: str, version: int, reason: str) -> int | None:
        """Point ``alias`` at ``version``; returns the version it pointed at before."""
        before = self.transaction.move_alias(model, alias, version, utc_now())
        self._point(model, alias, version, reason, deleted=False)
        return before

    def delete(self, model: str, alias: str, reason: str) -> int:
        """Remove ``alias``; returns the version it pointed at.  Raises ``NotFoundError``."""
        before = self.transaction.delete_alias(model, alias)
        self._point(model, alias, before, reason, deleted=True)
        return before

    def withdraw(self, model: str, version: int, reason: str, at: str) -> bool:
        """Mark a version withdrawn; ``False`` if it is withdrawn already, which stays so."""
        if not self.transaction.withdraw(model, version, reason, at):
            return False
        before = self.transaction.statements.last(LeafKind.WITHDRAWAL, model)
        sequence, previous = _link(before)
        told = (self.speaker.registry, model, self._target(model, version))
        sayable = _UNSAYABLE.sub("\ufffd", reason)  # one of elsewhere can hold what no terminal should get
        self._state(Withdrawal(*told, sequence, previous, sayable, self.speaker.user, at))
        return True

    def trust(self, version: int, fingerprint: str, root_fingerprint: str, reason: str) -> None:
        """Say that the trust store has a new version."""
        self.transaction.log.lock()  # no model's row keeps another who says so away
        before = self.transaction.statements.last(LeafKind.TRUST)
        sequence, previous = _link(before)
        named = (self.speaker.registry, version, fingerprint, root_fingerprint)
        self._state(TrustEvent(*named, sequence, previous, reason, self.speaker.user, utc_now()))

    def log(self) -> None:
        """Append what was stated to the log, which makes every other appender wait till the commit."""
        if self._leaves:
            self.transaction.log.append(self._leaves)
            self._leaves.clear()

    def _point(self, model: str, alias: str, version: int, reason: str, *, deleted: bool) -> None:
        before = self.transaction.statements.last(LeafKind.POINTER, model, alias)
        told = (self.speaker.registry, model, alias, self._target(model, version))
        self._state(Pointer(*told, *_link(before), reason, self.speaker.user, utc_now(), deleted))

    def _target(self, model: str, version: int) -> Target:
        digest = self.transaction.digest_of(model, version)
        try:
            return Target(version, digest)
        except DocumentError as error:
            raise DatabaseError(
                f"{model}:{version} cannot be named in a statement: {error.message}", hint="modelreg fsck"
            ) from None

    def _state(self, statement: Statement) -> None:
        data = statement_bytes(statement)
        row = made_row(statement, data, _envelope(data, self.speaker.signer))
        for sha256, blob in _blobs(row):
            self.transaction.require_not_condemned(sha256)
            self.store.put(blob, owner=self.claim.owner)
        self.transaction.statements.add([row])
        signers = () if self.speaker.signer is None else (self.speaker.signer.public.id,)
        self._leaves.append(LogLeaf(row.kind, row.sha256, signers))


def stated_reason(text: str) -> str:
    """``text`` if a statement can give it as its reason; raises ``UsageError``."""
    try:
        return checked_reason(text, "a statement")
    except DocumentError as error:
        raise UsageError(error.message) from None


def _link(before: StatementRow | None) -> tuple[int, str | None]:
    """Number and predecessor of what follows on ``before``."""
    return (1, None) if before is None else (before.sequence + 1, before.sha256)


def _envelope(data: bytes, signer: Signer | None) -> bytes | None:
    """``data`` signed, and checked as any reader will; raises ``SigningError``."""
    if signer is None:
        return None
    from modelreg.trust import dsse

    envelope = dsse.sign(dsse.IN_TOTO_TYPE, data, [signer]).to_bytes()
    made = dsse.Envelope.parse(envelope)
    if made.payload != data or not dsse.valid_signers(made, [signer.public]):
        raise SigningError(f"the envelope made over the statement by the key {signer.public.id[:16]} does not verify")
    return envelope


def made_row(statement: Statement, data: bytes, envelope: bytes | None) -> StatementRow:
    """The row of a statement whose exact bytes are ``data``."""
    kind, _, *names = statement.chain
    model, alias, *_ = (*names, "", "")
    signed = None if envelope is None else sha256_hex(envelope)
    return StatementRow(sha256_hex(data), kind, model, alias, statement.sequence, data, signed, envelope)


def _blobs(row: StatementRow) -> Iterator[tuple[str, bytes]]:
    yield row.sha256, row.statement
    if row.envelope_sha256 is not None and row.envelope is not None:
        yield row.envelope_sha256, row.envelope
