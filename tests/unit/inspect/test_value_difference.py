"""How far apart two stored tensors are: against NumPy, over every type, and only for bytes that are the tensors."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.digest.values import value_hasher
from modelreg.errors import InspectionError
from modelreg.facts import Distance, Extent
from modelreg.inspect import Inspector, limits
from modelreg.inspect.limits import ChildLimits
from modelreg.inspect.pairs import StoredPair, StoredTensor
from modelreg.inspect.source import SourceFile
from modelreg.inspect.value_difference import measure

DTYPES = ("float16", "float32", "float64", "int8", "uint8", "int32", "int64", "uint64", "bool", "complex64")


def hexdigest(data: bytes) -> str:
    hasher = value_hasher()
    hasher.update(data)
    return hasher.hexdigest()


def distance(left: npt.NDArray[Any], right: npt.NDArray[Any], dtype: str | None = None) -> Distance | None:
    """Both arrays in files of their own, each in two extents with something else around them."""
    files, places = [], []
    for index, array in enumerate((left, right)):
        data = array.tobytes()
        cut = len(data) // 3
        content = b"head" + data[cut:] + b"between" + data[:cut]
        extents = Extent(4 + len(data) - cut + 7, cut), Extent(4, len(data) - cut)
        files.append(SourceFile(f"{index}", len(content), io.BytesIO(content)))
        places.append(StoredTensor(index, tuple(extent for extent in extents if extent.size_bytes), hexdigest(data)))
    pair = StoredPair(left.shape, dtype or left.dtype.name, *places)
    (found,) = measure([pair], files)
    return found


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_worst_difference_is_numpys(dtype: str) -> None:
    """Claim: for each type, value, place and number of changes are what NumPy finds on the whole arrays."""
    random = np.random.default_rng(7)
    left = (random.standard_normal((5, 7)) * 50).astype(dtype)
    right = left.copy()
    right[3, 2] = left[0, 0] + 7 if dtype != "bool" else ~left[3, 2]
    right[1, 1] = left[1, 1] + 1 if dtype != "bool" else ~left[1, 1]
    found = distance(left, right)
    wide = "complex128" if dtype.startswith("complex") else "float64"
    differences = np.abs(left.astype(wide) - right.astype(wide))
    assert found is not None
    assert found.at is not None
    assert found.worst == f"{differences.max():.9g}"
    assert differences[found.at] == differences.max()
    assert (found.changed, found.total, found.nonfinite) == (int((left != right).sum()), 35, 0)


def test_bfloat16_is_read_as_the_upper_half_of_a_float() -> None:
    """Claim: 1.0 and 1.5 in bfloat16 are 0.5 apart."""
    left, right = np.array([0x3F80, 0x4000], "<u2"), np.array([0x3FC0, 0x4000], "<u2")
    assert distance(left, right, "bfloat16") == Distance("0.5", (0,), "1", "1.5", 1, 2)


def test_big_integers_do_not_overflow() -> None:
    """Claim: the extremes of 64 bits are 2**64 - 1 apart, not -1."""
    left, right = np.array([-(2**63)], "<i8"), np.array([2**63 - 1], "<i8")
    found = distance(left, right)
    assert found is not None
    assert (found.left, found.right) == (str(-(2**63)), str(2**63 - 1))
    assert float(found.worst or "0") == pytest.approx(2.0**64)


def test_what_is_not_finite_is_counted_and_not_measured() -> None:
    """Claim: NaN against a number is a change of its own kind; the worst difference is of finite values."""
    left = np.array([np.nan, 1, 2, np.inf], "<f4")
    right = np.array([0, 1, 2.25, np.inf], "<f4")
    assert distance(left, right) == Distance("0.25", (2,), "2", "2.25", 2, 4, 1)
    assert distance(left[:1], right[:1]) == Distance(None, None, None, None, 1, 1, 1)


def test_a_scalar_has_an_empty_index() -> None:
    """Claim: a tensor without dimensions is measured too."""
    assert distance(np.array(1, "<f4"), np.array(3, "<f4")) == Distance("2", (), "1", "3", 1, 1)


def test_values_over_many_blocks_are_found_where_they_are() -> None:
    """Claim: the index counts from the tensor's beginning, not from the block's."""
    size = 3 * limits.VALUES_BLOCK_SIZE_BYTES // 4 + 5
    left = np.zeros(size, "<f4")
    right = left.copy()
    right[size - 2] = 4
    assert distance(left, right) == Distance("4", (size - 2,), "0", "4", 1, size)


@pytest.mark.parametrize("dtype", ["string", "float8_e4m3", "int4"])
def test_types_that_numpy_cannot_subtract_have_no_distance(dtype: str) -> None:
    """Claim: no number is better than a wrong one."""
    assert distance(np.zeros(4, "u1"), np.ones(4, "u1"), dtype) is None


def stored(data: bytes, digest: str, size_bytes: int | None = None, file: int = 0) -> StoredTensor:
    return StoredTensor(file, (Extent(0, len(data) if size_bytes is None else size_bytes),), digest)


def test_bytes_that_are_not_the_tensor_give_no_number() -> None:
    """Claim: values that are stored in another way (compressed, big-endian) are not taken for numbers."""
    data = np.arange(4, dtype="<f4").tobytes()
    file = SourceFile("f", len(data), io.BytesIO(data))
    right = stored(data, hexdigest(data))
    for left in (
        stored(data, hexdigest(np.arange(4, dtype=">f4").tobytes())),
        stored(data, hexdigest(data), size_bytes=8),
        stored(data, hexdigest(data), file=9),
        stored(data, hexdigest(data), file=-1),
        StoredTensor(0, (Extent(8, 16),), hexdigest(data)),
        StoredTensor(0, (), hexdigest(data)),
    ):
        assert measure([StoredPair((4,), "float32", left, right)], [file]) == (None,)


def test_all_pairs_together_read_no_more_than_a_budget() -> None:
    """Claim: a thousand tensors over one run of bytes cannot make the reader read it a thousand times."""
    data = bytes(4 * limits.MIB)
    file = SourceFile("f", len(data), io.BytesIO(data))
    side = stored(data, hexdigest(data))
    pairs = [StoredPair((limits.MIB,), "float32", side, side)] * 200
    found = measure(pairs, [file])
    assert found[0] is not None
    assert found[-1] is None


@given(
    left=st.lists(st.floats(width=32), min_size=1, max_size=40),
    right=st.lists(st.floats(width=32), min_size=1, max_size=40),
)
def test_any_two_tensors_are_measured_as_numpy_would(left: list[float], right: list[float]) -> None:
    """Claim: whatever the values, the counts are those of the bits, and the worst is the greatest finite difference."""
    size = min(len(left), len(right))
    ours, theirs = np.array(left[:size], "<f4"), np.array(right[:size], "<f4")
    found = distance(ours, theirs)
    assert found is not None
    changed = ours.view("<u4") != theirs.view("<u4")
    finite = changed & np.isfinite(ours) & np.isfinite(theirs)
    assert (found.changed, found.nonfinite) == (int(changed.sum()), int((changed & ~finite).sum()))
    differences = np.abs(ours[finite].astype("f8") - theirs[finite].astype("f8"))
    assert (found.worst is None) is (len(differences) == 0)
    if len(differences):
        assert float(found.worst or "nan") == pytest.approx(differences.max(), rel=1e-8)


def test_pairs_are_measured_in_a_confined_process(tmp_path: Path) -> None:
    """Claim: the parent hands over open files and gets the distances; files are told apart by their number."""
    left, right = np.arange(4, dtype="<f4"), np.array([0, 1, 2, 8], "<f4")
    with contextlib.ExitStack() as stack:
        files, places = [], []
        for index, array in enumerate((left, right)):
            path = tmp_path / str(index)
            path.write_bytes(array.tobytes())
            files.append(("model.h5", stack.enter_context(path.open("rb")).fileno()))
            places.append(stored(array.tobytes(), hexdigest(array.tobytes()), file=index))
        inspector = stack.enter_context(Inspector())
        pair = StoredPair((4,), "float32", *places)
        assert inspector.measure(files, [pair]) == (Distance("5", (3,), "3", "8", 1, 4),)
        late = Inspector(child_limits=ChildLimits(wall_s=0))
        with pytest.raises(InspectionError, match="took longer than 0 s"):
            late.measure(files, [pair] * 1000)
