"""The whole registry against a model of it in memory: any sequence of commands, on each database and each store."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from modelreg import ConflictError, Inspector, NotFoundError, RefusedError, Registry, load_settings
from modelreg.db import migrate
from modelreg.db.session import Session
from modelreg.store.memory import MemoryStore

if TYPE_CHECKING:
    from tests.servers.server import S3Server

pytestmark = [pytest.mark.slow, pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.usefixtures("aws_credentials")]

EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "3"))
STEPS = int(os.environ.get("MACHINE_STEPS", "12"))
MODELS = ("a", "team/b")
ALIASES = ("production", "canary")
CONTENTS = (b"one", b"two", b"three" * 1000)
names, labels, contents = st.sampled_from(MODELS), st.sampled_from(ALIASES), st.sampled_from(CONTENTS)
pick = st.integers(0, 99)


@dataclass
class Known:
    """What the model knows of a version."""

    digest: str
    content: bytes
    withdrawn: bool = False


@dataclass
class Model:
    """The registry as it has to be: versions and aliases by name, and which contents lie damaged in the store."""

    versions: dict[str, list[Known]] = field(default_factory=dict)
    aliases: dict[tuple[str, str], int] = field(default_factory=dict)
    damaged: set[bytes] = field(default_factory=set)

    def newest(self, name: str) -> int | None:
        """The number that a bare name resolves to."""
        offered = [n for n, known in enumerate(self.versions.get(name, []), 1) if not known.withdrawn]
        return offered[-1] if offered else None


class RegistryMachine(RuleBasedStateMachine):
    """Each rule does the same to the registry and to the model, and compares what both say."""

    open_registry: Callable[[], Registry]
    inspector: Inspector
    can_damage = False

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.registry = type(self).open_registry()
        self.model = Model()

    def teardown(self) -> None:
        """Nothing is left that no version names."""
        try:
            self.registry.gc()
            found = {blob.sha256 for blob in self.registry.store.blobs()}
            assert found <= self.registry._index.referenced()
            assert list(self.registry.store.staged()) == []
        finally:
            self.registry.close()
            shutil.rmtree(self.folder)

    @rule(name=names, content=contents, once=st.booleans(), alias=st.none() | labels)
    def push(self, name: str, content: bytes, once: bool, alias: str | None) -> None:
        path = self.folder / "model.bin"
        path.write_bytes(content)
        known = self.model.versions.setdefault(name, [])
        is_there = once and bool(known) and known[-1].content == content and not known[-1].withdrawn
        pushed = self.registry.push(
            path,
            name=name,
            aliases=[alias] if alias else [],
            once=once,
            environment="none",
            inspector=self.inspector,
        )
        assert (pushed.already_there, pushed.version) == (is_there, len(known) + (not is_there))
        assert pushed.digest is not None
        if is_there:
            assert pushed.digest == known[-1].digest
        else:
            known.append(Known(pushed.digest, content))
        self.model.damaged.discard(content)  # published again, since what lay there was no longer it
        if alias:
            self.model.aliases[name, alias] = len(known)

    def _some(self, name: str, at: int) -> int | None:
        count = len(self.model.versions.get(name, []))
        return at % count + 1 if count else None

    @rule(name=names, at=pick, full=st.booleans())
    def pull(self, name: str, at: int, full: bool) -> None:
        version, out = self._some(name, at), self.folder / "out"
        if version is None:
            with pytest.raises(NotFoundError):
                self.registry.pull(name, out, target="none")
            return
        known = self.model.versions[name][version - 1]
        if known.withdrawn or known.content in self.model.damaged:
            with pytest.raises(RefusedError) as caught:
                self.registry.pull(f"{name}:{version}", out, full=full, target="none")
            assert caught.value.exit_status == (4 if known.withdrawn else 8)
            assert not out.exists()
            return
        self.registry.pull(f"{name}:{version}", out, full=full, target="none")
        assert (out / "model.bin").read_bytes() == known.content
        shutil.rmtree(out)

    @rule(name=names, at=pick, label=labels, expect=st.sampled_from(["any", "right", "wrong"]))
    def alias(self, name: str, at: int, label: str, expect: str) -> None:
        version, before = self._some(name, at), self.model.aliases.get((name, label))
        if version is None:
            return
        expected = {"any": None, "right": before or "none", "wrong": (before or 0) + 1}[expect]
        if expect == "wrong":
            with pytest.raises(ConflictError):
                self.registry.alias(f"{name}:{version}", label, expect=expected)  # type: ignore[arg-type]
            return
        moved = self.registry.alias(f"{name}:{version}", label, expect=expected)  # type: ignore[arg-type]
        assert (moved.version, moved.before) == (version, before)
        self.model.aliases[name, label] = version

    @precondition(lambda self: self.model.aliases)
    @rule(at=pick)
    def delete_alias(self, at: int) -> None:
        name, label = sorted(self.model.aliases)[at % len(self.model.aliases)]
        assert self.registry.delete_alias(name, label).before == self.model.aliases.pop((name, label))

    @rule(name=names, at=pick)
    def withdraw(self, name: str, at: int) -> None:
        version = self._some(name, at)
        if version is None:
            return
        known = self.model.versions[name][version - 1]
        if known.withdrawn:
            with pytest.raises(ConflictError):
                self.registry.withdraw(f"{name}:{version}", "again")
            return
        self.registry.withdraw(f"{name}:{version}", "old")
        known.withdrawn = True

    @rule()
    def gc(self) -> None:
        assert self.registry.gc().blobs == ()

    @rule(data=st.binary(min_size=20, max_size=40))
    def orphan(self, data: bytes) -> None:
        sha256 = self.registry.store.put(data)
        assert self.registry.gc(dry_run=True).blobs == (sha256,)
        assert self.registry.gc().blobs == (sha256,)

    @precondition(lambda self: self.can_damage and any(self.model.versions.values()))
    @rule(name=names, at=pick)
    def damage(self, name: str, at: int) -> None:
        version = self._some(name, at)
        if version is None:
            return
        content = self.model.versions[name][version - 1].content
        (entry,) = self.registry.show(f"{name}:{version}", target="none").manifest.files
        path = Path(self.registry.store.url.removeprefix("file://"), "blobs", "sha256", entry.sha256[:2], entry.sha256)
        path.chmod(0o644)
        path.write_bytes(bytes(len(content)))
        self.model.damaged.add(content)

    @rule()
    def open_again(self) -> None:
        if self.registry.store.url.startswith("memory:"):
            return  # its blobs go with it
        settings = self.registry.settings
        self.registry.close()
        self.registry = Registry.open(settings=settings)

    @invariant()
    def lists_what_was_pushed(self) -> None:
        found = {(entry.model, entry.version): entry for entry in self.registry.list()}
        wanted = {(name, n): known for name, all_ in self.model.versions.items() for n, known in enumerate(all_, 1)}
        assert {place: entry.digest for place, entry in found.items()} == {
            p: known.digest for p, known in wanted.items()
        }
        assert {place for place, entry in found.items() if entry.withdrawn_at} == {
            place for place, known in wanted.items() if known.withdrawn
        }
        aliases = {(e.model, alias): e.version for e in found.values() for alias in e.aliases}
        assert aliases == self.model.aliases

    @invariant()
    def resolves_the_newest(self) -> None:
        for name in MODELS:
            wanted = self.model.newest(name)
            if wanted is None:
                with pytest.raises(NotFoundError):
                    self.registry.resolve(name)
            else:
                assert self.registry.resolve(name).version == wanted


@pytest.fixture(params=["memory", "local", "seaweedfs"])
def new_storage_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """A function that gives the address of an empty store of each kind."""
    if request.param == "memory":
        return lambda: "memory:"
    if request.param == "local":
        return lambda: f"file://{tmp_path}/store-{secrets.token_hex(4)}"
    server: S3Server = request.getfixturevalue("seaweedfs")
    return lambda: server.url(f"machine/{secrets.token_hex(8)}")


def _opened(database_url: str, storage_url: str) -> Registry:
    """The registry there; the store in memory has no address that a setting could name."""
    if storage_url != "memory:":
        return Registry.open(database_url=database_url, storage_url=storage_url)
    session = Session(database_url)
    migrate.require_current(session)
    return Registry(load_settings({"database_url": database_url}), MemoryStore(), session)


@pytest.fixture(scope="module")
def inspector() -> Iterator[Inspector]:
    with Inspector(expect_hdf5=False) as running:
        yield running


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_any_sequence_of_commands_leaves_what_the_model_says(
    request: pytest.FixtureRequest,
    database: str,
    new_storage_url: Callable[[], str],
    inspector: Inspector,
    tmp_path: Path,
) -> None:
    """Claim: after any commands in any order, list, resolve, pull, aliases and sweeps are what a dictionary would do."""
    with tempfile.TemporaryDirectory() as folder:
        schemas = []
        if database == "postgresql":
            server = request.getfixturevalue("postgres_server")

        def new_database_url() -> str:
            if database == "sqlite":
                return f"sqlite:///{folder}/{secrets.token_hex(8)}.db"
            schemas.append(server.schema())
            found: str = schemas[-1].__enter__()
            return found

        class Machine(RegistryMachine):
            open_registry = staticmethod(lambda: _opened(new_database_url(), new_storage_url()))
            can_damage = new_storage_url().startswith("file:")

        Machine.inspector = inspector
        try:
            run_state_machine_as_test(
                Machine,
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=STEPS,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            for schema in schemas:
                schema.__exit__(None, None, None)
