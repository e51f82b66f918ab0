"""The digest of a tensor's values: BLAKE3, fed piece by piece, so that no tensor is ever held as a whole."""

from __future__ import annotations

from typing import Protocol

from blake3 import blake3


class ValueHasher(Protocol):
    """What takes a digest; both calls release the interpreter's lock for all but short pieces."""

    def update(self, data: bytes | bytearray | memoryview, /) -> object:
        """Take in the next bytes."""
        ...

    def hexdigest(self) -> str:
        """The digest of all bytes so far, as 64 lowercase hex digits."""
        ...


def value_hasher() -> ValueHasher:
    """A digest that has seen nothing.

    One thread, on purpose: with the instructions of this decade it takes 8 GB/s from memory, which is faster than the
    values come from any disk, and a confined child cannot start threads.
    """
    return blake3()
