"""Signed notes: the published example byte for byte, every mangled key and note refused, foreign signatures ignored."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.notes import TIME, ed25519, signer

from modelreg.errors import DocumentError
from modelreg.trust.keys import PrivateKey
from modelreg.trust.note import (
    KEY_NAME_SIZE_BYTES_MAX,
    NOTE_SIZE_BYTES_MAX,
    SIGNATURES_MAX,
    Note,
    NoteSignature,
    NoteSigner,
    SignatureType,
    VerifiedSignature,
    VerifierKey,
)

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "log" / "notes.json").read_text(encoding="utf-8")
)
PETER, ENOCH = (VerifierKey.parse(vkey) for vkey in VECTORS["vkeys"])
TEXT: str = VECTORS["text"]
NOTES = {vector["what"]: vector["note"].encode() for vector in VECTORS["notes"]}
SIGNED = NOTES["signed by the first"]
BOTH = NOTES["signed by both"]
NAMES = st.text(st.characters(exclude_characters="+", exclude_categories=["Z", "C"]), min_size=1, max_size=20)


def outcome(data: bytes) -> tuple[str, list[str]]:
    """How a note with these bytes ends, and whose signatures stood under it."""
    try:
        note = Note.parse(data)
    except DocumentError:
        return "malformed", []
    try:
        verified = [signature.key.name for signature in note.verified([PETER, ENOCH])]
    except DocumentError:
        return "invalid", []
    return "verified" if verified else "unknown-signers", verified


@pytest.mark.parametrize("vector", VECTORS["notes"], ids=lambda vector: vector["what"])
def test_a_note_ends_as_its_vector_says(vector: dict[str, Any]) -> None:
    """Claim: verified, of unknown signers, invalid or malformed; a note that parses is its bytes again."""
    data = vector["note"].encode()
    assert outcome(data) == (vector["outcome"], vector.get("signers", []))
    if vector["outcome"] != "malformed":
        assert Note.parse(data).to_bytes() == data


@pytest.mark.parametrize("at", [0, 40, len(SIGNED) - 2])
def test_what_is_not_utf_8_is_refused(at: int) -> None:
    """Claim: in the text and in a signature line."""
    with pytest.raises(DocumentError, match=r"^the note is not UTF-8: "):
        Note.parse(SIGNED[:at] + b"\xff" + SIGNED[at:])


@pytest.mark.parametrize(
    "data",
    [SIGNED.partition(b"\n\n")[2], SIGNED[:-1] + b"X", SIGNED + "\u2014 PeterNeumann\n".encode()],
    ids=["signature lines alone", "another end than a newline", "a line without a signature"],
)
def test_a_note_that_lacks_a_part_is_refused(data: bytes) -> None:
    """Claim: text, empty line, whole signature lines: what is missing is not made up."""
    with pytest.raises(DocumentError):
        Note.parse(data)


def test_we_sign_as_the_published_example_does() -> None:
    """Claim: with the published seed our note is the published one, byte for byte, and the key is the published vkey."""
    peter = NoteSigner("PeterNeumann", ed25519(bytes.fromhex(VECTORS["seed_of_the_first"])))
    assert peter.sign(TEXT).to_bytes() == SIGNED
    assert str(peter.key(SignatureType.ED25519)) == VECTORS["vkeys"][0]


@pytest.mark.parametrize("vkey", VECTORS["vkeys"])
def test_every_mangled_vkey_is_refused(vkey: str) -> None:
    """Claim: no part of a vkey, and none with one character changed, is a key: the id ties name, type and key."""
    assert str(VerifierKey.parse(vkey)) == vkey
    mangled = {vkey[start:end] for start in range(len(vkey)) for end in range(start, len(vkey) + 1)} - {vkey}
    mangled |= {vkey[:at] + chr(ord(vkey[at]) + step) + vkey[at + 1 :] for at in range(len(vkey)) for step in (1, -1)}
    mangled |= {vkey.upper(), f" {vkey}", f"{vkey}\n", vkey.replace("c74f", "C74F").replace("af0c", "AF0C")}
    for text in mangled:
        with pytest.raises(DocumentError):
            VerifierKey.parse(text)


def test_a_vkey_of_another_algorithm_is_refused_by_its_number() -> None:
    """Claim: the message names the type, and those that are known."""
    with pytest.raises(DocumentError, match=r"type 0x06; .* Ed25519 \(0x01\) .* \(0x04\)$"):
        VerifierKey.parse("witness.example/w1+00000000+BhIS")


def test_a_mistyped_vkey_is_told_as_such() -> None:
    """Claim: the text is shown, and no id is proposed: it may be the key that is wrong."""
    with pytest.raises(DocumentError, match=r"^in 'PeterNeumann\+c74f20a4\+.*' name, id and key do not fit together$"):
        VerifierKey.parse(VECTORS["vkeys"][0].replace("c74f20a3", "c74f20a4"))


def test_one_key_has_another_id_for_each_type_and_name() -> None:
    """Claim: a cosigner's key is not the log's, though both be the same numbers."""
    ids = {signer(name).key(type_).id for name in ("a", "b") for type_ in SignatureType}
    assert len(ids) == 4


@pytest.mark.parametrize("algorithm", ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521"])
def test_notes_are_signed_with_ed25519_only(algorithm: str) -> None:
    """Claim: another key is refused by its name before anything is signed."""
    with pytest.raises(DocumentError, match=f"'log.example' cannot sign notes with an {algorithm} key"):
        NoteSigner("log.example", PrivateKey.generate(algorithm))


@pytest.mark.parametrize(
    "name", ["", "a b", "a+b", "a\u00a0b", "a\u3000", "a\nb", "a\x1fb", "a\0b", "\ud800", "é" * 128]
)
def test_what_is_no_name_of_a_key_is_refused(name: str) -> None:
    """Claim: empty, with any space of Unicode, a plus, a control character, no text, or too long."""
    with pytest.raises(DocumentError):
        signer(name)
    with pytest.raises(DocumentError):
        NoteSignature(name, b"1234", b"signature")


def test_the_longest_name_of_a_key_is_taken() -> None:
    """Claim: 255 bytes."""
    assert signer("a" * KEY_NAME_SIZE_BYTES_MAX).sign("text\n").signatures[0].name == "a" * 255


def test_signatures_of_unknown_keys_are_ignored() -> None:
    """Claim: also those that share the name or the id, but not both, with a known key."""
    foreign = [
        NoteSignature("PeterNeumann", ENOCH.id, b"no signature at all"),
        NoteSignature("EnochRoot", PETER.id, b"x"),
        NoteSignature("Other", PETER.id, bytes(5000)),
    ]
    note = Note(TEXT, (*foreign, *Note.parse(SIGNED).signatures))
    assert note.verified([PETER, ENOCH]) == (VerifiedSignature(PETER),)
    assert Note(TEXT, tuple(foreign)).verified([PETER, ENOCH]) == ()
    assert Note.parse(SIGNED).verified([]) == ()


def test_a_known_key_with_a_bad_signature_spoils_the_note() -> None:
    """Claim: though another known key's is good; the message names the key."""
    note = Note.parse(SIGNED).with_signature(NoteSignature("EnochRoot", ENOCH.id, bytes(64)))
    assert note.verified([PETER]) == (VerifiedSignature(PETER),)
    with pytest.raises(DocumentError, match=r"^the signature of EnochRoot \(af0cfe78\) does not verify$"):
        note.verified([PETER, ENOCH])


