"""The share of the data that a check reads: what is a share, and that regular runs come to all of it."""

from __future__ import annotations

import pytest

from modelreg import UsageError, parse_share
from modelreg.client.reading import is_chosen, window_start
from modelreg.digest import sha256_hex

BLOBS = [sha256_hex(str(number).encode()) for number in range(4000)]


@pytest.mark.parametrize(("text", "share"), [("100%", 1.0), ("5%", 0.05), ("0.5%", 0.005), ("33.3%", 0.333)])
def test_a_percentage_is_a_share(text: str, share: float) -> None:
    """Claim: whole and broken percentages are read."""
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "5", "%", "0%", "101%", "-5%", "5 %", "\u0665%", "1e1%", "1/5", "all", "5%%"])
def test_anything_else_is_a_usage_error_that_names_it(text: str) -> None:
    """Claim: what is no percentage above 0 up to 100 is refused with the value in the message."""
    with pytest.raises(UsageError, match="is no share of the data") as caught:
        parse_share(text)
    assert repr(text) in caught.value.message


def test_all_is_all() -> None:
    """Claim: 100 % leaves nothing out, whatever the day."""
    assert all(is_chosen(blob, window_start(day), 1.0) for day in range(3) for blob in BLOBS)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.25])
def test_a_share_is_about_as_much_as_it_says(share: float) -> None:
    """Claim: a day's window holds its share of the blobs, whichever day it is."""
    for day in range(20_000, 20_050):
        chosen = sum(is_chosen(blob, window_start(day), share) for blob in BLOBS)
        assert chosen == pytest.approx(share * len(BLOBS), rel=0.6)


@pytest.mark.parametrize("every", [1, 7, 30])
@pytest.mark.parametrize("share", [0.01, 0.05, 0.1, 0.3])
@pytest.mark.parametrize("first", [0, 20_785])
def test_regular_runs_come_to_every_blob(every: int, share: float, first: int) -> None:
    """Claim: daily, weekly and monthly runs have read every blob after four times as many runs as would do at best."""
    runs = round(4 / share)
    days = range(first, first + runs * every, every)
    assert all(any(is_chosen(blob, window_start(day), share) for day in days) for blob in BLOBS)
