"""The whole exception tree: every way in which modelreg says no.

    ModelregError                 code, message, hint, exit status
    ├── UsageError            2   an argument, a name, a document that cannot be taken as given
    ├── NotFoundError         3   no such model, version, alias or file
    ├── ConflictError         1   something is in the way: a destination, a lock, a schema revision
    │   ├── CondemnedError        a sweep is deleting blobs that are needed
    │   └── HistoryError          another version has that number, or the versions do not follow on each other
    ├── PlacementError        1   the destination of a pull cannot be written
    ├── StoreError            1   the store could not do it; ``transient`` says whether a retry can help
    │   ├── BlobMissingError      it has no such blob
    │   └── StoreAbsentError      there is no store
    ├── DatabaseError         1   the database could not do it; ``transient`` as above
    │   ├── UnreachableError      no connection to it could be made; nothing was done
    │   ├── ConnectionLostError   the connection broke: what was being committed may be, or may not
    │   └── SchemaRevisionError   its schema is older or newer than this program's
    ├── InspectionError       1   the inspecting child could not be started or spoken to
    ├── DocumentError         1   a manifest or an environment document that breaks its own grammar
    ├── LoadError             1   Keras is missing, or failed on bytes that had passed
    ├── SigningError          1   a key file, or whatever else holds a key, cannot be used to sign
    │   └── PassphraseError       the passphrase is missing or wrong
    ├── TrustError           16   a trust store that cannot be taken, or taken no longer
    │   ├── TrustThresholdError   too few of the root keys have signed it
    │   ├── TrustRollbackError    it is older than, or another under the version of, the one that is trusted
    │   ├── TrustGapError         the roots changed, and a version between is missing
    │   ├── TrustExpiredError     its time is over
    │   └── TrustPinError         its roots are not those that were expected
    ├── UntrustedError       16   a signature that does not verify, or is by nobody who is trusted
    └── RefusedError   4 .. 124   a verdict says refuse; carries it

Callers branch on the class or on ``code``, never on the text.  Exit statuses are those of the table in
``docs/reference/exit-codes.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from modelreg.findings import Verdict


class ModelregError(Exception):
    """The root of everything modelreg raises on purpose.

    ``message`` is one sentence with the actual values in it; ``hint`` is what to type or to do next.
    """

    code: ClassVar[str] = "error"
    exit_status: int = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(ModelregError):
    """An argument, a name or a given document cannot be taken as it is."""

    code = "usage"
    exit_status = 2


class NotFoundError(ModelregError):
    """No such model, version, alias or file."""

    code = "not-found"
    exit_status = 3


class ConflictError(ModelregError):
    """Something that exists is in the way and was left as it is."""

    code = "conflict"


class CondemnedError(ConflictError):
    """A sweep is deleting blobs that ``what``, a push or an import, needs; then they can be published again."""

    def __init__(self, blobs: Collection[str], what: str = "push") -> None:
        super().__init__(
            f"a sweep has been deleting {len(blobs)} blobs that this {what} needs for a long time; it was given up",
            hint=f"run the {what} again when the sweep is done; `modelreg gc --dry-run` says who is at work",
        )
        self.blobs = frozenset(blobs)


class HistoryError(ConflictError):
    """A version of elsewhere has no place here: its number is taken, or its neighbour is another than it says."""

    code = "history"


class PlacementError(ModelregError):
    """The destination of a pull cannot be written: disk full, read-only, no rights."""

    code = "destination"


class StoreError(ModelregError):
    """The store could not read, write or list; ``transient`` errors may go away on a retry."""

    code = "store"

    def __init__(self, message: str, *, hint: str | None = None, transient: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.transient = transient


class BlobMissingError(StoreError):
    """The store has no blob under a digest that somebody asked for."""

    code = "blob-missing"


class StoreAbsentError(StoreError):
    """There is no store at ``place``, a folder or a URL, and none was to be made.

    ``is_expected`` where versions need it.  ``root`` is the folder, if it is one.
    """

    code = "store-absent"

    def __init__(self, place: Path | str, *, is_expected: bool = False) -> None:
        message, hint = f"there is no store in {place}", "push a model to make one"
        where = "is the prefix right?" if isinstance(place, str) else "is the disk mounted?"
        if is_expected:
            message += ", though the database lists versions"
            hint = f"{where} `modelreg config show` tells where the setting comes from"
        super().__init__(message, hint=hint)
        self.place = place
        self.root = None if isinstance(place, str) else place


class DatabaseError(ModelregError):
    """The database could not be opened, read or written; a ``transient`` error's whole transaction can be run again."""

    code = "database"

    def __init__(self, message: str, *, hint: str | None = None, transient: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.transient = transient


class UnreachableError(DatabaseError):
    """No connection to the database could be made: nothing was done."""

    code = "database-unreachable"


class ConnectionLostError(DatabaseError):
    """The connection broke; of a transaction that was being committed nobody here knows the outcome."""

    code = "database-lost"


class SchemaRevisionError(DatabaseError):
    """The database's schema is older or newer than this program's."""

    code = "schema-revision"


class InspectionError(ModelregError):
    """The inspecting child process could not be started or understood (hostile files are findings, not this)."""

    code = "inspection"


class DocumentError(ModelregError):
    """A document (manifest, environment, facts) breaks its own grammar or bounds."""

    code = "document"


class LoadError(ModelregError):
    """Keras is not installed, or Keras failed on bytes whose verdict had passed."""

    code = "load"


class SigningError(ModelregError):
    """A key file cannot be read or written, or what holds the key (a program, a service, a token) does not sign."""

    code = "signing"


class PassphraseError(SigningError):
    """A protected key's passphrase is missing or wrong."""

    code = "passphrase"


class TrustError(ModelregError):
    """A trust store that cannot be taken, or taken no longer: nothing that it says is believed."""

    code = "trust"
    exit_status = 16


class TrustThresholdError(TrustError):
    """Too few distinct root keys have signed a trust store."""

    code = "trust-threshold"


class TrustRollbackError(TrustError):
    """A trust store is older than the trusted one, or is another under the same version."""

    code = "trust-rollback"


class TrustGapError(TrustError):
    """A trust store changes the roots, and is not the next version after the trusted one."""

    code = "trust-gap"


class TrustExpiredError(TrustError):
    """A trust store's time is over."""

    code = "trust-expired"


class TrustPinError(TrustError):
    """The roots of a trust store are not those whose fingerprint was given."""

    code = "trust-pin"


class UntrustedError(ModelregError):
    """A bundle's signature or certificates do not verify, or nobody who is trusted has signed."""

    code = "untrusted"
    exit_status = 16


class RefusedError(ModelregError):
    """A verdict refused; ``verdict`` holds every finding, the exit status is the sum of the refused kinds."""

    code = "refused"

    def __init__(self, message: str, *, verdict: Verdict, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.verdict = verdict
        self.exit_status = verdict.exit
