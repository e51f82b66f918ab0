"""From a storage URL to a store: the one place that knows every adapter."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from modelreg.errors import UsageError
from modelreg.store.base import Store


def open_store(url: str, *, create: bool = True) -> Store:
    """The store that ``url`` names: ``file:///FOLDER``, or ``memory:`` for trying things out.

    Raises ``UsageError`` for a scheme that no adapter serves, ``StoreError`` for a store that cannot be opened.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path:
        from modelreg.store.local import LocalStore

        return LocalStore.open_folder(Path(unquote(parts.path)), create=create)
    if parts.scheme == "memory":
        from modelreg.store.memory import MemoryStore

        return MemoryStore()
    raise UsageError(f"no store serves {parts.scheme + '://' if parts.scheme else url!r}", hint="write file:///FOLDER")
