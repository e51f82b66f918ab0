"""The doctor: says whether a registry can be used, and what is in the way, without changing it.

What the server behind a store does is kept in the home (``modelreg.client.probes``), so that a later run can tell what
has changed, and what the server did when it could last be reached.
"""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from modelreg.client.claim import holder, utc_now
from modelreg.client.probes import Probe, keep_probe, read_probe
from modelreg.client.results import Check
from modelreg.client.stores import open_store
from modelreg.config import Settings
from modelreg.digest import sha256_hex
from modelreg.errors import DocumentError, ModelregError, StoreAbsentError
from modelreg.files import reason_of
from modelreg.masking import masked
from modelreg.store.base import Measured, ProbedStore, Store

if TYPE_CHECKING:
    from modelreg.db.session import Session

_DISTRIBUTIONS = (
    "modelreg",
    "sqlalchemy",
    "alembic",
    "psycopg",
    "h5py",
    "blake3",
    "boto3",
    "typer",
    "tensorflow-cpu",
    "tensorflow",
    "keras",
)
_CLOCK_EPOCH_MIN = 1_735_689_600
"""2025-01-01: no manifest of this program can be older, so a clock before it is wrong."""


def examine(settings: Settings) -> Iterator[Check]:
    """Every check in order; none raises, and a probe blob in the store is removed again.

    What a server was found to do is kept in the home, which is made for it.
    """
    yield Check("python", None, f"{platform.python_version()} on {platform.platform()}")
    for name in _DISTRIBUTIONS:
        found = _version(name)
        if found is not None:
            yield Check(name, None, found)
    yield _guarded("database", lambda: _database(settings))
    yield from _store(settings)
    yield _clock()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except ModelregError as error:
        return Check(name, ok=False, detail=error.message, hint=error.hint)


def _database(settings: Settings) -> Check:
    from modelreg.db import migrate
    from modelreg.db.session import Session

    with contextlib.closing(Session(settings.database_url.value)) as session:
        status = migrate.status(session)
    if status.found is None:
        return _absent("database", session.shown_url, session.sqlite_path)
    detail = f"{session.shown_url}: schema revision {status.found}"
    if status.is_current:
        return Check("database", ok=True, detail=detail)
    return Check("database", ok=False, detail=f"{detail}, {status.wanted} is needed", hint="modelreg db upgrade")


def _store(settings: Settings) -> Iterator[Check]:
    """The store, opened once: whether it can be written, and what the server behind it does, where there is one."""
    url = masked(settings.storage_url.value)
    try:
        store = open_store(settings.storage_url.value, create=False)
        done = _probe(settings, store)
    except StoreAbsentError as error:
        absent = error
        yield _guarded("store", lambda: _absent_store(settings, url, absent))
    except ModelregError as error:
        yield Check("store", ok=False, detail=error.message, hint=error.hint)
        yield from _last_probe(settings, url)
    else:
        yield Check("store", ok=True, detail=f"{url}: {done}")
        if isinstance(store, ProbedStore):
            yield from _server(settings, url, store)


def _absent_store(settings: Settings, url: str, error: StoreAbsentError) -> Check:
    if _lists_versions(settings):
        raise StoreAbsentError(error.place, is_expected=True) from None
    return _absent("store", url, error.root)


def _server(settings: Settings, url: str, store: ProbedStore) -> Iterator[Check]:
    try:
        measured = store.probe()
    except ModelregError as error:
        yield Check("store: server", ok=False, detail=error.message, hint=error.hint)
        yield from _last_probe(settings, url)
        return
    for one in measured:
        yield Check(f"store: {one.name}", False if one.is_needed and not one.held else None, _answer(one))
    yield Check("store: probed", None, _recorded(settings, Probe(url, utc_now(), measured)))


def _answer(one: Measured) -> str:
    answer = {True: "yes", False: "no", None: "no answer"}[one.held]
    return one.remark if one.held is None and one.remark else f"{answer}{f': {one.remark}' if one.remark else ''}"


def _recorded(settings: Settings, probe: Probe) -> str:
    """When it was probed and what was otherwise the last time; the record is written."""
    home = settings.home.value
    try:
        before = _compared(read_probe(home, probe.store), probe)
    except DocumentError as error:  # it is replaced
        before = f"; {error.message}"
    try:
        keep_probe(home, probe)
    except OSError as error:
        return f"{probe.at}{before}; not kept in {home}: {reason_of(error)}"
    return f"{probe.at}{before}"


def _compared(before: Probe | None, now: Probe) -> str:
    if before is None:
        return ", for the first time"
    known = {one.name: _answer(one) for one in before.measured}
    changed = [
        f"{one.name} was {known[one.name]}" for one in now.measured if known.get(one.name) not in (None, _answer(one))
    ]
    return f", otherwise than on {before.at}: {'; '.join(changed)}" if changed else f", as on {before.at}"


def _last_probe(settings: Settings, url: str) -> Iterator[Check]:
    """What the server did when it could be asked."""
    try:
        last = read_probe(settings.home.value, url)
    except DocumentError as error:
        yield Check("store: last probed", None, error.message)
        return
    if last is not None:
        told = "; ".join(f"{one.name} {_answer(one)}" for one in last.measured)
        yield Check("store: last probed", None, f"{last.at}: {told}")


def _lists_versions(settings: Settings) -> bool:
    from modelreg.db import migrate
    from modelreg.db.records import Index
    from modelreg.db.session import Session

    with contextlib.closing(Session(settings.database_url.value)) as session:
        return migrate.status(session).is_current and not Index(session).is_empty()


def _absent(name: str, url: str, path: Path | None) -> Check:
    """What the first push would make, if it could."""
    above = next((folder for folder in path.absolute().parents if folder.is_dir()), None) if path else None
    if above is not None and not os.access(above, os.W_OK | os.X_OK):
        return Check(
            name, ok=False, detail=f"{url}: not there, and {above} is not writable", hint="give another --home"
        )
    return Check(name, None, f"{url}: not there yet; the first push makes it")


def _probe(settings: Settings, store: Store) -> str:
    """Write a blob of random bytes, read it, write it again, remove it; under a lease, where a sweep may be at work."""
    data = b"modelreg doctor " + secrets.token_bytes(16)
    with _leased(settings, sha256_hex(data)) as owner:
        sha256 = store.put(data, owner=owner)
        try:
            if store.read(sha256, len(data)) != data or store.put(data, owner=owner) != sha256:
                raise ModelregError("the store returned other bytes than it was given")
        finally:
            store.delete(sha256)
    properties = store.properties
    return f"writable, {'create-only' if properties.create_only else 'NOT create-only'}, " + (
        "durable" if properties.durable else "not durable"
    )


def _is_current(session: Session) -> bool:
    from modelreg.db import migrate

    try:
        return migrate.status(session).is_current
    except ModelregError:  # the check of the database says why
        return False


@contextlib.contextmanager
def _leased(settings: Settings, sha256: str) -> Iterator[str]:
    from modelreg.db.leases import Leases
    from modelreg.db.session import Session

    with contextlib.closing(Session(settings.database_url.value)) as session:
        if not _is_current(session):  # then no sweep can be at work
            yield ""
            return
        with Leases(session).take(holder(settings.user.value, "doctor"), utc_now()) as lease:
            lease.protect([sha256])
            yield lease.id


def _clock() -> Check:
    now = time.time()
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < _CLOCK_EPOCH_MIN:
        return Check("clock", ok=False, detail=f"{shown} cannot be right", hint="set the system's clock")
    return Check("clock", ok=True, detail=shown)
