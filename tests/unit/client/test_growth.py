"""A log that is shown held against what was seen of it, and what of that is kept, without a registry."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from tests.notes import ORIGIN, log_key, signed
from tests.proofs import MemoryLog

from modelreg.client.memory import ContradictionError, Memory, Seen, Shown, check_growth, consult
from modelreg.db.log import CheckpointRow
from modelreg.db.records import Index
from modelreg.errors import DatabaseError, DocumentError, PlacementError
from modelreg.findings import Finding, Severity
from modelreg.trust.checkpoint import Fork
from modelreg.trust.merkle import prove_consistency
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


class Held:
    """An index whose log is ``LOG`` as of a checkpoint, or cannot be read."""

    def __init__(self, newest: Seen | None, failure: Exception | None = None) -> None:
        self._newest = newest
        self._failure = failure

    @contextlib.contextmanager
    def reading_log(self) -> Iterator[Held]:
        yield self

    def newest_checkpoint(self) -> CheckpointRow | None:
        return None if self._newest is None else CheckpointRow(self._newest.size, self._newest.note, "0" * 64)

    def cosignatures(self, size: int) -> tuple[bytes, ...]:
        return ()

    def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        if self._failure is not None:
            raise self._failure
        return prove_consistency(LOG.read, old, new)


def consulted(newest: Seen | None, *also: Seen, failure: Exception | None = None, **more: Any) -> list[Finding]:
    """What is told of a registry ``here`` that shows that; where it is refused nothing of it is shown on."""
    found, problems = consult(cast("Index", Held(newest, failure)), "here", also=also, **more)
    refused = any(problem.severity is Severity.REFUSE for problem in problems)
    assert found.newest == (None if refused else newest)
    assert all(problem.rule == "MR208" for problem in problems)
    return list(problems)


def refusal(problems: list[Finding]) -> str:
    (problem,) = problems
    assert (problem.severity, "modelreg log forget" in str(problem.fix)) == (Severity.REFUSE, True)
    return problem.message


def known() -> tuple[Seen | None, Seen | None]:
    return Memory().recall("here"), Memory().recall(ORIGIN)


def test_a_log_is_remembered_as_it_grows() -> None:
    """Claim: from the first look on; one without a checkpoint is nothing to remember, and what is known stays as it came."""
    assert consulted(None) == []
    assert known() == (None, None)
    for size in (3, 3, 5, 7):
        assert consulted(seen(size)) == []
        assert known() == (seen(size), seen(size))
    inode = Memory().path("here").stat().st_ino
    assert consulted(seen(7)) == []
    assert Memory().path("here").stat().st_ino == inode


def test_where_nothing_is_new_nothing_is_written() -> None:
    """Claim: a home that cannot be written is told when there is something to remember, and not before."""
    consulted(seen(5))
    lock = Memory().folder / ".lock"
    lock.unlink()
    lock.mkdir()
    assert consulted(seen(5)) == []
    (problem,) = consulted(seen(7))
    assert (problem.severity, "cannot be remembered" in problem.message) == (Severity.INFO, True)


def test_a_checkpoint_that_is_none_is_a_damaged_log() -> None:
    """Claim: for whoever has seen one; who has not is told nothing."""
    broken = Seen(b"no note", seen(5).checkpoint)
    assert consult(cast("Index", Held(broken)), "here")[1] == ()
    consulted(seen(5))
    assert "is damaged: " in refusal(list(consult(cast("Index", Held(broken)), "here")[1]))


def test_what_contradicts_refuses_and_replaces_nothing() -> None:
    """Claim: a log that is gone, put back, damaged, forked or another one."""
    consulted(seen(5))
    assert "not shown any more" in refusal(consulted(None))
    assert "now it has 3" in refusal(consulted(seen(3)))
    assert "is damaged: no table" in refusal(consulted(seen(7), failure=DatabaseError("no table")))
    assert "another registry" in refusal(consulted(seen(7, origin="elsewhere")))
    told, _, path = refusal(consulted(seen(5, OTHER))).partition("; both are kept in ")
    assert told.endswith("did not grow from it")
    assert Fork.parse(Path(path).read_bytes()).is_proven([log_key()])
    assert known() == (seen(5), seen(5))


def test_what_a_lock_file_has_seen_counts_too() -> None:
    """Claim: for somebody who has seen nothing himself; and a log that grew from it is remembered."""
    assert "now it has 3" in refusal(consulted(seen(3), seen(5)))
    assert known() == (None, None)
    assert consulted(seen(7), seen(5)) == []
    assert known() == (seen(7), seen(7))
    Memory().forget("here")
    assert consulted(seen(7), seen(7)) == []
    assert known() == (seen(7), seen(7))


def test_a_log_is_remembered_at_each_address() -> None:
    """Attack: another registry is put in the place of one that was only seen as it was known from elsewhere."""
    consulted(seen(5))
    assert consult(cast("Index", Held(seen(5))), "there")[1] == ()
    assert Memory().recall("there") == seen(5)
    _, problems = consult(cast("Index", Held(seen(7, origin="elsewhere"))), "there")
    assert "another registry" in refusal(list(problems))


def test_a_known_log_is_signed_by_its_key() -> None:
    """Claim: where the key is known another log's checkpoint is refused, and not remembered."""
    assert "not signed by a log that is trusted" in refusal(consulted(seen(5), keys=[log_key("elsewhere")]))
    assert known() == (None, None)
    assert consulted(seen(5), keys=iter([log_key("elsewhere"), log_key()])) == []
    assert known() == (seen(5), seen(5))


def test_a_damaged_memory_and_one_that_cannot_be_kept_are_told() -> None:
    """Claim: the first refuses, the second is a remark."""
    folder = Memory().folder
    folder.parent.mkdir(parents=True)
    folder.write_bytes(b"")
    (problem,) = consulted(seen(5))
    assert (problem.severity, "cannot be remembered" in problem.message) == (Severity.INFO, True)
    folder.unlink()
    folder.mkdir()
    Memory().path("here").write_bytes(b"?")
    assert str(Memory().path("here")) in refusal(consulted(seen(5)))
