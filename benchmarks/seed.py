"""Fills a registry with versions of models, rows and manifests alike, without pushing each by hand.

    python benchmarks/seed.py DATABASE_URL STORAGE_URL --versions 100000 --models 1000

Every version is what a push of a small file would have made: a manifest in the store and its rows in the database.
All versions share the bytes of one file.  Only the newest version of each model has a manifest, unless ``--manifests``
says that all are to have one: ``list``, ``resolve``, ``alias`` and pushes read no other.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Iterator
from itertools import islice

import sqlalchemy as sa

from modelreg.client.stores import open_store
from modelreg.db import migrate
from modelreg.db.records import Index
from modelreg.db.schema import aliases, facets, files, models, versions
from modelreg.db.session import Session
from modelreg.digest import sha256_hex
from modelreg.digest.streams import Descriptor, ingest
from modelreg.environment import Environment
from modelreg.facts import Container, Facts
from modelreg.manifest import FileEntry, IndexEntry, Manifest
from modelreg.store.base import Store

NOW = "2026-11-23T18:55:36Z"
BATCH = 2000


def seed(database_url: str, storage_url: str, count: int, model_count: int, *, manifests: bool = False) -> None:
    """``count`` versions over ``model_count`` models, in an empty registry."""
    session, store = Session(database_url), open_store(storage_url)
    migrate.upgrade(session)
    registry_id, entry = Index(session).registry_id(NOW), _small_file(store)
    per_model = -(-count // model_count)
    made = (
        made
        for number in range(model_count)
        for made in _history(
            registry_id, f"team{number % 20}/model{number:05}", per_model, entry, store, manifests=manifests
        )
    )
    version_id = 0
    while batch := list(islice(made, BATCH)):
        _insert(session, batch, version_id)
        version_id += len(batch)
    _count_on(session)
    session.close()


def _small_file(store: Store) -> FileEntry:
    with tempfile.TemporaryFile() as file:
        file.write(b"a small model\n" * 100)
        file.flush()
        digest = ingest(Descriptor(file.fileno()), file.tell())
        file.seek(0)
        store.put(file.read())
    return FileEntry.of("model.h5", digest)


def _history(
    registry_id: str, model: str, count: int, file: FileEntry, store: Store, *, manifests: bool
) -> Iterator[IndexEntry]:
    manifest = Manifest(
        registry=registry_id,
        model=model,
        version=1,
        previous=None,
        created_at=NOW,
        pushed_by="seed",
        files=(file,),
        facts=Facts(Container.KERAS_HDF5, "model.h5", keras_version="2.13.1"),
        writer=Environment(),
    )
    entry = IndexEntry.of(manifest, "")
    for version in range(1, count + 1):
        digest = sha256_hex(f"{model}:{version}".encode())
        if manifests or version == count:
            before = entry.digest if version > 1 else None
            digest = store.put(dataclasses.replace(manifest, version=version, previous=before).to_bytes())
        entry = dataclasses.replace(entry, version=version, digest=digest)
        yield entry


def _insert(session: Session, batch: list[IndexEntry], last_id: int) -> None:
    entries = list(enumerate(batch, start=last_id + 1))
    with session.writing() as connection:
        names = sorted({entry.model for _, entry in entries})
        known = dict(connection.execute(sa.select(models.c.name, models.c.id).where(models.c.name.in_(names))).all())
        if new := [{"name": name} for name in names if name not in known]:
            connection.execute(models.insert(), new)
        ids = dict(connection.execute(sa.select(models.c.name, models.c.id).where(models.c.name.in_(names))).all())
        connection.execute(versions.insert(), [_row(entry, number, ids[entry.model]) for number, entry in entries])
        connection.execute(
            files.insert(),
            [
                {"version_id": number, "path": file.path, "size_bytes": file.size_bytes, "sha256": file.sha256}
                for number, entry in entries
                for file in entry.files
            ],
        )
        connection.execute(facets.insert(), [row for number, entry in entries for row in _facets(entry, number)])
        pointing = [
            {"model_id": ids[entry.model], "alias": f"v{entry.version}", "version_id": number, "moved_at": NOW}
            for number, entry in entries
            if entry.version % 5 == 0
        ]
        if pointing:
            connection.execute(aliases.insert(), pointing)


def _facets(entry: IndexEntry, version_id: int) -> list[dict[str, object]]:
    """What a push would index: format and Keras, and some rarer things, by the number."""
    told = [("format", "", entry.container), ("env", "keras", f"2.{4 + version_id % 12}.0")]
    told += [("has", "lambda", "")] if version_id % 50 == 0 else []
    told += [("meta", "ticket", ""), ("meta=", "ticket", str(version_id))] if version_id % 10 == 0 else []
    place = {"model": entry.model, "version": entry.version, "version_id": version_id}
    return [{"kind": kind, "key": key, "value": value, **place} for kind, key, value in told]


def _row(entry: IndexEntry, version_id: int, model_id: int) -> dict[str, object]:
    columns = ("version", "digest", "created_at", "pushed_by", "container", "keras_version", "size_bytes")
    return {"id": version_id, "model_id": model_id, **{name: getattr(entry, name) for name in columns}}


def _count_on(session: Session) -> None:
    """PostgreSQL draws the next id from a sequence, which did not see ours, and plans by statistics."""
    if session.sqlite_path is None:
        with session.writing() as connection:
            query = "SELECT setval(pg_get_serial_sequence('versions', 'id'), (SELECT max(id) FROM versions))"
            connection.execute(sa.text(query))
            connection.execute(sa.text("ANALYZE"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database_url")
    parser.add_argument("storage_url")
    parser.add_argument("--versions", type=int, default=100_000)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--manifests", action="store_true")
    given = parser.parse_args()
    seed(given.database_url, given.storage_url, given.versions, given.models, manifests=given.manifests)


if __name__ == "__main__":
    main()
