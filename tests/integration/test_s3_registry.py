"""A registry whose blobs lie on a real S3 server: push, pull, corruption, gc, doctor, and pulls that are interrupted."""

from __future__ import annotations

import _thread
import filecmp
import os
import random
import re
import secrets
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.phases import Phases
from tests.servers.fixtures import SERVERS
from tests.servers.proxy import Answer, Proxy, Request, honest, proxy_before

import modelreg
from modelreg import RefusedError, Registry, StoreError, load_settings
from modelreg.digest import CHUNK_SIZE_BYTES_USUAL

if TYPE_CHECKING:
    from tests.servers.server import S3Server

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.usefixtures("aws_credentials")]

MIB = 1024 * 1024
SIZE_BYTES = 40 * MIB
Ask = Callable[[], Answer]


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> S3Server:
    found: S3Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def proxy(server: S3Server) -> Iterator[Proxy]:
    with proxy_before(server.endpoint) as running:
        yield running


@pytest.fixture
def storage_url(server: S3Server, proxy: Proxy) -> str:
    return server.through(proxy.endpoint).url(f"registry/{secrets.token_hex(8)}")


@pytest.fixture
def registry(tmp_path: Path, storage_url: str) -> Iterator[Registry]:
    with Registry.open(home=tmp_path / "home", storage_url=storage_url) as opened:
        yield opened


@pytest.fixture
def big(registry: Registry, proxy: Proxy, tmp_path: Path) -> bytes:
    """What was pushed as ``big:1``: a file of 40 MiB that is no model."""
    data = random.Random(3).randbytes(SIZE_BYTES)
    path = tmp_path / "big.bin"
    path.write_bytes(data)
    registry.push(path, name="big")
    proxy.sent_bytes = 0
    return data


def hidden(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.startswith(".modelreg-")]


def test_a_model_comes_back_byte_for_byte(registry: Registry, models: Path, tmp_path: Path) -> None:
    """Claim: what was pushed to a server is what a pull places, with both kinds of check."""
    model = models / "py38" / "plain.h5"
    registry.push(model, name="demo")
    for full in (False, True):
        pulled = registry.pull("demo", tmp_path / f"out-{full}", full=full)
        assert (pulled.folder / "plain.h5").read_bytes() == model.read_bytes()
    registry.verify("demo", full=True)


def test_a_push_counts_its_upload_apart(registry: Registry, models: Path) -> None:
    """Claim: what is uploaded has a phase of its own, of as many bytes as were staged."""
    told = Phases()
    pushed = registry.push(models / "py38" / "plain.h5", name="demo", progress=told)
    assert told.counted == {"": pushed.size_bytes, "uploading": pushed.size_bytes}
    assert told.promised == {"uploading": pushed.size_bytes}


