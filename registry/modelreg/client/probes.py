"""What the server behind a store was found to do, and when: kept below the registry's home, one file per address.

In the home and not in the database, because it is what one machine saw of an address, through its own network, proxy
and rights, and because the doctor is asked before there is a database.  Nothing is decided by it: it is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from modelreg.digest import sha256_hex
from modelreg.errors import DocumentError, NotFoundError
from modelreg.files import read_bounded, replace_file
from modelreg.records import canonical_json, from_json, parse_json, to_json
from modelreg.store.base import Measured

SCHEMA = "modelreg.probe/v1"
SIZE_BYTES_MAX = 1024 * 1024
"""A record has about 1 KB."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What the server at ``store``, an address without its secrets, did ``at`` a time."""

    store: str
    at: str
    measured: tuple[Measured, ...]
    schema: str = SCHEMA


def probe_path(home: Path, store: str) -> Path:
    """Where the record of an address is."""
    return home / "probes" / f"{sha256_hex(store.encode())}.json"


def read_probe(home: Path, store: str) -> Probe | None:
    """The last record of an address; raises ``DocumentError`` for one that cannot be read."""
    path = probe_path(home, store)
    try:
        data = read_bounded(path, SIZE_BYTES_MAX, "record of a store")
    except NotFoundError:
        return None
    probe = from_json(Probe, parse_json(data, what=str(path), size_bytes_max=SIZE_BYTES_MAX), what=str(path))
    if (probe.schema, probe.store) != (SCHEMA, store):
        raise DocumentError(f"{path} is no record of {store}")
    return probe


def keep_probe(home: Path, probe: Probe) -> None:
    """Put a record in the place of the last one of its address, whole or not at all; raises ``OSError``."""
    replace_file(probe_path(home, probe.store), canonical_json(to_json(probe)))
