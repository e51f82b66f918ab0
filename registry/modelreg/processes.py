"""Somebody else's program, run to its end: an interpreter that is looked at, a tool that signs.

Invariants:

* It gets no shell, and it and what it started are dead when ``run_bounded`` returns, unless it ended by itself in time.
* Of what it writes no more is kept than is asked for, for no longer than is allowed.  Too much on standard output ends
  it; of standard error the end is kept, so that chatter ends nobody.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

COMPLAINT_SIZE_BYTES_MAX = 64 * 1024
_SLICE_SIZE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Ended:
    """What a program wrote; ``output`` is longer than was allowed if that was too much.

    ``complaint`` is the end of its standard error, ``status`` its exit status, or ``None`` where it had to be ended.
    """

    output: bytes
    complaint: bytes
    status: int | None


def run_bounded(
    command: Sequence[str],
    *,
    timeout_s: float,
    output_size_bytes_max: int,
    given: IO[bytes] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Ended:
    """Run ``command`` with the file ``given`` as its standard input, or none; raises ``OSError`` if it cannot."""
    import subprocess
    import time

    deadline, pipe = time.monotonic() + timeout_s, subprocess.PIPE
    process = subprocess.Popen(  # noqa: S603 - the caller's own choice of program, without a shell
        command,
        stdin=subprocess.DEVNULL if given is None else given,
        stdout=pipe,
        stderr=pipe,
        env=environ,
        start_new_session=True,
    )
    status = None
    with process:
        try:
            output, complaint, ended = _read(process, deadline, output_size_bytes_max)
            if ended:
                status = process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            pass  # its status stays unknown, so that it is ended below
        finally:
            if status is None:
                end_group(process)
    return Ended(output, complaint, status)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End ``process``, which leads a session of its own, and whatever it started."""
    import signal

    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # macOS says the latter of a group whose leader has just ended
        process.kill()


def _read(process: subprocess.Popen[bytes], deadline: float, output_size_bytes_max: int) -> tuple[bytes, bytes, bool]:
    """Both streams as far as they are kept, and whether they ended by themselves."""
    import selectors
    import time

    output, complaint = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        for stream, kept in ((process.stdout, output), (process.stderr, complaint)):
            if stream is not None:
                selector.register(stream, selectors.EVENT_READ, kept)
        while selector.get_map() and len(output) <= output_size_bytes_max:
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                break
            for key, _ in ready:
                chunk = os.read(key.fd, _SLICE_SIZE_BYTES)
                key.data.extend(chunk)
                if not chunk:
                    selector.unregister(key.fileobj)
            del complaint[:-COMPLAINT_SIZE_BYTES_MAX]
        ended = not selector.get_map() and len(output) <= output_size_bytes_max
    return bytes(output), bytes(complaint), ended
