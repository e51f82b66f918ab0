"""OpenSSF Model Signing bundles: the shared vector to the byte, and what is no bundle, not signed, or not by whom it says."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.trust.authority import END, MIDDLE, SIGNS_DATA, authority, issue

from modelreg.errors import DocumentError, SigningError, UntrustedError
from modelreg.trust.certificates import CHAIN_MAX
from modelreg.trust.dsse import IN_TOTO_TYPE, Envelope, Signature, pae
from modelreg.trust.keys import Algorithm, PrivateKey
from modelreg.trust.oms import MEDIA_TYPE, Bundle, Signed, Stranger, sign
from modelreg.trust.oms_statement import statement_of

ONE = PrivateKey(ec.derive_private_key(1, ec.SECP256R1()))
HELLO = hashlib.sha256(b"hello").hexdigest()
STATEMENT = statement_of([("model.h5", HELLO)], name="demo")
ROOT = authority("root")
BETWEEN = authority("between", by=ROOT)
LEAF = issue("leaf", [SIGNS_DATA], by=BETWEEN)
OURS = sign(STATEMENT, ONE)
CHAINED = sign(STATEMENT, LEAF.signer, chain=[LEAF.der, BETWEEN.der])
YEAR = dt.timedelta(days=365)
Told = dict[str, Any]


def told(bundle: Bundle = OURS) -> Told:
    found: Told = json.loads(bundle.to_bytes())
    return found


def parsed(document: Told) -> Bundle:
    return Bundle.parse(json.dumps(document).encode())


def test_the_shared_vector_is_made_to_the_byte() -> None:
    """Claim: the key with the secret 1 over the five bytes `hello` gives the known digests and signature.

    ``model_signing verify key`` accepts this bundle.
    """
    payload = OURS.envelope.payload
    assert len(payload) == 437
    assert hashlib.sha256(payload).hexdigest() == "e2b5227132e874f0a0ad0647c4133eef4de84eab35254e140104561d4907b311"
    message = pae(IN_TOTO_TYPE, payload)
    assert message.startswith(b"DSSEv1 28 application/vnd.in-toto+json 437 {")
    assert hashlib.sha256(message).hexdigest() == "4af9c283d16d0ebfac9b82dbab1dbea6f15f16a9b02d0032f2f97e2c30ee5997"
    assert told() == {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "publicKey": {"hint": "0bcc8908c3cc5f2c08c1e1963e1b674e76aa2dfb7cd91c437b4081b25b7f9e03"},
            "tlogEntries": [],
        },
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [
                {
                    "keyid": "",
                    "sig": "MEYCIQDzLv+StnqS5dS+5g/mfen3SJXkfr4BsDtPO/+nBr8L2QIhAOMEYT1muJKz85jHDDQmU3mJY7tmCSSDw0YHh5E/Rx/t",
                }
            ],
        },
    }


@pytest.mark.parametrize("algorithm", [Algorithm.ECDSA_P256, Algorithm.ECDSA_P384, Algorithm.ECDSA_P521])
def test_a_bundle_survives_its_bytes_and_verifies(algorithm: Algorithm) -> None:
    """Claim: what one of the three curves signs is read back and verified, whoever else is trusted too."""
    key = PrivateKey.generate(algorithm)
    bundle = sign(STATEMENT, key)
    assert Bundle.parse(bundle.to_bytes()) == bundle
    signed = bundle.verify_with_keys([ONE.public, key.public])
    assert (signed.key, signed.statement) == (key.public, STATEMENT)


def test_a_certified_bundle_survives_its_bytes_and_verifies() -> None:
    """Claim: chain and signature verify up to the root, and the leaf's key is told."""
    assert Bundle.parse(CHAINED.to_bytes()) == CHAINED
    signed = CHAINED.verify_with_roots([ROOT.parsed], MIDDLE)
    assert (signed.key, signed.statement) == (LEAF.signer.public, STATEMENT)
    assert [base64.b64decode(item["rawBytes"]) for item in _certificates(told(CHAINED))] == [LEAF.der, BETWEEN.der]
    assert told(CHAINED)["verificationMaterial"]["tlogEntries"] == []
    assert "publicKey" not in told(CHAINED)["verificationMaterial"]


def _certificates(document: Told) -> list[Told]:
    found: list[Told] = document["verificationMaterial"]["x509CertificateChain"]["certificates"]
    return found


def test_ed25519_keys_sign_no_such_bundle() -> None:
    """Claim: a kind that the specification does not know neither signs nor verifies one, and the error says what does."""
    key = PrivateKey.generate(Algorithm.ED25519)
    with pytest.raises(DocumentError, match="knows no ed25519 keys: it takes ecdsa-p256, ecdsa-p384, ecdsa-p521"):
        sign(STATEMENT, key)
    made = Signature("", key.sign(pae(IN_TOTO_TYPE, OURS.envelope.payload)))
    bundle = Bundle(dataclasses.replace(OURS.envelope, signatures=(made,)), hint=key.public.hint)
    with pytest.raises(UntrustedError, match="no trusted key"):
        bundle.verify_with_keys([key.public])


