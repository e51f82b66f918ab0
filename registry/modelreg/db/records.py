"""Rows to domain records: every query there is, over one ``Session``.

Reads return frozen records; writes happen in ``Transaction``, whose caller decides what stands in one transaction.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator

import sqlalchemy as sa

from modelreg.db.schema import aliases, files, models, registry, versions
from modelreg.db.session import Session
from modelreg.errors import ConflictError, NotFoundError
from modelreg.manifest import IndexedFile, IndexEntry, Manifest
from modelreg.refs import Reference

_version_columns = (
    versions.c.id,
    models.c.name.label("model"),
    *(column for column in versions.c if column.name not in ("id", "model_id")),
)


class Index:
    """The database as the registry sees it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def registry_id(self, now: str) -> str:
        """The registry's random identity, drawn on the first call."""
        with self._session.reading() as connection:
            found = connection.execute(sa.select(registry.c.id)).scalar()
        if found is not None:
            return str(found)
        with self._session.writing() as connection:
            found = connection.execute(sa.select(registry.c.id)).scalar()
            if found is None:
                found = str(uuid.uuid4())
                connection.execute(registry.insert().values(id=found, created_at=now))
        return str(found)

    def resolve(self, reference: Reference) -> IndexEntry:
        """The one version that ``reference`` names; raises ``NotFoundError`` that says which part is unknown.

        A bare name is the newest version that is not withdrawn.  A digest beside a version or alias that is not that
        version's raises ``ConflictError``.
        """
        with self._session.reading() as connection:
            row = connection.execute(_resolving(reference)).mappings().first()
            if row is None:
                raise self._not_found(connection, reference)
            found = _complete(connection, row)
        if reference.digest not in (None, found.digest):
            raise ConflictError(
                f"{reference} does not agree with itself: version {found.version} is sha256:{found.digest}",
                hint=f"modelreg show {found.model}:{found.version}",
            )
        return found

    def _not_found(self, connection: sa.Connection, reference: Reference) -> NotFoundError:
        query = (
            sa.select(versions.c.version, versions.c.withdrawn_at)
            .join(models)
            .where(models.c.name == reference.name)
            .order_by(versions.c.version)
        )
        known = connection.execute(query).all()
        if not known:
            return NotFoundError(f"there is no model {reference.name!r}", hint="modelreg list")
        if reference.alias is not None:
            return NotFoundError(
                f"{reference.name!r} has no alias {reference.alias!r}",
                hint=f"modelreg alias {reference.name}:{known[-1].version} {reference.alias}",
            )
        if reference.version is None and reference.digest is None:
            return NotFoundError(
                f"every version of {reference.name!r} is withdrawn", hint=f"modelreg list {reference.name}"
            )
        wanted = f"version {reference.version}" if reference.version else f"version with digest {reference.digest}"
        return NotFoundError(
            f"{reference.name!r} has no {wanted}; it has 1 to {known[-1].version}",
            hint=f"modelreg list {reference.name}",
        )

    def versions(self, model: str | None = None) -> tuple[IndexEntry, ...]:
        """Every version, or those of one model, by name and then number."""
        query = sa.select(*_version_columns).join(models).order_by(models.c.name, versions.c.version)
        if model is not None:
            query = query.where(models.c.name == model)
        with self._session.reading() as connection:
            rows = connection.execute(query).mappings().all()
            aliased, filed = _aliases(connection), _files(connection)
            return tuple(_record(row, aliased, filed) for row in rows)

    def is_empty(self) -> bool:
        """Whether no version was ever pushed."""
        with self._session.reading() as connection:
            return connection.execute(sa.select(versions.c.id).limit(1)).first() is None

    def names(self, prefix: str = "") -> tuple[str, ...]:
        """The names of all models that start with ``prefix``, sorted."""
        # Not LIKE, which takes no notice of case on SQLite.
        starts = sa.func.substr(models.c.name, 1, len(prefix)) == prefix
        query = sa.select(models.c.name).where(starts).order_by(models.c.name)
        with self._session.reading() as connection:
            return tuple(connection.execute(query).scalars())

    def referenced(self) -> frozenset[str]:
        """Every blob that some version needs: its manifest and its files."""
        with self._session.reading() as connection:
            return frozenset(
                connection.execute(sa.union(sa.select(versions.c.digest), sa.select(files.c.sha256))).scalars()
            )

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Changes that are committed together, or not at all."""
        with self._session.writing() as connection:
            yield Transaction(connection)


class Transaction:
    """The changes that one transaction can hold."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def next_version(self, model: str) -> tuple[int, str | None]:
        """The number that the next version of ``model`` gets, and the digest of the one before it.

        The model's row is locked, so that two pushes never see the same number.
        """
        model_id = self._model_id(model)
        last = self._connection.execute(
            sa.select(versions.c.version, versions.c.digest)
            .where(versions.c.model_id == model_id)
            .order_by(versions.c.version.desc())
            .limit(1)
        ).first()
        return (1, None) if last is None else (last.version + 1, last.digest)

    def _model_id(self, model: str) -> int:
        query = sa.select(models.c.id).where(models.c.name == model).with_for_update()
        found = self._connection.execute(query).scalar()
        if found is None:
            found = self._connection.execute(models.insert().values(name=model).returning(models.c.id)).scalar_one()
        return int(found)

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

    def move_alias(self, model: str, alias: str, version: int, now: str) -> int | None:
        """Point ``alias`` at ``version``; returns the version it pointed at before."""
        model_id = self._model_id(model)
        before = self._delete_alias(model_id, alias)
        target = sa.select(versions.c.id).where(versions.c.model_id == model_id, versions.c.version == version)
        self._connection.execute(
            aliases.insert().values(model_id=model_id, alias=alias, version_id=target.scalar_subquery(), moved_at=now)
        )
        return before

    def delete_alias(self, model: str, alias: str) -> int:
        """Remove ``alias``; returns the version it pointed at.  Raises ``NotFoundError``."""
        before = self._delete_alias(self._model_id(model), alias)
        if before is None:
            raise NotFoundError(f"{model!r} has no alias {alias!r}", hint=f"modelreg list {model}")
        return before

    def _delete_alias(self, model_id: int, alias: str) -> int | None:
        mine = (aliases.c.model_id == model_id) & (aliases.c.alias == alias)
        before = self._connection.execute(
            sa.select(versions.c.version).select_from(aliases.join(versions)).where(mine)
        ).scalar()
        self._connection.execute(aliases.delete().where(mine))
        return before

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


