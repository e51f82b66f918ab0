"""The Merkle tree of the log (RFC 6962, RFC 9162): hashes, an append-only frontier, and proofs both ways.

The hash of a *node* ``(level, index)`` covers the ``2**level`` leaves from ``index * 2**level`` on.  Only whole nodes
exist; once there, a node never changes, so that any table, folder of tiles or dictionary can serve them.

Invariants:

* an append needs the frontier and nothing else, and makes one node for each level that it completes;
* a proof is made from nodes that somebody else keeps, and is checked from scratch by functions that trust nobody:
  whatever stands in a proof, they answer yes or no, and its length is decided by index and size before anything is
  hashed;
* a leaf can never pass as a node (RFC 6962 section 2.1: leaves are hashed behind 0x00, nodes behind 0x01).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from modelreg.errors import DocumentError

HASH_SIZE_BYTES = 32
SIZE_MAX = 2**53 - 1
"""The largest integer of a canonical document."""
PROOF_LENGTH_MAX = 54
"""Of any proof in such a log: a hash for each level, and the one that a consistency proof begins with."""

EMPTY_ROOT = hashlib.sha256().digest()
"""The root of no leaves at all."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of one entry."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two neighbours."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Node:
    """A whole node and its hash, as an append hands it out to be kept."""

    level: int
    index: int
    hash: bytes


class NodeReader(Protocol):
    """Where whole nodes are kept: a table, tiles, a dictionary."""

    def __call__(self, level: int, index: int) -> bytes:
        """The hash of a node that was handed out by an append; what it raises for another passes through."""
        ...


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that an append needs of a tree: its size, and the hashes of the widest whole nodes that cover it, left first.

    There is one for each one-bit of the size.  Raises ``DocumentError`` if there is not.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= SIZE_MAX:
            raise DocumentError(f"a log cannot have {self.size} entries: 0 to {SIZE_MAX:,}")
        if len(self.hashes) != self.size.bit_count() or not _are_hashes(self.hashes):
            raise DocumentError(
                f"{len(self.hashes)} hashes are no frontier of {self.size:,} entries, which has {self.size.bit_count()}"
            )

    @classmethod
    def read(cls, nodes: NodeReader, size: int) -> Frontier:
        """The frontier of the first ``size`` leaves; as many reads as the size has one-bits."""
        return cls(size, tuple(nodes(level, index) for level, index in cls.places(size)))

    @staticmethod
    def places(size: int) -> tuple[tuple[int, int], ...]:
        """Level and index of the nodes that are the frontier of ``size`` leaves, left first."""
        return tuple(_cover(0, size))

    @property
    def root(self) -> bytes:
        """The root over every leaf so far."""
        return _fold(self.hashes)

    def append(self, leaf: bytes) -> tuple[Frontier, tuple[Node, ...]]:
        """The frontier with one more leaf, given by its hash, and the nodes that this made, the leaf's own first."""
        hashes = list(self.hashes)
        made = [Node(0, self.size, leaf)]
        while made[-1].index & 1:
            last = made[-1]
            made.append(Node(last.level + 1, last.index >> 1, node_hash(hashes.pop(), last.hash)))
        return Frontier(self.size + 1, (*hashes, made[-1].hash)), tuple(made)

    def extend(self, leaves: Iterable[bytes]) -> Frontier:
        """The frontier with more leaves, given by their hashes; what ``append`` makes of them one by one."""
        hashes, size = list(self.hashes), self.size
        for leaf in leaves:
            hash_, place = leaf, size
            while place & 1:
                hash_, place = node_hash(hashes.pop(), hash_), place >> 1
            hashes.append(hash_)
            size += 1
        return Frontier(size, tuple(hashes))


def prove_inclusion(nodes: NodeReader, index: int, size: int) -> tuple[bytes, ...]:
    """The audit path (RFC 6962 section 2.1.1) of leaf ``index`` in the tree of the first ``size`` leaves.

    Raises ``DocumentError`` if there is no such leaf.
    """
    if not 0 <= index < size <= SIZE_MAX:
        raise DocumentError(f"a log of {size} entries has no entry {index}")
    path = []
    start, end = 0, size
    while end - start > 1:
        middle = _middle(start, end)
        if index < middle:
            path.append(_range_root(nodes, middle, end))
            end = middle
        else:
            path.append(_range_root(nodes, start, middle))
            start = middle
    return tuple(reversed(path))


