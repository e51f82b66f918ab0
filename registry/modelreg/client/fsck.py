"""The check: rows against manifests against blobs, and the bytes of as many blobs as are asked for; changes nothing.

The order is what makes it right beside pushes and sweeps.  Rows are read first: what they name was published before
them, and no sweep takes it.  The store is listed next, and only then is it asked what nobody names.  What a listing
does not have is asked for by name before it counts as missing, since a listing may be stale.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from modelreg.client.care import Checked, Need, Problem, ProblemKind
from modelreg.client.manifests import WrongBytesError, find_manifests, read_manifest_bytes
from modelreg.client.reading import is_chosen, read_blob, window_start
from modelreg.client.results import LeaseHolder
from modelreg.client.several import at_once
from modelreg.client.sweep import abandoned
from modelreg.db.leases import Leases
from modelreg.db.records import Index
from modelreg.db.rows import FacetRow, IndexedFacets, VersionRows, rows_of
from modelreg.digest import is_sha256
from modelreg.digest.streams import Progress, begin_phase
from modelreg.errors import BlobMissingError, DocumentError, StoreError
from modelreg.manifest import GOLDEN_PATH, IndexEntry, Manifest, parse_manifest
from modelreg.records import DOCUMENT_SIZE_BYTES_MAX
from modelreg.store.base import BlobInfo, Store

MANIFEST = "its manifest"
SIGNATURE = "a signature"
LOG = "the log"
RECORD = "a record"
STATEMENT = "a statement"
PAGE_ROWS = 1000
PAGE_FACETS = 100
"""Versions whose facets are asked for at once; one can have hundreds."""
SHOWN_MAX = 3
DAY_S = 86_400
FROM_ELSEWHERE = "modelreg fsck --repair --from a store or a pulled folder that has it"


def check(
    store: Store, index: Index, leases: Leases, *, share: float = 0.0, progress: Progress | None = None
) -> Checked:
    """Compare everything with everything; of the blobs that versions need, ``share`` (0 to 1) is read to the last byte.

    Raises ``StoreError`` and ``DatabaseError`` for what cannot be reached: then nothing is known.
    """
    rows = tuple(_rows(index))
    with index.reading_log() as log:
        records = tuple(checkpoint.record_sha256 for checkpoint in log.checkpoints())
    with index.reading_statements() as table:
        statements = table.blobs()
    staged = tuple(store.staged())
    listed = {blob.sha256: blob for blob in store.blobs()}
    sentence = leases.preview(listed)
    checking = _Checking(store, listed, progress)
    histories: dict[str, list[_Row]] = {}
    begin_phase(progress, "checking", sum(listed[row.digest].size_bytes for row in rows if row.digest in listed))
    for row in at_once(store, checking.read_row, _with_facets(index, rows)):
        checking.take(row)
        histories.setdefault(row.entry.model, []).append(row)
    checking.merge_needs()
    for digests, what in ((records, RECORD), (statements, STATEMENT)):
        checking.needs.update({Need(sha256): {LOG: what} for sha256 in digests if is_sha256(sha256)})
    problems = [*checking.problems, *checking.blob_problems()]
    read_blobs, read_bytes, found = checking.read_blobs(share)
    problems += found
    for history in histories.values():
        problems += _chain_problems(history)
    problems += _stray_problems(index)
    orphans = tuple(sorted(sentence.blobs - {need.sha256 for need in checking.needs}))
    leftovers = abandoned(sentence, staged)
    unlisted = find_manifests(
        store, (listed[sha256] for sha256 in orphans), keep=lambda found: found.sha256 if found.manifest else ""
    )
    return Checked(
        problems=tuple(sorted(problems, key=lambda problem: (problem.kind, problem.versions, problem.blob or ""))),
        models=len(histories),
        versions=len(rows),
        blobs=len(listed),
        share=share,
        read_blobs=read_blobs,
        read_bytes=read_bytes,
        orphans=orphans,
        orphan_bytes=sum(listed[sha256].size_bytes for sha256 in orphans),
        unlisted=tuple(filter(None, unlisted)),
        leftovers=len(leftovers),
        leftover_bytes=sum(info.size_bytes for info in leftovers),
        leases=tuple(LeaseHolder(info.id, info.holder, info.begun_at, info.blobs) for info in sentence.living),
    )


def _rows(index: Index) -> Iterator[IndexEntry]:
    after: tuple[str, int] | None = None
    while page := index.versions(limit=PAGE_ROWS, after=after):
        yield from page
        after = page[-1].model, page[-1].version


def _with_facets(index: Index, rows: Sequence[IndexEntry]) -> Iterator[tuple[IndexEntry, IndexedFacets]]:
    for begin in range(0, len(rows), PAGE_FACETS):
        page = rows[begin : begin + PAGE_FACETS]
        found = index.facets(entry.digest for entry in page)
        yield from ((entry, found.get(entry.digest, IndexedFacets())) for entry in page)


@dataclass(frozen=True, slots=True)
class _Row:
    """A row, and the manifest under its digest as far as it can be read."""

    entry: IndexEntry
    told: IndexEntry | None = None
    previous: str | None = None
    needs: tuple[tuple[str, Need], ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.entry.model}:{self.entry.version}"


@dataclass(slots=True)
class _Checking:
    """What one check has gathered: every need of a blob, with the paths under which versions know it."""

    store: Store
    listed: Mapping[str, BlobInfo]
    progress: Progress | None
    needs: dict[Need, dict[str, str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def read_row(self, given: tuple[IndexEntry, IndexedFacets]) -> _Row:
        """The manifest of a version's rows, verified and compared with them."""
        entry, found = given
        manifest, problem = self._manifest(entry)
        if manifest is None:
            return _Row(
                entry, None, None, (*_needs_of_row(entry), *_needs_of_bundles(entry)), (problem,) if problem else ()
            )
        told = rows_of(manifest, entry.digest)
        differs = _row_problem(entry, found, told)
        needs = (*_needs_of(manifest), *_needs_of_bundles(entry))
        return _Row(entry, told.entry, manifest.previous, needs, (differs,) if differs else ())

    def take(self, row: _Row) -> None:
        """Note what a row needs; of two manifests' needs that are the same one is kept."""
        self.problems += row.problems
        for path, need in row.needs:
            self.needs.setdefault(need, {}).setdefault(row.name, path)

    def merge_needs(self) -> None:
        """What a row needs whose manifest is damaged is mostly what an intact manifest needs too, and knows better."""
        known = {(need.sha256, need.size_bytes): need for need in self.needs if need.digest is not None}
        for need in [need for need in self.needs if need.digest is None]:
            better = known.get((need.sha256, need.size_bytes))
            if better is not None:
                self.needs[better] = self.needs.pop(need) | self.needs[better]

    def _manifest(self, entry: IndexEntry) -> tuple[Manifest | None, Problem | None]:
        name, need = f"{entry.model}:{entry.version}", Need(entry.digest)
        if not is_sha256(entry.digest):
            return None, Problem(
                ProblemKind.ROW_DIFFERS,
                f"{name}: the row's digest is {entry.digest[:80]!r}, which is no SHA-256",
                (name,),
                fix="modelreg db rebuild, into an empty database",
            )
        size_bytes = self._size_bytes(entry.digest)
        if size_bytes is None:
            return None, _missing(need, {name: MANIFEST})
        if size_bytes > DOCUMENT_SIZE_BYTES_MAX:
            return None, _damaged(ProblemKind.CHANGED_BLOB, need, {name: MANIFEST}, f"has {size_bytes:,} bytes")
        try:
            data = read_manifest_bytes(self.store, entry.digest)
        except WrongBytesError as error:
            what = f"is not what was written: its {len(error.data):,} bytes have another SHA-256"
            return None, _damaged(ProblemKind.CHANGED_BLOB, need, {name: MANIFEST}, what)
        except BlobMissingError:
            return None, _missing(need, {name: MANIFEST})
        except StoreError as error:
            if self.store.properties.is_remote:
                raise
            what = f"cannot be read ({error.message})"
            return None, _damaged(ProblemKind.UNREADABLE_BLOB, need, {name: MANIFEST}, what)
        if self.progress:
            self.progress(len(data))
        try:
            return parse_manifest(data), None
        except DocumentError as error:
            return None, Problem(
                ProblemKind.BAD_MANIFEST,
                f"{name}: the manifest has the right digest and cannot be read: {error.message}",
                (name,),
                entry.digest,
                fix=error.hint or "nothing here can mend it: it was stored like this",
            )

    def _size_bytes(self, sha256: str) -> int | None:
        """What the store says, by its listing or when it is asked by name; ``None`` where it has no such blob."""
        if sha256 in self.listed:
            return self.listed[sha256].size_bytes
        try:
            with contextlib.closing(self.store.open(sha256)) as blob:
                return blob.size_bytes
        except BlobMissingError:
            return None

    def _is_there(self, need: Need) -> bool:
        size_bytes = self._size_bytes(need.sha256)
        return size_bytes is not None and need.size_bytes in (None, size_bytes)

    def blob_problems(self) -> list[Problem]:
        """What the listing alone tells of the blobs: which are missing, which have another size."""
        problems = []
        for need, users in self.needs.items():
            size_bytes = self._size_bytes(need.sha256)
            if size_bytes is None:
                problems.append(_missing(need, users))
            elif need.size_bytes not in (None, size_bytes):
                what = f"has {size_bytes:,} bytes of {need.size_bytes:,}"
                problems.append(_damaged(ProblemKind.WRONG_SIZE, need, users, what))
        return problems

    def read_blobs(self, share: float) -> tuple[int, int, list[Problem]]:
        """Read the blobs that today's share chooses; how many, how many bytes, and what was wrong with them."""
        start = window_start(int(time.time() // DAY_S))
        chosen = [need for need in self.needs if is_chosen(need.sha256, start, share) and self._is_there(need)]

        size_bytes = sum(need.size_bytes or 0 for need in chosen)
        begin_phase(self.progress, "reading", size_bytes)

        def read(need: Need) -> Problem | None:
            found = read_blob(self.store, need, self.progress)
            return None if found is None else _damaged(found[0], need, self.needs[need], found[1])

        problems = [problem for problem in at_once(self.store, read, chosen) if problem is not None]
        return len(chosen), size_bytes, problems


def _needs_of(manifest: Manifest) -> tuple[tuple[str, Need], ...]:
    needs = [(entry.path, Need(entry.sha256, entry.size_bytes, entry.digest)) for entry in manifest.files]
    if manifest.golden is not None:
        needs.append((GOLDEN_PATH, Need(manifest.golden.sha256, manifest.golden.size_bytes)))
    return tuple(needs)


def _needs_of_row(entry: IndexEntry) -> tuple[tuple[str, Need], ...]:
    """What a version needs by its row alone, where there is no manifest to say it."""
    return tuple((file.path, Need(file.sha256, file.size_bytes)) for file in entry.files if is_sha256(file.sha256))


def _needs_of_bundles(entry: IndexEntry) -> tuple[tuple[str, Need], ...]:
    """The version's signatures, whose size only the store tells."""
    return tuple((SIGNATURE, Need(bundle.sha256)) for bundle in entry.bundles if is_sha256(bundle.sha256))


def _users(users: Mapping[str, str]) -> str:
    """``fraud:1 (model.h5) and 3 more versions``."""
    (version, path), *more = users.items()
    others = "1 more version" if len(more) == 1 else f"{len(more)} more versions"
    return f"{version} ({path})" + (f" and {others}" if more else "")


def _missing(need: Need, users: Mapping[str, str]) -> Problem:
    return _damaged(ProblemKind.MISSING_BLOB, need, users, "is missing")


def _damaged(kind: ProblemKind, need: Need, users: Mapping[str, str], what: str) -> Problem:
    message = f"blob sha256:{need.sha256} of {_users(users)} {what}"
    versions = tuple(user for user in users if user != LOG)
    if kind is ProblemKind.WRONG_CHUNKS:  # the blob is good, and the manifest can be no other
        return Problem(kind, message, versions, need.sha256, "push the version again and withdraw this one")
    fix = FROM_ELSEWHERE if versions else "modelreg fsck --repair makes it again from the database"
    return Problem(kind, message, versions, need.sha256, fix, need)


_COMPARED = tuple(
    item.name
    for item in dataclasses.fields(IndexEntry)
    if item.name not in ("digest", "withdrawn_at", "withdrawn_reason", "aliases", "bundles")
)


def _row_problem(entry: IndexEntry, found: IndexedFacets, rows: VersionRows) -> Problem | None:
    """What the manifest says otherwise than the rows, in every column that is the manifest's to say."""
    told = rows.entry
    shown = [_difference(name, entry, told) for name in _COMPARED if getattr(entry, name) != getattr(told, name)]
    shown += _facet_differences(found, rows)
    if not shown:
        return None
    name = f"{entry.model}:{entry.version}"
    is_same_version = (entry.model, entry.version) == (told.model, told.version)
    return Problem(
        ProblemKind.ROW_DIFFERS,
        f"{name}: the row disagrees with its manifest: {'; '.join(shown)}",
        (name,),
        entry.digest,
        "modelreg fsck --repair" if is_same_version else "modelreg db rebuild, into an empty database",
        entry=told if is_same_version else None,
    )


def _difference(column: str, entry: IndexEntry, told: IndexEntry) -> str:
    here, there = getattr(entry, column), getattr(told, column)
    if column == "files":
        return f"files {_few({file.path for file in set(here) ^ set(there)})}"
    return f"{column} is {str(here)[:80]!r}, the manifest says {str(there)[:80]!r}"


def _facet_differences(found: IndexedFacets, told: VersionRows) -> Iterator[str]:
    wanted = frozenset(() if found.is_due else told.found_by)
    if foreign := found.rows - wanted:
        yield f"it is found by {_few(_shown(row, told.entry) for row in foreign)}, which the manifest does not say"
    if missing := wanted - found.rows:
        yield f"it is not found by {_few(_shown(row, told.entry) for row in missing)}"


def _shown(row: FacetRow, entry: IndexEntry) -> str:
    is_its = (row.model, row.version) == (entry.model, entry.version)
    of_another = "" if is_its else f"of {row.model}:{row.version}"
    return " ".join(filter(None, (row.kind, row.key, row.value, of_another)))[:80]


def _few(texts: Iterable[str]) -> str:
    shown = sorted(set(texts))
    return f"{', '.join(map(repr, shown[:SHOWN_MAX]))}{' and more' if len(shown) > SHOWN_MAX else ''}"


def _chain_problems(history: list[_Row]) -> Iterator[Problem]:
    """Numbers that are missing in a model, and manifests that name another predecessor than the row before."""
    by_number = {row.entry.version: row for row in history}
    expected = 1
    for row in history:
        if row.entry.version > expected:
            yield _gap(row.entry.model, expected, row.entry.version - 1)
        expected = row.entry.version + 1
        before = by_number.get(row.entry.version - 1)
        if row.told is not None and before is not None and row.previous != before.entry.digest:
            yield Problem(
                ProblemKind.BROKEN_CHAIN,
                f"{row.name} was pushed after sha256:{row.previous}, and {before.name} is sha256:{before.entry.digest}",
                (before.name, row.name),
                fix=f"modelreg show {before.name}; a signed manifest decides which is the true one",
            )


def _gap(model: str, first: int, last: int) -> Problem:
    missing = f"version {first} is" if first == last else f"versions {first} to {last} are"
    return Problem(
        ProblemKind.GAP,
        f"{model}: {missing} missing, and versions are never deleted",
        (f"{model}:{first}", f"{model}:{last}")[: 1 if first == last else 2],
        fix="modelreg db rebuild --add, if the manifests are still in the store",
    )


def _stray_problems(index: Index) -> Iterator[Problem]:
    for model, alias in index.stray_aliases():
        yield Problem(
            ProblemKind.DANGLING_ALIAS,
            f"{model}@{alias} points at no version of {model}",
            (f"{model}@{alias}",),
            fix="modelreg fsck --repair removes it; point it anew then",
            alias=(model, alias),
        )
    for table, count in index.stray_rows().items():
        yield Problem(
            ProblemKind.DANGLING_ROW,
            f"{count:,} rows of the table {table!r} belong to nothing: somebody changed the database by hand",
            fix="modelreg db rebuild, into an empty database",
        )
