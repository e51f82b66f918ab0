"""The lock file on disk and a judgement held against it, without a registry."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tests.conftest import make_manifest
from tests.notes import signed
from tests.unit.trust.people import ids

from modelreg.client.locks import (
    LockChange,
    against_lock,
    find_lock,
    locked_reference,
    locked_version,
    read_lock,
    relock,
    write_lock,
)
from modelreg.client.memory import Memory, Seen
from modelreg.digest import sha256_hex
from modelreg.errors import ConflictError, DocumentError, NotFoundError, RefusedError, UsageError
from modelreg.findings import Verdict
from modelreg.manifest import IndexEntry
from modelreg.records import canonical_json, to_json
from modelreg.refs import parse_reference
from modelreg.rules import RULES, Purpose
from modelreg.trust.base64_text import to_base64
from modelreg.trust.lock import LOCK_NAME, LOCK_SIZE_BYTES_MAX, Lock, LockedVersion
from modelreg.trust.merkle import EMPTY_ROOT
from modelreg.verify import Judgement

MANIFEST = make_manifest()
JUDGED = Judgement(Verdict(), MANIFEST, MANIFEST.to_bytes(), ids("cyd", "ada", "bob"), (), 7)
LOCKED = locked_version("fraud@production", JUDGED)
LOCK = Lock(MANIFEST.registry, {"fraud": LOCKED})


def told(judgement: Judgement, lock: Lock = LOCK) -> list[str]:
    found = against_lock(judgement, lock, "fraud").verdict.refusals
    assert {one.rule for one in found} <= {"MR211"}
    return [one.message for one in found]


def test_a_version_that_was_judged_is_locked_as_it_is() -> None:
    """Claim: its number, its manifest, its signers in order, its place in the log, and its environment where it has one."""
    assert (
        LockedVersion(
            "fraud@production", 1, sha256_hex(MANIFEST.to_bytes()), tuple(sorted(ids("ada", "bob", "cyd"))), 7, None
        )
        == LOCKED
    )
    there = make_manifest(push=MANIFEST.writer)
    environment = locked_version("fraud", dataclasses.replace(JUDGED, manifest=there)).environment
    assert environment == sha256_hex(canonical_json(to_json(MANIFEST.writer)))


def test_the_version_that_is_locked_passes() -> None:
    """Claim: with nothing said."""
    assert against_lock(JUDGED, LOCK, "fraud") == JUDGED


def test_everything_that_differs_is_told() -> None:
    """Claim: another registry, fewer signers and another place are three findings."""
    other = dataclasses.replace(JUDGED, signed_by=ids("ada"), log_index=8)
    first, *more = told(other, Lock("another", LOCK.models))
    assert first == f"fraud:1 is of the registry {MANIFEST.registry}, another is locked"
    assert [message.startswith("fraud:1 is not what is locked: it was ") for message in more] == [True, True]
    assert len(told(other)) == 2


def test_a_manifest_that_cannot_be_believed_is_not_compared() -> None:
    """Claim: its verdict refuses already; a model that is not locked is an error all the same."""
    nothing = Judgement(Verdict(), None)
    assert against_lock(nothing, LOCK, "fraud") is nothing
    with pytest.raises(NotFoundError, match="no 'churn'"):
        against_lock(nothing, LOCK, "churn")


@pytest.mark.parametrize(
    ("reference", "meant"),
    [
        ("fraud", "fraud:1"),
        ("fraud:2", "fraud:2"),
        ("fraud@production", "fraud@production"),
        ("fraud@sha256:" + "0" * 64,) * 2,
    ],
)
def test_a_name_alone_is_what_is_locked(reference: str, meant: str) -> None:
    """Claim: whatever else is asked for stays; without a lock file all does."""
    assert locked_reference(reference, LOCK) == meant
    assert locked_reference(reference, None) == reference


def test_a_name_that_is_not_locked_is_told() -> None:
    """Claim: with what would lock it."""
    with pytest.raises(NotFoundError, match="no 'churn'") as caught:
        locked_reference("churn", LOCK)
    assert caught.value.hint == "modelreg lock churn"


def test_the_nearest_lock_file_is_meant(tmp_path: Path) -> None:
    """Claim: the one that is given, else the nearest above, else one to be made here."""
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find_lock(None, below) == below / LOCK_NAME
    (tmp_path / LOCK_NAME).touch()
    assert find_lock(None, below) == tmp_path / LOCK_NAME
    assert find_lock("given", below) == Path("given")


def test_a_lock_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Claim: to the byte; none, one that cannot be read, and one that is too long are told with their paths."""
    path = tmp_path / LOCK_NAME
    with pytest.raises(NotFoundError, match="there is no lock file"):
        read_lock(path)
    write_lock(path, LOCK)
    assert read_lock(path) == LOCK
    assert path.read_bytes() == LOCK.to_bytes()
    path.write_bytes(LOCK.to_bytes() + b" " * LOCK_SIZE_BYTES_MAX)
    with pytest.raises(DocumentError, match=str(path)):
        read_lock(path)
    with pytest.raises(DocumentError, match="cannot be read"):
        read_lock(tmp_path)
    with pytest.raises(UsageError, match="cannot be written"):
        write_lock(path / "below", LOCK)


