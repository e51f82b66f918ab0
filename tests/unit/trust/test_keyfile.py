"""Key files: opened by their passphrase and nothing else, bounded, and whatever is exchanged in them is noticed."""

from __future__ import annotations

import contextlib
import json
import unicodedata
from typing import Any

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from modelreg.errors import DocumentError, ModelregError, PassphraseError, SigningError, UsageError
from modelreg.trust.keyfile import Cost, KeyFile, protect
from modelreg.trust.keys import Algorithm, PrivateKey

QUICK = Cost(memory_kib=8, iterations=1, lanes=1)
"""The least that Argon2id computes: tests are not to wait."""
KEY = PrivateKey(ec.derive_private_key(1, ec.SECP256R1()))
PROTECTED = protect(KEY, "correct horse", QUICK)
FIRST = r'{"cipher":{"ciphertext":"K075Gevt7yAdaPV8qcD9aqh45tHLVG800790tMpoIVetcMC10dKsfKzTJrIHvTFjapJivhm+lGlknoDfnmAs9V6mFb6FpjbCCMshGqdA6KbK50EaiU18DwRuTcD6d++lDJrxN2V9ehJjynLshTHP9zmkJEv59eXIPd2PJAkqY7h+EMSNu2Jf3VhvtsHgUEJT86OIoaepUQ6Sew==","name":"aes-256-gcm","nonce":"UuyQeIES+ZbqzG8Y"},"format":"urn:modelreg:key:v1","kdf":{"iterations":1,"lanes":1,"memory_kib":8,"name":"argon2id","salt":"+y3KhZzp4Gsxobq8M2p3Lw=="},"public":"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n-----END PUBLIC KEY-----\n"}'


def changed(place: str, value: Any) -> bytes:
    """A good key file with the value at a dotted ``place`` exchanged."""
    told = json.loads(PROTECTED)
    *path, last = place.split(".")
    where = told
    for part in path:
        where = where[part]
    where[last] = value
    return json.dumps(told).encode()


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_key_is_opened_by_its_passphrase(algorithm: Algorithm) -> None:
    """Claim: what was protected is read back by the passphrase, for every kind of key, and the public half without it."""
    key = PrivateKey.generate(algorithm)
    file = KeyFile.parse(protect(key, "p", QUICK))
    assert file.is_protected
    assert file.public == key.public
    assert file.unlock("p").sign(b"x") == key.sign(b"x")


def test_the_default_cost_is_that_of_the_rfc() -> None:
    """Claim: without a word 64 MiB, 3 passes and 4 lanes are used, and written down."""
    data = protect(KEY, "p")
    kdf = json.loads(data)["kdf"]
    assert {name: kdf[name] for name in ("name", "memory_kib", "iterations", "lanes")} == {
        "name": "argon2id",
        "memory_kib": 65536,
        "iterations": 3,
        "lanes": 4,
    }
    assert KeyFile.parse(data).unlock("p").public == KEY.public


def test_a_file_of_the_first_release_is_opened_for_ever() -> None:
    """Claim: these bytes, written by the first release, open with their passphrase."""
    data = FIRST.encode()
    assert KeyFile.parse(data).unlock("correct horse").public == KEY.public


def test_no_secret_is_in_the_clear_and_nothing_is_used_twice() -> None:
    """Claim: neither the key nor the passphrase stands in the file, and salt and nonce are new each time."""
    assert KEY.to_der() not in PROTECTED
    assert b"horse" not in PROTECTED
    first, second = (json.loads(protect(KEY, "p", QUICK)) for _ in range(2))
    assert first["kdf"]["salt"] != second["kdf"]["salt"]
    assert first["cipher"]["nonce"] != second["cipher"]["nonce"]
    assert "BEGIN PRIVATE" not in repr(KeyFile.parse(PROTECTED))


@pytest.mark.parametrize("passphrase", ["", "correct hors", "Correct horse", "correct horse "])
def test_a_wrong_passphrase_is_a_clear_error(passphrase: str) -> None:
    """Claim: it is told apart from everything else, names the key, and an empty one is no passphrase at all."""
    kind = PassphraseError if passphrase else UsageError
    with pytest.raises(kind, match="does not open the key 5cd252fb0ce89324" if passphrase else "not 0"):
        KeyFile.parse(PROTECTED).unlock(passphrase)


def test_a_missing_passphrase_is_told_apart() -> None:
    """Claim: without one the error says that none was given."""
    with pytest.raises(PassphraseError, match="5cd252fb0ce89324 is protected, and no passphrase was given"):
        KeyFile.parse(PROTECTED).unlock()


def test_a_passphrase_is_its_text_in_any_normal_form() -> None:
    """Claim: typed on a system that decomposes accents it is the same passphrase."""
    data = protect(KEY, "\u00e9t\u00e9", QUICK)
    assert KeyFile.parse(data).unlock(unicodedata.normalize("NFD", "\u00e9t\u00e9")).public == KEY.public


@pytest.mark.parametrize("passphrase", ["", "x" * 1025, "\ud800"])
def test_what_is_no_passphrase_protects_nothing(passphrase: str) -> None:
    """Claim: an empty, endless or undecodable passphrase is a UsageError before anything is computed."""
    with pytest.raises(UsageError, match="passphrase"):
        protect(KEY, passphrase, QUICK)


def test_the_longest_passphrase_is_taken() -> None:
    """Claim: 1,024 bytes are a passphrase."""
    assert KeyFile.parse(protect(KEY, "x" * 1024, QUICK)).unlock("x" * 1024).public == KEY.public


