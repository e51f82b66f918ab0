"""Records of the log: what one may hold, and which of those in a store are the log."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.notes import ORIGIN, signed
from tests.proofs import MemoryLog

from modelreg.digest import sha256_hex
from modelreg.errors import DocumentError
from modelreg.trust import record as records
from modelreg.trust.base64_text import to_base64
from modelreg.trust.leaf import LEAF_SIZE_BYTES_MAX
from modelreg.trust.merkle import SIZE_MAX
from modelreg.trust.note import NOTE_SIZE_BYTES_MAX
from modelreg.trust.record import (
    BEGINNING,
    LEAVES_MAX,
    RECORD_SIZE_BYTES_MAX,
    LogRecord,
    RecordHead,
    follows,
    longest_chain,
)

LOG = MemoryLog.of(6)
BEFORE = sha256_hex(b"the record before")


def note(size: int, origin: str = ORIGIN, root: bytes | None = None) -> bytes:
    found: bytes = signed(root or b"r" * 32, size, origin).note.to_bytes()
    return found


def made(start: int, end: int, previous: str | None = None, origin: str = ORIGIN) -> LogRecord:
    """The record of the entries from ``start`` up to ``end``."""
    return LogRecord.make(origin, start, LOG.entries[start:end], note(end, origin), previous)


FIRST = made(0, 2)


def head(start: int, end: int, previous: RecordHead | None = None, origin: str = ORIGIN) -> RecordHead:
    record = made(start, end, previous.sha256 if previous else None, origin)
    return RecordHead.of(record, record.to_bytes())


def test_a_record_survives_its_bytes() -> None:
    """Claim: entries and checkpoint come back as they were, and every record has one beginning."""
    for record in (FIRST, made(2, 6, BEFORE)):
        data = record.to_bytes()
        assert LogRecord.parse(data) == record
        assert data.startswith(BEGINNING)
    record = made(2, 6, BEFORE)
    assert (record.entries, record.end) == (tuple(LOG.entries[2:6]), 6)
    assert (record.note_bytes, record.checkpoint.size) == (note(6), 6)


def test_a_record_s_head_is_all_but_its_entries() -> None:
    """Claim: its digest, its place, the record before and the checkpoint at its end."""
    record = made(2, 6, BEFORE)
    found = RecordHead.of(record, record.to_bytes())
    assert found == RecordHead(sha256_hex(record.to_bytes()), 2, BEFORE, record.checkpoint, note(6))
    assert found.size == 6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": "urn:modelreg:log-record:v2"}, "is no record of a log"),
        ({"leaves": ()}, "1 to 1,000 entries, not 0"),
        ({"start": -1}, "1 to 1,000 entries"),
        ({"start": SIZE_MAX - LEAVES_MAX + 1, "previous": BEFORE}, "1 to 1,000 entries"),
        ({"previous": BEFORE}, "from entry 0 on cannot follow"),
        ({"start": 1}, "from entry 1 on cannot follow 'None'"),
        ({"start": 1, "previous": "the one before"}, "from entry 1 on cannot follow 'the one before'"),
        ({"origin": "elsewhere"}, "of 'elsewhere' up to entry 2 holds the checkpoint of 'log.example/2c1f4b0e' at 2"),
        ({"note": to_base64(note(3))}, "up to entry 2 holds the checkpoint of 'log.example/2c1f4b0e' at 3"),
        ({"note": to_base64(b"no note")}, "."),
        ({"note": "*"}, "note of the log record"),
    ],
)
def test_what_no_record_says(changes: dict[str, Any], message: str) -> None:
    """Claim: its entries lead to its checkpoint, and only the first has none before it."""
    with pytest.raises(DocumentError, match=message):
        replace(FIRST, **changes)


def test_the_bounds_themselves_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: a record of as many entries as one can have, of one, and at the end of the largest log."""
    monkeypatch.setattr(records, "LEAVES_MAX", 6)
    assert made(0, 6).end == 6
    assert made(0, 1).end == 1
    with pytest.raises(DocumentError, match="1 to 6 entries, not 14"):
        replace(FIRST, leaves=FIRST.leaves * 7)
    last = LogRecord.make(ORIGIN, SIZE_MAX - 6, LOG.entries, note(SIZE_MAX), BEFORE)
    assert last.end == SIZE_MAX


