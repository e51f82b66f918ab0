"""A view that is kept: the same as one that was read at once, and as none where anything is wrong with it."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.trust.test_view import FIRST, ORIGIN, SECOND, THIRD, manifest, move, withdrawal

from modelreg.client.kept_view import KeptView
from modelreg.errors import DocumentError
from modelreg.trust.merkle import Frontier, leaf_hash
from modelreg.trust.view import Entry, LogView

ENTRIES = st.lists(
    st.sampled_from(
        [
            manifest(1),
            FIRST,
            SECOND,
            THIRD,
            move(1, THIRD),
            move(3, FIRST, sequence=7),
            move(2, alias="canary"),
            withdrawal(1),
            withdrawal(3),
        ]
    ),
    max_size=12,
)


def frontier_of(entries: list[Entry]) -> Frontier:
    frontier = Frontier()
    for entry in entries:
        frontier, _ = frontier.append(leaf_hash(entry.leaf))
    return frontier


def grow(kept: KeptView, entries: list[Entry]) -> bool:
    """Let ``kept`` read what it lacks of ``entries``."""
    head = frontier_of(entries)
    return kept.grow(entries[kept.size :], head.size, head.root)


def told(view: LogView) -> tuple[object, ...]:
    return dict(view.pointers), dict(view.withdrawals), dict(view.split)


@given(ENTRIES, st.integers(0, 12))
def test_a_kept_view_goes_on_as_if_it_was_read_at_once(
    tmp_path_factory: pytest.TempPathFactory, entries: list[Entry], cut: int
) -> None:
    """Claim: whatever the entries are, closed after any of them and grown, it says what reading all at once says."""
    path = tmp_path_factory.mktemp("kept") / "a.view"
    for part in (entries[:cut], entries):
        kept = KeptView.open(ORIGIN, path)
        assert kept.size == len(entries[:cut]) * (part is entries)
        assert grow(kept, part)
        whole = LogView(ORIGIN)
        assert whole.read(part, Frontier()) == kept.frontier
        assert told(kept.view) == told(whole)
        kept.close()


def test_entries_of_another_root_leave_nothing(tmp_path: Path) -> None:
    """Claim: what does not lead to the root that was signed is undone, also in the file; so is what cannot be read."""
    kept = KeptView.open(ORIGIN, tmp_path / "a.view")
    assert grow(kept, [FIRST])
    assert not kept.grow([SECOND], 2, frontier_of([FIRST, THIRD]).root)
    assert not kept.grow([SECOND], 3, frontier_of([FIRST, SECOND]).root)
    with pytest.raises(DocumentError, match="not shown"):
        kept.grow([Entry(SECOND.leaf)], 2, frontier_of([FIRST, SECOND]).root)
    assert kept.size == 1
    assert not kept.grow([SECOND], 2, frontier_of([FIRST, THIRD]).root)
    kept.close()
    again = KeptView.open(ORIGIN, tmp_path / "a.view")
    assert (again.size, told(again.view)) == (1, told(kept_at_once([FIRST])))
    again.close()


def kept_at_once(entries: list[Entry]) -> LogView:
    view = LogView(ORIGIN)
    view.read(entries, Frontier())
    return view


@pytest.mark.parametrize("statement", [b"{}", 7, "text"])
def test_a_kept_statement_that_is_damaged_is_an_error_of_the_file(tmp_path: Path, statement: object) -> None:
    """Claim: what cannot be a statement is told as what is wrong with the file, when it is asked for."""
    path = tmp_path / "new" / "a.view"
    kept = KeptView.open(ORIGIN, path)
    assert grow(kept, [FIRST])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE pointers SET statement = ?", (statement,))
    connection.close()
    with pytest.raises(sqlite3.DatabaseError, match="kept statement"):
        kept.view.pointers.get(("fraud", "production"))
    kept.close()


def test_a_view_has_one_head(tmp_path: Path) -> None:
    """Claim: each growth replaces what was written before, so that whoever opens it next goes on from the last."""
    entries = [FIRST, SECOND, THIRD]
    for count in (1, 2, 3):
        kept = KeptView.open(ORIGIN, tmp_path / "a.view")
        assert kept.size == count - 1
        assert grow(kept, entries[:count])
        kept.close()
    with sqlite3.connect(tmp_path / "a.view") as connection:
        assert connection.execute("SELECT count(*) FROM head").fetchone() == (1,)
    connection.close()


@pytest.mark.parametrize("damage", ["other bytes", "cut", "another origin", "another format", "no hashes", "text"])
def test_a_file_that_is_damaged_is_made_anew(tmp_path: Path, damage: str) -> None:
    """Claim: whatever is wrong with the file, the view begins anew in it."""
    path = tmp_path / "a.view"
    kept = KeptView.open(ORIGIN, path)
    assert grow(kept, [FIRST, SECOND])
    kept.close()
    lines = {
        "another origin": "UPDATE head SET origin = 'another'",
        "another format": "PRAGMA user_version = 9",
        "no hashes": "UPDATE head SET hashes = x'00'",
        "text": "UPDATE head SET size = 'two'",
    }
    if damage in lines:
        with sqlite3.connect(path) as connection:
            connection.execute(lines[damage])
        connection.close()
    else:
        path.write_bytes(b"no database at all" if damage == "other bytes" else path.read_bytes()[:5000])
    found = KeptView.open(ORIGIN, path)
    assert found.size == 0
    assert grow(found, [FIRST, SECOND])
    found.close()
    again = KeptView.open(ORIGIN, path)
    assert again.size == 2
    again.close()


def test_where_nothing_can_be_kept_the_view_lives_in_memory(tmp_path: Path) -> None:
    """Claim: a folder in the file's place, or a file in the folder's, does not keep a client from reading the log."""
    (tmp_path / "a.view").mkdir()
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "a.view", tmp_path / "file" / "a.view"):
        kept = KeptView.open(ORIGIN, path)
        assert grow(kept, [FIRST])
        kept.close()


def test_readers_at_once_agree(tmp_path: Path) -> None:
    """Claim: of those who make the file at the same time each gets a whole view."""
    entries, sizes = [FIRST, SECOND, THIRD], []

    def look() -> None:
        kept = KeptView.open(ORIGIN, tmp_path / "a.view")
        try:
            if kept.size == 3 or grow(kept, entries):
                sizes.append(kept.view.pointers["fraud", "production"].index)
        except sqlite3.OperationalError:
            sizes.append(2)  # whoever asks reads it in memory then
        finally:
            kept.close()

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes == [2] * 8
