"""What a server's refusal becomes: transient or not, the bucket named, and something to type."""

from __future__ import annotations

import pytest

from modelreg.store.s3_errors import (
    AlreadyThereError,
    ConditionUnknownError,
    KeyMissingError,
    ServerAnswer,
    UploadLostError,
    error_of,
)
from modelreg.store.s3_url import S3Location

AT = S3Location("models", "team", "https://s3.example.org")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (500, "InternalError"),
        (503, "SlowDown"),
        (503, ""),
        (502, "BadGateway"),
        (429, "TooManyRequests"),
        (409, "ConditionalRequestConflict"),
        (409, "OperationAborted"),
        (400, "RequestTimeout"),
        (400, "BadDigest"),
    ],
)
def test_what_may_pass_by_itself_is_transient(status: int, code: str) -> None:
    """Claim: busy and damaged-on-the-way are retried."""
    assert error_of(ServerAnswer(status, code), "cannot write", AT).transient


@pytest.mark.parametrize(
    ("status", "code", "hint"),
    [
        (403, "AccessDenied", "s3:PutObject"),
        (403, "403", "s3:PutObject"),
        (403, "InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"),
        (403, "SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"),
        (400, "ExpiredToken", "AWS_SESSION_TOKEN"),
        (403, "RequestTimeTooSkewed", "clock"),
        (301, "PermanentRedirect", "region=NAME"),
        (404, "NoSuchBucket", "aws s3 mb s3://models --endpoint-url https://s3.example.org"),
        (400, "MissingContentMD5", "checksums="),
        (501, "NotImplemented", "doctor"),
    ],
)
def test_what_will_not_pass_names_the_code_and_what_to_do(status: int, code: str, hint: str) -> None:
    """Claim: each cause that a user can remove has its own advice, and is not retried."""
    error = error_of(ServerAnswer(status, code), "cannot read x", AT)
    assert not error.transient
    assert error.hint is not None
    assert hint in error.hint
    assert "cannot read x" in error.message


def test_answers_that_mean_something_are_classes_of_their_own() -> None:
    """Claim: callers branch on the class of a lost race, a lost upload, a missing key, an unknown condition."""
    for status, code, kind in [
        (412, "PreconditionFailed", AlreadyThereError),
        (304, "", AlreadyThereError),
        (404, "NoSuchUpload", UploadLostError),
        (404, "NoSuchKey", KeyMissingError),
        (404, "404", KeyMissingError),
    ]:
        assert type(error_of(ServerAnswer(status, code), "x", AT)) is kind
    assert type(error_of(ServerAnswer(501, "NotImplemented"), "x", AT, conditional=True)) is ConditionUnknownError


def test_without_an_endpoint_the_advice_names_none() -> None:
    """Claim: for AWS the command to make a bucket has no --endpoint-url."""
    error = error_of(ServerAnswer(404, "NoSuchBucket"), "x", S3Location("models"))
    assert (error.hint or "").endswith("aws s3 mb s3://models")
