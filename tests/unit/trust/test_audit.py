"""An audit: an honest log is clean, and each thing that a dishonest one can hold is told by its name.

Longer than 400 lines, for every such thing has its test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import make_manifest
from tests.notes import ORIGIN
from tests.proofs import MemoryLog

from modelreg.digest import sha256_hex
from modelreg.errors import DocumentError
from modelreg.records import Json, canonical_json
from modelreg.trust.audit import IRREGULARITIES_KEPT_MAX, AuditReport, Irregularity, LogEntry, audit
from modelreg.trust.checkpoint import Checkpoint
from modelreg.trust.leaf import LogLeaf
from modelreg.trust.merkle import EMPTY_ROOT
from modelreg.trust.statements import Pointer, Target, TrustEvent, Withdrawal, statement_bytes

SIGNER = "5cd252fb0ce8932436faf8ccd1040981b89ee4ad6b9fe9e2a2b7e71aacb27cd3"
OTHER = sha256_hex(b"another manifest")
LINK: dict[str, Any] = {
    "registry": "2c1f4b0e-5f3a-4f6e-9a4e-0a7cf3a3f0aa",
    "reason": "reviewed",
    "by": "ada",
    "created_at": "2026-11-23T18:55:36Z",
}


@dataclass
class Log:
    """A log that an honest registry keeps, with ways of writing what it would not."""

    tree: MemoryLog = field(default_factory=MemoryLog)
    entries: list[LogEntry] = field(default_factory=list)

    def add(self, kind: str, statement: bytes, signers: tuple[str, ...] = (SIGNER,)) -> str:
        digest = sha256_hex(statement)
        self.add_leaf(LogLeaf(kind, digest, signers).to_bytes(), statement)
        return digest

    def add_leaf(self, leaf: bytes, statement: bytes | None = None) -> None:
        self.entries.append(LogEntry(len(self.entries), leaf, statement))
        self.tree.append(leaf)

    def version(self, version: int, previous: str | None, model: str = "fraud", **changes: Any) -> str:
        given = make_manifest(model=model, version=version, previous=previous, **changes)
        return self.add("manifest", given.to_bytes())

    def point(self, sequence: int, previous: str | None, target: Target, alias: str = "production") -> str:
        told = Pointer(model="fraud", alias=alias, target=target, sequence=sequence, previous=previous, **LINK)
        return self.add("pointer", statement_bytes(told))

    def withdraw(self, sequence: int, previous: str | None, target: Target) -> str:
        told = Withdrawal(model="fraud", target=target, sequence=sequence, previous=previous, **LINK)
        return self.add("withdrawal", statement_bytes(told))

    def trust(self, sequence: int, previous: str | None) -> str:
        told = TrustEvent(
            version=sequence, fingerprint=OTHER, root_fingerprint=OTHER, sequence=sequence, previous=previous, **LINK
        )
        return self.add("trust", statement_bytes(told))

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        at = len(self.entries) if size is None else size
        return Checkpoint(ORIGIN, at, self.tree.roots[at])

    def audit(self, entries: Iterable[LogEntry] | None = None) -> AuditReport:
        return audit(self.entries if entries is None else entries, self.checkpoint())


def honest() -> tuple[Log, str, str]:
    """Two versions, an alias that moved, a withdrawal and a trust event; with the digests of the versions."""
    log = Log()
    log.trust(1, None)
    first = log.version(1, None)
    moved = log.point(1, None, Target(1, first))
    log.version(1, None, "team/churn")
    second = log.version(2, first)
    log.point(2, moved, Target(2, second))
    log.withdraw(1, None, Target(1, first))
    return log, first, second


def told(report: AuditReport) -> list[tuple[str, int]]:
    return [(observation.kind.value, observation.index) for observation in report.observations]


def test_an_honest_log_is_clean() -> None:
    """Claim: nothing is observed, and the report says what was read."""
    log, _, _ = honest()
    report = audit(log.entries, log.checkpoint(), [log.checkpoint(size) for size in (5, 0, 3)])
    assert report.is_clean
    assert report == AuditReport(
        7, log.tree.roots[7], {"trust": 1, "manifest": 3, "pointer": 2, "withdrawal": 1}, (0, 3, 5, 7)
    )


def test_an_empty_log_is_clean() -> None:
    """Claim: no entries have the root of no entries."""
    assert audit([], Checkpoint(ORIGIN, 0, EMPTY_ROOT)) == AuditReport(0, EMPTY_ROOT, {}, (0,))


def test_a_statement_that_is_logged_again_with_other_signers_is_no_fork() -> None:
    """Claim: a later signature is an entry of its own, also when newer versions are there."""
    log, first, _ = honest()
    log.add("manifest", next(e.statement for e in log.entries if e.statement and sha256_hex(e.statement) == first), ())
    assert log.audit().is_clean


def test_nothing_behind_the_checkpoint_is_read() -> None:
    """Claim: an endless log is read to the size that was signed."""
    log, _, _ = honest()

    def endless() -> Iterable[LogEntry]:
        yield from log.entries
        raise AssertionError("read too far")

    assert log.audit(endless()).is_clean


def two_versions(log: Log, first: str, second: str) -> None:
    log.version(2, first, pushed_by="mallory")


def version_left_out(log: Log, first: str, second: str) -> None:
    log.version(4, second)


def version_too_late(log: Log, first: str, second: str) -> None:
    log.version(2, OTHER, "team/churn")


def model_from_the_middle(log: Log, first: str, second: str) -> None:
    log.version(2, OTHER, "late")


def pointer_forked(log: Log, first: str, second: str) -> None:
    log.point(2, sha256_hex(log.entries[2].statement or b""), Target(1, first))


def pointer_left_out(log: Log, first: str, second: str) -> None:
    log.point(4, OTHER, Target(2, second))


def pointer_mislinked(log: Log, first: str, second: str) -> None:
    log.point(3, OTHER, Target(2, second))


def withdrawal_left_out(log: Log, first: str, second: str) -> None:
    log.withdraw(3, OTHER, Target(2, second))


def trust_forked(log: Log, first: str, second: str) -> None:
    log.add("trust", (log.entries[0].statement or b"").replace(b"reviewed", b"rewritten"))


def pointer_to_nowhere(log: Log, first: str, second: str) -> None:
    log.point(1, None, Target(3, OTHER), "canary")


def pointer_to_another_manifest(log: Log, first: str, second: str) -> None:
    log.point(1, None, Target(2, first), "canary")


def withdrawal_of_another_manifest(log: Log, first: str, second: str) -> None:
    log.withdraw(2, sha256_hex(log.entries[6].statement or b""), Target(2, OTHER))


def later_kind(log: Log, first: str, second: str) -> None:
    log.add("approval", b"{}")


def leaf_that_is_none(log: Log, first: str, second: str) -> None:
    log.add_leaf(b"{}")


def statement_gone(log: Log, first: str, second: str) -> None:
    log.add_leaf(LogLeaf("manifest", OTHER, ()).to_bytes())


def statement_swapped(log: Log, first: str, second: str) -> None:
    log.add_leaf(LogLeaf("manifest", OTHER, ()).to_bytes(), log.entries[1].statement)


def manifest_that_is_none(log: Log, first: str, second: str) -> None:
    log.add("manifest", b'{"_type":1}')


def manifest_that_is_a_list(log: Log, first: str, second: str) -> None:
    log.add("manifest", b"[]")


def last_version_that_there_is(log: Log, first: str, second: str) -> None:
    log.version(2**31 - 1, second)


def pointer_logged_as_withdrawal(log: Log, first: str, second: str) -> None:
    log.add("withdrawal", log.entries[2].statement or b"")


def pointer_logged_as_manifest(log: Log, first: str, second: str) -> None:
    log.add("manifest", log.entries[2].statement or b"")


def manifest_logged_as_pointer(log: Log, first: str, second: str) -> None:
    log.add("pointer", log.entries[1].statement or b"")


DEEDS: list[tuple[Callable[[Log, str, str], None], Irregularity, str]] = [
    (two_versions, Irregularity.FORK, r"^manifest fraud: number 2 is {second} and also [0-9a-f]{{64}}$"),
    (version_left_out, Irregularity.GAP, r"^manifest fraud: number 4 was logged after number 2$"),
    (version_too_late, Irregularity.MISLINKED, r"^manifest team/churn: number 2 follows on {other}, not on [0-9a-f]{{64}}$"),
    (model_from_the_middle, Irregularity.GAP, r"^manifest late: number 2 was logged after number 0$"),
    (pointer_forked, Irregularity.FORK, r"^pointer fraud@production: number 2 is [0-9a-f]{{64}} and also [0-9a-f]{{64}}$"),
    (pointer_left_out, Irregularity.GAP, r"^pointer fraud@production: number 4 was logged after number 2$"),
    (pointer_mislinked, Irregularity.MISLINKED, r"^pointer fraud@production: number 3 follows on {other}, not on"),
    (withdrawal_left_out, Irregularity.GAP, r"^withdrawal fraud: number 3 was logged after number 1$"),
    (trust_forked, Irregularity.FORK, r"^trust: number 1 is [0-9a-f]{{64}} and also [0-9a-f]{{64}}$"),
    (pointer_to_nowhere, Irregularity.UNKNOWN_TARGET, r"number 1 is about fraud:3 as {other}, logged before is none$"),
    (pointer_to_another_manifest, Irregularity.UNKNOWN_TARGET, r"is about fraud:2 as {first}, logged before is {second}$"),
    (withdrawal_of_another_manifest, Irregularity.UNKNOWN_TARGET, r"^withdrawal fraud: number 2 is about fraud:2 as {other}"),
    (later_kind, Irregularity.UNKNOWN_KIND, r"^the approval [0-9a-f]{{64}} is of a kind that this modelreg does not know$"),
    (leaf_that_is_none, Irregularity.MALFORMED_LEAF, r"the key 'kind' is missing"),
    (statement_gone, Irregularity.MISSING_STATEMENT, r"^the manifest {other} is logged and not there$"),
    (statement_swapped, Irregularity.OTHER_STATEMENT, r"^the manifest {other} is logged, and {first} is there$"),
    (manifest_that_is_none, Irregularity.MALFORMED_STATEMENT, r"^the manifest [0-9a-f]{{64}}: the statement is no urn:"),
    (manifest_that_is_a_list, Irregularity.MALFORMED_STATEMENT, r"^the manifest [0-9a-f]{{64}}: the statement is no urn:"),
    (last_version_that_there_is, Irregularity.GAP, r"^manifest fraud: number 2147483647 was logged after number 2$"),
    (pointer_logged_as_withdrawal, Irregularity.MALFORMED_STATEMENT, r"the statement is a pointer$"),
    (pointer_logged_as_manifest, Irregularity.MALFORMED_STATEMENT, r"the statement is no urn:modelreg:manifest:v1$"),
    (manifest_logged_as_pointer, Irregularity.MALFORMED_STATEMENT, r"of type 'urn:modelreg:manifest:v1'"),
]  # fmt: skip


@pytest.mark.parametrize(("deed", "kind", "message"), DEEDS, ids=[deed.__name__ for deed, _, _ in DEEDS])
def test_each_deed_is_told(deed: Callable[[Log, str, str], None], kind: Irregularity, message: str) -> None:
    """Claim: by its kind, at its entry, in a sentence; the tree is right all the same, since the log was signed."""
    log, first, second = honest()
    deed(log, first, second)
    report = log.audit()
    assert told(report) == [(kind.value, 7)]
    assert report.observed == 1
    assert not report.is_clean
    assert report.checkpoints == (8,)
    assert re.search(message.format(first=first, second=second, other=OTHER), report.observations[0].message)


def late(previous_of_third: str | None) -> tuple[AuditReport, str]:
    """Versions 1, 3, 2, 4, with what the third says of the second; and the second's digest."""
    log = Log()
    first = log.version(1, None)
    second = sha256_hex(make_manifest(model="fraud", version=2, previous=first).to_bytes())
    third = log.version(3, previous_of_third or second)
    log.version(2, first)
    log.version(4, third)
    log.point(1, None, Target(2, second))
    return log.audit(), second


