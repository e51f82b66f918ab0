"""A push that is made again with ``once``: the version that is there already is the answer, and no other is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelreg import Pushed, Registry

pytestmark = pytest.mark.slow


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.bin"
    path.write_bytes(b"some bytes")
    return path


def push(registry: Registry, model: Path, **more: object) -> Pushed:
    return registry.push(model, name="fraud", environment="none", once=True, **more)  # type: ignore[arg-type]


def test_the_same_push_again_is_answered_by_the_first(registry: Registry, model: Path) -> None:
    """Claim: it gets the first one's number and digest, says so, and leaves nothing behind."""
    first, second = push(registry, model), push(registry, model)
    assert (first.already_there, second.already_there) == (False, True)
    assert (second.reference, second.digest) == ("fraud:1", first.digest)
    assert len(registry.list()) == 1
    swept = registry.gc(dry_run=True)
    assert (swept.blobs, swept.leftovers, swept.leases) == ((), 0, ())


def test_its_aliases_are_moved_all_the_same(registry: Registry, model: Path) -> None:
    """Claim: what the first had not been asked for is done by the second."""
    push(registry, model)
    assert push(registry, model, aliases=["latest"]).already_there
    assert registry.resolve("fraud@latest").version == 1


@pytest.mark.parametrize("what", ["other bytes", "other metadata", "a version between", "a withdrawn version"])
def test_what_is_not_the_same_push_is_made(registry: Registry, model: Path, what: str) -> None:
    """Claim: only the newest version answers, if it holds the same files and metadata and is not withdrawn."""
    push(registry, model)
    expected = 2
    if what == "other bytes":
        model.write_bytes(b"other bytes")
    elif what == "a version between":
        between = model.with_name("between.bin")
        between.write_bytes(b"between")
        push(registry, between)
        expected = 3
    elif what == "a withdrawn version":
        registry.withdraw("fraud:1", "leaked")
    pushed = push(registry, model, metadata={"owner": "ada"} if what == "other metadata" else None)
    assert (pushed.version, pushed.already_there) == (expected, False)


def test_without_it_every_push_is_a_version(registry: Registry, model: Path) -> None:
    """Claim: nobody who does not ask for it gets another's number."""
    push(registry, model)
    assert registry.push(model, name="fraud", environment="none").version == 2