OTHER = make_manifest(model="churn")
REFUSED = Verdict((RULES["MR202"].found("a signature is by nobody that it names"),))


def judge(reference: str, purpose: Purpose, **checks: object) -> tuple[IndexEntry, Judgement]:
    """A registry that has ``fraud`` and ``churn``, with ``elsewhere`` of another one, and a version that refuses."""
    assert (purpose, checks) == (Purpose.PULL, {"target": "none"})
    name = parse_reference(reference).name
    manifest = {"churn": OTHER, "elsewhere": make_manifest(model="elsewhere", registry="another")}.get(name, MANIFEST)
    entry = IndexEntry.of(manifest, sha256_hex(manifest.to_bytes()))
    verdict = REFUSED if name == "refused" else Verdict()
    return entry, dataclasses.replace(JUDGED, verdict=verdict, manifest=manifest, manifest_bytes=manifest.to_bytes())


def relocked(*references: str, before: Lock | None = None) -> tuple[Lock, tuple[LockChange, ...]]:
    return relock(judge, "here", references, before, target="none")


def test_what_is_named_is_locked() -> None:
    """Claim: in a file of its registry, each with what it was before, beside what is locked already."""
    first, changes = relocked("fraud@production")
    assert (first, changes) == (LOCK, (LockChange("fraud", None, LOCKED),))
    both, changes = relocked("churn", before=first)
    assert (both.registry, sorted(both.models), changes[0].before) == (MANIFEST.registry, ["churn", "fraud"], None)
    stale = Lock(MANIFEST.registry, {"fraud": dataclasses.replace(LOCKED, version=9)})
    again, (change,) = relocked(before=stale)
    assert (again, change) == (LOCK, LockChange("fraud", stale.models["fraud"], LOCKED))


def test_what_is_not_locked_is_told() -> None:
    """Claim: nothing named, one model twice, a version of another registry, and one that a pull would refuse."""
    with pytest.raises(UsageError, match="no lock file yet"):
        relocked()
    with pytest.raises(UsageError, match="'fraud' is named twice"):
        relocked("fraud:1", "fraud")
    for references, before in ((["elsewhere"], LOCK), (["fraud", "elsewhere"], None)):
        with pytest.raises(
            ConflictError, match=f"elsewhere:1 is of the registry another, the lock file of {LOCK.registry}"
        ):
            relocked(*references, before=before)
    with pytest.raises(RefusedError, match=r"^fraud:1 was not locked: a signature is by nobody"):
        relocked("refused")
    assert relocked(before=Lock(LOCK.registry, {})) == (Lock(LOCK.registry, {}), ())


def test_the_log_that_was_seen_is_locked_too() -> None:
    """Claim: the newest checkpoint of that address; what a file has stays where nothing was seen."""
    seen = Seen.of(signed(EMPTY_ROOT, 0).note.to_bytes())
    kept = dataclasses.replace(LOCK, checkpoint=to_base64(signed(b"x" * 32, 3).note.to_bytes()))
    assert relocked(before=kept)[0] == kept
    Memory().remember("here", seen)
    assert relocked(before=kept)[0].checkpoint == relocked("fraud")[0].checkpoint == to_base64(seen.note)
