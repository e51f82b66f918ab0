"""One bucket, one request at a time: the only module that knows boto3.

Every method makes one attempt; what fails is a ``StoreError`` that says whether another can help.  Nothing here knows
blobs, and nothing above it knows boto3.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from modelreg.errors import StoreError, UsageError
from modelreg.store.s3_errors import ConditionUnknownError, KeyMissingError, UploadLostError
from modelreg.store.s3_url import S3Location

try:
    import boto3
    import botocore.config
    import botocore.loaders
    import botocore.session

    from modelreg.store.s3_failures import translated
except ModuleNotFoundError as _absent:
    raise UsageError(
        f"an s3:// store needs the package {_absent.name!r}, which is not installed",
        hint="pip install 'modelreg[s3]'",
    ) from None

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")
UploadMarker = tuple[str, str]

REQUESTS_AT_ONCE = 8
PAGE_KEYS_MAX = 1000
"""What the API gives at most (``ListObjectsV2``, ``MaxKeys``)."""
_LOADER = botocore.loaders.create_loader(None)
"""Reads botocore's own service descriptions, once a process."""
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """When a connection counts as dead: ``stall_s`` without ``stall_bytes`` more is one that drips."""

    connect_s: float = 10.0
    read_s: float = 30.0
    stall_s: float = 30.0
    stall_bytes: int = 64 * 1024


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of a listing."""

    key: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """One multipart upload that was neither completed nor aborted."""

    key: str
    upload_id: str


@dataclass(frozen=True, slots=True)
class UploadedPart:
    """What completing an upload needs to know of a part; the tag is the server's and means nothing to us."""

    number: int
    etag: str
    sha256: str | None


class Bucket:
    """A bucket as ``location`` names it; opening one makes no request."""

    def __init__(self, location: S3Location, timeouts: Timeouts | None = None) -> None:
        self.location = location
        self.timeouts = timeouts or Timeouts()
        self._conditions = True
        what = f"cannot open the store {location.url}"
        self._client = translated(lambda: _client(location, self.timeouts), what, location)

    def _ask(self, what: str, call: Callable[..., T], *, conditional: bool = False, **given: Any) -> T:
        """One request to this bucket."""
        bucket = self.location.bucket
        return translated(lambda: call(Bucket=bucket, **given), what, self.location, conditional=conditional)

    def size_bytes(self, key: str) -> int | None:
        """The size of an object, or ``None`` where there is none."""
        try:
            return self._ask(f"cannot look for {key}", self._client.head_object, Key=key)["ContentLength"]
        except KeyMissingError:
            return None

    def read(self, key: str, size_bytes_max: int) -> bytes:
        """A whole object of at most ``size_bytes_max``, and never more than a byte beyond them."""
        what = f"cannot read {key}"
        answer = self._ask(what, self._client.get_object, Key=key)
        size_bytes = answer["ContentLength"]
        with answer["Body"] as stream:
            data: bytes = translated(lambda: stream.read(size_bytes_max + 1), what, self.location)
            stream.close()
        if size_bytes > size_bytes_max:
            raise StoreError(f"{key} is {size_bytes:,} bytes long; at most {size_bytes_max:,} were expected")
        if len(data) != size_bytes:
            raise StoreError(f"{what}: it ended after {len(data):,} of {size_bytes:,} bytes", transient=True)
        return data

    @contextlib.contextmanager
    def open_range(self, key: str, start: int, length: int, size_bytes: int) -> Iterator[OpenRange]:
        """One ranged GET; the range that comes, and the object's size, are what was asked for."""
        what = f"cannot read {key}"
        wanted = f"bytes={start}-{start + length - 1}"
        answer = self._ask(what, self._client.get_object, Key=key, Range=wanted)
        with answer["Body"] as stream:  # urllib3's own response: boto3's has no read that returns what has come
            try:
                _check_range(answer.get("ContentRange"), start, length, size_bytes, what)
                yield OpenRange(stream, what, self.location)
            finally:
                stream.close()

    def put(self, key: str, data: bytes, *, only_if_absent: bool) -> None:
        """Write a whole object; raises ``AlreadyThereError`` where the condition is known and not met."""
        checksum = {"ChecksumSHA256": sha256_base64(data)} if self.location.sends_sha256 else {}
        given: dict[str, Any] = {"Key": key, "Body": data, **checksum}
        self._ask_if(only_if_absent, f"cannot write {key}", self._client.put_object, given)

    def create_upload(self, key: str) -> str:
        """Begin a multipart upload; returns its id."""
        given: dict[str, Any] = {"ChecksumAlgorithm": "SHA256"} if self.location.sends_sha256 else {}
        what = f"cannot begin to write {key}"
        return self._ask(what, self._client.create_multipart_upload, Key=key, **given)["UploadId"]

    def upload_part(self, key: str, upload_id: str, number: int, data: bytes) -> UploadedPart:
        """Send part ``number`` (from 1)."""
        sha256 = sha256_base64(data) if self.location.sends_sha256 else None
        given: dict[str, Any] = {"UploadId": upload_id, "PartNumber": number, "Body": data}
        if sha256:
            given["ChecksumSHA256"] = sha256
        answer = self._ask(f"cannot write part {number} of {key}", self._client.upload_part, Key=key, **given)
        return UploadedPart(number, answer["ETag"], sha256)

    def complete(self, key: str, upload_id: str, parts: list[UploadedPart], *, only_if_absent: bool) -> None:
        """Make the parts one object; raises ``AlreadyThereError`` as ``put`` does, and ``UploadLostError``."""
        told = [
            {"PartNumber": part.number, "ETag": part.etag} | ({"ChecksumSHA256": part.sha256} if part.sha256 else {})
            for part in parts
        ]
        given = {"Key": key, "UploadId": upload_id, "MultipartUpload": {"Parts": told}}
        self._ask_if(only_if_absent, f"cannot complete {key}", self._client.complete_multipart_upload, given)

    def abort(self, key: str, upload_id: str) -> None:
        """Give up an upload; one that is not there is no error."""
        with contextlib.suppress(KeyMissingError, UploadLostError):
            what = f"cannot abort the upload of {key}"
            self._ask(what, self._client.abort_multipart_upload, Key=key, UploadId=upload_id)

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error.  One at a time: old servers refuse the batch."""
        with contextlib.suppress(KeyMissingError):
            self._ask(f"cannot delete {key}", self._client.delete_object, Key=key)

    def page(self, prefix: str, token: str | None) -> tuple[list[StoredObject], str | None]:
        """One page of the objects whose key starts with ``prefix``, and where the next begins."""
        given: dict[str, Any] = {"ContinuationToken": token} if token else {}
        what = f"cannot list {prefix}"
        answer = self._ask(what, self._client.list_objects_v2, Prefix=prefix, MaxKeys=PAGE_KEYS_MAX, **given)
        found = [StoredObject(item["Key"], item["Size"]) for item in answer.get("Contents", ())]
        return found, answer.get("NextContinuationToken") if answer.get("IsTruncated") else None

    def uploads_page(self, prefix: str, after: UploadMarker | None) -> tuple[list[OpenUpload], UploadMarker | None]:
        """One page of the open multipart uploads below ``prefix``, and where the next begins."""
        given: dict[str, Any] = {"KeyMarker": after[0], "UploadIdMarker": after[1]} if after else {}
        what = f"cannot list the open uploads of {prefix}"
        answer = self._ask(what, self._client.list_multipart_uploads, Prefix=prefix, **given)
        found = [OpenUpload(item["Key"], item["UploadId"]) for item in answer.get("Uploads", ())]
        more = (answer.get("NextKeyMarker", ""), answer.get("NextUploadIdMarker", ""))
        return found, more if answer.get("IsTruncated") and any(more) else None

    def versioning(self) -> str:
        """``Enabled``, ``Suspended`` or ``off``."""
        return self._ask("cannot ask for versioning", self._client.get_bucket_versioning).get("Status", "off")

    def object_lock(self) -> str:
        """The mode in which new objects are locked, ``on`` where none is given, or ``off``."""
        try:
            answer = self._ask("cannot ask for object lock", self._client.get_object_lock_configuration)
        except KeyMissingError:  # ObjectLockConfigurationNotFoundError
            return "off"
        found: Mapping[str, Any] = answer.get("ObjectLockConfiguration", {})
        if found.get("ObjectLockEnabled") != "Enabled":
            return "off"
        return str(found.get("Rule", {}).get("DefaultRetention", {}).get("Mode", "on"))

    def put_with_wrong_sha256(self, key: str, data: bytes) -> None:
        """For the probe: a body under another body's checksum, which a careful server refuses."""
        wrong = sha256_base64(data + b"!")
        self._ask(f"cannot write {key}", self._client.put_object, Key=key, Body=data, ChecksumSHA256=wrong)

    def _ask_if(self, only_if_absent: bool, what: str, call: Callable[..., object], given: dict[str, Any]) -> None:
        """A write, with ``If-None-Match: *`` unless the server said once that it does not implement it."""
        if only_if_absent and self._conditions:
            try:
                self._ask(what, call, conditional=True, IfNoneMatch="*", **given)
            except ConditionUnknownError:
                self._conditions = False
            else:
                return
        self._ask(what, call, **given)


