"""DSSE: the encoding that is signed, envelopes that survive their bytes, and keys that are counted, not signatures."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.errors import DocumentError, SigningError
from modelreg.trust import dsse
from modelreg.trust.dsse import Envelope, Signature, pae, sign, valid_signers
from modelreg.trust.keys import Algorithm, PrivateKey, PublicKey
from modelreg.trust.signer import Signer

ADA, BOB = PrivateKey.generate(), PrivateKey.generate(Algorithm.ED25519)
TYPE = "application/vnd.in-toto+json"
ENVELOPES = st.builds(
    Envelope,
    st.text(min_size=1, max_size=20).map(lambda text: text.encode("ascii", "replace").decode()),
    st.binary(max_size=50),
    st.lists(
        st.builds(Signature, st.sampled_from(["", "a", "0" * 64]), st.binary(min_size=1, max_size=80)),
        min_size=1,
        max_size=3,
    ).map(tuple),
)


@pytest.mark.parametrize(
    ("kind", "payload", "wanted"),
    [
        ("http://example.com/HelloWorld", b"hello world", b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"),
        ("", b"", b"DSSEv1 0  0 "),
        ("\u00e9", b"\xff\x00 7 ", b"DSSEv1 2 \xc3\xa9 5 \xff\x00 7 "),
    ],
    ids=["the protocol's example", "nothing", "lengths are of bytes"],
)
def test_the_encoding_is_that_of_the_protocol(kind: str, payload: bytes, wanted: bytes) -> None:
    """Claim: DSSEv1, decimal byte lengths, single spaces."""
    assert pae(kind, payload) == wanted


@given(st.lists(st.tuples(st.text(max_size=6), st.binary(max_size=6)), min_size=2, max_size=2, unique=True))
def test_two_messages_never_have_one_encoding(two: list[tuple[str, bytes]]) -> None:
    """Claim: the encoding is injective, so that a signature over one type and payload is none over another."""
    first, second = (pae(kind.encode("utf-8", "replace").decode(), payload) for kind, payload in two)
    assert first != second or two[0][0].encode("utf-8", "replace") == two[1][0].encode("utf-8", "replace")


@given(ENVELOPES)
def test_an_envelope_survives_its_bytes(envelope: Envelope) -> None:
    """Claim: parse(e.to_bytes()) == e, and the bytes are the same again."""
    assert Envelope.parse(envelope.to_bytes()) == envelope
    assert Envelope.parse(envelope.to_bytes()).to_bytes() == envelope.to_bytes()


def test_signing_gives_one_signature_of_each_signer_over_the_encoding() -> None:
    """Claim: each signature is over the encoding and carries its key's id; signing again gives the same bytes."""
    envelope = sign(TYPE, b"{}", [ADA, BOB])
    assert [signature.key_id for signature in envelope.signatures] == [ADA.public.id, BOB.public.id]
    assert ADA.public.verify(envelope.signatures[0].sig, b"DSSEv1 28 application/vnd.in-toto+json 2 {}")
    assert valid_signers(envelope, [ADA.public, BOB.public]) == {ADA.public.id, BOB.public.id}
    assert sign(TYPE, b"{}", [ADA, BOB]).to_bytes() == envelope.to_bytes()
    assert json.loads(envelope.to_bytes()) == {
        "payload": "e30=",
        "payloadType": TYPE,
        "signatures": [
            {"keyid": item.key_id, "sig": base64.b64encode(item.sig).decode()} for item in envelope.signatures
        ],
    }


def test_nobody_signs_is_no_envelope() -> None:
    """Claim: an envelope without a signature cannot be made."""
    with pytest.raises(DocumentError, match="1 to 64 signatures, not 0"):
        sign(TYPE, b"{}", [])


class Foreign:
    """A signer whose public key is not that of the key that signs."""

    public = BOB.public

    def sign(self, data: bytes) -> bytes:
        return ADA.sign(data)


def test_a_signature_that_does_not_verify_is_not_handed_out() -> None:
    """Claim: a signer that signs with another key than it says is found before anything is stored."""
    assert isinstance(Foreign(), Signer)
    with pytest.raises(SigningError, match=BOB.public.id[:16]):
        sign(TYPE, b"{}", [Foreign()])


def test_keys_are_counted_and_not_signatures() -> None:
    """Claim: one key counts once, however often it has signed, is trusted, or is named."""
    once = sign(TYPE, b"{}", [ADA])
    twice = Envelope(TYPE, b"{}", (*once.signatures, Signature(BOB.public.id, once.signatures[0].sig)))
    trusted = [ADA.public, PublicKey.from_der(ADA.public.der), BOB.public]
    assert valid_signers(twice, trusted) == {ADA.public.id}
    assert valid_signers(twice, []) == frozenset()