def test_an_entry_has_a_bound() -> None:
    """Claim: one of the longest that there can be is read, also beside shorter ones; a longer one is told."""
    for excess in (0, 1):
        entries = [b"short", b"x" * (LEAF_SIZE_BYTES_MAX + excess)]
        record = LogRecord.make(ORIGIN, 0, entries, note(2), None)
        if excess:
            with pytest.raises(DocumentError, match="has more than"):
                _ = record.entries
        else:
            assert record.entries == tuple(entries)
    with pytest.raises(DocumentError, match="an entry of the log record"):
        _ = replace(FIRST, leaves=("*", "*")).entries


def test_the_largest_record_is_read() -> None:
    """Claim: as many entries as there can be, each as long as one can be, are within what is read; twice that is not."""
    entries = [b"x" * LEAF_SIZE_BYTES_MAX] * LEAVES_MAX
    size_bytes = len(LogRecord.make(ORIGIN, 0, entries, note(LEAVES_MAX), None).to_bytes()) + 2 * NOTE_SIZE_BYTES_MAX
    assert size_bytes <= RECORD_SIZE_BYTES_MAX < 2 * size_bytes


def test_a_record_has_one_form() -> None:
    """Claim: neither other spaces nor a key that nobody here knows."""
    document = json.loads(FIRST.to_bytes())
    for data in (json.dumps(document).encode(), FIRST.to_bytes()[:-1] + b',"zero":0}'):
        with pytest.raises(DocumentError, match="not in its one form"):
            LogRecord.parse(data)


@given(st.binary(max_size=80))
def test_random_bytes_are_no_record(data: bytes) -> None:
    """Claim: only typed errors."""
    for prefix in (b"", BEGINNING):
        with pytest.raises(DocumentError):
            LogRecord.parse(prefix + data)


def test_a_record_follows_the_one_that_it_names() -> None:
    """Claim: where that is known, of the same log, and ends where this one begins; the first follows nothing."""
    one = head(0, 2)
    assert follows(one, {})
    two = head(2, 4, one)
    assert follows(two, {one.sha256: one})
    assert not follows(two, {})
    assert not follows(head(3, 4, one), {one.sha256: one})
    assert not follows(head(1, 4, one), {one.sha256: one})
    assert not follows(head(2, 4, one, "elsewhere"), {one.sha256: one})


def test_the_longest_chain_is_the_log() -> None:
    """Claim: in whatever order they are found, without what leads nowhere, is of another log, or has a gap."""
    one, other = head(0, 2), head(0, 3)
    two, short = head(2, 5, one), head(3, 4, other)
    three = head(5, 6, two)
    foreign, gap = head(0, 6, origin="elsewhere"), head(5, 6, head(4, 5, head(0, 4)))
    found = [three, gap, short, two, foreign, other, one]
    assert longest_chain(found, ORIGIN) == (one, two, three)
    assert longest_chain(found, "elsewhere") == (foreign,)
    assert longest_chain([two, three, gap], ORIGIN) == ()
    assert longest_chain([], ORIGIN) == ()


def test_only_some_may_be_the_last() -> None:
    """Claim: the longest of those that are allowed to end the log, and nothing where none is."""
    one = head(0, 2)
    two = head(2, 5, one)
    assert longest_chain([one, two], ORIGIN, {one.sha256}) == (one,)
    assert longest_chain([one, two], ORIGIN, {two.sha256}) == (one, two)
    assert longest_chain([one, two], ORIGIN, set()) == ()


def test_of_two_that_reach_as_far_one_is_always_taken() -> None:
    """Claim: the one of the smaller digest."""
    one, other = head(0, 2), head(0, 3)
    ends = [head(2, 5, one), head(3, 5, other)]
    smaller = min(ends, key=lambda end: end.sha256)
    for found in ([one, other, *ends], [*reversed(ends), other, one]):
        assert longest_chain(found, ORIGIN)[-1] == smaller
