"""One server of each kind a session, started when the first test asks for it, and the credentials that all of them take."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

LOOPBACK = ["127.0.0.1"]
GIVEN = "MODELREG_TEST_S3_URL"
"""A user's own server: ``s3://BUCKET/PREFIX?endpoint=...`` of a bucket that the tests may fill and empty."""
START_ATTEMPTS = 3
SERVERS = ("seaweedfs", "juicefs", "rclone")
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_REGION")
given_url = os.environ.get(GIVEN)
given_credentials = {name: os.environ[name] for name in _CREDENTIALS if name in os.environ}


@pytest.fixture
def aws_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """The credentials of the servers started here, by the standard variables."""
    from tests.servers.server import ACCESS_KEY, SECRET_KEY

    for name in _CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)


def _started(name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    import importlib

    module = importlib.import_module(f"tests.servers.{name}")
    start: Callable[[Path], contextlib.AbstractContextManager[object]] = getattr(module, name)
    with contextlib.ExitStack() as stack:
        for attempt in range(START_ATTEMPTS):
            try:
                server = stack.enter_context(start(tmp_path_factory.mktemp(name)))
                break
            except pytest.fail.Exception:  # somebody took a port between its choice and its use
                if attempt == START_ATTEMPTS - 1:
                    raise
        yield server


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """SeaweedFS."""
    yield from _started("seaweedfs", tmp_path_factory)


@pytest.fixture(scope="session")
def juicefs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """The JuiceFS gateway: MinIO's S3 layer."""
    yield from _started("juicefs", tmp_path_factory)


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """``rclone serve s3``."""
    yield from _started("rclone", tmp_path_factory)
