"""Reads Keras 3's sharded weights: ``X.weights.json``, which says which HDF5 file holds which variables.

    {"metadata": {"total_size": BYTES}, "weight_map": {"/layers/dense/vars": "X_00000.weights.h5" or [several]}}

Keras looks for the shards beside the JSON file, by name (``ShardedH5IOStore.get``).

Invariants: pure but for the files that it was given; a shard is found among the artifact's own files or not at all; a
shard that is missing, or lacks a group that it should hold, is a defect.

Source: ``keras/src/saving/saving_lib.py`` (Keras 3.10 to 3.15), ``ShardedH5IOStore``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from modelreg.facts import Container, Defect, DefectKind, Facts, Hazard, HazardKind, Tensor
from modelreg.inspect import limits
from modelreg.inspect.json_text import BadJsonError, parse_json_text
from modelreg.inspect.sniff import Format, sniff
from modelreg.inspect.source import SourceFile
from modelreg.inspect.text import plain

if TYPE_CHECKING:
    from modelreg.inspect.values import Values

ShardIndex = Mapping[str, tuple[str, ...]]
"""Names of files by the path of a group, as HDF5 writes it: from the root's ``/`` on."""


def shard_index(file: SourceFile) -> ShardIndex | None:
    """The index in ``file``, if it is one: told from other maps of weights by the paths, which are HDF5's."""
    if file.size_bytes > limits.SHARD_INDEX_SIZE_BYTES_MAX:
        return None
    try:
        value = parse_json_text(file.read_at(0, file.size_bytes)).value
    except BadJsonError:
        return None
    weight_map = value.get("weight_map") if isinstance(value, dict) else None
    if not isinstance(weight_map, dict) or not weight_map:
        return None
    index = {}
    for path, names in weight_map.items():
        listed = names if isinstance(names, list) else [names]
        if not path.startswith("/") or not path.endswith("vars"):
            return None
        index[path] = tuple(name for name in listed if isinstance(name, str))
        if len(index[path]) != len(listed):
            return None
    return index


def read_sharded(file: SourceFile, index: ShardIndex, files: Sequence[SourceFile], values: Values | None) -> Facts:
    """Read the shards that ``index``, found in ``file``, names among ``files``, those of the artifact."""
    reading = _Reading(file, {each.path: each for each in files}, values)
    reading.read(index)
    return Facts(
        Container.KERAS_V3_WEIGHTS,
        file.path,
        tensors=tuple(reading.tensors[: limits.TENSORS_MAX]),
        hazards=tuple(reading.hazards),
        defects=tuple(reading.defects[: limits.DEFECTS_MAX]),
    )


class _Reading:
    def __init__(self, file: SourceFile, files: Mapping[str, SourceFile], values: Values | None) -> None:
        self.file = file
        self.files = files
        self.values = values
        self.tensors: list[Tensor] = []
        self.hazards: list[Hazard] = []
        self.defects: list[Defect] = []
        self.groups: dict[str, set[str]] = {}
        """Of each shard that was read, the groups that hold its tensors."""

    def read(self, index: ShardIndex) -> None:
        for name in dict.fromkeys(name for names in index.values() for name in names):
            self._read_shard(name)
        for path, names in index.items():
            for name in names:
                if name in self.groups and path.strip("/") not in self.groups[name]:
                    self._damaged(self.file.path, f"weight_map puts {path!r} into {name!r}, which has no such group")
        if len(self.tensors) > limits.TENSORS_MAX:
            detail = f"{len(self.tensors):,} tensors in all shards; the first {limits.TENSORS_MAX:,} are listed"
            self.hazards.append(Hazard(HazardKind.TOO_MUCH, self.file.path, detail))

    def _read_shard(self, name: str) -> None:
        if not _is_plain_name(name):
            detail = f"weight_map names {name!r}, which is no file beside it"
            self.hazards.append(Hazard(HazardKind.UNSAFE_MEMBER_NAME, self.file.path, plain(detail)))
            return
        folder = self.file.path.rpartition("/")[0]
        path = f"{folder}/{name}" if folder else name
        shard = self.files.get(path)
        if shard is None:
            self._damaged(self.file.path, f"the shard {path!r} is missing")
            return
        sniffed = sniff(shard)
        if sniffed.format is not Format.HDF5 or sniffed.defect is not None:
            detail = f"the shard is no whole HDF5 file{': ' + sniffed.detail if sniffed.detail else ''}"
            self._damaged(path, detail)
            return
        self._read_hdf5(shard, name)

    def _read_hdf5(self, shard: SourceFile, name: str) -> None:
        from modelreg.inspect.hdf5 import read_hdf5

        read = read_hdf5(shard.stream, file=shard.path, base=0, size_bytes=shard.size_bytes, values=self.values)
        self.tensors += read.tensors
        self.hazards += (
            Hazard(hazard.kind, f"{shard.path}/{hazard.where}".rstrip("/"), hazard.detail) for hazard in read.hazards
        )
        self.defects += read.defects
        self.groups[name] = {group for tensor in read.tensors for group in _groups_of(tensor.path)}

    def _damaged(self, file: str, detail: str) -> None:
        self.defects.append(Defect(DefectKind.DAMAGED_HDF5, file, plain(detail)))


def _groups_of(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _is_plain_name(name: str) -> bool:
    return name not in ("", ".", "..") and not any(character in name for character in "/\\:\0")
