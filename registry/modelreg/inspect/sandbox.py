"""The parent's side of inspection: has readers started, hands them open files, turns whatever happens into facts.

Invariants:

* The parent never parses an artifact: it passes descriptors on and reads one bounded answer.
* Each artifact has a reader of its own, and a socket of its own, on which no other reader can answer.
* A reader that dies, hangs or talks nonsense is a defect of the artifact, never a traceback; only one that could not
  begin, or whose starter is gone, is an ``InspectionError``.
* No process outlives its ``Inspector``.
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
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from modelreg.comparison import Distance
from modelreg.errors import DocumentError, InspectionError
from modelreg.facts import Container, Defect, DefectKind, Facts
from modelreg.inspect import limits
from modelreg.inspect.limits import ChildLimits
from modelreg.inspect.pairs import StoredPair
from modelreg.inspect.pieces import Rewriting, check_pieces
from modelreg.inspect.wire import (
    BEGUN,
    KILL,
    REAP,
    STATUS_SIZE_BYTES,
    Answer,
    Request,
    RequestedFile,
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


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an artifact; ``descriptor`` is open for reading, ``None`` where the bytes are not worth reading."""

    path: str
    size_bytes: int
    descriptor: int | None


class Inspector:
    """A process that starts readers, and reads one artifact after the other; a context manager.

    Entering starts the process and returns at once, so that its start overlaps with copying the file.  Each artifact
    is read by a process of its own, with limits of its own: what one of them took over never sees the next.
    """

    def __init__(self, *, expect_hdf5: bool = False, child_limits: ChildLimits | None = None) -> None:
        self._expect_hdf5 = expect_hdf5
        self._limits = child_limits
        self._starter: _Starter | None = None
        self._is_entered = False

    def __enter__(self) -> Self:
        self._is_entered = True
        self._starter = _Starter(expect_hdf5=self._expect_hdf5)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_entered = False
        self._close()

    def _close(self) -> None:
        if self._starter is not None:
            self._starter.close()
            self._starter = None

    @property
    def starter_pid(self) -> int | None:
        """The process id of what starts the readers; ``None`` where there is none now."""
        return None if self._starter is None else self._starter.process.pid

    @property
    def reader_pid(self) -> int | None:
        """The process id of the reader at work; ``None`` between artifacts."""
        return None if self._starter is None else self._starter.reader_pid

    def inspect(self, files: Sequence[tuple[str, int]], *, values: bool = False) -> Facts:
        """Read an artifact given as (artifact-relative path, descriptor open for reading) pairs.

        ``values`` asks for the digest of each tensor's values too, which reads every byte of them.  The descriptors
        are neither moved nor closed.  Raises ``InspectionError`` if no reader can be started.
        """
        worth = worth_reading([path for path, _ in files], values=values)
        entries = [
            Entry(path, os.fstat(descriptor).st_size, descriptor if path in worth else None)
            for path, descriptor in files
        ]
        return self.inspect_entries(entries, values=values)

    def inspect_entries(self, entries: Sequence[Entry], *, values: bool = False) -> Facts:
        """The same for files that are not all open (see ``worth_reading``)."""
        ordered = sorted(entries, key=lambda entry: entry.path)
        child_limits = self._limits or _limits_for(ordered, values=values)
        answer = self._ask(Request(child_limits, _requested(ordered), values), ordered)
        assert answer.facts is not None  # noqa: S101 - for the type checker: nothing else was asked for
        return answer.facts

    def measure(self, files: Sequence[tuple[str, int]], pairs: Sequence[StoredPair]) -> tuple[Distance | None, ...]:
        """How far apart the values of each pair are, whose tensors stand in ``files`` by index.

        ``None`` where they cannot be read side by side.  Raises ``InspectionError`` if no reader can be started, and
        also if it dies, for then nothing is known.
        """
        entries = [Entry(path, os.fstat(descriptor).st_size, descriptor) for path, descriptor in files]
        child_limits = self._limits or _limits_for(entries, values=True)
        answer = self._ask(Request(child_limits, _requested(entries), values=True, pairs=tuple(pairs)), entries)
        if answer.distances is None or len(answer.distances) != len(pairs):
            reasons = [defect.detail for defect in answer.facts.defects] if answer.facts else []
            raise InspectionError("; ".join(reasons) or "the reading process gave another answer than was asked for")
        return answer.distances

    def rewrite(self, path: str, descriptor: int, config: str) -> Rewriting:
        """How the file looks with ``config`` in the place of its configuration; nothing is written.

        The pieces are checked to be within the file and within bounds.  Raises ``InspectionError`` if no reader can be
        started, or if it dies.
        """
        size_bytes = os.fstat(descriptor).st_size
        entries = [Entry(path, size_bytes, descriptor)]
        child_limits = self._limits or _limits_for(entries, values=False)
        answer = self._ask(Request(child_limits, _requested(entries), rewrite=config), entries)
        if answer.rewriting is None:
            reasons = [hazard.detail for hazard in answer.facts.hazards] if answer.facts else []
            reasons += [defect.detail for defect in answer.facts.defects] if answer.facts else []
            raise InspectionError("; ".join(reasons) or "the reading process gave another answer than was asked for")
        if answer.rewriting.reason is None:
            try:
                check_pieces(answer.rewriting.pieces, size_bytes)
            except DocumentError as error:
                raise InspectionError(f"the reading process gave an answer that is none: {error.message}") from None
        return answer.rewriting

    def _ask(self, request: Request, entries: Sequence[Entry]) -> Answer:
        if self._starter is None or self._starter.is_broken:
            self._close()
            self._starter = _Starter(expect_hdf5=self._expect_hdf5)
        try:
            return self._starter.ask(request, entries)
        finally:
            if not self._is_entered:
                self._close()


