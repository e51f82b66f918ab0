"""Rows to domain records: every query there is, over one ``Session``.

Reads return frozen records; writes happen in ``Transaction``, whose caller decides what stands in one transaction.
Every query is bounded by what it is about (a version, a page), never by the size of the registry, but for a sweep's.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa

from modelreg.db import postgresql
from modelreg.db.log import LogTables
from modelreg.db.rows import FacetRow, IndexedFacets
from modelreg.db.schema import (
    aliases,
    bundles,
    facets,
    files,
    log_checkpoints,
    models,
    registry,
    statements,
    versions,
    without_facets,
)
from modelreg.db.search import find
from modelreg.db.session import ATTEMPTS, Session, pause
from modelreg.db.statements import StatementTable
from modelreg.db.transaction import Transaction
from modelreg.errors import ConflictError, ConnectionLostError, NotFoundError, UnreachableError
from modelreg.facets import VersionFilter
from modelreg.manifest import IndexedBundle, IndexedFile, IndexEntry
from modelreg.refs import Reference

T = TypeVar("T")

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
        return str(found or self._session.run(lambda connection: _draw_identity(connection, now)))

    def resolve(self, reference: Reference) -> IndexEntry:
        """The one version that ``reference`` names; raises ``NotFoundError`` that says which part is unknown.

        A bare name is the newest version that is not withdrawn.  A digest beside a version or alias that is not that
        version's raises ``ConflictError``.
        """
        with self._session.reading() as connection:
            row = connection.execute(_resolving(reference)).mappings().first()
            if row is None:
                raise self._not_found(connection, reference)
            (found,) = _complete(connection, [row])
        if reference.digest not in (None, found.digest):
            raise ConflictError(
                f"{reference} does not agree with itself: version {found.version} is sha256:{found.digest}",
                hint=f"modelreg show {found.model}:{found.version}",
            )
        return found

    def _not_found(self, connection: sa.Connection, reference: Reference) -> NotFoundError:
        query = sa.select(sa.func.max(versions.c.version)).join(models).where(models.c.name == reference.name)
        last = connection.execute(query).scalar()
        if last is None:
            return no_model(reference.name)
        if reference.alias is not None:
            return NotFoundError(
                f"{reference.name!r} has no alias {reference.alias!r}",
                hint=f"modelreg alias {reference.name}:{last} {reference.alias}",
            )
        if reference.version is None and reference.digest is None:
            return NotFoundError(
                f"every version of {reference.name!r} is withdrawn", hint=f"modelreg list {reference.name}"
            )
        wanted = f"version {reference.version}" if reference.version else f"version with digest {reference.digest}"
        return NotFoundError(
            f"{reference.name!r} has no {wanted}; it has 1 to {last}", hint=f"modelreg list {reference.name}"
        )

    def versions(
        self,
        model: str | None = None,
        *,
        limit: int | None = None,
        after: tuple[str, int] | None = None,
        matching: VersionFilter | None = None,
    ) -> tuple[IndexEntry, ...]:
        """Every version, or those of one model, by name and then number: ``limit`` of them, from behind ``after``.

        ``matching`` lets only some of them through.
        """
        if matching is not None and matching.conditions:
            return self._matching(matching, model, limit, after)
        query = sa.select(*_version_columns).join(models).order_by(models.c.name, versions.c.version).limit(limit)
        if model is not None:
            query = query.where(models.c.name == model)
        if after is not None:
            name, version = after
            # The first term is for the index on names, which an OR alone would not use.
            query = query.where(models.c.name >= name, (models.c.name > name) | (versions.c.version > version))
        with self._session.reading() as connection:
            rows = connection.execute(query).mappings().all()
            return _complete(connection, rows)

    def _matching(
        self, wanted: VersionFilter, model: str | None, limit: int | None, after: tuple[str, int] | None
    ) -> tuple[IndexEntry, ...]:
        found: list[IndexEntry] = []
        with self._session.reading() as connection:
            ids = find(connection, wanted, model=model, limit=limit, after=after)
            for begin in range(0, len(ids), _IDS_MAX):
                query = sa.select(*_version_columns).join(models).order_by(models.c.name, versions.c.version)
                page = query.where(versions.c.id.in_(ids[begin : begin + _IDS_MAX]))
                found += _complete(connection, connection.execute(page).mappings().all())
        return tuple(found)

    def count_without_facets(self) -> int:
        """How many versions no filter finds, because an older modelreg indexed them."""
        with self._session.reading() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(without_facets)).scalar_one()

    def without_facets(self, after: int, limit: int) -> tuple[tuple[int, IndexEntry], ...]:
        """Those versions with their ids, by id from behind ``after``."""
        query = (
            sa.select(*_version_columns)
            .join(models)
            .join(without_facets, without_facets.c.version_id == versions.c.id)
            .where(versions.c.id > after)
            .order_by(versions.c.id)
            .limit(limit)
        )
        with self._session.reading() as connection:
            rows = connection.execute(query).mappings().all()
            return tuple(zip((row["id"] for row in rows), _complete(connection, rows), strict=True))

    def facets(self, digests: Iterable[str]) -> dict[str, IndexedFacets]:
        """What the versions with those digests, of a page, are found by."""
        wanted = versions.c.digest.in_(tuple(digests))
        query = sa.select(versions.c.digest, *(facets.c[name] for name in FacetRow._fields)).select_from(
            facets.join(versions, facets.c.version_id == versions.c.id)
        )
        without = sa.select(versions.c.digest).join(without_facets, without_facets.c.version_id == versions.c.id)
        rows: dict[str, set[FacetRow]] = {}
        with self._session.reading() as connection:
            due = set(connection.execute(without.where(wanted)).scalars())
            for digest, *row in connection.execute(query.where(wanted)):
                rows.setdefault(digest, set()).add(FacetRow(*row))
        return {
            digest: IndexedFacets(frozenset(rows.get(digest, ())), is_due=digest in due) for digest in due | set(rows)
        }

    def has_model(self, name: str) -> bool:
        """Whether there is a model of that name."""
        with self._session.reading() as connection:
            return connection.execute(sa.select(models.c.id).where(models.c.name == name)).first() is not None

    def near(self, model: str, version: int) -> dict[int, str]:
        """The digests of that version and of both its neighbours, by number, as far as they are there."""
        query = (
            sa.select(versions.c.version, versions.c.digest)
            .join(models)
            .where(models.c.name == model, versions.c.version.between(version - 1, version + 1))
        )
        with self._session.reading() as connection:
            return {row.version: row.digest for row in connection.execute(query)}

    def is_empty(self) -> bool:
        """Whether no version was ever pushed."""
        with self._session.reading() as connection:
            return connection.execute(sa.select(versions.c.id).limit(1)).first() is None

    def stray_aliases(self) -> tuple[tuple[str, str], ...]:
        """Model and alias of each alias that points at no version of its model."""
        pointing = aliases.join(models, aliases.c.model_id == models.c.id)
        own = sa.select(versions.c.id).where(versions.c.model_id == aliases.c.model_id)
        query = sa.select(models.c.name, aliases.c.alias).select_from(pointing)
        query = query.where(aliases.c.version_id.not_in(own)).order_by(models.c.name, aliases.c.alias)
        with self._session.reading() as connection:
            return tuple((name, alias) for name, alias in connection.execute(query))

    def stray_rows(self) -> dict[str, int]:
        """How many rows of each table belong to nothing, which only a foreign hand can do."""
        belongs = {
            versions: versions.c.model_id.not_in(sa.select(models.c.id)),
            files: files.c.version_id.not_in(sa.select(versions.c.id)),
            aliases: aliases.c.model_id.not_in(sa.select(models.c.id)),
            bundles: bundles.c.version_id.not_in(sa.select(versions.c.id)),
            facets: facets.c.version_id.not_in(sa.select(versions.c.id)),
            without_facets: without_facets.c.version_id.not_in(sa.select(versions.c.id)),
        }
        with self._session.reading() as connection:
            counts = {
                table.name: connection.execute(sa.select(sa.func.count()).select_from(table).where(stray)).scalar_one()
                for table, stray in belongs.items()
            }
        return {name: count for name, count in counts.items() if count}

    def names(self, prefix: str = "") -> tuple[str, ...]:
        """The names of all models that start with ``prefix``, sorted."""
        # Not LIKE, which takes no notice of case on SQLite.
        starts = sa.func.substr(models.c.name, 1, len(prefix)) == prefix
        query = sa.select(models.c.name).where(starts).order_by(models.c.name)
        with self._session.reading() as connection:
            return tuple(connection.execute(query).scalars())

    def referenced(self) -> frozenset[str]:
        """Every blob that something needs: manifests, files, signatures, statements, and the log's records."""
        with self._session.reading() as connection:
            return referenced_blobs(connection)

    @contextlib.contextmanager
    def reading_statements(self) -> Iterator[StatementTable]:
        """The statements, in one state."""
        with self._session.reading() as connection:
            yield StatementTable(connection)

    @contextlib.contextmanager
    def reading_log(self) -> Iterator[LogTables]:
        """The log, in one state."""
        with self._session.reading() as connection:
            yield LogTables(connection)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Changes that are committed together, or not at all."""
        with self._session.writing() as connection:
            yield Transaction(connection)

    def run(self, work: Callable[[Transaction], T], settled: Callable[[Transaction], T | None]) -> T:
        """What ``work`` returns from a committed transaction, which is begun again where that can help.

        When the connection broke, ``settled`` is asked first, in a new transaction: it returns what ``work`` would have
        if the broken one was committed after all, and ``None`` if not.  Raises ``ConnectionLostError`` if the database
        does not come back.
        """

        def work_unless_settled(transaction: Transaction) -> T:
            found = settled(transaction)
            return work(transaction) if found is None else found

        try:
            return self._session.run(lambda connection: work(Transaction(connection)))
        except ConnectionLostError as lost:
            return self.after(lost, work_unless_settled)

    def after(self, lost: ConnectionLostError, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` once the database is there again; raises ``lost`` if it does not come back."""
        for attempt in range(1, ATTEMPTS):
            pause(attempt)
            with contextlib.suppress(ConnectionLostError, UnreachableError):
                return self._session.run(lambda connection: work(Transaction(connection)))
        raise lost