def test_a_chain_that_is_another_key_s_is_not_signed_with() -> None:
    """Claim: the first certificate is the signer's, or nothing is made."""
    with pytest.raises(DocumentError, match="the first certificate is for the key"):
        sign(STATEMENT, ONE, chain=[LEAF.der, BETWEEN.der])


class Liar:
    """Says that it is the key with the secret 1, and is not."""

    public = ONE.public

    def sign(self, data: bytes) -> bytes:
        return LEAF.signer.sign(data)


def test_a_signature_that_does_not_verify_is_never_put_into_a_bundle() -> None:
    """Claim: what a signer returns is checked before it is handed out."""
    with pytest.raises(SigningError, match="does not verify"):
        sign(STATEMENT, Liar())


@pytest.mark.parametrize("hint", [None, ""])
def test_a_bundle_need_not_name_its_key(hint: str | None) -> None:
    """Claim: an absent or empty hint, as of older tools with rawBytes, is no hint."""
    document = told()
    document["verificationMaterial"]["publicKey"] = {"rawBytes": "AA==", **({} if hint is None else {"hint": hint})}
    assert parsed(document).hint is None
    assert parsed(document).verify_with_keys([ONE.public]).statement == STATEMENT


def test_a_hint_on_another_key_is_refused() -> None:
    """Claim: a bundle that says that another key signed it than did is not taken, though the key is trusted."""
    with pytest.raises(UntrustedError, match="says that it was another"):
        dataclasses.replace(OURS, hint="0" * 64).verify_with_keys([ONE.public])


def test_keys_and_roots_verify_their_own_kind_of_bundle() -> None:
    """Claim: a bare key's bundle is not verified by roots, nor a certified one by keys, and each says what to give."""
    with pytest.raises(UntrustedError, match="bare key") as caught:
        OURS.verify_with_roots([ROOT.parsed], MIDDLE)
    assert caught.value.hint == "give the key"
    with pytest.raises(UntrustedError, match="with a certificate") as caught:
        CHAINED.verify_with_keys([LEAF.signer.public])
    assert caught.value.hint == "give the root"
    with pytest.raises(UntrustedError, match="bare key"):
        OURS.verify_by_leaf()


def test_nobody_trusted_has_signed() -> None:
    """Claim: another key, and none at all, are refused."""
    for keys in ([], [LEAF.signer.public]):
        with pytest.raises(UntrustedError, match="no trusted key has signed"):
            OURS.verify_with_keys(keys)


def test_a_certificate_of_somebody_else_s_is_refused() -> None:
    """Claim: a good chain whose leaf did not sign verifies nothing; nor does one that has ended."""
    other = issue("other", [SIGNS_DATA], by=BETWEEN)
    with pytest.raises(UntrustedError, match="has not signed it"):
        dataclasses.replace(CHAINED, chain=(other.der, BETWEEN.der)).verify_with_roots([ROOT.parsed], MIDDLE)
    with pytest.raises(UntrustedError, match="validation time"):
        CHAINED.verify_with_roots([ROOT.parsed], END.replace(year=2030))


def test_who_made_a_bundle_is_a_believed_key_or_a_stranger() -> None:
    """Claim: with keys and roots at once: whoever is believed by either made it, and anybody else is named."""
    other = PrivateKey.generate().public
    assert OURS.verify([other, ONE.public], [], MIDDLE) == Signed(ONE.public, STATEMENT)
    assert OURS.verify([other], [ROOT.parsed], MIDDLE) == Stranger("the key with the hint 0bcc8908c3cc", "")
    assert dataclasses.replace(OURS, hint=None).verify([other], [], MIDDLE) == Stranger("a key that gives no hint", "")
    for keys, roots in (([], [ROOT.parsed]), ([LEAF.signer.public], [])):
        assert CHAINED.verify(keys, roots, MIDDLE) == Signed(LEAF.signer.public, STATEMENT)
    for roots, at, reason in (([], MIDDLE, "no root is trusted"), ([ROOT.parsed], END + YEAR, "leads to no trusted")):
        stranger = CHAINED.verify([other], roots, at)
        assert isinstance(stranger, Stranger)
        assert stranger.name == "the certificate of 'CN=leaf'"
        assert reason in stranger.reason


def test_a_forgery_is_no_stranger_s() -> None:
    """Claim: what claims to be by a believed key, or by its own certificate, and is not, is refused."""
    forged = sign(STATEMENT, PrivateKey.generate())
    for bundle in (
        dataclasses.replace(forged, hint=ONE.public.hint),  # names a believed key
        dataclasses.replace(OURS, hint="0" * 64),  # is by one, and names another
        Bundle(forged.envelope, chain=CHAINED.chain),
    ):
        with pytest.raises(UntrustedError):
            bundle.verify([ONE.public], [ROOT.parsed], MIDDLE)


def changed(change: Callable[[Told], object], document: Told | None = None) -> Told:
    document = document or told()
    change(document)
    return document


