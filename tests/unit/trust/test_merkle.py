"""The tree of the log: published values, the definition itself, and every proof and forgery of small trees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.proofs import Consistency, Inclusion, MemoryLog, plain_root

from modelreg.errors import DocumentError
from modelreg.trust.merkle import (
    EMPTY_ROOT,
    PROOF_LENGTH_MAX,
    SIZE_MAX,
    Frontier,
    Node,
    leaf_hash,
    node_hash,
    prove_consistency,
    prove_inclusion,
    verify_consistency,
    verify_inclusion,
)

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "log" / "rfc6962.json").read_text(encoding="utf-8")
)
LEAVES = [bytes.fromhex(leaf) for leaf in VECTORS["leaves"]]
ROOTS = [bytes.fromhex(root) for root in (VECTORS["empty_root"], *VECTORS["roots"])]
SIZE = 18
LOG = MemoryLog.of(SIZE)
HASHES = st.binary(min_size=32, max_size=32)
SIZES = st.integers(-2, 40) | st.integers(SIZE_MAX - 2, SIZE_MAX + 2)


def published() -> MemoryLog:
    log = MemoryLog()
    for leaf in LEAVES:
        log.append(leaf)
    return log


def hashes(texts: list[str]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(text) for text in texts)


@pytest.mark.parametrize("vector", VECTORS["hashes"], ids=lambda vector: vector["what"])
def test_hashes_are_the_published_ones(vector: dict[str, str]) -> None:
    """Claim: leaves and nodes are hashed as every other log hashes them."""
    if "leaf" in vector:
        assert leaf_hash(bytes.fromhex(vector["leaf"])).hex() == vector["hash"]
    else:
        assert node_hash(bytes.fromhex(vector["left"]), bytes.fromhex(vector["right"])).hex() == vector["hash"]


def test_roots_are_the_published_ones() -> None:
    """Claim: the root at each size from 0 to 8, the empty tree's too."""
    assert published().roots == ROOTS
    assert ROOTS[0] == EMPTY_ROOT


@pytest.mark.parametrize("vector", VECTORS["inclusion"], ids=lambda vector: f"{vector['index']} of {vector['size']}")
def test_audit_paths_are_the_published_ones(vector: dict[str, Any]) -> None:
    """Claim: the proofs that we make are byte for byte those of others, and theirs pass."""
    index, size, proof = vector["index"], vector["size"], hashes(vector["proof"])
    assert prove_inclusion(published().read, index, size) == proof
    assert verify_inclusion(leaf_hash(LEAVES[index]), index, size, proof, ROOTS[size])


@pytest.mark.parametrize("vector", VECTORS["consistency"], ids=lambda vector: f"{vector['old']} to {vector['new']}")
def test_consistency_proofs_are_the_published_ones(vector: dict[str, Any]) -> None:
    """Claim: as for inclusion."""
    old, new, proof = vector["old"], vector["new"], hashes(vector["proof"])
    assert prove_consistency(published().read, old, new) == proof
    assert verify_consistency(old, ROOTS[old], new, ROOTS[new], proof)


@given(st.lists(st.binary(max_size=4), max_size=40))
def test_the_root_is_what_the_definition_says(entries: list[bytes]) -> None:
    """Claim: appending one by one ends at the root that RFC 6962 defines by recursion, and a reader finds it again."""
    log = MemoryLog()
    for entry in entries:
        log.append(entry)
    assert log.frontier.root == plain_root(entries)
    assert Frontier.read(log.read, len(entries)) == log.frontier


def test_an_append_makes_each_whole_node_once() -> None:
    """Claim: the leaf's own node first, then each that it completes; over all appends, exactly the whole nodes."""
    frontier = Frontier()
    made: list[tuple[int, int]] = []
    for index in range(SIZE):
        frontier, nodes = frontier.append(leaf_hash(b"entry %d" % index))
        assert nodes[0] == Node(0, index, leaf_hash(b"entry %d" % index))
        made += [(node.level, node.index) for node in nodes]
    assert sorted(made) == [(level, index) for level in range(5) for index in range(SIZE >> level)]


