"""TensorFlow's table format, by the indexes that TensorFlow wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.inspect import limits
from modelreg.inspect.leveldb_table import TableError, masked_crc32c, read_table

MODELS = Path(__file__).parents[2] / "models"
INDEX = (MODELS / "py38" / "savedmodel_plain" / "variables" / "variables.index").read_bytes()


def write_block(entries: list[tuple[bytes, bytes]], *, compression: int = 0) -> bytes:
    """One block with its trailer, restart point at 0 and keys that share prefixes, written after the specification."""
    out, previous = bytearray(), b""
    for key, value in entries:
        shared = next(
            (at for at, (a, b) in enumerate(zip(key, previous, strict=False)) if a != b), min(len(key), len(previous))
        )
        out += bytes([shared, len(key) - shared, len(value)]) + key[shared:] + value
        previous = key
    out += bytes(4) + (1).to_bytes(4, "little") + bytes([compression])
    return bytes(out) + masked_crc32c(bytes(out)).to_bytes(4, "little")


def write_table(entries: list[tuple[bytes, bytes]], *, compression: int = 0) -> bytes:
    """A table of one data block, whose sizes stay below 128 so that each number is one byte."""
    data = write_block(entries, compression=compression)
    meta = write_block([])
    index = write_block([(b"\xff", bytes([0, len(data) - 5]))])
    handles = bytes([len(data), len(meta) - 5]) + bytes([len(data) + len(meta), len(index) - 5])
    return data + meta + index + handles.ljust(40, b"\0") + (0xDB4775248B80FB57).to_bytes(8, "little")


def test_the_check_value_of_crc32c_is_right() -> None:
    """CRC-32C of ``123456789`` is 0xE3069283 (RFC 3720's polynomial), here rotated by 15 and offset."""
    crc = 0xE3069283
    assert masked_crc32c(b"123456789") == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_an_index_of_tensorflow_reads_whole_and_in_order() -> None:
    """The header under the empty key comes first, then every variable by its name."""
    keys = [key for key, _ in read_table(INDEX)]
    assert keys == sorted(keys)
    assert keys[0] == b""
    assert b"layer_with_weights-0/kernel/.ATTRIBUTES/VARIABLE_VALUE" in keys
    assert len(keys) == 10


@pytest.mark.parametrize(
    "path",
    sorted(MODELS.glob("*/savedmodel_*/variables/variables.index")),
    ids=lambda path: path.parents[1].relative_to(MODELS).as_posix(),
)
def test_every_writers_index_passes_its_checksums(path: Path) -> None:
    """TensorFlow 2.4 to 2.21 write the same format."""
    assert len(list(read_table(path.read_bytes()))) >= 2


def test_the_tests_own_writer_agrees_with_the_reader() -> None:
    """Shared prefixes come back as whole keys."""
    entries = [(b"", b"header"), (b"apple", b"1"), (b"apply", b"2"), (b"b", b"")]
    assert [(key, bytes(value)) for key, value in read_table(write_table(entries))] == entries


@pytest.mark.parametrize("place", range(0, len(INDEX) - 48, 7))
def test_a_changed_byte_anywhere_before_the_footer_is_noticed(place: int) -> None:
    """Every block that is used is under a checksum; the unused metaindex block alone may differ unseen."""
    damaged = bytearray(INDEX)
    damaged[place] ^= 0x40
    try:
        found = [(key, bytes(value)) for key, value in read_table(bytes(damaged))]
    except TableError:
        return
    assert found == [(key, bytes(value)) for key, value in read_table(INDEX)]


@pytest.mark.parametrize("cut", [1, 7, 8, 47, 48, 49, 200, len(INDEX) - 1, len(INDEX)])
def test_a_cut_off_index_is_refused(cut: int) -> None:
    """The footer is at the end, so any missing tail is noticed."""
    with pytest.raises(TableError, match=r"footer alone|magic number"):
        list(read_table(INDEX[:-cut]))


@pytest.mark.parametrize(("compression", "name"), [(1, "snappy"), (2, "zstd"), (9, "type 9")])
def test_a_compressed_block_is_refused_by_name(compression: int, name: str) -> None:
    """What is not read is said, not guessed at."""
    with pytest.raises(TableError, match=name):
        list(read_table(write_table([(b"a", b"1")], compression=compression)))


@pytest.mark.parametrize(
    "entries", [[(b"b", b""), (b"a", b"")], [(b"a", b"1"), (b"a", b"2")]], ids=["falling", "repeated"]
)
def test_keys_out_of_order_are_refused(entries: list[tuple[bytes, bytes]]) -> None:
    """A key that stands twice could mean one thing here and another to TensorFlow."""
    with pytest.raises(TableError, match="does not follow"):
        list(read_table(write_table(entries)))


def test_a_table_beyond_the_bound_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Size is checked before anything else."""
    monkeypatch.setattr(limits, "TABLE_SIZE_BYTES_MAX", 100)
    with pytest.raises(TableError, match="at most 100 are read"):
        list(read_table(INDEX))


@given(st.data())
def test_mutated_indexes_are_read_or_refused(data: st.DataObject) -> None:
    """No mutation raises anything but ``TableError``."""
    damaged = bytearray(INDEX)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        list(read_table(bytes(damaged)))
    except TableError:
        return


@given(st.binary(max_size=100), st.binary(max_size=40))
def test_any_block_with_a_right_checksum_is_read_or_refused(content: bytes, footer: bytes) -> None:
    """A checksum proves nothing about a hostile writer: the block's own structure is checked too."""
    block = content + b"\0"
    block += masked_crc32c(block).to_bytes(4, "little")
    index = write_block([(b"\xff", bytes([0, len(content)]))])
    handles = bytes([0, 0, len(block), len(index) - 5])
    table = block + index + handles.ljust(40, b"\0") + (0xDB4775248B80FB57).to_bytes(8, "little")
    for each in (table, block + index + footer.ljust(40, b"\0")[:40] + table[-8:]):
        try:
            list(read_table(each))
        except TableError:
            continue
