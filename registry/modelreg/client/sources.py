"""Where good bytes can come from: a second store, or a folder that was pulled.  Neither is trusted with anything.

What a source gives is only ever taken into a private copy, whose SHA-256 decides.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from modelreg.client.fetch import MANIFEST_NAME
from modelreg.client.folder import is_pulled_folder, read_kept_manifest
from modelreg.client.stores import open_store
from modelreg.digest.streams import Descriptor
from modelreg.errors import BlobMissingError, UsageError
from modelreg.manifest import GOLDEN_PATH, SIDE_FOLDER, manifest_digest, parse_manifest
from modelreg.masking import masked
from modelreg.store.base import BlobReader


class Source(Protocol):
    """Blobs by digest."""

    @property
    def url(self) -> str: ...

    def open(self, sha256: str) -> BlobReader:
        """Open a blob; raises ``BlobMissingError``, ``StoreError``."""
        ...


def open_source(place: str) -> Source:
    """The store or the pulled folder that ``place`` names, by URL or path.

    Raises ``UsageError`` for what is neither, ``StoreError`` for a store that cannot be opened, ``DocumentError`` for a
    folder whose manifest cannot be read.
    """
    if "://" in place:
        return open_store(place, create=False)
    folder = Path(place)
    if is_pulled_folder(folder):
        return PulledFolder(folder)
    if (folder / "format").is_file():
        return open_store(f"file://{folder.absolute()}", create=False)
    raise UsageError(
        f"{masked(place)!r} is neither a store nor a folder that modelreg pulled",
        hint="--from s3://BUCKET/PREFIX, --from FOLDER of a store, or --from FOLDER of a pull",
    )


class PulledFile(Descriptor):
    """An open file of a pulled folder."""

    def __init__(self, descriptor: int, size_bytes: int) -> None:
        super().__init__(descriptor)
        self.size_bytes = size_bytes

    def clone_to(self, descriptor: int) -> bool:  # noqa: ARG002 - it is copied, so that nobody changes it meanwhile
        return False

    def close(self) -> None:
        os.close(self.descriptor)


class PulledFolder:
    """A pulled folder: its kept manifest says which file should have which digest, and nothing more is believed."""

    def __init__(self, folder: Path) -> None:
        self.url = str(folder)
        data = read_kept_manifest(folder)
        manifest = parse_manifest(data)
        self._places = {entry.sha256: folder / entry.path for entry in manifest.files}
        self._places[manifest_digest(data)] = folder / SIDE_FOLDER / MANIFEST_NAME
        if manifest.golden is not None:
            self._places[manifest.golden.sha256] = folder / GOLDEN_PATH

    def open(self, sha256: str) -> PulledFile:
        """The file that should hold these bytes; a link, or what is no file, counts as missing."""
        place = self._places.get(sha256)
        if place is None:
            raise BlobMissingError(f"{self.url!r} holds no file sha256:{sha256}")
        try:
            descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise BlobMissingError(f"{str(place)!r} cannot be read: {error.strerror}") from error
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise BlobMissingError(f"{str(place)!r} is no file")
        return PulledFile(descriptor, status.st_size)


@contextlib.contextmanager
def opened(source: Source, sha256: str) -> Iterator[BlobReader]:
    """A blob of ``source``, closed at the end."""
    with contextlib.closing(source.open(sha256)) as blob:
        yield blob
