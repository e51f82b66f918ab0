"""Every bound of the readers, in one place, each with its reason.

A bound that is reached never passes in silence: it becomes a hazard ``too-much`` or a defect.
"""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

CONFIG_SIZE_BYTES_MAX = 64 * MIB
"""The configuration of a model of 50,000 layers is about 50 MiB of JSON."""
CONFIG_VALUES_MAX = 4_000_000
"""Values (separators are counted) in one configuration: about 1 GiB once parsed."""
LAYERS_MAX = 50_000
CUSTOM_OBJECTS_MAX = 10_000
LAMBDAS_MAX = 10_000
STORED_VALUES_MAX = 255
"""Default values, and free variables, of one function: more than any that was written by hand."""
HAZARDS_MAX = 1_000
"""More than these say nothing new; the last one then says that there are more."""
TEXT_LENGTH_MAX = 4_096
"""Characters of one name that facts keep; Keras's own are below 200."""
METADATA_SIZE_BYTES_MAX = MIB
"""``metadata.json`` is 64 bytes in real archives; HDF5 attributes like ``backend`` are ten."""

TENSORS_MAX = 200_000
HDF5_DEPTH_MAX = 64
"""Nested groups; a Keras model of ten nested models makes about 30."""
HDF5_LINKS_MAX = 1_000_000
HEAP_COLLECTION_SIZE_BYTES_MAX = CONFIG_SIZE_BYTES_MAX + MIB
"""A collection holds one text and its headers, if the text is longer than 4 KiB."""
HEAP_OBJECTS_MAX = 65_537
"""Objects are numbered by 16 bits; free space has the number 0."""
EXTENTS_MAX = 400_000
"""Chunks of all tensors together (after adjoining ones are merged); facts are signed and must stay small."""
CHUNKS_MAX = 2_000_000
"""Chunks that are looked at in one file: 2 s of reading indexes."""
OVERSIZED_TENSOR_SIZE_BYTES = 4 * GIB
"""Keras's own guard (``safe_get_h5_dataset``, Keras 3.12.3): above this, and ..."""
OVERSIZED_TENSOR_RATIO = 1_000
"""... above this many times what is stored, a shape is a bomb (CVE-2026-0897)."""

ZIP_MEMBERS_MAX = 10_000
ZIP_DIRECTORY_SIZE_BYTES_MAX = 16 * MIB
ZIP_RATIO_MAX = 100
"""Deflated weights shrink by 10 %, JSON by about 20 times."""
ZIP_RATIO_FREE_SIZE_BYTES = 64 * MIB
"""Below this size a ratio harms nobody."""
ZIP_INFLATED_FACTOR = 20
"""All members together, times the archive's size; a compressed ``.keras`` shrinks by a tenth."""
ZIP_GAP_SIZE_BYTES_MAX = 16 * MIB
"""Of the bytes between members that are searched for hidden ones."""
NPY_HEADER_SIZE_BYTES_MAX = 10_000
"""NumPy's own bound (``lib/format.py``, ``_MAX_HEADER_SIZE``)."""
YAML_SIZE_BYTES_MAX = MIB
"""A configuration in YAML of 800 layers is about 0.5 MiB."""
INFLATED_WEIGHTS_SIZE_BYTES_MAX = 512 * MIB
"""Compressed weights are inflated in memory, because the child has no disk."""

RANK_MAX = 254
"""``TensorShape::MaxDimensions`` of TensorFlow; NumPy ends at 64, HDF5 at 32."""
DIMENSION_END = 2**53
"""Facts are canonical JSON, whose integers end there; so does every memory."""
DEFECTS_MAX = 100
"""Reasons of damage that are told one by one; a cut-off shard alone makes as many as it has tensors."""
PROTOBUF_FIELDS_MAX = 2_000_000
"""A SavedModel of 100 MiB of graph has about half as many."""
SAVED_MODEL_GRAPH_SIZE_BYTES_MAX = 512 * MIB
"""Protocol buffers end at 2 GiB; graphs with the constants of a large model inside reach some 100 MiB."""
KERAS_METADATA_SIZE_BYTES_MAX = 128 * MIB
SHARDS_MAX = 100_000
TABLE_SIZE_BYTES_MAX = 32 * MIB
"""An index of 200,000 tensors is about 20 MiB; its checksum takes some three seconds in Python."""
TABLE_ENTRIES_MAX = 400_000
TABLE_KEY_LENGTH_MAX = 4_096
TFLITE_SUBGRAPHS_MAX = 10_000
TFLITE_OPERATOR_CODES_MAX = 100_000
ONNX_SIZE_BYTES_MAX = GIB
"""Read into memory as a whole; what is larger must keep its values in other files anyway (protobuf ends at 2 GiB)."""
ONNX_GRAPH_NESTING_MAX = 32
"""Bodies of ``If`` and ``Loop`` within each other; exporters make two or three levels."""
ONNX_IR_VERSION_MAX = 255

