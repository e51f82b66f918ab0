"""Retrying: a wrapper around one request, bounded in number and in time, that no adapter has to know.

An adapter says with ``StoreError.transient`` whether another try can help; everything else ends at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import stamina

from modelreg.errors import StoreError

T = TypeVar("T")

logging.getLogger("stamina").addHandler(logging.NullHandler())  # else each retry is printed where no log was asked for


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long: waits double from ``wait_initial_s`` to ``wait_max_s``, each with some jitter.

    Ten attempts carry a request through a server that fails every second one (all ten fail once in 1,024), and end
    within the two minutes at one that always fails.
    """

    attempts: int = 10
    timeout_s: float = 120.0
    wait_initial_s: float = 0.1
    wait_max_s: float = 5.0
    wait_jitter_s: float = 0.5


PATIENT = RetryPolicy()
BRIEF = RetryPolicy(attempts=3, timeout_s=15.0)
"""For the first request of a command: a mistyped host is to be told soon."""


class Retry:
    """Calls a function until it returns, fails for good, or the policy is used up; the last error is then raised."""

    def __init__(self, policy: RetryPolicy = PATIENT) -> None:
        self.policy = policy
        self._caller = stamina.RetryingCaller(
            attempts=policy.attempts,
            timeout=policy.timeout_s,
            wait_initial=policy.wait_initial_s,
            wait_max=policy.wait_max_s,
            wait_jitter=policy.wait_jitter_s,
        )

    def __call__(self, function: Callable[[], T]) -> T:
        """``function()``, which takes nothing, so that what is logged of a retry holds no argument."""
        return self._caller(_is_transient, function)


def _is_transient(error: Exception) -> bool:
    return isinstance(error, StoreError) and error.transient
