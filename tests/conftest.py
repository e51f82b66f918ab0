"""What every test shares: a clean environment, the real files, a registry of its own, and an example manifest."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from tests.servers.fixtures import SERVERS, aws_credentials, juicefs, rclone, seaweedfs
from tests.servers.postgres import Server, postgres

import modelreg
from modelreg import Inspector, Registry
from modelreg.client import push as push_module
from modelreg.digest import sha256_hex
from modelreg.digest.streams import Descriptor, ingest
from modelreg.environment.document import Environment
from modelreg.facts import Container, Extent, Facts, Tensor
from modelreg.manifest import FileEntry, Manifest

__all__ = ["aws_credentials", "juicefs", "rclone", "seaweedfs"]

settings.register_profile("modelreg", deadline=None, max_examples=60)
settings.register_profile("quick", deadline=None, max_examples=15)
settings.load_profile("modelreg")

MODELS = Path(__file__).parent / "models"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--store",
        metavar="MODULE:FUNCTION",
        help="run tests/suite over one more store: FUNCTION(folder) returns an Adapter as tests/suite/conftest.py has it",
    )


def pytest_configure() -> None:
    """Take SIGINT as a person's shell gives it: whoever starts the tests in the background has it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for a server, so that the everyday loop can do without."""
    for item in items:
        parameters = (
            item.callspec.params.values() if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ()
        )
        asked = {*getattr(item, "fixturenames", ()), *(value for value in parameters if isinstance(value, str))}
        if asked & {*SERVERS, "postgres_server", "postgresql"}:
            item.add_marker("servers")


@pytest.fixture(autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests reaches one of them."""
    for variable in [name for name in os.environ if name.startswith("MODELREG_")]:
        monkeypatch.delenv(variable)
    home = str(tmp_path_factory.mktemp("user"))
    for variable in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, home)


@pytest.fixture(scope="session", autouse=True)
def one_inspector() -> Iterator[None]:
    """Pushes that name no inspector share one, which still starts a process of its own for each artifact.

    It is as if each caller had given it; to start one a push would be a large part of the time of all tests.  Threads,
    which could ask at once, and forks start their own, as does every program that a test runs.
    """
    of_push, tests = push_module._inspector, os.getpid()
    with contextlib.ExitStack() as stack:
        started: list[Inspector] = []

        @functools.wraps(Inspector)
        def of_command_line(*, expect_hdf5: bool) -> contextlib.AbstractContextManager[Inspector]:
            if threading.current_thread() is not threading.main_thread() or os.getpid() != tests:
                return Inspector(expect_hdf5=expect_hdf5)
            if not started:
                started.append(stack.enter_context(Inspector(expect_hdf5=True)))
            return contextlib.nullcontext(started[0])

        def of_registry(request: push_module.PushRequest) -> contextlib.AbstractContextManager[Inspector]:
            return of_push(request) if request.inspector is not None else of_command_line(expect_hdf5=True)

        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(push_module, "_inspector", of_registry)
        patch.setattr(modelreg, "Inspector", of_command_line)
        yield


@pytest.fixture
def refused_by_rights() -> Iterator[None]:
    """Permission bits hold in this test, also for root."""
    with _bound_by_rights():
        yield


@pytest.fixture(scope="session")
def models() -> Path:
    """The real files; tests/models/README.md says who wrote them."""
    return MODELS


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A real PostgreSQL, started when the first test asks for it."""
    with postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: Server) -> Iterator[str]:
    """The address of an empty schema of this test's own."""
    with postgres_server.schema() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/registry.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """An empty registry: a SQLite file and a local store below ``tmp_path/home``."""
    with Registry.open(home=tmp_path / "home") as opened:
        yield opened