def test_a_number_that_comes_late_is_told() -> None:
    """Claim: the gap and its filling; what came late has its place all the same, and can be pointed at."""
    report, _ = late(None)
    assert told(report) == [("gap", 1), ("late", 2)]
    assert report.observations[1].message == "manifest fraud: number 2 was logged after number 3"
    assert report.observations[1].chain == ("manifest", "fraud")


def test_a_number_that_comes_late_must_be_the_one_that_was_left_out() -> None:
    """Claim: its successor has named it already, and another has no place there."""
    report, second = late(OTHER)
    assert told(report) == [("gap", 1), ("late", 2), ("mislinked", 2)]
    message = f"manifest fraud: number 2 is {second}, on which number 3 does not follow"
    assert report.observations[2].message == message


def test_a_first_number_that_comes_late_must_be_the_one_that_was_left_out() -> None:
    """Claim: the second has named it already."""
    log = Log()
    log.version(2, OTHER)
    log.version(1, None)
    assert told(log.audit()) == [("gap", 0), ("late", 1), ("mislinked", 1)]


def test_numbers_that_come_from_behind_must_each_be_the_one_that_was_left_out() -> None:
    """Claim: one that came late itself names the one before it."""
    log = Log()
    first = log.version(1, None)
    third = sha256_hex(make_manifest(model="fraud", version=3, previous=OTHER).to_bytes())
    log.version(4, third)
    log.version(3, OTHER)
    log.version(2, first)
    assert told(log.audit()) == [("gap", 1), ("late", 2), ("late", 3), ("mislinked", 3)]


