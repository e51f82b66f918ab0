"""What a registry can do with a version that is there: point at it, withdraw it, sign it, lock it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from modelreg.client.checks import Checks, accepted, evidence_of, policy_of, target_of
from modelreg.client.log import Log
from modelreg.client.marking import Expected, Marking
from modelreg.client.results import AliasMoved, Move, Signed, TrustAnnounced, Withdrawn
from modelreg.client.stating import NO_REASON, Speaker, stated_reason
from modelreg.errors import ConflictError, NotFoundError
from modelreg.manifest import IndexEntry
from modelreg.refs import parse_alias, parse_name, parse_reference
from modelreg.rules import Mode, Policy, Purpose, Target
from modelreg.verify import Judgement, verify

if TYPE_CHECKING:
    from modelreg.client.locks import LockChange
    from modelreg.trust.lock import Lock
    from modelreg.trust.signer import Signer


class Marks(Log):
    """The part of ``Registry`` that says something of a version, and never changes it."""

    def judge(
        self, reference: str, purpose: Purpose, *, safe_mode: bool = False, **checks: Unpack[Checks]
    ) -> tuple[IndexEntry, Judgement]:
        """The verdict on a version by all that is known before its bytes are read; a refusal is not raised."""
        policy = policy_of(self.settings, purpose, safe_mode=safe_mode, **checks)
        target = target_of(checks.get("target"), self.settings)
        lock, alias = checks.get("lock"), checks.get("alias") or parse_reference(reference).alias
        if lock is None:
            return self._judge(reference, policy, target, None, alias)
        from modelreg.client.locks import against_lock, locked_reference

        entry, judgement = self._judge(locked_reference(reference, lock), policy, target, lock, alias)
        return entry, against_lock(judgement, lock, entry.model)

    def _judge(
        self, reference: str, policy: Policy, target: Target | None, lock: Lock | None, alias: str | None
    ) -> tuple[IndexEntry, Judgement]:
        entry = self.resolve(reference)
        return entry, verify(evidence_of(self.store, entry, self.settings, self._index, lock, alias), policy, target)

    def resolve(self, reference: str) -> IndexEntry:
        """The one version that ``reference`` names."""
        return self._index.resolve(parse_reference(reference))

    def alias(
        self,
        reference: str,
        alias: str,
        *,
        expect: Expected = None,
        reason: str = NO_REASON,
        signer: Signer | None = None,
    ) -> AliasMoved:
        """Point ``alias`` at the version that ``reference`` names.

        With ``expect`` only if it points at that version now, or with ``"none"`` only if there is no such alias; raises
        ``ConflictError`` that says what was found otherwise.  The move is stated in the log with its ``reason``, signed
        by ``signer``; raises ``SigningError`` where that cannot sign, and nothing is changed.
        """
        marking, signer_of_log = self._marking(signer), self._log_signer()
        moved = marking.move_alias(self.resolve(reference), parse_alias(alias), expect, stated_reason(reason))
        return self._covered(moved, signer_of_log)

    def delete_alias(
        self,
        model: str,
        alias: str,
        *,
        expect: Expected = None,
        reason: str = NO_REASON,
        signer: Signer | None = None,
    ) -> AliasMoved:
        """Remove ``alias`` from ``model``, as ``alias`` moves it; raises ``NotFoundError`` where there is none."""
        marking, signer_of_log = self._marking(signer), self._log_signer()
        moved = marking.delete_alias(parse_name(model), parse_alias(alias), expect, stated_reason(reason))
        return self._covered(moved, signer_of_log)

    def alias_history(self, model: str, alias: str, *, limit: int | None = None) -> tuple[Move, ...]:
        """The moves of ``alias``, newest first, ``limit`` of them; raises ``NotFoundError`` for one that never was.

        Aliases of before modelreg stated their moves begin with the first that was.
        """
        from modelreg.client.history import moves

        parse_name(model)
        found = moves(self._index, model, parse_alias(alias), limit)
        if not found:
            raise NotFoundError(
                f"nothing was ever said of {model}@{alias}",
                hint=f"modelreg list {model}; what an older modelreg moved has no history before its next move",
            )
        return found

    def withdraw(self, reference: str, reason: str, *, signer: Signer | None = None) -> Withdrawn:
        """Refuse a version from now on; its bytes and its number stay.

        It is stated in the log, signed by ``signer``.  Raises ``ConflictError`` for a version that is withdrawn,
        ``SigningError`` where the signer cannot sign, and nothing is changed.
        """
        marking, signer_of_log = self._marking(signer), self._log_signer()
        return self._covered(marking.withdraw(self.resolve(reference), stated_reason(reason)), signer_of_log)

    def announce_trust(
        self, path: str | Path, *, reason: str = NO_REASON, signer: Signer | None = None
    ) -> TrustAnnounced:
        """State in the log which version the trust store in the file ``path`` is, for auditors and watchers.

        Nothing is believed because of it.  Raises ``DocumentError`` for a file that is no complete trust store,
        ``SigningError`` where the signer cannot sign.
        """
        from modelreg.client.anchor import read_trust_store

        store, fingerprint = read_trust_store(Path(path))
        by = None if signer is None else signer.public.id
        marking, signer_of_log = self._marking(signer), self._log_signer()
        announced = TrustAnnounced(store.version, fingerprint, stated_reason(reason), by)
        return self._covered(marking.announce_trust(announced, store.root.fingerprint), signer_of_log)

    def _marking(self, signer: Signer | None) -> Marking:
        speaker = Speaker(self._origin(), self.settings.user.value, signer)
        return Marking(self.store, self._index, self._leases, speaker)

    def lock(
        self, references: Sequence[str] = (), before: Lock | None = None, **checks: Unpack[Checks]
    ) -> tuple[Lock, tuple[LockChange, ...]]:
        """What ``references`` name now, or all that the lock file ``before`` holds, put into that lock file.

        Nothing is written; ``write_lock`` does that.  Raises ``RefusedError`` for a version that a pull would refuse,
        ``ConflictError`` for a lock file of another registry, ``UsageError`` for two references to one model.
        """
        from modelreg.client.locks import relock
        from modelreg.client.memory import address_of

        return relock(self.judge, address_of(self.settings), references, before, **checks)

    def sign(self, reference: str, signer: Signer) -> Signed:
        """Sign the version that ``reference`` names: its manifest, and with an ECDSA key its files too.

        Nothing is judged but that the manifest is the one that was pushed.  Raises ``RefusedError`` for another,
        ``ConflictError`` for a version that is withdrawn, ``SigningError`` where the signer cannot sign; nothing is
        kept then.
        """
        from modelreg.client.signing import make_bundles, sign_version

        entry = self.resolve(reference)
        name = f"{entry.model}:{entry.version}"
        if entry.withdrawn_at is not None:
            raise ConflictError(
                f"{name} was not signed: it was withdrawn on {entry.withdrawn_at[:10]}: {entry.withdrawn_reason}",
                hint=f"modelreg show {name}",
            )
        policy = policy_of(self.settings, Purpose.PULL, mode=Mode.NO_VERIFY)
        judgement = verify(evidence_of(self.store, entry), policy, None)
        signer_of_log = self._log_signer()
        made = make_bundles(accepted(judgement, f"{name} was not signed"), judgement.manifest_bytes, signer)
        signed = sign_version(entry, made, self.store, self._index, self._leases, self.settings.user.value)
        return self._covered(signed, signer_of_log)
