"""A log that is shown held against what was seen of it, and what of that is kept, without a registry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.notes import ORIGIN, log_key, signed
from tests.proofs import MemoryLog

from modelreg.client.memory import ContradictionError, Memory, Seen, Shown, check_growth
from modelreg.errors import DocumentError, PlacementError
from modelreg.trust.checkpoint import Fork
from modelreg.trust.note import NOTE_SIZE_BYTES_MAX

LOG = MemoryLog.of(7)
OTHER = b"x" * 32


def seen(size: int, root: bytes | None = None, origin: str = ORIGIN) -> Seen:
    return Seen.of(signed(LOG.roots[size] if root is None else root, size, origin).note.to_bytes())


def shown(newest: Seen | None, *known: Seen, problem: str | None = None) -> Shown:
    """What a registry shows whose log is ``LOG`` as of ``newest``, to somebody who knows that."""
    growth = tuple(
        LOG.consistency(one.size, newest.size).proof if newest and one.size <= newest.size else () for one in known
    )
    return Shown(newest, known, growth, problem)


@pytest.mark.parametrize(
    "found", [shown(None), shown(seen(7)), shown(seen(7), seen(7)), shown(seen(7), seen(3), seen(0), seen(6))]
)
def test_a_log_that_grew_is_the_same(found: Shown) -> None:
    """Claim: from nothing, from itself, and from each that was seen."""
    check_growth(found)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (shown(None, seen(3)), "a log of 3 entries was seen before, and now it is not shown any more"),
        (shown(None, seen(3), problem="no table"), "seen before, and now it is damaged: no table"),
        (shown(seen(2), seen(3)), "a log of 3 entries was seen before, and now it has 2: somebody put an old state"),
        (shown(seen(7), seen(3, origin="elsewhere")), f"the log of another registry is shown: '{ORIGIN}'"),
        (shown(seen(7, origin="elsewhere"), seen(7)), "the log of another registry is shown: 'elsewhere'"),
    ],
)
def test_a_log_that_did_not_grow_is_told(found: Shown, message: str) -> None:
    """Claim: one that is gone, damaged, put back or another one contradicts what was seen, and is no fork."""
    with pytest.raises(ContradictionError, match=message) as caught:
        check_growth(found)
    assert caught.value.fork is None


@pytest.mark.parametrize("known", [seen(3, OTHER), seen(7, OTHER)])
def test_a_fork_is_told_with_both_notes(known: Seen) -> None:
    """Claim: also where another that is known is fine, and each is held against its own proof."""
    newest = seen(7)
    with pytest.raises(ContradictionError, match=f"a log of {known.size} .* of 7 that is shown did not grow") as caught:
        check_growth(shown(newest, seen(5), known, seen(6)))
    fork = caught.value.fork
    assert fork is not None
    assert tuple(note.to_bytes() for note in fork.notes) == (known.note, newest.note)
    assert fork.proof == tuple(one.hex() for one in LOG.consistency(known.size, 7).proof)
    assert fork.is_proven([log_key()]) == (known.size == newest.size)


def test_what_is_seen_is_known_by_its_address_and_by_its_name(tmp_path: Path) -> None:
    """Claim: another address shows the log of that name, and the address another log; each once."""
    memory = Memory(tmp_path)
    assert memory.known("here", seen(7)) == ()
    memory.remember("here", seen(3))
    assert memory.known("here", None) == memory.known("here", seen(7)) == memory.known("there", seen(7)) == (seen(3),)
    assert memory.known("there", None) == memory.known("there", seen(7, origin="elsewhere")) == ()
    memory.remember("there", seen(5, origin="elsewhere"))
    assert memory.known("there", seen(7)) == (seen(5, origin="elsewhere"), seen(3))


def test_memory_only_goes_forward(tmp_path: Path) -> None:
    """Claim: a smaller log, and one of the same size, replace nothing, under neither name."""
    memory = Memory(tmp_path)
    for size, root in ((3, None), (5, None), (4, None), (5, OTHER)):
        memory.remember("here", seen(size, root))
    assert (memory.recall("here"), memory.recall(ORIGIN)) == (seen(5), seen(5))
    memory.remember("there", seen(4))
    assert (memory.recall("there"), memory.recall(ORIGIN)) == (seen(4), seen(5))


def test_what_is_forgotten_is_forgotten_under_both_names(tmp_path: Path) -> None:
    """Claim: what was known is told; nothing, and a damaged file, can be forgotten too."""
    memory = Memory(tmp_path)
    assert memory.forget("here") is None
    memory.remember("here", seen(3))
    assert memory.forget("here") == seen(3)
    assert (memory.recall("here"), memory.recall(ORIGIN)) == (None, None)
    memory.remember("here", seen(3))
    memory.path("here").write_bytes(b"?")
    assert memory.forget("here") is None
    assert (memory.recall("here"), memory.recall(ORIGIN)) == (None, seen(3))


def test_what_cannot_be_read_is_not_nothing(tmp_path: Path) -> None:
    """Claim: a damaged file, one that is too long and a folder in its place raise; a file in the folder's place does not."""
    memory = Memory(tmp_path)
    for data in (b"", b"no note", seen(3).note + b"x" * NOTE_SIZE_BYTES_MAX):
        memory.path("here").write_bytes(data)
        with pytest.raises(DocumentError, match=str(memory.path("here"))):
            memory.recall("here")
    memory.path("there").mkdir()
    with pytest.raises(DocumentError, match="cannot be read"):
        memory.recall("there")
    with pytest.raises(PlacementError, match="cannot be removed"):
        memory.forget("there")
    assert Memory(memory.path("here")).recall("here") is None
    with pytest.raises(PlacementError, match="cannot be remembered"):
        Memory(memory.path("here")).remember("here", seen(3))


def test_evidence_is_kept_once(tmp_path: Path) -> None:
    """Claim: the same fork in the same file, to the byte; where it cannot be kept that is told."""
    with pytest.raises(ContradictionError) as caught:
        check_growth(shown(seen(7), seen(3, OTHER)))
    fork = caught.value.fork
    assert fork is not None
    memory = Memory(tmp_path)
    path = memory.keep_evidence(fork)
    inode = path.stat().st_ino
    assert (memory.keep_evidence(fork), path.stat().st_ino) == (path, inode)
    assert Fork.parse(path.read_bytes()) == fork
    assert json.loads(path.read_bytes())
    with pytest.raises(PlacementError, match="evidence of a fork cannot be kept"):
        Memory(path).keep_evidence(fork)
