"""Checkpoints: what is one, who may sign it, what two say of each other, and the evidence that is kept of a fork."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.notes import ORIGIN, TIME, log_key, signed, signer, witness_key
from tests.proofs import MemoryLog

from modelreg.errors import DocumentError
from modelreg.trust.base64_text import to_base64
from modelreg.trust.checkpoint import (
    CHECKPOINT_SIZE_BYTES_MAX,
    FORK_SIZE_BYTES_MAX,
    Checkpoint,
    Fork,
    Relation,
    is_consistent,
    open_checkpoint,
    relate,
)
from modelreg.trust.merkle import EMPTY_ROOT, PROOF_LENGTH_MAX, SIZE_MAX
from modelreg.trust.note import Note, NoteSignature, SignatureType

ROOT = bytes(range(32))
LOG = MemoryLog.of(9)
PUBLISHED = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
"""The example of c2sp.org/tlog-checkpoint."""
LINES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)


def at(size: int) -> Checkpoint:
    return Checkpoint(ORIGIN, size, LOG.roots[size])


def test_the_published_checkpoint_is_read() -> None:
    """Claim: origin, size and root are what its three lines say, and they are written again as they were."""
    checkpoint = Checkpoint.parse(PUBLISHED)
    root = bytes.fromhex("0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62")
    assert checkpoint == Checkpoint("example.com/behind-the-sofa", 20852163, root)
    assert checkpoint.text == PUBLISHED


def test_the_largest_log_has_a_checkpoint() -> None:
    """Claim: the bound itself; a text that breaks off in its last line is none of it."""
    largest = Checkpoint(ORIGIN, SIZE_MAX, b"x" * 32)
    assert Checkpoint.parse(largest.text) == largest
    with pytest.raises(DocumentError, match="the text of 3 lines is no checkpoint"):
        Checkpoint.parse(largest.text + "extension")


@given(LINES, st.integers(1, SIZE_MAX), st.binary(min_size=32, max_size=32), st.lists(LINES, max_size=3))
def test_a_checkpoint_survives_its_text(origin: str, size: int, root: bytes, extensions: list[str]) -> None:
    """Claim: whatever it holds, extension lines too."""
    checkpoint = Checkpoint(origin, size, root, tuple(extensions))
    assert Checkpoint.parse(checkpoint.text) == checkpoint


@given(st.text(max_size=80) | st.lists(st.sampled_from(["0", "7", "\n", to_base64(ROOT), "x", ""])).map("\n".join))
def test_random_texts_are_checkpoints_or_a_document_error(text: str) -> None:
    """Claim: the parser raises nothing else, and what it takes is its text again."""
    try:
        assert Checkpoint.parse(text).text == text
    except DocumentError:
        return


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "log\n7\n",
        f"log\n7\n{to_base64(ROOT)}",
        f"\n7\n{to_base64(ROOT)}\n",
        f"log\n07\n{to_base64(ROOT)}\n",
        f"log\n+7\n{to_base64(ROOT)}\n",
        f"log\n-7\n{to_base64(ROOT)}\n",
        f"log\n7 \n{to_base64(ROOT)}\n",
        f"log\n\u0667\n{to_base64(ROOT)}\n",
        f"log\n\n{to_base64(ROOT)}\n",
        f"log\n9007199254740992\n{to_base64(ROOT)}\n",
        f"log\n{'9' * 5000}\n{to_base64(ROOT)}\n",
        f"log\n7\n{to_base64(ROOT[:31])}\n",
        f"log\n7\n{to_base64(ROOT + ROOT[:1])}\n",
        f"log\n7\n{ROOT.hex()}\n",
        "log\n7\n__________________________________________8=\n",
        f"log\n7\n{to_base64(ROOT)[:-1]}\n",
        f"log\n0\n{to_base64(ROOT)}\n",
        f"log\n7\n{to_base64(ROOT)}\n\n",
        f"log\n7\n{to_base64(ROOT)}\n\nextension\n",
        f"lo\tg\n7\n{to_base64(ROOT)}\n",
        f"log\n7\n{to_base64(ROOT)}\nexten\0sion\n",
    ],
    ids=[
        "empty",
        "an empty line",
        "two lines",
        "no last newline",
        "no origin",
        "leading zero",
        "plus",
        "minus",
        "space",
        "foreign digit",
        "no size",
        "2**53",
        "endless size",
        "root too short",
        "root too long",
        "root in hex",
        "root in the other alphabet",
        "root without padding",
        "root of nothing",
        "empty extension",
        "empty line before extension",
        "control character in the origin",
        "control character in an extension",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    """Claim: one form for each value, three lines that are not empty, and a size that a document can hold."""
    with pytest.raises(DocumentError):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    "changes",
    [{"size": -1}, {"size": SIZE_MAX + 1}, {"root": b""}, {"origin": "a\nb"}, {"extensions": ("",)}, {"size": 0}],
    ids=str,
)
def test_nor_is_it_made(changes: dict[str, Any]) -> None:
    """Claim: what the parser refuses cannot be built either."""
    with pytest.raises(DocumentError):
        Checkpoint(**{"origin": "log", "size": 7, "root": ROOT, **changes})


def test_an_empty_log_has_one_root() -> None:
    """Claim: size 0 goes with the root of no leaves, and only with it."""
    assert Checkpoint.parse(f"log\n0\n{to_base64(EMPTY_ROOT)}\n").size == 0


def test_a_checkpoint_has_at_most_so_many_bytes() -> None:
    """Claim: 4,096 of text."""
    room = CHECKPOINT_SIZE_BYTES_MAX - len(Checkpoint("log", 7, ROOT).text) - 1
    assert len(Checkpoint("log", 7, ROOT, ("x" * room,)).text) == CHECKPOINT_SIZE_BYTES_MAX
    with pytest.raises(DocumentError, match=r"at most 4,096 bytes"):
        Checkpoint("log", 7, ROOT, ("x" * room + "x",))
    with pytest.raises(DocumentError, match=r"at most 4,096 bytes"):
        Checkpoint("log", 7, ROOT, ("é" * (room // 2 + 1),))


def test_only_the_logs_own_key_signs() -> None:
    """Claim: a signer of another name is refused before it signs."""
    with pytest.raises(DocumentError, match=rf"^the key of 'other' cannot sign checkpoints of '{ORIGIN}'$"):
        at(5).sign(signer("other"))


def test_a_signed_checkpoint_opens() -> None:
    """Claim: with its note kept as it came, and the cosignatures of the witnesses that were named."""
    line = signer("w1", 2).cosign(at(5).text, TIME)
    foreign = signer("w3", 4).cosign(at(5).text, TIME)
    note = at(5).sign(signer(ORIGIN)).with_signature(line).with_signature(foreign)
    opened = open_checkpoint(note.to_bytes(), [log_key("elsewhere"), log_key()], [witness_key("w1", 2)])
    assert opened.checkpoint == at(5)
    assert opened.note == note
    assert [(one.key.name, one.timestamp) for one in opened.cosignatures] == [("w1", TIME)]
    assert opened.witnesses == {witness_key("w1", 2).public.id}


def test_witnesses_are_counted_by_key() -> None:
    """Claim: one key under two names is one witness."""
    note = at(5).sign(signer(ORIGIN))
    for name in ("w1", "w2"):
        note = note.with_signature(signer(name, 2).cosign(at(5).text, TIME))
    opened = open_checkpoint(note.to_bytes(), [log_key()], [witness_key("w1", 2), witness_key("w2", 2)])
    assert len(opened.cosignatures) == 2
    assert len(opened.witnesses) == 1


def test_a_checkpoint_that_its_log_did_not_sign_is_refused() -> None:
    """Claim: not by an unknown log, by a trusted log as another's, by a witness, nor by a witness's key as a log's."""
    stranger = at(5).sign(signer(ORIGIN, 9)).to_bytes()
    as_another = signer("other").sign(at(5).text).to_bytes()
    witnessed = Note(at(5).text, (signer(ORIGIN).cosign(at(5).text, TIME),)).to_bytes()
    as_cosigner = signer(ORIGIN).key(SignatureType.COSIGNATURE)
    for data, logs in (
        (stranger, [log_key()]),
        (as_another, [log_key("other"), log_key()]),
        (witnessed, [log_key(), as_cosigner]),
        (at(5).sign(signer(ORIGIN)).to_bytes(), []),
    ):
        with pytest.raises(DocumentError, match=rf"^the checkpoint of '{ORIGIN}' is not signed by a log"):
            open_checkpoint(data, logs, [as_cosigner])


