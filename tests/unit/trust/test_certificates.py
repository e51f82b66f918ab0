"""Certificates: whose chain is good at which time, and each way in which one is not."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Sequence

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.trust.authority import (
    AUTHORITY,
    BEGIN,
    CODE,
    END,
    MIDDLE,
    SERVER,
    SIGNS_CERTIFICATES,
    SIGNS_DATA,
    Holder,
    authority,
    issue,
    usage,
)

from modelreg.errors import DocumentError, UntrustedError
from modelreg.trust.certificates import CERTIFICATE_SIZE_BYTES_MAX, PEM_SIZE_BYTES_MAX, Certificate, verify_chain
from modelreg.trust.keys import PublicKey

ROOT = authority("root")
BETWEEN = authority("between", by=ROOT)
LEAF = issue("leaf", [SIGNS_DATA], by=BETWEEN)
SECOND = dt.timedelta(seconds=1)


def verified(chain: Sequence[Holder], roots: Sequence[Holder] = (ROOT,), at: dt.datetime = MIDDLE) -> PublicKey:
    return verify_chain([holder.der for holder in chain], [root.parsed for root in roots], at)


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_a_good_chain_gives_the_leaf_s_key(curve: ec.EllipticCurve) -> None:
    """Claim: leaf and authority lead to the root, with the root in the chain or not, for every kind of key."""
    leaf = issue("leaf", [SIGNS_DATA], by=BETWEEN, key=ec.generate_private_key(curve))
    assert verified([leaf, BETWEEN]) == leaf.signer.public
    assert verified([leaf, BETWEEN, ROOT]) == leaf.signer.public


def test_what_is_trusted_may_be_any_certificate_of_the_way() -> None:
    """Claim: an authority below the root, or a leaf that signed itself, can be what is trusted."""
    alone = issue("alone", [SIGNS_DATA])
    assert verified([LEAF], [BETWEEN]) == LEAF.signer.public
    assert verified([alone], [alone]) == alone.signer.public


def test_a_root_may_have_a_key_that_signs_no_models() -> None:
    """Claim: an RSA root vouches for an ECDSA leaf; an RSA leaf is refused by its name."""
    key = rsa.generate_private_key(65537, 2048)
    root = issue("root", [AUTHORITY, SIGNS_CERTIFICATES], key=key)
    assert verified([issue("leaf", [SIGNS_DATA], by=root)], [root]).algorithm == "ecdsa-p256"
    with pytest.raises(DocumentError, match="RSA"):
        verified([issue("leaf", [SIGNS_DATA], by=BETWEEN, key=key), BETWEEN])


@pytest.mark.parametrize(
    ("at", "good"), [(BEGIN - SECOND, False), (BEGIN, True), (END, True), (END + SECOND, False)], ids=str
)
def test_the_dates_hold_to_the_second(at: dt.datetime, good: bool) -> None:
    """Claim: valid from the first to the last second that it names, in whatever time zone the time is told."""
    for zone in (dt.UTC, dt.timezone(dt.timedelta(hours=10)), dt.timezone(-dt.timedelta(hours=10))):
        if good:
            assert verified([LEAF, BETWEEN], at=at.astimezone(zone)) == LEAF.signer.public
        else:
            with pytest.raises(UntrustedError, match="is not valid at validation time"):
                verified([LEAF, BETWEEN], at=at.astimezone(zone))


def test_a_certificate_tells_of_its_own_dates() -> None:
    """Claim: to the second, whoever issued it."""
    times = (BEGIN - SECOND, BEGIN, END, END + SECOND)
    assert [LEAF.parsed.is_valid(at) for at in times] == [False, True, True, False]


def test_every_certificate_of_the_way_is_valid_at_the_time() -> None:
    """Claim: a root or an authority that has ended vouches for nobody, though the leaf goes on."""
    root, between = authority("root", end=MIDDLE - SECOND), authority("between", by=ROOT, end=MIDDLE - SECOND)
    with pytest.raises(UntrustedError, match="validation time"):
        verified([issue("leaf", [SIGNS_DATA], by=root)], [root])
    with pytest.raises(UntrustedError, match="validation time"):
        verified([issue("leaf", [SIGNS_DATA], by=between), between])


NAMELESS = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"x")
BAD_LEAVES: dict[str, tuple[list[x509.ExtensionType], str]] = {
    "no purpose": ([], "does not say what its key is for"),
    "for certificates only": ([SIGNS_CERTIFICATES], "not for signatures"),
    "for certificates, though for code": ([SIGNS_CERTIFICATES, x509.ExtendedKeyUsage([CODE])], "not for signatures"),
    "a web server's": ([SIGNS_DATA, x509.ExtendedKeyUsage([SERVER])], "not for signing code"),
    "a web server's without keyUsage": ([x509.ExtendedKeyUsage([SERVER])], "not for signing code"),
    "with an unknown critical extension": ([SIGNS_DATA, NAMELESS], "critical"),
}
GOOD_LEAVES: dict[str, list[x509.ExtensionType]] = {
    "for code": [x509.ExtendedKeyUsage([CODE])],
    "for signatures, of code": [SIGNS_DATA, x509.ExtendedKeyUsage([CODE])],
    "for signatures and more": [usage("digital_signature", "key_agreement")],
    "for code and servers": [x509.ExtendedKeyUsage([SERVER, CODE])],
}


@pytest.mark.parametrize("name", list(BAD_LEAVES))
def test_a_leaf_that_is_not_for_signing_is_refused(name: str) -> None:
    """Claim: whatever the root vouches for, only a key for signatures, and not one for something else, signs models."""
    extensions, words = BAD_LEAVES[name]
    with pytest.raises(
        UntrustedError, match=f"'CN=leaf' leads to no trusted root at 2026-06-01 00:00:00 UTC: .*{words}"
    ):
        verified([issue("leaf", extensions, by=BETWEEN), BETWEEN])


@pytest.mark.parametrize("name", list(GOOD_LEAVES))
def test_a_leaf_for_signing_is_taken(name: str) -> None:
    """Claim: digitalSignature or codeSigning, or both, and others beside them, are enough."""
    leaf = issue("leaf", GOOD_LEAVES[name], by=BETWEEN)
    assert verified([leaf, BETWEEN]) == leaf.signer.public


BAD_AUTHORITIES: dict[str, tuple[list[x509.ExtensionType], str]] = {
    "no authority": ([x509.BasicConstraints(ca=False, path_length=None), SIGNS_CERTIFICATES], "cA must be asserted"),
    "silent": ([SIGNS_CERTIFICATES], "no basicConstraints"),
    "not for certificates": ([AUTHORITY, SIGNS_DATA], "may not sign certificates"),
}


@pytest.mark.parametrize("name", list(BAD_AUTHORITIES))
def test_whoever_is_no_authority_vouches_for_nobody(name: str) -> None:
    """Claim: a certificate of the root's that is not an authority's makes no other, between or as a root."""
    extensions, words = BAD_AUTHORITIES[name]
    for holder, chain_roots in ((issue("between", extensions, by=ROOT), [ROOT]), (issue("root", extensions), None)):
        leaf = issue("leaf", [SIGNS_DATA], by=holder)
        with pytest.raises(UntrustedError, match=words):
            verified([leaf, holder], chain_roots or [holder])


def test_an_authority_without_key_usage_is_one() -> None:
    """Claim: old authorities that have basicConstraints alone are taken."""
    between = issue("between", [AUTHORITY], by=ROOT)
    leaf = issue("leaf", [SIGNS_DATA], by=between)
    assert verified([leaf, between]) == leaf.signer.public


def test_the_length_of_the_way_is_the_authority_s_to_bound() -> None:
    """Claim: an authority that may not make authorities makes none."""
    narrow = authority("narrow", by=ROOT, path_length=0)
    below = authority("below", by=narrow)
    leaf = issue("leaf", [SIGNS_DATA], by=narrow)
    assert verified([leaf, narrow]) == leaf.signer.public
    with pytest.raises(UntrustedError, match="path length"):
        verified([issue("leaf", [SIGNS_DATA], by=below), below, narrow])


def test_a_chain_that_ends_elsewhere_is_refused() -> None:
    """Claim: a missing link, a root in the chain that nobody trusts, a root of the same name, and no roots at all."""
    foreign = authority("root")
    for chain, roots in (([LEAF], [ROOT]), ([LEAF, BETWEEN, ROOT], [foreign]), ([LEAF, LEAF], [ROOT])):
        with pytest.raises(UntrustedError, match="leads to no trusted root"):
            verified(chain, roots)
    with pytest.raises(UntrustedError, match="no root is trusted"):
        verified([LEAF, BETWEEN], [])


def test_certificates_are_read_from_pem_too() -> None:
    """Claim: a file of several gives them in order; none at all is an error."""
    assert Certificate.all_from_pem(LEAF.pem + b"text\n" + BETWEEN.pem) == (LEAF.parsed, BETWEEN.parsed)
    assert LEAF.parsed.subject == "CN=leaf"
    assert repr(LEAF.parsed) == "Certificate(subject='CN=leaf')"
    for data in (b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", LEAF.der):
        with pytest.raises(DocumentError, match="no PEM certificate"):
            Certificate.all_from_pem(data)


def test_the_size_bounds_are_exact() -> None:
    """Claim: 64 KiB of DER and 1 MiB of PEM are read, a byte more is not."""
    with pytest.raises(DocumentError, match="no DER certificate"):
        Certificate.from_der(b"x" * CERTIFICATE_SIZE_BYTES_MAX)
    with pytest.raises(DocumentError, match="at most 65,536"):
        Certificate.from_der(b"x" * (CERTIFICATE_SIZE_BYTES_MAX + 1))
    padding = b"\n" * (PEM_SIZE_BYTES_MAX - len(LEAF.pem))
    assert Certificate.all_from_pem(LEAF.pem + padding) == (LEAF.parsed,)
    with pytest.raises(DocumentError, match="at most 1,048,576"):
        Certificate.all_from_pem(LEAF.pem + padding + b"\n")


@given(st.data())
def test_a_bent_chain_is_good_or_a_typed_error(data: st.DataObject) -> None:
    """Claim: whatever is changed in the bytes, a chain verifies to the same key or ends as one of the two errors."""
    chain = [bytearray(LEAF.der), bytearray(BETWEEN.der)]
    bent = data.draw(st.sampled_from(chain))
    for _ in range(data.draw(st.integers(1, 3))):
        bent[data.draw(st.integers(0, len(bent) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = verify_chain([bytes(der) for der in chain], [ROOT.parsed], MIDDLE)
    except (DocumentError, UntrustedError):
        return
    assert found == LEAF.signer.public


def test_a_version_that_there_is_not_is_refused() -> None:
    """Claim: what the parser has an exception of its own for is a DocumentError too."""
    place = LEAF.der.index(bytes.fromhex("a003020102")) + 4
    with pytest.raises(DocumentError, match="no DER certificate"):
        Certificate.from_der(LEAF.der[:place] + b"\x11" + LEAF.der[place + 1 :])


def test_a_name_that_is_none_is_refused() -> None:
    """Claim: what the parser only looks at when it is asked for is asked for at once."""
    place = LEAF.der.rindex(b"\x0c\x04leaf")
    with pytest.raises(DocumentError, match="no DER certificate"):
        Certificate.from_der(LEAF.der[:place] + b"\x08" + LEAF.der[place + 1 :])


def test_a_serial_number_that_is_none_is_refused() -> None:
    """Claim: what the parser only warns of (RFC 5280 wants a positive one) is no certificate."""
    place = LEAF.der.index(bytes.fromhex("a003020102")) + 7
    length = LEAF.der[place - 1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as a user's Python does, and these tests do not
        with pytest.raises(DocumentError, match="no DER certificate"):
            Certificate.from_der(LEAF.der[:place] + bytes([0x80]) * length + LEAF.der[place + length :])


@pytest.mark.parametrize(
    ("before", "after"), [("2a8648ce3d030107", "2a8648ce3d03010f"), ("03420004", "03420005")], ids=["curve", "point"]
)
def test_a_key_that_cannot_be_read_is_refused(before: str, after: str) -> None:
    """Claim: a curve that nobody knows and a point that is none are found when the key is asked for, and told."""
    bent = LEAF.der.replace(bytes.fromhex(before), bytes.fromhex(after))
    assert bent != LEAF.der
    with pytest.raises(DocumentError, match="the certificate of 'CN=leaf' holds no key that can be read"):
        _ = Certificate.from_der(bent).key


@given(st.binary(max_size=80))
def test_random_bytes_are_no_certificate(data: bytes) -> None:
    """Claim: no byte string makes the readers raise anything but DocumentError."""
    for read in (Certificate.from_der, Certificate.all_from_pem):
        with pytest.raises(DocumentError):
            read(data)
