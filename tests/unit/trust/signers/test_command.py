"""Signing by a program: real ones, in good order and in every kind of disorder."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from modelreg.errors import DocumentError, NotFoundError, SigningError, UsageError
from modelreg.trust.dsse import SIGNATURE_SIZE_BYTES_MAX
from modelreg.trust.keys import KEY_SIZE_BYTES_MAX, Algorithm, PrivateKey
from modelreg.trust.signer import signed
from modelreg.trust.signers.command import CommandSigner

Make = Callable[..., CommandSigner]
KEY = PrivateKey.generate()
SIGN = """
import sys
from modelreg.trust.keys import PrivateKey
with open(sys.argv[1], "rb") as file:
    key = PrivateKey.from_pem(file.read())
sys.stdout.buffer.write(key.sign(sys.stdin.buffer.read()))
"""


@pytest.fixture
def signer(tmp_path: Path) -> Make:
    """A signer by a Python program."""
    public = tmp_path / "public.pem"
    public.write_text(KEY.public.pem)

    def make(program: str, *arguments: str | Path, timeout_s: float = 30.0) -> CommandSigner:
        command = [sys.executable, "-c", program, *map(str, arguments)]
        return CommandSigner.open(command, public, timeout_s=timeout_s)

    return make


def test_a_program_signs(signer: Make, tmp_path: Path) -> None:
    """Claim: megabytes on standard input come back as a signature that verifies, the same as in this process."""
    secret = tmp_path / "secret.pem"
    secret.write_bytes(KEY.to_pem())
    data = os.urandom(2**21)
    assert signed(signer(SIGN, secret), data) == KEY.sign(data)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl here")
@pytest.mark.parametrize(
    ("algorithm", "digest"), [("ecdsa-p256", "sha256"), ("ecdsa-p384", "sha384"), ("ecdsa-p521", "sha512")]
)
def test_openssl_signs(tmp_path: Path, algorithm: Algorithm, digest: str) -> None:
    """Claim: what the documentation names as an example works, for each curve."""
    key = PrivateKey.generate(algorithm)
    secret, public = tmp_path / "secret.pem", tmp_path / "public.pem"
    secret.write_bytes(key.to_pem())
    public.write_text(key.public.pem)
    command = CommandSigner.open(["openssl", "dgst", f"-{digest}", "-sign", str(secret)], public)
    assert key.public.verify(signed(command, b"data"), b"data")


def test_another_key_s_signature_is_not_handed_out(signer: Make, tmp_path: Path) -> None:
    """Claim: a program that signs with another key than the public one given is found out."""
    secret = tmp_path / "secret.pem"
    secret.write_bytes(PrivateKey.generate().to_pem())
    with pytest.raises(SigningError, match="does not verify"):
        signed(signer(SIGN, secret), b"data")


def test_a_program_that_fails_is_told_in_its_own_words(signer: Make) -> None:
    """Claim: the status and the last line of its complaint are in the error, however long the complaint is."""
    program = "import sys; sys.stderr.write('x' * 200_000 + '\\nno card in the reader\\n\\n'); sys.exit(3)"
    with pytest.raises(SigningError, match=r"failed with status 3: no card in the reader$"):
        signer(program).sign(b"data")
    with pytest.raises(SigningError, match=r"status 1: it said nothing$"):
        signer("import sys; sys.exit(1)").sign(b"data")


def test_a_program_that_reads_nothing_blocks_nobody(signer: Make) -> None:
    """Claim: unread megabytes do no harm, and silence is an error."""
    with pytest.raises(SigningError, match="wrote no signature"):
        signer("").sign(b"x" * 2**21)


@pytest.mark.parametrize("program", ["import os\nwhile True: os.write(1, b'x' * 4096)", "print('x' * 1025)"])
def test_a_program_that_writes_on_and_on_is_ended(signer: Make, program: str) -> None:
    """Claim: more than a signature is none, and an endless answer is not waited for."""
    with pytest.raises(SigningError, match="more than the 1,024 bytes"):
        signer(program).sign(b"data")


def test_the_longest_answer_is_taken(signer: Make) -> None:
    """Claim: 1,024 bytes are handed on as they are."""
    program = f"import sys; sys.stdout.buffer.write(b's' * {SIGNATURE_SIZE_BYTES_MAX})"
    assert signer(program).sign(b"data") == b"s" * SIGNATURE_SIZE_BYTES_MAX


@pytest.mark.parametrize(
    "program",
    [
        "import time; time.sleep(60)",
        "import os, time; os.close(1); os.close(2); time.sleep(60)",
        "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])",
    ],
    ids=["sleeps", "closes its streams and sleeps", "leaves a child that holds them"],
)
def test_a_program_that_takes_too_long_is_ended_with_its_children(signer: Make, program: str) -> None:
    """Claim: the time is bounded, whatever the program does with its streams."""
    begin = time.monotonic()
    with pytest.raises(SigningError, match=r"did not sign within 1\.5 s"):
        signer(program, timeout_s=1.5).sign(b"data")
    assert time.monotonic() - begin < 20


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Claim: a typo in the command names itself; no command at all is a usage error."""
    public = tmp_path / "public.pem"
    public.write_text(KEY.public.pem)
    with pytest.raises(SigningError, match="'/nowhere/sign' cannot be started: No such file"):
        CommandSigner.open(["/nowhere/sign"], public).sign(b"data")
    with pytest.raises(UsageError, match="is empty"):
        CommandSigner.open([], public)


def test_the_public_key_is_read_with_care(tmp_path: Path) -> None:
    """Claim: a missing, a foreign, an endless key and a folder are each told by their path."""
    with pytest.raises(NotFoundError, match=r"no public key .*public\.pem"):
        CommandSigner.open(["x"], tmp_path / "public.pem")
    with pytest.raises(SigningError, match="Is a directory"):
        CommandSigner.open(["x"], tmp_path)
    for data in (KEY.to_pem(), b"\n" * (KEY_SIZE_BYTES_MAX + 1)):
        (tmp_path / "public.pem").write_bytes(data)
        with pytest.raises(DocumentError, match=r"public\.pem"):
            CommandSigner.open(["x"], tmp_path / "public.pem")