def test_of_two_keys_that_collide_the_right_one_is_found() -> None:
    """Claim: an id is no proof: with name and id shared, the key that verifies is told, in either order."""
    text = "text\n"
    note = signer("log.example", 1).sign(text)
    right = signer("log.example", 1).key(SignatureType.ED25519)
    wrong = signer("log.example", 2).key(SignatureType.ED25519)
    renamed = Note(text, (NoteSignature("log.example", wrong.id, note.signatures[0].signature),))
    assert note.verified([wrong, right]) == note.verified([right, wrong]) == (VerifiedSignature(right),)
    with pytest.raises(DocumentError):
        renamed.verified([right, wrong])


def test_a_second_signature_of_a_key_replaces_the_first() -> None:
    """Claim: and stands last; others stay."""
    both = Note.parse(BOTH)
    again = both.with_signature(NoteSignature("PeterNeumann", PETER.id, b"again"))
    assert [(one.name, one.signature[:5]) for one in again.signatures][1:] == [("PeterNeumann", b"again")]
    assert again.signatures[0] == both.signatures[1]


def test_a_cosignature_tells_who_and_when() -> None:
    """Claim: type 0x04: eight bytes of time, then Ed25519 over a header, the time and the checkpoint."""
    witness = signer("witness.example/w1", 7)
    key = witness.key(SignatureType.COSIGNATURE)
    line = witness.cosign(TEXT, TIME)
    assert key.id == line.key_id == hashlib.sha256(b"witness.example/w1\n\x04" + key.public.der[-32:]).digest()[:4]
    assert line.signature[:8] == TIME.to_bytes(8)
    assert key.public.verify(line.signature[8:], f"cosignature/v1\ntime {TIME}\n{TEXT}".encode())
    note = Note.parse(SIGNED).with_signature(line)
    assert note.verified([PETER, key]) == (VerifiedSignature(PETER), VerifiedSignature(key, TIME))
    assert VerifierKey.parse(str(key)) == key