class OpenRange:
    """The body of a ranged GET."""

    def __init__(self, stream: Any, what: str, location: S3Location) -> None:
        self._stream = stream
        self._what = what
        self._location = location

    def receive(self, size_bytes_max: int) -> bytes:
        """What has come, at least a byte; empty at the end."""
        data: bytes = translated(lambda: self._stream.read1(size_bytes_max), self._what, self._location)
        return data


def _check_range(told: str | None, start: int, length: int, size_bytes: int, what: str) -> None:
    """Refuse an answer that is not exactly the range asked for, of an object of the known size."""
    found = _RANGE.fullmatch(told or "")
    if found is None:
        _refuse(f"{what}: the server did not answer with the range that was asked for")
    first, last, total = map(int, found.groups())
    if (first, last) != (start, start + length - 1):
        _refuse(f"{what}: bytes {start:,} to {start + length - 1:,} were asked for, {first:,} to {last:,} came")
    if total != size_bytes:
        _refuse(f"{what}: it was {size_bytes:,} bytes long and is {total:,} now")


def _refuse(message: str) -> NoReturn:
    raise StoreError(message, transient=True)


def sha256_base64(data: bytes) -> str:
    """The SHA-256 of ``data`` as S3 writes it."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def _client(location: S3Location, timeouts: Timeouts) -> S3Client:
    options: dict[str, Any] = {
        "connect_timeout": timeouts.connect_s,
        "read_timeout": timeouts.read_s,
        "max_pool_connections": 2 * REQUESTS_AT_ONCE,
        "retries": {"total_max_attempts": 1},  # ours retries, and knows what is worth it
        "request_checksum_calculation": location.botocore_checksums,
        "response_checksum_validation": location.botocore_checksums,
        "s3": {"addressing_style": location.style.value} if location.style else {},
        "user_agent_extra": "modelreg",
    }
    core = botocore.session.get_session()
    core.register_component("data_loader", _LOADER)
    session = boto3.session.Session(botocore_session=core)
    region = location.region or session.region_name or ("us-east-1" if location.endpoint else None)
    return session.client(
        "s3",
        endpoint_url=location.endpoint,
        region_name=region,
        verify=location.ca,
        config=botocore.config.Config(**options),
    )
