"""PostgreSQL's own troubles: connections that break at a commit, deadlocks, time-outs, secrets, a driver that is not there."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.servers.cutting_proxy import cutting_proxy
from tests.servers.postgres import Server, postgres

from modelreg import ConnectionLostError, DatabaseError, Registry, UnreachableError, load_settings
from modelreg.client.sweep import sweep
from modelreg.db import migrate
from modelreg.db import session as session_module
from modelreg.db.leases import Leases
from modelreg.db.session import Session
from modelreg.store.memory import MemoryStore
from modelreg_cli.app import main

Start = Callable[..., subprocess.Popen[str]]
SECRET = "hunter2-planted"


def by_proxy(url: str, port: int) -> str:
    """The same schema by the way of loopback and ``port``."""
    options = url.partition("options=")[2]
    return f"postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=disable&gssencmode=disable&options={options}"


@pytest.mark.allow_hosts(["127.0.0.1"])
@pytest.mark.usefixtures("socket_enabled")
@pytest.mark.parametrize("cuts", [["before"], ["after"], ["before", "before", "after"]], ids=" ".join)
def test_a_push_whose_commit_was_cut_is_there_once_and_knows_it(
    postgres_server: Server, postgres_url: str, tmp_path: Path, models: Path, cuts: list[str]
) -> None:
    """Claim: whether the server committed or not before the connection broke, the push ends with one version."""
    if postgres_server.port is None:
        pytest.skip("a given server is not cut")
    with cutting_proxy(postgres_server.port) as proxy:
        url = by_proxy(postgres_url, proxy.port)
        with Registry.open(database_url=url, storage_url=f"file://{tmp_path}/store") as registry:
            proxy.cuts[:] = cuts  # type: ignore[assignment]
            pushed = registry.push(
                models / "tf220" / "plain.tflite", name="fraud", aliases=["production"], environment="none"
            )
            assert proxy.fired == cuts
            assert [(e.version, e.digest, e.aliases) for e in registry.list()] == [(1, pushed.digest, ("production",))]
            assert registry.verify("fraud", target="none", full=True).verdict.exit == 0
            registry.gc()
            assert {blob.sha256 for blob in registry.store.blobs()} == registry._index.referenced()
            assert registry.gc(dry_run=True).leases == ()


def test_a_server_that_is_gone_before_and_during_a_push_is_told_and_leaves_nothing(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claim: a crash of the server before a push is an error that names it; one that restarts meanwhile is survived."""
    monkeypatch.setattr(session_module, "_PAUSE_S", 0.02)
    source = models / "tf220" / "plain.tflite"
    with (
        postgres() as server,
        Registry.open(database_url=server.url, storage_url=f"file://{tmp_path}/store") as registry,
    ):
        if server.folder is None:
            pytest.skip("a given server is not stopped")
        assert registry.push(source, name="m", environment="none").version == 1
        server.stop()
        with pytest.raises(UnreachableError, match="connection"):
            registry.push(source, name="m", environment="none")
        server.start()

        stage = registry.store.stage

        def crash_and_stage(*given: Any, **named: Any) -> object:
            server.stop()
            server.start()
            return stage(*given, **named)

        monkeypatch.setattr(registry.store, "stage", crash_and_stage)
        assert registry.push(source, name="m", environment="none").version == 2
        assert [entry.version for entry in registry.list()] == [1, 2]