def test_the_published_cosignature_has_our_layout() -> None:
    """Claim: in the specification's example the time stands where we write it; its key is not published."""
    line = Note.parse(NOTES["the specification's cosigned checkpoint"]).signatures[1]
    assert (line.name, line.key_id.hex(), len(line.signature)) == ("witness.example.com/w1", "8d66cf3f", 72)
    assert int.from_bytes(line.signature[:8]) == 1679315147


@pytest.mark.parametrize("at", [0, 7, 8, 71])
def test_a_cosignature_covers_its_time(at: int) -> None:
    """Claim: no byte of time or signature can be changed; times beyond 2**63 - 1 are none."""
    witness = signer("witness.example/w1", 7)
    line = witness.cosign(TEXT, TIME)
    changed = bytearray(line.signature)
    changed[at] ^= 0x80
    note = Note(TEXT, (NoteSignature(line.name, line.key_id, bytes(changed)),))
    with pytest.raises(DocumentError, match=r"does not verify"):
        note.verified([witness.key(SignatureType.COSIGNATURE)])


@pytest.mark.parametrize("length", [1, 7, 8, 71, 73])
def test_a_cosignature_of_another_length_does_not_verify(length: int) -> None:
    """Claim: cut anywhere or with a byte more, it is a bad signature and nothing worse."""
    witness = signer("witness.example/w1", 7)
    line = witness.cosign(TEXT, TIME)
    note = Note(TEXT, (NoteSignature(line.name, line.key_id, (line.signature + b"\0")[:length]),))
    with pytest.raises(DocumentError, match=r"does not verify"):
        note.verified([witness.key(SignatureType.COSIGNATURE)])


@pytest.mark.parametrize("timestamp", [0, 9_223_372_036_854_775_807])
def test_the_bounds_of_time_can_be_cosigned(timestamp: int) -> None:
    """Claim: zero and 2**63 - 1 are times."""
    witness = signer("w", 7)
    key = witness.key(SignatureType.COSIGNATURE)
    assert Note(TEXT, (witness.cosign(TEXT, timestamp),)).verified([key]) == (VerifiedSignature(key, timestamp),)


@pytest.mark.parametrize("timestamp", [-1, 9_223_372_036_854_775_808])
def test_what_is_no_time_is_not_cosigned(timestamp: int) -> None:
    """Claim: a DocumentError that names it."""
    with pytest.raises(DocumentError, match=rf"^{timestamp} is not a time"):
        signer("w").cosign(TEXT, timestamp)


@pytest.mark.parametrize("text", ["", "no newline", "tab\there\n", "null\0\n", "\ud800\n"])
def test_a_text_that_no_note_can_hold_is_not_signed(text: str) -> None:
    """Claim: the text ends in a newline, is Unicode, and holds no other control character."""
    with pytest.raises(DocumentError):
        signer("log.example").sign(text)


