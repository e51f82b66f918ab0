"""Keys outside the keyring: how they are named, that they sign versions, and what their names can and cannot hold."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.unit.trust.people import KEYS

from modelreg import ModelregError, Registry, load_settings, open_signer
from modelreg.errors import DocumentError, NotFoundError, SigningError, UsageError
from modelreg.trust.signer import signed

ADA = KEYS["ada"]
MODULE = "module-path=/nothing.so"


@pytest.fixture
def by_openssl(tmp_path: Path) -> str:
    """Ada's key, which only openssl touches; the folder's name has a space."""
    folder = tmp_path / "my keys"
    folder.mkdir()
    (folder / "ada.pem").write_bytes(ADA.to_pem())
    (folder / "ada.pub.pem").write_text(ADA.public.pem)
    return f"command:'{folder}/ada.pub.pem' openssl dgst -sha256 -sign '{folder}/ada.pem'"


def test_a_program_signs_a_version(registry: Registry, by_openssl: str, tmp_path: Path) -> None:
    """Claim: what openssl signed is a version's signature like any other."""
    model = tmp_path / "model.bin"
    model.write_bytes(b"some bytes")
    signer = open_signer(by_openssl)
    pushed = registry.push(model, name="fraud", environment="none", signer=signer)
    assert pushed.signed_by == ADA.public.id
    assert len(registry.sign("fraud", signer).bundles) == 2


def test_a_program_with_another_key_signs_nothing(by_openssl: str, tmp_path: Path) -> None:
    """Claim: a public key that is not the program's is told before anything is kept."""
    (tmp_path / "my keys" / "ada.pub.pem").write_text(KEYS["bob"].public.pem)
    with pytest.raises(SigningError, match="does not verify"):
        signed(open_signer(by_openssl), b"data")


@pytest.mark.parametrize(
    ("text", "error", "complaint"),
    [
        ("ada", UsageError, "names no key"),
        ("gcpkms:x", UsageError, "names no key"),
        ("awskms:", UsageError, "names no key"),
        ("command:", UsageError, "names no key"),
        ("command:ada.pem", UsageError, "names no public key and no program"),
        ("command:'ada", UsageError, "No closing quotation"),
        ("command:nothing.pem true", NotFoundError, "no public key"),
        ("pkcs11:token=t", UsageError, "object and module-path"),
        (f"pkcs11:token=t;object=o;object=p?{MODULE}", UsageError, "'object' stands twice"),
        (f"pkcs11:token=t;object=o;id=%01?{MODULE}", UsageError, "'id' is not looked at"),
        (f"pkcs11:token=t;object=o;type=cert?{MODULE}", UsageError, "'cert' does not sign"),
        (f"pkcs11:token=t;object=o?{MODULE}", UsageError, "the PIN of the token is not given"),
        (f"pkcs11:token=t;object=o?{MODULE}&pin-source=/nothing", NotFoundError, "no pin-source"),
        (f"pkcs11:token=t;object=o?{MODULE}&pin-source=file:/dev/null", SigningError, "not one line"),
    ],
)
def test_what_names_no_key_is_told(text: str, error: type[ModelregError], complaint: str) -> None:
    """Claim: each is a typed error that says what is missing."""
    with pytest.raises(error, match=complaint):
        open_signer(text)


@pytest.mark.parametrize("text", [f"pkcs11:token=t;object=o?{MODULE}&pin-value=4711", "pkcs11:pin-value=4711;object=o"])
def test_a_pin_in_a_name_is_refused_and_not_shown(text: str) -> None:
    """Claim: neither the argument nor the setting may hold one, and no message repeats it."""
    for ask in (lambda: open_signer(text), lambda: load_settings({"sign": text}, environ={})):
        with pytest.raises(UsageError) as caught:
            ask()
        assert "4711" not in f"{caught.value.message} {caught.value.hint}"


def test_a_damaged_public_key_is_told(tmp_path: Path) -> None:
    """Claim: by its file."""
    (tmp_path / "x.pem").write_bytes(b"x")
    with pytest.raises(DocumentError, match=r"x\.pem"):
        open_signer(f"command:{tmp_path}/x.pem true")


def test_a_project_starts_no_program(tmp_path: Path) -> None:
    """Claim: a file that came with a checkout cannot name what is started or loaded; a KMS key it can, as any key."""
    project = tmp_path / "modelreg.toml"
    for text in ("command:a.pem sh -c boom", f"pkcs11:token=t;object=o?{MODULE}"):
        project.write_text(f'sign = "{text}"\n')
        with pytest.raises(UsageError, match="each user's own choice") as caught:
            load_settings(environ={}, cwd=tmp_path)
        assert "MODELREG_SIGN" in str(caught.value.hint)
        assert load_settings(environ={"MODELREG_SIGN": text}, cwd=tmp_path.parent).sign.value == text
    project.write_text('sign = "awskms:alias/models"\n')
    assert load_settings(environ={}, cwd=tmp_path).sign.value == "awskms:alias/models"


def test_openssl_is_there() -> None:
    """Claim: what the tests above start is the real program."""
    assert subprocess.run(["openssl", "version"], check=True, capture_output=True).stdout.startswith(b"OpenSSL")
