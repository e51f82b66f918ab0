"""The address of an S3 store: what it may say, what it may never hold, and that no secret is repeated."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.errors import ModelregError, UsageError
from modelreg.masking import masked
from modelreg.store.s3_url import Checksums, S3Location, Style, parse_s3_url

SECRET = "wJalrXUtnFEMIplantedSECRET"


def test_a_bucket_alone_is_aws() -> None:
    """Claim: without an endpoint botocore's own addressing and all its checksums are used."""
    assert parse_s3_url("s3://models") == S3Location("models")
    assert parse_s3_url("s3://models").checksums is Checksums.WHEN_SUPPORTED


def test_an_endpoint_means_paths_and_only_needed_checksums() -> None:
    """Claim: another server is addressed by path, without the trailers that many stumble over."""
    found = parse_s3_url("s3://models/team/a?endpoint=http://127.0.0.1:9000/")
    assert found == S3Location(
        "models", "team/a", "http://127.0.0.1:9000", style=Style.PATH, checksums=Checksums.WHEN_REQUIRED
    )
    assert found.key("format") == "team/a/format"
    assert parse_s3_url("s3://models").key("format") == "format"


def test_every_choice_can_be_made(tmp_path: Path) -> None:
    """Claim: region, style, checksums and CA are taken."""
    ca = tmp_path / "ca.pem"
    ca.touch()
    found = parse_s3_url(
        f"s3://b1/p?endpoint=https%3A%2F%2Fs3.example.org&region=eu-1&style=virtual&checksums=off&ca={ca}"
    )
    assert (found.region, found.style, found.checksums, found.ca) == ("eu-1", Style.VIRTUAL, Checksums.OFF, str(ca))
    assert not found.sends_sha256
    assert found.botocore_checksums == "when_required"


@given(
    st.builds(
        S3Location,
        bucket=st.from_regex(r"[a-z0-9][a-z0-9.-]{1,30}", fullmatch=True),
        prefix=st.from_regex(r"([a-z0-9_%+&= äß-]{1,8}(/[a-z0-9_-]{1,8}){0,3})?", fullmatch=True),
        endpoint=st.sampled_from(["http://127.0.0.1:9000", "https://s3.example.org/base", "http://[::1]:80"]),
        region=st.sampled_from([None, "eu-central-1"]),
        style=st.sampled_from(Style),
        checksums=st.sampled_from(Checksums),
    )
)
def test_an_address_is_read_as_it_was_written(location: S3Location) -> None:
    """Claim: url and parse_s3_url are inverse."""
    assert parse_s3_url(location.url) == location


SECRETS = [
    f"s3://AKIA:{SECRET}@models/prefix",
    f"s3://AKIA:{SECRET}/x@models",
    f"s3://AKIA:{SECRET}?x@models",
    f"s3://models?endpoint=https://AKIA:{SECRET}@host",
    f"s3://models?endpoint=https%3A%2F%2FAKIA%3A{SECRET}%40host",
    f"s3://models?secret_key={SECRET}",
    f"s3://models?aws_secret_access_key={SECRET}&endpoint=http://h",
    f"s3://models?endpoint={SECRET}://host",
    f"s3://models?endpoint=http://h/?sig={SECRET}",
    f"s3://AKIA:x#{SECRET}@models",
]


@pytest.mark.parametrize("url", SECRETS)
def test_credentials_in_an_address_are_refused_and_not_repeated(url: str) -> None:
    """Claim: each place where a secret was put is refused with what to do instead, and the secret is nowhere."""
    with pytest.raises(UsageError) as caught:
        parse_s3_url(url)
    assert SECRET not in f"{caught.value!r} {caught.value.message} {caught.value.hint}"
    assert caught.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "s3:models",
        "s3://",
        "s3:///prefix",
        "s3://a/../b",
        "s3://a//b/./c",
        "s3://bucket/a%00b",
        "s3://bucket?region=",
        "s3://bucket?region=a&region=b",
        "s3://bucket?endpoint=ftp://x",
        "s3://bucket?endpoint=http://",
        "s3://bucket?endpoint=http://h:99999",
        "s3://bucket?style=host",
        "s3://bucket?checksums=md5",
        "s3://bucket?ca=/no/such/file.pem",
        f"s3://bucket/{'p' * 513}",
    ],
)
def test_a_bad_address_is_a_usage_error(url: str) -> None:
    """Claim: what cannot be an address ends as UsageError with a hint, never as anything else."""
    with pytest.raises(UsageError):
        parse_s3_url(url)


@given(st.text(max_size=60))
def test_no_text_after_the_scheme_raises_anything_else(text: str) -> None:
    """Claim: any text is an address or a ModelregError."""
    try:
        location = parse_s3_url(f"s3://{text}")
    except ModelregError:
        return
    assert masked(location.url) == location.url
