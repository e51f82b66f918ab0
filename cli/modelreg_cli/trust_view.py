"""How a trust store, a change of it and what it waits for look: what the commands of ``trust`` have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import modelreg
from modelreg_cli.result import Block, Column, Fields, Lines, Result, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from modelreg import Awaited, Json, Remembered, SavedTrust, TrustDraft, TrustStore


def store_value(store: TrustStore) -> dict[str, Json]:
    """The document as a JSON object, and the fingerprints that people compare."""
    value = modelreg.to_json(store)
    assert isinstance(value, dict)  # noqa: S101 - for the type checker
    return {"fingerprint": store.fingerprint, "root_fingerprint": store.root.fingerprint, "document": value}


def store_blocks(store: TrustStore) -> list[Block]:
    """Everything that the document says."""
    root = f"{store.root.threshold} of {_labels(store, store.root.keys)}"
    witnesses = f"{store.witnesses.quorum} of {len(store.witnesses.keys)}" if store.witnesses.keys else None
    fields = (
        ("version", str(store.version)),
        ("mode", store.mode.value),
        ("expires", store.expires_at),
        ("root", root),
        ("fingerprint of the roots", store.root.fingerprint),
        ("witnesses", witnesses),
    )
    blocks: list[Block] = [Fields(fields)]
    blocks.append(
        Table(
            (Column("KEY"), Column("ALGORITHM"), Column("ID"), Column("STATE")),
            [
                (key.name, key.public.algorithm.value, key.id, _state(store, key.id))
                for key in sorted(store.keys, key=lambda key: key.name)
            ],
        )
    )
    roles = [
        (
            role.pattern,
            f"{role.threshold} of {_names(store, role.keys)}",
            str(role.from_index),
            "" if role.until_index is None else str(role.until_index),
        )
        for role in store.roles
    ]
    if roles:
        blocks.append(Table((Column("MODELS"), Column("SIGNED BY"), Column("FROM"), Column("UNTIL")), roles))
    if store.registries:
        rows = [(registry.id, registry.log or "") for registry in store.registries]
        blocks.append(Table((Column("REGISTRY"), Column("LOG")), rows))
    return blocks


def _state(store: TrustStore, key_id: str) -> str:
    revocation = store.revocation(key_id)
    if revocation is None:
        return "root" if key_id in store.root.keys else ""
    since = "compromised" if revocation.from_index is None else f"revoked from {revocation.from_index} on"
    return f"{since}: {revocation.reason}"


def _labels(store: TrustStore, keys: Iterable[str]) -> str:
    return ", ".join(sorted(map(store.label, keys)))


def _names(store: TrustStore, keys: Iterable[str]) -> str:
    return ", ".join(sorted(key.name for key_id in keys if (key := store.key(key_id)) is not None))


def acceptance_line(found: Remembered) -> str:
    """Whether this machine takes the file."""
    if found.problem is not None:
        return f"not accepted here: {found.problem}"
    if found.store is None:
        return "would be accepted here, where none is remembered yet: modelreg trust import"
    used = "" if found.is_used else "; no setting names it: trust_store in config.toml, or MODELREG_TRUST_STORE"
    return f"accepted here, where version {found.store.version} is remembered{used}"


def awaited_lines(awaited: Sequence[Awaited]) -> tuple[str, ...]:
    """Who still has to sign; nothing where that is nobody."""
    return tuple(
        f"waits for {gap.more} of the root keys of version {gap.version}: {', '.join(gap.by)}" for gap in awaited
    )


def draft_result(schema: str, draft: TrustDraft, saved: SavedTrust | None) -> Result:
    """What was changed, and whether it is in force; ``saved`` is ``None`` after a rehearsal."""
    store = draft.store
    path = draft.file.path if saved is None else saved.path
    changes = tuple(str(change) for change in draft.changes)
    awaited = () if saved is None else saved.awaited
    if saved is None:
        last: tuple[str, ...] = (f"{path}: version {store.version} would be written; nothing was",)
    elif awaited:
        waits = awaited_lines(awaited)
        last = (f"{path}: version {store.version}, signed by {', '.join(saved.signed_by)}", *waits)
    else:
        last = (f"{path}: version {store.version}, complete, signed by {', '.join(saved.signed_by)}",)
    again = () if saved is None else saved.signed_by
    notes = [f"the signature of {name} on the pending version is void now" for name in draft.void if name not in again]
    if awaited:
        notes.append(f"next: modelreg trust sign {draft.file.pending_path}, where one of these keys is")
    return Result(
        schema=schema,
        value={
            "path": str(path),
            "dry_run": saved is None,
            "complete": saved is not None and not awaited,
            "signed_by": [] if saved is None else list(saved.signed_by),
            "awaited": [modelreg.to_json(gap) for gap in awaited],
            "changes": list(changes),
            **store_value(store),
        },
        blocks=(Lines(changes), Lines(last)),
        quiet=(str(path),),
        notes=tuple(notes),
    )