def test_two_that_come_late_are_a_fork() -> None:
    """Claim: also in a place that was left out."""
    log = Log()
    first = log.version(1, None)
    log.version(3, sha256_hex(make_manifest(model="fraud", version=2, previous=first).to_bytes()))
    log.version(2, first)
    log.version(2, first, pushed_by="mallory")
    assert told(log.audit()) == [("gap", 1), ("late", 2), ("fork", 3)]


def test_the_first_version_follows_on_nothing() -> None:
    """Claim: a manifest that no release writes, version 1 with a predecessor, is mislinked."""
    log = Log()
    data = (
        make_manifest(model="fraud", version=1).to_bytes().replace(b'"previous":null', f'"previous":"{OTHER}"'.encode())
    )
    log.add("manifest", data)
    report = log.audit()
    assert told(report) == [("mislinked", 0)]
    assert report.observations[0].message == f"manifest fraud: number 1 follows on {OTHER}, not on None"


@pytest.mark.parametrize(
    "change",
    [{"version": 0}, {"version": 2**31}, {"version": True}, {"model": "No Name"}, {"previous": "x"}],
    ids=str,
)
def test_a_manifest_has_a_place(change: dict[str, object]) -> None:
    """Claim: a manifest without a real model, version and predecessor is malformed, not a chain of its own."""
    predicate: dict[str, Any] = {"model": "fraud", "version": 1, "previous": None, **change}
    statement: dict[str, Json] = {
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": "urn:modelreg:manifest:v1",
        "predicate": predicate,
    }
    log = Log()
    log.add("manifest", canonical_json(statement))
    assert told(log.audit()) == [("malformed-statement", 0)]


