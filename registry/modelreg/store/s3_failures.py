"""From botocore's exceptions to ours.

Invariant: no error made here carries one of botocore's along, not even as its context: those hold the request and the
answer, and so may hold what signs them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import botocore.exceptions as refused
import urllib3.exceptions
from botocore.parsers import ResponseParserError

from modelreg.errors import StoreError
from modelreg.store.s3_errors import ServerAnswer, error_of
from modelreg.store.s3_url import S3Location

T = TypeVar("T")


def translated(call: Callable[[], T], what: str, location: S3Location, *, conditional: bool = False) -> T:
    """``call()``; raises a ``StoreError`` saying that ``what`` failed and why."""
    try:
        return call()
    except refused.ClientError as error:
        found = error_of(_answer(error), what, location, conditional=conditional)
    except (refused.BotoCoreError, ResponseParserError, urllib3.exceptions.HTTPError, OSError) as error:
        found = _failure(error, what, location)
    except ValueError as error:  # botocore raises it for an endpoint that it cannot make a request of
        found = StoreError(f"{what}: {type(error).__name__} in the S3 library", hint="modelreg config show")
    raise found  # here and not above, where it would carry the other along


def _failure(error: Exception, what: str, location: S3Location) -> StoreError:
    """An error that is no answer of the server."""
    where = location.server
    match error:
        case refused.NoCredentialsError() | refused.PartialCredentialsError() | refused.CredentialRetrievalError():
            hint = "export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile with AWS_PROFILE"
            return StoreError(f"{what}: no complete AWS credentials were found for {location.url}", hint=hint)
        case refused.ProfileNotFound():
            return StoreError(f"{what}: there is no AWS profile of that name", hint="check AWS_PROFILE")
        case refused.NoRegionError():
            return StoreError(f"{what}: no region is known", hint="add region=NAME to the address")
        case refused.SSLError():
            hint = "name the authority that signed the server's certificate: add ca=FILE.pem to the address"
            return StoreError(f"{what}: the TLS certificate of {where} was not accepted", hint=hint)
        case refused.ProxyConnectionError():
            hint = "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY"
            return StoreError(f"{what}: the proxy does not answer", hint=hint, transient=True)
        case refused.EndpointConnectionError() | refused.ConnectTimeoutError():
            reason = "its name is not known" if _is_name_unknown(error) else "it does not answer"
            hint = "check the endpoint of the address and the network"
            return StoreError(f"{what}: {where} cannot be reached, {reason}", hint=hint, transient=True)
        case refused.FlexibleChecksumError() | refused.ResponseStreamingError() | refused.IncompleteReadError():
            return StoreError(f"{what}: the answer of {where} was damaged on its way", transient=True)
        case refused.HTTPClientError() | refused.ConnectionError() | urllib3.exceptions.HTTPError() | OSError():
            kind = type(error).__name__
            return StoreError(f"{what}: the connection to {where} failed ({kind})", transient=True)
        case ResponseParserError():
            return StoreError(f"{what}: {where} does not answer as an S3 server does", transient=True)
    return StoreError(f"{what}: {type(error).__name__} in the S3 library", hint="modelreg config show")


def _is_name_unknown(error: refused.BotoCoreError) -> bool:
    return isinstance(error.kwargs.get("error"), urllib3.exceptions.NameResolutionError)


def _answer(error: refused.ClientError) -> ServerAnswer:
    told: Mapping[str, Any] = error.response
    code = re.sub(r"[^A-Za-z0-9]", "", str(told.get("Error", {}).get("Code", "")))[:60]
    return ServerAnswer(int(told.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)), code)
