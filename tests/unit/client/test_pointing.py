"""Where an alias points by the log that a trust store names: what each mode makes of what is not shown, signed or covered."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.threats.world import ADA, MALLORY, World

from modelreg import DocumentError, Finding, RefusedError
from modelreg.client import kept_view
from modelreg.client.memory import Memory, Seen
from modelreg.client.pointing import with_view
from modelreg.db.log import LogTables
from modelreg.findings import Severity
from modelreg.trust.checkpoint import Checkpoint, open_checkpoint
from modelreg.trust.note import VerifierKey
from modelreg.trust.statements import Pointer
from modelreg.trust.trust_store import KEY_ID_SHOWN, Enforcement
from modelreg.trust.view import Entry, LogView

pytestmark = pytest.mark.slow


def told(world: World, mode: Enforcement = Enforcement.ENFORCE, reference: str = "fraud@production") -> list[Finding]:
    """What a client finds of aliases and withdrawals."""
    world.trust(dataclasses.replace(world.document, version=world.document.version + 1, mode=mode))
    with world.client("enforce") as (registry, _):
        try:
            found = registry.pull(reference, registry.settings.home.value / "out", dry_run=True).verdict
        except RefusedError as error:
            found = error.verdict
    return [one for one in found.findings if one.rule in ("MR208", "MR212", "MR501")]


def test_a_signed_and_covered_move_says_nothing(world: World) -> None:
    """Claim: nothing is found of an alias that is where its last move leads, nor of a version that is asked by number."""
    world.point("fraud:1")
    world.point("fraud:2")
    assert told(world) == []
    world.rewind_to(1)
    assert told(world, reference="fraud:1") == []


@pytest.mark.parametrize(
    ("mode", "severity"),
    [(Enforcement.ENFORCE, Severity.REFUSE), (Enforcement.WARN, Severity.WARN)],
    ids=["enforce", "warn"],
)
def test_a_move_that_nobody_signed_is_graded_by_the_mode(world: World, mode: Enforcement, severity: Severity) -> None:
    """Claim: it refuses where the trust store is enforced and warns where it warns; stated again with a key it is well."""
    world.point("fraud:1", signer=None)
    (found,) = told(world, mode)
    assert (found.rule, found.severity, "signed by nobody" in found.message) == ("MR212", severity, True)
    assert "modelreg alias fraud:1 production --sign" in (found.fix or "")
    world.point("fraud:1")
    assert told(world, mode) == []


def test_a_trust_store_that_is_off_asks_nothing_of_the_log(world: World) -> None:
    """Claim: with the mode off neither an unsigned move nor one in the rows alone is told."""
    world.point("fraud:1", signer=None)
    world.rewind_to(2)
    assert told(world, Enforcement.OFF) == []


def test_a_strangers_move_does_not_count(world: World) -> None:
    """Claim: a good signature by a key that the trust store does not know is as none, and the key is named."""
    world.point("fraud:1", signer=MALLORY)
    (found,) = told(world)
    assert (found.rule, MALLORY.public.id[:KEY_ID_SHOWN] in found.message) == ("MR212", True)


def test_a_move_that_is_not_covered_yet_is_told_as_such(world: World) -> None:
    """Claim: who moves without the log's key is told to have it covered; after that the move counts."""
    world.attacker.alias("fraud:1", "production", signer=ADA)
    (found,) = told(world)
    assert "no signed checkpoint covers the move" in found.message
    assert "modelreg log checkpoint" in (found.fix or "")
    world.publisher.log_checkpoint()
    assert told(world) == []


def test_an_alias_of_before_statements_is_to_be_stated(world: World) -> None:
    """Claim: an alias that no statement ever spoke of is refused with the command that states it."""
    world.sql("UPDATE aliases SET alias = 'old'")
    (found,) = told(world, reference="fraud@old")
    assert "covers a move of fraud@old" in found.message
    assert found.fix == "if it belongs there, state it: modelreg alias fraud:2 old --sign KEY"


def test_a_deleted_alias_stays_deleted(world: World) -> None:
    """Claim: a row that brings back what was deleted is refused."""
    world.publisher.delete_alias("fraud", "production", signer=ADA)
    world.rewind_to(2)
    (found,) = told(world)
    assert ("was deleted" in found.message, found.severity) == (True, Severity.REFUSE)


@pytest.mark.parametrize(
    ("line", "rule", "why"),
    [
        ("DELETE FROM statements", "MR208", "not shown"),
        ("UPDATE statements SET statement = x'7b7d'", "MR208", "another is shown"),
        ("UPDATE statements SET envelope = NULL, envelope_sha256 = NULL", "MR212", "no signature is shown"),
        ("UPDATE statements SET envelope = x'7b7d'", "MR212", "cannot be read"),
    ],
    ids=["statement gone", "statement changed", "signature gone", "signature damaged"],
)
def test_what_is_hidden_of_a_move_refuses(world: World, line: str, rule: str, why: str) -> None:
    """Claim: whoever takes away or changes statement or signature gets no client to take the version."""
    world.sql(line)
    (found,) = told(world)
    assert (found.rule, found.severity, why in found.message) == (rule, Severity.REFUSE, True)


