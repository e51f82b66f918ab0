"""Work shared among threads: results in order, and interruptions at any instruction."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelreg.parallel import Pool, StoppedError, check_stopped, undisturbed

INTERRUPTED = Path(__file__).with_name("interrupted_pool.py")


@pytest.fixture(autouse=True)
def _usual_handlers() -> Iterator[None]:
    """Whoever runs the tests may have SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


def test_results_come_in_order() -> None:
    """Claim: ``map`` gives the results in the order of what was given, whichever was ready first."""

    def work(number: int) -> int:
        time.sleep(0.02 if number == 0 else 0)
        return number * number

    with Pool(4, "test") as pool:
        assert pool.map(work, range(20)) == [number * number for number in range(20)]


def test_a_failure_ends_the_rest() -> None:
    """Claim: when one fails nothing more is begun, those at work are told, and its error is what is raised."""
    begun, told = list[int](), threading.Event()

    def work(number: int) -> None:
        begun.append(number)
        if number == 0:
            raise LookupError
        try:
            for _ in range(1000):
                pool.check()
                time.sleep(0.005)
        except StoppedError:
            told.set()
            raise

    with pytest.raises(LookupError), Pool(2, "test") as pool:
        pool.map(work, range(50))
    assert told.is_set()
    assert len(begun) < 5


def test_an_interruption_waits_for_the_workers() -> None:
    """Claim: a worker that asks learns at once that the main thread is interrupted; then the interruption is raised."""
    told = list[float]()

    def work(_: int) -> None:
        try:
            for _ in range(1000):
                check_stopped()
                time.sleep(0.005)
        except StoppedError:
            told.append(time.monotonic())
            raise

    timer = threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt), Pool(2, "test") as pool:
        pool.map(work, range(10))
    assert len(told) == 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("modelreg-")]
    check_stopped()  # it is over: what comes next in this process is not stopped


def test_a_second_interruption_leaves_no_thread_behind() -> None:
    """Claim: of two that come at once neither is raised before what was begun has ended."""
    begun, ended = threading.Barrier(4), list[int]()

    def work(number: int) -> None:
        begun.wait(10)
        if number == 0:
            for _ in range(2):
                signal.raise_signal(signal.SIGINT)
                time.sleep(0.001)
            raise StoppedError
        time.sleep(0.2)
        ended.append(number)

    with pytest.raises(KeyboardInterrupt), Pool(4, "test") as pool:
        pool.map(work, range(4))
    assert sorted(ended) == [1, 2, 3]


def test_a_handler_that_raises_nothing_stops_nothing() -> None:
    """Claim: a program's own handler is called when its signal comes, and decides by itself what becomes of the work."""
    called = list[int]()
    signal.signal(signal.SIGINT, lambda number, _: called.append(number))
    try:
        with Pool(2, "test") as pool:
            future = pool.submit(time.sleep, 0.05)
            with undisturbed():
                signal.raise_signal(signal.SIGINT)
                assert called == [signal.SIGINT]
            assert pool.result(future) is None
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def test_an_interruption_while_it_is_undisturbed() -> None:
    """Claim: what is done undisturbed is done to its end, and then the interruption is raised; of two, once."""
    done = list[str]()

    def work() -> None:
        with undisturbed():
            signal.raise_signal(signal.SIGINT)
            with undisturbed():
                signal.raise_signal(signal.SIGINT)
            done.append("all")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["all"]
    with undisturbed():
        pass


def test_other_threads_leave_signals_alone() -> None:
    """Claim: a pool works in a thread that cannot have signal handlers."""
    results = list[list[int]]()

    def work() -> None:
        with Pool(2, "test") as pool:
            results.append(pool.map(abs, [-1, -2]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert results == [[1, 2]]


@pytest.mark.parametrize(
    ("first", "step"),
    [pytest.param(0, 40, id="some"), *(pytest.param(first, 4, marks=pytest.mark.slow) for first in range(4))],
)
def test_an_interruption_at_any_instruction(first: int, step: int) -> None:
    """Claim: wherever in a pool's life the interruption comes, no thread is left waiting.

    Python's own pool fails this at one instruction in some hundred (``interrupted_pool.py usual 0 1``).
    """
    command = [sys.executable, str(INTERRUPTED), "ours", str(first), str(step)]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout.split()[0]) > 1000