def test_the_text_may_hold_empty_lines() -> None:
    """Claim: the last empty line separates; what is above it is text, also where that ends in empty lines."""
    for text in ("\n", "a\n\nb\n", "a\n\n", "\n\n\n"):
        note = signer("log.example").sign(text)
        assert Note.parse(note.to_bytes()) == note


def test_a_note_has_at_most_so_many_signatures() -> None:
    """Claim: 64, which is more than the 16 that the specification demands; one more is refused, unread."""
    lines = [NoteSignature(f"signer{number}", b"1234", b"s") for number in range(SIGNATURES_MAX + 1)]
    full = Note(TEXT, tuple(lines[:-1]))
    assert Note.parse(full.to_bytes()) == full
    with pytest.raises(DocumentError, match=r"1 to 64 signatures, not 65"):
        full.with_signature(lines[-1])
    with pytest.raises(DocumentError, match=r"more than 64 signatures"):
        Note.parse(full.to_bytes() + f"{lines[-1]}\n".encode())
    with pytest.raises(DocumentError, match=r"1 to 64 signatures, not 0"):
        Note(TEXT, ())


def test_a_note_has_at_most_so_many_bytes() -> None:
    """Claim: 256 KiB, told before anything is read."""
    room = NOTE_SIZE_BYTES_MAX - len(SIGNED)
    longest = Note("a" * room + TEXT, Note.parse(SIGNED).signatures)
    assert Note.parse(longest.to_bytes()) == longest
    with pytest.raises(DocumentError, match=r"at most 262,144 bytes"):
        Note("a" + longest.text, longest.signatures)
    with pytest.raises(DocumentError, match=r"262,145 bytes long; at most 262,144 are read"):
        Note.parse(b"a" + longest.to_bytes())


@given(NAMES, st.text(max_size=60), st.integers(1, 9))
def test_what_was_signed_verifies_after_it_travelled(name: str, text: str, number: int) -> None:
    """Claim: for every name and text that a note can hold."""
    told = "".join(char for char in text if char >= " ") + "\n"
    one = signer(name, number)
    note = Note.parse(one.sign(told).to_bytes())
    key = VerifierKey.parse(str(one.key(SignatureType.ED25519)))
    assert note.text == told
    assert note.verified([key]) == (VerifiedSignature(key),)


@given(st.binary(max_size=300) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_random_bytes_are_notes_or_a_document_error(data: bytes) -> None:
    """Claim: the parser raises nothing else, and what it takes is written again byte for byte."""
    try:
        note = Note.parse(data)
    except DocumentError:
        return
    assert note.to_bytes() == data


@given(st.data())
def test_a_mutated_note_never_verifies_as_another(data: st.DataObject) -> None:
    """Claim: with bytes changed, cut or put in, a note is refused, or says the same text by the same signers or fewer."""
    at = data.draw(st.integers(0, len(BOTH)))
    mutated = BOTH[:at] + data.draw(st.binary(max_size=3)) + BOTH[at + data.draw(st.integers(0, 3)) :]
    try:
        note = Note.parse(mutated)
        verified = note.verified([PETER, ENOCH])
    except DocumentError:
        return
    assert note.to_bytes() == mutated
    assert not verified or note.text == TEXT


@given(st.text(max_size=120) | st.sampled_from(VECTORS["vkeys"]).flatmap(lambda vkey: st.text(vkey, max_size=120)))
def test_random_texts_are_vkeys_or_a_document_error(text: str) -> None:
    """Claim: the parser raises nothing else."""
    try:
        assert str(VerifierKey.parse(text)) == text
    except DocumentError:
        return


def test_a_signature_line_is_refused_by_what_is_wrong() -> None:
    """Claim: a line that begins otherwise, and a key id that is none, however the line was made."""
    with pytest.raises(DocumentError, match="is no signature line"):
        NoteSignature.parse("- EnochRoot AAAAAAAA")
    for key_id in (b"", b"123", b"12345"):
        with pytest.raises(DocumentError, match="no key id of 4 bytes"):
            NoteSignature("EnochRoot", key_id, b"signature")