def test_a_root_that_is_not_that_of_the_entries_is_told() -> None:
    """Claim: of the head and of each earlier checkpoint; two of one size cannot both be met."""
    log, _, _ = honest()
    wrong = [Checkpoint(ORIGIN, size, log.tree.roots[1]) for size in (3, 7)]
    report = audit(log.entries, log.checkpoint(), [*wrong, log.checkpoint(3)])
    assert told(report) == [("root", 3), ("root", 7)]
    assert report.checkpoints == (3, 7)
    message = report.observations[0].message
    assert message == (
        f"the checkpoint of 3 entries has the root {log.tree.roots[1].hex()}, the entries have {log.tree.roots[3].hex()}"
    )


def test_a_log_that_was_cut_is_told() -> None:
    """Claim: with how much is there, and no root is claimed to be met."""
    log, _, _ = honest()
    report = log.audit(log.entries[:4])
    assert told(report) == [("cut", 4)]
    assert report.observations[0].message == "the log ends after 4 of 7 entries"
    assert report.checkpoints == ()


def test_entries_out_of_place_are_told_once() -> None:
    """Claim: a hole is one irregularity, not one for each entry behind it; the root tells the rest."""
    log, _, _ = honest()
    report = log.audit([*log.entries[:3], *log.entries[4:], replace(log.entries[3], index=7)])
    assert told(report) == [("order", 3), ("root", 7)]
    assert report.observations[0].message == "entry 4 came where entry 3 belongs"