NOT_BUNDLES: dict[str, tuple[Callable[[Told], object], str]] = {
    "another media type": (lambda b: b.update(mediaType=MEDIA_TYPE.replace("0.3", "0.2")), "media type is"),
    "no media type": (lambda b: b.pop("mediaType"), "'mediaType' is missing"),
    "a fourth key": (lambda b: b.update(extra=1), "no key 'extra' at that place"),
    "another key in the material": (lambda b: b["verificationMaterial"].update(extra=1), "no key 'extra'"),
    "another key beside the hint": (lambda b: b["verificationMaterial"]["publicKey"].update(extra=1), "no key 'extra'"),
    "another key in the envelope": (lambda b: b["dsseEnvelope"].update(extra=1), "no key 'extra'"),
    "another key in the signature": (lambda b: b["dsseEnvelope"]["signatures"][0].update(extra=1), "no key 'extra'"),
    "no envelope": (lambda b: b.pop("dsseEnvelope"), "'dsseEnvelope' is missing"),
    "no material": (lambda b: b.pop("verificationMaterial"), "'verificationMaterial' is missing"),
    "no key and no chain": (lambda b: b["verificationMaterial"].pop("publicKey"), "and not both"),
    "key and chain": (
        lambda b: b["verificationMaterial"].update(x509CertificateChain={"certificates": [{"rawBytes": "AA=="}]}),
        "and not both",
    ),
    "keyless": (lambda b: b["verificationMaterial"].update(certificate={"rawBytes": "AA=="}), "Fulcio and Rekor"),
    "another payload type": (
        lambda b: b["dsseEnvelope"].update(payloadType="text/plain"),
        "payload type is 'text/plain'",
    ),
    "no signature": (lambda b: b["dsseEnvelope"].update(signatures=[]), "not 0"),
    "two signatures": (
        lambda b: b["dsseEnvelope"].update(signatures=b["dsseEnvelope"]["signatures"] * 2),
        "2 signatures; a bundle has one",
    ),
    "payload that is no base64": (lambda b: b["dsseEnvelope"].update(payload="*"), "payload is no base64"),
}


@pytest.mark.parametrize("name", list(NOT_BUNDLES))
def test_what_is_no_bundle_is_refused_by_what_is_wrong(name: str) -> None:
    """Claim: each rule of the container is checked before any signature, and named."""
    change, words = NOT_BUNDLES[name]
    with pytest.raises(DocumentError, match=f"^the OpenSSF Model Signing bundle.*{words}"):
        parsed(changed(change))


@pytest.mark.parametrize(("count", "good"), [(0, False), (1, True), (CHAIN_MAX, True), (CHAIN_MAX + 1, False)])
def test_a_chain_has_a_bound(count: int, good: bool) -> None:
    """Claim: one to eight certificates are read."""
    document = told(CHAINED)
    document["verificationMaterial"]["x509CertificateChain"]["certificates"] = _certificates(document)[:1] * count
    if good:
        assert len(parsed(document).chain) == count
    else:
        with pytest.raises(DocumentError, match=f"it has {count} certificates: 1 to 8"):
            parsed(document)


def test_what_only_the_network_can_tell_is_let_be() -> None:
    """Claim: log entries and timestamps, whatever is in them, are none of our business."""
    document = told()
    document["verificationMaterial"].update(tlogEntries=[{"logIndex": "1"}], timestampVerificationData={"x": []})
    assert parsed(document).verify_with_keys([ONE.public]).statement == STATEMENT


def signed_bytes(payload: bytes) -> Bundle:
    """A bundle whose signature is good, whatever was signed."""
    made = Signature("", ONE.sign(pae(IN_TOTO_TYPE, payload)))
    return Bundle(Envelope(IN_TOTO_TYPE, payload, (made,)), hint=ONE.public.hint)


def test_what_was_signed_is_parsed_after_it_was_verified() -> None:
    """Claim: of a payload that is no statement an untrusted bundle says that it is untrusted, a trusted one what is wrong."""
    bundle = signed_bytes(b"[]")
    with pytest.raises(UntrustedError):
        bundle.verify_with_keys([LEAF.signer.public])
    with pytest.raises(DocumentError, match="the signed statement"):
        bundle.verify_with_keys([ONE.public])


@given(st.binary(max_size=80))
def test_random_bytes_are_no_bundle(data: bytes) -> None:
    """Claim: no byte string makes the parser raise anything but DocumentError."""
    with pytest.raises(DocumentError):
        Bundle.parse(data)


@given(st.data())
def test_a_bent_bundle_says_the_same_or_nothing(data: st.DataObject) -> None:
    """Claim: whatever is changed in the bytes, a bundle that still verifies says what it said, by the same key."""
    bundle = data.draw(st.sampled_from([OURS, CHAINED]))
    bent = bytearray(bundle.to_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        bent[data.draw(st.integers(0, len(bent) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = Bundle.parse(bytes(bent))
        by_roots = bool(found.chain)
        signed = found.verify_with_roots([ROOT.parsed], MIDDLE) if by_roots else found.verify_with_keys([ONE.public])
    except (DocumentError, UntrustedError):
        return
    assert signed.statement == STATEMENT
    assert signed.key in (ONE.public, LEAF.signer.public)
