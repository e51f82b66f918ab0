"""A pool with SIGINT at one instruction of the main thread after another: ``interrupted_pool.py ours|usual FIRST STEP``.

``usual`` is Python's own ``ThreadPoolExecutor``, to see what we are spared.  Exits 1, with every thread's stack, when one
hangs.
"""

from __future__ import annotations

import faulthandler
import gc
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

from modelreg.parallel import Pool

HANGS_AFTER_S = 20


def ours() -> None:
    with Pool(2, "test") as pool:
        pool.map(abs, range(3))


def usual() -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(abs, range(3)))


def interrupted_at(count: int, work: Callable[[], None]) -> bool:
    """Run ``work`` with SIGINT at the ``count``-th instruction; whether there were so many."""
    seen = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal seen
        frame.f_trace_opcodes = True
        if event == "opcode":
            seen += 1
            if seen == count:
                signal.raise_signal(signal.SIGINT)
        return trace

    faulthandler.dump_traceback_later(HANGS_AFTER_S, exit=True)
    try:
        sys.settrace(trace)
        work()
    except KeyboardInterrupt:
        sys.settrace(None)
        if seen < count:
            sys.exit(f"interrupted before instruction {count}")
    finally:
        sys.settrace(None)
    gc.collect()  # a pool that was left in its last instruction ends with its last reference
    for thread in threading.enumerate():
        if thread is not threading.main_thread():
            thread.join()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    faulthandler.cancel_dump_traceback_later()
    return seen >= count


if __name__ == "__main__":
    work = {"ours": ours, "usual": usual}[sys.argv[1]]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    count, step = int(sys.argv[2]) + 1, int(sys.argv[3])
    while interrupted_at(count, work):
        count += step
    sys.stdout.write(f"{count} instructions\n")
