"""A device that cannot read a blob any more: strace lets the system's reads of that one file fail with EIO."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.care import blob_path

from modelreg import Registry

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="strace is Linux's"),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]

READS = "read,pread64,readv,preadv,preadv2"


def failing(path: Path) -> list[str]:
    """The words before a command under which no read of ``path`` succeeds."""
    inject = f"inject={READS}:error=EIO"
    return ["strace", "-f", "-qq", "-o", "/dev/null", "-P", str(path), "-e", f"trace={READS}", "-e", inject]


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("verify m", 1),
        ("verify m --full", 1),
        ("pull m -o out", 1),
        ("export m -o out.tar", 1),
        ("fsck --read-data", 1),
        ("fsck --read-data --repair --yes --from copy", 0),
    ],
)
@pytest.mark.parametrize("what", ["file", "manifest"])
def test_a_blob_that_the_device_cannot_read_is_an_error_of_the_store(
    registry: Registry, models: Path, tmp_path: Path, cli: list[str], command: str, status: int, what: str
) -> None:
    """Claim: whichever blob it is and whoever reads it, the error names it and what to type; nothing is half there."""
    registry.push(models / "py38" / "plain.h5", name="m", environment="none")
    registry.pull("m", tmp_path / "copy", target="none")
    entry = registry.resolve("m")
    sha256 = entry.digest if what == "manifest" else entry.files[0].sha256
    words = [*failing(blob_path(registry, sha256)), *cli, *command.split(), "--json", "--home", str(tmp_path / "home")]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    answer = json.loads(done.stdout)
    told = f"sha256:{sha256}"
    assert (done.returncode, done.stderr) == (status, "")
    if command.startswith("fsck"):
        (problem,) = answer["problems"]
        assert (problem["kind"], problem["blob"]) == ("unreadable-blob", told)
        assert "Input/output error" in problem["message"]
    else:
        assert answer["code"] == "store"
        assert answer["message"] == f"cannot read blob {told}: Input/output error"
        assert "modelreg fsck --read-data --repair" in answer["hint"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "home"]
