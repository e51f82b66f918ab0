"""Races: many processes push the same name at once, and every version is there, whole and in order."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from modelreg import Registry
from modelreg.client.records import find_records

pytestmark = pytest.mark.slow

PROCESSES, PUSHES = 8, 25
PUSHER = """
import sys
from modelreg import Inspector, Registry
home, first, second, count, number = sys.argv[1:]
sys.stdin.readline()
with Registry.open(home=home) as registry, Inspector(expect_hdf5=False) as inspector:
    for turn in range(int(count)):
        pushed = registry.push(
            (first, second)[turn % 2],
            name="fraud",
            aliases=[f"by-{number}"],
            metadata={"turn": f"{number}/{turn}"},
            environment="none",
            inspector=inspector,
        )
        print(pushed.version, flush=True)
"""


def test_200_racing_pushes_give_versions_1_to_200(
    start: Callable[..., subprocess.Popen[str]],
    tmp_path: Path,
    models: Path,
    tally: Callable[[str, int], None],
) -> None:
    """Claim: 8 processes x 25 pushes of one name, on a registry that none of them finds there, lose nothing.

    Versions are 1 to 200 without gap, each push was told another number, each version verifies with its SHA-256, each
    names the digest of the one before it, and every alias points at the last push of its process.
    """
    home = tmp_path / "home"
    files = (models / "tf220" / "plain.tflite", models / "onnx" / "plain.onnx")
    pushers = [start(PUSHER, home, *files, PUSHES, number) for number in range(PROCESSES)]
    for pusher in pushers:
        assert pusher.stdin is not None
        pusher.stdin.write("go\n")
        pusher.stdin.flush()
    told: list[list[int]] = []
    for pusher in pushers:
        output, errors = pusher.communicate(timeout=240)
        assert pusher.returncode == 0, errors
        told.append([int(line) for line in output.split()])
    total = PROCESSES * PUSHES
    assert sorted(version for versions in told for version in versions) == list(range(1, total + 1))
    assert all(versions == sorted(versions) for versions in told)
    with Registry.open(home=home, create=False) as registry:
        entries = registry.list("fraud")
        assert [entry.version for entry in entries] == list(range(1, total + 1))
        previous: str | None = None
        turns = set()
        for entry in entries:
            assert registry.verify(f"fraud:{entry.version}", target="none", full=True).verdict.exit == 0
            manifest = registry.show(f"fraud:{entry.version}", target="none").manifest
            assert manifest.previous == previous
            turns.add(manifest.metadata["turn"])
            previous = entry.digest
        assert len(turns) == total
        assert len({registry.show(f"fraud:{v}", target="none").manifest.registry for v in (1, total)}) == 1
        for number, versions in enumerate(told):
            assert registry.resolve(f"fraud@by-{number}").version == versions[-1]
        with registry._index.reading_log() as log:
            assert len({row.payload_sha256 for row in log.leaves(0, 2 * total)}) == 2 * total
            assert log.agreed_size() == 2 * total  # each push states its alias, too
            records = len(log.checkpoints())
        report = registry.log_audit()
        assert (report.problems, report.entries, report.covered) == (0, 2 * total, 2 * total)
        ends = {found.sha256 for found in find_records(registry.store, registry.store.blobs())}
        swept = registry.gc()
        assert set(swept.blobs) < ends, "of two that sign the log at once one leaves its record, and nothing else"
        assert (swept.leftovers, swept.kept) == (0, 2 * total + len(files) + records)
        assert registry.log_audit().is_clean
    tally("racing pushes", total)
