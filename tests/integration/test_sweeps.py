"""Sweeps beside pushes and pulls, all in processes of their own, on both databases: nothing acknowledged is lost."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modelreg import Registry

if TYPE_CHECKING:
    from tests.servers.server import S3Server

pytestmark = [pytest.mark.slow, pytest.mark.allow_hosts(["127.0.0.1"])]

PUSHERS, PUSHES = (int(os.environ.get(name, usual)) for name, usual in (("SWEEP_PUSHERS", "3"), ("SWEEP_PUSHES", "8")))
"""``SWEEP_PUSHERS=16 SWEEP_PUSHES=50 pytest tests/integration/test_sweeps.py -k seaweedfs`` is a team at work."""
END_S = 400 + 2 * PUSHERS * PUSHES

PUSHER = """
import contextlib, sys
from pathlib import Path
from modelreg import Inspector, Registry, StoreError
database, storage, folder, count, number = sys.argv[1:]
sys.stdin.readline()
with Registry.open(database_url=database, storage_url=storage) as registry, Inspector(expect_hdf5=False) as inspector:
    for turn in range(int(count)):
        # Some of the bytes are in the store before, and nobody's: the sweeps are after them while the push relies on them.
        for path in sorted(Path(folder, "assets").iterdir())[::2]:
            path.write_bytes(path.read_bytes()[:-8] + f"{number}{turn:07}".encode())
            with contextlib.suppress(StoreError):  # staged by nobody, so a sweep may take it on its way
                registry.store.put(path.read_bytes())
        pushed = registry.push(folder, name="fraud", environment="none", inspector=inspector)
        print(pushed.version, pushed.digest, flush=True)
"""
SWEEPER = """
import sys
from modelreg import Registry
database, storage = sys.argv[1:]
sys.stdin.readline()
removed = rounds = 0
with Registry.open(database_url=database, storage_url=storage) as registry:
    while True:
        removed += len(registry.gc().blobs)
        rounds += 1
        print(rounds, removed, flush=True)
"""
PULLER = """
import sys
from modelreg import NotFoundError, Registry
database, storage, out = sys.argv[1:]
sys.stdin.readline()
with Registry.open(database_url=database, storage_url=storage) as registry:
    turn = 0
    while True:
        try:
            pulled = registry.pull("fraud", f"{out}/{turn}", full=True, target="none")
        except NotFoundError:
            continue
        turn += 1
        print(pulled.version, flush=True)
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def begin(start: Start) -> Iterator[Start]:
    """``start``, and whatever becomes of the test, an end."""
    begun: list[subprocess.Popen[str]] = []

    def begin(program: str, *arguments: object) -> subprocess.Popen[str]:
        begun.append(start(program, *arguments))
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


def _go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def _lines(process: subprocess.Popen[str]) -> list[str]:
    """End a process that would go on, and what it had said; it must not have failed before."""
    assert process.poll() is None, process.communicate()[1]
    process.kill()
    assert process.stdout is not None
    return [line for line in process.stdout.read().splitlines() if line]


@pytest.fixture(params=["local", "seaweedfs"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store."""
    if request.param == "local":
        return f"file://{tmp_path}/store"
    request.getfixturevalue("aws_credentials")
    server: S3Server = request.getfixturevalue("seaweedfs")
    return server.url(f"sweeps/{secrets.token_hex(8)}")


@pytest.mark.parametrize(
    ("database_url", "storage"),
    [("sqlite", "local"), ("postgresql", "local"), ("postgresql", "seaweedfs")],
    indirect=True,
)
def test_pushes_pulls_and_sweeps_at_once_lose_nothing(
    begin: Start, database_url: str, storage: str, tmp_path: Path, models: Path, tally: Callable[[str, int], None]
) -> None:
    """Claim: pushers, sweepers and a puller that know nothing of each other all succeed, and every version is whole.

    Each acknowledged push is there under the digest that it was told, each version verifies with its SHA-256, no number
    is missing; afterwards the store holds exactly what the versions name, and no lease is left.
    """
    with Registry.open(database_url=database_url, storage_url=storage) as registry:
        registry.store.put(b"the first of the orphans")
    folders = [_folder(tmp_path / f"model{number}", models, number) for number in range(PUSHERS)]
    sweepers = [begin(SWEEPER, database_url, storage) for _ in range(2)]
    puller = begin(PULLER, database_url, storage, tmp_path / "out")
    pushers = [begin(PUSHER, database_url, storage, folder, PUSHES, n) for n, folder in enumerate(folders)]
    for process in (*sweepers, puller, *pushers):
        _go(process)
    acknowledged: dict[int, str] = {}
    for pusher in pushers:
        assert pusher.stdout is not None
        output = pusher.stdout.read()
        assert pusher.wait(END_S) == 0, pusher.stderr.read() if pusher.stderr else ""
        acknowledged |= {int(line.split()[0]): line.split()[1] for line in output.splitlines()}
    pulled = _lines(puller)
    rounds = [lines[-1].split() for lines in map(_lines, sweepers)]
    with Registry.open(database_url=database_url, storage_url=storage) as registry:
        entries = registry.list("fraud")
        assert {entry.version: entry.digest for entry in entries} == acknowledged
        assert [entry.version for entry in entries] == list(range(1, PUSHERS * PUSHES + 1))
        for entry in entries:
            assert registry.verify(f"fraud:{entry.version}", target="none", full=True).verdict.exit == 0
        registry.gc()
        assert {blob.sha256 for blob in registry.store.blobs()} == registry._index.referenced()
        assert list(registry.store.staged()) == []
        assert registry.gc(dry_run=True).leases == ()
    assert pulled, "no pull was made while the others were at work"
    tally("pushes beside sweeps", len(acknowledged))
    tally("pulls beside sweeps", len(pulled))
    tally("sweeps beside pushes", sum(int(turns) for turns, _ in rounds))
    tally("blobs swept beside pushes", sum(int(removed) for _, removed in rounds))


def _folder(folder: Path, models: Path, number: int) -> Path:
    """An artifact of several files, so that there is time between the first that is published and the commit."""
    shutil.copytree(models / "py38" / "savedmodel_plain", folder)
    (folder / "assets").mkdir(exist_ok=True)
    for name in range(12):
        (folder / "assets" / f"{name:02}.txt").write_bytes(bytes([65 + number, 65 + name]) * 2000 + bytes(8))
    return folder