def test_an_append_costs_the_logarithm() -> None:
    """Claim: in a log of 2**40 entries an append makes at most 41 nodes and keeps a frontier of as many hashes."""
    size = 2**40 - 1
    frontier = Frontier(size, tuple(leaf_hash(b"%d" % bit) for bit in range(40)))
    grown, nodes = frontier.append(leaf_hash(b"one more"))
    assert [node.level for node in nodes] == list(range(41))
    assert grown == Frontier(size + 1, (nodes[-1].hash,))


@pytest.mark.parametrize("size", range(SIZE + 1))
def test_every_proof_of_a_small_tree_holds_and_every_forgery_fails(size: int) -> None:
    """Claim: complete and sound, exhaustively; tests/integration does the same up to 70."""
    claims: list[Inclusion | Consistency] = [LOG.inclusion(index, size) for index in range(size)]
    claims += [LOG.consistency(old, size) for old in range(1, size + 1)]
    for claim in claims:
        assert claim.holds()
        for forgery in claim.forged(LOG.roots):
            assert not forgery.holds(), forgery


def test_everything_is_consistent_with_an_empty_log_and_nothing_else_says_so() -> None:
    """Claim: from size 0 the proof is empty and the old root is that of no leaves."""
    for new in range(SIZE + 1):
        assert LOG.consistency(0, new).holds()
        assert not verify_consistency(0, LOG.roots[1], new, LOG.roots[new], ())
        assert not verify_consistency(0, EMPTY_ROOT, new, LOG.roots[new], (LOG.roots[1],))
    assert not verify_consistency(0, EMPTY_ROOT, 0, LOG.roots[1], ())


def test_a_leaf_cannot_pass_as_a_node() -> None:
    """Claim: an entry made of two hashes does not have the hash of their parent (second preimage)."""
    left, right = leaf_hash(b"left"), leaf_hash(b"right")
    assert leaf_hash(left + right) != node_hash(left, right)
    assert node_hash(left, right) != node_hash(right, left)


def test_a_proof_reads_few_nodes() -> None:
    """Claim: at 2**20 + 2**10 - 1 leaves a proof reads no more nodes than the tree is high, or twice that."""
    size = 2**20 + 2**10 - 1
    read: list[tuple[int, int]] = []

    def reader(level: int, index: int) -> bytes:
        assert (index + 1) << level <= size
        read.append((level, index))
        return leaf_hash(b"%d %d" % (level, index))

    for index in (0, 2**19, 2**20, size - 1):
        read.clear()
        prove_inclusion(reader, index, size)
        assert len(read) <= 2 * 21
        read.clear()
        prove_consistency(reader, index + 1, size)
        assert len(read) <= 2 * 21


@pytest.mark.parametrize(("index", "size"), [(-1, 4), (4, 4), (0, 0), (0, SIZE_MAX + 1)])
def test_no_proof_is_made_of_an_entry_that_is_not_there(index: int, size: int) -> None:
    """Claim: a DocumentError that names both numbers."""
    with pytest.raises(DocumentError, match=rf"^a log of {size} entries has no entry {index}$"):
        prove_inclusion(LOG.read, index, size)


@pytest.mark.parametrize(("old", "new"), [(-1, 4), (5, 4), (1, SIZE_MAX + 1)])
def test_no_proof_is_made_of_a_log_that_shrank(old: int, new: int) -> None:
    """Claim: a DocumentError that names both sizes."""
    with pytest.raises(DocumentError, match=rf"^a log of {new} entries cannot begin with one of {old}$"):
        prove_consistency(LOG.read, old, new)


@pytest.mark.parametrize(
    ("size", "count", "length"),
    [(-1, 0, 32), (0, 1, 32), (3, 1, 32), (3, 3, 32), (3, 2, 31), (3, 2, 33), (SIZE_MAX + 1, 1, 32)],
)
def test_what_is_no_frontier_is_refused(size: int, count: int, length: int) -> None:
    """Claim: a frontier that a database hands back cut, padded or of another size is a DocumentError."""
    with pytest.raises(DocumentError):
        Frontier(size, (bytes(length),) * count)


