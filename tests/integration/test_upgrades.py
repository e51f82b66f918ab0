"""Upgrades of the schema: a database of every released revision comes up whole, also when the upgrade is killed."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from multiprocessing.queues import Queue
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command

from modelreg.db import migrate
from modelreg.db.records import Index
from modelreg.db.schema import REVISION, metadata
from modelreg.db.session import Session

VECTOR = Path(__file__).parents[1] / "vectors" / "registry-0001.db"
"""Made by modelreg 0.1.0 at revision 0001: three versions of two models, two aliases, one withdrawal."""
OLD_TABLES = ("registry", "models", "versions", "files", "aliases")
Start = Callable[..., subprocess.Popen[str]]
UPGRADE = """
import sys
from modelreg.db import migrate
from modelreg.db.session import Session
session = Session(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
migrate.upgrade(session)
"""


def _rows(session: Session) -> dict[str, list[tuple[object, ...]]]:
    with session.reading() as connection:
        return {
            name: sorted((tuple(row) for row in connection.execute(sa.select(metadata.tables[name]))), key=repr)
            for name in OLD_TABLES
        }


@pytest.fixture
def old_url(database_url: str, tmp_path: Path) -> str:
    """A database at revision 0001 with the rows of the vector, on either kind."""
    if database_url.startswith("sqlite"):
        shutil.copy(VECTOR, tmp_path / "registry.db")
        return database_url
    session, vector = Session(database_url), Session(f"sqlite:///{shutil.copy(VECTOR, tmp_path / 'vector.db')}")
    with session.writing() as connection:
        configuration = migrate._configuration()
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "0001")
        with vector.reading() as source:
            for name in OLD_TABLES:
                table = metadata.tables[name]
                rows = [dict(row) for row in source.execute(sa.select(table)).mappings()]
                connection.execute(table.insert(), rows)
    for opened in (session, vector):
        opened.close()
    return database_url


def test_an_old_database_comes_up_with_all_it_held(old_url: str) -> None:
    """Claim: the upgrade from 0001 changes no row, and what it makes is what a new database has."""
    session = Session(old_url)
    before = _rows(session)
    assert migrate.status(session).found == "0001"
    assert migrate.upgrade(session).found == "0001"
    assert migrate.status(session).is_current
    assert _rows(session) == before
    entries = Index(session).versions()
    assert [(e.model, e.version, e.aliases, e.withdrawn_reason) for e in entries] == [
        ("fraud", 1, (), "leaked"),
        ("fraud", 2, ("production",), None),
        ("team/churn", 1, ("production",), None),
    ]
    session.close()


@pytest.mark.slow
def test_an_upgrade_that_is_killed_can_be_begun_again(
    start: Start, old_url: str, tally: Callable[[str, int], None]
) -> None:
    """Claim: after kill -9 at any moment the database is at one revision or the other, never between, rows intact."""
    session, chance = Session(old_url), random.Random(7)
    before, killed = _rows(session), 0
    for turn in range(8):
        upgrade = start(UPGRADE, old_url)
        assert upgrade.stdin is not None
        assert upgrade.stdout is not None
        assert upgrade.stdout.readline() == "ready\n"
        upgrade.stdin.write("go\n")
        upgrade.stdin.flush()
        time.sleep(2.5 * (turn + chance.random()) / 8)
        upgrade.kill()
        upgrade.communicate(timeout=30)
        found = migrate.status(session).found
        assert found in ("0001", REVISION)
        assert _rows(session) == before
        if found == REVISION:
            break
        killed += 1
    migrate.upgrade(session)
    assert _rows(session) == before
    assert migrate.status(session).is_current
    session.close()
    assert killed, "no kill came before the end of the upgrade"
    tally("upgrades killed before their commit", killed)


def _upgrade(url: str, ready: object, results: Queue[str]) -> None:
    ready.wait(60)  # type: ignore[attr-defined]
    session = Session(url)
    try:
        results.put(str(migrate.upgrade(session).found))
    except BaseException as error:
        results.put(repr(error))
    finally:
        session.close()


def test_of_processes_that_upgrade_at_once_one_does_and_the_others_wait(old_url: str) -> None:
    """Claim: all succeed; one found the old revision, every other the new one."""
    context = multiprocessing.get_context("spawn")
    ready, results = context.Barrier(3), context.Queue()
    workers = [context.Process(target=_upgrade, args=(old_url, ready, results)) for _ in range(3)]
    for worker in workers:
        worker.start()
    found = sorted(results.get(timeout=120) for _ in workers)
    for worker in workers:
        worker.join(60)
    assert found == ["0001", REVISION, REVISION]
