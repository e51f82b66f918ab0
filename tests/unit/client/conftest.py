"""What the tests of the log share: one reader for all pushes of a module, and a registry with entries."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.threats.world import World
from tests.unit.trust.people import KEYS

from modelreg import Inspector, Pushed, Registry


@pytest.fixture(scope="module")
def inspector() -> Iterator[Inspector]:
    """One reader for every push of a module."""
    with Inspector() as opened:
        yield opened


@pytest.fixture
def push(tmp_path: Path, inspector: Inspector) -> Callable[..., Pushed]:
    """``push(registry)`` pushes the next version of ``fraud``."""
    path = tmp_path / "model.bin"
    path.write_bytes(b"some bytes")

    def run(registry: Registry, name: str = "fraud", **more: object) -> Pushed:
        return registry.push(path, name=name, environment="none", inspector=inspector, **more)  # type: ignore[arg-type]

    return run


@pytest.fixture
def logged(registry: Registry, push: Callable[..., Pushed]) -> Registry:
    """A registry with three versions of two models, one of them signed."""
    push(registry)
    push(registry, signer=KEYS["ada"])
    push(registry, name="churn")
    return registry


@pytest.fixture(scope="module")
def filled_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One registry with a publisher and his trust store, for a module."""
    folder = tmp_path_factory.mktemp("world")
    with contextlib.closing(World(folder, f"sqlite:///{folder}/registry.db", f"file://{folder}/store")) as world:
        yield world


@pytest.fixture
def world(filled_world: World) -> World:
    """The same as it was first: ``fraud@production`` is the second version, by a signed move; the trust store enforces."""
    filled_world.reset()
    return filled_world
