"""What the registry's methods return: frozen values that print well in a notebook."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from modelreg.findings import Verdict
from modelreg.manifest import Golden, IndexedBundle, IndexEntry, Manifest

if TYPE_CHECKING:
    from modelreg.replay import PredictionRun


@dataclass(frozen=True, slots=True)
class Pushed:
    """A push that was committed, or with ``dry_run`` would have been (then ``version`` and ``digest`` are ``None``).

    ``same_model_as`` is the version before, if it holds the same weights and architecture.  ``already_there``: with
    ``once`` nothing was pushed, since ``version`` is the same push, made before.  ``signed_by`` is the id of the key
    that signed it.  ``checkpoint_problem`` is why the log's head could not be signed: the version is pushed and logged,
    and the next checkpoint will cover it.
    """

    model: str
    version: int | None
    digest: str | None
    size_bytes: int
    files: int
    container: str
    aliases: tuple[str, ...]
    verdict: Verdict
    dry_run: bool = False
    golden: Golden | None = None
    semantic_digest: str | None = None
    same_model_as: str | None = None
    already_there: bool = False
    signed_by: str | None = None
    checkpoint_problem: str | None = None

    @property
    def reference(self) -> str:
        return f"{self.model}:{self.version}" if self.version else self.model


@dataclass(frozen=True, slots=True)
class LogHead:
    """A signed checkpoint of the log ``origin`` at ``size`` entries, whose root in hex is ``root``.

    ``note`` is the C2SP signed note, ``record_sha256`` the blob that keeps it with its entries; ``None`` where nothing
    was kept.
    """

    origin: str
    size: int
    root: str
    note: str
    record_sha256: str | None


@dataclass(frozen=True, slots=True)
class LogProven:
    """The proof, as its file's bytes, that the manifest of a version is entry ``position`` of ``size`` in the log."""

    model: str
    version: int
    digest: str
    position: int
    size: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One entry of the log, as ``log show`` tells it.

    ``model`` and ``version`` are those of the index, where it lists the statement; of a move also the ``alias``, whose
    ``version`` is ``None`` where it was deleted.  ``signers`` are ids of the keys whose signatures were checked when it
    was logged; ``checkpoint`` is the size of the first one that covers it.
    """

    position: int
    kind: str
    payload_sha256: str
    signers: tuple[str, ...]
    model: str | None = None
    version: int | None = None
    checkpoint: int | None = None
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """A version and the bundles that the key with the id ``key_id`` made over it.

    ``checkpoint_problem``: as of ``Pushed``.
    """

    model: str
    version: int
    digest: str
    key_id: str
    bundles: tuple[IndexedBundle, ...]
    checkpoint_problem: str | None = None

    @property
    def reference(self) -> str:
        return f"{self.model}:{self.version}"


@dataclass(frozen=True, slots=True)
class Pulled:
    """A pull whose bytes are in ``folder``, every chunk verified; ``signed_by`` are the ids of trusted keys."""

    model: str
    version: int
    digest: str
    folder: Path
    files: tuple[str, ...]
    size_bytes: int
    verdict: Verdict
    dry_run: bool = False
    replayed: PredictionRun | None = None
    signed_by: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        return f"{self.model}:{self.version}"


@dataclass(frozen=True, slots=True)
class FoundSignature:
    """A signature in a file of its own that verified, and who made it.

    ``key_id`` is the id of the key, ``certificate`` the subject of the one that it stands in, if there is one.
    ``files`` is how many files it signs.
    """

    file: str
    key_id: str
    certificate: str | None
    files: int


@dataclass(frozen=True, slots=True)
class SignedFiles:
    """A check of files on disk against a signature; ``signature`` is ``None`` where it counts for nothing."""

    path: Path
    size_bytes: int
    signature: FoundSignature | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Verified:
    """A check of a version in the store, or of a pulled folder; ``full`` tells whether the SHA-256 was checked too.

    ``signed_by`` are the ids of the trusted keys that signed it, ``signature`` is one over its files that was given.
    """

    model: str | None
    version: int | None
    digest: str
    size_bytes: int
    full: bool
    verdict: Verdict
    replayed: PredictionRun | None = None
    signed_by: tuple[str, ...] = ()
    signature: FoundSignature | None = None

    @property
    def reference(self) -> str | None:
        return f"{self.model}:{self.version}" if self.model else None


@dataclass(frozen=True, slots=True)
class Version:
    """Everything about one version: its index entry, its manifest, and what a pull of it would find."""

    entry: IndexEntry
    manifest: Manifest
    verdict: Verdict

    @property
    def reference(self) -> str:
        return f"{self.entry.model}:{self.entry.version}"

    def _repr_html_(self) -> str:
        facts = self.manifest.facts
        rows = {
            "digest": f"sha256:{self.entry.digest}",
            "pushed": f"{self.entry.created_at} by {self.entry.pushed_by}",
            "aliases": ", ".join(self.entry.aliases),
            "format": facts.container.value,
            "Keras": facts.keras_version or "",
            "size": f"{self.entry.size_bytes:,} bytes in {len(self.entry.files)} files",
            "layers": ", ".join(f"{layer.name} ({layer.class_name})" for layer in facts.layers[:20]),
            "custom objects": ", ".join(wanted.class_name for wanted in facts.custom_objects),
        }
        cells = "".join(
            f"<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>" for key, value in rows.items() if value
        )
        return f"<h4>{escape(self.reference)}</h4><table>{cells}</table>{self.verdict._repr_html_()}"


@dataclass(frozen=True, slots=True)
class AliasMoved:
    """An alias that was moved or, with ``version`` ``None``, deleted; ``before`` is where it pointed.

    ``signed_by`` is the id of the key that signed the statement of it; ``checkpoint_problem`` is why no signed head of
    the log covers that, ``None`` where one does or nobody here signs the log.
    """

    model: str
    alias: str
    version: int | None
    before: int | None
    reason: str = ""
    signed_by: str | None = None
    checkpoint_problem: str | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """One move of an alias, as its statement says; ``version`` is ``None`` where it was deleted.

    ``signed_by`` are the keys that the envelope names, of which nothing is verified here; ``position`` is its entry in
    the log.  ``problem`` is why the statement cannot be read; then the rest is what the index says.
    """

    model: str
    alias: str
    sequence: int
    version: int | None
    digest: str | None
    reason: str
    by: str
    moved_at: str
    statement: str
    signed_by: tuple[str, ...] = ()
    position: int | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A version that will be refused from now on; see ``AliasMoved`` for the last two."""

    model: str
    version: int
    reason: str
    withdrawn_at: str
    signed_by: str | None = None
    checkpoint_problem: str | None = None


