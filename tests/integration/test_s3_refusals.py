"""Everything that can be wrong about a server's address, rights or clock: one sentence, what to type, and no secret."""

from __future__ import annotations

import datetime as dt
import secrets
import ssl
import subprocess
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import botocore.auth
import pytest
from tests.servers.proxy import proxy_before

from modelreg.errors import ModelregError, StoreAbsentError, StoreError
from modelreg.store.s3 import S3Store

if TYPE_CHECKING:
    from tests.servers.server import S3Server

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.usefixtures("aws_credentials")]

PLANTED = "planted-in-the-environment-9876543210"


def everything_of(error: BaseException) -> str:
    """What an error, all that it carries along and its traceback can show, locals apart."""
    told = ["".join(traceback.format_exception(error))]
    seen: list[BaseException] = []
    pending: list[BaseException | None] = [error]
    while pending:
        one = pending.pop()
        if one is None or one in seen:
            continue
        seen.append(one)
        told.append(f"{one!r} {one.args!r} {vars(one)!r}")
        pending += [one.__cause__, one.__context__]
    return "\n".join(told)


def refused(url: str, write: bool = False) -> ModelregError:
    """The error of opening the store, or of writing to it."""
    with pytest.raises(ModelregError) as caught:  # noqa: PT012 - where it fails depends on the server
        store = S3Store.open_url(url, create=True)
        assert write
        store.put(b"x")
    return caught.value


def missing_bucket(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    return server.url("p").replace(server.bucket, "no-such-bucket-here")


def wrong_secret(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PLANTED)
    return server.url("p")


def unknown_key(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PLANTED)
    return server.url("p")


def no_credentials(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return server.url("p")


def unknown_profile(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_PROFILE", "nobody-has-this")
    return server.url("p")


def clock_ahead(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=5)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *, remove_tzinfo=True: later.replace(tzinfo=None))
    return server.url("p")


def unknown_host(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    return "s3://models/p?endpoint=http://no-such-host.invalid:9000&region=us-east-1"


def nobody_listens(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    return "s3://models/p?endpoint=http://127.0.0.1:1&region=us-east-1"


def no_tls(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    return server.url("p").replace("http://", "https://")


Spoil = Callable[["S3Server", pytest.MonkeyPatch], str]
CAUSES: list[tuple[Spoil, str, str]] = [
    (missing_bucket, "no bucket 'no-such-bucket-here'", "aws s3 mb s3://no-such-bucket-here"),
    (wrong_secret, "SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"),
    (unknown_key, "InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"),
    (no_credentials, "no complete AWS credentials were found for s3://", "AWS_PROFILE"),
    (unknown_profile, "no AWS profile", "AWS_PROFILE"),
    (clock_ahead, "RequestTimeTooSkewed", "clock"),
    (unknown_host, "its name is not known", "endpoint"),
    (nobody_listens, "cannot be reached", "endpoint"),
    (no_tls, "TLS", "ca=FILE"),
]


@pytest.mark.parametrize(("spoil", "message", "hint"), CAUSES, ids=[row[0].__name__ for row in CAUSES])
def test_each_cause_is_one_sentence_with_its_remedy(
    juicefs: S3Server, monkeypatch: pytest.MonkeyPatch, spoil: Spoil, message: str, hint: str
) -> None:
    """Claim: a real server's refusal is a StoreError naming the value and what to type, without any credential."""
    from tests.servers.server import SECRET_KEY

    error = refused(spoil(juicefs, monkeypatch))
    assert isinstance(error, StoreError)
    assert message in error.message
    assert hint in (error.hint or "")
    shown = everything_of(error)
    assert PLANTED not in shown
    assert SECRET_KEY not in shown


def test_who_may_only_read_is_told_what_writing_takes(seaweedfs: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: reading works without the right to write, and a write is refused with the rights that it takes."""
    url = seaweedfs.url(f"rights/{secrets.token_hex(8)}")
    sha256 = S3Store.open_url(url).put(b"there")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "reader")
    assert S3Store.open_url(url).read(sha256, 5) == b"there"
    error = refused(url, write=True)
    assert "403" in error.message
    assert "s3:PutObject" in (error.hint or "")


def test_an_absent_store_is_told_apart_and_made_only_on_request(seaweedfs: S3Server) -> None:
    """Claim: an empty prefix is StoreAbsentError without create, and one with something else in it is refused."""
    from tests.servers.server import client_of

    prefix = f"absent/{secrets.token_hex(8)}"
    with pytest.raises(StoreAbsentError, match=prefix):
        S3Store.open_url(seaweedfs.url(prefix), create=False)
    client_of(seaweedfs).put_object(Bucket=seaweedfs.bucket, Key=f"{prefix}/photo.jpg", Body=b"x")
    assert "photo.jpg" in refused(seaweedfs.url(prefix)).message
    client_of(seaweedfs).put_object(Bucket=seaweedfs.bucket, Key=f"{prefix}/format", Body=b"modelreg-store 9\n")
    assert "modelreg-store 9" in refused(seaweedfs.url(prefix)).message


def test_a_certificate_is_believed_only_from_a_named_authority(seaweedfs: S3Server, tmp_path: Path) -> None:
    """Claim: a self-signed server is refused with the remedy, and the remedy works."""
    certificate, key = tmp_path / "ca.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with proxy_before(seaweedfs.endpoint, context) as proxy:
        server = seaweedfs.through(proxy.endpoint)
        error = refused(server.url("tls"))
        assert "certificate" in error.message
        assert "ca=FILE.pem" in (error.hint or "")
        store = S3Store.open_url(server.url("tls", ca=str(certificate)))
        assert store.read(store.put(b"over TLS"), 8) == b"over TLS"
