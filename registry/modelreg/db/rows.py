"""The rows of one version: everything that the index says of it, made from its manifest alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa

from modelreg.db.schema import facets, files, versions, without_facets
from modelreg.facets import Facet, facets_of
from modelreg.manifest import IndexEntry, Manifest

Row = dict[str, object]

_TOLD = ("version", "digest", "created_at", "pushed_by", "container", "keras_version", "size_bytes")
_ROWS_MAX = 500
"""Versions that are written and asked for at once: SQLite of old took no more than 999 variables."""


class FacetRow(NamedTuple):
    """A row of ``facets`` as a database has it, which may be anything, but for the version's id."""

    kind: str
    key: str
    value: str
    model: str
    version: int


@dataclass(frozen=True, slots=True)
class IndexedFacets:
    """What the tables say a version is found by; ``is_due`` where ``reindex`` has yet to write it."""

    rows: frozenset[FacetRow] = frozenset()
    is_due: bool = False


@dataclass(frozen=True, slots=True)
class VersionRows:
    """What every database must say of a version, without the ids that only a database knows."""

    entry: IndexEntry
    facets: tuple[Facet, ...]

    @property
    def version(self) -> Row:
        """Its row in ``versions``."""
        return {name: getattr(self.entry, name) for name in _TOLD}

    def insert_details(self, connection: sa.Connection, version_id: int) -> None:
        """Add its rows in all other tables."""
        _insert_details(connection, [(version_id, self)])

    def insert_facets(self, connection: sa.Connection, version_id: int) -> None:
        """Add what the version is found by."""
        connection.execute(facets.insert(), list(self.facet_rows(version_id)))

    def delete_details(self, connection: sa.Connection, version_id: int) -> None:
        """Remove the rows of the version in all other tables, and those that stand in the place of its own."""
        for table in (files, facets, without_facets):
            connection.execute(table.delete().where(table.c.version_id == version_id))
        key = [column == sa.bindparam(f"its_{column.name}") for column in facets.primary_key]
        places = [{f"its_{name}": value for name, value in row._asdict().items()} for row in self.found_by]
        connection.execute(facets.delete().where(*key), places)

    def file_rows(self, version_id: int) -> Iterator[Row]:
        """Its rows in ``files``."""
        for file in self.entry.files:
            yield {"version_id": version_id, "path": file.path, "size_bytes": file.size_bytes, "sha256": file.sha256}

    def facet_rows(self, version_id: int) -> Iterator[Row]:
        """Its rows in ``facets``."""
        for row in self.found_by:
            yield {"version_id": version_id, **row._asdict()}

    @property
    def found_by(self) -> tuple[FacetRow, ...]:
        """The same without the id."""
        model, version = self.entry.model, self.entry.version
        return tuple(FacetRow(facet.kind.value, facet.key, facet.value, model, version) for facet in self.facets)


def rows_of(manifest: Manifest, digest: str) -> VersionRows:
    """The rows of the version whose manifest is stored under ``digest``."""
    return VersionRows(IndexEntry.of(manifest, digest), facets_of(manifest))


def insert_rows(connection: sa.Connection, model_id: int, rows: Sequence[VersionRows]) -> None:
    """Add versions of one model, many at once."""
    for begin in range(0, len(rows), _ROWS_MAX):
        page = rows[begin : begin + _ROWS_MAX]
        connection.execute(versions.insert(), [{"model_id": model_id, **row.version} for row in page])
        query = sa.select(versions.c.version, versions.c.id).where(
            versions.c.model_id == model_id, versions.c.version.in_([row.entry.version for row in page])
        )
        ids = {found.version: found.id for found in connection.execute(query)}
        _insert_details(connection, [(ids[row.entry.version], row) for row in page])


def _insert_details(connection: sa.Connection, rows: Iterable[tuple[int, VersionRows]]) -> None:
    rows = list(rows)
    connection.execute(files.insert(), [item for version_id, row in rows for item in row.file_rows(version_id)])
    connection.execute(facets.insert(), [item for version_id, row in rows for item in row.facet_rows(version_id)])
