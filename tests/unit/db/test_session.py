"""Sessions: addresses that are refused, passwords that are not shown, and the database's own troubles in our words."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from modelreg import Registry
from modelreg.db import sqlite
from modelreg.db.session import Session
from modelreg.errors import DatabaseError, UsageError

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("url", ["", "no address", "://", "mysql://u:secret@h/d", "oracle://h"])
def test_an_address_of_no_database_is_a_usage_error(url: str) -> None:
    """Claim: what is neither SQLite nor PostgreSQL is refused without showing a password."""
    with pytest.raises(UsageError) as caught:
        Session(url)
    assert "secret" not in caught.value.message + (caught.value.hint or "")


def test_a_missing_driver_is_told_with_what_to_install() -> None:
    """Claim: PostgreSQL without its driver is an error with the extra's name, or opens where the driver is there."""
    hint: str | None = "pip install 'modelreg[postgres]'"
    try:
        shown = Session("postgresql+psycopg://ada:secret@localhost/registry").shown_url
    except DatabaseError as error:
        hint, shown = error.hint, error.message
    assert hint == "pip install 'modelreg[postgres]'"
    assert "secret" not in shown


def test_sqlite_is_set_up_for_several_processes(tmp_path: Path) -> None:
    """Claim: WAL, foreign keys, full synchronisation and a busy timeout are on, for each connection."""
    session = Session(f"sqlite:///{tmp_path}/r.db")
    with session.reading() as connection:
        found = {
            pragma: connection.execute(sa.text(f"PRAGMA {pragma}")).scalar()
            for pragma in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        }
    session.close()
    assert found == {
        "journal_mode": "wal",
        "foreign_keys": 1,
        "synchronous": 2,
        "busy_timeout": sqlite.BUSY_TIMEOUT_S * 1000,
    }


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    """Claim: pointing the registry at a foreign file is an error with a hint, and the file is left as it is."""
    path = tmp_path / "notes.txt"
    path.write_text("these are notes, and no database at all\n" * 100)
    before = path.read_bytes()
    with pytest.raises(DatabaseError, match="not a database") as caught:
        Registry.open(database_url=f"sqlite:///{path}", storage_url=f"file://{tmp_path}/store")
    assert caught.value.hint == "MODELREG_DATABASE_URL must name a file of its own"
    assert path.read_bytes() == before


def test_a_damaged_database_is_told(tmp_path: Path, registry: Registry, models: Path) -> None:
    """Claim: a database whose pages are overwritten ends as DatabaseError, never as rows of nonsense."""
    registry.push(models / "tf220" / "plain.tflite", environment="none")
    registry.close()
    path = tmp_path / "home" / "registry.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    data = bytearray(path.read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(DatabaseError), Registry.open(home=tmp_path / "home") as damaged:
        damaged.list()


def test_a_database_that_another_holds_is_waited_for_then_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: a writer waits for the busy timeout, and then says who is in the way and what to do."""
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_S", 0.2)
    first, second = (Session(f"sqlite:///{tmp_path}/r.db") for _ in range(2))
    with first.writing(), pytest.raises(DatabaseError, match="locked") as caught, second.writing():
        pytest.fail("two writers at once")
    assert caught.value.hint == "another process holds the database; try again when it is done"
    for session in (first, second):
        session.close()


def test_writers_queue_instead_of_failing(tmp_path: Path) -> None:
    """Claim: a second writer goes on as soon as the first has committed, and sees what it wrote."""
    session = Session(f"sqlite:///{tmp_path}/r.db")
    with session.writing() as connection:
        connection.execute(sa.text("CREATE TABLE t (n INTEGER)"))
    holding, seen = threading.Event(), []

    def hold() -> None:
        with session.writing() as connection:
            connection.execute(sa.text("INSERT INTO t VALUES (1)"))
            holding.set()
            threading.Event().wait(0.1)

    thread = threading.Thread(target=hold)
    thread.start()
    assert holding.wait(10)
    with session.writing() as connection:
        seen.append(connection.execute(sa.text("SELECT count(*) FROM t")).scalar())
    thread.join(10)
    session.close()
    assert seen == [1]


def test_the_first_connections_to_a_new_file_do_not_trip_over_each_other(tmp_path: Path) -> None:
    """Claim: switching a new file to WAL waits like everything else: 40 files x 6 first connections at once, no error.

    SQLite's busy timeout does not cover ``PRAGMA journal_mode=WAL`` while another connection switches too.
    """

    def connect(url: str, together: threading.Barrier) -> str | None:
        session = Session(url)
        together.wait(30)
        try:
            with session.writing() as connection:
                connection.execute(sa.text("CREATE TABLE IF NOT EXISTS t (n INTEGER)"))
        except DatabaseError as error:
            return error.message
        finally:
            session.close()
        return None

    failures = []
    for number in range(40):
        together = threading.Barrier(6)
        url = f"sqlite:///{tmp_path}/r{number}.db"
        with ThreadPoolExecutor(6) as pool:
            told = [pool.submit(connect, url, together) for _ in range(6)]
            failures += [future.result() for future in told if future.result()]
    assert failures == []


@pytest.mark.parametrize("name", ["with blank", "percent%41", "quest?ion", "hash#", "\u00e9", "quote'"])
def test_a_home_with_an_odd_name_holds_a_registry(tmp_path: Path, models: Path, name: str) -> None:
    """Claim: whatever the folder is called, the registry is made in it and nowhere else."""
    home = tmp_path / name
    with Registry.open(home=home) as registry:
        registry.push(models / "tf220" / "plain.tflite", environment="none")
    assert (home / "registry.db").is_file()
    assert (home / "store").is_dir()
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    with Registry.open(home=home, create=False) as registry:
        assert registry.verify("plain", target="none").verdict.exit == 0
