"""The recipe of a rewritten file: runs of the original's bytes, and new bytes between them.

A reader that was taken over by hostile bytes can at worst describe a bad file with it: it writes nothing itself, and
whoever follows a recipe compares the tensors afterwards.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field

from modelreg.errors import DocumentError
from modelreg.inspect import limits
from modelreg.records import SPARSE


@dataclass(frozen=True, slots=True)
class Piece:
    """``size_bytes`` of the original from ``offset`` on, or where ``data`` is given those bytes, in base64."""

    offset: int = 0
    size_bytes: int = 0
    data: str | None = field(default=None, metadata=SPARSE)

    @classmethod
    def new(cls, data: bytes) -> Piece:
        return cls(0, len(data), base64.b64encode(data).decode("ascii"))

    @property
    def new_bytes(self) -> bytes | None:
        """``None`` for a run of the original.  Raises ``DocumentError`` for what is no base64."""
        if self.data is None:
            return None
        try:
            return base64.b64decode(self.data, validate=True)
        except (binascii.Error, ValueError):
            raise DocumentError("a rewritten file: new bytes that are no base64") from None


@dataclass(frozen=True, slots=True)
class Rewriting:
    """The pieces of the new file in their order; ``reason`` says why there are none."""

    pieces: tuple[Piece, ...] = ()
    reason: str | None = field(default=None, metadata=SPARSE)


def check_pieces(pieces: Sequence[Piece], size_bytes: int) -> None:
    """Raise ``DocumentError`` unless ``pieces`` are runs of a file of ``size_bytes`` and bounded new bytes."""
    if not 0 < len(pieces) <= limits.REWRITTEN_PIECES_MAX:
        raise DocumentError(f"a rewritten file: {len(pieces):,} pieces; 1 to {limits.REWRITTEN_PIECES_MAX:,} are taken")
    new_size_bytes = 0
    for piece in pieces:
        data = piece.new_bytes
        if data is not None:
            new_size_bytes += len(data)
        elif not 0 <= piece.offset <= piece.offset + piece.size_bytes <= size_bytes or piece.size_bytes < 0:
            raise DocumentError(f"a rewritten file: bytes {piece.offset:,} and on of a file of {size_bytes:,}")
    if sum(piece.size_bytes for piece in pieces if piece.data is None) > size_bytes:
        raise DocumentError("a rewritten file: holds parts of the original twice")
    if new_size_bytes > limits.REWRITTEN_SIZE_BYTES_MAX:
        raise DocumentError(f"a rewritten file: {new_size_bytes:,} new bytes; at most "
                            f"{limits.REWRITTEN_SIZE_BYTES_MAX:,} are taken")  # fmt: skip
