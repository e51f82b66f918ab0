"""Proofs that travel: what one says, that it says nothing of another statement, and that no byte of it can be changed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.notes import ORIGIN, TIME, log_key, signed, signer, witness_key
from tests.proofs import MemoryLog

from modelreg.digest import sha256_hex
from modelreg.errors import DocumentError
from modelreg.trust.base64_text import to_base64
from modelreg.trust.checkpoint import Checkpoint, open_checkpoint
from modelreg.trust.leaf import LEAF_SIZE_BYTES_MAX, LogLeaf
from modelreg.trust.merkle import PROOF_LENGTH_MAX, SIZE_MAX, Frontier, leaf_hash
from modelreg.trust.note import Note
from modelreg.trust.proof import PROOF_SIZE_BYTES_MAX, Logged, LogProof, open_proof

SIGNER = sha256_hex(b"a signer")
LEAVES = [LogLeaf("manifest", sha256_hex(b"%d" % number), (SIGNER,)) for number in range(11)]


def log() -> MemoryLog:
    tree = MemoryLog()
    for leaf in LEAVES:
        tree.append(leaf.to_bytes())
    return tree


LOG = log()
HEAD = signed(LOG.roots[11], 11)
PROOF = LogProof.make(LOG.read, LEAVES[4], 4, HEAD)
DATA = PROOF.to_bytes()
DIGEST = LEAVES[4].payload_sha256


def test_a_proof_says_where_a_statement_is_logged() -> None:
    """Claim: for every entry, with who had signed it and the log's head."""
    for index, leaf in enumerate(LEAVES):
        data = LogProof.make(LOG.read, leaf, index, HEAD).to_bytes()
        assert open_proof(data, leaf.payload_sha256, [log_key()]) == Logged(leaf, index, HEAD)


def test_a_proof_has_the_published_form() -> None:
    """Claim: type, extra, index, a hash a line, an empty line, and the checkpoint as it was signed."""
    lines = DATA.decode().split("\n")
    assert lines[:3] == ["c2sp.org/tlog-proof@v1", f"extra {to_base64(LEAVES[4].to_bytes())}", "index 4"]
    assert lines[3:7] == [to_base64(hash_) for hash_ in PROOF.path]
    assert "\n".join(lines[7:]) == "\n" + HEAD.note.to_bytes().decode()


def test_a_log_of_one_entry_has_a_proof_without_hashes() -> None:
    """Claim: the leaf is the root."""
    head = signed(leaf_hash(LEAVES[0].to_bytes()), 1)
    data = LogProof.make(LOG.read, LEAVES[0], 0, head).to_bytes()
    assert open_proof(data, LEAVES[0].payload_sha256, [log_key()]) == Logged(LEAVES[0], 0, head)


def test_witnesses_are_told() -> None:
    """Claim: with the cosignatures that the checkpoint has."""
    note = HEAD.note.with_signature(signer("w1", 2).cosign(HEAD.note.text, TIME))
    opened = open_checkpoint(note.to_bytes(), [log_key()], [witness_key("w1", 2)])
    data = LogProof.make(LOG.read, LEAVES[4], 4, opened).to_bytes()
    assert open_proof(data, DIGEST, [log_key()], [witness_key("w1", 2)]).head == opened


def test_a_proof_of_another_statement_is_none_of_this() -> None:
    """Claim: valid as it is, it is refused for the statement in hand, and both digests are told (CVE-2026-22703)."""
    with pytest.raises(DocumentError, match=rf"^the proof is one of the manifest {DIGEST}, not of {SIGNER}$"):
        open_proof(DATA, SIGNER, [log_key()])


def test_a_proof_by_an_unknown_log_is_refused() -> None:
    """Claim: whatever its hashes say."""
    with pytest.raises(DocumentError, match=r"is not signed by a log that is trusted here$"):
        open_proof(DATA, DIGEST, [log_key("elsewhere")])


def test_hashes_that_lead_elsewhere_are_refused() -> None:
    """Claim: another index, another path, another head: the sentence names entry, size and log."""
    short = signed(LOG.roots[9], 9)
    for proof in (
        replace(PROOF, index=5),
        replace(PROOF, index=10),
        replace(PROOF, index=11),
        replace(PROOF, path=PROOF.path[1:]),
        replace(PROOF, path=(*PROOF.path, PROOF.path[0])),
        replace(PROOF, note=short.note),
        replace(PROOF, leaf=LogLeaf("manifest", DIGEST, ()).to_bytes()),
    ):
        with pytest.raises(DocumentError, match=rf"is entry {proof.index} of the (9|11) of {ORIGIN}$"):
            open_proof(proof.to_bytes(), DIGEST, [log_key()])


