"""The log as a user of the registry meets it: its entries, its signed head, its proofs, its audit."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from modelreg.client.claim import utc_now
from modelreg.client.history import About, about
from modelreg.client.results import (
    AliasMoved,
    LogHead,
    LogLine,
    LogProven,
    Moved,
    Pushed,
    Signed,
    TrustAnnounced,
    Withdrawn,
)
from modelreg.config import Settings
from modelreg.db.leases import Leases
from modelreg.db.log import LeafRow
from modelreg.db.records import Index
from modelreg.digest.streams import Progress
from modelreg.errors import ConflictError, DocumentError, ModelregError, NotFoundError, SigningError, UsageError
from modelreg.findings import Severity
from modelreg.refs import parse_reference
from modelreg.store.base import Store
from modelreg.trust.leaf import LogLeaf

if TYPE_CHECKING:
    from modelreg.client.log_audit import LogAudit
    from modelreg.client.witnessing import Witnessed
    from modelreg.trust.note import NoteSigner
    from modelreg.trust.signer import Signer

Done = TypeVar("Done", Pushed, Signed, Moved, AliasMoved, Withdrawn, TrustAnnounced)


class Log:
    """The part of ``Registry`` that is about its log."""

    settings: Settings
    store: Store
    _index: Index
    _leases: Leases

    def log_entries(self, *, limit: int | None = None, after: int | None = None) -> tuple[LogLine, ...]:
        """The entries of the log in order: ``limit`` of them, from behind the position ``after``."""
        start = 0 if after is None else after + 1
        with self._index.reading_log() as log:
            end = log.size() if limit is None else min(log.size(), start + limit)
            rows = list(log.leaves(start, end))
            digests = [row.payload_sha256 for row in rows]
            abouts: dict[str, About] = {
                digest: About(found.model, found.version) for digest, found in log.versions_of(digests).items()
            }
            covering = log.covering([row.position for row in rows])
        with self._index.reading_statements() as table:
            abouts |= {digest: about(row) for digest, row in table.get(digests).items()}
        lines = []
        for row in rows:
            leaf, found = _parsed(row), abouts.get(row.payload_sha256, About())
            lines.append(
                LogLine(
                    row.position,
                    leaf.kind if leaf else "damaged",
                    row.payload_sha256,
                    leaf.signer_key_ids if leaf else (),
                    found.model,
                    found.version,
                    covering.get(row.position),
                    found.alias,
                )
            )
        return tuple(lines)

    def log_checkpoint(self, *, new_key: bool = False, dry_run: bool = False) -> LogHead:
        """Sign the head of the log now and keep it, so that every entry is covered.

        A head that is signed already is the answer again.  ``new_key`` lets another key go on than the one that signed
        before.  Raises ``NotFoundError`` for a log without entries and where no key is named, ``ConflictError`` for
        another key, ``SigningError`` for one that cannot be used, ``DatabaseError`` for damaged tables.
        """
        from modelreg.client.ledger import Covering

        signer = self._log_signer() if dry_run else self._log_signer() or self._made_log_signer()
        if signer is None:
            raise self._no_log_key()
        if dry_run:
            head = Covering(self.store, self._index, self._leases, self.settings.user.value, signer, new_key).head()
        else:
            head = self._cover(signer, new_key=new_key)
        if head is None:
            raise NotFoundError("the log has no entry yet, so there is nothing to sign", hint="modelreg push model.h5")
        return head

    def log_key(self) -> str:
        """The public key (C2SP vkey) of who signs the log here, for clients to trust.

        Raises ``NotFoundError`` where no key is named or there is none yet, ``SigningError`` for one that cannot be
        used.
        """
        from modelreg.trust.note import SignatureType

        signer = self._log_signer()
        if signer is None:
            raise self._no_log_key()
        return str(signer.key(SignatureType.ED25519))

    def log_proof(self, reference: str) -> LogProven:
        """The proof that a version is in the log, in one file that needs nobody to be checked (C2SP tlog-proof).

        Of several entries about it, the first with a signer is proved, or else the first.  Raises ``NotFoundError``
        where no signed checkpoint covers it, ``DatabaseError`` for damaged tables.
        """
        from modelreg.client.ledger import cosigned
        from modelreg.trust.proof import LogProof

        entry = self._index.resolve(parse_reference(reference))
        name = f"{entry.model}:{entry.version}"
        with self._index.reading_log() as log:
            newest = log.newest_checkpoint()
            covered = [row for row in log.about(entry.digest) if newest is not None and row.position < newest.size]
            if newest is None or not covered:
                raise NotFoundError(
                    f"no signed checkpoint of the log covers {name}",
                    hint="modelreg log checkpoint, by whoever has the log's key",
                )
            row = next((row for row in covered if (leaf := _parsed(row)) and leaf.signer_key_ids), covered[0])
            path, note = log.inclusion(row.position, newest.size), cosigned(log, newest)
        data = LogProof(row.leaf, row.position, path, note).to_bytes()
        return LogProven(entry.model, entry.version, entry.digest, row.position, newest.size, data)

    def log_audit(
        self, *, keys: Iterable[str] = (), known: Iterable[bytes] = (), progress: Progress | None = None
    ) -> LogAudit:
        """Read the whole log and every statement again from the store, and tell what cannot be so.

        ``keys`` are the log's public keys (C2SP vkeys), by default those that the trust store names for this registry,
        or the own log key's; where there is none, signatures are not checked, as the answer tells.  ``known`` are
        checkpoints, as notes, that somebody has kept.  Raises ``UsageError`` for what is no key or note of this log.
        """
        from modelreg.client.log_audit import audit_log
        from modelreg.client.logkey import log_keys

        origin = self._origin()
        trusted = log_keys(self.settings, origin, keys)
        return audit_log(self.store, self._index, origin, trusted, tuple(known), progress)

    def log_witness(self, signer: Signer, *, name: str, keys: Iterable[str] = (), dry_run: bool = False) -> Witnessed:
        """Co-sign the newest checkpoint as the witness ``name``, if the log has only grown since this one last did.

        ``keys`` are the log's public keys, as for ``log_audit``.  Raises ``UsageError`` where there is none,
        ``SigningError`` for a signer that is not Ed25519, ``UntrustedError`` for a log that did not grow from what was
        co-signed before: evidence is kept.
        """
        from modelreg.client.logkey import log_keys
        from modelreg.client.witnessing import witness, witness_memory
        from modelreg.trust.note import NoteSigner

        try:
            cosigner = NoteSigner(name, signer)
        except DocumentError as error:
            if signer.public.algorithm == "ed25519":
                raise UsageError(error.message, hint="--name witness.example.com") from None
            raise SigningError(
                error.message, hint="modelreg key generate NAME --algorithm ed25519 makes a key for a witness"
            ) from None
        origin = self._origin()
        trusted = log_keys(self.settings, origin, keys)
        if not trusted:
            raise UsageError(
                "no key of the log is known, so that nobody can tell whose checkpoint it is",
                hint="--log-key VKEY, as modelreg log key prints it where the log is signed",
            )
        return witness(self._index, origin, trusted, cosigner, witness_memory(cosigner), dry_run=dry_run)

    def _no_log_key(self) -> NotFoundError:
        path = self.settings.log_key.value
        if path is None:
            return NotFoundError(
                "no key signs the log here: the database is named, and the setting log_key is not",
                hint="MODELREG_LOG_KEY=FILE; modelreg key generate NAME --algorithm ed25519 --no-passphrase makes one",
            )
        return NotFoundError(
            f"there is no log key that can be read at {path}",
            hint="the first push makes it; if checkpoints were signed before, put it back from a backup",
        )

    def _origin(self) -> str:
        return self._index.registry_id(utc_now())

    def _log_signer(self) -> NoteSigner | None:
        """Who signs the log, asked before anything is written, so that a bad key is told in time."""
        if self.settings.log_key.value is None:
            return None
        from modelreg.client.logkey import log_signer

        return log_signer(self.settings, self._origin())

    def _made_log_signer(self) -> NoteSigner | None:
        """The same after the key was made where there is none, if nothing was signed with another before."""
        if self.settings.log_key.value is None:
            return None
        from modelreg.client.logkey import made_log_signer

        with self._index.reading_log() as log:
            is_signed = log.newest_checkpoint() is not None
        return None if is_signed else made_log_signer(self.settings, self._origin())

    def _covered(self, done: Done, signer: NoteSigner | None) -> Done:
        """``done``, which is committed, after the head of the log was signed; what prevented that is told in it."""
        try:
            signer = signer or self._made_log_signer()
            if signer is not None:
                self._cover(signer)
        except ModelregError as error:
            return dataclasses.replace(done, checkpoint_problem=error.message)
        return done

    def _cover(self, signer: NoteSigner, *, new_key: bool = False) -> LogHead | None:
        """Sign the head, if the log is one with what was last seen of it here; then that is what was seen.

        A database that was put back would make whoever signs it the author of a fork.  Raises ``ConflictError``.
        """
        from modelreg.client.ledger import Covering
        from modelreg.client.memory import look, remember_head

        _, problems = look(self._index, self.settings, None)
        for problem in problems:
            if problem.severity is Severity.REFUSE:
                raise ConflictError(f"the log was not signed: {problem.message}", hint=problem.fix)
        user = self.settings.user.value
        head = Covering(self.store, self._index, self._leases, user, signer, new_key).cover()
        if head is not None:
            remember_head(self.settings, head.note.encode())
        return head


def _parsed(row: LeafRow) -> LogLeaf | None:
    try:
        return LogLeaf.parse(row.leaf)
    except DocumentError:
        return None