def test_a_log_can_grow_to_the_bound_and_no_further() -> None:
    """Claim: 2**53 - 1 entries, the largest integer of a canonical document."""
    full = Frontier(SIZE_MAX, (bytes(32),) * 53)
    with pytest.raises(DocumentError, match=r"9007199254740992"):
        full.append(leaf_hash(b""))
    assert verify_consistency(SIZE_MAX, full.root, SIZE_MAX, full.root, ())


def test_the_largest_log_has_proofs_and_a_larger_one_has_none() -> None:
    """Claim: the first entry of 2**53 - 1 can be proven, with 53 hashes; of 2**53 entries nothing can, hash as it may."""
    leaf, proof = leaf_hash(b"first"), [leaf_hash(b"%d" % level) for level in range(53)]
    root = leaf
    for neighbour in proof:
        root = node_hash(root, neighbour)
    assert verify_inclusion(leaf, 0, SIZE_MAX, proof, root)
    assert not verify_inclusion(leaf, 0, SIZE_MAX + 1, proof, root)
    half, other = proof[:2]
    assert verify_consistency(2**52, half, SIZE_MAX, node_hash(half, other), [other])
    assert not verify_consistency(2**52, half, SIZE_MAX + 1, node_hash(half, other), [other])


def test_the_longest_proof_has_54_hashes() -> None:
    """Claim: one for each level, and the one that a consistency proof begins with."""

    def reader(level: int, index: int) -> bytes:
        return leaf_hash(b"%d %d" % (level, index))

    sizes = (1, 2**52 - 1, 2**52, 2**52 + 1, SIZE_MAX - 1)
    assert max(len(prove_consistency(reader, old, SIZE_MAX)) for old in sizes) == PROOF_LENGTH_MAX
    assert max(len(prove_inclusion(reader, index, SIZE_MAX)) for index in (0, *sizes)) == PROOF_LENGTH_MAX - 1


def test_there_is_no_entry_before_the_first() -> None:
    """Claim: -1 is refused by itself, though arithmetic would find it a way up."""
    leaf, below, above = (leaf_hash(text) for text in (b"leaf", b"below", b"above"))
    assert not verify_inclusion(leaf, -1, 1, (below, above), node_hash(above, node_hash(below, leaf)))
    assert not verify_inclusion(leaf, -1, 1, (), leaf)


@pytest.mark.parametrize("length", [31, 33, 0])
def test_what_has_not_the_length_of_a_hash_is_none(length: int) -> None:
    """Claim: leaf, roots and every hash of a proof; though the hashes over them would fit."""
    odd, good = b"x" * length, leaf_hash(b"good")
    assert not verify_inclusion(odd, 0, 1, (), odd)
    assert not verify_inclusion(good, 0, 2, (odd,), node_hash(good, odd))
    assert not verify_inclusion(odd, 0, 2, (good,), node_hash(odd, good))
    assert not verify_consistency(1, odd, 1, odd, ())
    assert not verify_consistency(1, odd, 2, node_hash(odd, good), (good,))
    assert not verify_consistency(1, good, 2, node_hash(good, odd), (odd,))


@given(st.binary(max_size=40) | HASHES, SIZES, SIZES, st.lists(st.binary(max_size=40) | HASHES, max_size=60), HASHES)
def test_verifiers_answer_whatever_they_are_given(
    leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes
) -> None:
    """Claim: no input raises, and none that was not made from a log passes but for a tree that is one leaf."""
    assert not verify_inclusion(leaf, index, size, proof, root) or (leaf == root and size == 1)
    is_trivial = (index == size and leaf == root) or (index == 0 and leaf == EMPTY_ROOT)
    assert not verify_consistency(index, leaf, size, root, proof) or is_trivial


@given(st.lists(st.binary(max_size=4), max_size=40), st.integers(0, 40))
def test_leaves_at_once_are_as_one_by_one(leaves: list[bytes], cut: int) -> None:
    """Claim: ``extend`` gives the frontier that appending each leaf gives, from any size on."""
    hashes = [leaf_hash(leaf) for leaf in leaves]
    one_by_one = Frontier()
    for hash_ in hashes:
        one_by_one, _ = one_by_one.append(hash_)
    assert Frontier().extend(hashes[:cut]).extend(hashes[cut:]) == one_by_one
