"""The golden file: inputs, and what a model predicted for them, as any NumPy reads it.

A zip of stored members that ``numpy.load`` opens too: ``golden.json`` says what the others are, which are
``inputs/0.npy``, ``outputs/0.npy`` and so on in the order in which it names them.  It holds arrays and never pickles,
and is read within bounds.
"""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from .trouble import Trouble

SCHEMA = "modelreg.golden/v1"
MEMBERS_MAX = 1025
OVERHEAD_SIZE_BYTES = 256 * 1024
"""What headers and names may take beside the arrays."""


def write_golden(path: Path, header: "dict[str, Any]", arrays: "dict[str, Any]", size_bytes_max: int) -> None:
    """Write ``header`` and ``arrays`` (by member name), the same bytes for the same content."""
    total = sum(array.nbytes for array in arrays.values())
    if total > size_bytes_max - OVERHEAD_SIZE_BYTES:
        raise Trouble(
            f"inputs and outputs take {total:,} bytes; at most {size_bytes_max:,} are kept: ask for fewer samples"
        )
    members = {"golden.json": json.dumps(header, sort_keys=True).encode("ascii")}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
        members[name + ".npy"] = buffer.getvalue()
    with zipfile.ZipFile(str(path), "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)


def read_golden(path: Path, size_bytes_max: int) -> "tuple[dict[str, Any], list[Any], list[Any]]":
    """The header, the inputs and the outputs of a golden file; raises ``Trouble`` for what is none."""
    try:
        return _read(path, size_bytes_max)
    except Trouble:
        raise
    except Exception as error:  # of zipfile, json and NumPy, each has its own for damaged bytes
        raise Trouble(f"the golden file is damaged: {type(error).__name__}: {error}") from error


def _read(path: Path, size_bytes_max: int) -> "tuple[dict[str, Any], list[Any], list[Any]]":
    with zipfile.ZipFile(str(path)) as archive:
        members = archive.infolist()
        stored = all(member.compress_type == zipfile.ZIP_STORED for member in members)
        if not stored or len(members) > MEMBERS_MAX or sum(member.file_size for member in members) > size_bytes_max:
            raise Trouble("the golden file is compressed or larger than golden files are")
        data = {member.filename: archive.read(member) for member in members}
    header = json.loads(data["golden.json"].decode("ascii"))
    if header.get("schema") != SCHEMA:
        raise Trouble(f"the golden file is of schema {header.get('schema')!r}; this script reads {SCHEMA}")
    inputs, outputs = (
        [_array(data[f"{kind}/{index}.npy"]) for index in range(len(header[kind]))] for kind in ("inputs", "outputs")
    )
    return header, inputs, outputs


def _array(data: bytes) -> Any:
    """The array in a ``.npy`` member, which must be exactly as long as its own header says."""
    buffer = io.BytesIO(data)
    if np.lib.format.read_magic(buffer) != (1, 0):
        raise Trouble("the golden file holds an array of another format version")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(buffer)
    body = data[buffer.tell() :]
    count = 1
    for size in shape:
        count *= size
    if dtype.hasobject or fortran or count * dtype.itemsize != len(body):
        raise Trouble("the golden file holds an array that is not what its header says")
    return np.frombuffer(body, dtype=dtype).reshape(shape)