def test_a_log_key_is_no_witness() -> None:
    """Claim: a plain signature is not counted as a cosignature, though its key be among the witnesses."""
    note = at(5).sign(signer(ORIGIN))
    opened = open_checkpoint(note.to_bytes(), [log_key()], [log_key()])
    assert opened.cosignatures == ()


def test_a_bad_signature_of_the_log_or_a_witness_spoils_the_checkpoint() -> None:
    """Claim: each for itself."""
    good = at(5).sign(signer(ORIGIN))
    bad_log = Note(at(6).text, good.signatures)
    cosigned = Note(at(6).text, (*at(6).sign(signer(ORIGIN)).signatures, signer("w1", 2).cosign(at(5).text, TIME)))
    for note in (bad_log, cosigned):
        with pytest.raises(DocumentError, match=r"does not verify"):
            open_checkpoint(note.to_bytes(), [log_key()], [witness_key("w1", 2)])


@pytest.mark.parametrize(
    ("known", "seen", "relation"), [(5, 5, Relation.SAME), (5, 4, Relation.OLDER), (5, 6, Relation.NEWER)]
)
def test_sizes_relate_two_checkpoints(known: int, seen: int, relation: Relation) -> None:
    """Claim: same, older, newer."""
    assert relate(at(known), at(seen)) is relation


