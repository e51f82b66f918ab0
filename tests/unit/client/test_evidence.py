"""What a database shows of a version in its log, and what of that a client takes, without a registry."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest
from tests.notes import ORIGIN, log_key, signed
from tests.proofs import MemoryLog
from tests.unit.trust.authority import authority
from tests.unit.trust.people import KEYS, store

from modelreg import load_settings
from modelreg.client.anchor import Anchor
from modelreg.client.keyring import file_of
from modelreg.client.logged import LogEvidence, proved, read_evidence
from modelreg.client.memory import Memory, address_of, forget_log
from modelreg.client.trusting import History, Trusted, read_history, trusted_by
from modelreg.db.log import CheckpointRow, LeafRow
from modelreg.db.records import Index
from modelreg.digest import sha256_hex
from modelreg.errors import DatabaseError, DocumentError
from modelreg.findings import Severity
from modelreg.trust.acceptance import sign_trust_store
from modelreg.trust.base64_text import to_base64
from modelreg.trust.leaf import LogLeaf
from modelreg.trust.lock import Lock
from modelreg.trust.merkle import prove_consistency, prove_inclusion
from modelreg.trust.proof import LogProof
from modelreg.trust.signers.file import make_key_folder, write_key_file
from modelreg.trust.trust_store import Enforcement, TrustedRegistry

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

    def newest_checkpoint(self, cosignatures: int = 0) -> CheckpointRow | None:
        assert cosignatures == 0
        if self._size is None:
            return None
        note = signed(LOG.roots[self._size], self._size).note.to_bytes() if self._note is None else self._note
        return CheckpointRow(self._size, note, "0" * 64)

    def about(self, digest: str) -> Sequence[LeafRow]:
        return [LeafRow(at, leaf.to_bytes(), digest) for at, leaf in enumerate(LEAVES) if leaf.payload_sha256 == digest]

    def cosignatures(self, size: int) -> tuple[bytes, ...]:
        assert size == self._size
        return ()

    def inclusion(self, position: int, size: int) -> tuple[bytes, ...]:
        if self._failure is not None:
            raise self._failure
        return prove_inclusion(LOG.read, position, size)

    def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        if self._failure is not None:
            raise self._failure
        return prove_consistency(LOG.read, old, new)


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


def test_every_proof_is_held_against_what_was_seen() -> None:
    """Attack: whoever has the log's key puts a proof under another history behind one that is in order."""
    forked = MemoryLog()
    for leaf in (*LEAVES[:6], LEAVES[1], LEAVES[2]):
        forked.append(leaf.to_bytes())
    other = LogProof.make(forked.read, LEAVES[1], 6, signed(forked.roots[8], 8)).to_bytes()
    good = shown(6, 6)
    both = LogEvidence((*good.proofs, other), good.growth)
    assert len(proved(both, DIGEST, [log_key()])) == 3
    with pytest.raises(DocumentError, match="the log of 8 entries is not shown to be one with"):
        proved(both, DIGEST, [log_key()], known=signed(LOG.roots[6], 6))


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


def trusting(mode: Enforcement = Enforcement.ENFORCE, *logs: str) -> Trusted:
    """A trust store in that mode that names a registry with each of those logs."""
    named = tuple(TrustedRegistry(f"r{number}", str(log_key(log))) for number, log in enumerate(logs))
    document = store(mode=mode, registries=named)
    return Trusted(document.public_keys(), Anchor(document))


def history(trusted: Trusted, size: int | None = 7, lock: Lock | None = None) -> History:
    return read_history(cast("Index", Held(size)), DIGEST, load_settings({}, environ={}), trusted, lock)


def test_what_a_lock_file_has_seen_is_asked_for() -> None:
    """Claim: the checkpoint in it, if it has one; what is refused is not read, and can be forgotten."""
    assert history(trusting(), 3, Lock("r", {})) == History()
    seen = Lock("r", {}, to_base64(signed(LOG.roots[7], 7).note.to_bytes()))
    (problem,) = history(trusting(), 3, seen).problems
    assert "now it has 3" in problem.message
    settings = load_settings({}, environ={})
    assert (forget_log(settings), forget_log(settings)) == (3, None)


def test_a_log_that_is_named_is_read_and_known() -> None:
    """Claim: the checkpoint that is shown, by the log's key, and the proofs under it; a log without one is told."""
    nothing = history(trusting(Enforcement.ENFORCE, "elsewhere"), None)
    assert nothing == History((), shown(None))
    found = history(trusting(Enforcement.ENFORCE, "elsewhere", ORIGIN))
    assert (found.problems, found.known) == ((), signed(LOG.roots[7], 7))
    assert found.evidence == shown(7, 7)


def test_a_log_of_another_key_is_refused_and_not_read() -> None:
    """Claim: unless the trust store is off, which believes nothing of it and tells what is there."""
    found = history(trusting(Enforcement.WARN, "elsewhere"))
    assert [(one.rule, one.severity) for one in found.problems] == [("MR208", Severity.REFUSE)]
    assert (found.evidence, found.known) == (None, None)
    assert history(trusting(Enforcement.OFF, "elsewhere")) == History((), shown(7))


def test_a_log_that_nobody_names_is_only_remembered() -> None:
    """Claim: no proof is read where none is asked for."""
    assert history(trusting()) == history(Trusted(())) == History()
    seen = Memory().recall(address_of(load_settings({}, environ={})))
    assert seen is not None
    assert seen.size == 7


def test_a_remark_does_not_keep_from_reading() -> None:
    """Claim: where nothing can be remembered the version is proved all the same."""
    folder = Memory().folder
    folder.parent.mkdir(parents=True)
    folder.write_bytes(b"")
    found = history(trusting(Enforcement.ENFORCE, ORIGIN))
    assert [one.severity for one in found.problems] == [Severity.INFO]
    assert found.evidence == shown(7, 7)


def test_whose_keys_are_trusted(tmp_path: Path) -> None:
    """Claim: the user's own that can be read, with the roots that he names; in place of both those of a trust store."""
    keys = tmp_path / "keys"
    given = {"keys": str(keys)}
    nobody = trusted_by(load_settings(given, environ={}))
    assert (nobody.keys, nobody.anchor, nobody.problem, nobody.roots) == ((), None, None, ())
    make_key_folder(keys)
    write_key_file(keys / "ada.key", file_of(KEYS["ada"], None).to_bytes())
    (keys / "bad.key").write_bytes(b"?")
    roots = tmp_path / "roots.pem"
    root = authority("root")
    roots.write_bytes(root.pem)
    own = trusted_by(load_settings({**given, "certificate_roots": str(roots)}, environ={}))
    assert (own.keys, own.anchor, own.roots) == ((KEYS["ada"].public,), None, (root.parsed,))
    path = tmp_path / "trust.json"
    document = store(expires_at="2099-01-01T00:00:00Z")
    path.write_bytes(sign_trust_store(document, [KEYS["ada"]]))
    named = load_settings({**given, "trust_store": str(path)}, environ={})
    unusable = trusted_by(named)
    assert (unusable.keys, unusable.anchor) == ((), Anchor(None, unusable.problem))
    assert unusable.problem is not None
    path.write_bytes(sign_trust_store(document, [KEYS["ada"], KEYS["bob"]]))
    found = trusted_by(named)
    assert found == Trusted(document.public_keys(), Anchor(document), at=found.at)
