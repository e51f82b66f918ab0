"""The registry: the one place where store, database, inspection, rules and verification meet.

Longer than 400 lines, since what a method promises is told here and done elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack, cast

from modelreg import __version__
from modelreg.client.checks import Checks, accepted, accepted_bytes, policy_of, refuse
from modelreg.client.fetch import check_stored, fetch_files, write_side_folder
from modelreg.client.marks import Marks
from modelreg.client.placement import check_destination, place, resumable_folder, staging_folder
from modelreg.client.push import PushRequest, default_name, push, rehearse
from modelreg.client.results import Pulled, Pushed, Swept, Verified, Version
from modelreg.client.stores import open_store_of
from modelreg.client.travel import Travel
from modelreg.config import Settings, load_settings
from modelreg.db.leases import Leases
from modelreg.db.records import Index, no_model
from modelreg.digest.streams import Progress
from modelreg.environment import resolve_target
from modelreg.errors import DocumentError, UsageError
from modelreg.facets import VersionFilter
from modelreg.inspect import Inspector
from modelreg.manifest import GOLDEN_PATH, IndexEntry, Manifest, check_metadata
from modelreg.refs import parse_alias, parse_name, parse_place
from modelreg.rules import Purpose
from modelreg.store.base import Store
from modelreg.verify import Judgement

if TYPE_CHECKING:
    from modelreg.client.care import Checked, Healed
    from modelreg.client.diff import StoredVersion
    from modelreg.client.golden import GoldenRequest
    from modelreg.client.replay import Replayed, ReplayRequest
    from modelreg.client.signature_file import SignatureRequest
    from modelreg.comparison import ModelDifference
    from modelreg.db.session import Session
    from modelreg.trust.signer import Signer

TOOL = f"modelreg {__version__}"


class Registry(Marks, Travel):
    """A registry of models: a database that lists them and a store that holds their bytes.

    Open one with ``Registry.open``; it can be used as a context manager.  Every method that takes a ``reference``
    takes what the command line takes (``fraud``, ``fraud:3``, ``fraud@production``, ``fraud@sha256:...``) and raises
    ``UsageError`` or ``NotFoundError`` for one that names nothing.  What is refused raises ``RefusedError``, which
    carries the verdict.
    """

    def __init__(self, settings: Settings, store: Store, session: Session) -> None:
        self.settings = settings
        self.store = store
        self._session = session
        self._index = Index(session)
        self._leases = Leases(session)

    @classmethod
    def open(
        cls,
        *,
        home: str | Path | None = None,
        database_url: str | None = None,
        storage_url: str | None = None,
        settings: Settings | None = None,
        create: bool = True,
        pool_size: int | None = None,
    ) -> Self:
        """Open the registry that the arguments, the environment and the configuration files name.

        An absent registry is made, unless ``create`` is false; an absent store is not made for a database that lists
        versions, since it is more likely not mounted.  One connection to PostgreSQL is kept, and others are made while
        they are needed; a server with many threads gives ``pool_size``, which is kept and never exceeded (a push holds
        one from end to end).  Raises ``SchemaRevisionError`` for a database of an older or newer modelreg,
        ``DatabaseError`` and ``StoreError`` for what cannot be opened.
        """
        from modelreg.db import migrate
        from modelreg.db.session import Session

        given = {"home": home, "database_url": database_url, "storage_url": storage_url}
        flags = {name: str(value) for name, value in given.items() if value is not None}
        settings = settings or load_settings(flags)
        session = Session(settings.database_url.value, pool_size=pool_size)
        try:
            migrate.require_current(session, create=create)
            return cls(settings, open_store_of(Index(session), settings.storage_url.value, create=create), session)
        except BaseException:
            session.close()
            raise

    def close(self) -> None:
        """Close the database."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def push(  # noqa: PLR0913 - each is a word of the command line
        self,
        path: str | Path,
        *,
        name: str | None = None,
        aliases: Iterable[str] = (),
        metadata: Mapping[str, str] | None = None,
        environment: str = "current",
        allow: Iterable[str] = (),
        golden: int | GoldenRequest | None = None,
        once: bool = False,
        signer: Signer | None = None,
        dry_run: bool = False,
        progress: Progress | None = None,
        inspector: Inspector | None = None,
    ) -> Pushed:
        """Push a file or a folder as the next version of ``name`` (by default the file's stem).

        ``environment`` is where the model was made: ``current``, ``none``, a document, an interpreter or a
        requirements text.  ``golden`` samples are predicted by a child's Keras and kept, to be computed again by
        ``replay``: this runs the model, so its bytecode must be allowed (``MR301``); raises ``LoadError`` where that
        cannot be done.  With ``once`` a newest version of the same files and metadata is the answer, and no other is
        made: for a retry.  ``signer`` signs in the transaction that makes the version, so that nobody sees it unsigned;
        where it cannot, ``SigningError`` is raised and nothing is pushed.  With ``dry_run`` everything is found out and
        nothing is written.  ``inspector`` is a reader that was started earlier, so that its start overlaps with other
        work; it stays the caller's.
        """
        if not os.fspath(path):
            raise UsageError("the path of what to push is empty", hint="modelreg push model.h5")
        path = Path(path)
        metadata = dict(metadata or {})
        try:
            check_metadata(metadata)
        except DocumentError as error:
            raise UsageError(error.message) from None
        request = PushRequest(
            path=path,
            model=parse_name(default_name(path) if name is None else name),
            policy=policy_of(self.settings, Purpose.PUSH, allow=allow),
            pushed_by=self.settings.user.value,
            aliases=tuple(sorted({parse_alias(alias) for alias in aliases})),
            metadata=metadata,
            environment="current" if environment == "current" else resolve_target(environment),
            tool=TOOL,
            golden=_golden_request(golden),
            inspector=inspector,
            once=once,
            signer=signer,
        )
        if dry_run:
            return rehearse(request, progress)
        signer_of_log = self._log_signer()
        pushed = push(request, self.store, self._index, self._leases, progress)
        return self._covered(pushed, signer_of_log)

    def pull(
        self,
        reference: str,
        destination: str | Path | None = None,
        *,
        full: bool = False,
        force: bool = False,
        resume: bool = True,
        replay: ReplayRequest | None = None,
        dry_run: bool = False,
        progress: Progress | None = None,
        **checks: Unpack[Checks],
    ) -> Pulled:
        """Pull a version into the folder ``destination`` (by default the last part of its name, here).

        The verdict stands before a byte is fetched; each chunk is verified as it arrives; the folder appears whole,
        or not at all.  ``full`` checks the SHA-256 of every file too.  ``replay`` computes the golden predictions again
        before the folder appears, and refuses if they differ.  From a store over a network, an interrupted pull leaves
        a hidden folder beside the destination, and the same pull goes on from there, unless ``resume`` is false.
        Raises ``ConflictError`` for a destination that holds something, unless ``force`` says to replace it.
        """
        entry, judgement = self.judge(reference, Purpose.PULL, **checks)
        manifest = accepted(judgement, f"{entry.model}:{entry.version} was not pulled")
        folder = Path(destination) if destination is not None else Path(entry.model.rsplit("/", 1)[-1])
        check_destination(folder, force=force)
        if replay is not None:
            from modelreg.client.folder import replay_staged
            from modelreg.client.replay import require_golden

            require_golden(manifest)
        run, verdict = None, judgement.verdict
        if not dry_run:
            resumes = resume and self.store.properties.is_remote
            with resumable_folder(folder, entry.digest) if resumes else staging_folder(folder) as staging:
                self._fetch_with_golden(judgement, staging, full=full, progress=progress)
                if replay is not None:
                    policy = policy_of(self.settings, Purpose.PULL, **checks)
                    run, verdict = replay_staged(staging, judgement, policy, replay)
                self._require_same_state(entry, Purpose.PULL, checks)
                place(staging, folder)
        return Pulled(
            model=entry.model,
            version=entry.version,
            digest=entry.digest,
            folder=folder,
            files=tuple(file.path for file in manifest.files),
            size_bytes=manifest.size_bytes,
            verdict=verdict,
            dry_run=dry_run,
            replayed=run,
            signed_by=judgement.signed_by,
        )

    def _require_same_state(self, entry: IndexEntry, purpose: Purpose, checks: Checks) -> None:
        """Judge again what was withdrawn while its bytes were fetched; raises ``RefusedError``."""
        exactly = f"{entry.model}:{entry.version}@sha256:{entry.digest}"
        if self.resolve(exactly).withdrawn_at != entry.withdrawn_at:
            _, judgement = self.judge(exactly, purpose, **checks)
            accepted(judgement, f"{entry.model}:{entry.version} was not pulled")

    def _fetch_with_golden(
        self, judgement: Judgement, folder: Path, *, full: bool = False, progress: Progress | None = None
    ) -> Manifest:
        """The same as ``fetch``, with the folder beside the model that keeps manifest and golden predictions."""
        from modelreg.client.golden import fetch_golden

        manifest = self.fetch(judgement, folder, full=full, progress=progress)
        golden, findings = fetch_golden(self.store, manifest)
        accepted_bytes(judgement.verdict, findings, f"{manifest.model}:{manifest.version} was not pulled")
        write_side_folder(folder, judgement.manifest_bytes, golden, judgement.bundles)
        return manifest

    def fetch(
        self, judgement: Judgement, folder: Path, *, full: bool = False, progress: Progress | None = None
    ) -> Manifest:
        """Write the files of a judged version below ``folder``, verified; raises ``RefusedError`` if any byte differs.

        What stands in ``folder`` is to be used only after this returned.
        """
        manifest = accepted(judgement, "the version is refused")
        findings = fetch_files(self.store, manifest, folder, full=full, progress=progress)
        accepted_bytes(judgement.verdict, findings, f"{manifest.model}:{manifest.version} was not pulled")
        return manifest

    def verify(
        self,
        reference: str,
        *,
        full: bool = False,
        replay: ReplayRequest | None = None,
        signature: SignatureRequest | None = None,
        progress: Progress | None = None,
        **checks: Unpack[Checks],
    ) -> Verified:
        """Check a version where it lies in the store, every byte of it; raises ``RefusedError``.

        ``replay`` computes its golden predictions again, from a private copy.  ``signature`` is one over its files,
        made elsewhere, which must count besides; raises as ``verify_files``.
        """
        entry, judgement = self.judge(reference, Purpose.PULL, **checks)
        name, policy = f"{entry.model}:{entry.version}", policy_of(self.settings, Purpose.PULL, **checks)
        manifest, verdict = accepted(judgement, f"{name} is refused"), judgement.verdict
        found = run = None
        if signature is not None:
            from modelreg.client.signature_file import check_signature

            found, findings = check_signature(signature, self.settings, self.store, manifest)
            verdict = accepted_bytes(verdict, policy.settle(findings), f"{name} is refused")
        findings = check_stored(self.store, manifest, full=full, progress=progress)
        verdict = accepted_bytes(verdict, findings, f"{name} is refused")
        if replay is not None:
            from modelreg.client.replay import replay_if_allowed, require_golden
            from modelreg.replay import private_folder

            require_golden(manifest)
            with private_folder("replay") as folder:
                self._fetch_with_golden(judgement, folder)
                run, findings = replay_if_allowed(folder, manifest, folder / GOLDEN_PATH, policy, replay)
            verdict = accepted_bytes(verdict, findings, f"{name} is refused")
        signers = judgement.signed_by
        size_bytes = manifest.size_bytes
        return Verified(entry.model, entry.version, entry.digest, size_bytes, full, verdict, run, signers, found)

    def replay(
        self,
        reference: str,
        request: ReplayRequest | None = None,
        *,
        progress: Progress | None = None,
        **checks: Unpack[Checks],
    ) -> Replayed:
        """Compute the golden predictions of a version again, in this interpreter's Keras or another's, and compare.

        The model is run by a child process, from a private copy of the verified bytes.  No environment is judged
        unless ``target`` names one: this finds out what no rule knows.  What differs, or could not be computed, is
        in the verdict of the answer.  Raises ``NotFoundError`` for a version without golden predictions,
        ``RefusedError`` for a model that may not run (``allow=["MR301"]`` for one with bytecode), ``LoadError`` for
        an interpreter that has no Keras.
        """
        from modelreg.client.replay import Replayed, ReplayRequest, require_replayable, run_golden
        from modelreg.replay import private_folder

        checks.setdefault("target", "none")
        entry, judgement = self.judge(reference, Purpose.PULL, **checks)
        manifest = accepted(judgement, f"{entry.model}:{entry.version} was not replayed")
        policy = policy_of(self.settings, Purpose.PULL, **checks)
        require_replayable(manifest, policy)
        with private_folder("replay") as folder:
            self._fetch_with_golden(judgement, folder, progress=progress)
            run = run_golden(folder, manifest, folder / GOLDEN_PATH, policy, request or ReplayRequest())
        return Replayed.of(manifest, entry.digest, run, judgement.verdict, policy)

    def list(
        self,
        model: str | None = None,
        *,
        limit: int | None = None,
        after: str | None = None,
        matching: VersionFilter | None = None,
    ) -> tuple[IndexEntry, ...]:
        """Every version of every model, or of one, by name and number: ``limit`` of them, from behind ``after``.

        ``after`` is ``NAME:VERSION``, the last one of the page before.  ``matching``, made by ``parse_filter``, lets
        only some versions through.  Raises ``NotFoundError`` for a model that is not there.
        """
        place = parse_place(after) if after is not None else None
        name = parse_name(model) if model is not None else None
        found = self._index.versions(name, limit=limit, after=place, matching=matching)
        if model is not None and not found and not self._index.has_model(model):
            raise no_model(model)
        return found

    def names(self, prefix: str = "") -> tuple[str, ...]:
        """The names of all models that start with ``prefix``."""
        return self._index.names(prefix)

    def show(self, reference: str, **checks: Unpack[Checks]) -> Version:
        """Everything about a version, and what a pull of it would find; refuses only a manifest that lies."""
        entry, judgement = self.judge(reference, Purpose.PULL, **checks)
        if judgement.manifest is None:
            refuse(judgement.verdict, f"{entry.model}:{entry.version} cannot be shown")
        return Version(entry, cast(Manifest, judgement.manifest), judgement.verdict)

    def diff(
        self, left: str | Path, right: str | Path, *, values: bool = True, progress: Progress | None = None
    ) -> ModelDifference:
        """Everything in which ``right`` differs from ``left``; each is a reference, or a ``Path`` of a file or folder.

        With ``values`` the worst absolute difference of each changed tensor is told, for which bytes of a version are
        fetched.  Nothing is judged; raises ``RefusedError`` for a manifest or fetched bytes that are not what was
        pushed.
        """
        from modelreg.client.diff import diff_models

        ours, theirs = (side if isinstance(side, Path) else self._stored(side) for side in (left, right))
        return diff_models(ours, theirs, values=values, progress=progress)

    def _stored(self, reference: str) -> StoredVersion:
        from modelreg.client.diff import StoredVersion

        version = self.show(reference, target="none")
        return StoredVersion(version.reference, version.entry.digest, version.manifest, self.store)

    def gc(self, *, dry_run: bool = False, even_if_empty: bool = False) -> Swept:
        """Remove blobs that no version and no running push needs, and leftovers of pushes that died.

        Raises ``ConflictError`` for a database that lists nothing beside a store that holds manifests, unless
        ``even_if_empty`` says that they are to go.
        """
        from modelreg.client.sweep import preview, require_no_manifest, sweep

        if not even_if_empty and self._index.is_empty():
            require_no_manifest(self.store)
        if dry_run:
            return preview(self.store, self._leases)
        return sweep(self.store, self._leases, self.settings.user.value)

    def fsck(self, *, share: float = 0.0, progress: Progress | None = None) -> Checked:
        """Compare rows, manifests and blobs with each other, and read ``share`` (0 to 1) of the blobs to the end."""
        from modelreg.client.fsck import check

        return check(self.store, self._index, self._leases, share=share, progress=progress)

    def heal(
        self, checked: Checked, places: Iterable[str] = (), *, dry_run: bool = False, progress: Progress | None = None
    ) -> Healed:
        """Mend what ``fsck`` found: rows from their manifests, blobs from stores and pulled folders at ``places``."""
        from modelreg.client.heal import heal, rehearse_healing

        if dry_run:
            return rehearse_healing(checked, self._index, places)
        user = self.settings.user.value
        return heal(checked, self.store, self._index, self._leases, user, places, progress=progress)


def _golden_request(golden: int | GoldenRequest | None) -> GoldenRequest | None:
    if not isinstance(golden, int):
        return golden
    from modelreg.client.golden import GoldenRequest

    return GoldenRequest(golden)
