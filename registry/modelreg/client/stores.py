"""From a storage URL to a store: the one place that knows every adapter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from modelreg.errors import StoreAbsentError, UsageError
from modelreg.masking import masked
from modelreg.store.base import Store

if TYPE_CHECKING:
    from modelreg.db.records import Index


def open_store(url: str, *, create: bool = True) -> Store:
    """The store that ``url`` names: ``file:///FOLDER`` (taken literally), ``s3://BUCKET/PREFIX``, or ``memory:``.

    Raises ``UsageError`` for a scheme that no adapter serves, ``StoreError`` for a store that cannot be opened.
    """
    scheme, _, rest = url.partition(":")
    if scheme == "file" and rest.startswith("///"):
        from modelreg.store.local import LocalStore

        return LocalStore.open_folder(Path(rest[2:]), create=create)
    if scheme == "s3":
        from modelreg.store.s3 import S3Store

        return S3Store.open_url(url, create=create)
    if scheme == "memory":
        from modelreg.store.memory import MemoryStore

        return MemoryStore()
    raise UsageError(f"no store serves {masked(url)!r}", hint="write file:///FOLDER or s3://BUCKET/PREFIX?endpoint=URL")


def open_store_of(index: Index, url: str, *, create: bool) -> Store:
    """The store that the versions of ``index`` lie in, made if it is absent and ``create`` is set.

    It is not made for a database that lists versions, since it is more likely not mounted: ``StoreAbsentError``.
    """
    try:
        return open_store(url, create=False)
    except StoreAbsentError as error:
        if not create:
            raise
        if not index.is_empty():
            raise StoreAbsentError(error.place, is_expected=True) from None
    return open_store(url)
