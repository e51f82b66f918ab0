"""Facts: what static reading of an artifact established, as value types.

Facts are recorded in the manifest and signed, so they hold nothing that depends on the machine that read them.
Paths of layers are dotted or slashed names from the model's root (``model/td/sq``); paths of tensors are the
container's own (``model_weights/dense/dense/kernel:0``).  Sizes and offsets are bytes.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field

from modelreg.records import json_key


class Container(enum.StrEnum):
    """What the bytes are, told by content and never by suffix."""

    KERAS_HDF5 = "keras-hdf5"
    """Whole-model HDF5 of Keras 1, 2, tf.keras, or Keras 3's legacy writer (root attribute ``model_config``)."""
    KERAS_HDF5_WEIGHTS = "keras-hdf5-weights"
    """Weights-only HDF5 of Keras 1 or 2 (root attribute ``layer_names``)."""
    KERAS_V3_WEIGHTS = "keras-v3-weights"
    """``.weights.h5`` of Keras 3 and of 2.12 and later (groups ``layers/*/vars``)."""
    KERAS_ZIP = "keras-zip"
    """The ``.keras`` archive, version 3: ``config.json``, ``metadata.json`` and weights."""
    HDF5 = "hdf5"
    """Valid HDF5 without Keras's marks."""
    SAVED_MODEL = "saved-model"
    TFLITE = "tflite"
    ONNX = "onnx"
    OPAQUE = "opaque"
    """Anything else: kept and verified as bytes, never judged."""

    @property
    def holds_weights_only(self) -> bool:
        return self in (Container.KERAS_HDF5_WEIGHTS, Container.KERAS_V3_WEIGHTS)


class DefectKind(enum.StrEnum):
    """Why the bytes are not the model that their name promises."""

    EMPTY = "empty"
    GIT_LFS_POINTER = "git-lfs-pointer"
    HTML_PAGE = "html-page"
    XML_PAGE = "xml-page"
    JSON_DOCUMENT = "json-document"
    GZIP = "gzip"
    ZEROS = "zeros"
    TRUNCATED_HDF5 = "truncated-hdf5"
    DAMAGED_HDF5 = "damaged-hdf5"
    TRUNCATED_ZIP = "truncated-zip"
    DAMAGED_ZIP = "damaged-zip"
    DAMAGED_SAVED_MODEL = "damaged-saved-model"
    DAMAGED_CONFIG = "damaged-config"
    DAMAGED_TFLITE = "damaged-tflite"
    DAMAGED_ONNX = "damaged-onnx"
    READER_DIED = "reader-died"
    """The inspecting child was killed by a signal while it read these bytes."""
    READER_TIMED_OUT = "reader-timed-out"


@dataclass(frozen=True, slots=True)
class Defect:
    """One reason why the artifact is damaged or is not a model; ``file`` is the artifact-relative path."""

    kind: DefectKind
    file: str
    detail: str


class HazardKind(enum.StrEnum):
    """Content that can execute, reach outside the file, or exhaust the reader."""

    EXTERNAL_STORAGE = "external-storage"
    EXTERNAL_LINK = "external-link"
    SOFT_LINK = "soft-link"
    VIRTUAL_DATASET = "virtual-dataset"
    NON_NUMERIC_DATASET = "non-numeric-dataset"
    OVERSIZED_DATASET = "oversized-dataset"
    USER_BLOCK = "user-block"
    UNSAFE_MEMBER_NAME = "unsafe-member-name"
    DUPLICATE_MEMBER = "duplicate-member"
    UNEXPECTED_MEMBER = "unexpected-member"
    COMPRESSED_MEMBER = "compressed-member"
    UNREADABLE_BYTECODE = "unreadable-bytecode"
    EXECUTABLE_OP = "executable-op"
    TOO_MUCH = "too-much"
    """A bound of the reader was reached: what lies beyond it was not read, so it is not known."""


@dataclass(frozen=True, slots=True)
class Hazard:
    """One place of dangerous content."""

    kind: HazardKind
    where: str
    detail: str


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer at any nesting; ``path`` joins the names from the model's root by ``/``."""

    name: str
    class_name: str = field(metadata=json_key("class"))
    path: str


@dataclass(frozen=True, slots=True)
class CustomObject:
    """A class or function that Keras itself does not have and that the loader must provide.

    ``role`` is where the configuration asks for it: ``layer``, ``activation``, ``loss``, ``metric``, ``optimizer``,
    ``initializer``, ``regularizer``, ``constraint`` or ``object``.  Only training roles can be left out by loading
    with ``compile=False``.
    """

    class_name: str = field(metadata=json_key("class"))
    role: str
    where: str
    module: str | None = None
    registered_name: str | None = None

    @property
    def needed_for_training_only(self) -> bool:
        return self.role in ("loss", "metric", "optimizer")


@dataclass(frozen=True, slots=True)
class LambdaCode:
    """Marshalled bytecode in the configuration, and which Pythons can have written it.

    ``pythons`` are ``X.Y`` versions; the true writer is always among them.  It is empty when the bytes are not
    the marshalled code of any known Python (then a hazard says so).  ``names`` are the globals and attributes used.
    """

    layer: str
    path: str
    pythons: tuple[str, ...]
    names: tuple[str, ...] = ()
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Extent:
    """A run of bytes in a file of the artifact."""

    offset: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """One stored tensor and its place: ``file`` is the artifact's, ``extents`` are absolute offsets in it.

    ``extents`` is empty where the place is not known (nothing stored, or inside a compressed archive member).
    ``dtype`` is NumPy's name (``float32``), or the container's own where NumPy has none (``bfloat16``, ``string``).
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    file: str
    extents: tuple[Extent, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that reading the artifact established; the JSON form is the facts object of ``--json``."""

    container: Container
    file: str
    """The artifact's file that ``container`` speaks of; the folder itself, ``.``, for a SavedModel."""
    keras_version: str | None = None
    backend: str | None = None
    tensorflow_version: str | None = None
    has_training_config: bool | None = None
    writer_pythons: tuple[str, ...] = ()
    """Pythons that can have written all the Lambda bytecode; empty where there is none."""
    layers: tuple[Layer, ...] = ()
    custom_objects: tuple[CustomObject, ...] = ()
    lambdas: tuple[LambdaCode, ...] = ()
    tensors: tuple[Tensor, ...] = ()
    hazards: tuple[Hazard, ...] = ()
    defects: tuple[Defect, ...] = ()

    @property
    def keras_major(self) -> int | None:
        """The writer's Keras major version; HDF5 of Keras 1 names none (Keras 3 legacy_h5_format: missing means 1)."""
        match = re.match(r"\d{1,4}(?!\d)", self.keras_version or "", re.ASCII)
        return int(match[0]) if match else None

    def tensors_at(self, file: str, offset: int, size_bytes: int) -> tuple[Tensor, ...]:
        """The tensors of ``file`` that the byte range touches."""
        end = offset + size_bytes
        return tuple(
            tensor
            for tensor in self.tensors
            if tensor.file == file
            and any(extent.offset < end and offset < extent.offset + extent.size_bytes for extent in tensor.extents)
        )
