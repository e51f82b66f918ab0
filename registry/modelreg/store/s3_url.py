"""The address of an S3 store: ``s3://BUCKET/PREFIX?endpoint=URL&region=NAME&style=...&checksums=...&ca=FILE``.

Credentials are never part of it: they come from boto3's own chain (environment, profile, role).
"""

from __future__ import annotations

import enum
import os
import re
from dataclasses import dataclass
from typing import NamedTuple, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from modelreg.errors import UsageError

EXAMPLE = "s3://models/team?endpoint=https://s3.example.org"
_PARAMETERS = ("endpoint", "region", "style", "checksums", "ca")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}", re.ASCII)
"""Wider than AWS's rule for new buckets (3 to 63 lowercase characters): old buckets and other servers have more."""
_CREDENTIALS_HINT = "export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile with AWS_PROFILE"
PREFIX_LENGTH_MAX = 512
"""A key may have 1,024 bytes (S3 user guide, "Object key names"); ours add 84 to the prefix."""


class Style(enum.StrEnum):
    """Where the bucket's name stands: in the path, or before the host's name."""

    PATH = "path"
    VIRTUAL = "virtual"


class Checksums(enum.StrEnum):
    """Which checksums go with a request.

    The first two are botocore's own words for its CRCs, and add the SHA-256 to each body that is sent; ``off`` is
    for a server that does not take that header.
    """

    WHEN_SUPPORTED = "when_supported"
    WHEN_REQUIRED = "when_required"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class S3Location:
    """Where the blobs are, and how that server wants to be spoken to."""

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    style: Style | None = None
    checksums: Checksums = Checksums.WHEN_SUPPORTED
    ca: str | None = None

    def key(self, name: str) -> str:
        """The object key of ``name`` below the prefix."""
        return f"{self.prefix}/{name}" if self.prefix else name

    @property
    def sends_sha256(self) -> bool:
        return self.checksums is not Checksums.OFF

    @property
    def botocore_checksums(self) -> str:
        """The value of ``request_checksum_calculation`` and ``response_checksum_validation``."""
        return "when_required" if self.checksums is Checksums.OFF else self.checksums.value

    @property
    def server(self) -> str:
        """The server in words, for messages."""
        return self.endpoint or "AWS"

    @property
    def url(self) -> str:
        """The address as ``parse_s3_url`` takes it; it holds no secret."""
        given = {"endpoint": self.endpoint, "region": self.region, "style": self.style, "ca": self.ca}
        if self.checksums is not _usual_checksums(self.endpoint):
            given["checksums"] = self.checksums
        query = urlencode({name: value for name, value in given.items() if value}, safe=":/")
        path = f"/{quote(self.prefix)}" if self.prefix else ""
        return f"s3://{self.bucket}{path}{f'?{query}' if query else ''}"


def parse_s3_url(url: str) -> S3Location:
    """Read ``url``; raises ``UsageError``, which never repeats a part that may be a secret."""
    parts = _split(url)
    if not _BUCKET.fullmatch(parts.netloc):
        raise UsageError(f"{parts.netloc[:80]!r} cannot be the name of a bucket", hint=f"for example {EXAMPLE}")
    given = _parameters(parts.query)
    endpoint = _endpoint(given.get("endpoint"))
    style = _choice(Style, "style", given.get("style"))
    return S3Location(
        bucket=parts.netloc,
        prefix=_prefix(unquote(parts.path)),
        endpoint=endpoint,
        region=given.get("region"),
        style=style or (Style.PATH if endpoint else None),
        checksums=_choice(Checksums, "checksums", given.get("checksums")) or _usual_checksums(endpoint),
        ca=_readable(given.get("ca")),
    )


def _usual_checksums(endpoint: str | None) -> Checksums:
    """AWS takes botocore's CRCs; many another server stumbles over the trailers that they come in (boto3 4392)."""
    return Checksums.WHEN_REQUIRED if endpoint else Checksums.WHEN_SUPPORTED


class _Parts(NamedTuple):
    netloc: str
    path: str
    query: str


def _split(url: str) -> _Parts:
    """Cut by hand, since ``urlsplit`` silently drops tabs and newlines."""
    rest = url.removeprefix("s3://")
    if rest == url or "#" in rest:
        raise UsageError("an S3 address starts with s3:// and has no #", hint=f"for example {EXAMPLE}")
    if "@" in rest:  # wherever it stands: an unescaped secret may hold any character before it
        raise UsageError("the storage URL holds credentials, which belong in no URL", hint=_CREDENTIALS_HINT)
    place, _, query = rest.partition("?")
    bucket, _, path = place.partition("/")
    return _Parts(bucket, path, query)


def _parameters(query: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _PARAMETERS:
            hint = f"an S3 address takes {', '.join(_PARAMETERS)}; {_CREDENTIALS_HINT}"
            raise UsageError(f"an S3 address has no {name[:40]!r}", hint=hint)
        if name in given or not value:
            raise UsageError(f"the S3 address gives {name} twice, or without a value", hint=f"for example {EXAMPLE}")
        given[name] = value
    return given


def _endpoint(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if "@" in parts.netloc:
        raise UsageError("the endpoint holds credentials, which belong in no URL", hint=_CREDENTIALS_HINT)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError("the endpoint is not an http:// or https:// address", hint=f"for example {EXAMPLE}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def _prefix(path: str) -> str:
    prefix = path.strip("/")
    if any(part in ("", ".", "..") for part in prefix.split("/") if prefix) or not prefix.isprintable():
        raise UsageError(f"{prefix[:80]!r} cannot be a prefix", hint=f"for example {EXAMPLE}")
    if len(prefix.encode()) > PREFIX_LENGTH_MAX:
        raise UsageError(f"the prefix has {len(prefix.encode()):,} bytes; at most {PREFIX_LENGTH_MAX} can be used")
    return prefix


def _readable(path: str | None) -> str | None:
    if path is not None and not os.path.isfile(path):
        raise UsageError(f"the CA file {path!r} is not there", hint="ca=FILE names a PEM file")
    return path


C = TypeVar("C", Style, Checksums)


def _choice(kind: type[C], name: str, text: str | None) -> C | None:
    if text is None:
        return None
    try:
        return kind(text)
    except ValueError:
        hint = f"write {name}= and one of {', '.join(kind)}"
        raise UsageError(f"the S3 address has {name}={text[:40]!r}", hint=hint) from None
