"""What only the local store promises: order of durable writes, leftovers of the dead."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from modelreg.digest import sha256_hex
from modelreg.errors import BlobMissingError, StoreError
from modelreg.store.local import FORMAT, LocalStore

BEGUN = "begun"
OWNER = "5" * 32


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore.open_folder(tmp_path / "store")


def blob_path(store: LocalStore, sha256: str) -> Path:
    return store.root / "blobs" / "sha256" / sha256[:2] / sha256


def child(store: LocalStore, body: str) -> subprocess.Popen[str]:
    """A process that opens the same store, runs ``body``, says so, and then waits to be ended."""
    program = f"""
import os, sys, time
from pathlib import Path
from modelreg.store.local import LocalStore
store = LocalStore.open_folder(Path({str(store.root)!r}))
{body}
"""
    started = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    assert started.stdout.readline().strip() == BEGUN
    return started


def end(process: subprocess.Popen[str], number: int) -> None:
    process.send_signal(number)
    process.communicate(timeout=30)


STAGES = f"""
read, write = os.pipe()
source = os.open({__file__!r}, os.O_RDONLY)
staged = store.stage(source, os.fstat(source).st_size, owner={OWNER!r})
print({BEGUN!r}, flush=True)
time.sleep(60)
"""


def test_what_a_dead_process_staged_is_told_and_can_be_discarded(store: LocalStore) -> None:
    """Claim: the leftovers of a killed push are listed with size and lease, and are gone when they are discarded."""
    end(child(store, STAGES), signal.SIGKILL)
    (leftover,) = store.staged()
    assert (leftover.size_bytes, leftover.owner) == (Path(__file__).stat().st_size, OWNER)
    store.discard(leftover.name)
    assert list(store.staged()) == []
    assert list(store.blobs()) == []


def test_a_leftover_s_name_cannot_climb(store: LocalStore, tmp_path: Path) -> None:
    """Claim: discard removes nothing outside the staging folder."""
    precious = tmp_path / "precious"
    precious.write_text("x")
    store.discard("../../precious")
    store.discard(str(precious))
    assert precious.exists()


def test_a_blob_appears_only_by_rename_of_a_file_that_was_flushed(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Claim: for stage and put alike the order is fsync of the file, rename, fsync of the folder."""
    events: list[tuple[str, str]] = []
    fsync, rename = os.fsync, os.rename

    def logged_fsync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        events.append(("fsync " + kind, Path(os.readlink(f"/proc/self/fd/{descriptor}")).name))
        fsync(descriptor)

    def logged_rename(old: object, new: object) -> None:
        events.append(("rename", Path(str(new)).name))
        rename(str(old), str(new))

    if not Path("/proc/self/fd").exists():
        pytest.skip("the names of descriptors are told by /proc, which this system has not")
    source = tmp_path / "source"
    source.write_bytes(b"staged")
    for data in (b"staged", b"put"):
        sha256 = sha256_hex(data)
        blob_path(store, sha256).parent.mkdir(exist_ok=True)
        events.clear()
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", logged_fsync)
            patched.setattr(os, "rename", logged_rename)
            if data == b"put":
                store.put(data)
            else:
                with source.open("rb") as file:
                    staged = store.stage(file.fileno(), len(data))
                    staged.publish()
                    staged.close()
        assert [event for event, _ in events] == ["fsync file", "rename", "fsync folder"]
        assert events[1][1] == sha256
        assert events[2][1] == sha256[:2]


def test_published_blobs_cannot_be_written_by_accident(store: LocalStore) -> None:
    """Claim: a blob's mode is read-only for everyone."""
    sha256 = store.put(b"x")
    assert stat.S_IMODE(blob_path(store, sha256).stat().st_mode) == 0o444


def test_an_opened_store_is_recognised(store: LocalStore) -> None:
    """Claim: the second opening makes nothing new."""
    sha256 = store.put(b"x")
    again = LocalStore.open_folder(store.root, create=False)
    assert again.read(sha256, 1) == b"x"
    assert again.url == f"file://{store.root}"


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    """Claim: a store is never made among foreign files, and nothing is added to them."""
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(StoreError, match=r"thesis\.tex"):
        LocalStore.open_folder(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_store_of_another_format_is_refused(store: LocalStore) -> None:
    """Claim: a later format is told by name and not touched."""
    (store.root / "format").unlink()
    (store.root / "format").write_text("modelreg-store 2\n")
    with pytest.raises(StoreError, match="modelreg-store 2"):
        LocalStore.open_folder(store.root)


def test_a_store_that_was_half_made_is_finished(store: LocalStore) -> None:
    """Claim: a crash while a store was being made (no format file yet) does not make its folder unusable."""
    assert (store.root / "format").read_text() == FORMAT
    (store.root / "format").unlink()
    assert LocalStore.open_folder(store.root).put(b"x")


def test_no_store_is_made_where_none_is_wanted(tmp_path: Path) -> None:
    """Claim: with create=False an absent folder stays absent."""
    with pytest.raises(StoreError, match="there is no store"):
        LocalStore.open_folder(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("kind", ["folder", "link", "fifo"])
def test_a_blob_that_is_no_regular_file_is_refused(store: LocalStore, kind: str, tmp_path: Path) -> None:
    """Claim: whatever stands under a digest's name, only a regular file is read; nothing blocks."""
    path = blob_path(store, "0" * 64)
    path.parent.mkdir()
    target = tmp_path / "target"
    target.write_text("secret")
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(target)
    else:
        os.mkfifo(path)
    program = f"""
from pathlib import Path
from modelreg.errors import StoreError
from modelreg.store.local import LocalStore
try:
    LocalStore.open_folder(Path({str(store.root)!r})).open("0" * 64)
except StoreError as error:
    print("refused")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "refused\n", done.stderr


def test_a_store_that_went_away_is_told(store: LocalStore) -> None:
    """Claim: a blob of a removed store is missing, a listing and a write are errors of the store."""
    sha256 = store.put(b"x")
    store.root.rename(store.root.with_name("moved"))
    with pytest.raises(BlobMissingError):
        store.open(sha256)
    for attempt in (lambda: list(store.blobs()), lambda: store.put(b"y")):
        with pytest.raises(StoreError, match="No such file"):
            attempt()


def test_foreign_files_among_the_blobs_are_not_listed(store: LocalStore) -> None:
    """Claim: a listing shows blobs only, so that a sweep never deletes what is not one."""
    sha256 = store.put(b"x")
    (blob_path(store, sha256).parent / ".nfs0001").write_text("x")
    (store.root / "blobs" / "sha256" / ".DS_Store").write_text("x")
    assert [blob.sha256 for blob in store.blobs()] == [sha256]


@pytest.mark.usefixtures("refused_by_rights")
def test_a_store_without_rights_says_so(store: LocalStore) -> None:
    """Claim: EACCES ends as StoreError with a hint."""
    (store.root / "staging").chmod(0o500)
    with pytest.raises(StoreError, match="Permission denied") as caught:
        store.put(b"x")
    assert (caught.value.hint or "").startswith("check who owns that folder")