def _resolving(reference: Reference) -> sa.Select[tuple[object, ...]]:
    query = sa.select(*_version_columns).select_from(versions.join(models)).where(models.c.name == reference.name)
    if reference.version is not None:
        return query.where(versions.c.version == reference.version)
    if reference.alias is not None:
        return query.join(aliases, aliases.c.version_id == versions.c.id).where(aliases.c.alias == reference.alias)
    if reference.digest is not None:
        return query.where(versions.c.digest == reference.digest)
    return query.where(versions.c.withdrawn_at.is_(None)).order_by(versions.c.version.desc()).limit(1)


def _draw_identity(connection: sa.Connection, now: str) -> str:
    postgresql.lock(connection, postgresql.Lock.REGISTRY)
    found = connection.execute(sa.select(registry.c.id)).scalar()
    if found is None:
        found = str(uuid.uuid4())
        connection.execute(registry.insert().values(id=found, created_at=now))
    return str(found)


def no_model(name: str) -> NotFoundError:
    """The error for a model that is not there."""
    return NotFoundError(f"there is no model {name!r}", hint="modelreg list")


def referenced_blobs(connection: sa.Connection) -> frozenset[str]:
    """Every blob that some version or the log needs, as a transaction sees it."""
    needed = (
        versions.c.digest,
        files.c.sha256,
        bundles.c.sha256,
        log_checkpoints.c.record_sha256,
        statements.c.sha256,
        statements.c.envelope_sha256,
    )
    return frozenset(connection.execute(sa.union(*map(sa.select, needed))).scalars()) - {None}


