"""The log's records: found among the blobs of a store, and made again from the database that they were made from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from modelreg.client.manifests import READ_AT_ONCE_BYTES
from modelreg.client.several import many_at_once
from modelreg.db.records import Index
from modelreg.digest import sha256_hex
from modelreg.digest.streams import Progress
from modelreg.errors import BlobMissingError, DocumentError, StoreError
from modelreg.store.base import BlobInfo, BlobReader, Store
from modelreg.store.memory import MemoryStore
from modelreg.trust.record import BEGINNING, RECORD_SIZE_BYTES_MAX, LogRecord, RecordHead


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A blob that begins as a record does: its head, or why it has none."""

    sha256: str
    head: RecordHead | None
    reason: str = ""


def read_record(store: Store, sha256: str) -> LogRecord:
    """The record under ``sha256``; raises ``BlobMissingError``, ``StoreError``, ``DocumentError`` for other bytes."""
    data = store.read(sha256, RECORD_SIZE_BYTES_MAX)
    if sha256_hex(data) != sha256:
        raise DocumentError(f"the bytes of the log record sha256:{sha256} are not those of its digest")
    return LogRecord.parse(data)


def find_records(store: Store, blobs: Iterable[BlobInfo], progress: Progress | None = None) -> Iterator[FoundRecord]:
    """Every record among ``blobs``; ``progress`` counts the bytes of all blobs, as if each was read to its end.

    Raises ``StoreError`` where a store over a network cannot be read; a local file that cannot is no record.
    """

    def find(blob: BlobInfo) -> FoundRecord | None:
        found = _find(store, blob)
        if progress:
            progress(blob.size_bytes)
        return found

    return (found for found in many_at_once(store, find, blobs, lambda blob: blob.size_bytes) if found is not None)


def _find(store: Store, blob: BlobInfo) -> FoundRecord | None:
    if not len(BEGINNING) < blob.size_bytes <= RECORD_SIZE_BYTES_MAX:
        return None
    try:
        if blob.size_bytes > READ_AT_ONCE_BYTES and not _begins_as_record(store, blob.sha256):
            return None
        data = store.read(blob.sha256, RECORD_SIZE_BYTES_MAX)
    except BlobMissingError:
        return None
    except StoreError:
        if store.properties.is_remote:
            raise
        return None
    if not data.startswith(BEGINNING):
        return None
    if sha256_hex(data) != blob.sha256:
        return FoundRecord(blob.sha256, None, "its bytes are not those of its digest")
    try:
        record = LogRecord.parse(data)
        _ = record.entries
        return FoundRecord(blob.sha256, RecordHead.of(record, data))
    except DocumentError as error:
        return FoundRecord(blob.sha256, None, error.message)


def _begins_as_record(store: Store, sha256: str) -> bool:
    view = memoryview(bytearray(len(BEGINNING)))
    with contextlib.closing(store.open(sha256)) as blob:
        return blob.read_into(view, 0) == len(view) and bytes(view) == BEGINNING


class RecordsOfDatabase:
    """A source of records and statements: those that the database lists, of its rows."""

    url = "the database"

    def __init__(self, records: Mapping[str, bytes]) -> None:
        self._store = MemoryStore()
        for data in records.values():
            self._store.put(data)

    @classmethod
    def among(cls, wanted: Iterable[str], index: Index) -> RecordsOfDatabase | None:
        """A source for those of ``wanted`` that are records or statements; ``None`` where none is."""
        from modelreg.client.ledger import record_of

        made, wanted = {}, tuple(wanted)
        with index.reading_statements() as statements:
            for sha256 in wanted:
                kept = statements.kept_under(sha256)
                if kept is not None and sha256_hex(kept) == sha256:
                    made[sha256] = kept
        with index.reading_log() as log:
            for sha256 in wanted:
                row = log.checkpoint_of_record(sha256)
                if row is not None:
                    with contextlib.suppress(DocumentError):  # then the rows are not those that the record was made of
                        made[sha256] = record_of(log, row)
        return cls(made) if made else None

    def open(self, sha256: str) -> BlobReader:
        """The record; raises ``BlobMissingError`` for one that the rows do not give."""
        return self._store.open(sha256)
