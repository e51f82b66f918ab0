"""What a registry can do with versions as wholes: send them away in an archive, and take them in from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from modelreg.client.checks import evidence_of, policy_of, refuse
from modelreg.client.log import Log
from modelreg.client.results import Exported, Moved, Reindexed
from modelreg.client.stating import Speaker
from modelreg.digest.streams import Progress
from modelreg.errors import UsageError
from modelreg.findings import Verdict
from modelreg.manifest import IndexEntry
from modelreg.masking import masked
from modelreg.refs import parse_reference
from modelreg.rules import RULES, Mode, Policy, Purpose
from modelreg.verify import verify

if TYPE_CHECKING:
    from modelreg.client.moving import Receiver


class Travel(Log):
    """The part of ``Registry`` that moves versions."""

    def export(
        self,
        references: Iterable[str],
        destination: str | Path | BinaryIO,
        *,
        withdrawn: bool = False,
        force: bool = False,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> Exported:
        """Write versions into one archive, a file or a stream, every byte verified on the way.

        The same versions in the same state give the same bytes.  A file appears whole or not at all; of a stream only
        what was written before an error is there.  Raises ``RefusedError`` for a damaged version and, unless
        ``withdrawn`` says otherwise, for one that is withdrawn, which it stays where it is imported;
        ``ConflictError`` for a file that is there, unless ``force`` says to replace it.
        """
        from modelreg.client.packing import Nowhere, Packing, StreamWriter, archive_file, check_archive_path

        named = [self._index.resolve(parse_reference(reference)) for reference in references]
        entries = tuple({entry.digest: entry for entry in named}.values())
        if not entries:
            raise UsageError("nothing to export was named", hint="modelreg export fraud:3 -o fraud.tar")
        if not withdrawn:
            _refuse_withdrawn(entries)
        if isinstance(destination, str | Path):
            check_archive_path(Path(destination), force=force)
        policy = Policy(Purpose.PULL, Mode.NO_VERIFY)
        packing = Packing(self.store, entries, lambda entry: verify(evidence_of(self.store, entry), policy, None))
        done = packing.described(str(destination) if isinstance(destination, str | Path) else "-", dry_run=dry_run)
        if dry_run:
            packing.write(Nowhere(), progress)
        elif isinstance(destination, str | Path):
            with archive_file(Path(destination), done.size_bytes, force=force) as sink:
                packing.write(sink, progress)
        else:
            packing.write(StreamWriter(destination), progress)
        return done

    def import_archive(
        self,
        path: str | Path,
        *,
        aliases: bool = False,
        allow: Iterable[str] = (),
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> Moved:
        """Take in every version of an archive that ``export`` wrote, under its own name, number and digest.

        The files are read again, judged as at a push and held against the manifest's facts; ``allow`` are rules that
        only inform.  A version that is here already is left as it is, but for a withdrawal.  What was refused, or is in
        conflict with what is here, stands in the answer, and the others are taken in.  ``aliases`` moves the aliases
        that pointed at the versions.  Run again after an interruption, it goes on.  Raises ``RefusedError`` for a file
        that is no whole archive.
        """
        from modelreg.client.moving import inspector_on_demand
        from modelreg.client.packing import ArchiveSource

        receiver = self._receiver("import", aliases=aliases, allow=allow, dry_run=dry_run, progress=progress)
        signer_of_log = None if dry_run else self._log_signer()
        with ArchiveSource(Path(path)) as source, inspector_on_demand() as inspector:
            received = tuple(receiver.receive(source, offer, inspector) for offer in source.offers)
            moved = Moved(str(path), received, dry_run, source.archive.digest)
        return moved if dry_run else self._covered(moved, signer_of_log)

    def mirror(
        self,
        destination: Travel,
        *,
        filters: Iterable[str] = (),
        aliases: bool = False,
        allow: Iterable[str] = (),
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> Moved:
        """Let ``destination`` take in every version that it lacks, of the models that ``filters`` (``team/*``) name.

        Each is verified, read and judged there as by ``import_archive``, and bytes that are there are not fetched.
        Withdrawals go along always, ``aliases`` where they are asked for.  What was refused or is in conflict stands in
        the answer, and the others go on.  Run again, it goes on.  Both registries are asked by four threads, each of
        which holds two connections: one that was opened with ``pool_size`` needs eight.
        """
        from modelreg.client.mirroring import mirror, wanted_names

        receiver = destination._receiver("mirror", aliases=aliases, allow=allow, dry_run=dry_run, progress=progress)
        names = wanted_names(self._index.names(), filters)
        signer_of_log = None if dry_run else destination._log_signer()
        received = mirror(self.store, self._index, names, receiver)
        moved = Moved(masked(self.settings.database_url.value), received, dry_run)
        return moved if dry_run else destination._covered(moved, signer_of_log)

    def _receiver(
        self, what: str, *, aliases: bool, allow: Iterable[str], dry_run: bool, progress: Progress | None
    ) -> Receiver:
        from modelreg.client.moving import Receiver, Reception

        how = Reception(
            policy=policy_of(self.settings, Purpose.PUSH, allow=allow),
            speaker=Speaker("" if dry_run else self._origin(), self.settings.user.value),
            what=what,
            with_aliases=aliases,
            dry_run=dry_run,
            progress=progress,
        )
        return Receiver(self.store, self._index, self._leases, how)

    def unfiltered(self) -> int:
        """How many versions of an older modelreg no filter of ``list`` finds until ``reindex``."""
        return self._index.count_without_facets()

    def reindex(self) -> Reindexed:
        """Index what those versions are found by, from their manifests; what cannot be read is told and left."""
        from modelreg.client.reindex import reindex

        return reindex(self.store, self._index)


def _refuse_withdrawn(entries: Iterable[IndexEntry]) -> None:
    findings = tuple(
        RULES["MR501"].found(
            f"{entry.model}:{entry.version} was withdrawn on {entry.withdrawn_at[:10]}: {entry.withdrawn_reason}",
            fix="--withdrawn exports it all the same; it stays withdrawn where it is imported",
        )
        for entry in entries
        if entry.withdrawn_at is not None
    )
    refuse(Verdict(findings), "nothing was exported")
