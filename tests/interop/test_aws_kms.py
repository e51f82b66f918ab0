"""Keys in AWS KMS through boto3, answered by moto's server in a process and an environment of its own.

moto hashes a message that was sent as a digest once more (5.2.5), which AWS does not: what it makes of a long message
verifies over the digest and not over the message, and that is what is tested of those.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.integration.test_s3_refusals import everything_of
from tests.interop.conftest import ENVIRONMENT
from tests.servers.fixtures import LOOPBACK
from tests.servers.server import SECRET_KEY, free_ports, running

from modelreg.errors import DocumentError, SigningError
from modelreg.trust.keys import Algorithm
from modelreg.trust.oms import sign
from modelreg.trust.oms_statement import statement_of
from modelreg.trust.signer import signed
from modelreg.trust.signers.aws_kms import RAW_SIZE_BYTES_MAX, AwsKmsSigner
from modelreg_cli.app import main

pytestmark = [pytest.mark.allow_hosts(LOOPBACK), pytest.mark.usefixtures("aws_credentials")]

START_S = 60.0
REGION = "eu-central-1"
SPECS = {
    Algorithm.ECDSA_P256: ("ECC_NIST_P256", "sha256"),
    Algorithm.ECDSA_P384: ("ECC_NIST_P384", "sha384"),
    Algorithm.ECDSA_P521: ("ECC_NIST_P521", "sha512"),
}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service that answers as AWS KMS does."""
    server = ENVIRONMENT / "bin" / "moto_server"
    assert server.is_file(), "moto is not installed: make .interop/installed"
    (port,) = free_ports(1)
    with running([str(server), "-H", "127.0.0.1", "-p", str(port)], tmp_path_factory.mktemp("moto")) as said:
        until = time.monotonic() + START_S
        while "Running on" not in said():
            assert time.monotonic() < until, said()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def kms(endpoint: str) -> Any:
    """A client of the test's own."""
    return boto3.client("kms", endpoint_url=endpoint, region_name=REGION)


def made(kms: Any, spec: str, usage: str = "SIGN_VERIFY") -> str:
    found: str = kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"]
    return found


@pytest.mark.parametrize("algorithm", list(SPECS))
def test_a_key_signs_that_never_leaves_the_service(algorithm: Algorithm, kms: Any, endpoint: str) -> None:
    """Claim: its public half is read, and what it signs, up to 4,096 bytes, verifies."""
    signer = AwsKmsSigner.open(made(kms, SPECS[algorithm][0]), region=REGION, endpoint=endpoint)
    assert signer.public.algorithm == algorithm
    data = os.urandom(RAW_SIZE_BYTES_MAX)
    assert signer.public.verify(signed(signer, data), data)


@pytest.mark.parametrize("algorithm", list(SPECS))
def test_of_more_the_digest_is_sent(algorithm: Algorithm, kms: Any, endpoint: str) -> None:
    """Claim: a byte more than the service takes is sent as its digest with the hash of the curve."""
    spec, digest = SPECS[algorithm]
    signer = AwsKmsSigner.open(made(kms, spec), region=REGION, endpoint=endpoint)
    data = os.urandom(RAW_SIZE_BYTES_MAX + 1)
    assert signer.public.verify(signer.sign(data), hashlib.new(digest, data).digest())
    with pytest.raises(SigningError, match="does not verify"):
        signed(signer, data)


def test_a_bundle_is_signed_through_an_alias(kms: Any, endpoint: str) -> None:
    """Claim: a key named by its alias signs a bundle that verifies with its public key."""
    kms.create_alias(AliasName="alias/models", TargetKeyId=made(kms, "ECC_NIST_P256"))
    signer = AwsKmsSigner.open("alias/models", region=REGION, endpoint=endpoint)
    statement = statement_of([("model.h5", hashlib.sha256(b"hello").hexdigest())], name="demo")
    assert sign(statement, signer).verify_with_keys([signer.public]).statement == statement


