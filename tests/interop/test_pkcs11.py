"""Keys in a token, with SoftHSM (BSD-2-Clause) as the token: a real PKCS#11 module, which `.ci/run` installs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelreg.errors import DocumentError, NotFoundError, SigningError
from modelreg.trust.keys import Algorithm
from modelreg.trust.oms import sign
from modelreg.trust.oms_statement import statement_of
from modelreg.trust.signer import signed
from modelreg.trust.signers.pkcs11 import Pkcs11Signer
from modelreg_cli.app import main

MODULES = [
    Path(folder, "libsofthsm2.so")
    for folder in ("/usr/lib/softhsm", "/usr/lib64/pkcs11", "/opt/homebrew/lib/softhsm", "/usr/local/lib/softhsm")
]
MODULE = next((path for path in MODULES if path.is_file()), None)
PIN = "planted-pin-4711"
CURVES = {Algorithm.ECDSA_P256: "secp256r1", Algorithm.ECDSA_P384: "secp384r1", Algorithm.ECDSA_P521: "secp521r1"}

pytestmark = pytest.mark.skipif(MODULE is None, reason="there is no SoftHSM here: apt-get install softhsm2")


@pytest.fixture(scope="session")
def module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """SoftHSM with one token, ``models``, for the life of the process: it reads its configuration once.

    Set up a second time, as happens to a module whose tests are shared out anew, it would have sessions of a token that
    is gone, and dies of them.
    """
    assert MODULE is not None
    folder = tmp_path_factory.mktemp("tokens")
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder}\nobjectstore.backend = file\nlog.level = ERROR\n")
    program = shutil.which("softhsm2-util")
    assert program is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(configuration))
        making = [program, "--init-token", "--free", "--label", "models", "--pin", PIN, "--so-pin", "so-" + PIN]
        subprocess.run(making, check=True, capture_output=True, timeout=60)
        yield MODULE


@pytest.fixture(scope="session")
def session(module: Path) -> Any:
    """A session of the tests' own, in which keys are made."""
    import pkcs11

    return pkcs11.lib(str(module)).get_token(token_label="models").open(user_pin=PIN, rw=True)


def make_key(session: Any, label: str, curve: str) -> None:
    import pkcs11
    from pkcs11.util.ec import encode_named_curve_parameters

    parameters = session.create_domain_parameters(
        pkcs11.KeyType.EC, {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}, local=True
    )
    parameters.generate_keypair(label=label, store=True)


@pytest.mark.parametrize("algorithm", list(CURVES))
def test_a_key_signs_that_never_leaves_the_token(algorithm: Algorithm, module: Path, session: Any) -> None:
    """Claim: for each curve the public half is read, and what the token signs verifies."""
    make_key(session, algorithm.value, CURVES[algorithm])
    signer = Pkcs11Signer.open(module, "models", algorithm.value, PIN)
    assert signer.public.algorithm == algorithm
    for data in (b"", b"hello", os.urandom(2**20)):
        assert signer.public.verify(signed(signer, data), data)
    statement = statement_of([("model.h5", hashlib.sha256(b"hello").hexdigest())], name="demo")
    assert sign(statement, signer).verify_with_keys([signer.public]).statement == statement
    assert PIN not in repr(signer)


def test_another_kind_of_key_is_refused_by_its_name(module: Path, session: Any) -> None:
    """Claim: an RSA key, and one on a curve that is not ours, sign nothing."""
    import pkcs11

    session.generate_keypair(pkcs11.KeyType.RSA, 2048, label="rsa", store=True)
    with pytest.raises(DocumentError, match="takes no RSA keys"):
        Pkcs11Signer.open(module, "models", "rsa", PIN)
    make_key(session, "koblitz", "secp256k1")
    with pytest.raises(DocumentError, match="secp256k1"):
        Pkcs11Signer.open(module, "models", "koblitz", PIN)


def test_what_is_not_there_is_told(module: Path, session: Any, tmp_path: Path) -> None:
    """Claim: a missing module, token or key, and what is no module, each name themselves."""
    with pytest.raises(NotFoundError, match=r"no PKCS#11 module .*/gone\.so"):
        Pkcs11Signer.open(tmp_path / "gone.so", "models", "x", PIN)
    (tmp_path / "text.so").write_text("text")
    with pytest.raises(SigningError, match=r"text\.so cannot be loaded"):
        Pkcs11Signer.open(tmp_path / "text.so", "models", "x", PIN)
    with pytest.raises(NotFoundError, match="the key 'x' of the token 'nobody': there is none"):
        Pkcs11Signer.open(module, "nobody", "x", PIN)
    with pytest.raises(NotFoundError, match="the key 'x' of the token 'models': there is none"):
        Pkcs11Signer.open(module, "models", "x", PIN)


@pytest.mark.parametrize(
    ("pin", "words"),
    [
        ("wrong-" + PIN, "PassphraseError cannot use the key 'x' of the token 'models': the PIN is wrong"),
        (PIN, "NotFoundError cannot use the key 'x' of the token 'models': there is none"),
    ],
    ids=["wrong", "right"],
)
def test_a_wrong_pin_is_told_apart_and_not_shown(module: Path, pin: str, words: str) -> None:
    """Claim: in a process of its own, since a login holds for a whole process."""
    program = (
        "import sys; from pathlib import Path; from modelreg.trust.signers.pkcs11 import Pkcs11Signer\n"
        "try: Pkcs11Signer.open(Path(sys.argv[1]), 'models', 'x', sys.argv[2])\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(module), pin],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith(words)
    assert PIN not in done.stdout


def test_a_key_that_was_destroyed_since_signs_nothing(module: Path, session: Any) -> None:
    """Claim: what the token refuses at signing is a SigningError."""
    import pkcs11

    make_key(session, "short-lived", "secp256r1")
    signer = Pkcs11Signer.open(module, "models", "short-lived", PIN)
    session.get_key(pkcs11.ObjectClass.PRIVATE_KEY, label="short-lived").destroy()
    with pytest.raises(SigningError, match="'short-lived' of the token 'models' does not sign"):
        signer.sign(b"data")


def test_the_command_line_signs_with_it(
    module: Path, session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Claim: by its RFC 7512 name it signs a version and, as a root, the trust store that takes it; the PIN is a file's."""
    make_key(session, "release key", CURVES[Algorithm.ECDSA_P384])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODELREG_HOME", "home")
    monkeypatch.setenv("MODELREG_TARGET", "none")
    Path("pin.txt").write_text(f"{PIN}\n")
    Path("model.bin").write_bytes(b"some bytes")
    bare = f"pkcs11:token=models;object=release%20key?module-path={module}"
    assert main(["key", "export", f"{bare}&pin-source=pin.txt", "-o", "hsm.pub.pem"]) == 0
    root = ["--key", bare, "--passphrase-file", "pin.txt"]
    assert main(["trust", "init", "-o", "trust.json", "--root", "hsm.pub.pem", "--mode", "enforce", *root]) == 0
    assert main(["trust", "add", "trust.json", "hsm", "--for", "*", *root]) == 0
    monkeypatch.setenv("MODELREG_TRUST_STORE", "trust.json")
    monkeypatch.setenv("MODELREG_SIGN", f"{bare}&pin-source=file:pin.txt")
    assert main(["push", "model.bin", "--name", "m", "--env", "none"]) == 0
    assert main(["pull", "m", "-o", "out"]) == 0
    assert main(["config", "show"]) == 0
    shown = "".join(capsys.readouterr())
    assert "signed by pkcs11:token=models" in shown
    assert PIN not in shown
