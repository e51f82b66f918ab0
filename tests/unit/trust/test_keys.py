"""Keys: published signatures, one id per key, everything else refused by its name, and signatures that only fit."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from modelreg.errors import DocumentError, UsageError
from modelreg.trust.keys import KEY_SIZE_BYTES_MAX, Algorithm, PrivateKey, PublicKey

SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
CURVES = {
    Algorithm.ECDSA_P256: ec.SECP256R1(),
    Algorithm.ECDSA_P384: ec.SECP384R1(),
    Algorithm.ECDSA_P521: ec.SECP521R1(),
}
ONE = PrivateKey(ec.derive_private_key(1, ec.SECP256R1()))
"""The key whose secret is 1, of which the shared vector speaks."""

RFC_6979 = {
    Algorithm.ECDSA_P256: (
        "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
        "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
        "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
    ),
    Algorithm.ECDSA_P384: (
        "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5",
        "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46",
        "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8",
    ),
    Algorithm.ECDSA_P521: (
        "00FAD06DAA62BA3B25D2FB40133DA757205DE67F5BB0018FEE8C86E1B68C7E75CAA896EB32F1F47C70855836A6D16FCC1466F6D8FBEC67DB89EC0C08B0E996B83538",
        "00C328FAFCBD79DD77850370C46325D987CB525569FB63C5D3BC53950E6D4C5F174E25A1EE9017B5D450606ADD152B534931D7D4E8455CC91F9B15BF05EC36E377FA",
        "00617CCE7CF5064806C467F678D3B4080D6F1CC50AF26CA209417308281B68AF282623EAA63E5B5C0723D8B8C37FF0777B1A20F8CCB1DCCC43997F1EE0E44DA4A67A",
    ),
}
"""RFC 6979, A.2.5 to A.2.7, the message ``sample`` with the hash of the curve's size: secret, r, s."""


@pytest.mark.parametrize("algorithm", list(RFC_6979))
def test_the_rfc_s_own_signatures_are_made_and_verified(algorithm: Algorithm) -> None:
    """Claim: ECDSA with each curve's hash, deterministic, in DER: the values of RFC 6979."""
    secret, r, s = (int(text, 16) for text in RFC_6979[algorithm])
    key = PrivateKey(ec.derive_private_key(secret, CURVES[algorithm]))
    assert key.public.algorithm == algorithm
    assert decode_dss_signature(key.sign(b"sample")) == (r, s)
    assert key.public.verify(encode_dss_signature(r, s), b"sample")


