"""Writing a blob: one request for a small one, for a large one our own multipart upload with parts in parallel.

boto3's transfer takes no condition on the completion (``If-None-Match``), which is why the parts are driven here.  The
bytes are those of a private snapshot that nobody else can reach, hashed when it was made: they need no second check.
Memory is one part per request at once.  Whatever interrupts an upload, it is aborted.
"""

from __future__ import annotations

import os

from modelreg.digest import BlobDigest
from modelreg.digest.streams import Progress
from modelreg.errors import StoreError
from modelreg.parallel import Pool
from modelreg.store.retry import Retry
from modelreg.store.s3_bucket import REQUESTS_AT_ONCE, Bucket, UploadedPart

PART_SIZE_BYTES = 8 * 1024 * 1024
"""Above the 5 MiB that a part must have (S3 user guide, "Amazon S3 multipart upload limits"), and a usual chunk."""
PARTS_MAX = 10_000


def part_size_for(digest: BlobDigest) -> int:
    """The size of the parts that a blob is sent in: whole chunks, at least 8 MiB, so at most 4,096 parts."""
    return max(PART_SIZE_BYTES, digest.chunk_size_bytes)


def upload(
    bucket: Bucket,
    retry: Retry,
    key: str,
    descriptor: int,
    digest: BlobDigest,
    progress: Progress | None = None,
    *,
    only_if_absent: bool,
) -> None:
    """Write the snapshot behind ``descriptor`` under ``key``; ``progress`` counts what was acknowledged.

    Raises ``AlreadyThereError`` if another has, where the server knows conditions; ``UploadLostError`` if another
    aborted the upload, or an acknowledgement of its completion was lost.
    """
    if digest.size_bytes <= part_size_for(digest):
        data = _read(descriptor, 0, digest.size_bytes)
        retry(lambda: bucket.put(key, data, only_if_absent=only_if_absent))
        if progress:
            progress(len(data))
    else:
        _upload_parts(bucket, retry, key, descriptor, digest, progress, only_if_absent=only_if_absent)


def _upload_parts(
    bucket: Bucket,
    retry: Retry,
    key: str,
    descriptor: int,
    digest: BlobDigest,
    progress: Progress | None,
    *,
    only_if_absent: bool,
) -> None:
    part_size = part_size_for(digest)
    upload_id = retry(lambda: bucket.create_upload(key))

    def send(offset: int) -> UploadedPart:
        data = _read(descriptor, offset, min(part_size, digest.size_bytes - offset))

        def attempt() -> UploadedPart:
            pool.check()
            return bucket.upload_part(key, upload_id, offset // part_size + 1, data)

        part = retry(attempt)
        if progress:
            progress(len(data))
        return part

    try:
        with Pool(REQUESTS_AT_ONCE, "part") as pool:
            parts = pool.map(send, range(0, digest.size_bytes, part_size))
        retry(lambda: bucket.complete(key, upload_id, parts, only_if_absent=only_if_absent))
    except BaseException as error:
        _abort(bucket, retry, key, upload_id, error)
        raise


def _abort(bucket: Bucket, retry: Retry, key: str, upload_id: str, cause: BaseException) -> None:
    """Abort, but never hide why: a sweep aborts what could not be aborted now."""
    try:
        retry(lambda: bucket.abort(key, upload_id))
    except StoreError as error:
        cause.add_note(f"the upload could not be aborted either ({error.message}); modelreg gc will")


def _read(descriptor: int, offset: int, length: int) -> bytes:
    data = os.pread(descriptor, length, offset)
    while len(data) < length:  # Linux reads at most 2 GiB at once
        more = os.pread(descriptor, length - len(data), offset + len(data))
        if not more:
            raise StoreError("the private copy of what is pushed was cut short", hint="is the temporary folder intact?")
        data += more
    return data
