"""What an S3 server really does, found out by doing it: one object, written, read, refused and removed.

Nothing depends on the answers: keys are digests, the database decides who was first, and every byte is verified on its
way back.  They tell an operator what the server adds to that.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from modelreg.errors import StoreError
from modelreg.store.base import Measured
from modelreg.store.retry import Retry
from modelreg.store.s3_bucket import Bucket
from modelreg.store.s3_errors import AlreadyThereError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ServerAbilities:
    """What was seen; ``None`` is a question that the server did not answer."""

    create_only_put: bool
    create_only_complete: bool | None
    wrong_checksum_refused: bool | None
    ranged: bool
    listed_at_once: bool
    lists_uploads: bool | None
    versioning: str | None
    object_lock: str | None
    checksums: str

    def measured(self) -> tuple[Measured, ...]:
        """Each ability in words; only a missing range is a fault, since everything else is not relied on."""
        no_condition = "If-None-Match is ignored; keys are digests and the database decides, so this is safe"
        return (
            Measured("create-only put", self.create_only_put, "" if self.create_only_put else no_condition),
            Measured("create-only multipart", self.create_only_complete),
            Measured("wrong checksum refused", self.wrong_checksum_refused),
            Measured("ranged reads", self.ranged, "" if self.ranged else "no pull can work", is_needed=True),
            Measured("listed at once", self.listed_at_once),
            Measured("open uploads listed", self.lists_uploads, "" if self.lists_uploads else "gc cannot find them"),
            Measured("versioning", _is_on(self.versioning), self.versioning or ""),
            Measured("object lock", _is_on(self.object_lock), self.object_lock or ""),
            Measured("checksum mode", None, self.checksums),
        )


def probe_bucket(bucket: Bucket, retry: Retry, prefix: str) -> ServerAbilities:
    """Try everything below ``prefix``; raises ``StoreError`` where even a put, a read or a delete fails."""
    key = f"{prefix}-{secrets.token_hex(8)}"
    data = b"modelreg doctor " + secrets.token_bytes(16)
    try:
        retry(lambda: bucket.put(key, data, only_if_absent=False))
        return ServerAbilities(
            create_only_put=_refused(lambda: retry(lambda: bucket.put(key, data, only_if_absent=True))),
            create_only_complete=_maybe(lambda: _refused(lambda: _complete_again(bucket, retry, key, data))),
            wrong_checksum_refused=_refuses_checksum(bucket, f"{key}-checksum", data),
            ranged=_ranged(bucket, retry, key, data),
            listed_at_once=any(found.key == key for found in retry(lambda: bucket.page(key, None))[0]),
            lists_uploads=_maybe(lambda: _lists_uploads(bucket, retry, key)),
            versioning=_maybe(lambda: retry(bucket.versioning)),
            object_lock=_maybe(lambda: retry(bucket.object_lock)),
            checksums=bucket.location.checksums.value,
        )
    finally:
        for name in (key, f"{key}-checksum"):
            with contextlib.suppress(StoreError):  # under an object lock it stays, which the answer tells
                retry(lambda: bucket.delete(name))  # noqa: B023 - called at once


def _is_on(told: str | None) -> bool | None:
    return None if told is None else told != "off"


def _refused(write: Callable[[], None]) -> bool:
    try:
        write()
    except AlreadyThereError:
        return True
    return False


def _maybe(ask: Callable[[], T]) -> T | None:
    """The answer, or ``None`` where the server knows no such question."""
    try:
        return ask()
    except StoreError:
        return None


def _complete_again(bucket: Bucket, retry: Retry, key: str, data: bytes) -> None:
    upload_id = retry(lambda: bucket.create_upload(key))
    try:
        part = retry(lambda: bucket.upload_part(key, upload_id, 1, data))
        retry(lambda: bucket.complete(key, upload_id, [part], only_if_absent=True))
    except StoreError:
        retry(lambda: bucket.abort(key, upload_id))
        raise


def _refuses_checksum(bucket: Bucket, key: str, data: bytes) -> bool:
    """Asked without a retry, since a refusal is what is hoped for."""
    try:
        bucket.put_with_wrong_sha256(key, data)
    except StoreError:
        return True
    return False


def _ranged(bucket: Bucket, retry: Retry, key: str, data: bytes) -> bool:
    def read() -> bytes:
        with bucket.open_range(key, 3, 7, len(data)) as opened:
            return opened.receive(7)

    try:
        return retry(read) == data[3:10]
    except StoreError:
        return False


def _lists_uploads(bucket: Bucket, retry: Retry, key: str) -> bool:
    upload_id = retry(lambda: bucket.create_upload(key))
    try:
        found, _ = retry(lambda: bucket.uploads_page(key.rpartition("/")[0], None))
        return any(upload.upload_id == upload_id for upload in found)
    finally:
        retry(lambda: bucket.abort(key, upload_id))
