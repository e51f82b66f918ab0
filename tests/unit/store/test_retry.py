"""Retrying: transient errors only, bounded, the last error raised."""

from __future__ import annotations

import time

import pytest

from modelreg.errors import StoreError
from modelreg.store.retry import Retry, RetryPolicy

QUICK = RetryPolicy(attempts=4, timeout_s=10.0, wait_initial_s=0.001, wait_max_s=0.002, wait_jitter_s=0.0)


class Failing:
    """Raises ``error`` for the first ``times`` calls."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.times, self.calls = error, times, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return "done"


def test_a_transient_error_is_tried_again() -> None:
    """Claim: as long as the policy allows, a transient error is followed by another try."""
    call = Failing(StoreError("busy", transient=True), 3)
    assert (Retry(QUICK)(call), call.calls) == ("done", 4)


def test_the_last_error_is_raised_when_the_attempts_are_used_up() -> None:
    """Claim: the number of attempts is bounded, and the error is the adapter's own."""
    call = Failing(StoreError("busy", transient=True), 99)
    with pytest.raises(StoreError, match="busy"):
        Retry(QUICK)(call)
    assert call.calls == QUICK.attempts


@pytest.mark.parametrize("error", [StoreError("refused"), ValueError("a bug"), FileNotFoundError("x")])
def test_what_is_not_transient_is_not_tried_again(error: Exception) -> None:
    """Claim: a permanent error, or anything that is not the store's, ends at once."""
    call = Failing(error, 99)
    with pytest.raises(type(error)):
        Retry(QUICK)(call)
    assert call.calls == 1


def test_time_is_bounded_too() -> None:
    """Claim: no attempt begins behind the time-out, however many are left."""
    policy = RetryPolicy(attempts=1000, timeout_s=0.3, wait_initial_s=0.05, wait_max_s=0.05, wait_jitter_s=0.0)
    began = time.monotonic()
    with pytest.raises(StoreError):
        Retry(policy)(Failing(StoreError("busy", transient=True), 9999))
    assert time.monotonic() - began < 60  # a thousand attempts without a bound would take longer


def test_retrying_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """Claim: where no log was asked for, a retry is silent."""
    Retry(QUICK)(Failing(StoreError("busy", transient=True), 2))
    assert capfd.readouterr() == ("", "")
