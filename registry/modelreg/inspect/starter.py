"""Starts the readers through one process that forks them, waits for each answer within its limits, ends each.

Invariants:

* Each artifact has a reader of its own, and a socket of its own, on which no other reader can answer.
* No reader is waited for longer than its limits of wall time, whatever it sends; each is ended and reaped.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from modelreg.errors import DocumentError, InspectionError
from modelreg.facts import Container, Defect, DefectKind, Facts
from modelreg.inspect import limits
from modelreg.inspect.limits import ChildLimits
from modelreg.inspect.wire import (
    ANSWERED,
    BEGUN,
    KILL,
    NUMBER_SIZE_BYTES,
    REAP,
    WORKED,
    Answer,
    ReaderEnd,
    Request,
    decode_answer,
    encode,
    receive,
    receive_exactly,
    send_descriptors,
)

_START_WALL_S = 60
"""Importing h5py takes 0.2 s, on a cold and busy machine several seconds."""
_END_WALL_S = 5
_FIXED_ENVIRONMENT = {
    "HDF5_PLUGIN_PRELOAD": "::",  # libhdf5 loads no filter plugins
    "HDF5_USE_FILE_LOCKING": "FALSE",
    "OPENBLAS_NUM_THREADS": "1",  # threads would only cost address space
    "OMP_NUM_THREADS": "1",
    "LC_ALL": "C.UTF-8",
}
_KEPT_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
"""Some Python builds do not start without these."""


class Starter:
    """The process that forks readers, and the socket to it."""

    def __init__(self, *, expect_hdf5: bool) -> None:
        self.reader_pid: int | None = None
        self.reader_end: ReaderEnd | None = None
        self.is_broken = False
        """Set while a request is under way, and for good by one that was not ended as it should."""
        self.connection, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        command = [sys.executable, "-I", "-m", "modelreg.inspect.child", str(other.fileno())]
        try:
            self.process = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
                command + ["hdf5"] * expect_hdf5,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[other.fileno()],
                env=_FIXED_ENVIRONMENT | {key: os.environ[key] for key in _KEPT_VARIABLES if key in os.environ},
                cwd="/",
            )
        except (OSError, ValueError) as error:
            self.connection.close()
            raise InspectionError(f"the inspecting process could not be started: {error}") from error
        finally:
            other.close()

    def ask(self, request: Request, descriptors: Sequence[int]) -> Answer:
        """Send the artifact and wait for the answer; whatever becomes of the reader is told as facts."""
        self.is_broken = True
        where = request.files[0].path if len(request.files) == 1 else "."
        with self._start(request, descriptors) as reader:
            answer = reader.answer(where, request)
            try:
                end = self._end(REAP if reader.is_gone else KILL)
            except (EOFError, OSError) as error:
                raise InspectionError(f"the inspecting process ended: {self._last_words() or error}") from error
            self.reader_pid = None
            self.reader_end = end
            self.is_broken = False
            return answer if answer is not None else Answer(reader.death(where, request.limits, end))

    def _start(self, request: Request, descriptors: Sequence[int]) -> _Reader:
        """Have a reader started; raises ``InspectionError`` if it does not begin."""
        reader, ends = _Reader.pair()
        deadline = time.monotonic() + _START_WALL_S
        try:
            self.connection.settimeout(_START_WALL_S)
            self.connection.sendall(encode(request))
            send_descriptors(self.connection, [*ends, *descriptors])
            self.reader_pid = self._number(deadline)
            for end in ends:
                os.close(end)
            ends = ()
            receive_exactly(reader.connection, len(BEGUN), deadline=deadline)
        except (EOFError, OSError) as error:
            self.process.kill()
            reason = reader.last_words() or self._last_words() or str(error)
            reader.close()
            raise InspectionError(
                f"the inspecting process did not begin: {reason}",
                hint="modelreg doctor checks the installation",
            ) from error
        finally:
            for end in ends:
                os.close(end)
        return reader

    def _end(self, how: bytes) -> ReaderEnd:
        """Have the reader ended."""
        deadline = time.monotonic() + _START_WALL_S
        self.connection.settimeout(_START_WALL_S)
        self.connection.sendall(how)
        return ReaderEnd.decode(receive_exactly(self.connection, ReaderEnd.SIZE_BYTES, deadline=deadline))

    def _number(self, deadline: float) -> int:
        return int.from_bytes(receive_exactly(self.connection, NUMBER_SIZE_BYTES, deadline=deadline), signed=True)

    def _last_words(self) -> str:
        self.process.kill()
        self.process.wait()
        return _last_line(self.process.stderr.fileno()) if self.process.stderr is not None else ""

    def close(self) -> None:
        """End and reap, a reader at work first; safe to call twice."""
        self.connection.close()
        if self.reader_pid is not None and self.process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=_END_WALL_S)  # it kills its reader when it sees the socket closed
        self.process.kill()
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()


class _Reader:
    """The parent's ends of one reader's socket and of the pipe for its last words; a context manager."""

    def __init__(self, connection: socket.socket, words: int) -> None:
        self.connection = connection
        self.words = words
        self.is_gone = False
        self.limit_s = 0
        """The limit of wall time that is the next to be reached."""

    @classmethod
    def pair(cls) -> tuple[_Reader, tuple[int, ...]]:
        """A reader to be, and the two descriptors for its process: the other socket, the pipe's writing end."""
        connection, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        words, written = os.pipe()
        return cls(connection, words), (other.detach(), written)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.connection.close()
        os.close(self.words)

    def answer(self, where: str, request: Request) -> Answer | None:
        """What was asked for, or facts that say why not; ``None`` if the reader is gone, or late."""
        try:
            body = self._body(request.limits)
            answer = decode_answer(body, size_bytes_max=limits.ANSWER_SIZE_BYTES_MAX)
        except TimeoutError:
            return None
        except (EOFError, ConnectionError):
            self.is_gone = True
            return None
        except DocumentError as error:
            detail = f"the reading process gave an answer that is none: {error.message}"
            return Answer(_unread_facts(where, DefectKind.READER_DIED, detail))
        if answer.failure is not None:
            raise InspectionError(f"the inspecting process could not begin: {answer.failure}")
        if request.asks_for_facts and answer.facts is None:
            detail = "the reading process gave another answer than was asked for"
            return Answer(_unread_facts(where, DefectKind.READER_DIED, detail))
        return answer

    def _body(self, child_limits: ChildLimits) -> bytes:
        """The answer's bytes; each sign of work gives the reader time again, up to the limit of all of it."""
        end = time.monotonic() + child_limits.wall_s
        while True:
            silent = time.monotonic() + child_limits.silence_s
            deadline, self.limit_s = min((end, child_limits.wall_s), (silent, child_limits.silence_s))
            mark = receive_exactly(self.connection, 1, deadline=deadline)
            if mark == ANSWERED:
                return receive(self.connection, size_bytes_max=limits.ANSWER_SIZE_BYTES_MAX, deadline=deadline)
            if mark != WORKED:
                raise DocumentError(f"the mark {mark!r}")
            if time.monotonic() >= end:  # signs that follow each other at once never let a receive wait
                raise TimeoutError

    def death(self, where: str, child_limits: ChildLimits, ended: ReaderEnd) -> Facts:
        """What a reader that ended without an answer, or was ended because none came, says of the artifact."""
        status = ended.status
        if not self.is_gone:
            what = "took longer than" if self.limit_s == child_limits.wall_s else "came no further for"
            detail = f"reading {what} {self.limit_s} s; {ended.cpu_ms / 1000:.1f} s of all were processor time"
            return _unread_facts(where, DefectKind.READER_TIMED_OUT, detail)
        if status == -signal.SIGXCPU:
            detail = f"reading took more than {child_limits.cpu_s} s of processor time"
            return _unread_facts(where, DefectKind.READER_TIMED_OUT, detail)
        if status < 0:
            detail = f"the reading process was killed by signal {-status} ({_signal_name(-status)})"
        else:
            detail = f"the reading process failed: {self.last_words() or f'exit status {status}'}"
        return _unread_facts(where, DefectKind.READER_DIED, detail)

    def last_words(self) -> str:
        """The last line that the reader wrote, which names the exception."""
        return _last_line(self.words)


def _last_line(descriptor: int) -> str:
    """The last line in a pipe, as far as it has been written."""
    os.set_blocking(descriptor, False)
    try:
        lines = os.read(descriptor, 64 * limits.KIB).decode("utf-8", "replace").strip().splitlines()
    except BlockingIOError:
        return ""
    return "".join(character for character in lines[-1][:300] if character.isprintable()) if lines else ""


def _unread_facts(where: str, kind: DefectKind, detail: str) -> Facts:
    return Facts(Container.OPAQUE, where, defects=(Defect(kind, where, detail),))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
