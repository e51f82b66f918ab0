"""The schema's promises, over every database: made by migrations alone, told by its revision, changed by nobody's back."""

from __future__ import annotations

import multiprocessing

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from modelreg.db import migrate
from modelreg.db.records import Index
from modelreg.db.schema import REVISION, REVISION_TABLE, metadata
from modelreg.db.session import Session
from modelreg.errors import SchemaRevisionError

NOW = "2026-11-23T18:55:36Z"


def test_the_migrations_make_exactly_the_schema(session: Session) -> None:
    """Claim: alembic finds no difference between a database that was migrated and ``schema.metadata``."""
    with session.reading() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": REVISION_TABLE, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []
        checks = {
            (table, check["name"])
            for table in metadata.tables
            for check in sa.inspect(connection).get_check_constraints(table)
        }
    assert checks == {
        ("versions", "ck_versions_version_positive"),
        ("versions", "ck_versions_withdrawn_with_reason"),
        ("bundles", "ck_bundles_kind_known"),
        ("statements", "ck_statements_kind_known"),
        ("statements", "ck_statements_envelope_with_digest"),
    }


def test_the_revision_is_the_head_of_the_migrations() -> None:
    """Claim: the program's revision and the newest script are one, and the history has one head."""
    assert ScriptDirectory.from_config(migrate._configuration()).get_heads() == [REVISION]


def test_an_empty_database_is_set_up_on_first_use(database_url: str) -> None:
    """Claim: nothing, then this program's revision; a second time nothing happens."""
    session = Session(database_url)
    assert migrate.status(session) == migrate.SchemaStatus(None, REVISION)
    migrate.require_current(session)
    assert migrate.status(session).is_current
    assert migrate.upgrade(session) == migrate.SchemaStatus(REVISION, REVISION)
    session.close()


def test_an_empty_database_is_left_alone_unless_it_may_be_made(database_url: str) -> None:
    """Claim: with create=False the error names the command, and nothing is made."""
    session = Session(database_url)
    with pytest.raises(SchemaRevisionError) as caught:
        migrate.require_current(session, create=False)
    assert caught.value.hint == "modelreg db upgrade"
    assert migrate.status(session).found is None
    session.close()


def _set_revision(session: Session, revision: str) -> None:
    with session.writing() as connection:
        connection.execute(sa.text(f"UPDATE {REVISION_TABLE} SET version_num = :new"), {"new": revision})


def test_a_newer_database_says_to_upgrade_the_program(session: Session) -> None:
    """Claim: a revision that this program does not know is refused by open and by upgrade, and left as it is."""
    _set_revision(session, "9999")
    for attempt in (migrate.require_current, migrate.upgrade):
        with pytest.raises(SchemaRevisionError, match="'9999'") as caught:
            attempt(session)
        assert caught.value.hint is not None
        assert "upgrade modelreg" in caught.value.hint
    assert migrate.status(session).found == "9999"


def test_an_older_database_names_the_command(session: Session) -> None:
    """Claim: a known revision that is not the program's says ``modelreg db upgrade``, and nothing is changed."""
    _set_revision(session, "0001")
    with pytest.raises(SchemaRevisionError, match=rf"'0001'.*'{REVISION}'") as caught:
        migrate.require_current(session)
    assert caught.value.hint == "modelreg db upgrade"
    assert migrate.status(session).found == "0001"


def test_a_failed_upgrade_leaves_nothing(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: an upgrade is one transaction: a failure in its middle leaves the database as it was."""
    session = Session(database_url)
    run = migrate._run_alembic

    def fail(connection: sa.Connection) -> None:
        run(connection)
        raise RuntimeError("power cut")

    monkeypatch.setattr(migrate, "_run_alembic", fail)
    with pytest.raises(RuntimeError, match="power cut"):
        migrate.upgrade(session)
    assert migrate.status(session).found is None
    with session.reading() as connection:
        assert sa.inspect(connection).get_table_names() == []
    session.close()


def _open_once(url: str, ready: object, results: object) -> None:
    ready.wait(60)  # type: ignore[attr-defined]
    try:
        session = Session(url)
        migrate.require_current(session)
        results.put(Index(session).registry_id(NOW))  # type: ignore[attr-defined]
        session.close()
    except BaseException as error:
        results.put(repr(error))  # type: ignore[attr-defined]


@pytest.mark.slow
def test_processes_that_create_one_database_at_once_all_succeed(database_url: str) -> None:
    """Claim: whoever comes second waits for the first: no error, one schema, one registry id."""
    context = multiprocessing.get_context("spawn")
    ready, results = context.Barrier(4), context.Queue()
    workers = [context.Process(target=_open_once, args=(database_url, ready, results)) for _ in range(4)]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(60)
    assert len(set(found)) == 1, found
    assert len(found[0]) == 36, found
