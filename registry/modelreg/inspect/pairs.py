"""Two stored tensors to be measured against each other, as the parent asks and the child answers."""

from __future__ import annotations

from dataclasses import dataclass

from modelreg.facts import Extent, Tensor


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """Where one tensor's values stand: ``file`` is the index of an open file, ``digest`` that of the values."""

    file: int
    extents: tuple[Extent, ...]
    digest: str

    @classmethod
    def of(cls, tensor: Tensor, file: int) -> StoredTensor | None:
        """``tensor`` in the open file number ``file``; ``None`` where its place or its digest is not known."""
        if not tensor.extents or tensor.digest is None:
            return None
        return cls(file, tensor.extents, tensor.digest)


@dataclass(frozen=True, slots=True)
class StoredPair:
    """Two tensors of one shape and type."""

    shape: tuple[int, ...]
    dtype: str
    left: StoredTensor
    right: StoredTensor
