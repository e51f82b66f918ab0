"""What a log says of aliases and withdrawals up to one of its checkpoints: read through once, and kept as it grows.

Whoever shows a database can leave a row out; he cannot leave an entry out of a log whose root is signed.  A reader that
has read every entry up to a checkpoint knows the last move of each alias and every withdrawal, and no row can hide one.

Pure.  A view is a function of the entries before it alone, so that one that was kept can always be made again; it says
what was stated and where, and not whether those who signed may.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from modelreg.digest import sha256_hex
from modelreg.errors import DocumentError
from modelreg.records import canonical_json, from_json, json_key, parse_json, to_json
from modelreg.trust.base64_text import from_base64, to_base64
from modelreg.trust.leaf import LeafKind, LogLeaf
from modelreg.trust.merkle import Frontier, leaf_hash
from modelreg.trust.statements import Pointer, Recorded, Statement, Withdrawal, follows, statement_bytes

VIEW_TYPE = "urn:modelreg:log-view:v1"
VIEW_SIZE_BYTES_MAX = 256 * 1024 * 1024
"""A statement takes about 1 kB of it."""

_STATED = (LeafKind.POINTER, LeafKind.WITHDRAWAL)
_MANIFEST = b'{"kind":"manifest",'
"""How entries begin that say nothing of aliases and withdrawals, which are most."""

Alias = tuple[str, str]
Version = tuple[str, int, str]
"""A model, a number, and the digest of the manifest."""


@dataclass(frozen=True, slots=True)
class Said:
    """A statement, which entry it is, and the keys whose signatures were checked when it was logged."""

    index: int
    recorded: Recorded
    signers: tuple[str, ...]

    @property
    def statement(self) -> Statement:
        return self.recorded.statement


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the log, and the statement that it is about where that is one of an alias or a withdrawal."""

    leaf: bytes
    statement: bytes | None = None


def stated_digest(leaf: bytes) -> str | None:
    """The digest of the statement about an alias or a withdrawal that an entry names; ``None`` for another entry."""
    if leaf.startswith(_MANIFEST):
        return None
    try:
        found = LogLeaf.parse(leaf)
    except DocumentError:
        return None
    return found.payload_sha256 if found.kind in _STATED else None


