"""Damages model files: any bytes (``of_bytes``), JSON (``of_json``), structures of containers (``of_structure``).

A mutation is a function of the file's bytes, a random generator, and another file of the same container.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from mutation.of_bytes import BYTE_MUTATIONS
from mutation.of_json import edit_hdf5_text, edit_keras_metadata, edit_zip_member
from mutation.of_structure import (
    edit_flatbuffer,
    edit_hdf5_headers,
    edit_protobuf,
    edit_table,
    edit_zip_fields,
)

__all__ = ["Mutation", "mutations_for"]

Mutation = Callable[[bytes, random.Random, bytes], bytes]


def mutations_for(name: str, data: bytes) -> tuple[Mutation, ...]:
    """The mutations that make sense for a file, as often as they are to be chosen: half of them know its structure."""
    if data.startswith(b"\x89HDF"):
        return (*BYTE_MUTATIONS, *[edit_hdf5_text] * 5, *[edit_hdf5_headers] * 5)
    if data.startswith(b"PK"):
        return (*BYTE_MUTATIONS, *[edit_zip_member] * 6, *[edit_zip_fields] * 4)
    if data[4:8] == b"TFL3":
        return (*BYTE_MUTATIONS, *[edit_flatbuffer] * 10)
    if name.endswith("keras_metadata.pb"):
        return (*BYTE_MUTATIONS, *[edit_keras_metadata] * 6, *[edit_protobuf] * 4)
    if name.endswith((".pb", ".onnx")):
        return (*BYTE_MUTATIONS, *[edit_protobuf] * 10)
    if name.endswith(".index"):
        return (*BYTE_MUTATIONS, *[edit_table] * 10)
    return BYTE_MUTATIONS
