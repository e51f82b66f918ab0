"""The changes that one transaction can hold: versions, aliases, withdrawals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from modelreg.db.log import LogTables
from modelreg.db.postgresql import Lock, lock
from modelreg.db.rows import VersionRows, insert_rows, rows_of
from modelreg.db.schema import aliases, bundles, condemned, leases, models, registry, versions, without_facets
from modelreg.errors import CondemnedError, HistoryError, NotFoundError
from modelreg.manifest import IndexedBundle, Manifest
from modelreg.trust.leaf import LeafKind, LogLeaf


def require_history(manifest: Manifest, digest: str, found: Mapping[int, str]) -> None:
    """Raise ``HistoryError`` if a version cannot stand beside those of its model in ``found``, digests by number."""
    name, here = f"{manifest.model}:{manifest.version}", found.get(manifest.version, digest)
    if here != digest:
        raise HistoryError(
            f"{name} is sha256:{digest} there and sha256:{here} here; a manifest holds its name and number, so that "
            "neither can take another",
            hint=f"modelreg show {name}",
        )
    before = found.get(manifest.version - 1)
    if before is not None and before != manifest.previous:
        raise HistoryError(
            f"{name} follows on sha256:{manifest.previous}, and {manifest.model}:{manifest.version - 1} here is "
            f"sha256:{before}",
            hint=f"modelreg show {manifest.model}:{manifest.version - 1}",
        )


class Transaction:
    """One transaction; a model's row is locked before anything of the model is decided."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.log = LogTables(connection)
        self.statements = self.log.statements

    def log_manifest(self, digest: str, signers: Iterable[str] = ()) -> int | None:
        """Log a version with the keys whose signatures were checked now; ``None`` where an entry says so already."""
        return self.log.append_once(LogLeaf(LeafKind.MANIFEST.value, digest, tuple(sorted(set(signers)))))

    def next_version(self, model: str) -> tuple[int, str | None]:
        """The number that the next version of ``model`` gets, and the digest of the one before it.

        The model's row is locked, and made if it is not there, so that two pushes never see the same number.
        """
        model_id = self._made_model(model)
        last = self._connection.execute(
            sa.select(versions.c.version, versions.c.digest)
            .where(versions.c.model_id == model_id)
            .order_by(versions.c.version.desc())
            .limit(1)
        ).first()
        return (1, None) if last is None else (last.version + 1, last.digest)

    def _made_model(self, model: str) -> int:
        found = self._find_model(model)
        if found is not None:
            return found
        self._connection.execute(
            sa.text("INSERT INTO models (name) VALUES (:name) ON CONFLICT DO NOTHING"), {"name": model}
        )
        return self._model_id(model)  # ours, or that of who came first

    def _find_model(self, model: str) -> int | None:
        query = sa.select(models.c.id).where(models.c.name == model).with_for_update()
        return self._connection.execute(query).scalar()

    def _model_id(self, model: str) -> int:
        found = self._find_model(model)
        if found is None:
            raise NotFoundError(f"there is no model {model!r}", hint="modelreg list")
        return found

    def require_not_condemned(self, sha256: str) -> None:
        """Raise ``CondemnedError`` for a blob that a sweep is deleting."""
        if self._connection.execute(sa.select(condemned).where(condemned.c.sha256 == sha256)).first():
            raise CondemnedError((sha256,))

    def wait_for_lease(self, lease_id: str) -> None:
        """Return when no other transaction holds that lease any more, be it one of a broken connection."""
        self._connection.execute(sa.select(leases.c.id).where(leases.c.id == lease_id).with_for_update()).first()

    def has_version(self, model: str, digest: str) -> bool:
        """Whether ``model`` has the version with that digest; waits for whoever is changing the model."""
        query = sa.select(versions.c.id).where(
            versions.c.model_id == self._find_model(model), versions.c.digest == digest
        )
        return self._connection.execute(query).first() is not None

    def add(self, manifest: Manifest, digest: str) -> None:
        """Index a version whose manifest is stored under ``digest``."""
        self.add_rows(manifest.model, [rows_of(manifest, digest)])

    def add_rows(self, model: str, rows: Sequence[VersionRows]) -> None:
        """Index versions of ``model``, whose row is there."""
        insert_rows(self._connection, self._model_id(model), rows)

    def add_bundles(self, model: str, digest: str, signatures: Iterable[IndexedBundle]) -> None:
        """Index signatures of the version of ``model`` with that digest; those that are there stay as they are.

        Raises ``NotFoundError`` for a version that is not there.
        """
        found = sa.select(versions.c.id).where(
            versions.c.model_id == self._model_id(model), versions.c.digest == digest
        )
        version_id = self._connection.execute(found).scalar()
        if version_id is None:
            raise NotFoundError(f"{model!r} has no version sha256:{digest}", hint=f"modelreg list {model}")
        there = self._bundles_of(version_id)
        rows = [
            {"version_id": version_id, "sha256": each.sha256, "kind": each.kind, "key_id": each.key_id}
            for each in signatures
            if each.sha256 not in there
        ]
        if rows:
            self._connection.execute(bundles.insert(), rows)

    def has_bundles(self, digest: str, signatures: Iterable[IndexedBundle]) -> bool:
        """Whether all those signatures of the version with that digest are there."""
        version_id = self._connection.execute(sa.select(versions.c.id).where(versions.c.digest == digest)).scalar()
        return version_id is not None and {each.sha256 for each in signatures} <= self._bundles_of(version_id)

    def _bundles_of(self, version_id: int) -> set[str]:
        return set(
            self._connection.execute(sa.select(bundles.c.sha256).where(bundles.c.version_id == version_id)).scalars()
        )

    def add_facets(self, version_id: int, manifest: Manifest, digest: str) -> None:
        """Index what a version of old is found by, unless somebody else just did."""
        was_without = self._connection.execute(
            without_facets.delete().where(without_facets.c.version_id == version_id)
        ).rowcount
        if was_without:
            rows_of(manifest, digest).insert_facets(self._connection, version_id)

    def admit(self, manifest: Manifest, digest: str) -> bool:
        """Index a version of elsewhere under its own number; ``False`` if it is there already.

        Raises ``HistoryError`` if that number is another version's, or the one before is not the one that it names.
        """
        model_id = self._made_model(manifest.model)
        near = sa.select(versions.c.version, versions.c.digest).where(
            versions.c.model_id == model_id, versions.c.version.in_((manifest.version - 1, manifest.version))
        )
        found = {row.version: row.digest for row in self._connection.execute(near)}
        if manifest.version in found and found[manifest.version] == digest:
            return False
        require_history(manifest, digest, found)
        self.add(manifest, digest)
        return True

    def rewrite(self, rows: VersionRows) -> bool:
        """Let the rows of a version say what its manifest does; ``False`` if it is not there under that digest.

        Its name, number, digest, aliases and withdrawal stay.
        """
        entry = rows.entry
        query = sa.select(versions.c.id).where(
            versions.c.model_id == self._model_id(entry.model),
            versions.c.version == entry.version,
            versions.c.digest == entry.digest,
        )
        version_id = self._connection.execute(query).scalar()
        if version_id is None:
            return False
        self._connection.execute(versions.update().where(versions.c.id == version_id).values(**rows.version))
        rows.delete_details(self._connection, version_id)
        rows.insert_details(self._connection, version_id)
        return True

    def versions_of(self, model: str) -> dict[int, str]:
        """The digest of each version of ``model``, whose row is locked if it is there."""
        query = sa.select(versions.c.version, versions.c.digest).where(versions.c.model_id == self._find_model(model))
        return {row.version: row.digest for row in self._connection.execute(query)}

    def digest_of(self, model: str, version: int) -> str:
        """The digest of that version of ``model``; raises ``NotFoundError``."""
        query = sa.select(versions.c.digest).join(models).where(models.c.name == model, versions.c.version == version)
        found = self._connection.execute(query).scalar()
        if found is None:
            raise NotFoundError(f"{model!r} has no version {version}", hint=f"modelreg list {model}")
        return str(found)

    def is_empty(self) -> bool:
        """Whether there is no version of anything."""
        return self._connection.execute(sa.select(versions.c.id).limit(1)).first() is None

    def set_registry_id(self, registry_id: str, now: str) -> bool:
        """Give a registry that has no identity yet this one; ``False`` if it has another."""
        lock(self._connection, Lock.REGISTRY)
        found = self._connection.execute(sa.select(registry.c.id)).scalar()
        if found is None:
            self._connection.execute(registry.insert().values(id=registry_id, created_at=now))
        return found in (None, registry_id)

    def alias_target(self, model: str, alias: str) -> int | None:
        """The version that ``alias`` points at, the model's row locked."""
        query = (
            sa.select(versions.c.version)
            .select_from(aliases.join(versions, aliases.c.version_id == versions.c.id))
            .where(aliases.c.model_id == self._model_id(model), aliases.c.alias == alias)
        )
        return self._connection.execute(query).scalar()

    def move_alias(self, model: str, alias: str, version: int, now: str) -> int | None:
        """Point ``alias`` at ``version``; returns the version it pointed at before."""
        before = self.alias_target(model, alias)
        model_id = self._model_id(model)
        self._remove_alias(model_id, alias)
        target = sa.select(versions.c.id).where(versions.c.model_id == model_id, versions.c.version == version)
        self._connection.execute(
            aliases.insert().values(model_id=model_id, alias=alias, version_id=target.scalar_subquery(), moved_at=now)
        )
        return before

    def delete_alias(self, model: str, alias: str) -> int:
        """Remove ``alias``; returns the version it pointed at.  Raises ``NotFoundError``."""
        before = self.alias_target(model, alias)
        if before is None:
            raise NotFoundError(f"{model!r} has no alias {alias!r}", hint=f"modelreg list {model}")
        self._remove_alias(self._model_id(model), alias)
        return before

    def _remove_alias(self, model_id: int, alias: str) -> None:
        self._connection.execute(aliases.delete().where(aliases.c.model_id == model_id, aliases.c.alias == alias))

    def remove_dangling_alias(self, model: str, alias: str) -> bool:
        """Remove an alias that points at no version of its model; ``False`` if it points at one, or is gone."""
        query = sa.select(models.c.id).where(models.c.name == model)
        here = (aliases.c.model_id == query.scalar_subquery()) & (aliases.c.alias == alias)
        own = sa.select(versions.c.id).where(versions.c.model_id == aliases.c.model_id)
        removed = self._connection.execute(aliases.delete().where(here, aliases.c.version_id.not_in(own)))
        return removed.rowcount == 1

    def withdraw(self, model: str, version: int, reason: str, at: str) -> bool:
        """Mark a version withdrawn; ``False`` if it is withdrawn already, which stays so."""
        marked = self._connection.execute(
            versions.update()
            .where(
                versions.c.model_id == self._model_id(model),
                versions.c.version == version,
                versions.c.withdrawn_at.is_(None),
            )
            .values(withdrawn_at=at, withdrawn_reason=reason)
        )
        return marked.rowcount == 1

    def is_offered(self, model: str, version: int) -> bool:
        """Whether ``model`` has that version and it is not withdrawn, the model's row locked."""
        query = sa.select(versions.c.id).where(
            versions.c.model_id == self._model_id(model),
            versions.c.version == version,
            versions.c.withdrawn_at.is_(None),
        )
        return self._connection.execute(query).first() is not None

    def is_withdrawn(self, model: str, version: int, reason: str, now: str) -> bool:
        """Whether ``withdraw`` with the same words was committed, the model's row locked."""
        query = sa.select(versions.c.id).where(
            versions.c.model_id == self._model_id(model),
            versions.c.version == version,
            versions.c.withdrawn_at == now,
            versions.c.withdrawn_reason == reason,
        )
        return self._connection.execute(query).first() is not None
