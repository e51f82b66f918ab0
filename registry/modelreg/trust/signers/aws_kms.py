"""A key in AWS KMS: it never leaves the service, which is sent what is to be signed, or its digest.

The only module of ``trust`` that knows boto3.  No error made here carries one of botocore's along, not even as its
context: those hold the request, and so may hold what signs it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from modelreg.errors import SigningError, UsageError
from modelreg.trust.keys import Algorithm, PublicKey

try:
    import boto3
    import botocore.config
    import botocore.exceptions as refused
except ModuleNotFoundError as _absent:
    raise UsageError(
        f"a key in AWS KMS needs the package {_absent.name!r}, which is not installed",
        hint="pip install 'modelreg[s3]'",
    ) from None

T = TypeVar("T")

RAW_SIZE_BYTES_MAX = 4096
"""What ``Sign`` takes as it is; of more it takes the digest (KMS API reference, ``Sign``, ``Message``)."""
_ALGORITHMS = {
    Algorithm.ECDSA_P256: ("ECDSA_SHA_256", hashlib.sha256),
    Algorithm.ECDSA_P384: ("ECDSA_SHA_384", hashlib.sha384),
    Algorithm.ECDSA_P521: ("ECDSA_SHA_512", hashlib.sha512),
}


@dataclass(frozen=True, slots=True)
class AwsKmsSigner:
    """The asymmetric key ``key_id`` (an id, an ARN or ``alias/NAME``)."""

    public: PublicKey
    key_id: str
    _client: Any = field(repr=False, compare=False)

    @classmethod
    def open(cls, key_id: str, *, region: str | None = None, endpoint: str | None = None) -> AwsKmsSigner:
        """Ask the service for the public key.

        Raises ``SigningError`` where it cannot be reached or refuses, and for a key that is not for signing;
        ``DocumentError`` for a kind that is not ours, such as RSA.
        """
        what = f"cannot use the AWS KMS key {key_id!r}"
        client = _answered(lambda: _client(region, endpoint), what)
        answer = _answered(lambda: client.get_public_key(KeyId=key_id), what)
        if answer["KeyUsage"] != "SIGN_VERIFY":
            raise SigningError(f"{what}: it is for {answer['KeyUsage']}, not for SIGN_VERIFY")
        public = PublicKey.from_der(answer["PublicKey"])
        if public.algorithm not in _ALGORITHMS:
            raise SigningError(f"{what}: modelreg uses no {public.algorithm} keys there, but " + ", ".join(_ALGORITHMS))
        return cls(public, key_id, client)

    def sign(self, data: bytes) -> bytes:
        """The service's signature over ``data``; raises ``SigningError``."""
        algorithm, digest = _ALGORITHMS[self.public.algorithm]
        kind, message = ("RAW", data) if len(data) <= RAW_SIZE_BYTES_MAX else ("DIGEST", digest(data).digest())
        given = {"KeyId": self.key_id, "Message": message, "MessageType": kind, "SigningAlgorithm": algorithm}
        answer = _answered(lambda: self._client.sign(**given), f"the AWS KMS key {self.key_id!r} does not sign")
        signature: bytes = answer["Signature"]
        return signature


def _client(region: str | None, endpoint: str | None) -> Any:
    options = botocore.config.Config(
        connect_timeout=10,
        read_timeout=30,
        retries={"mode": "standard", "total_max_attempts": 3},
        user_agent_extra="modelreg",
    )
    return boto3.session.Session().client("kms", region_name=region, endpoint_url=endpoint, config=options)


def _answered(call: Callable[[], T], what: str) -> T:
    """``call()``; raises a ``SigningError`` saying that ``what``, and why."""
    try:
        return call()
    except refused.ClientError as error:
        told = error.response["Error"]
        found = SigningError(f"{what}: {told.get('Code')}: {str(told.get('Message'))[:300]}")
    except (refused.NoCredentialsError, refused.PartialCredentialsError, refused.CredentialRetrievalError):
        hint = "export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile with AWS_PROFILE"
        found = SigningError(f"{what}: no complete AWS credentials were found", hint=hint)
    except refused.NoRegionError:
        found = SigningError(f"{what}: no region is named", hint="export AWS_REGION, or name the key by its ARN")
    except refused.ParamValidationError:
        found = SigningError(f"{what}: that is no id, ARN or alias of a key")
    except (refused.EndpointConnectionError, refused.ConnectTimeoutError, refused.ReadTimeoutError):
        found = SigningError(f"{what}: the service cannot be reached")
    except (refused.BotoCoreError, ValueError) as error:
        found = SigningError(f"{what}: {type(error).__name__} in the AWS library")
    raise found  # here and not above, where it would carry the other along
