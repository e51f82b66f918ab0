"""The parent's side of inspection: hands open files to readers, turns whatever happens into facts.

Invariants:

* The parent never parses an artifact: it passes descriptors on and reads one bounded answer.
* A reader that dies, hangs or talks nonsense is a defect of the artifact, never a traceback; only one that could not
  begin, or whose starter is gone, is an ``InspectionError``.
* No process outlives its ``Inspector``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from modelreg.errors import DocumentError, InspectionError
from modelreg.facts import Distance, Facts
from modelreg.inspect import limits
from modelreg.inspect.limits import ChildLimits
from modelreg.inspect.pairs import StoredPair
from modelreg.inspect.pieces import Rewriting, check_pieces
from modelreg.inspect.starter import Starter
from modelreg.inspect.wire import Answer, ReaderEnd, Request, RequestedFile


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
        self._starter: Starter | None = None
        self._is_entered = False

    def __enter__(self) -> Self:
        self._is_entered = True
        self._starter = Starter(expect_hdf5=self._expect_hdf5)
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

    @property
    def reader_end(self) -> ReaderEnd | None:
        """What the last reader used, and how it ended; ``None`` before the first."""
        return None if self._starter is None else self._starter.reader_end

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
            self._starter = Starter(expect_hdf5=self._expect_hdf5)
        try:
            return self._starter.ask(request, [entry.descriptor for entry in entries if entry.descriptor is not None])
        finally:
            if not self._is_entered:
                self._close()


SAVED_MODEL_FILES = frozenset({"saved_model.pb", "keras_metadata.pb", "fingerprint.pb", "variables/variables.index"})


_SHARD_START = "variables/variables.data-"
_ASSET_START = "assets/"


def worth_reading(paths: Sequence[str], *, values: bool = False) -> frozenset[str]:
    """Which files of an artifact the child needs open: of a SavedModel four, of a big unknown folder none.

    With ``values``, of a SavedModel the variables' shards and the assets too, as many as may be open.
    """
    if "saved_model.pb" in paths:
        shards = sorted(path for path in paths if values and path.startswith(_SHARD_START))
        assets = sorted(path for path in paths if values and path.startswith(_ASSET_START))
        return SAVED_MODEL_FILES.intersection(paths).union([*shards, *assets][: limits.FOLDER_FILES_READ_MAX])
    return frozenset(paths if len(paths) <= limits.FOLDER_FILES_READ_MAX else ())


def _limits_for(entries: Sequence[Entry], *, values: bool) -> ChildLimits:
    size_bytes = sum(entry.size_bytes for entry in entries if entry.descriptor is not None)
    return ChildLimits.for_size(size_bytes, values=values)


def _requested(entries: Sequence[Entry]) -> tuple[RequestedFile, ...]:
    return tuple(RequestedFile(entry.path, entry.size_bytes, is_sent=entry.descriptor is not None) for entry in entries)