@pytest.mark.parametrize("told", ["", "somebody", BOB.public.id], ids=["empty", "foreign", "another key"])
def test_a_key_id_decides_nothing(told: str) -> None:
    """Claim: under an empty, a foreign or another key's id the signature is found all the same, and grants nothing else."""
    (made,) = sign(TYPE, b"{}", [ADA]).signatures
    envelope = Envelope(TYPE, b"{}", (Signature(told, made.sig),))
    assert valid_signers(envelope, [ADA.public, BOB.public]) == {ADA.public.id}


@pytest.mark.parametrize("change", [("text/plain", b"{}"), (TYPE, b"{ }"), (TYPE + " 2", b"{}")], ids=str)
def test_a_signature_holds_for_its_type_and_payload_only(change: tuple[str, bytes]) -> None:
    """Claim: with another type or payload nobody has signed."""
    made = sign(TYPE, b"{}", [ADA]).signatures
    assert valid_signers(Envelope(*change, made), [ADA.public]) == frozenset()


def test_a_bad_signature_beside_a_good_one_does_no_harm() -> None:
    """Claim: signatures of formats that we do not know may stand first."""
    (made,) = sign(TYPE, b"{}", [ADA]).signatures
    envelope = Envelope(TYPE, b"{}", (Signature("x", b"\0" * 512), made))
    assert valid_signers(envelope, [ADA.public]) == {ADA.public.id}


@pytest.mark.parametrize("keyid", [{}, {"keyid": None}, {"keyid": ""}], ids=["absent", "null", "empty"])
def test_a_key_id_may_be_missing(keyid: dict[str, Any]) -> None:
    """Claim: absent, null and empty are the same (OpenSSF Model Signing 1.0, 4.1)."""
    told = {"payload": "e30=", "payloadType": TYPE, "signatures": [{"sig": "AA==", **keyid}]}
    assert Envelope.parse(json.dumps(told).encode()) == Envelope(TYPE, b"{}", (Signature("", b"\0"),))


GOOD: dict[str, Any] = {"payload": "e30=", "payloadType": TYPE, "signatures": [{"sig": "AA==", "keyid": ""}]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"payload": None}, "payload"),
        ({"payload": "e30"}, "the payload is no base64"),
        ({"payloadType": ""}, "1 to 256 characters, not 0"),
        ({"payloadType": "x" * 257}, "1 to 256 characters, not 257"),
        ({"signatures": []}, "1 to 64 signatures, not 0"),
        ({"signatures": [{"sig": "AA=="}] * 65}, "1 to 64 signatures, not 65"),
        ({"signatures": [{"sig": ""}]}, "0 bytes"),
        ({"signatures": [{"sig": base64.b64encode(b"x" * 1025).decode()}]}, "1,025 bytes"),
        ({"signatures": [{"sig": "AA==", "keyid": "x" * 257}]}, "257 characters"),
        ({"signatures": [{"keyid": ""}]}, "'sig' is missing"),
        ({"signatures": {}}, "array"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_envelope_is_refused_by_what_is_wrong(change: dict[str, Any], words: str) -> None:
    """Claim: every bound and type is checked, and named."""
    with pytest.raises(DocumentError, match=words):
        Envelope.parse(json.dumps({**GOOD, **change}).encode())


def test_every_bound_itself_is_taken() -> None:
    """Claim: the longest type, keyid and signature, and 64 of them, are read."""
    signatures = (Signature("k" * 256, b"s" * 1024),) * 64
    envelope = Envelope("t" * 256, b"", signatures)
    assert Envelope.parse(envelope.to_bytes()) == envelope


def test_a_key_that_stands_twice_is_refused() -> None:
    """Claim: an envelope with two payloads is none, whichever a reader would take."""
    with pytest.raises(DocumentError, match="twice"):
        Envelope.parse(b'{"payload":"","payload":"","payloadType":"t","signatures":[{"sig":"AA=="}]}')


def test_more_bytes_than_an_envelope_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: the size is checked before anything is parsed."""
    monkeypatch.setattr(dsse, "ENVELOPE_SIZE_BYTES_MAX", 10)
    with pytest.raises(DocumentError, match="at most 10"):
        Envelope.parse(json.dumps(GOOD).encode())


def parsed_or_refused(read: Callable[[bytes], object], data: bytes) -> None:
    try:
        read(data)
    except DocumentError:
        return


@given(st.binary(max_size=80))
def test_random_bytes_are_an_envelope_or_a_document_error(data: bytes) -> None:
    """Claim: no byte string makes the parser raise anything else."""
    parsed_or_refused(Envelope.parse, data)


@given(st.data())
def test_a_bent_envelope_is_one_or_a_document_error_and_never_signed_by_chance(data: st.DataObject) -> None:
    """Claim: whatever is changed in the bytes, what parses has either the old type and payload or no signer."""
    good = sign(TYPE, b'{"a":1}', [ADA])
    bent = bytearray(good.to_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        bent[data.draw(st.integers(0, len(bent) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = Envelope.parse(bytes(bent))
    except DocumentError:
        return
    if (found.payload_type, found.payload) != (good.payload_type, good.payload):
        assert valid_signers(found, [ADA.public]) == frozenset()