def test_a_push_of_unknown_outcome_says_how_to_ask(
    postgres_url: str, tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claim: when the database does not come back the error names the command whose exit status is the answer."""
    with Registry.open(database_url=postgres_url, storage_url=f"file://{tmp_path}/store") as registry:

        def lose(lost: ConnectionLostError, _: object) -> None:
            raise lost

        monkeypatch.setattr(registry._index, "after", lose)
        put = registry.store.put

        def put_and_lose(data: bytes, **named: str) -> str:
            with registry._session.writing() as connection:
                connection.execute(
                    sa.text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                        " AND state = 'idle in transaction' AND backend_type = 'client backend'"
                    )
                )
            return put(data, **named)

        monkeypatch.setattr(registry.store, "put", put_and_lose)
        with pytest.raises(ConnectionLostError, match="not known yet") as caught:
            registry.push(models / "tf220" / "plain.tflite", name="m", environment="none")
        assert "modelreg show m@sha256:" in (caught.value.hint or "")


def test_a_deadlock_is_run_again(postgres_url: str) -> None:
    """Claim: of two transactions that wait for each other the server undoes one, and both succeed in the end."""
    session, together, runs = Session(postgres_url), threading.Barrier(2), []
    with session.writing() as connection:
        connection.execute(sa.text("CREATE TABLE t AS SELECT n, 0 AS hits FROM generate_series(1, 2) AS n"))

    def cross(first: int, second: int) -> None:
        def work(connection: sa.Connection) -> None:
            runs.append(first)
            hit = sa.text("UPDATE t SET hits = hits + 1 WHERE n = :n")
            connection.execute(hit, {"n": first})
            if len(runs) <= 2:
                together.wait(30)
            connection.execute(hit, {"n": second})

        session.run(work)

    threads = [threading.Thread(target=cross, args=order) for order in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with session.reading() as connection:
        assert connection.execute(sa.text("SELECT hits FROM t")).scalars().all() == [2, 2]
    session.close()
    assert len(runs) == 3


def test_a_lock_that_is_not_given_up_is_told_after_its_time_out(postgres_url: str) -> None:
    """Claim: time-outs of the URL are the server's, for each transaction, and the error says how to change them."""
    one, other = (Session(f"{postgres_url}&lock_timeout_s=0.2&statement_timeout_s=0.5") for _ in range(2))
    with one.writing() as connection:
        connection.execute(sa.text("CREATE TABLE t (n INTEGER)"))
    with one.writing() as connection:
        connection.execute(sa.text("LOCK TABLE t"))
        with pytest.raises(DatabaseError, match="lock timeout") as caught, other.reading() as reader:
            reader.execute(sa.text("SELECT * FROM t"))
        assert "lock_timeout_s" in (caught.value.hint or "")
    with pytest.raises(DatabaseError, match="statement timeout"), other.reading() as reader:
        reader.execute(sa.text("SELECT pg_sleep(5)"))
    for session in (one, other):
        session.close()


def test_a_reader_cannot_write(postgres_url: str) -> None:
    """Claim: what is read is read in a transaction that the server itself keeps from changing anything."""
    session = Session(postgres_url)
    with pytest.raises(DatabaseError, match="read-only"), session.reading() as connection:
        connection.execute(sa.text("CREATE TABLE t (n INTEGER)"))
    session.close()


def test_a_sweep_that_lost_its_lease_deletes_no_more(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: before each deletion a sweep makes sure that its connection, and with it its lease, still lives."""
    session, store = Session(postgres_url), MemoryStore()
    migrate.upgrade(session)
    held = Leases(session)
    for data in (b"1", b"2"):
        store.put(data)
    delete = store.delete

    def delete_and_die(sha256: str) -> None:
        delete(sha256)
        with session.writing() as connection:
            connection.execute(
                sa.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
                    " AND pid <> pg_backend_pid()"
                )
            )

    with monkeypatch.context() as patched:
        patched.setattr(store, "delete", delete_and_die)
        with pytest.raises(ConnectionLostError):
            sweep(store, held, "ada")
    assert len(list(store.blobs())) == 1
    assert len(sweep(store, held, "ada").blobs) == 2
    assert list(store.blobs()) == []
    session.close()


def test_a_pool_keeps_its_size_and_survives_a_restart(postgres_server: Server, postgres_url: str) -> None:
    """Claim: a long-lived registry never has more connections than it was given, and finds dead ones out by itself."""
    session = Session(f"{postgres_url}&application_name=pooled", pool_size=2)
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pooled'"
    together = threading.Barrier(2)

    def read(_: int) -> None:
        with session.reading():
            together.wait(30)

    threads = [threading.Thread(target=read, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert postgres_server.execute(count) == [(2,)]
    postgres_server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pooled'")
    with session.reading() as connection:
        assert connection.execute(sa.text("SELECT 1")).scalar() == 1
    session.close()


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ada:{SECRET}@127.0.0.1:1/registry",
        f"postgresql://ada:{SECRET}@/registry?host=/nowhere",
        f"postgresql://ada@127.0.0.1:1/registry?password={SECRET}",
        f"postgresql://ada:{SECRET}@h:port/registry",
        f"postgresql://ada:{SECRET}@127.0.0.1:1/registry?sslmode=nonsense",
        f"postgresql://ada:{SECRET}@127.0.0.1:1/registry?sslmode=require&sslpassword={SECRET}",
        f"postgresql://ada:{SECRET}@127.0.0.1:1/registry?lock_timeout_s=soon",
        f"postgresql+psycopg2://ada:{SECRET}@127.0.0.1:1/registry",
        f"mysql://ada:{SECRET}@h/registry",
    ],
)
@pytest.mark.parametrize("command", ["list", "doctor", "config show"])
def test_no_password_is_ever_shown(
    url: str, command: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Claim: whatever is wrong with a URL, no form of output holds its secret (every command: ``test_secrets.py``)."""
    monkeypatch.setenv("MODELREG_DATABASE_URL", url)
    monkeypatch.setenv("MODELREG_DEBUG", "1")
    for form in ([], ["--json"]):
        status = main([*command.split(), *form])
        output, errors = capfd.readouterr()
        assert output + errors
        assert (status == 0) == (command == "config show")
        assert SECRET not in output + errors
        assert "Traceback" not in errors
    assert SECRET not in repr(load_settings({"database_url": url}))


def test_no_password_is_in_a_traceback(tmp_path: Path) -> None:
    """Claim: the whole chain of an exception that Python prints is free of the password, whatever the driver said."""
    program = "import sys; from modelreg import Registry; Registry.open(database_url=sys.argv[1])"
    for url in (
        f"postgresql://ada:{SECRET}@127.0.0.1:1/r",
        f"postgresql://ada:{SECRET}@127.0.0.1:1/r?nonsense=1",
    ):
        done = subprocess.run([sys.executable, "-c", program, url], capture_output=True, text=True, check=False)
        assert "UnreachableError" in done.stderr
        assert SECRET not in done.stderr


def test_a_missing_driver_says_what_to_install_and_sqlite_does_not_need_it(tmp_path: Path) -> None:
    """Claim: psycopg is imported for PostgreSQL only; without it the error names the extra."""
    program = """
import sys
sys.modules["psycopg"] = None
from modelreg import ModelregError, Registry
with Registry.open(home=sys.argv[1]) as registry:
    print(len(registry.list()))
try:
    Registry.open(database_url="postgresql://ada:hunter2@localhost/registry")
except ModelregError as error:
    print(error.hint, error.message)
"""
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    empty, told = done.stdout.splitlines()
    assert empty == "0"
    assert told.startswith("pip install 'modelreg[postgres]'")
    assert "hunter2" not in told


MOVER = """
import sys
from modelreg import ConflictError, Registry
database, storage, number = sys.argv[1:]
sys.stdin.readline()
won = 0
with Registry.open(database_url=database, storage_url=storage) as registry:
    while won < 10:
        found = registry.resolve("m@turn").version
        try:
            registry.alias(f"m:{3 - found}", "turn", expect=found)
            won += 1
        except ConflictError:
            pass
print(won, flush=True)
"""


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_racing_moves_with_an_expectation_lose_none(
    start: Start, database_url: str, tmp_path: Path, models: Path
) -> None:
    """Claim: 4 processes flip an alias between two versions 10 times each; every flip that was acknowledged counted."""
    storage = f"file://{tmp_path}/store"
    with Registry.open(database_url=database_url, storage_url=storage) as registry:
        for _ in range(2):
            registry.push(models / "tf220" / "plain.tflite", name="m", environment="none")
        registry.alias("m:1", "turn", expect="none")
        movers = [start(MOVER, database_url, storage, number) for number in range(4)]
        for mover in movers:
            assert mover.stdin is not None
            mover.stdin.write("go\n")
            mover.stdin.flush()
        for mover in movers:
            output, errors = mover.communicate(timeout=120)
            assert (output, errors) == ("10\n", "")
        # 40 flips, each of which can only have followed another: an even number leaves the alias where it began.
        assert registry.resolve("m@turn").version == 1


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_an_alias_that_is_elsewhere_is_left_there(
    database_url: str,
    tmp_path: Path,
    models: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Claim: --expect that does not hold is exit 1 with what was found, and nothing is changed; one that does moves."""
    storage = f"file://{tmp_path}/store"
    with Registry.open(database_url=database_url, storage_url=storage) as registry:
        for _ in range(2):
            registry.push(models / "tf220" / "plain.tflite", name="m", environment="none")
        monkeypatch.setenv("MODELREG_DATABASE_URL", database_url)
        monkeypatch.setenv("MODELREG_STORAGE_URL", storage)

        def alias(*arguments: str) -> tuple[int, str]:
            status = main(["alias", *arguments, "--json"])
            answer = json.loads(capsys.readouterr().out)
            return status, str(answer.get("message", answer.get("version")))

        assert alias("m:1", "production", "--expect", "none") == (0, "1")
        status, message = alias("m:2", "production", "--expect", "none")
        assert status == 1
        assert "points at version 1" in message
        assert alias("m:2", "production", "--expect", "2")[0] == 1
        assert registry.resolve("m@production").version == 1
        assert alias("m:2", "production", "--expect", "1") == (0, "2")
        assert alias("m", "production", "--delete", "--expect", "1")[0] == 1
        assert alias("m", "production", "--delete", "--expect", "2") == (0, "None")
        assert alias("m:1", "production", "--expect", "latest")[0] == 2