def test_ed25519_gives_the_signature_of_rfc_8032() -> None:
    """Claim: test 1 of RFC 8032, 7.1."""
    secret = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    key = PrivateKey(ed25519.Ed25519PrivateKey.from_private_bytes(secret))
    wanted = (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    assert key.sign(b"").hex() == wanted
    assert key.public.algorithm == "ed25519"


def test_the_shared_vector_s_key_has_its_two_names() -> None:
    """Claim: the id is the SHA-256 of the DER form and the hint that of the PEM text, as other tools compute them."""
    assert ONE.public.id == "5cd252fb0ce8932436faf8ccd1040981b89ee4ad6b9fe9e2a2b7e71aacb27cd3"
    assert ONE.public.hint == "0bcc8908c3cc5f2c08c1e1963e1b674e76aa2dfb7cd91c437b4081b25b7f9e03"


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_key_survives_each_of_its_forms(algorithm: Algorithm) -> None:
    """Claim: PEM and DER, public and private, give back an equal key with the same id."""
    key = PrivateKey.generate(algorithm)
    public = key.public
    assert PublicKey.from_pem(public.pem.encode()) == public == PublicKey.from_der(public.der)
    assert public.id == hashlib.sha256(public.der).hexdigest()
    assert len({public, PublicKey.from_der(public.der)}) == 1
    for again in (PrivateKey.from_pem(key.to_pem()), PrivateKey.from_der(key.to_der())):
        assert again.public == public
        assert again.sign(b"x") == key.sign(b"x")
    assert key.to_pem().startswith(b"-----BEGIN PRIVATE KEY-----\n")


def test_a_compressed_point_is_the_same_key() -> None:
    """Claim: another encoding of one key has the same id, so that a key cannot count twice towards a threshold."""
    key = ec.derive_private_key(7, ec.SECP256R1()).public_key()
    plain = key.public_bytes(serialization.Encoding.DER, SPKI)
    point = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    head = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107")
    compressed = (
        b"\x30" + bytes([len(head) + 3 + len(point)]) + head + b"\x03" + bytes([len(point) + 1]) + b"\0" + point
    )
    assert compressed != plain
    assert PublicKey.from_der(compressed).id == hashlib.sha256(plain).hexdigest()
    assert PublicKey.from_der(compressed) == PublicKey.from_der(plain)


FOREIGN: dict[str, Callable[[], Any]] = {
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "DSA": lambda: dsa.generate_private_key(1024),
    "Ed448": ed448.Ed448PrivateKey.generate,
    "X25519": x25519.X25519PrivateKey.generate,
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "secp224r1": lambda: ec.generate_private_key(ec.SECP224R1()),
}


@pytest.mark.parametrize("name", list(FOREIGN))
def test_another_kind_of_key_is_refused_by_its_name(name: str) -> None:
    """Claim: both halves of a foreign key, in both encodings, are a DocumentError that names the kind and says which are taken."""
    key = FOREIGN[name]()
    pkcs8 = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem, der = serialization.Encoding.PEM, serialization.Encoding.DER
    with pytest.raises(DocumentError, match=f"{name}.*P-256, P-384 or P-521, and Ed25519"):
        PublicKey.from_pem(key.public_key().public_bytes(pem, SPKI))
    with pytest.raises(DocumentError, match=name):
        PublicKey.from_der(key.public_key().public_bytes(der, SPKI))
    with pytest.raises(DocumentError, match=name):
        PrivateKey.from_pem(key.private_bytes(pem, *pkcs8))
    with pytest.raises(DocumentError, match=name):
        PrivateKey.from_der(key.private_bytes(der, *pkcs8))


def test_what_is_no_key_is_told_what_it_is() -> None:
    """Claim: a private key, a public one in its place, two keys in one text and an encrypted PEM each get the command to type."""
    public, private = ONE.public.pem.encode(), ONE.to_pem()
    for data, hint in ((private, "-pubout"), (b"-----BEGIN CERTIFICATE-----\n", "openssl x509"), (b"", None)):
        with pytest.raises(DocumentError, match="no PEM public key") as caught:
            PublicKey.from_pem(data)
        assert hint is None or hint in str(caught.value.hint)
        assert (hint is None) == (caught.value.hint is None)
    with pytest.raises(DocumentError, match="no PEM private key") as caught:
        PrivateKey.from_pem(public)
    assert "cannot sign" in str(caught.value.hint)
    with pytest.raises(DocumentError, match="more than one"):
        PublicKey.from_pem(public + public)
    protected = serialization.BestAvailableEncryption(b"secret")
    encrypted = ec.derive_private_key(1, ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protected
    )
    with pytest.raises(DocumentError, match="protected") as caught:
        PrivateKey.from_pem(encrypted)
    assert "openssl pkey" in str(caught.value.hint)


def test_the_size_bound_is_exact() -> None:
    """Claim: 16 KiB are read, a byte more is not."""
    pem = ONE.public.pem.encode()
    assert PublicKey.from_pem(pem + b"\n" * (KEY_SIZE_BYTES_MAX - len(pem))) == ONE.public
    with pytest.raises(DocumentError, match="at most 16,384"):
        PublicKey.from_pem(pem + b"\n" * (KEY_SIZE_BYTES_MAX - len(pem) + 1))


def test_an_unknown_algorithm_is_a_usage_error_that_lists_the_known() -> None:
    """Claim: a typo in an algorithm names itself and the four that there are."""
    with pytest.raises(UsageError, match="'rsa-2048'") as caught:
        PrivateKey.generate("rsa-2048")
    assert caught.value.hint == "choose one of ecdsa-p256, ecdsa-p384, ecdsa-p521, ed25519"
    assert PrivateKey.generate().public.algorithm == Algorithm.ECDSA_P256


def test_a_private_key_does_not_show_itself() -> None:
    """Claim: neither repr nor str hold more than the kind and the public id."""
    assert repr(ONE) == str(ONE) == f"PrivateKey(ecdsa-p256, {ONE.public.id})"
    assert "der" not in repr(ONE.public)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_signature_fits_its_data_and_its_key_only(algorithm: Algorithm) -> None:
    """Claim: other data, another key, a flipped bit at any place, a byte more or less: each is False."""
    key = PrivateKey.generate(algorithm)
    signature = key.sign(b"data")
    assert key.public.verify(signature, b"data")
    assert not key.public.verify(signature, b"datb")
    assert not PrivateKey.generate(algorithm).public.verify(signature, b"data")
    for place in range(len(signature)):
        bent = bytearray(signature)
        bent[place] ^= 1
        assert not key.public.verify(bytes(bent), b"data")
    for other in (signature[:-1], signature + b"\0", b"", b"\0" + signature):
        assert not key.public.verify(other, b"data")


@given(st.binary(max_size=200), st.sampled_from(list(Algorithm)))
def test_random_bytes_are_no_signature(data: bytes, algorithm: Algorithm) -> None:
    """Claim: verify of anything is False, never an exception."""
    assert not SAMPLES[algorithm].public.verify(data, b"data")


SAMPLES = {algorithm: PrivateKey.generate(algorithm) for algorithm in Algorithm}


@given(st.data())
def test_mutated_keys_are_keys_or_document_errors(data: st.DataObject) -> None:
    """Claim: whatever happens to a key's bytes, reading it gives a key or DocumentError, and a key's id is of one form."""
    key = SAMPLES[data.draw(st.sampled_from(list(Algorithm)))]
    forms = (key.public.der, key.public.pem.encode(), key.to_der(), key.to_pem())
    bent = bytearray(data.draw(st.sampled_from(forms)))
    for _ in range(data.draw(st.integers(0, 4))):
        bent[data.draw(st.integers(0, len(bent) - 1))] = data.draw(st.integers(0, 255))
    del bent[data.draw(st.integers(0, len(bent))) :]
    for read in (PublicKey.from_der, PublicKey.from_pem):
        with contextlib.suppress(DocumentError):
            public = read(bytes(bent))
            assert PublicKey.from_der(public.der) == public
    for take in (PrivateKey.from_der, PrivateKey.from_pem):
        with contextlib.suppress(DocumentError):
            take(bytes(bent)).sign(b"")


@given(st.binary(max_size=100))
def test_random_bytes_are_no_key(data: bytes) -> None:
    """Claim: no byte string makes the readers raise anything but DocumentError."""
    for read in (PublicKey.from_der, PublicKey.from_pem, PrivateKey.from_der, PrivateKey.from_pem):
        with pytest.raises(DocumentError):
            read(data)


def test_a_curve_that_nobody_knows_is_refused() -> None:
    """Claim: what the parser cannot even name is told as a kind that is not taken."""
    der = PrivateKey.generate().public.der
    known, unknown = bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d03010f")
    assert known in der
    with pytest.raises(DocumentError, match="the DER public key is of a kind that modelreg does not take"):
        PublicKey.from_der(der.replace(known, unknown))


def test_a_protected_der_key_is_refused() -> None:
    """Claim: as bytes that are no key here; nobody is asked for a passphrase."""
    key = serialization.load_der_private_key(PrivateKey.generate().to_der(), password=None)
    protection = serialization.BestAvailableEncryption(b"secret")
    der = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, protection)
    with pytest.raises(DocumentError, match="are no DER private key"):
        PrivateKey.from_der(der)


def test_what_is_no_key_at_all_is_refused() -> None:
    """Claim: by the name of what it is."""
    with pytest.raises(DocumentError, match="modelreg takes no object keys"):
        PrivateKey(object())
    with pytest.raises(DocumentError, match="modelreg takes no object keys"):
        PublicKey.of(object())


def test_a_public_key_is_short_in_a_text() -> None:
    """Claim: its kind alone, for a message that shows it."""
    assert repr(PrivateKey.generate().public) == "PublicKey(algorithm=<Algorithm.ECDSA_P256: 'ecdsa-p256'>)"
