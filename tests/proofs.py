"""A log in memory whose proofs can be had, and every way of forging them that a test tries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from modelreg.trust.merkle import (
    SIZE_MAX,
    Frontier,
    leaf_hash,
    node_hash,
    prove_consistency,
    prove_inclusion,
    verify_consistency,
    verify_inclusion,
)

FOREIGN = leaf_hash(b"of no log here")


@dataclass
class MemoryLog:
    """Every node by its place, every entry, and the root at every size."""

    nodes: dict[tuple[int, int], bytes] = field(default_factory=dict)
    entries: list[bytes] = field(default_factory=list)
    roots: list[bytes] = field(default_factory=lambda: [Frontier().root])
    frontier: Frontier = field(default_factory=Frontier)

    @classmethod
    def of(cls, size: int) -> MemoryLog:
        log = cls()
        for index in range(size):
            log.append(b"entry %d" % index)
        return log

    def append(self, entry: bytes) -> None:
        self.frontier, made = self.frontier.append(leaf_hash(entry))
        self.nodes.update({(node.level, node.index): node.hash for node in made})
        self.entries.append(entry)
        self.roots.append(self.frontier.root)

    def read(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]

    def inclusion(self, index: int, size: int) -> Inclusion:
        proof = prove_inclusion(self.read, index, size)
        return Inclusion(leaf_hash(self.entries[index]), index, size, proof, self.roots[size])

    def consistency(self, old: int, new: int) -> Consistency:
        return Consistency(old, self.roots[old], new, self.roots[new], prove_consistency(self.read, old, new))


def plain_root(entries: list[bytes]) -> bytes:
    """The root as RFC 6962 section 2.1 defines it, by recursion over all entries."""
    if not entries:
        return Frontier().root
    if len(entries) == 1:
        return leaf_hash(entries[0])
    split = max(1 << bit for bit in range(len(entries).bit_length()) if 1 << bit < len(entries))
    return node_hash(plain_root(entries[:split]), plain_root(entries[split:]))


@dataclass(frozen=True)
class Inclusion:
    """A claim of inclusion with its proof."""

    leaf: bytes
    index: int
    size: int
    proof: tuple[bytes, ...]
    root: bytes

    def holds(self) -> bool:
        return verify_inclusion(self.leaf, self.index, self.size, self.proof, self.root)

    def forged(self, roots: list[bytes]) -> Iterator[Inclusion]:
        """Every forgery: proof, leaf, root, index and size; ``roots`` are the log's at every size.

        Of the sizes only those of another height: for a leaf whose way up is the same in both trees a proof says
        nothing of the size, and need not, since a root is signed with its size.
        """
        yield from (replace(self, proof=proof) for proof in _bent(self.proof, (self.leaf, self.root, FOREIGN, b"")))
        yield from (replace(self, leaf=leaf) for leaf in (FOREIGN, self.root + b"\0", b"", _flipped(self.leaf)))
        yield from (replace(self, root=root) for root in {*roots, FOREIGN, b""} - {self.root})
        yield from (replace(self, index=index) for index in range(-1, self.size + 1) if index != self.index)
        yield from (replace(self, size=size) for size in (-1, 0, self.size // 2, self.size * 2, SIZE_MAX + 1))


@dataclass(frozen=True)
class Consistency:
    """A claim of consistency with its proof."""

    old: int
    old_root: bytes
    new: int
    new_root: bytes
    proof: tuple[bytes, ...]

    def holds(self) -> bool:
        return verify_consistency(self.old, self.old_root, self.new, self.new_root, self.proof)

    def forged(self, roots: list[bytes]) -> Iterator[Consistency]:
        """Every forgery, as for an inclusion."""
        added = (self.old_root, self.new_root, FOREIGN, b"")
        yield from (replace(self, proof=proof) for proof in _bent(self.proof, added))
        yield from (replace(self, old_root=root) for root in {*roots, FOREIGN, b""} - {self.old_root})
        yield from (replace(self, new_root=root) for root in {*roots, FOREIGN, b""} - {self.new_root})
        yield from (replace(self, old=old) for old in range(-1, self.new + 2) if old != self.old)
        yield from (replace(self, new=new) for new in (-1, 0, self.new // 2, self.new * 2, SIZE_MAX + 1))


def _bent(proof: tuple[bytes, ...], added: tuple[bytes, ...]) -> Iterator[tuple[bytes, ...]]:
    """Each element flipped, cut, dropped and doubled, two swapped, and others put in at every place."""
    changes: list[Callable[[bytes], tuple[bytes, ...]]] = [
        lambda hash_: (_flipped(hash_),),
        lambda hash_: (hash_[:-1],),
        lambda hash_: (),
        lambda hash_: (hash_, hash_),
    ]
    for place, hash_ in enumerate(proof):
        yield from ((*proof[:place], *change(hash_), *proof[place + 1 :]) for change in changes)
        if place:
            yield (*proof[: place - 1], hash_, proof[place - 1], *proof[place + 1 :])
    for place in range(len(proof) + 1):
        yield from ((*proof[:place], hash_, *proof[place:]) for hash_ in added)


def _flipped(hash_: bytes) -> bytes:
    return bytes((*hash_[:-1], hash_[-1] ^ 1))