_IDS_MAX = 500
"""Versions whose files are asked for at once: SQLite of old took no more than 999 variables."""


def _complete(connection: sa.Connection, rows: Sequence[sa.RowMapping]) -> tuple[IndexEntry, ...]:
    """The rows of versions with their files, aliases and signatures."""
    found: list[IndexEntry] = []
    for begin in range(0, len(rows), _IDS_MAX):
        page = rows[begin : begin + _IDS_MAX]
        ids = [row["id"] for row in page]
        details = _Details(_aliases(connection, ids), _files(connection, ids), _bundles(connection, ids))
        found += [details.record(row) for row in page]
    return tuple(found)


def _aliases(connection: sa.Connection, ids: Sequence[int]) -> dict[int, list[str]]:
    query = sa.select(aliases.c.version_id, aliases.c.alias).where(aliases.c.version_id.in_(ids))
    found: dict[int, list[str]] = {}
    for row in connection.execute(query.order_by(aliases.c.alias)):
        found.setdefault(row.version_id, []).append(row.alias)
    return found


def _files(connection: sa.Connection, ids: Sequence[int]) -> dict[int, list[IndexedFile]]:
    query = sa.select(files).where(files.c.version_id.in_(ids))
    found: dict[int, list[IndexedFile]] = {}
    for row in connection.execute(query.order_by(files.c.version_id, files.c.path)):
        found.setdefault(row.version_id, []).append(IndexedFile(row.path, row.size_bytes, row.sha256))
    return found


def _bundles(connection: sa.Connection, ids: Sequence[int]) -> dict[int, list[IndexedBundle]]:
    query = sa.select(bundles).where(bundles.c.version_id.in_(ids)).order_by(bundles.c.version_id, bundles.c.sha256)
    found: dict[int, list[IndexedBundle]] = {}
    for row in connection.execute(query):
        bundle = IndexedBundle(row.sha256, row.kind, row.key_id)
        found.setdefault(row.version_id, []).append(bundle)
    return found


@dataclass(frozen=True, slots=True)
class _Details:
    """What other tables hold of some versions, by their ids."""

    aliases: Mapping[int, Sequence[str]]
    files: Mapping[int, Sequence[IndexedFile]]
    bundles: Mapping[int, Sequence[IndexedBundle]]

    def record(self, row: sa.RowMapping) -> IndexEntry:
        values = {key: value for key, value in row.items() if key != "id"}
        return IndexEntry(
            **values,
            aliases=tuple(self.aliases.get(row["id"], ())),
            files=tuple(self.files.get(row["id"], ())),
            bundles=tuple(self.bundles.get(row["id"], ())),
        )
