"""The rows of one version: everything that the index says of it, made from its manifest alone."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from modelreg.db.schema import facets, files, versions
from modelreg.facets import facets_of
from modelreg.manifest import IndexEntry, Manifest

Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class VersionRows:
    """The rows of a version by table, without the ids that only a database knows."""

    version: Row
    files: tuple[Row, ...]
    facets: tuple[Row, ...]

    def insert(self, connection: sa.Connection, model_id: int) -> int:
        """Add all of them; returns the version's id."""
        query = versions.insert().values(model_id=model_id, **self.version).returning(versions.c.id)
        version_id: int = connection.execute(query).scalar_one()
        connection.execute(files.insert(), [{"version_id": version_id, **row} for row in self.files])
        self.insert_facets(connection, version_id)
        return version_id

    def insert_facets(self, connection: sa.Connection, version_id: int) -> None:
        """Add what the version is found by."""
        connection.execute(facets.insert(), [{"version_id": version_id, **row} for row in self.facets])


def rows_of(manifest: Manifest, digest: str) -> VersionRows:
    """What every database must say of the version whose manifest is stored under ``digest``."""
    entry = IndexEntry.of(manifest, digest)
    told = ("version", "digest", "created_at", "pushed_by", "container", "keras_version", "size_bytes")
    return VersionRows(
        version={name: getattr(entry, name) for name in told},
        files=tuple({"path": file.path, "size_bytes": file.size_bytes, "sha256": file.sha256} for file in entry.files),
        facets=tuple(
            {
                "kind": facet.kind.value,
                "key": facet.key,
                "value": facet.value,
                "model": entry.model,
                "version": entry.version,
            }
            for facet in facets_of(manifest)
        ),
    )