def test_two_roots_of_one_size_are_a_fork() -> None:
    """Claim: whichever was known first; extension lines do not matter."""
    other = Checkpoint(ORIGIN, 5, ROOT)
    assert relate(at(5), other) is relate(other, at(5)) is Relation.FORK
    assert relate(at(5), Checkpoint(ORIGIN, 5, LOG.roots[5], ("more",))) is Relation.SAME


def test_checkpoints_of_two_logs_cannot_be_compared() -> None:
    """Claim: a DocumentError that names both; and no proof connects them."""
    other = Checkpoint("elsewhere", 5, LOG.roots[5])
    with pytest.raises(DocumentError, match=rf"^a checkpoint of 'elsewhere' says nothing of the log '{ORIGIN}'$"):
        relate(at(5), other)
    assert not is_consistent(at(5), other, ())


def test_a_proof_connects_two_checkpoints_in_either_order() -> None:
    """Claim: for all pairs of sizes, and not with the proof of another pair."""
    for old, new in itertools.product(range(10), repeat=2):
        proof = LOG.consistency(*sorted((old, new))).proof
        assert is_consistent(at(old), at(new), proof)
        assert not is_consistent(at(old), at(new), (*proof, ROOT))
    assert not is_consistent(at(5), Checkpoint(ORIGIN, 9, ROOT), LOG.consistency(5, 9).proof)


def test_the_evidence_of_a_fork_convicts_the_log() -> None:
    """Claim: kept and read again, the two notes are those that came, and they alone prove it."""
    known, seen = signed(LOG.roots[5], 5), signed(ROOT, 5)
    fork = Fork.parse(Fork.of(known, seen).to_bytes())
    assert fork.notes == (known.note, seen.note)
    assert fork.is_proven([log_key()])


def test_evidence_survives_notes_that_json_would_change() -> None:
    """Claim: a signature line whose name is not in NFC, which anybody may add, does not make evidence unkeepable."""
    note = at(5).sign(signer(ORIGIN)).with_signature(NoteSignature("cafe\u0301", b"1234", b"s"))
    seen = open_checkpoint(note.to_bytes(), [log_key()])
    fork = Fork.parse(Fork.of(signed(ROOT, 5), seen).to_bytes())
    assert fork.notes[1].to_bytes() == note.to_bytes()


def test_two_sizes_convict_nobody_by_themselves() -> None:
    """Claim: such evidence is kept with the proof that was offered, of bounded length, and is not called proven."""
    offered = [ROOT * 2] * (PROOF_LENGTH_MAX + 1)
    fork = Fork.of(signed(LOG.roots[5], 5), signed(ROOT, 9), offered)
    assert fork.proof == (ROOT.hex(),) * PROOF_LENGTH_MAX
    assert Fork.parse(fork.to_bytes()) == fork
    assert not fork.is_proven([log_key()])


def test_evidence_by_unknown_keys_is_none() -> None:
    """Claim: whoever has not the log's key makes no evidence against it."""
    fork = Fork.of(signed(LOG.roots[5], 5), signed(ROOT, 5))
    with pytest.raises(DocumentError, match=r"is not signed by a log"):
        fork.is_proven([log_key("elsewhere")])


def test_other_documents_are_no_evidence() -> None:
    """Claim: another type, a note that is none, and endless bytes are a DocumentError."""
    note = to_base64(signed(ROOT, 5).note.to_bytes())
    with pytest.raises(DocumentError, match=r"^'urn:other' is no evidence of a fork: urn:modelreg:fork:v1$"):
        Fork(note, note, type="urn:other")
    for known, seen in ((note, to_base64(b"no note")), ("%", note)):
        with pytest.raises(DocumentError):
            Fork(known, seen)
    with pytest.raises(DocumentError, match=r"at most 786,432 are read"):
        Fork.parse(b" " * (FORK_SIZE_BYTES_MAX + 1))


@given(st.binary(max_size=60) | st.integers(0, 600))
def test_random_bytes_are_evidence_or_a_document_error(change: bytes | int) -> None:
    """Claim: the parser raises nothing else: random bytes, and real evidence with a bit flipped."""
    data = bytearray(Fork.of(signed(LOG.roots[5], 5), signed(ROOT, 5)).to_bytes())
    if isinstance(change, bytes):
        data = bytearray(change)
    else:
        data[change % len(data)] ^= 1 + change % 7
    try:
        assert Fork.parse(bytes(data)).notes
    except DocumentError:
        return