def test_an_exchanged_public_key_is_noticed() -> None:
    """Claim: a file cannot be made to say that it is another key than it is."""
    other = PrivateKey.generate().public
    file = KeyFile.parse(changed("public", other.pem))
    assert file.public == other
    with pytest.raises(PassphraseError):
        file.unlock("correct horse")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("kdf.memory_kib", 16),
        ("kdf.iterations", 2),
        ("kdf.salt", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ("cipher.nonce", "AAAAAAAAAAAAAAAA"),
        ("cipher.ciphertext", ""),
        ("cipher.ciphertext", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ("public", KEY.public.pem + "\n"),
    ],
)
def test_no_part_can_be_exchanged(place: str, value: Any) -> None:
    """Claim: every parameter is bound by the cipher, so that changing one opens nothing."""
    with pytest.raises(PassphraseError):
        KeyFile.parse(changed(place, value)).unlock("correct horse")


def test_a_file_made_to_hold_another_key_than_it_says_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: even whoever knows the passphrase cannot make a file whose public half is a lie."""
    foreign = PrivateKey.generate().to_der()
    monkeypatch.setattr(PrivateKey, "to_der", lambda _: foreign)
    data = protect(KEY, "p", QUICK)
    with pytest.raises(DocumentError, match="holds the key"):
        KeyFile.parse(data).unlock("p")


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("format", "urn:modelreg:key:v2", "format 'urn:modelreg:key:v2'"),
        ("kdf.name", "scrypt", "kdf 'scrypt'"),
        ("cipher.name", "none", "cipher 'none'"),
        ("kdf.memory_kib", 1024 * 1024 + 1, "memory_kib is 1,048,577: 1 to 1,048,576"),
        ("kdf.memory_kib", 0, "memory_kib is 0"),
        ("kdf.memory_kib", 7, "8 KiB a lane"),
        ("kdf.iterations", 17, "iterations is 17: 1 to 16"),
        ("kdf.iterations", 0, "iterations is 0"),
        ("kdf.lanes", 17, "lanes is 17: 1 to 16"),
        ("kdf.lanes", 0, "lanes is 0"),
        ("kdf.salt", "AAAA", "salt has 3 bytes, not 16"),
        ("kdf.salt", "*", "salt is no base64"),
        ("cipher.nonce", "AAAA", "nonce has 3 bytes, not 12"),
        ("cipher.ciphertext", "*", "ciphertext is no base64"),
        ("public", "-----BEGIN PUBLIC KEY-----", "no PEM public key"),
        ("kdf", None, r"\$\.kdf"),
    ],
    ids=str,
)
def test_what_is_no_key_file_is_refused_before_anything_is_computed(place: str, value: Any, words: str) -> None:
    """Claim: each field and each bound is checked when the file is read, and named."""
    with pytest.raises(DocumentError, match=words):
        KeyFile.parse(changed(place, value))


def test_every_bound_itself_is_read() -> None:
    """Claim: 1 GiB, 16 passes and 16 lanes are taken as they are."""
    for place, value in (("kdf.memory_kib", 1024 * 1024), ("kdf.iterations", 16)):
        assert KeyFile.parse(changed(place, value)).public == KEY.public
    assert Cost(memory_kib=128, lanes=16).lanes == 16


def test_an_unprotected_pem_block_is_a_key_file_too() -> None:
    """Claim: a PKCS8 PEM block is read, says that it is not protected, and opens with any passphrase or none."""
    file = KeyFile.parse(KEY.to_pem())
    assert not file.is_protected
    assert file.unlock().public == file.unlock("any").public == KEY.public == file.public
    assert KEY.to_pem().decode() not in repr(file)


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda data: b"{" + data))
def test_random_bytes_are_no_key_file(data: bytes) -> None:
    """Claim: no byte string makes the reader raise anything but DocumentError."""
    with pytest.raises(DocumentError):
        KeyFile.parse(data)


@given(st.data())
def test_a_bent_key_file_opens_to_the_same_key_or_not_at_all(data: st.DataObject) -> None:
    """Claim: whatever is changed in a file, it ends as a typed error or as the key that was protected."""
    bent = bytearray(PROTECTED)
    for _ in range(data.draw(st.integers(1, 3))):
        bent[data.draw(st.integers(0, len(bent) - 1))] = data.draw(st.integers(32, 126))
    with contextlib.suppress(ModelregError):
        file = KeyFile.parse(bytes(bent))
        if file.is_protected and json.loads(bent)["kdf"]["memory_kib"] < 1000:
            assert file.unlock("correct horse").public == KEY.public


def test_each_lane_needs_its_memory() -> None:
    """Claim: 8 KiB a lane, told before Argon2id refuses it."""
    assert Cost(memory_kib=16, iterations=1, lanes=2).lanes == 2
    with pytest.raises(DocumentError, match="2 lanes are given 15 KiB"):
        Cost(memory_kib=15, iterations=1, lanes=2)


@pytest.mark.parametrize("data", [PROTECTED, KEY.to_pem()], ids=["protected", "unprotected"])
def test_a_key_file_survives_and_shows_the_public_half_alone(data: bytes) -> None:
    """Claim: its bytes come back as they were, and no text of it has what it keeps."""
    file = KeyFile.parse(data)
    assert file.to_bytes() == data
    assert repr(file) == f"KeyFile(public={KEY.public!r})"


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (MemoryError(), "needs 64 MiB of memory to be opened"),
        (UnsupportedAlgorithm("argon2id"), "built without Argon2id"),
    ],
)
def test_a_machine_that_cannot_compute_argon2id_says_so(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, message: str
) -> None:
    """Claim: too little memory, and a build without it, are no wrong passphrase."""

    def fails(**cost: int) -> None:
        raise failure

    monkeypatch.setattr("cryptography.hazmat.primitives.kdf.argon2.Argon2id", fails)
    with pytest.raises(SigningError, match=message):
        protect(KEY, "p")
