"""Disks: full, read-only, in the way, gone in the middle, interrupted; the destination stays what it was."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from modelreg import ConflictError, RefusedError, Registry
from modelreg.errors import ModelregError, StoreError

pytestmark = pytest.mark.slow

SLOW_DISK = Path(__file__).parents[1] / "slow_disk.py"
MIB = 1024 * 1024
Start = Callable[..., subprocess.Popen[str]]

CALL = """
import errno, os, resource, signal, sys
from modelreg import ModelregError, Registry
home, what, given, folder, limit = sys.argv[1:]
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
with Registry.open(home=home) as registry:
    try:
        if what == "push":
            registry.push(given, name="big", environment="none")
        else:
            registry.pull(given, folder, target="none", force=True)
    except ModelregError as error:
        print(type(error).__name__, error.exit_status, error.message, error.hint, sep="|")
    else:
        print("done|0||")
"""
MOUNTED = """
import os, subprocess, sys
size, mode, folder, *command = sys.argv[1:]
options = f"size={size},mode=777"
subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
if mode == "ro":
    os.makedirs(os.path.join(folder, "out"))
    open(os.path.join(folder, "out", "old.txt"), "w").close()
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
status = subprocess.run(command).returncode
print(sorted(os.listdir(folder)))
sys.exit(status)
"""


def _can_mount() -> bool:
    """Whether this user can have a file system of a few megabytes in a name space of its own."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return False
    probe = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /mnt"]
    return subprocess.run(probe, capture_output=True, timeout=30, check=False).returncode == 0


def _mounted(folder: Path, mode: str) -> tuple[str, ...]:
    return ("unshare", "-rm", sys.executable, "-c", MOUNTED, "4m", mode, str(folder))


@pytest.fixture
def small_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "small"
    folder.mkdir()
    return folder


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """Ten megabytes in two files, more than the small disk has."""
    folder = tmp_path / "artifact"
    folder.mkdir()
    for name in ("a.bin", "b.bin"):
        (folder / name).write_bytes(os.urandom(5 * MIB))
    return folder


def _told(process: subprocess.Popen[str]) -> tuple[list[str], list[str]]:
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    lines = output.splitlines()
    return lines[0].split("|"), lines[1:]


@pytest.mark.skipif(not _can_mount(), reason="no file system of one's own can be mounted here")
def test_a_pull_to_a_full_disk_leaves_nothing(
    start: Start, registry: Registry, tmp_path: Path, small_folder: Path, artifact: Path
) -> None:
    """Claim: on a real 4 MiB disk a 10 MiB pull ends with the system's reason, a hint, exit 1, and an empty disk."""
    registry.push(artifact, name="big", environment="none")
    pull = start(CALL, tmp_path / "home", "pull", "big", small_folder / "out", 0, wrapper=_mounted(small_folder, "rw"))
    (kind, status, message, hint), listed = _told(pull)
    assert (kind, status) == ("PlacementError", "1")
    assert os.strerror(errno.ENOSPC) in message
    assert "free some space" in hint
    assert listed == ["[]"]


@pytest.mark.skipif(not _can_mount(), reason="no file system of one's own can be mounted here")
def test_a_push_to_a_full_store_leaves_nothing(
    start: Start, tmp_path: Path, small_folder: Path, artifact: Path
) -> None:
    """Claim: on a real 4 MiB disk a 10 MiB push ends with the system's reason and exit 1."""
    push = start(CALL, small_folder / "home", "push", artifact, "-", 0, wrapper=_mounted(small_folder, "rw"))
    (kind, status, message, hint), listed = _told(push)
    assert (kind, status) == ("StoreError", "1")
    assert os.strerror(errno.ENOSPC) in message
    assert "free some space" in hint
    assert listed == ["['home']"]


@pytest.mark.skipif(not _can_mount(), reason="no file system of one's own can be mounted here")
def test_a_pull_to_a_read_only_disk_changes_nothing(
    start: Start, registry: Registry, tmp_path: Path, small_folder: Path, models: Path
) -> None:
    """Claim: a really read-only file system is told as such, and what was there stays, also under --force."""
    registry.push(models / "tf220" / "plain.tflite", name="m", environment="none")
    pull = start(CALL, tmp_path / "home", "pull", "m", small_folder / "out", 0, wrapper=_mounted(small_folder, "ro"))
    (kind, status, message, hint), listed = _told(pull)
    assert (kind, status) == ("PlacementError", "1")
    assert os.strerror(errno.EROFS) in message
    assert "read-only" in hint
    assert listed == ["['out']"]


@pytest.mark.parametrize("what", ["push", "pull"])
def test_a_write_that_fails_half_way_leaves_nothing(
    start: Start, registry: Registry, tmp_path: Path, artifact: Path, what: str
) -> None:
    """Claim: where files may have 3 MiB at most, a push or pull of 5 MiB files fails honestly and is undone."""
    if what == "pull":
        registry.push(artifact, name="big", environment="none")
    out = tmp_path / "destination"
    out.mkdir()
    given = artifact if what == "push" else "big"
    (kind, status, message, _), _ = _told(start(CALL, tmp_path / "home", what, given, out / "out", 3 * MIB))
    assert (kind, status) == ({"push": "StoreError", "pull": "PlacementError"}[what], "1")
    assert os.strerror(errno.EFBIG) in message
    assert list(out.iterdir()) == []
    assert list(registry.store.staged()) == []
    assert len(registry.list()) == (what == "pull")


