"""The difference of two models as a value: what was added, removed and changed, and what that makes of the two."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from modelreg.environment import Difference as FieldDifference
from modelreg.facts import Distance, Tensor
from modelreg.records import Json, to_json


class Relation(enum.StrEnum):
    """What two models are to each other."""

    SAME_BYTES = "same-bytes"
    SAME_MODEL = "same-model"
    """The same weights and the same architecture, in other bytes."""
    DIFFERENT = "different"
    UNDECIDED = "undecided"
    """No difference was found, and whether there is none is not known: digests are missing."""

    @property
    def is_same(self) -> bool:
        return self in (Relation.SAME_BYTES, Relation.SAME_MODEL)


class Change(enum.StrEnum):
    """What became of one tensor or layer on the way from left to right."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    RENAMED = "renamed"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two; ``kind`` is ``version``, ``file`` or ``folder``; ``digest`` is a version's, bare hex."""

    name: str
    kind: str
    size_bytes: int
    files: int
    container: str
    keras_version: str | None = None
    digest: str | None = None
    semantic_digest: str | None = None


@dataclass(frozen=True, slots=True)
class TensorSide:
    """One tensor as one side has it."""

    path: str
    shape: tuple[int, ...]
    dtype: str
    digest: str | None = None

    @classmethod
    def of(cls, tensor: Tensor) -> TensorSide:
        """The tensor without its place in the file."""
        return cls(tensor.path, tensor.shape, tensor.dtype, tensor.digest)


@dataclass(frozen=True, slots=True)
class TensorChange:
    """One tensor that is not the same on both sides; ``layer`` is its layer's path where that is known.

    ``is_state`` marks state of the training (optimizer, metrics), which is no weight of the model.  ``distance`` is
    ``None`` where shape or type differ, and where the values could not be read side by side.
    """

    change: Change
    left: TensorSide | None
    right: TensorSide | None
    layer: str | None = None
    is_state: bool = False
    distance: Distance | None = None


@dataclass(frozen=True, slots=True)
class LayerChange:
    """One layer that is not the same; arguments are JSON texts, those within an object under dotted names."""

    change: Change
    path: str
    left_class: str | None = None
    right_class: str | None = None
    renamed_to: str | None = None
    arguments: tuple[FieldDifference, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelDifference:
    """Everything in which ``right`` differs from ``left``.

    ``tensors_alike`` counts the weights whose values are known to be equal on both sides, ``state_alike`` the same for
    state of the training, ``tensors_unknown`` the tensors of which one side's values are not known.  ``model`` are the
    outermost model's own arguments.  ``notes`` say what was not compared.
    """

    left: Side
    right: Side
    relation: Relation
    tensors: tuple[TensorChange, ...] = ()
    tensors_alike: int = 0
    state_alike: int = 0
    tensors_unknown: int = 0
    layers: tuple[LayerChange, ...] = ()
    layers_alike: int = 0
    model: tuple[FieldDifference, ...] = ()
    training: tuple[FieldDifference, ...] = ()
    writer: tuple[FieldDifference, ...] = ()
    environment: tuple[FieldDifference, ...] = ()
    facts: tuple[FieldDifference, ...] = ()
    metadata: tuple[FieldDifference, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_same(self) -> bool:
        """Whether both have the same weights and the same architecture."""
        return self.relation.is_same

    def to_json(self) -> dict[str, Json]:
        """The difference as plain JSON values."""
        value = to_json(self)
        assert isinstance(value, dict)  # noqa: S101 - for the type checker
        return value
