"""Reading a blob over the network: ranged GETs, each read as it comes and taken up again where it broke off.

What arrives is not trusted: the caller checks every chunk.  What is checked here is what HTTP promises: the range that
was asked for, of an object of the same size, to its last byte, at a speed that is not a drip.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from modelreg.errors import BlobMissingError, StoreError
from modelreg.store.retry import Retry
from modelreg.store.s3_bucket import Bucket, OpenRange
from modelreg.store.s3_errors import KeyMissingError

RECEIVE_SIZE_BYTES = 256 * 1024


class S3Blob:
    """An open blob; makes no request by itself."""

    def __init__(self, bucket: Bucket, retry: Retry, key: str, size_bytes: int) -> None:
        self._bucket = bucket
        self._retry = retry
        self._key = key
        self.size_bytes = size_bytes

    def read_into(self, view: memoryview, offset: int) -> int:
        length = min(len(view), self.size_bytes - offset)
        if length <= 0:
            return 0
        with self.open_range(offset, length) as reader:
            return reader.read_into(view, offset)

    @contextlib.contextmanager
    def open_range(self, offset: int, length: int) -> Iterator[RangeReader]:
        """A reader of these bytes, fetched by one request as far as the network allows."""
        end = min(offset + length, self.size_bytes)
        reader = RangeReader(self._bucket, self._retry, self._key, end, self.size_bytes)
        try:
            yield reader
        finally:
            reader.close()

    def clone_to(self, descriptor: int) -> bool:  # noqa: ARG002 - nothing to share over a network
        return False

    def close(self) -> None:
        """Nothing is held."""


class RangeReader:
    """Reads up to ``end``, in order without a new request; from any other place with one.  For one thread."""

    def __init__(self, bucket: Bucket, retry: Retry, key: str, end: int, size_bytes: int) -> None:
        self._bucket = bucket
        self._retry = retry
        self._key = key
        self._end = end
        self._size_bytes = size_bytes
        self._position = 0
        self._stack = contextlib.ExitStack()
        self._open: OpenRange | None = None
        self._pace = _Pace(bucket.timeouts.stall_s, bucket.timeouts.stall_bytes)

    def read_into(self, view: memoryview, offset: int) -> int:
        view = view[: max(0, self._end - offset)]
        done = 0

        def fill() -> None:
            nonlocal done
            try:
                while done < len(view):
                    done += self._receive(view[done:], offset + done)
            except BaseException:
                self.close()
                raise

        if view:
            self._retry(fill)
        return done

    def _receive(self, view: memoryview, offset: int) -> int:
        if self._open is None or self._position != offset:
            self.close()
            self._open = self._request(offset)
            self._position = offset
            self._pace.start()
        data = self._open.receive(min(len(view), RECEIVE_SIZE_BYTES))
        if not data:
            raise StoreError(f"cannot read {self._key}: it ended at byte {offset:,} of {self._end:,}", transient=True)
        self._pace.check(len(data), self._key)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _request(self, offset: int) -> OpenRange:
        wanted = self._bucket.open_range(self._key, offset, self._end - offset, self._size_bytes)
        try:
            return self._stack.enter_context(wanted)
        except KeyMissingError:
            missing = f"the store {self._bucket.location.url} has no {self._key} any more"
        raise BlobMissingError(missing, hint="it was removed while it was read")

    def close(self) -> None:
        """Give up the open request."""
        self._open = None
        self._stack.close()


class _Pace:
    """Tells a connection that drips, which no time-out of a single read does."""

    def __init__(self, window_s: float, bytes_min: int) -> None:
        self._window_s = window_s
        self._bytes_min = bytes_min
        self.start()

    def start(self) -> None:
        self._since = time.monotonic()
        self._bytes = 0

    def check(self, size_bytes: int, key: str) -> None:
        self._bytes += size_bytes
        if self._bytes >= self._bytes_min:
            self.start()
        elif time.monotonic() - self._since > self._window_s:
            raise StoreError(f"cannot read {key}: {self._bytes:,} bytes came in {self._window_s:g} s", transient=True)