def _resolving(reference: Reference) -> sa.Select[tuple[object, ...]]:
    query = sa.select(*_version_columns).select_from(versions.join(models)).where(models.c.name == reference.name)
    if reference.version is not None:
        return query.where(versions.c.version == reference.version)
    if reference.alias is not None:
        return query.join(aliases, aliases.c.version_id == versions.c.id).where(aliases.c.alias == reference.alias)
    if reference.digest is not None:
        return query.where(versions.c.digest == reference.digest)
    return query.where(versions.c.withdrawn_at.is_(None)).order_by(versions.c.version.desc()).limit(1)


def _complete(connection: sa.Connection, row: sa.RowMapping) -> IndexEntry:
    return _record(row, _aliases(connection, row["id"]), _files(connection, row["id"]))


def _aliases(connection: sa.Connection, version_id: int | None = None) -> dict[int, list[str]]:
    query = sa.select(aliases.c.version_id, aliases.c.alias).order_by(aliases.c.alias)
    if version_id is not None:
        query = query.where(aliases.c.version_id == version_id)
    found: dict[int, list[str]] = {}
    for row in connection.execute(query):
        found.setdefault(row.version_id, []).append(row.alias)
    return found


def _files(connection: sa.Connection, version_id: int | None = None) -> dict[int, list[IndexedFile]]:
    query = sa.select(files).order_by(files.c.version_id, files.c.path)
    if version_id is not None:
        query = query.where(files.c.version_id == version_id)
    found: dict[int, list[IndexedFile]] = {}
    for row in connection.execute(query):
        found.setdefault(row.version_id, []).append(IndexedFile(row.path, row.size_bytes, row.sha256))
    return found


def _record(row: sa.RowMapping, aliased: dict[int, list[str]], filed: dict[int, list[IndexedFile]]) -> IndexEntry:
    values = {key: value for key, value in row.items() if key != "id"}
    return IndexEntry(**values, aliases=tuple(aliased.get(row["id"], ())), files=tuple(filed.get(row["id"], ())))
