"""What went wrong at an S3 server, as one of our errors: pure, from an error code to a sentence and what to type.

No message repeats a server's text beyond its error code: some answer with the headers that they were sent.
"""

from __future__ import annotations

from dataclasses import dataclass

from modelreg.errors import StoreError
from modelreg.store.s3_url import S3Location

_TRANSIENT_CODES = frozenset(
    {
        "ConditionalRequestConflict",
        "InternalError",
        "OperationAborted",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "SlowDownRead",
        "SlowDownWrite",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "XAmzContentSHA256Mismatch",
        "BadDigest",
        "IncompleteBody",
        "XMinioServerNotInitialized",
    }
)
"""By their names in the S3 API reference, "Error responses"; ``BadDigest`` and its like are damage on the way there."""

_LISTED = "modelreg doctor shows what the server can do"


class AlreadyThereError(StoreError):
    """A conditional write was refused, because somebody else has published the key meanwhile."""


class UploadLostError(StoreError):
    """The server has no such multipart upload (any more): completed, or aborted by somebody else."""


class KeyMissingError(StoreError):
    """There is no object under a key."""


class ConditionUnknownError(StoreError):
    """The server says that it does not implement conditional writes."""


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """A refusal as the server gave it: its status and error code; a HEAD has no code but the status."""

    status: int
    code: str


def error_of(answer: ServerAnswer, what: str, location: S3Location, *, conditional: bool = False) -> StoreError:
    """The error for ``answer`` to the request that did ``what``."""
    said = f"{what}: {location.server} answered {answer.status} {answer.code}".rstrip()
    bucket, code = location.bucket, answer.code
    if answer.status in (304, 412):  # MinIO before 2024-04 answers a refused If-None-Match with 304 (minio 19442)
        return AlreadyThereError(said)
    if code == "NoSuchUpload":
        return UploadLostError(said)
    if code == "NoSuchBucket":
        return StoreError(f"{what}: there is no bucket {bucket!r} at {location.server}", hint=_make_bucket(location))
    if answer.status == 404:
        return KeyMissingError(said)
    if answer.status == 501:
        if conditional:
            return ConditionUnknownError(said)
        return StoreError(said, hint=_LISTED)
    if code in _TRANSIENT_CODES or answer.status in (409, 429) or answer.status >= 500:
        return StoreError(said, transient=True, hint="the server is busy or unwell: try again later")
    return StoreError(said, hint=_advice(answer, location))


def _make_bucket(location: S3Location) -> str:
    endpoint = f" --endpoint-url {location.endpoint}" if location.endpoint else ""
    return f"check the name, or make it: aws s3 mb s3://{location.bucket}{endpoint}"


def _advice(answer: ServerAnswer, location: S3Location) -> str:
    match answer.code:
        case "InvalidAccessKeyId" | "InvalidAccessKey" | "InvalidToken" | "ExpiredToken" | "ExpiredTokenException":
            return "the credentials are unknown or expired: check AWS_ACCESS_KEY_ID, AWS_SESSION_TOKEN or AWS_PROFILE"
        case "SignatureDoesNotMatch":
            return "the secret key is wrong: check AWS_SECRET_ACCESS_KEY or AWS_PROFILE"
        case "RequestTimeTooSkewed" | "RequestExpired":
            return "this machine's clock differs from the server's: set it (timedatectl set-ntp true)"
        case "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" | "301":
            return f"the bucket is in another region: add region=NAME to the address (now {location.region or 'none'})"
        case "InvalidBucketName":
            return f"{location.bucket!r} is no name that this server takes"
        case "MissingContentMD5" | "InvalidRequest" | "MalformedTrailerError" | "InvalidArgument":
            return "an older server may not know these checksums: add checksums=when_required, or =off, to the address"
    if answer.status in (401, 403):
        return (
            f"these credentials may not do that in bucket {location.bucket!r}: it takes s3:GetObject, s3:PutObject, "
            "s3:ListBucket, s3:DeleteObject and s3:AbortMultipartUpload; or they are wrong (AWS_PROFILE)"
        )
    return _LISTED
