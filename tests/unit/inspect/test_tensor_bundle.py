"""TensorFlow's checkpoint index, in the forms that small models do not show."""

from __future__ import annotations

import pytest

from modelreg.facts import Extent, Tensor
from modelreg.inspect.tensor_bundle import Bundle, BundleError, read_bundle

SHARDS = {"v.data-00000-of-00002": 100, "v.data-00001-of-00002": 50}


def read(*entries: tuple[bytes, bytes], header: bytes = b"\x08\x02", sizes: dict[str, int] = SHARDS) -> Bundle:
    """Read entries under a header; ``num_shards`` is 2 and the byte order left out, which means little-endian."""
    pairs = [(b"", header), *entries]
    return read_bundle(((key, memoryview(value)) for key, value in pairs), prefix="v", sizes=sizes)


def entry(
    *, shape: tuple[int, ...], shard: int = 0, offset: int = 0, size_bytes: int = 0, sliced: bool = False
) -> bytes:
    """A ``BundleEntryProto`` of float32 whose numbers are all below 128."""
    dimensions = b"".join(b"\x12\x02\x08" + bytes([size]) for size in shape)
    data = (
        b"\x08\x01\x12" + bytes([len(dimensions)]) + dimensions + bytes([0x18, shard, 0x20, offset, 0x28, size_bytes])
    )
    return data + (b"\x3a\x00" if sliced else b"")


def test_tensors_are_found_in_their_own_shard() -> None:
    """The shard's number and how many there are make its name."""
    bundle = read((b"w", entry(shape=(2, 3), shard=1, offset=8, size_bytes=24)))
    assert bundle.tensors == [Tensor("w", (2, 3), "float32", "v.data-00001-of-00002", (Extent(8, 24),))]
    assert not bundle.damage


def test_the_slices_of_a_partitioned_variable_are_its_extents() -> None:
    """A partitioned variable has no bytes of its own; its slices stand under keys that begin with its name."""
    first = (b"\0w\0\1\x01", entry(shape=(2,), offset=0, size_bytes=8))
    second = (b"\0w\0\1\x02", entry(shape=(2,), offset=16, size_bytes=8))
    (tensor,) = read(first, second, (b"w", entry(shape=(4,), sliced=True))).tensors
    assert (tensor.shape, tensor.extents) == ((4,), (Extent(0, 8), Extent(16, 8)))


def test_a_stored_size_that_is_not_the_shapes_is_damage() -> None:
    """TensorFlow would refuse to restore it."""
    bundle = read((b"w", entry(shape=(2, 3), size_bytes=20)))
    assert bundle.damage == ["'w' is float32 of shape (2, 3), for which 20 bytes are stored"]


def test_a_missing_shard_is_told_once() -> None:
    """However many tensors it holds."""
    entries = ((name, entry(shape=(), shard=1, size_bytes=4)) for name in (b"a", b"b", b"c"))
    bundle = read(*entries, sizes={"v.data-00000-of-00002": 100})
    assert bundle.damage == ["the data shard v.data-00001-of-00002 is missing"]
    assert all(tensor.extents == () for tensor in bundle.tensors)


def test_a_tensor_beyond_its_shard_is_damage_and_has_no_extent() -> None:
    """The reason names the tensor, the bytes and the size."""
    bundle = read((b"w", entry(shape=(1,), shard=1, offset=48, size_bytes=4)))
    assert bundle.damage == ["the index puts 'w' at bytes 48 to 52 of v.data-00001-of-00002, which is 50 bytes long"]
    assert bundle.tensors[0].extents == ()


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"\x08\x02\x10\x01", "big-endian"),
        (b"\x08\x00", "0 data shards"),
        (b"\x08\xff\xff\xff\x7f", "268,435,455 data shards"),
    ],
)
def test_headers_that_cannot_be_followed_are_refused(header: bytes, reason: str) -> None:
    """Neither another byte order nor an absurd number of shards is read as if it were sound."""
    with pytest.raises(BundleError, match=reason):
        read(header=header)


def test_a_dimension_beyond_any_memory_is_refused() -> None:
    """Its number could not even be written down in the facts."""
    with pytest.raises(BundleError, match="dimension is 9223372036854775807"):
        read((b"w", b"\x08\x01\x12\x0c\x12\x0a\x08" + b"\xff" * 8 + b"\x7f"))