BYTECODE_SIZE_BYTES_MAX = 4 * MIB
"""The largest function of the standard library marshals to about 100 KB."""
MARSHAL_DEPTH_MAX = 60
MARSHAL_OBJECTS_MAX = 200_000
MARSHAL_LONG_DIGITS_MAX = 70
"""Digits of 15 bits of an integer that is kept as a value: 1,050 bits; seeds and hash constants end at 512."""
BYTECODE_WALKED_BYTES_MAX = 512 * KIB
"""Instructions of one function that are told apart by version: 0.6 s; above, the layout's versions all stay."""
LISTING_LINES_MAX = 200
"""Instructions that a person reads; a Lambda of ten operations has about 40."""
LISTING_VALUE_LENGTH_MAX = 60
LIFTED_INSTRUCTIONS_MAX = 400
"""Instructions of a function whose source is sought; a Lambda of ten operations has about 40."""
LIFTED_DEPTH_MAX = 40
"""Parentheses within each other in lifted source; CPython's parser gives up at 200."""
LIFTED_EVENTS_MAX = 20_000
"""Evaluations on all paths of a function together: paths double with each condition that is not the last thing done."""
LIFTED_CONSTANT_VALUES_MAX = 1_000
"""Values in one constant that is written as source; references can make fifty bytes stand for a thousand million."""
LIFTED_SOURCE_LENGTH_MAX = TEXT_LENGTH_MAX
"""Facts would cut longer source off, and the rest proves nothing."""
RESTORED_WORK_BYTES_MAX = 512 * KIB
"""Bytes read again and again while the bytes that Windows's Keras changed are sought: half a second."""
BAD_OPCODES_MAX = 20
"""Instructions told one by one that no candidate has; damage makes either a few of them or nothing but them."""

FOLDER_FILES_READ_MAX = 256
"""Open files that the child is given; a folder with more and no ``saved_model.pb`` is no model."""
REQUEST_SIZE_BYTES_MAX = 64 * MIB
ANSWER_SIZE_BYTES_MAX = 64 * MIB

SNIFF_HEAD_SIZE_BYTES = 64 * KIB
ZIP_TAIL_SIZE_BYTES = 22 + 65_535 + 20
"""The longest end of central directory: the record, a full comment, the ZIP64 locator before it."""


VALUES_BLOCK_SIZE_BYTES = 256 * KIB
"""Read, hashed and looked through while it is in the processor's second cache; larger blocks are slower."""
VALUES_BUDGET_BASE_SIZE_BYTES = 512 * MIB
VALUES_BUDGET_FACTOR = 2
"""Digests read as many times the artifact's size at most: tensors may be stored compressed, or share their bytes."""
VALUES_SLAB_SIZE_BYTES_MAX = 64 * MIB
"""A row of chunks of a chunked HDF5 dataset, held while it is read; h5py's own chunks are below 1 MiB."""
VALUES_CONVERTED_SIZE_BYTES_MAX = 64 * MIB
"""Numbers that ONNX stores one by one (``int32_data``), whose conversion takes ten times their memory."""
SHARD_INDEX_SIZE_BYTES_MAX = 16 * MIB
"""``X.weights.json`` takes about 80 bytes a layer."""
GRAPH_OPERATORS_MAX = 10_000
"""Kinds of operations in one graph; TensorFlow registers about 1,500, a large model uses 200."""
WEIGHT_NAMES_SIZE_BYTES_MAX = 16 * MIB
"""``layer_names`` and each ``weight_names``: TENSORS_MAX names of 80 characters."""
REWRITTEN_SIZE_BYTES_MAX = 32 * MIB
"""New bytes of a repaired file: a configuration of TEXT_LENGTH_MAX, and the pages around it that libhdf5 changes."""
REWRITTEN_PIECES_MAX = 10_000

PROGRESS_SIZE_BYTES = 32 * MIB
"""Bulk work between two signs of it: at 20 MB/s under two seconds."""
PARSED_RATE_BYTES_PER_S = 256 * KIB
"""Of a configuration on a machine with eight times as many processes as processors: 1.5 s of work for each MiB."""
WALL_RATE_BYTES_PER_S = 20_000_000
"""The slowest disk that is waited for: a share over 200 Mbit/s."""
MEMORY_BASE_BYTES = 768 * MIB
"""Address space: 0.4 GiB of libraries, and what a small file's configuration takes as Python values."""
MEMORY_FACTOR = 40
"""For each byte of a file: JSON becomes ten times as large, and an archive inflates."""
MEMORY_BYTES_MAX = 3 * GIB
"""A 64 MiB configuration as Python values, inflated weights twice."""


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """What one child may use; the kernel enforces the first two, the parent the others, in wall time."""

    memory_bytes: int = MEMORY_BYTES_MAX
    """Of address space, so that a length which a small file only claims ends at once: libhdf5 allocates all of it."""
    cpu_s: int = 8
    """A configuration of 50,000 layers takes 3 to 6 s; damaged HDF5 makes libhdf5 loop for ever."""
    silence_s: int = 9
    """Between two signs of bulk work (``inspect/progress``), of which parsing makes none: with the time that ending a
    process takes, no reader of a small file takes 10 s, however busy the machine is.  A file that can hold a large
    configuration has time in proportion, of which ``cpu_s`` is all that a parser that goes round and round will use."""
    wall_s: int = 9

    @classmethod
    def for_size(cls, size_bytes: int, *, values: bool = False) -> ChildLimits:
        """Limits for an artifact of ``size_bytes``: checksums of archive members run at 200 MB/s at the very least.

        With ``values``, digests of tensors too: they may read twice the size and 512 MiB more, at no less than that.
        """
        extra_s = size_bytes // 200_000_000
        bulk_bytes = size_bytes
        silence_s = cls().silence_s + min(size_bytes, CONFIG_SIZE_BYTES_MAX) // PARSED_RATE_BYTES_PER_S
        if values:
            extra_s += (VALUES_BUDGET_FACTOR * size_bytes + VALUES_BUDGET_BASE_SIZE_BYTES) // 200_000_000
            bulk_bytes += VALUES_BUDGET_FACTOR * size_bytes
        wall_s = silence_s + bulk_bytes // WALL_RATE_BYTES_PER_S
        memory_bytes = min(MEMORY_BASE_BYTES + MEMORY_FACTOR * size_bytes, MEMORY_BYTES_MAX)
        return cls(memory_bytes, cpu_s=cls().cpu_s + extra_s, silence_s=silence_s, wall_s=wall_s)
