"""The parent's side of inspection: starts the child, hands it open files, and turns whatever happens into facts.

Invariants:

* The parent never parses an artifact: it passes descriptors on and reads one bounded answer.
* A child that dies, hangs or talks nonsense while it reads is a defect of the artifact, never a traceback; only a child
  that could not begin is an ``InspectionError``.
* No child outlives its ``Inspector``.
"""

from __future__ import annotations

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

from modelreg.errors import DocumentError, InspectionError
from modelreg.facts import Container, Defect, DefectKind, Facts
from modelreg.inspect import limits
from modelreg.inspect.limits import ChildLimits
from modelreg.inspect.wire import (
    BEGUN,
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
    """A child process that waits to read one artifact; a context manager.

    Entering starts the child and returns at once, so that its start overlaps with copying the file.  One child reads
    one artifact: a second ``inspect`` starts a fresh one, for the first may have been taken over.
    """

    def __init__(self, *, expect_hdf5: bool = False, child_limits: ChildLimits | None = None) -> None:
        self._expect_hdf5 = expect_hdf5
        self._limits = child_limits
        self._child: _Child | None = None

    def __enter__(self) -> Self:
        self._child = _Child(expect_hdf5=self._expect_hdf5)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None

    @property
    def child_pid(self) -> int | None:
        """The process id of the waiting or reading child."""
        return None if self._child is None else self._child.process.pid

    def inspect(self, files: Sequence[tuple[str, int]]) -> Facts:
        """Read an artifact given as (artifact-relative path, descriptor open for reading) pairs.

        The descriptors are neither moved nor closed.  Raises ``InspectionError`` if no child can be started.
        """
        worth = worth_reading([path for path, _ in files])
        entries = [
            Entry(path, os.fstat(descriptor).st_size, descriptor if path in worth else None)
            for path, descriptor in files
        ]
        return self.inspect_entries(entries)

    def inspect_entries(self, entries: Sequence[Entry]) -> Facts:
        """The same for files that are not all open (see ``worth_reading``)."""
        ordered = sorted(entries, key=lambda entry: entry.path)
        if self._child is None:
            self._child = _Child(expect_hdf5=self._expect_hdf5)
        try:
            return self._child.ask(ordered, self._limits or _limits_for(ordered))
        finally:
            self._child.close()
            self._child = None


SAVED_MODEL_FILES = frozenset({"saved_model.pb", "keras_metadata.pb", "fingerprint.pb", "variables/variables.index"})


def worth_reading(paths: Sequence[str]) -> frozenset[str]:
    """Which files of an artifact the child needs open: of a SavedModel four, of a big unknown folder none."""
    if "saved_model.pb" in paths:
        return SAVED_MODEL_FILES.intersection(paths)
    return frozenset(paths if len(paths) <= limits.FOLDER_FILES_READ_MAX else ())


def _limits_for(entries: Sequence[Entry]) -> ChildLimits:
    return ChildLimits.for_size(sum(entry.size_bytes for entry in entries if entry.descriptor is not None))


class _Child:
    """One child process and the socket to it."""

    def __init__(self, *, expect_hdf5: bool) -> None:
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

    def ask(self, entries: Sequence[Entry], child_limits: ChildLimits) -> Facts:
        """Send the artifact and wait for its facts, whatever becomes of the child."""
        self._send(entries, child_limits)
        where = entries[0].path if len(entries) == 1 else "."
        deadline = time.monotonic() + child_limits.wall_s
        try:
            body = receive(self.connection, size_bytes_max=limits.ANSWER_SIZE_BYTES_MAX, deadline=deadline)
            answer = decode_answer(body, size_bytes_max=limits.ANSWER_SIZE_BYTES_MAX)
        except TimeoutError:
            detail = f"reading took longer than {child_limits.wall_s} s"
            return _unread_facts(where, DefectKind.READER_TIMED_OUT, detail)
        except (EOFError, ConnectionError):
            return self._death(where, child_limits)
        except DocumentError as error:
            detail = f"the reading process gave an answer that is none: {error.message}"
            return _unread_facts(where, DefectKind.READER_DIED, detail)
        if answer.facts is None:
            raise InspectionError(f"the inspecting process could not begin: {answer.failure}")
        return answer.facts

    def _send(self, entries: Sequence[Entry], child_limits: ChildLimits) -> None:
        files = tuple(
            RequestedFile(entry.path, entry.size_bytes, is_sent=entry.descriptor is not None) for entry in entries
        )
        deadline = time.monotonic() + _START_WALL_S
        try:
            self.connection.settimeout(_START_WALL_S)
            self.connection.sendall(encode(Request(child_limits, files)))
            send_descriptors(self.connection, [e.descriptor for e in entries if e.descriptor is not None])
            receive_exactly(self.connection, len(BEGUN), deadline=deadline)
        except (EOFError, OSError) as error:
            self.process.kill()
            reason = self._last_words() or str(error)
            raise InspectionError(
                f"the inspecting process did not begin: {reason}",
                hint="modelreg doctor checks the installation",
            ) from error

    def _death(self, where: str, child_limits: ChildLimits) -> Facts:
        status = self.process.wait()
        if status == -signal.SIGXCPU:
            detail = f"reading took more than {child_limits.cpu_s} s of processor time"
            return _unread_facts(where, DefectKind.READER_TIMED_OUT, detail)
        if status < 0:
            detail = f"the reading process was killed by signal {-status} ({_signal_name(-status)})"
        else:
            detail = f"the reading process failed: {self._last_words() or f'exit status {status}'}"
        return _unread_facts(where, DefectKind.READER_DIED, detail)

    def _last_words(self) -> str:
        """The last line that the dead child wrote, which names the exception."""
        self.process.wait()
        if self.process.stderr is None:
            return ""
        os.set_blocking(self.process.stderr.fileno(), False)
        lines = (self.process.stderr.read(64 * limits.KIB) or b"").decode("utf-8", "replace").strip().splitlines()
        return "".join(character for character in lines[-1][:300] if character.isprintable()) if lines else ""

    def close(self) -> None:
        """Kill and reap; safe to call twice."""
        self.connection.close()
        self.process.kill()
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()


def _unread_facts(where: str, kind: DefectKind, detail: str) -> Facts:
    return Facts(Container.OPAQUE, where, defects=(Defect(kind, where, detail),))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