def test_a_corrupt_blob_is_refused_as_corrupt(
    registry: Registry, server: S3Server, storage_url: str, models: Path, tmp_path: Path
) -> None:
    """Claim: bytes that somebody replaced on the server are exit status 8, and nothing is placed."""
    from tests.servers.server import client_of

    model = models / "py38" / "plain.h5"
    registry.push(model, name="demo")
    (file,) = registry.show("demo").manifest.files
    damaged = bytearray(model.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    prefix = storage_url.partition("?")[0].removeprefix(f"s3://{server.bucket}/")
    key = f"{prefix}/blobs/sha256/{file.sha256[:2]}/{file.sha256}"
    client_of(server).put_object(Bucket=server.bucket, Key=key, Body=bytes(damaged))
    with pytest.raises(RefusedError) as caught:
        registry.pull("demo", tmp_path / "out")
    assert caught.value.exit_status == 8
    assert not (tmp_path / "out").exists()
    assert hidden(tmp_path) == []
    registry.push(model, name="demo")
    assert registry.pull("demo:1", tmp_path / "out").folder.is_dir()


def test_a_sweep_removes_what_no_version_names(registry: Registry, models: Path) -> None:
    """Claim: gc finds orphans by listing the bucket, and keeps what versions need."""
    registry.push(models / "py38" / "plain.h5", name="demo")
    orphan = registry.store.put(b"orphan")
    assert registry.gc(dry_run=True).blobs == (orphan,)
    assert registry.gc().blobs == (orphan,)
    registry.verify("demo")


@pytest.mark.slow
def test_a_gigabyte_whose_pull_was_killed_half_way_is_fetched_once(
    seaweedfs: S3Server, cli: list[str], tmp_path: Path, tally: Callable[[str, int], None]
) -> None:
    """Claim: after a SIGKILL in the middle, the same command fetches only the chunks that were not there whole.

    The bytes are counted at a proxy between the pull and the server.
    """
    prefix, home, chunks = f"registry/{secrets.token_hex(8)}", tmp_path / "home", 128
    model = tmp_path / "big.bin"
    with model.open("wb") as file:
        for number in range(chunks):
            file.write(random.Random(number).randbytes(CHUNK_SIZE_BYTES_USUAL))
    with Registry.open(home=home, storage_url=seaweedfs.url(prefix)) as registry:
        registry.push(model, name="big", environment="none")
    with proxy_before(seaweedfs.endpoint) as proxy:
        url = seaweedfs.through(proxy.endpoint).url(prefix)
        environment = {**os.environ, "MODELREG_HOME": str(home), "MODELREG_STORAGE_URL": url}
        pull = [*cli, "pull", "big", "--out", str(tmp_path / "out"), "--verify", "--target", "none", "--allow", "MR411"]
        running = subprocess.Popen(pull, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

        def kill_half_way(_: Request, ask: Ask) -> Answer | None:
            if proxy.sent_bytes > chunks * CHUNK_SIZE_BYTES_USUAL // 2:
                running.kill()
            return ask()

        proxy.fault = kill_half_way
        running.communicate()
        assert running.returncode == -signal.SIGKILL
        assert not (tmp_path / "out").exists()
        (partial,) = hidden(tmp_path)
        missing = chunks - _equal_chunks(tmp_path / partial / "big.bin", model)
        assert chunks * 0.3 < missing < chunks * 0.7
        proxy.fault, proxy.sent_bytes = honest, 0
        done = subprocess.run(pull, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        beside = 64 * 1024  # the manifest, which is read again
        assert 0 <= proxy.sent_bytes - missing * CHUNK_SIZE_BYTES_USUAL <= beside
    assert filecmp.cmp(tmp_path / "out" / "big.bin", model, shallow=False)
    assert hidden(tmp_path) == []
    tally(
        "MiB of 1,024 that were missing after an interrupted pull, and alone were fetched",
        missing * CHUNK_SIZE_BYTES_USUAL // MIB,
    )


def _equal_chunks(left: Path, right: Path) -> int:
    with left.open("rb") as ours, right.open("rb") as theirs:
        chunks = iter(lambda: theirs.read(CHUNK_SIZE_BYTES_USUAL), b"")
        return sum(ours.read(CHUNK_SIZE_BYTES_USUAL) == chunk for chunk in chunks)


@pytest.mark.parametrize("stop", ["network", "interrupt"])
def test_an_interrupted_pull_goes_on_where_it_stopped(
    registry: Registry, proxy: Proxy, big: bytes, tmp_path: Path, stop: str
) -> None:
    """Claim: what was verified before the interruption is not fetched again, counted at the proxy."""
    requests: list[Request] = []

    def fail_after_half(request: Request, ask: Ask) -> Answer | None:
        if request.range is None:
            return ask()
        requests.append(request)
        if len(requests) <= 3:
            return ask()
        if stop == "interrupt":
            _thread.interrupt_main()
            return ask()
        return Answer(403, [], b"<Error><Code>AccessDenied</Code></Error>")

    proxy.fault = fail_after_half
    with pytest.raises((StoreError, KeyboardInterrupt)):
        registry.pull("big", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (partial,) = hidden(tmp_path)
    kept = (tmp_path / partial / "big.bin").read_bytes()
    size = registry.show("big").manifest.files[0].chunk_size_bytes
    starts = range(0, SIZE_BYTES, size)
    there = sum(size for start in starts if kept[start : start + size] == big[start : start + size])
    assert there > 0
    proxy.fault, proxy.sent_bytes = honest, 0
    told: list[int] = []
    pulled = registry.pull("big", tmp_path / "out", progress=told.append)
    assert (pulled.folder / "big.bin").read_bytes() == big
    assert sum(told) == SIZE_BYTES
    beside = 64 * 1024  # the manifest, which is read again
    assert proxy.sent_bytes <= SIZE_BYTES - there + beside
    assert hidden(tmp_path) == []


def test_what_lies_in_a_partial_folder_is_not_trusted(
    registry: Registry, proxy: Proxy, big: bytes, tmp_path: Path
) -> None:
    """Claim: foreign files, links and wrong bytes in the folder that an interrupted pull left do no harm."""
    proxy.fault = lambda request, ask: Answer(403, [], b"") if request.range else ask()
    with pytest.raises(StoreError):
        registry.pull("big", tmp_path / "out")
    partial = tmp_path / hidden(tmp_path)[0]
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    (partial / "big.bin").unlink()
    (partial / "big.bin").symlink_to(victim)
    (partial / "elsewhere").symlink_to(tmp_path / "home")
    (partial / "foreign").mkdir()
    (partial / "foreign" / "file").write_bytes(b"foreign")
    (partial / ".modelreg").mkdir()
    (partial / ".modelreg" / "manifest.json").write_bytes(b"{}")
    proxy.fault = honest
    pulled = registry.pull("big", tmp_path / "out")
    assert (pulled.folder / "big.bin").read_bytes() == big
    assert sorted(os.listdir(pulled.folder)) == [".modelreg", "big.bin"]
    assert victim.read_bytes() == b"untouched"
    assert (tmp_path / "home" / "registry.db").is_file()


def test_without_resuming_a_pull_begins_again(registry: Registry, proxy: Proxy, big: bytes, tmp_path: Path) -> None:
    """Claim: resume=False fetches everything, and removes what was left."""
    proxy.fault = lambda request, ask: Answer(403, [], b"") if request.range and request.range[0] else ask()
    with pytest.raises(StoreError):
        registry.pull("big", tmp_path / "out")
    assert len(hidden(tmp_path)) == 1
    proxy.fault, proxy.sent_bytes = honest, 0
    registry.pull("big", tmp_path / "out", resume=False)
    assert proxy.sent_bytes >= SIZE_BYTES
    assert hidden(tmp_path) == []


EXPECTED = {
    "seaweedfs": {"create-only put": "yes", "create-only multipart": "yes", "wrong checksum refused": "yes"},
    "juicefs": {"create-only put": "no", "create-only multipart": "no", "wrong checksum refused": "no"},
    "rclone": {"create-only put": "no", "create-only multipart": "no", "wrong checksum refused": "no"},
}


def test_doctor_tells_what_the_server_does(
    registry: Registry, server: S3Server, tmp_path: Path, storage_url: str
) -> None:
    """Claim: the answers are those that the real servers are known to give, and nothing of the probe stays."""
    settings = load_settings({"home": str(tmp_path / "home"), "storage_url": storage_url})
    checks = {check.name: check for check in modelreg.examine(settings)}
    assert checks["store"].ok
    assert checks["store: ranged reads"].detail == "yes"
    assert checks["store: listed at once"].detail == "yes"
    assert checks["store: checksum mode"].detail == "when_required"
    told = {name: checks[f"store: {name}"].detail.partition(":")[0] for name in EXPECTED[server.name]}
    assert told == EXPECTED[server.name]
    assert list(registry.store.blobs()) == []
    assert list(registry.store.staged()) == []


def test_doctor_opens_the_store_once(registry: Registry, proxy: Proxy) -> None:
    """Claim: the object that says what the store is, is asked for once."""
    proxy.seen.clear()
    checks = {check.name: check for check in modelreg.examine(registry.settings)}
    assert checks["store: ranged reads"].detail == "yes"
    assert len([request for request in proxy.seen if request.method == "GET" and request.path.endswith("/format")]) == 1


def test_doctor_remembers_what_the_server_did(registry: Registry, proxy: Proxy) -> None:
    """Claim: a run tells since when the server does the same and what it does otherwise; one that finds none, the last."""

    def examined() -> dict[str, str]:
        return {check.name: check.detail for check in modelreg.examine(registry.settings)}

    first = examined()
    assert first["store: probed"].endswith(", for the first time")
    assert ", as on 20" in examined()["store: probed"]
    (record,) = (registry.settings.home.value / "probes").iterdir()
    kept = record.read_bytes()
    record.write_bytes(kept.replace(b'"held":true', b'"held":false', 1))
    assert re.search(r", otherwise than on 20\S+: [a-z- ]+ was no", examined()["store: probed"])
    record.write_bytes(b"[" * 10_000_000)
    assert "is longer than the 1,048,576 bytes" in examined()["store: probed"]
    assert ", as on 20" in examined()["store: probed"]
    proxy.fault = lambda request, ask: Answer(403, [], b"")
    unreachable = examined()
    assert "403" in unreachable["store"]
    assert f"ranged reads {first['store: ranged reads']}" in unreachable["store: last probed"]
    assert "store: probed" not in unreachable


def test_what_the_doctor_cannot_keep_is_told_all_the_same(registry: Registry) -> None:
    """Claim: where no record can be read or written, the answers stand, with the system's reason, and nothing failed."""
    (registry.settings.home.value / "probes").touch()
    checks = {check.name: check for check in modelreg.examine(registry.settings)}
    assert checks["store: ranged reads"].detail == "yes"
    assert "Not a directory; not kept in" in checks["store: probed"].detail
    assert [check for check in checks.values() if check.ok is False] == []
