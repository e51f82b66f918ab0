"""The newest checkpoint of each log that this user has seen, and whether the log that is shown grew from it.

A log that is put back, or shown otherwise to somebody else, contradicts what a client has seen before; whoever writes
rows cannot reach that.  A checkpoint is remembered twice, as what the database at that address showed and as what the
log of that name was: neither another log at the same address nor the same log at another address passes for new.

Invariants: it only goes forward, and of two readers at a time the one who has seen more wins; what contradicts is kept
as evidence, both notes byte for byte, and replaces nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from modelreg.client.ledger import cosigned
from modelreg.config import Settings, user_configuration
from modelreg.db.records import Index
from modelreg.digest import sha256_hex
from modelreg.errors import DatabaseError, DocumentError, PlacementError
from modelreg.files import make_folder, reason_of, replace_file
from modelreg.findings import Finding, Severity
from modelreg.masking import masked
from modelreg.rules import RULES
from modelreg.trust.base64_text import to_base64
from modelreg.trust.checkpoint import Checkpoint, Fork, is_consistent, open_checkpoint
from modelreg.trust.note import NOTE_SIZE_BYTES_MAX, Note, VerifierKey

if TYPE_CHECKING:
    from modelreg.trust.lock import Lock

FOLDER_NAME = "logs"
_LOCK_NAME = ".lock"


@dataclass(frozen=True, slots=True)
class Seen:
    """A checkpoint that somebody was shown: the note as it came, and what it says."""

    note: bytes = field(repr=False)
    checkpoint: Checkpoint

    @classmethod
    def of(cls, note: bytes) -> Seen:
        """Raises ``DocumentError`` for a note that is no checkpoint; who signed it is not asked here."""
        return cls(note, Checkpoint.parse(Note.parse(note).text))

    @property
    def size(self) -> int:
        return self.checkpoint.size


@dataclass(frozen=True, slots=True)
class Shown:
    """What a registry shows of its log: the newest checkpoint, and the hashes that connect each ``known`` one."""

    newest: Seen | None = None
    known: tuple[Seen, ...] = ()
    growth: tuple[tuple[bytes, ...], ...] = field(default=(), repr=False)
    problem: str | None = None


class ContradictionError(Exception):
    """The log that is shown is not one with the log that was seen before; ``fork`` is the evidence, if it is one."""

    def __init__(self, message: str, fork: Fork | None = None) -> None:
        super().__init__(message)
        self.fork = fork


def address_of(settings: Settings) -> str:
    """By what a database is remembered: its address without its secrets, which may change."""
    return masked(settings.database_url.value)


def read_shown(index: Index, known_of: Callable[[Seen | None], tuple[Seen, ...]]) -> Shown:
    """What the database shows, as of one moment, beside what is known where it shows that; it is not believed."""
    newest: Seen | None = None
    try:
        with index.reading_log() as log:
            row = log.newest_checkpoint()
            newest = None if row is None else Seen.of(cosigned(log, row).to_bytes())
            known = known_of(newest)
            if newest is None:
                return Shown(None, known)
            proofs = (log.consistency(one.size, newest.size) if one.size <= newest.size else () for one in known)
            return Shown(newest, known, tuple(map(tuple, proofs)))
    except (DatabaseError, DocumentError) as error:
        return Shown(None, known_of(newest), problem=error.message)


def check_growth(shown: Shown) -> None:
    """Raise ``ContradictionError`` unless the log that is shown is each that is known, grown or as it was."""
    for number, known in enumerate(shown.known):
        before = f"a log of {known.size:,} entries was seen before"
        seen = shown.newest
        if seen is None:
            why = f"is damaged: {shown.problem}" if shown.problem else "is not shown any more"
            raise ContradictionError(f"{before}, and now it {why}")
        if seen.checkpoint.origin != known.checkpoint.origin:
            origin = seen.checkpoint.origin[:80]
            raise ContradictionError(f"{before}, and the log of another registry is shown: {origin!r}")
        if seen.size < known.size:
            raise ContradictionError(f"{before}, and now it has {seen.size:,}: somebody put an old state back")
        proof = shown.growth[number]
        if not is_consistent(known.checkpoint, seen.checkpoint, proof):
            fork = Fork(to_base64(known.note), to_base64(seen.note), tuple(one.hex() for one in proof))
            raise ContradictionError(f"{before}, and the one of {seen.size:,} that is shown did not grow from it", fork)


class Memory:
    """What one user has seen, in ``folder``."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = user_configuration() / FOLDER_NAME if folder is None else folder

    def path(self, what: str) -> Path:
        """Where the checkpoint of an address or a log is; either can be any text, so its digest names the file."""
        return self.folder / f"{sha256_hex(what.encode('utf-8', 'replace'))[:32]}.note"

    def recall(self, what: str) -> Seen | None:
        """The newest checkpoint of that address or log; raises ``DocumentError`` for a damaged file.

        Nothing is known where there is no such place, or it is not this user's to look into (somebody else's home).
        """
        path = self.path(what)
        try:
            with path.open("rb") as file:
                data = file.read(NOTE_SIZE_BYTES_MAX + 1)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return None
        except OSError as error:
            raise DocumentError(f"{path} cannot be read: {reason_of(error)}") from None
        try:
            return Seen.of(data)
        except DocumentError as error:
            raise DocumentError(f"{path}: {error.message}") from None

    def known(self, address: str, newest: Seen | None) -> tuple[Seen, ...]:
        """What was seen at ``address``, and of the log that is shown now; raises ``DocumentError``."""
        names = [address, *([newest.checkpoint.origin] if newest else ())]
        found = {seen.note: seen for name in names if (seen := self.recall(name)) is not None}
        return tuple(found.values())

    def has(self, address: str, seen: Seen) -> bool:
        """Whether ``seen``, or a larger log, is known both at ``address`` and by its name; raises ``DocumentError``."""
        found = map(self.recall, (address, seen.checkpoint.origin))
        return all(known is not None and known.size >= seen.size for known in found)

    def remember(self, address: str, seen: Seen) -> None:
        """Keep ``seen`` unless something newer is known by now; raises ``PlacementError`` where it cannot be kept."""
        try:
            with self.alone():
                for name in (address, seen.checkpoint.origin):
                    known = self.recall(name)
                    is_cosigned = known is not None and known.checkpoint == seen.checkpoint and known.note != seen.note
                    if known is None or known.size < seen.size or is_cosigned:
                        replace_file(self.path(name), seen.note)
        except OSError as error:
            raise PlacementError(
                f"what was seen of the log cannot be remembered in {self.folder}: {reason_of(error)}"
            ) from None

    def view_path(self, origin: str) -> Path:
        """Where the view of a log is kept."""
        return self.path(origin).with_suffix(".view")

    def keep_evidence(self, fork: Fork) -> Path:
        """Keep both notes of a fork for whoever has to look at them; raises ``PlacementError``."""
        data = fork.to_bytes()
        path = self.folder / "forks" / f"{sha256_hex(data)[:32]}.json"
        try:
            if not path.exists():
                replace_file(path, data)
        except OSError as error:
            raise PlacementError(f"the evidence of a fork cannot be kept in {path}: {reason_of(error)}") from None
        return path

    def forget(self, address: str) -> Seen | None:
        """Know nothing more of the log at ``address``, under its own name neither; what was known, also if damaged."""
        seen: Seen | None = None
        with contextlib.suppress(DocumentError):
            seen = self.recall(address)
        for name in (address, *([seen.checkpoint.origin] if seen else ())):
            try:
                self.path(name).unlink(missing_ok=True)
                self.view_path(name).unlink(missing_ok=True)
            except OSError as error:
                raise PlacementError(f"{self.path(name)} cannot be removed: {reason_of(error)}") from None
        return seen

    def put(self, what: str, note: bytes) -> None:
        """Keep ``note`` in the place of what is known, whatever that is; raises ``PlacementError``."""
        try:
            replace_file(self.path(what), note)
        except OSError as error:
            raise PlacementError(f"{self.path(what)} cannot be written: {reason_of(error)}") from None

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep others who would write away."""
        make_folder(self.folder.absolute())
        descriptor = os.open(self.folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def look(
    index: Index, settings: Settings, lock: Lock | None, keys: Iterable[VerifierKey] = ()
) -> tuple[Shown, tuple[Finding, ...]]:
    """``consult`` for the database of those settings, and the checkpoint of a lock file."""
    note = None if lock is None else lock.note()
    return consult(index, address_of(settings), keys, () if note is None else (Seen.of(note.to_bytes()),))


def consult(
    index: Index, address: str, keys: Iterable[VerifierKey] = (), also: Iterable[Seen] = ()
) -> tuple[Shown, tuple[Finding, ...]]:
    """Hold the log that is shown at ``address`` against what this user has seen, and remember it where it grew.

    ``keys`` are the log's, where they are known: one of them must have signed.  ``also`` are other checkpoints that it
    must have grown from, those of a lock file.  What contradicts is MR208, and refuses.
    """
    memory, others = Memory(), tuple(also)
    try:
        shown = read_shown(index, lambda newest: (*memory.known(address, newest), *others))
        check_growth(shown)
        if shown.newest is None:
            return shown, ()
        if logs := tuple(keys):
            open_checkpoint(shown.newest.note, logs)
        if not memory.has(address, shown.newest):
            memory.remember(address, shown.newest)
    except ContradictionError as error:
        kept = "" if error.fork is None else f"; both are kept in {memory.keep_evidence(error.fork)}"
        return Shown(), (RULES["MR208"].found(f"{error}{kept}", fix=_ASK, severity=Severity.REFUSE),)
    except DocumentError as error:
        return Shown(), (RULES["MR208"].found(error.message, fix=_ASK, severity=Severity.REFUSE),)
    except PlacementError as error:
        return shown, (RULES["MR208"].found(error.message, severity=Severity.INFO),)
    return shown, ()


_ASK = "ask who runs the registry; if its log was begun anew on purpose: modelreg log forget"


def remember_head(settings: Settings, note: bytes) -> None:
    """Remember a checkpoint that was signed here; what cannot be remembered is not, as at a pull."""
    with contextlib.suppress(PlacementError):
        Memory().remember(address_of(settings), Seen.of(note))


def forget_log(settings: Settings) -> int | None:
    """Know nothing more of the log that those settings name; how many entries were known, ``None`` for nothing."""
    seen = Memory().forget(address_of(settings))
    return None if seen is None else seen.size
