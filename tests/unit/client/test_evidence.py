"""What a database shows of a version in its log, and what of that a client takes, without a registry."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import cast

import pytest
from tests.notes import log_key, signed
from tests.proofs import MemoryLog

from modelreg.client.logged import LogEvidence, proved, read_evidence
from modelreg.db.log import CheckpointRow, LeafRow
from modelreg.db.records import Index
from modelreg.digest import sha256_hex
from modelreg.errors import DatabaseError, DocumentError
from modelreg.trust.leaf import LogLeaf

DIGEST = sha256_hex(b"the version")
LEAVES = [LogLeaf("manifest", DIGEST if number in {1, 3, 6} else sha256_hex(b"%d" % number), ()) for number in range(7)]
LOG = MemoryLog()
for _leaf in LEAVES:
    LOG.append(_leaf.to_bytes())


class Held:
    """An index whose log is ``LOG`` as of a checkpoint, or cannot be read."""

    def __init__(self, size: int | None, note: bytes | None = None, failure: Exception | None = None) -> None:
        self._size = size
        self._note = note
        self._failure = failure

    @contextlib.contextmanager
    def reading_log(self) -> Iterator[Held]:
        yield self

    def newest_checkpoint(self) -> CheckpointRow | None:
        if self._size is None:
            return None
        note = signed(LOG.roots[self._size], self._size).note.to_bytes() if self._note is None else self._note
        return CheckpointRow(self._size, note, "0" * 64)

    def about(self, digest: str) -> Sequence[LeafRow]:
        return [LeafRow(at, leaf.to_bytes(), digest) for at, leaf in enumerate(LEAVES) if leaf.payload_sha256 == digest]

    def node(self, level: int, index: int) -> bytes:
        if self._failure is not None:
            raise self._failure
        return LOG.read(level, index)


def shown(size: int | None, known: int | None = None, digest: str = DIGEST, **more: object) -> LogEvidence:
    checkpoint = None if known is None else signed(LOG.roots[known], known).checkpoint
    return read_evidence(cast("Index", Held(size, **more)), digest, checkpoint)  # type: ignore[arg-type]


@pytest.mark.parametrize(("size", "places"), [(7, [1, 3, 6]), (6, [1, 3]), (4, [1, 3]), (3, [1]), (2, [1])])
def test_each_entry_that_is_covered_is_proved(size: int, places: list[int]) -> None:
    """Claim: in order, up to the newest checkpoint; nobody who knows nothing is shown how the log grew."""
    evidence = shown(size)
    assert (evidence.growth, evidence.problem) == ((), None)
    assert [one.index for one in proved(evidence, DIGEST, [log_key()])] == places


@pytest.mark.parametrize("known", [1, 4, 6, 7])
def test_a_log_that_was_seen_is_connected(known: int) -> None:
    """Claim: whichever of the two is the larger; a client holds the proof against what it has seen."""
    evidence = shown(6, known)
    assert evidence.growth == LOG.consistency(*sorted((known, 6))).proof
    for root, good in ((LOG.roots[known], True), (b"x" * 32, False)):
        seen = signed(root, known)
        if good:
            assert len(proved(evidence, DIGEST, [log_key()], known=seen)) == 2
        else:
            with pytest.raises(DocumentError, match="that was seen before"):
                proved(evidence, DIGEST, [log_key()], known=seen)


@pytest.mark.parametrize(
    ("evidence", "problem"),
    [
        (shown(None), "nobody has signed the registry's log yet"),
        (shown(1), "no signed checkpoint of the registry's log covers it"),
        (shown(7, digest="0" * 64), "no signed checkpoint of the registry's log covers it"),
        (shown(7, note=b"no note"), "the registry's log is damaged: "),
        (shown(7, failure=DatabaseError("no such table")), "the registry's log is damaged: no such table"),
    ],
    ids=["no checkpoint", "not covered", "not logged", "no note", "no table"],
)
def test_what_is_not_proved_has_a_reason(evidence: LogEvidence, problem: str) -> None:
    """Claim: and proves nothing."""
    assert (evidence.proofs, evidence.growth) == ((), ())
    assert str(evidence.problem).startswith(problem)
    assert proved(evidence, DIGEST, [log_key()]) == ()