def test_the_report_is_bounded() -> None:
    """Claim: a thousand irregularities are told, the others counted, and kinds that nobody knows are one."""
    log = Log()
    for number in range(IRREGULARITIES_KEPT_MAX + 5):
        log.add(f"kind-{'abcdefghij'[number % 10]}", b"%d" % number)
    report = log.audit()
    assert IRREGULARITIES_KEPT_MAX == 1_000
    assert report.observed == 1_005
    assert len(report.observations) == IRREGULARITIES_KEPT_MAX
    assert report.kinds == {"unknown": IRREGULARITIES_KEPT_MAX + 5}


def test_checkpoints_that_are_not_of_this_log_are_refused() -> None:
    """Claim: another origin, or an earlier one that is larger, is a mistake of the caller."""
    log, _, _ = honest()
    for earlier in (Checkpoint("elsewhere", 3, log.tree.roots[3]), replace(log.checkpoint(), size=8)):
        with pytest.raises(
            DocumentError, match=rf"^not every earlier checkpoint is one of '{ORIGIN}' up to 7 entries$"
        ):
            audit(log.entries, log.checkpoint(), [earlier])


@given(st.lists(st.tuples(st.integers(-1, 5), st.binary(max_size=30), st.none() | st.binary(max_size=30)), max_size=5))
def test_random_entries_end_in_a_report(given: list[tuple[int, bytes, bytes | None]]) -> None:
    """Claim: nothing is raised whatever the entries are, and random bytes are never clean."""
    tree = MemoryLog()
    for _, leaf, _ in given:
        tree.append(leaf)
    entries = [LogEntry(*entry) for entry in given]
    report = audit(entries, Checkpoint(ORIGIN, len(given), tree.frontier.root))
    assert report.checkpoints == (len(given),)
    assert report.is_clean is (not given)


@given(st.integers(0, 6), st.integers(0, 2_000), st.sampled_from(["leaf", "statement"]))
def test_no_byte_of_a_log_can_be_changed(place: int, at: int, part: str) -> None:
    """Claim: a flipped bit in any leaf or statement is observed."""
    log, _, _ = honest()
    data = bytearray(getattr(log.entries[place], part))
    data[at % len(data)] ^= 1 << at % 8
    changed: dict[str, Any] = {part: bytes(data)}
    log.entries[place] = replace(log.entries[place], **changed)
    assert not log.audit().is_clean
