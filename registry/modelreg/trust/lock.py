"""The lock file: which version, signed by whom and logged where, a name stood for when somebody looked.

It lies in git beside the program that loads the model, so that whoever reviews a change of it reviews a change of the
model.  It is made for eyes and for merges: indented, one value a line, any order read.  A key that the reader does not
know is refused all the same, since what is ignored could be what forbids.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from modelreg.digest import is_sha256
from modelreg.errors import DocumentError, UsageError
from modelreg.records import from_json, json_key, parse_json, to_json
from modelreg.refs import VERSION_MAX, Reference, parse_reference
from modelreg.trust.base64_text import from_base64, to_base64
from modelreg.trust.leaf import SIGNERS_MAX
from modelreg.trust.merkle import SIZE_MAX
from modelreg.trust.note import Note

LOCK_TYPE = "urn:modelreg:lock:v1"
LOCK_NAME = "modelreg.lock"
LOCK_SIZE_BYTES_MAX = 4 * 1024 * 1024
MODELS_MAX = 10_000
REGISTRY_LENGTH_MAX = 128


@dataclass(frozen=True, slots=True)
class LockedVersion:
    """What ``reference`` named: the version, its manifest's ``digest``, who had signed it, and its index in the log.

    ``signed_by`` are ids of trusted keys, sorted.  ``log_index`` is ``None`` where it was not proved.  ``environment``
    is the SHA-256 of the environment in the manifest, ``None`` where that has none.  Raises ``DocumentError``.
    """

    reference: str
    version: int
    digest: str
    signed_by: tuple[str, ...] = ()
    log_index: int | None = field(default=None, metadata=json_key("logIndex"))
    environment: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.version <= VERSION_MAX:
            raise DocumentError(f"{self.version} is not a version: 1, 2, 3 ...")
        if not is_sha256(self.digest) or not (self.environment is None or is_sha256(self.environment)):
            raise DocumentError("a lock file gives digests as 64 lowercase hex digits")
        if len(self.signed_by) > SIGNERS_MAX or not all(map(is_sha256, self.signed_by)):
            raise DocumentError(f"a lock file names at most {SIGNERS_MAX} signers by 64 lowercase hex digits")
        if list(self.signed_by) != sorted(set(self.signed_by)):
            raise DocumentError("a lock file names each signer once, and in order")
        if not (self.log_index is None or 0 <= self.log_index < SIZE_MAX):
            raise DocumentError(f"{self.log_index} is no index in a log")

    def differences(self, found: LockedVersion) -> Iterator[str]:
        """What ``found`` has otherwise, each as one clause; further signers are no difference."""
        if (self.version, self.digest) != (found.version, found.digest):
            yield (
                f"version {self.version} (sha256:{self.digest[:12]}) is locked and version {found.version} "
                f"(sha256:{found.digest[:12]}) was found"
            )
            return
        if gone := sorted(set(self.signed_by) - set(found.signed_by)):
            yield "it was signed by " + ", ".join(key[:12] for key in gone) + " when it was locked and is not now"
        if self.log_index is not None and self.log_index != found.log_index:
            now = "has no proved place" if found.log_index is None else f"is entry {found.log_index}"
            yield f"it was entry {self.log_index} of the log and now {now}"
        if self.environment != found.environment:
            yield "its environment is another"


@dataclass(frozen=True, slots=True)
class Lock:
    """A whole lock file: ``models`` by name, of the registry with that id.

    ``checkpoint`` is the log's signed note, in base64, that was newest then.  Raises ``DocumentError``.
    """

    registry: str
    models: Mapping[str, LockedVersion]
    checkpoint: str | None = None
    type: str = field(default=LOCK_TYPE, metadata=json_key("_type"))

    def __post_init__(self) -> None:
        if self.type != LOCK_TYPE:
            raise DocumentError(f"{self.type[:80]!r} is no lock file that this release reads: {LOCK_TYPE}")
        if not 1 <= len(self.registry) <= REGISTRY_LENGTH_MAX:
            raise DocumentError(f"{self.registry[:80]!r} is no id of a registry")
        if len(self.models) > MODELS_MAX:
            raise DocumentError(f"a lock file holds at most {MODELS_MAX:,} models, this one {len(self.models):,}")
        for name, locked in self.models.items():
            _check_named(name, locked)
        self.note()

    @classmethod
    def parse(cls, data: bytes) -> Lock:
        """Read a lock file; raises ``DocumentError`` for anything else, an unknown key included."""
        what = "the lock file"
        value = parse_json(data, what=what, size_bytes_max=LOCK_SIZE_BYTES_MAX)
        lock = from_json(cls, value, what=what)
        if to_json(lock) != value:
            raise DocumentError(f"{what} leaves out a key, or holds one that this release does not know")
        return lock

    def to_bytes(self) -> bytes:
        return (json.dumps(to_json(self), indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8")

    def note(self) -> Note | None:
        """The checkpoint's note, not yet verified."""
        return None if self.checkpoint is None else Note.parse(from_base64(self.checkpoint, "the checkpoint"))

    def holding(self, models: Mapping[str, LockedVersion], note: Note | None) -> Lock:
        """The lock file with ``models`` put in or replaced, and ``note`` as what is known of the log."""
        checkpoint = self.checkpoint if note is None else to_base64(note.to_bytes())
        return Lock(self.registry, {**self.models, **models}, checkpoint)


def _check_named(name: str, locked: LockedVersion) -> None:
    try:
        reference: Reference = parse_reference(locked.reference)
        if reference.name != name:
            raise DocumentError(f"{locked.reference[:80]!r} is no reference to the model {name[:80]!r}")
    except UsageError as error:
        raise DocumentError(error.message) from None
