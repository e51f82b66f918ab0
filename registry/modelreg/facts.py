"""Facts: what static reading of an artifact established, as value types.

Facts are recorded in the manifest and signed, so they hold nothing that depends on the machine that read them.
Paths of layers are dotted or slashed names from the model's root (``model/td/sq``); paths of tensors are the
container's own (``model_weights/dense/dense/kernel:0``).  Sizes and offsets are bytes.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field

from modelreg.records import SPARSE, json_key


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
    FOREIGN_MODULE = "foreign-module"
    """The configuration imports from a module that is neither Keras's nor that of a custom object (CVE-2025-1550)."""
    UNSAFE_FUNCTION = "unsafe-function"
    """The configuration calls a Keras function that is no part of a model (CVE-2025-8747, CVE-2025-9906)."""
    UNSAFE_CLASS = "unsafe-class"
    """A class that loads something else: TFSMLayer (CVE-2026-1462), TorchModuleWrapper (CVE-2025-49655)."""
    OUTSIDE_FILE = "outside-file"
    """An argument names a file or address to be read while loading (CVE-2025-12058)."""
    UNSAFE_BYTECODE = "unsafe-bytecode"
    """Stored bytecode uses names that reach the system: ``import``, ``exec``, ``os``, ``open`` ..."""
    UNSAFE_LAYER_NAME = "unsafe-layer-name"
    """A layer's name climbs out of a folder (CVE-2026-12479)."""
    YAML_CONFIG = "yaml-config"
    """A configuration in YAML, which old Kerases load with ``yaml.unsafe_load`` (CVE-2021-37678)."""
    PICKLED_ARRAY = "pickled-array"
    """An ``.npz`` member holds pickled objects."""
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
    """The Python expression that the code was compiled from, where lifting it was proved by compiling it again."""
    argument: str = field(default="function", metadata=SPARSE)
    """The layer's argument that holds it: ``function``, ``output_shape``, ``mask``, ``mode``, or where it stands."""
    interchangeable: bool = field(default=True, metadata=SPARSE)
    """Whether every instruction means the same in all of ``pythons``, so that it does not matter which wrote it."""
    runs_alike: tuple[str, ...] = field(default=(), metadata=SPARSE)
    """Pythons that cannot have written it, and in which every one of its instructions means the same all the same."""
    function: str | None = field(default=None, metadata=SPARSE)
    """The function's own name, ``<lambda>`` for one without."""
    globals: tuple[str, ...] = field(default=(), metadata=SPARSE)
    """Names that are looked up outside the function, Python's builtins left out."""
    parameters: tuple[str, ...] = field(default=(), metadata=SPARSE)
    """Names of the positional parameters."""
    keyword_only: tuple[str, ...] = field(default=(), metadata=SPARSE)
    defaults: tuple[str, ...] | None = field(default=None, metadata=SPARSE)
    """The stored default values as JSON text, the last parameters' own; ``None`` where null is stored."""
    free_variables: tuple[str, ...] = field(default=(), metadata=SPARSE)
    closure: tuple[str, ...] | None = field(default=None, metadata=SPARSE)
    """The stored values of the free variables as JSON text; ``None`` where null is stored."""
    filename: str | None = field(default=None, metadata=SPARSE)
    """Where the author's source file lay, as compiled in."""
    mangled: str | None = field(default=None, metadata=SPARSE)
    """``undone``, ``possible``: Windows's Keras writes each byte 0x5C of the code as 0x2F (``func_dump``)."""
    listing: tuple[str, ...] = field(default=(), metadata=SPARSE)
    """The disassembly, one instruction a line; empty where the code is long."""
    bad_opcodes: tuple[str, ...] = field(default=(), metadata=SPARSE)
    """Instructions that no candidate version has, each as ``OPCODE at OFFSET``."""


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
    digest: str | None = field(default=None, metadata=SPARSE)
    """BLAKE3 (hex) of the values: little-endian, C order, as they are once decompressed; ``None`` where not taken."""
    nonfinite: int = field(default=0, metadata=SPARSE)
    """How many values are NaN or infinite."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file that a model carries beside its weights, as the vocabulary that a lookup layer has learned.

    ``path`` is that of the archive's member or of the folder's file; ``digest`` is BLAKE3 (hex) over its bytes.
    """

    path: str
    size_bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class WeightGroup:
    """One layer's weights in a legacy HDF5 file, in the order in which Keras assigns them (``weight_names``)."""

    layer: str
    weights: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Operator:
    """One kind of operation of a graph; ``version`` where the format counts versions by operator."""

    name: str
    domain: str = field(default="", metadata=SPARSE)
    version: int | None = field(default=None, metadata=SPARSE)


@dataclass(frozen=True, slots=True)
class Graph:
    """What a graph format says of the runtime that it needs.

    ``producer`` and ``min_consumer`` are TensorFlow's ``VersionDef``; ``format_version`` is the schema's (TFLite) or
    the IR's (ONNX).
    """

    operators: tuple[Operator, ...] = ()
    producer: int | None = None
    min_consumer: int | None = None
    bad_consumers: tuple[int, ...] = ()
    format_version: int | None = None


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
    config: str | None = field(default=None, metadata=SPARSE)
    """The model's configuration as JSON text with sorted keys (``model_config``, ``config.json``)."""
    training_config: str | None = field(default=None, metadata=SPARSE)
    """The ``training_config`` of a legacy HDF5 file, as ``config`` is."""
    weight_groups: tuple[WeightGroup, ...] | None = field(default=None, metadata=SPARSE)
    """``layer_names`` of a legacy HDF5 file, each with its weights; ``None`` for other containers."""
    graph: Graph | None = field(default=None, metadata=SPARSE)
    assets: tuple[Asset, ...] = field(default=(), metadata=SPARSE)
    """What stands below ``assets/`` in a version 3 archive or a SavedModel, where digests were taken."""
    semantic_digest: str | None = field(default=None, metadata=SPARSE)
    """SHA-256 (hex) over tensors and architecture that is blind to the container and to when it was written."""

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


@dataclass(frozen=True, slots=True)
class Distance:
    """How far apart the values of two tensors of one shape and type are.

    ``worst`` is the greatest absolute difference of two finite values, ``left`` and ``right`` those values, ``at``
    their index; all as texts of nine significant digits, because our documents hold no floats.  ``changed`` counts the
    values that differ, ``nonfinite`` those of them of which either is NaN or infinite.
    """

    worst: str | None
    at: tuple[int, ...] | None
    left: str | None
    right: str | None
    changed: int
    total: int
    nonfinite: int = 0