SAVED_MODEL_FILES = frozenset({"saved_model.pb", "keras_metadata.pb", "fingerprint.pb", "variables/variables.index"})


_SHARD_START = "variables/variables.data-"


def worth_reading(paths: Sequence[str], *, values: bool = False) -> frozenset[str]:
    """Which files of an artifact the child needs open: of a SavedModel four, of a big unknown folder none.

    With ``values``, of a SavedModel the variables' shards too, as many as may be open.
    """
    if "saved_model.pb" in paths:
        shards = sorted(path for path in paths if values and path.startswith(_SHARD_START))
        return SAVED_MODEL_FILES.intersection(paths).union(shards[: limits.FOLDER_FILES_READ_MAX])
    return frozenset(paths if len(paths) <= limits.FOLDER_FILES_READ_MAX else ())


def _limits_for(entries: Sequence[Entry], *, values: bool) -> ChildLimits:
    size_bytes = sum(entry.size_bytes for entry in entries if entry.descriptor is not None)
    return ChildLimits.for_size(size_bytes, values=values)


def _requested(entries: Sequence[Entry]) -> tuple[RequestedFile, ...]:
    return tuple(RequestedFile(entry.path, entry.size_bytes, is_sent=entry.descriptor is not None) for entry in entries)


class _Starter:
    """The process that forks readers, and the socket to it."""

    def __init__(self, *, expect_hdf5: bool) -> None:
        self.reader_pid: int | None = None
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

    def ask(self, request: Request, entries: Sequence[Entry]) -> Answer:
        """Send the artifact and wait for the answer; whatever becomes of the reader is told as facts."""
        self.is_broken = True
        where = entries[0].path if len(entries) == 1 else "."
        with self._start(request, entries) as reader:
            try:
                answer = reader.answer(where, request)
                status = self._end(KILL) if answer is not None else self._end(REAP)
            except (EOFError, OSError) as error:
                raise InspectionError(f"the inspecting process ended: {self._last_words() or error}") from error
            self.reader_pid = None
            self.is_broken = False
            return answer if answer is not None else Answer(reader.death(where, request.limits, status))

    def _start(self, request: Request, entries: Sequence[Entry]) -> _Reader:
        """Have a reader started; raises ``InspectionError`` if it does not begin."""
        sent = [entry.descriptor for entry in entries if entry.descriptor is not None]
        reader, ends = _Reader.pair()
        deadline = time.monotonic() + _START_WALL_S
        try:
            self.connection.settimeout(_START_WALL_S)
            self.connection.sendall(encode(request))
            send_descriptors(self.connection, [*ends, *sent])
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

    def _end(self, how: bytes) -> int:
        """Have the reader ended; returns its exit status, negative for a signal."""
        self.connection.settimeout(_START_WALL_S)
        self.connection.sendall(how)
        return self._number(time.monotonic() + _START_WALL_S)

    def _number(self, deadline: float) -> int:
        return int.from_bytes(receive_exactly(self.connection, STATUS_SIZE_BYTES, deadline=deadline), signed=True)

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
        """What was asked for, or facts that say why not; ``None`` if the reader is gone."""
        deadline = time.monotonic() + request.limits.wall_s
        try:
            body = receive(self.connection, size_bytes_max=limits.ANSWER_SIZE_BYTES_MAX, deadline=deadline)
            answer = decode_answer(body, size_bytes_max=limits.ANSWER_SIZE_BYTES_MAX)
        except TimeoutError:
            detail = f"reading took longer than {request.limits.wall_s} s"
            return Answer(_unread_facts(where, DefectKind.READER_TIMED_OUT, detail))
        except (EOFError, ConnectionError):
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

    def death(self, where: str, child_limits: ChildLimits, status: int) -> Facts:
        """What a reader that ended without an answer says of the artifact."""
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