def test_the_leaf_is_hashed_as_it_is() -> None:
    """Claim: a leaf of a later release, which says more, is proven by its own bytes."""
    leaf = LEAVES[4].to_bytes()[:-1] + b',"zone":"eu"}'
    frontier, _ = Frontier().append(leaf_hash(leaf))
    proof = LogProof(leaf, 0, (), signed(frontier.root, 1).note)
    assert open_proof(proof.to_bytes(), DIGEST, [log_key()]).leaf == LEAVES[4]


def test_no_proof_is_made_of_what_is_not_in_the_tree() -> None:
    """Claim: of an index beyond the head's size."""
    with pytest.raises(DocumentError, match=r"^a log of 11 entries has no entry 11$"):
        LogProof.make(LOG.read, LEAVES[0], 11, HEAD)


def test_what_is_no_proof_is_refused() -> None:
    """Claim: another type, no leaf, another form of the index or of base64, endless bytes."""
    leaf = to_base64(LEAVES[4].to_bytes()).encode()
    note = HEAD.note.to_bytes()
    first = to_base64(PROOF.path[0]).encode()
    for data in (
        b"",
        note,
        DATA.replace(b"@v1", b"@v2"),
        DATA.replace(b"extra " + leaf + b"\n", b""),
        DATA.replace(leaf, b""),
        DATA.replace(b"index 4", b"index 04"),
        DATA.replace(b"index 4", b"index -4"),
        DATA.replace(b"index 4", b"index 9007199254740992"),
        DATA.replace(b"index 4\n", b""),
        DATA.replace(first, first[:-1]),
        DATA.replace(first, b"A" * 44),
        DATA.replace(first, b"_" * 42 + b"8="),
        DATA.replace(first, first + b" "),
        DATA.replace(b"\n\n", b"\n"),
        DATA[:-1],
        DATA + b"\n",
        b" " + DATA,
        DATA.replace(b"index", b"index\xff"),
    ):
        assert data != DATA
        with pytest.raises(DocumentError):
            LogProof.parse(data)
    with pytest.raises(DocumentError, match=rf"^these {len(note):,} bytes are no c2sp.org/tlog-proof@v1 with a leaf$"):
        LogProof.parse(note)
    with pytest.raises(DocumentError, match=r"278,529 bytes long; at most 278,528 are read$"):
        LogProof.parse(DATA.ljust(PROOF_SIZE_BYTES_MAX + 1))
    with pytest.raises(DocumentError, match=r"^these 278,528 bytes are no "):
        LogProof.parse(b" " * PROOF_SIZE_BYTES_MAX)


def test_a_proof_is_bounded() -> None:
    """Claim: 53 hashes, the largest index, 8 KiB of leaf, and nothing beyond."""
    longest = LogProof(b"l" * LEAF_SIZE_BYTES_MAX, SIZE_MAX - 1, (bytes(32),) * (PROOF_LENGTH_MAX - 1), HEAD.note)
    assert LogProof.parse(longest.to_bytes()) == longest
    for index, path, leaf in (
        (-1, (), b"l"),
        (SIZE_MAX, (), b"l"),
        (0, (bytes(32),) * PROOF_LENGTH_MAX, b"l"),
        (0, (bytes(31),), b"l"),
        (0, (bytes(33),), b"l"),
        (0, (), b"l" * (LEAF_SIZE_BYTES_MAX + 1)),
    ):
        with pytest.raises(DocumentError):
            LogProof(leaf, index, path, HEAD.note)


@given(st.data())
def test_a_changed_proof_proves_nothing_else(data: st.DataObject) -> None:
    """Claim: with bytes changed, cut or put in it is refused, or says exactly the same."""
    at = data.draw(st.integers(0, len(DATA)))
    changed = DATA[:at] + data.draw(st.binary(max_size=3)) + DATA[at + data.draw(st.integers(0, 3)) :]
    try:
        found = open_proof(changed, DIGEST, [log_key()])
    except DocumentError:
        return
    assert (found.leaf, found.index, found.head.checkpoint) == (LEAVES[4], 4, HEAD.checkpoint)


@given(st.binary(max_size=200))
def test_random_bytes_are_no_proof(data: bytes) -> None:
    """Claim: only a DocumentError."""
    with pytest.raises(DocumentError):
        LogProof.parse(data)


def test_a_note_that_is_no_checkpoint_proves_nothing() -> None:
    """Claim: though the log's key signed it."""
    note = Note.parse(signer(ORIGIN).sign("hello\n").to_bytes())
    with pytest.raises(DocumentError, match=r"^the text of 1 lines is no checkpoint"):
        open_proof(replace(PROOF, note=note).to_bytes(), DIGEST, [log_key()])
    assert Checkpoint.parse(HEAD.note.text) == HEAD.checkpoint
