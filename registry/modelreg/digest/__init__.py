"""Digests of bytes: a file's identity (SHA-256) and the BLAKE3 of each of its chunks.

The SHA-256 is what every other tool understands; the chunks are what a pull checks, on every core and out of order,
so that a corrupt byte is told by its place in the file.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from modelreg.errors import DocumentError

CHUNK_SIZE_BYTES_MIN = 4 * 1024
CHUNK_SIZE_BYTES_USUAL = 8 * 1024 * 1024
CHUNKS_WANTED = 128
CHUNKS_MAX = 4096

_HEX_256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def chunk_size_for(size_bytes: int) -> int:
    """The chunk size of a file of ``size_bytes``, a power of two.

    From 4 KiB it doubles until the file has at most 128 chunks or chunks are 8 MiB, so that corruption in a small
    model is told to 1/128 of the file; beyond 32 GiB it doubles again, so that a manifest names at most 4,096 chunks.
    """
    chunk = CHUNK_SIZE_BYTES_MIN
    while chunk < CHUNK_SIZE_BYTES_USUAL and chunk * CHUNKS_WANTED < size_bytes:
        chunk *= 2
    while chunk * CHUNKS_MAX < size_bytes:
        chunk *= 2
    return chunk


def is_sha256(text: str) -> bool:
    """Whether ``text`` is a digest as written everywhere here: 64 lowercase hex digits."""
    return _HEX_256.fullmatch(text) is not None


def sha256_hex(data: bytes) -> str:
    """The SHA-256 of ``data`` as lowercase hex."""
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True, slots=True)
class BlobDigest:
    """Size, identity and chunk digests of one file's bytes; checked to be consistent when built."""

    size_bytes: int
    sha256: str
    chunk_size_bytes: int
    chunks: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.size_bytes < 0:
            raise DocumentError(f"a file cannot be {self.size_bytes} bytes long")
        if self.chunk_size_bytes < CHUNK_SIZE_BYTES_MIN or self.chunk_size_bytes.bit_count() != 1:
            raise DocumentError(f"{self.chunk_size_bytes} is not a chunk size: a power of two from 4,096 bytes on")
        wanted = -(-self.size_bytes // self.chunk_size_bytes)
        if len(self.chunks) != wanted:
            raise DocumentError(f"{self.size_bytes:,} bytes are {wanted} chunks, but {len(self.chunks)} are listed")
        if not all(map(is_sha256, (self.sha256, *self.chunks))):
            raise DocumentError("a digest is not 64 lowercase hex digits")

    def chunk_extent(self, index: int) -> tuple[int, int]:
        """Offset and length in bytes of chunk ``index``."""
        offset = index * self.chunk_size_bytes
        return offset, min(self.chunk_size_bytes, self.size_bytes - offset)