def make_manifest(**changes: Any) -> Manifest:
    """A small valid manifest of one HDF5 file with one tensor, with ``changes`` applied."""
    data = bytes(range(256)) * 64
    given: dict[str, Any] = {
        "registry": "2c1f4b0e-5f3a-4f6e-9a4e-0a7cf3a3f0aa",
        "model": "fraud",
        "version": 1,
        "previous": None,
        "created_at": "2026-11-23T18:55:36Z",
        "pushed_by": "ada",
        "files": (entry_of("plain.h5", data),),
        "facts": Facts(
            Container.KERAS_HDF5,
            "plain.h5",
            keras_version="2.13.1",
            backend="tensorflow",
            tensors=(Tensor("dense/kernel:0", (8, 4), "float32", "plain.h5", (Extent(5000, 128),)),),
        ),
        "writer": Environment(distributions={"keras": "2.13.1"}),
    }
    given.update(changes)
    if given["version"] > 1 and "previous" not in changes:
        given["previous"] = sha256_hex(b"before")
    return Manifest(**given)


def entry_of(path: str, data: bytes) -> FileEntry:
    """The manifest's entry of a file that holds ``data``."""
    descriptor = os.memfd_create("data") if hasattr(os, "memfd_create") else _unnamed_file()
    try:
        os.write(descriptor, data)
        return FileEntry.of(path, ingest(Descriptor(descriptor), len(data)))
    finally:
        os.close(descriptor)


def _unnamed_file() -> int:
    import tempfile

    descriptor, path = tempfile.mkstemp()
    os.unlink(path)
    return descriptor


@pytest.fixture(scope="session", name="make_manifest")
def _make_manifest() -> Callable[..., Manifest]:
    return make_manifest


@pytest.fixture(scope="session", name="entry_of")
def _entry_of() -> Callable[[str, bytes], FileEntry]:
    return entry_of


@pytest.fixture(scope="session")
def within() -> Callable[..., Any]:
    """``within(seconds, call)``: what ``call()`` returns or raises; fails the test if it is not done by then."""

    def run(seconds: float, call: Callable[[], object]) -> object:
        outcome: list[tuple[bool, object]] = []

        def attempt() -> None:
            try:
                outcome.append((True, call()))
            except BaseException as error:
                outcome.append((False, error))

        thread = threading.Thread(target=attempt, daemon=True)
        thread.start()
        thread.join(seconds)
        if not outcome:
            pytest.fail(f"not done after {seconds} s: a deadlock")
        succeeded, value = outcome[0]
        if not succeeded:
            assert isinstance(value, BaseException)
            raise value
        return value

    return run


_CAPABILITY_VERSION_3 = 0x20080522
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1, 2
"""The capabilities by which root passes over permission bits (``capabilities(7)``)."""


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilityData(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextlib.contextmanager
def _bound_by_rights() -> Iterator[None]:
    """Permission bits hold for root too: within, this thread and those it starts are refused what the permission bits refuse, as any user is.

    Root keeps the capabilities as permitted ones and takes them back at the end.  Raises ``OSError`` where the system
    has no capabilities.
    """
    if os.geteuid() != 0:
        yield
        return
    before = _capabilities()
    _set_effective_capabilities(before, before[0].effective & ~(1 << _DAC_OVERRIDE | 1 << _DAC_READ_SEARCH))
    try:
        yield
    finally:
        _set_effective_capabilities(before, before[0].effective)


def _capabilities() -> ctypes.Array[_CapabilityData]:
    data = (_CapabilityData * 2)()
    _call_libc("capget", data)
    return data


def _set_effective_capabilities(before: ctypes.Array[_CapabilityData], effective: int) -> None:
    data = (_CapabilityData * 2)(_CapabilityData(effective, before[0].permitted, before[0].inheritable), before[1])
    _call_libc("capset", data)


def _call_libc(name: str, data: ctypes.Array[_CapabilityData]) -> None:
    function = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if function is None or function(ctypes.byref(_CapabilityHeader(_CAPABILITY_VERSION_3, 0)), data) != 0:
        raise OSError(ctypes.get_errno(), f"{name} cannot take root's rights away here")
