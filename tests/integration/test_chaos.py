"""The harness of ``make chaos`` at small counts: nothing is lost, and a deliberate mistake does not go unseen."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

from chaos import broken, clocks, database, full, kills, lies, places, syscalls
from chaos.children import fork
from chaos.lying import DAMAGES, WRITES, Lie
from chaos.record import Record
from chaos.report import Options, Row, table, write

from modelreg import Inspector, Registry

pytestmark = [pytest.mark.slow, pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.usefixtures("aws_credentials")]
Tally = Callable[[str, int], None]

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@needs_strace
@pytest.mark.parametrize("name", syscalls.OPERATIONS)
def test_a_command_that_is_broken_loses_nothing(name: str, tmp_path: Path, tally: Tally) -> None:
    """Claim: killed, or its calls failed, a command leaves what was acknowledged, and the next one works."""
    found = syscalls._points(name, tmp_path / "points", None)
    row = syscalls._piece(name, random.Random(name).sample(found, 3), None)
    assert row.faults
    assert (row.lost, row.wrong, row.leftovers, row.problems) == (0, 0, 0, [])
    tally("system calls broken", row.faults)


@needs_strace
@pytest.mark.parametrize(
    ("mistake", "call", "fault"), [("commit-first", "fsync", "EIO"), ("acknowledge-first", "fdatasync", "EIO")]
)
def test_a_wrong_order_of_writes_is_noticed(mistake: str, call: str, fault: str, tmp_path: Path) -> None:
    """Claim: the row before the blobs, or the answer before the commit, is a lost version in the table."""
    found = syscalls._points("push", tmp_path / "points", mistake)
    row = syscalls._piece("push", [point for point in found if (point.call, point.fault) == (call, fault)], mistake)
    assert row.lost
    assert not row.is_good
    assert f"| {row.lost:,} |" in row.markdown()


def test_kills_lose_nothing(tally: Tally, tmp_path: Path) -> None:
    """Claim: of what was acknowledged between kills all is there."""
    with places.files(tmp_path) as place:
        row = kills._Soak(place, tmp_path / "soak", Options(8)).run(8)
    assert row.faults == 8
    assert row.is_good, row.problems
    tally("kills of the soak", row.faults)


@pytest.mark.parametrize("lie", [DAMAGES[0].once(), DAMAGES[1].always(), WRITES[0].once(), WRITES[3].always()])
def test_a_lie_is_survived_or_told(lie: Lie, tmp_path: Path) -> None:
    """Claim: never a wrong file, and an error that says what happened."""
    command = "pull" if lie.name.startswith(("wrong", "short")) else "push"
    stand, row = lies._Stand("seaweedfs", tmp_path), Row(lie.name)
    try:
        stand.tell(lies.Case(lie, command, may_fail="always" in lie.name), 1, row)
    finally:
        stand.close()
    assert row.faults
    assert row.is_good, row.problems


def test_a_database_that_goes_gets_a_true_answer() -> None:
    """Claim: whenever the connection is cut, the answer is what happened, and a retry makes no second version."""
    rows = list(database.run(Options(1)))
    assert all(row.is_good for row in rows), [row.problems for row in rows]
    assert all(row.faults for row in rows)


@pytest.mark.parametrize(("limit", "place"), full.CASES)
def test_a_full_place_is_told(limit: str, place: str, tmp_path: Path) -> None:
    """Claim: exit 1, a hint, the place's name; with space again all works."""
    command = ["unshare", "-rm", sys.executable, "-m", "chaos.full", limit, place, str(tmp_path), "1"]
    done = subprocess.run(
        command, cwd=Path(full.__file__).parents[1], env=_own_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert '"problems": []' in done.stdout


def _own_environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(Path(full.__file__).parents[1])}


def test_a_wrong_clock_loses_nothing(tmp_path: Path) -> None:
    """Claim: pushes from 60 years ahead and 50 behind are all there, and a sweep by either takes none."""
    with places.files(tmp_path) as place:
        row, record = Row(place.name), Record()
        with place.open():
            pass
        for turn, years in enumerate((60, -50)):
            clocks._turn(place, tmp_path / str(turn), years * 365 * 86400, record, row)
        with place.open() as registry:
            record.audit(registry, row)
    assert row.is_good, row.problems


def test_the_audit_notices_what_is_missing_wrong_and_left(tmp_path: Path) -> None:
    """Claim: a lost acknowledgement, other bytes and an orphan that nobody sweeps are each counted."""
    model = tmp_path / "model.bin"
    model.write_bytes(b"bytes")
    with Registry.open(home=tmp_path / "home") as registry, Inspector(expect_hdf5=False) as inspector:
        pushed = registry.push(model, name="fraud", environment="none", inspector=inspector)
        assert pushed.digest is not None
        record, row = Record(), Row("audit")
        record.acknowledge("fraud:1", pushed.digest, {"model.bin": "another"})
        record.acknowledge("fraud:2", "f" * 64, {"model.bin": "another"})
        record.audit(registry, row)
    assert (row.lost, row.wrong, row.leftovers) == (1, 1, 0)


def test_a_child_that_raises_says_so(tmp_path: Path) -> None:
    """Claim: the harness's own faults are seen, not counted as the registry's."""
    child = fork(broken.patched(None, lambda: 1 // 0), tmp_path / "child")
    child.go()
    assert child.wait() == 70
    assert "ZeroDivisionError" in child.errors


def test_tables_are_written_between_their_marks(tmp_path: Path) -> None:
    """Claim: prose stays, the table before is replaced, and a page without the marks is an error."""
    page = tmp_path / "page.md"
    page.write_text("prose\n<!-- begin kills: written by make chaos -->\nold\n<!-- end kills -->\nmore\n")
    for _ in range(2):
        write("kills", table([Row("one", faults=3)]), page)
    assert page.read_text().startswith("prose\n<!-- begin kills")
    assert page.read_text().endswith("<!-- end kills -->\nmore\n")
    assert page.read_text().count("| one | 3 |") == 1
    with pytest.raises(ValueError, match="no place for 'lies'"):
        write("lies", "", page)
