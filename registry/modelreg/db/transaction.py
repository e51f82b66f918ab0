"""The changes that one transaction can hold: versions, aliases, withdrawals."""

from __future__ import annotations

import sqlalchemy as sa

from modelreg.db.schema import aliases, condemned, files, leases, models, versions
from modelreg.errors import CondemnedError, ConflictError, NotFoundError
from modelreg.manifest import IndexEntry, Manifest


class Transaction:
    """One transaction; a model's row is locked before anything of the model is decided."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def next_version(self, model: str) -> tuple[int, str | None]:
        """The number that the next version of ``model`` gets, and the digest of the one before it.

        The model's row is locked, and made if it is not there, so that two pushes never see the same number.
        """
        model_id = self._find_model(model)
        if model_id is None:
            self._connection.execute(
                sa.text("INSERT INTO models (name) VALUES (:name) ON CONFLICT DO NOTHING"), {"name": model}
            )
            model_id = self._model_id(model)  # ours, or that of who came first
        last = self._connection.execute(
            sa.select(versions.c.version, versions.c.digest)
            .where(versions.c.model_id == model_id)
            .order_by(versions.c.version.desc())
            .limit(1)
        ).first()
        return (1, None) if last is None else (last.version + 1, last.digest)

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
        row = IndexEntry.of(manifest, digest)
        version_id = self._connection.execute(
            versions.insert()
            .values(
                model_id=self._model_id(manifest.model),
                version=row.version,
                digest=row.digest,
                created_at=row.created_at,
                pushed_by=row.pushed_by,
                container=row.container,
                keras_version=row.keras_version,
                size_bytes=row.size_bytes,
            )
            .returning(versions.c.id)
        ).scalar_one()
        self._connection.execute(
            files.insert(),
            [
                {"version_id": version_id, "path": file.path, "size_bytes": file.size_bytes, "sha256": file.sha256}
                for file in row.files
            ],
        )

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

    def withdraw(self, model: str, version: int, reason: str, now: str) -> None:
        """Mark a version withdrawn; raises ``ConflictError`` if it is already."""
        result = self._connection.execute(
            versions.update()
            .where(
                versions.c.model_id == self._model_id(model),
                versions.c.version == version,
                versions.c.withdrawn_at.is_(None),
            )
            .values(withdrawn_at=now, withdrawn_reason=reason)
        )
        if result.rowcount != 1:
            raise ConflictError(f"{model}:{version} is already withdrawn", hint=f"modelreg show {model}:{version}")

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