@pytest.mark.parametrize(("spec", "name"), [("RSA_2048", "RSA"), ("ECC_SECG_P256K1", "secp256k1")])
def test_another_kind_of_key_is_refused_by_its_name(spec: str, name: str, kms: Any, endpoint: str) -> None:
    """Claim: before anything is signed."""
    with pytest.raises(DocumentError, match=name):
        AwsKmsSigner.open(made(kms, spec), region=REGION, endpoint=endpoint)


def test_a_key_that_is_not_for_signing_is_refused(kms: Any, endpoint: str) -> None:
    """Claim: a key for encryption says so."""
    with pytest.raises(SigningError, match=r"cannot use the AWS KMS key .*not for SIGN_VERIFY"):
        AwsKmsSigner.open(made(kms, "RSA_2048", "ENCRYPT_DECRYPT"), region=REGION, endpoint=endpoint)


def test_a_key_that_is_not_there_is_told_in_the_service_s_words(endpoint: str) -> None:
    """Claim: the key's name and the service's code and message are in the error, and no secret."""
    with pytest.raises(SigningError, match=r"'alias/nobody': NotFoundException: .*nobody") as caught:
        AwsKmsSigner.open("alias/nobody", region=REGION, endpoint=endpoint)
    assert SECRET_KEY not in everything_of(caught.value)


def test_a_key_whose_name_went_since_signs_nothing(kms: Any, endpoint: str) -> None:
    """Claim: what the service refuses at signing is told too."""
    kms.create_alias(AliasName="alias/gone", TargetKeyId=made(kms, "ECC_NIST_P256"))
    signer = AwsKmsSigner.open("alias/gone", region=REGION, endpoint=endpoint)
    kms.delete_alias(AliasName="alias/gone")
    with pytest.raises(SigningError, match="the AWS KMS key 'alias/gone' does not sign: NotFoundException"):
        signer.sign(b"data")


def test_what_is_missing_is_told(endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Claim: no region, no credentials, no service and no name are four sentences that say what to do."""
    with pytest.raises(SigningError, match="no region is named"):
        AwsKmsSigner.open("alias/x", endpoint=None)
    with pytest.raises(SigningError, match="no id, ARN or alias"):
        AwsKmsSigner.open("", region=REGION, endpoint=endpoint)
    (port,) = free_ports(1)
    with pytest.raises(SigningError, match="cannot be reached"):
        AwsKmsSigner.open("alias/x", region=REGION, endpoint=f"http://127.0.0.1:{port}")
    with pytest.raises(SigningError, match="ValueError in the AWS library"):
        AwsKmsSigner.open("alias/x", region=REGION, endpoint="nonsense")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(SigningError, match="no complete AWS credentials") as caught:
        AwsKmsSigner.open("alias/x", region=REGION, endpoint=endpoint)
    assert "AWS_PROFILE" in str(caught.value.hint)


def test_the_command_line_signs_with_it(
    kms: Any, endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Claim: its public half is exported into a trust store, which it signs as a root, and a version that it signs is taken."""
    kms.create_alias(AliasName="alias/line", TargetKeyId=made(kms, "ECC_NIST_P256"))
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "AWS_ENDPOINT_URL_KMS": endpoint,
        "AWS_REGION": REGION,
        "MODELREG_HOME": "home",
        "MODELREG_TARGET": "none",
    }.items():
        monkeypatch.setenv(name, value)
    Path("model.bin").write_bytes(b"some bytes")
    assert main(["key", "export", "awskms:alias/line", "-o", "kms.pub.pem"]) == 0
    assert (
        main(
            [
                "trust",
                "init",
                "-o",
                "trust.json",
                "--root",
                "kms=kms.pub.pem",
                "--mode",
                "enforce",
                "--key",
                "awskms:alias/line",
            ]
        )
        == 0
    )
    monkeypatch.setenv("MODELREG_TRUST_STORE", "trust.json")
    assert main(["trust", "add", "trust.json", "kms", "--for", "*", "--key", "awskms:alias/line"]) == 0
    assert main(["push", "model.bin", "--name", "m", "--env", "none", "--sign", "awskms:alias/line"]) == 0
    assert main(["pull", "m", "-o", "out"]) == 0
    assert "signed by awskms:alias/line (" in capsys.readouterr().out
