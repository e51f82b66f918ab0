"""How the next trust store is made: each operation takes a document and returns another, unsigned, one version on.

Several operations make one version by ``renumbered``.  Nothing here asks whether the next document would be accepted;
its invariants are those of ``TrustStore``, and what breaks them is a ``UsageError`` here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from modelreg.errors import DocumentError, UsageError
from modelreg.trust.keys import PublicKey
from modelreg.trust.roles import Pattern, Revocation, Role, parse_pattern
from modelreg.trust.trust_store import Enforcement, Roots, TrustedKey, TrustedRegistry, TrustStore, Witnesses


def init(
    roots: Mapping[str, PublicKey],
    threshold: int,
    expires_at: str,
    *,
    mode: Enforcement = Enforcement.WARN,
    registries: Iterable[TrustedRegistry] = (),
) -> TrustStore:
    """The first document: ``threshold`` of the named ``roots`` sign it and the next; nobody may sign a model yet."""
    with _as_usage():
        keys = tuple(TrustedKey.of(name, public) for name, public in roots.items())
        root = Roots(tuple(key.id for key in keys), threshold)
        return TrustStore(1, expires_at, mode, root, keys, registries=tuple(registries))


def add_key(store: TrustStore, name: str, public: PublicKey) -> TrustStore:
    """``store`` with one more key, which may sign nothing before a role names it."""
    known, revocation = store.key(public.id), store.revocation(public.id)
    if known is not None:
        raise UsageError(f"the trust store has this key already, as {known}")
    if revocation is not None:
        raise UsageError(
            f"the key {store.label(public.id)} is revoked and cannot come back: {revocation.reason}",
            hint="make a new key: modelreg key generate",
        )
    with _as_usage():
        return _next(store, keys=(*store.keys, TrustedKey.of(name, public)))


def remove_key(store: TrustStore, key_id: str) -> TrustStore:
    """``store`` without the key: what it signed, also before, is no longer by a trusted key; ``revoke`` can keep that.

    Its revocation stays, so that it cannot be added again.
    """
    key = _known(store, key_id)
    if key.id in store.root.keys:
        raise UsageError(
            f"{key} is a root key", hint="modelreg trust rotate FILE --root KEY ..., with the root keys that stay"
        )
    roles = []
    for role in store.roles:
        left = tuple(other for other in role.keys if other != key.id)
        if len(left) < role.threshold:
            raise UsageError(
                f"without {key} the role {role.pattern} has {len(left)} keys and asks for {role.threshold} signatures",
                hint=f"lower that, or remove the role, first: modelreg trust remove FILE --for {role.pattern!r}",
            )
        roles.append(replace(role, keys=left))
    return _next(store, keys=tuple(other for other in store.keys if other != key), roles=tuple(roles))


def revoke(
    store: TrustStore, key_id: str, reason: str, *, from_index: int | None = None, compromised: bool = False
) -> TrustStore:
    """``store`` with the key revoked from a log index on, or ``compromised``; this can only be made stricter."""
    key = _known(store, key_id)
    if key.id in store.root.keys:
        raise UsageError(
            f"{key} is a root key", hint="rotate it out of the roots first: modelreg trust rotate FILE --root KEY ..."
        )
    before = store.revocation(key.id)
    with _as_usage():
        revocation = Revocation(key.id, reason, from_index, compromised)
        if before is not None and not _is_stricter(revocation, before):
            raise UsageError(f"{key} is revoked already: {before.reason}")
        others = tuple(item for item in store.revocations if item.key != key.id)
        return _next(store, revocations=(*others, revocation))


def _is_stricter(revocation: Revocation, before: Revocation) -> bool:
    if before.from_index is None:
        return False
    return revocation.from_index is None or revocation.from_index < before.from_index


def rotate_roots(store: TrustStore, roots: Mapping[str, PublicKey], threshold: int) -> TrustStore:
    """``store`` with other roots; a threshold of the old and of the new ones must sign it.

    A root key that stays keeps the name that it has.  One that goes is dropped, unless a role names it.
    """
    with _as_usage():
        given = tuple(store.key(public.id) or TrustedKey.of(name, public) for name, public in roots.items())
        root = Roots(tuple(key.id for key in given), threshold)
        if root == store.root:
            raise UsageError("these are the roots already, with the same threshold")
        needed = {*root.keys, *(key for role in store.roles for key in role.keys)}
        gone = {key for key in store.root.keys if key not in needed}
        stays = tuple(key for key in store.keys if key.id not in gone and key not in given)
        return _next(store, root=root, keys=(*stays, *given))


def set_role(
    store: TrustStore, pattern: str, keys: Iterable[str], threshold: int = 1, *, from_index: int = 0
) -> TrustStore:
    """``store`` with ``threshold`` of ``keys`` (ids) needed for the models of ``pattern`` from a log index on.

    What was signed before that index stays under the roles that governed it until now: those of the pattern, or, where
    it is new, a copy of those of the wider pattern.  From index 0 on there is nothing before.
    """
    with _as_usage():
        role = Role(pattern, tuple(_known(store, key).id for key in keys), threshold, from_index)
        past = (
            replace(before, pattern=pattern, until_index=min(from_index, before.until_index or from_index))
            for before in _governed_by(store, parse_pattern(pattern))
            if before.from_index < from_index
        )
        others = tuple(other for other in store.roles if other.pattern != pattern)
        return _next(store, roles=(*others, *past, role))


def _governed_by(store: TrustStore, pattern: Pattern) -> tuple[Role, ...]:
    """The roles under which the names of ``pattern`` are now, but for those that a narrower one governs."""
    wider = [found for role in store.roles if (found := parse_pattern(role.pattern)).covers(pattern)]
    if not wider:
        return ()
    best = str(max(wider, key=lambda found: found.specificity))
    return tuple(role for role in store.roles if role.pattern == best)


def remove_role(store: TrustStore, pattern: str) -> TrustStore:
    """``store`` without the roles of ``pattern``: its models fall to the next wider pattern, also the old versions."""
    roles = tuple(role for role in store.roles if role.pattern != pattern)
    if len(roles) == len(store.roles):
        raise UsageError(f"the trust store has no role {pattern[:200]!r}", hint="modelreg trust show")
    return _next(store, roles=roles)


def amend(
    store: TrustStore,
    *,
    expires_at: str | None = None,
    mode: Enforcement | None = None,
    registries: Iterable[TrustedRegistry] | None = None,
    witnesses: Witnesses | None = None,
) -> TrustStore:
    """``store`` with what is given changed; with a later ``expires_at`` alone it is renewed."""
    return _next(
        store,
        expires_at=store.expires_at if expires_at is None else expires_at,
        mode=store.mode if mode is None else mode,
        registries=store.registries if registries is None else tuple(registries),
        witnesses=store.witnesses if witnesses is None else witnesses,
    )


def renumbered(edited: TrustStore, before: TrustStore) -> TrustStore:
    """``edited``, made from ``before`` by any number of operations, as the one version that follows it."""
    return _next(edited, version=before.version + 1)


def _next(store: TrustStore, **changes: object) -> TrustStore:
    with _as_usage():
        return replace(store, **{"version": store.version + 1, **changes})  # type: ignore[arg-type]


def _known(store: TrustStore, key_id: str) -> TrustedKey:
    key = store.key(key_id)
    if key is None:
        raise UsageError(f"the trust store has no key {key_id[:64]!r}", hint="modelreg trust show")
    return key


@contextlib.contextmanager
def _as_usage() -> Iterator[None]:
    """What cannot stand in a document was asked for by somebody, who can ask for something else."""
    try:
        yield
    except DocumentError as error:
        raise UsageError(error.message, hint=error.hint) from None
