"""The golden file: what was written is read, NumPy reads it too, and hostile bytes raise without harm."""

from __future__ import annotations

import contextlib
import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelreg.replay.standalone.golden_file import SCHEMA, read_golden, write_golden
from modelreg.replay.standalone.trouble import Trouble

BOUND = 2**20
HEADER = {"schema": SCHEMA, "inputs": [{"name": "x"}], "outputs": [{"name": "y"}, {"name": "z"}]}
ARRAYS = {
    "inputs/0": np.arange(6, dtype=np.float32).reshape(2, 3),
    "outputs/0": np.array([[b"cat"], [b"mouse"]]),
    "outputs/1": np.array([True, False]),
}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    write_golden(tmp_path / "golden.npz", HEADER, ARRAYS, BOUND)
    return tmp_path / "golden.npz"


def test_what_was_written_is_read(written: Path) -> None:
    """Claim: header, values, shapes and dtypes survive."""
    header, inputs, outputs = read_golden(written, BOUND)
    assert header == HEADER
    for expected, actual in zip(ARRAYS.values(), [*inputs, *outputs], strict=True):
        assert (expected.dtype, expected.shape, expected.tolist()) == (actual.dtype, actual.shape, actual.tolist())


def test_numpy_reads_it_without_us(written: Path) -> None:
    """Claim: ``numpy.load(..., allow_pickle=False)`` has every array."""
    with np.load(written, allow_pickle=False) as archive:
        assert archive["inputs/0"].tolist() == ARRAYS["inputs/0"].tolist()


def test_the_same_content_is_the_same_bytes(written: Path, tmp_path: Path) -> None:
    """Claim: nothing of the time or the place of writing is in the file, so that the store keeps it once."""
    write_golden(tmp_path / "again.npz", dict(reversed(HEADER.items())), ARRAYS, BOUND)
    assert written.read_bytes() == (tmp_path / "again.npz").read_bytes()


def test_more_than_is_kept_is_not_written(tmp_path: Path) -> None:
    """Claim: the sizes are told before the file is made."""
    with pytest.raises(Trouble, match=r"2,097,152 bytes.*fewer samples"):
        write_golden(tmp_path / "golden.npz", HEADER, {"inputs/0": np.zeros(2**18)}, BOUND)
    assert not list(tmp_path.iterdir())


def repacked(written: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(written) as archive:
        kept = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(written, "w", method) as archive:
        for name, data in {**kept, **members}.items():
            archive.writestr(name, data)
    return written


def npy(array: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), **options)
    return buffer.getvalue()


def test_a_pickle_is_not_opened(written: Path) -> None:
    """Claim: an array of objects is refused by its dtype, before anything could be unpickled."""
    pickled = npy(np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(Trouble, match="not what its header says"):
        read_golden(repacked(written, {"outputs/1.npy": pickled}), BOUND)


def test_a_compressed_member_is_not_inflated(written: Path) -> None:
    """Claim: no zip bomb: members are stored, and together within the bound."""
    with pytest.raises(Trouble, match="compressed or larger"):
        read_golden(repacked(written, {"outputs/1.npy": npy(np.zeros(10))}, zipfile.ZIP_DEFLATED), BOUND)
    with pytest.raises(Trouble, match="compressed or larger"):
        read_golden(repacked(written, {"more": bytes(BOUND)}), BOUND)


def test_a_shape_that_is_not_there_is_not_allocated(written: Path) -> None:
    """Claim: a header that promises 2**60 values is refused by arithmetic."""
    honest = npy(np.zeros(10, dtype=np.int8))
    promised = b"(%d,)" % (2**60)
    lying = honest.replace(b"(10,)", promised).replace(b" " * (len(promised) - len(b"(10,)")) + b"\n", b"\n")
    assert len(lying) == len(honest)
    with pytest.raises(Trouble, match="not what its header says"):
        read_golden(repacked(written, {"outputs/1.npy": lying}), BOUND)


def test_another_schema_is_told(written: Path) -> None:
    """Claim: a file of a later version is refused by its name."""
    header = json.dumps({**HEADER, "schema": "modelreg.golden/v2"}).encode()
    with pytest.raises(Trouble, match=r"modelreg\.golden/v2"):
        read_golden(repacked(written, {"golden.json": header}), BOUND)


def test_damaged_bytes_raise_or_read(written: Path, tmp_path: Path) -> None:
    """Claim: whatever single bytes change, reading ends with a value or with ``Trouble``."""
    whole, chance = written.read_bytes(), random.Random(0)
    for _ in range(500):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        (tmp_path / "bad.npz").write_bytes(data)
        with contextlib.suppress(Trouble):
            read_golden(tmp_path / "bad.npz", BOUND)