def test_a_signature_of_elsewhere_is_none_on_a_move(world: World) -> None:
    """Claim: a genuine envelope over another move does not sign this one."""
    world.point("fraud:1", signer=None)
    world.sql(
        "UPDATE statements SET (envelope, envelope_sha256) = "
        "(SELECT envelope, envelope_sha256 FROM statements WHERE sequence = 1) WHERE sequence = 2"
    )
    assert [one.rule for one in told(world)] == ["MR212"]


def test_a_withdrawal_that_is_in_the_rows_is_told_once(world: World) -> None:
    """Claim: row and log say the same, and one finding does; hidden in the rows the log still tells it, with its reason."""
    world.publisher.withdraw("fraud:2", "wrong labels", signer=ADA)
    (found,) = told(world)
    assert (found.rule, "hides" in found.message) == ("MR501", False)
    world.sql("UPDATE versions SET withdrawn_at = NULL, withdrawn_reason = NULL")
    (found,) = told(world, Enforcement.WARN, "fraud:2")
    assert found.severity is Severity.REFUSE
    assert all(part in found.message for part in ("wrong labels", "hides", "entry 4"))


def head(world: World) -> Checkpoint:
    with world.publisher._index.reading_log() as log:
        newest = log.newest_checkpoint()
    assert newest is not None
    return open_checkpoint(newest.note, [VerifierKey.parse(world.publisher.log_key())]).checkpoint


def where(world: World, memory: Memory) -> int:
    """The version that the log says ``production`` is."""

    def ask(view: LogView) -> int:
        said = view.pointers["fraud", "production"].statement
        assert isinstance(said, Pointer)
        return said.target.version

    return with_view(world.publisher._index, head(world), ask, memory)


def test_a_view_is_kept_and_read_on(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: the second reading asks only for what is new, and the third for nothing."""
    memory, asked = Memory(tmp_path / "logs"), []
    whole = LogTables.entries

    def spying(self: LogTables, start: int, end: int) -> Iterator[Entry]:
        asked.append((start, end))
        return whole(self, start, end)

    monkeypatch.setattr(LogTables, "entries", spying)
    assert where(world, memory) == 2
    world.point("fraud:1")
    assert [where(world, memory), where(world, memory)] == [1, 1]
    assert asked == [(0, 4), (4, 5)]


KEPT = [
    "cut",
    "another statement",
    "no statement",
    "of a larger log",
    "of other entries",
    "unwritable",
    "being written",
]


@pytest.mark.parametrize("kept", KEPT)
def test_a_kept_view_decides_nothing(world: World, tmp_path: Path, kept: str) -> None:
    """Claim: one that is damaged, ahead of the log, of another history, or cannot be used now is as none."""
    memory = Memory(tmp_path / "logs")
    assert where(world, memory) == 2
    path = memory.view_path(world.publisher._origin())
    assert path.exists()
    with contextlib.ExitStack() as stack:
        if kept == "cut":
            path.write_bytes(path.read_bytes()[:-9])
        elif kept.endswith("statement"):
            other = stack.enter_context(contextlib.closing(sqlite3.connect(path, isolation_level=None)))
            other.execute(f"UPDATE pointers SET statement = {'7' if kept == 'no statement' else 'x' + repr('7b7d')}")
        elif kept == "unwritable":
            path.unlink()
            path.mkdir()
        elif kept == "being written":
            world.point("fraud:2")
            stack.enter_context(pytest.MonkeyPatch.context()).setattr(kept_view, "_WAIT_S", 0.1)
            other = stack.enter_context(contextlib.closing(sqlite3.connect(path, isolation_level=None)))
            other.execute("BEGIN IMMEDIATE")
        else:
            before = world.snapshot()
            world.point("fraud:1")
            assert where(world, memory) == 1
            world.restore(before)
            if kept == "of other entries":
                with world.at_home_of("another"):
                    world.point("fraud:2")
                    world.point("fraud:2")
        assert where(world, memory) == 2


def test_entries_that_do_not_lead_to_the_signed_root_are_refused(world: World, tmp_path: Path) -> None:
    """Claim: rows that leave a move out are no log, however they look."""
    signed = head(world)
    world.sql("DELETE FROM log_leaves WHERE position = 3")
    with pytest.raises(DocumentError, match="not those of the signed root"):
        with_view(world.publisher._index, signed, lambda view: view, Memory(tmp_path / "logs"))


def test_forgetting_a_log_forgets_the_view(world: World, tmp_path: Path) -> None:
    """Claim: ``log forget`` leaves nothing of what was read."""
    memory = Memory(tmp_path / "logs")
    assert where(world, memory) == 2
    with world.publisher._index.reading_log() as log:
        newest = log.newest_checkpoint()
    assert newest is not None
    memory.remember("address", Seen.of(newest.note))
    memory.forget("address")
    assert [path.name for path in (tmp_path / "logs").iterdir()] == [".lock"]