def prove_consistency(nodes: NodeReader, old: int, new: int) -> tuple[bytes, ...]:
    """The proof (RFC 6962 section 2.1.2) that the tree of ``new`` leaves begins with that of ``old`` leaves.

    It is empty for equal sizes and for ``old`` 0, with which everything is consistent.  Raises ``DocumentError`` if
    the old tree is the larger one.
    """
    if not 0 <= old <= new <= SIZE_MAX:
        raise DocumentError(f"a log of {new} entries cannot begin with one of {old}")
    if old == 0:
        return ()
    path = []
    start, end = 0, new
    while end != old:
        middle = _middle(start, end)
        if old <= middle:
            path.append(_range_root(nodes, middle, end))
            end = middle
        else:
            path.append(_range_root(nodes, start, middle))
            start = middle
    if start:  # else the old root itself is the node to begin with, and its holder knows it
        path.append(_range_root(nodes, start, end))
    return tuple(reversed(path))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether ``proof`` shows that the entry with the hash ``leaf`` is number ``index`` of the tree under ``root``."""
    if not 0 <= index < size <= SIZE_MAX:
        return False
    inner, border = _path_lengths(index, size)
    if len(proof) != inner + border or not _are_hashes((leaf, root, *proof)):
        return False
    return _climb(leaf, _sides(index, inner, proof)) == root


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether ``proof`` shows that the tree of ``new`` leaves begins with, leaf by leaf, the one of ``old`` leaves."""
    if not 0 <= old <= new <= SIZE_MAX or not _are_hashes((old_root, new_root)):
        return False
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    # The way up begins at the widest whole node that ends where the old tree does; where that is all of it, its root.
    level = (old & -old).bit_length() - 1
    is_known = old == 1 << level
    inner, border = _path_lengths(old - 1, new)
    if len(proof) != inner - level + border + (not is_known) or not _are_hashes(proof):
        return False
    seed, path = (old_root, proof) if is_known else (proof[0], proof[1:])
    sides = tuple(_sides((old - 1) >> level, inner - level, path))
    return _climb(seed, (side for side in sides if side.stands_left)) == old_root and _climb(seed, sides) == new_root


@dataclass(frozen=True, slots=True)
class _Side:
    """A neighbour on the way up, and on which side of us it stands."""

    hash: bytes
    stands_left: bool


def _path_lengths(index: int, size: int) -> tuple[int, int]:
    """How many neighbours a leaf has on its way up: where they can stand on both sides, and then only on the left.

    The first part ends where the way joins that of the last leaf: from there on nothing stands to the right.
    """
    inner = (index ^ (size - 1)).bit_length()
    return inner, (index >> inner).bit_count()


def _sides(index: int, inner: int, path: Sequence[bytes]) -> Iterator[_Side]:
    return (_Side(hash_, level >= inner or bool(index >> level & 1)) for level, hash_ in enumerate(path))


def _climb(seed: bytes, sides: Iterable[_Side]) -> bytes:
    for side in sides:
        seed = node_hash(side.hash, seed) if side.stands_left else node_hash(seed, side.hash)
    return seed


def _middle(start: int, end: int) -> int:
    """Where RFC 6962 splits a range of at least two leaves: behind the most that a whole node on the left can cover."""
    return start + (1 << (end - start - 1).bit_length() - 1)


def _cover(start: int, end: int) -> Iterator[tuple[int, int]]:
    """The fewest whole nodes over the leaves from ``start`` to ``end``, which is a range that RFC 6962 splits off."""
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def _range_root(nodes: NodeReader, start: int, end: int) -> bytes:
    return _fold([nodes(level, index) for level, index in _cover(start, end)])


def _fold(hashes: Sequence[bytes]) -> bytes:
    """The root over neighbouring whole nodes, widest first."""
    if not hashes:
        return EMPTY_ROOT
    *before, root = hashes
    for left in reversed(before):
        root = node_hash(left, root)
    return root


def _are_hashes(values: Sequence[bytes]) -> bool:
    return all(len(value) == HASH_SIZE_BYTES for value in values)
