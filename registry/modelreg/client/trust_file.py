"""A trust store as those who keep its root keys edit it.

``FILE`` is always a document that enough of the roots have signed, so that it can be shipped at any time.  One that
still lacks signatures is ``FILE.pending`` beside it, where edits gather in one next version until it is complete; then
it takes the place of ``FILE``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from modelreg.client.claim import utc_now
from modelreg.client.keyring import Keyring
from modelreg.client.trust_keys import given_key, known_key
from modelreg.client.trust_pair import TrustDraft, TrustPair
from modelreg.client.trust_terms import as_usage, expiry, mode_of, registry_of
from modelreg.errors import ConflictError, UsageError
from modelreg.trust import editing
from modelreg.trust.acceptance import read_envelope
from modelreg.trust.changes import changes
from modelreg.trust.dsse import valid_signers
from modelreg.trust.keys import PublicKey
from modelreg.trust.roles import Role, parse_pattern
from modelreg.trust.trust_store import TrustStore, Witnesses


@dataclass(frozen=True, slots=True)
class TrustFile(TrustPair):
    """A trust store's file; each operation returns the next version, which ``save`` signs and writes.

    TrustFile.open(Path("trust.json"), keyring).add(["bob.pem"], "fraud/**").save([keyring.unlock("root")])
    """

    @classmethod
    def init(
        cls,
        path: Path,
        keyring: Keyring,
        roots: Iterable[str],
        *,
        threshold: int = 1,
        mode: str = "warn",
        expires: str = "365d",
        registries: Iterable[str] = (),
    ) -> TrustDraft:
        """The first version of a new file, of ``roots`` (``[NAME=]KEY``); raises ``ConflictError`` if it is there."""
        file = cls.at(path, keyring)
        for there in (file.path, file.pending_path):
            if os.path.lexists(there):
                raise ConflictError(
                    f"{there} is there already and was left as it is", hint="modelreg trust --help says how to edit it"
                )
        keys = _given(roots, keyring, None)
        store = editing.init(
            keys, threshold, expiry(expires, utc_now()), mode=mode_of(mode), registries=map(registry_of, registries)
        )
        return TrustDraft(file, store)

    def add(
        self,
        keys: Iterable[str],
        pattern: str | None = None,
        *,
        threshold: int | None = None,
        from_index: int | None = None,
    ) -> TrustDraft:
        """Let ``keys`` (``[NAME=]KEY``) sign the models of ``pattern``, beside those that may already.

        ``threshold`` of them all are needed, by default as many as before.  From ``from_index`` on, and else for all
        that the role is about.  Without a pattern the keys are only held.
        """
        edited = self._base()
        given = _given(keys, self.keyring, edited)
        for name, public in given.items():
            if edited.key(public.id) is None:
                edited = editing.add_key(edited, name, public)
        if pattern is None:
            if threshold is not None or from_index is not None or not given:
                raise UsageError("a role is about models, and no pattern names them", hint="--for '*', say")
            return self._draft(edited)
        before = _newest_role(edited, pattern)
        members = {public.id for public in given.values()} | set(before.keys if before else ())
        if not members:
            raise UsageError(f"there is no role {pattern} yet, and no key is given for it", hint="trust add FILE KEY")
        threshold = threshold or (before.threshold if before else 1)
        from_index = from_index if from_index is not None else before.from_index if before else 0
        return self._draft(editing.set_role(edited, _canonical(pattern), members, threshold, from_index=from_index))

    def remove(self, key: str | None, pattern: str | None = None, *, from_index: int | None = None) -> TrustDraft:
        """Take ``key`` away: out of the role of ``pattern``, or altogether; without a key, the whole role."""
        base = self._base()
        if key is None:
            if pattern is None or from_index is not None:
                raise UsageError("nothing is named to be removed", hint="a KEY, or --for PATTERN, or both")
            return self._draft(editing.remove_role(base, _canonical(pattern)))
        known = known_key(key, base)
        if pattern is None:
            if from_index is not None:
                raise UsageError("from a log index on a key is revoked", hint="modelreg trust revoke FILE KEY --from N")
            return self._draft(editing.remove_key(base, known.id))
        role = _newest_role(base, pattern)
        if role is None or known.id not in role.keys:
            raise UsageError(f"{known} is in no role {pattern}", hint=f"modelreg trust show {self.path}")
        left = [other for other in role.keys if other != known.id]
        if len(left) < role.threshold:
            raise UsageError(
                f"without {known} the role {pattern} has {len(left)} keys and asks for {role.threshold} signatures",
                hint=f"lower that first: modelreg trust add FILE --for {pattern!r} --threshold N"
                if left
                else f"remove the role: modelreg trust remove FILE --for {pattern!r}",
            )
        start = role.from_index if from_index is None else from_index
        return self._draft(editing.set_role(base, role.pattern, left, role.threshold, from_index=start))

    def revoke(self, key: str, reason: str, *, from_index: int | None = None, compromised: bool = False) -> TrustDraft:
        """Declare that ``key`` is no longer good, from a log index on or, ``compromised``, for all that it signed."""
        base = self._base()
        known = known_key(key, base)
        return self._draft(editing.revoke(base, known.id, reason, from_index=from_index, compromised=compromised))

    def rotate(self, roots: Iterable[str] = (), threshold: int | None = None) -> TrustDraft:
        """Other ``roots`` (``[NAME=]KEY``, all that are to be; by default the same) or another ``threshold``."""
        base = self._base()
        given = _given(roots, self.keyring, base) or {
            key.name: key.public for key in base.keys if key.id in base.root.keys
        }
        return self._draft(editing.rotate_roots(base, given, threshold or base.root.threshold))

    def amend(
        self,
        *,
        mode: str | None = None,
        expires: str | None = None,
        registries: Iterable[str] = (),
        without_registries: Iterable[str] = (),
        witnesses: Iterable[str] | None = None,
        quorum: int | None = None,
    ) -> TrustDraft:
        """Change the mode, the expiry (a date, or a time from now like ``365d``), the registries or the witnesses.

        A registry is ``ID``, or ``ID=VKEY`` with the public key of its log.
        """
        base = self._base()
        kept = {registry.id: registry for registry in base.registries}
        for gone in without_registries:
            if kept.pop(gone, None) is None:
                raise UsageError(f"the trust store names no registry {gone[:80]!r}: {', '.join(kept) or 'it has none'}")
        kept |= {registry.id: registry for registry in map(registry_of, registries)}
        keys = base.witnesses.keys if witnesses is None else tuple(witnesses)
        with as_usage():
            seen = Witnesses(keys, base.witnesses.quorum if quorum is None else quorum)
        edited = editing.amend(
            base,
            expires_at=None if expires is None else expiry(expires, utc_now()),
            mode=None if mode is None else mode_of(mode),
            registries=kept.values(),
            witnesses=seen,
        )
        return self._draft(edited)

    # --- what they share ------------------------------------------------------------------------------------------

    def _base(self) -> TrustStore:
        draft = self.awaited  # which also says where it can be none
        base = draft.store if draft else self.current
        assert base is not None  # noqa: S101 - open() has found one
        return base

    def _draft(self, edited: TrustStore) -> TrustDraft:
        store = editing.renumbered(edited, self.current) if self.current is not None else replace(edited, version=1)
        base = self.newest
        if base is not None and not changes(base, store):
            raise UsageError(f"{self.path} says so already; nothing was changed")
        if store.expires_at <= utc_now():
            raise UsageError(
                f"version {store.version} would have expired at {store.expires_at}",
                hint="renew it first: modelreg trust amend FILE --expires 365d",
            )
        draft = TrustDraft(self, store)
        if self.pending is None or self._pending_bytes is None:
            return draft
        signed = valid_signers(read_envelope(self._pending_bytes), draft.root_keys.values())
        return replace(draft, void=tuple(sorted(map(draft.label, signed))))


def _canonical(pattern: str) -> str:
    return str(parse_pattern(pattern))


def _newest_role(store: TrustStore, pattern: str) -> Role | None:
    roles = [role for role in store.roles if role.pattern == _canonical(pattern)]
    return max(roles, key=lambda role: role.from_index, default=None)


def _given(texts: Iterable[str], keyring: Keyring, store: TrustStore | None) -> dict[str, PublicKey]:
    found: dict[str, PublicKey] = {}
    for text in texts:
        name, public = given_key(text, keyring, store)
        if name in found:
            raise UsageError(f"two keys are called {name}", hint="give one another name: NAME=KEY")
        found[name] = public
    return found