@dataclass(frozen=True, slots=True)
class TrustAnnounced:
    """A version of a trust store that the log tells of, by the SHA-256 of its file; see ``AliasMoved`` for the rest."""

    version: int
    fingerprint: str
    reason: str
    signed_by: str | None = None
    checkpoint_problem: str | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """An archive that was written to ``path``, or with ``dry_run`` would be; ``digest`` is that of its index."""

    path: str
    digest: str
    size_bytes: int
    blobs: int
    versions: tuple[IndexEntry, ...]
    dry_run: bool = False


class Outcome(enum.StrEnum):
    """What became of a version of elsewhere."""

    NEW = "new"
    PRESENT = "present"
    """It was here already, under the same digest."""
    CONFLICT = "conflict"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Received:
    """What became of one version of elsewhere, and why it was not taken in.

    ``withdrawn`` says that it is withdrawn here since now; ``aliases`` are those that were moved.
    """

    model: str
    version: int
    digest: str
    outcome: Outcome
    size_bytes: int = 0
    withdrawn: bool = False
    aliases: tuple[AliasMoved, ...] = ()
    reason: str | None = None
    verdict: Verdict | None = None

    @property
    def reference(self) -> str:
        return f"{self.model}:{self.version}"


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of every version that ``source``, an archive or a registry, offered; by name and number.

    With ``dry_run`` everything was found out and nothing was written.  ``checkpoint_problem``: as of ``Pushed``.
    """

    source: str
    versions: tuple[Received, ...]
    dry_run: bool = False
    digest: str | None = None
    """That of the archive."""
    checkpoint_problem: str | None = None

    @property
    def exit(self) -> int:
        """The exit bits of all that was refused; failing that 1 for a conflict, and 0 if all is well."""
        verdicts = [each.verdict for each in self.versions if each.verdict and each.outcome is Outcome.REFUSED]
        refused = Verdict(tuple(finding for verdict in verdicts for finding in verdict.findings)).exit
        return refused or int(any(each.outcome is Outcome.CONFLICT for each in self.versions))


@dataclass(frozen=True, slots=True)
class Reindexed:
    """How many versions filters find now that they did not before; ``unreadable`` are without their manifests."""

    filled: int
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LeaseHolder:
    """Somebody at work beside a sweep, whose ``blobs`` blobs it left alone."""

    id: str
    holder: str
    begun_at: str
    blobs: int


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep removed, or with ``dry_run`` would remove: unreferenced blobs and leftovers of dead pushes.

    ``kept`` blobs are needed by a version or by somebody of ``leases``.
    """

    blobs: tuple[str, ...]
    leftovers: int
    size_bytes: int
    kept: int
    dry_run: bool
    leases: tuple[LeaseHolder, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One line of ``doctor``: ``ok`` is ``None`` for a plain statement."""

    name: str
    ok: bool | None
    detail: str
    hint: str | None = None
