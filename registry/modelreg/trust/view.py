"""What a log says of aliases and withdrawals up to one of its checkpoints: read through once, and kept as it grows.

Whoever shows a database can leave a row out; he cannot leave an entry out of a log whose root is signed.  A reader that
has read every entry up to a checkpoint knows the last move of each alias and every withdrawal, and no row can hide one.

Pure.  A view is a function of the entries before it alone, so that one that was kept can always be made again; it says
what was stated and where, and not whether those who signed may.  Where its tables lie is for whoever keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from dataclasses import dataclass, field

from modelreg.digest import sha256_hex
from modelreg.errors import DocumentError
from modelreg.trust.leaf import LeafKind, LogLeaf
from modelreg.trust.merkle import Frontier, leaf_hash
from modelreg.trust.statements import Pointer, Recorded, Statement, Withdrawal, follows

_STATED = (LeafKind.POINTER, LeafKind.WITHDRAWAL)
_MANIFEST = b'{"kind":"manifest",'
"""How entries begin that say nothing of aliases and withdrawals, which are most."""

Alias = tuple[str, str]
Version = tuple[str, int, str]
"""A model, a number, and the digest of the manifest."""


@dataclass(frozen=True, slots=True)
class Said:
    """A statement with its exact bytes: which entry it is, and whose signatures were checked when it was logged."""

    index: int
    recorded: Recorded
    signers: tuple[str, ...]
    data: bytes = field(repr=False)

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


@dataclass(slots=True)
class LogView:
    """What the log ``origin`` says up to some entry.

    ``pointers`` are the last moves of each alias that follow one on another; ``split`` is where a move first did not
    follow on the last one.  ``withdrawals`` are the first of each version.
    """

    origin: str
    pointers: MutableMapping[Alias, Said] = field(default_factory=dict)
    withdrawals: MutableMapping[Version, Said] = field(default_factory=dict)
    split: MutableMapping[Alias, int] = field(default_factory=dict)

    def read(self, entries: Iterable[Entry], before: Frontier) -> Frontier:
        """Take the entries behind ``before``; returns the frontier with them.  Raises as ``take``."""

        def taken() -> Iterator[bytes]:
            for index, entry in enumerate(entries, before.size):
                self.take(index, entry)
                yield leaf_hash(entry.leaf)

        return before.extend(taken())

    def take(self, index: int, entry: Entry) -> None:
        """Take the entry ``index``, the next one.

        Raises ``DocumentError`` for a statement that is not shown, is another than the one logged, or cannot be read:
        what it says could be what matters.
        """
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
            self._put(Said(index, recorded, leaf.signer_key_ids, entry.statement))

    def _put(self, said: Said) -> None:
        statement = said.statement
        if isinstance(statement, Pointer):
            alias = statement.model, statement.alias
            before = self.pointers.get(alias)
            if follows(before.recorded if before else None, statement):
                self.pointers[alias] = said
            elif before is None or statement.sequence > before.recorded.statement.sequence:
                self.split.setdefault(alias, said.index)
        elif isinstance(statement, Withdrawal):
            target = statement.target
            self.withdrawals.setdefault((statement.model, target.version, target.manifest), said)