@dataclass(frozen=True, slots=True)
class LogView:
    """The log ``origin`` up to ``frontier.size`` entries.

    ``pointers`` are the last moves of each alias that follow one on another; ``split`` is where a move first did not
    follow on the last one.  ``withdrawals`` are the first of each version.
    """

    origin: str
    frontier: Frontier = field(default_factory=Frontier)
    pointers: Mapping[Alias, Said] = field(default_factory=dict)
    withdrawals: Mapping[Version, Said] = field(default_factory=dict)
    split: Mapping[Alias, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return self.frontier.size

    def grown(self, entries: Iterable[Entry]) -> LogView:
        """This view with the entries behind it.

        Raises ``DocumentError`` for a statement that is not shown, is another than the one logged, or cannot be read:
        what it says could be what matters.
        """
        growing = GrowingView(self.origin, dict(self.pointers), dict(self.withdrawals), dict(self.split))
        frontier = self.frontier
        for entry in entries:
            growing.take(frontier.size, entry)
            frontier, _ = frontier.append(leaf_hash(entry.leaf))
        return LogView(self.origin, frontier, growing.pointers, growing.withdrawals, growing.split)

    @classmethod
    def parse(cls, data: bytes) -> LogView:
        """A view that was kept; raises ``DocumentError``."""
        what = "the kept view of the log"
        kept = from_json(_Kept, parse_json(data, what=what, size_bytes_max=VIEW_SIZE_BYTES_MAX), what=what)
        return kept.view()

    def to_bytes(self) -> bytes:
        return canonical_json(to_json(_Kept.of(self)))


@dataclass(slots=True)
class GrowingView:
    """A view that takes entry after entry, without their tree."""

    origin: str
    pointers: dict[Alias, Said] = field(default_factory=dict)
    withdrawals: dict[Version, Said] = field(default_factory=dict)
    split: dict[Alias, int] = field(default_factory=dict)

    def take(self, index: int, entry: Entry) -> None:
        """Take the next entry; raises ``DocumentError`` as ``LogView.grown``."""
        digest = stated_digest(entry.leaf)
        if digest is None:
            return
        leaf = LogLeaf.parse(entry.leaf)
        told = f"entry {index:,} of the log is the {leaf.kind} {digest}"
        if entry.statement is None:
            raise DocumentError(f"{told}, and it is not shown")
        if sha256_hex(entry.statement) != digest:
            raise DocumentError(f"{told}, and another is shown")
        recorded = Recorded.of(entry.statement)
        if recorded.statement.chain[0] != leaf.kind:
            raise DocumentError(f"{told}, and that is a {recorded.statement.chain[0]}")
        if recorded.statement.registry == self.origin:  # one of elsewhere says nothing of what is here
            self._put(Said(index, recorded, leaf.signer_key_ids))

    def _put(self, said: Said) -> None:
        statement = said.statement
        if isinstance(statement, Pointer):
            alias = statement.model, statement.alias
            before = self.pointers.get(alias)
            if before is not None and before.recorded.digest == said.recorded.digest:
                return  # logged once more
            if follows(before.recorded if before else None, statement):
                self.pointers[alias] = said
            elif before is None or statement.sequence > before.recorded.statement.sequence:
                self.split.setdefault(alias, said.index)
        elif isinstance(statement, Withdrawal):
            target = statement.target
            self.withdrawals.setdefault((statement.model, target.version, target.manifest), said)


@dataclass(frozen=True, slots=True)
class _KeptSaid:
    index: int
    statement: str = field(repr=False)
    signers: tuple[str, ...]

    @classmethod
    def of(cls, said: Said, data: bytes) -> _KeptSaid:
        return cls(said.index, to_base64(data), said.signers)

    def said(self) -> Said:
        return Said(self.index, Recorded.of(from_base64(self.statement, "a kept statement")), self.signers)


@dataclass(frozen=True, slots=True)
class _Split:
    model: str
    alias: str
    index: int


@dataclass(frozen=True, slots=True)
class _Kept:
    """A view as it is kept."""

    origin: str
    size: int
    hashes: tuple[str, ...]
    stated: tuple[_KeptSaid, ...]
    split: tuple[_Split, ...]
    type: str = field(default=VIEW_TYPE, metadata=json_key("_type"))

    def __post_init__(self) -> None:
        if self.type != VIEW_TYPE:
            raise DocumentError(f"{self.type[:80]!r} is no kept view of a log: {VIEW_TYPE}")

    @classmethod
    def of(cls, view: LogView) -> _Kept:
        every = sorted((*view.pointers.values(), *view.withdrawals.values()), key=lambda said: said.index)
        return cls(
            view.origin,
            view.size,
            tuple(hash_.hex() for hash_ in view.frontier.hashes),
            tuple(_KeptSaid.of(said, statement_bytes(said.statement)) for said in every),
            tuple(_Split(model, alias, index) for (model, alias), index in sorted(view.split.items())),
        )

    def view(self) -> LogView:
        try:
            frontier = Frontier(self.size, tuple(map(bytes.fromhex, self.hashes)))
        except ValueError as error:
            raise DocumentError(f"the kept view of the log holds what is no hash: {error}") from None
        pointers: dict[Alias, Said] = {}
        withdrawals: dict[Version, Said] = {}
        for kept in self.stated:
            said = kept.said()
            statement = said.statement
            if isinstance(statement, Pointer):
                pointers[statement.model, statement.alias] = said
            elif isinstance(statement, Withdrawal):
                withdrawals[statement.model, statement.target.version, statement.target.manifest] = said
        split = {(one.model, one.alias): one.index for one in self.split}
        return LogView(self.origin, frontier, pointers, withdrawals, split)