@pytest.mark.usefixtures("refused_by_rights")
def test_a_destination_without_rights_is_told(registry: Registry, tmp_path: Path, models: Path) -> None:
    """Claim: a folder that the user may not write to is an error with a hint, exit 1."""
    registry.push(models / "tf220" / "plain.tflite", name="m", environment="none")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(ModelregError, match=os.strerror(errno.EACCES)) as caught:
        registry.pull("m", locked / "out", target="none")
    assert (caught.value.exit_status, caught.value.code) == (1, "destination")


def test_a_destination_that_exists_is_kept_or_replaced_as_a_whole(
    registry: Registry, tmp_path: Path, models: Path
) -> None:
    """Claim: without force it is refused untouched; with force nothing of the old is left; a refusal keeps the old."""
    registry.push(models / "tf220" / "plain.tflite", name="m", environment="none")
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(ConflictError):
        registry.pull("m", out, target="none")
    assert [path.name for path in out.iterdir()] == ["mine.txt"]
    blob = tmp_path / "home" / "store" / "blobs" / "sha256"
    sha256 = registry.resolve("m").files[0].sha256
    path = blob / sha256[:2] / sha256
    data = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(data[:-1])
    with pytest.raises(RefusedError):
        registry.pull("m", out, target="none", force=True)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]
    path.write_bytes(data)
    registry.pull("m", out, target="none", force=True)
    assert sorted(path.name for path in out.iterdir()) == [".modelreg", "plain.tflite"]


def _blob_paths(registry: Registry, tmp_path: Path, name: str) -> list[Path]:
    blobs = tmp_path / "home" / "store" / "blobs" / "sha256"
    return [blobs / file.sha256[:2] / file.sha256 for file in registry.resolve(name).files]


@pytest.mark.parametrize("accident", ["second blob deleted", "store removed", "store moved"])
def test_a_store_that_goes_in_the_middle_of_a_pull(
    registry: Registry, tmp_path: Path, artifact: Path, accident: str
) -> None:
    """Claim: when what is not fetched yet disappears, the pull fails and leaves no trace beside the destination."""
    registry.push(artifact, name="big", environment="none")
    second = _blob_paths(registry, tmp_path, "big")[1]
    store, out = tmp_path / "home" / "store", tmp_path / "destination"
    out.mkdir()
    happened: list[str] = []

    def happen(_done: int) -> None:
        if happened:
            return
        happened.append(accident)
        if accident == "second blob deleted":
            second.unlink()
        elif accident == "store removed":
            shutil.rmtree(store)
        else:
            store.rename(store.with_name("elsewhere"))

    with pytest.raises((RefusedError, StoreError)) as caught:
        registry.pull("big", out / "out", target="none", progress=happen)
    assert caught.value.exit_status in (1, 8)
    assert "b.bin" in caught.value.message
    assert happened
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("accident", ["truncated", "overwritten"])
def test_a_blob_that_changes_while_it_is_pulled_is_refused(
    registry: Registry, tmp_path: Path, artifact: Path, accident: str
) -> None:
    """Claim: bytes that change under the reader are told as corruption; none of them reaches the destination."""
    registry.push(artifact, name="big", environment="none")
    path = _blob_paths(registry, tmp_path, "big")[0]
    path.chmod(0o600)
    out = tmp_path / "destination"
    out.mkdir()
    happened, others_wait = list[str](), threading.Lock()

    def happen(_done: int) -> None:
        with others_wait, path.open("r+b") as file:
            if happened:
                return
            happened.append(accident)
            if accident == "truncated":
                file.truncate(MIB)
            else:
                file.seek(MIB)
                file.write(bytes(4 * MIB))

    with pytest.raises(RefusedError) as caught:
        registry.pull("big", out / "out", target="none", progress=happen)
    assert caught.value.exit_status == 8
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
@pytest.mark.parametrize("occupied", [False, True], ids=["new", "forced"])
def test_an_interrupted_pull_leaves_the_destination(
    registry: Registry, tmp_path: Path, big_file: Path, name: str, occupied: bool
) -> None:
    """Claim: a pull that is interrupted while it fetches exits 130, without a traceback, and the destination is as before.

    Only kill -9 can leave its hidden staging folder, and the next pull to the same place removes it.
    """
    registry.push(big_file, name="big", environment="none")
    out = tmp_path / "destination"
    out.mkdir()
    if occupied:
        (out / "out").mkdir()
        (out / "out" / "mine.txt").write_text("mine")
    before = sorted(out.rglob("*"))
    pull = subprocess.Popen(
        [sys.executable, str(SLOW_DISK), "pull", "big", "-o", str(out / "out"), "--target", "none", "--force"],
        env={**os.environ, "MODELREG_HOME": str(tmp_path / "home")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while not any(path.stat().st_size for path in out.glob(".modelreg-*/big.bin")):
        assert pull.poll() is None, pull.communicate()
        assert time.monotonic() < deadline
    pull.send_signal(getattr(signal, name))
    output, errors = pull.communicate(timeout=60)
    assert "Traceback" not in errors
    if name == "SIGKILL":
        assert pull.returncode == -signal.SIGKILL
        assert len(list(out.glob(".modelreg-*"))) == 1
        assert [path for path in sorted(out.rglob("*")) if ".modelreg-" not in str(path)] == before
        registry.pull("big", out / "out", target="none", force=True)
        assert [path.name for path in out.iterdir()] == ["out"]
    else:
        assert (pull.returncode, output) == (130, ""), errors
        assert sorted(out.rglob("*")) == before
