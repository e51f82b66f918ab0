"""Work shared among threads, which an interruption ends in order.

A signal handler that raises, as Python's own for SIGINT does, raises between any two instructions of the main thread.
Between those of ``Thread.start`` or ``Condition.__enter__`` that leaves a lock taken for good, and the process waits
for ever, at the latest when it ends.  So while the main thread starts threads or waits for them, what a handler raises
is kept, the workers are told to stop, and it is raised when that is safe.  Handlers are called when the signal arrives;
one that raises nothing stops nothing.
"""

from __future__ import annotations

import contextlib
import functools
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import FrameType, TracebackType
from typing import Any, TypeVar

Made = TypeVar("Made")
Given = TypeVar("Given")
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StoppedError(BaseException):
    """Raised in a worker whose result nobody will ask for."""


class _MainThread:
    """What is known of the one thread that runs signal handlers."""

    def __init__(self) -> None:
        self.keeps = False
        self.kept: BaseException | None = None
        self.interruptions = 0

    def keep(self, handler: Callable[[int, FrameType | None], Any], number: int, frame: FrameType | None) -> None:
        """Call ``handler``; while threads are started or waited for, keep what it raises and stop the workers."""
        if not self.keeps:
            handler(number, frame)
            return
        try:
            handler(number, frame)
        except BaseException as error:  # raised when the threads have stopped; of several, the first
            self.kept = self.kept or error
            self.interruptions += 1

    def is_current(self) -> bool:
        return threading.current_thread() is threading.main_thread()


class Pool:
    """``count`` threads, named for what they do; when one fails or the main thread is interrupted, nothing more begins.

    Leaving it waits for the threads.  A pool that a worker of another makes stops with that one.
    """

    def __init__(self, count: int, name: str) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix=f"modelreg-{name}")
        self._is_given_up = False
        self._interruptions = _main.interruptions
        self._above: Pool | None = getattr(_worker, "pool", None)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with undisturbed():
            self._end(give_up=error is not None)

    def _end(self, *, give_up: bool) -> None:
        self._is_given_up = self._is_given_up or give_up
        self._executor.shutdown(wait=True, cancel_futures=give_up)

    def submit(self, work: Callable[[Given], Made], given: Given) -> Future[Made]:
        """Have ``work`` done on ``given`` by the next free thread."""
        with undisturbed():
            return self._executor.submit(self._begin, work, given)

    def map(self, work: Callable[[Given], Made], given: Iterable[Given]) -> list[Made]:
        """``work`` done on each of ``given``; the results in order, or the first error in that order."""
        with undisturbed():
            futures = [self._executor.submit(self._begin, work, one) for one in given]
            return [self.result(future) for future in futures]

    def result(self, future: Future[Made]) -> Made:
        """What ``future`` came to; where it failed, after all that was begun has ended."""
        with undisturbed():
            try:
                return future.result()
            except BaseException:
                self._end(give_up=True)  # here, for a second Ctrl-C would else leave the threads behind
                raise

    def check(self) -> None:
        """Raise ``StoppedError`` if nobody will ask for the results."""
        if self._is_given_up or _main.interruptions != self._interruptions:
            raise StoppedError
        if self._above is not None:
            self._above.check()

    def _begin(self, work: Callable[[Given], Made], given: Given) -> Made:
        self.check()
        _worker.pool = self
        try:
            return work(given)
        finally:
            del _worker.pool  # an idle thread does not keep its pool alive


def check_stopped() -> None:
    """To be called by whatever takes long: in a worker of a pool, raise ``StoppedError`` if nobody wants the result."""
    pool: Pool | None = getattr(_worker, "pool", None)
    if pool is not None:
        pool.check()


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Start threads or wait for them: what a signal's handler raises meanwhile is raised at the end."""
    if _main.keeps or not _main.is_current():
        yield
        return
    handlers = {number: handler for number in _SIGNALS if callable(handler := signal.getsignal(number))}
    try:
        _main.keeps = True
        for number, handler in handlers.items():
            signal.signal(number, functools.partial(_main.keep, handler))
        yield
    except StoppedError:
        if _main.kept is None:
            raise
    finally:
        _main.keeps = False  # from here on a handler that is not yet put back only calls the one that was there
        for number, handler in handlers.items():
            signal.signal(number, handler)
        kept, _main.kept = _main.kept, None
        if kept is not None:
            raise kept from None


_main = _MainThread()
_worker = threading.local()
