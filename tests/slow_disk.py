"""The command line on a disk where each write takes 20 ms: ``slow_disk.py ARGUMENT...``, to be interrupted in the middle."""

from __future__ import annotations

import signal
import sys
import time

from modelreg.digest.streams import Descriptor
from modelreg_cli.app import main

# Whoever runs the tests may have signals ignored (nohup, a background job), which a child inherits.
signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)

WRITE_S = 0.02
write_from = Descriptor.write_from


def write_slowly(self: Descriptor, view: memoryview, offset: int) -> None:
    time.sleep(WRITE_S)
    write_from(self, view, offset)


Descriptor.write_from = write_slowly  # type: ignore[method-assign]
sys.exit(main())
