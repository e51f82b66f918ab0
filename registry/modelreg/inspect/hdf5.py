"""Reads the metadata of HDF5: Keras's attributes, the table of tensors, and what reaches outside the file.

Invariants:

* No tensor's data is read unless digests are asked for (``hdf5_values``); the only other contents are the named text
  attributes of ``_text_attribute``'s callers and the lists of names (``hdf5_groups``).
* No link is followed but hard ones, so that nothing outside the file is opened (CVE-2026-1669).
* Every walk is bounded, cycles included, and sorted, so that the same bytes always give the same facts.

Source of the layout: ``keras/src/legacy/saving/legacy_h5_format.py`` and ``keras/src/saving/saving_lib.py`` (Keras
3.15), ``keras/engine/saving.py`` (Keras 2.2.4).  Only the child process imports this module.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

import h5py
from h5py import h5a, h5d, h5f, h5g, h5i, h5l, h5o, h5pl, h5t

from modelreg.facts import Container, Defect, DefectKind, Extent, Hazard, HazardKind, Tensor, WeightGroup
from modelreg.inspect import limits
from modelreg.inspect.hdf5_dtype import dtype_name
from modelreg.inspect.hdf5_groups import read_weight_groups
from modelreg.inspect.hdf5_heap import GuardedStream
from modelreg.inspect.text import plain

if TYPE_CHECKING:
    from modelreg.inspect.values import Values

H5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, NotImplementedError)
"""What h5py raises for bytes that libhdf5 cannot make sense of, the last for types that NumPy has nothing for."""
_OUT_OF_MEMORY = ("memory allocation failed", "H5MM_")
"""How libhdf5 says it in an ``OSError``."""
_V3_VARIABLE = re.compile(r"(^|/)vars/[^/]+$")
_INTEGER_MAX = 2**53 - 1

for _ in range(h5pl.size()):
    h5pl.remove(0)  # folders in which libhdf5 looks for the filter that a chunk names, HDF5_PLUGIN_PRELOAD or not


@dataclass(slots=True)
class Hdf5Contents:
    """What one HDF5 file holds; ``None`` where an attribute is absent."""

    container: Container = Container.HDF5
    keras_version: str | None = None
    backend: str | None = None
    model_config: bytes | None = None
    training_config: bytes | None = None
    weight_groups: tuple[WeightGroup, ...] | None = None
    tensors: list[Tensor] = field(default_factory=list)
    hazards: list[Hazard] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)


def read_hdf5(stream: BinaryIO, *, file: str, base: int, size_bytes: int, values: Values | None = None) -> Hdf5Contents:
    """Read the HDF5 in ``stream``; ``base`` is where it begins in the artifact's ``file``, for absolute extents.

    With ``values``, the digests of its tensors are taken too.  Never raises for bad bytes: those are defects.
    ``MemoryError`` passes through.
    """
    contents = Hdf5Contents()
    try:
        with h5py.File(GuardedStream(stream), "r") as opened:
            _Reader(contents, _Place(stream, file, base, size_bytes), values).read(opened.id)
    except H5_ERRORS as error:
        if any(mark in str(error) for mark in _OUT_OF_MEMORY):
            raise MemoryError(str(error)) from error
        contents.defects.append(Defect(DefectKind.DAMAGED_HDF5, file, plain(f"libhdf5 cannot read it: {error}")))
    return contents


@dataclass(frozen=True, slots=True)
class _Place:
    """The HDF5's bytes, and where they begin in the artifact's ``file``."""

    stream: BinaryIO
    file: str
    base: int
    size_bytes: int


class _Reader:
    """One walk over one file; fills ``contents``."""

    def __init__(self, contents: Hdf5Contents, place: _Place, values: Values | None) -> None:
        self.contents = contents
        self.file = place.file
        self.place = place
        self.values = values
        self.links_left = limits.HDF5_LINKS_MAX
        self.chunks_left = limits.CHUNKS_MAX
        self.extents_left = limits.EXTENTS_MAX

    def read(self, file_id: h5f.FileID) -> None:
        root = h5g.open(file_id, b"/")
        self._read_attributes(root)
        names = [name for name, _ in _links(root)]
        self.contents.container = self._container(root, names)
        self._walk(root)
        self._read_weight_groups(root)
        if self.contents.container is Container.HDF5 and any(
            _V3_VARIABLE.search(t.path) for t in self.contents.tensors
        ):
            self.contents.container = Container.KERAS_V3_WEIGHTS

    def _read_attributes(self, root: h5g.GroupID) -> None:
        contents = self.contents
        contents.model_config = self._text_attribute(root, "model_config", limits.CONFIG_SIZE_BYTES_MAX)
        contents.training_config = self._text_attribute(root, "training_config", limits.CONFIG_SIZE_BYTES_MAX)
        places = [root]
        if root.links.exists(b"model_weights") and root.links.get_info(b"model_weights").type == h5l.TYPE_HARD:
            weights = h5o.open(root, b"model_weights")
            places += [weights] if isinstance(weights, h5g.GroupID) else []
        for place in places:
            contents.keras_version = contents.keras_version or self._short_attribute(place, "keras_version")
            contents.backend = contents.backend or self._short_attribute(place, "backend")

    def _container(self, root: h5g.GroupID, names: list[bytes]) -> Container:
        if self.contents.model_config is not None:
            return Container.KERAS_HDF5
        if h5a.exists(root, b"layer_names") or h5a.exists(root, b"layer_names0"):
            return Container.KERAS_HDF5_WEIGHTS
        if b"_layer_checkpoint_dependencies" in names:
            return Container.KERAS_V3_WEIGHTS
        return Container.HDF5

    def _read_weight_groups(self, root: h5g.GroupID) -> None:
        if self.contents.container not in (Container.KERAS_HDF5, Container.KERAS_HDF5_WEIGHTS):
            return
        promised = read_weight_groups(root)
        self.contents.weight_groups = promised.groups
        self.contents.hazards += promised.hazards
        self.contents.defects += (
            Defect(DefectKind.DAMAGED_HDF5, self.file, plain(detail)) for detail in promised.missing
        )

    # Attributes

    def _short_attribute(self, place: h5g.GroupID | h5d.DatasetID, name: str) -> str | None:
        value = self._text_attribute(place, name, limits.METADATA_SIZE_BYTES_MAX)
        return None if value is None else plain(value.decode("utf-8", "replace"))

    def _text_attribute(self, place: h5g.GroupID | h5d.DatasetID, name: str, size_bytes_max: int) -> bytes | None:
        """A text attribute in any of the ways it was ever written: bytes or str, fixed or variable, whole or in parts.

        Keras splits what is above HDF5's 64 KiB header limit into ``name0``, ``name1`` ...; parts join to one text.
        """
        parts = [name] if h5a.exists(place, name.encode()) else []
        while not parts or parts[0] != name:
            part = f"{name}{len(parts)}"
            if not h5a.exists(place, part.encode()):
                break
            parts.append(part)
        values: list[bytes] = []
        for part in parts:
            value = self._one_attribute(place, part, size_bytes_max - sum(map(len, values)))
            if value is None:
                return None
            values.append(value)
        return b"".join(values) if parts else None

    def _one_attribute(self, place: h5g.GroupID | h5d.DatasetID, name: str, size_bytes_max: int) -> bytes | None:
        attribute = h5a.open(place, name.encode())
        if attribute.get_type().get_class() != h5t.STRING:
            self._hazard(HazardKind.NON_NUMERIC_DATASET, f"attribute {name}", "holds no text where Keras writes text")
            return None
        too_big = (
            attribute.get_storage_size() > size_bytes_max or attribute.get_space().get_simple_extent_npoints() > 4096
        )
        value = b"" if too_big else _as_bytes(_holder(place).attrs[name])
        if too_big or len(value) > size_bytes_max:
            self._hazard(HazardKind.TOO_MUCH, f"attribute {name}", f"longer than {size_bytes_max:,} bytes, not read")
            return None
        return value

    # Objects

    def _walk(self, root: h5g.GroupID) -> None:
        """Depth first over hard links in the order of their names; a group met twice is entered once."""
        seen = {h5o.get_info(root).addr}
        stack: list[tuple[h5g.GroupID, str, int]] = [(root, "", 0)]
        while stack:
            group, prefix, depth = stack.pop()
            if depth > limits.HDF5_DEPTH_MAX:
                self._hazard(HazardKind.TOO_MUCH, prefix, f"groups nest deeper than {limits.HDF5_DEPTH_MAX}")
                continue
            inner = []
            for name, kind in _links(group):
                self.links_left -= 1
                if self.links_left < 0 or len(self.contents.tensors) >= limits.TENSORS_MAX:
                    self._hazard(HazardKind.TOO_MUCH, prefix, "more links or tensors than are read")
                    return
                path = f"{prefix}/{plain(name.decode('utf-8', 'replace'))}".lstrip("/")
                child = self._visit(group, name, kind, path)
                if child is not None and (address := h5o.get_info(child).addr) not in seen:
                    seen.add(address)
                    inner.append((child, path, depth + 1))
            stack.extend(reversed(inner))

    def _visit(self, group: h5g.GroupID, name: bytes, kind: int, path: str) -> h5g.GroupID | None:
        """Note what stands under one link; a group is returned, to be entered."""
        if kind == h5l.TYPE_SOFT:
            target = group.links.get_val(name).decode("utf-8", "replace")
            self._hazard(HazardKind.SOFT_LINK, path, f"points to {target!r}")
        elif kind == h5l.TYPE_EXTERNAL:
            file, target = (part.decode("utf-8", "replace") for part in group.links.get_val(name))
            self._hazard(HazardKind.EXTERNAL_LINK, path, f"points to {target!r} in the file {file!r}")
        elif kind != h5l.TYPE_HARD:
            self._hazard(HazardKind.EXTERNAL_LINK, path, f"is a link of the user-defined type {kind}")
        else:
            item = h5o.open(group, name)
            if h5i.get_type(item) == h5i.GROUP:
                return item
            if h5i.get_type(item) == h5i.DATASET:
                self._dataset(item, path)
        return None

    def _dataset(self, dataset: h5d.DatasetID, path: str) -> None:
        shape = tuple(int(size) for size in dataset.shape or ())
        kind = dataset.get_type()
        dtype = dtype_name(kind, self._short_attribute(dataset, "dtype") if kind.get_class() == h5t.OPAQUE else None)
        if dtype.hazardous:
            self._hazard(HazardKind.NON_NUMERIC_DATASET, path, f"holds values of type {dtype.name}")
        stored = dataset.get_storage_size()
        declared = kind.get_size()
        for size in shape:
            declared *= size
        ratio_ok = declared <= limits.OVERSIZED_TENSOR_RATIO * stored
        if declared > limits.OVERSIZED_TENSOR_SIZE_BYTES and not ratio_ok:
            detail = f"declares {declared:,} bytes and stores {stored:,}"
            self._hazard(HazardKind.OVERSIZED_DATASET, path, detail)
        extents = self._extents(dataset, path)
        if all(size <= _INTEGER_MAX for size in shape):
            digest, nonfinite = (None, 0) if dtype.hazardous else self._values(dataset, path, extents, dtype.name)
            self.contents.tensors.append(Tensor(path, shape, dtype.name, self.file, extents, digest, nonfinite))

    def _values(
        self, dataset: h5d.DatasetID, path: str, extents: tuple[Extent, ...], dtype: str
    ) -> tuple[str | None, int]:
        if self.values is None:
            return None, 0
        from modelreg.inspect.hdf5_values import StoredDataset, dataset_values

        within = tuple(Extent(extent.offset - self.place.base, extent.size_bytes) for extent in extents)
        try:
            return dataset_values(StoredDataset(dataset, self.place.stream, within, dtype), self.values)
        except H5_ERRORS as error:
            if any(mark in str(error) for mark in _OUT_OF_MEMORY):
                raise
            detail = plain(f"the values of {path} cannot be read: {error}")
            self.contents.defects.append(Defect(DefectKind.DAMAGED_HDF5, self.file, detail))
            return None, 0

    def _extents(self, dataset: h5d.DatasetID, path: str) -> tuple[Extent, ...]:
        creation = dataset.get_create_plist()
        if creation.get_external_count() > 0:
            name = creation.get_external(0)[0].decode("utf-8", "replace")
            self._hazard(HazardKind.EXTERNAL_STORAGE, path, f"keeps its data in the file {name!r}")
            return ()
        layout = creation.get_layout()
        if layout == h5d.VIRTUAL:
            self._hazard(HazardKind.VIRTUAL_DATASET, path, "is put together from other datasets or files")
            return ()
        if layout == h5d.CONTIGUOUS:
            offset = dataset.get_offset()
            runs = [] if offset is None else [(offset, dataset.get_storage_size())]
        else:
            runs = self._chunk_runs(dataset, path) if layout == h5d.CHUNKED else []
        return self._absolute(runs, path)

    def _chunk_runs(self, dataset: h5d.DatasetID, path: str) -> list[tuple[int, int]]:
        runs: list[tuple[int, int]] = []

        def note(chunk: h5d.StoreInfo) -> bool | None:
            self.chunks_left -= 1
            if self.chunks_left < 0:
                return True
            if chunk.byte_offset is not None:
                runs.append((chunk.byte_offset, chunk.size))
            return None

        if dataset.chunk_iter(note) is not None:
            self._hazard(HazardKind.TOO_MUCH, path, f"more than {limits.CHUNKS_MAX:,} chunks, not listed")
            return []
        return runs

    def _absolute(self, runs: list[tuple[int, int]], path: str) -> tuple[Extent, ...]:
        """Runs of this file as extents of the artifact's file, adjoining ones merged."""
        merged: list[tuple[int, int]] = []
        for offset, size in sorted(runs):
            if offset + size > self.place.size_bytes:
                detail = f"{path} lies at bytes {offset:,} to {offset + size:,} of {self.place.size_bytes:,}"
                self.contents.defects.append(Defect(DefectKind.DAMAGED_HDF5, self.file, detail))
                return ()
            if merged and sum(merged[-1]) == offset:
                merged[-1] = (merged[-1][0], merged[-1][1] + size)
            elif size:
                merged.append((offset, size))
        self.extents_left -= len(merged)
        if self.extents_left < 0:
            self._hazard(HazardKind.TOO_MUCH, path, f"more than {limits.EXTENTS_MAX:,} runs of bytes, not listed")
            return ()
        return tuple(Extent(self.place.base + offset, size) for offset, size in merged)

    def _hazard(self, kind: HazardKind, where: str, detail: str) -> None:
        self.contents.hazards.append(Hazard(kind, plain(where), plain(detail)))


def _links(group: h5g.GroupID) -> list[tuple[bytes, int]]:
    """Names and types of a group's links, sorted by name (the order of the file's own index differs by version)."""
    found: list[tuple[bytes, int]] = []

    def note(name: bytes, info: h5l.LinkInfo) -> bool | None:
        found.append((name, info.type))
        return True if len(found) > limits.HDF5_LINKS_MAX else None

    if group.get_num_objs():
        group.links.iterate(note, info=True)
    return sorted(found)


def _holder(place: h5g.GroupID | h5d.DatasetID) -> h5py.Group | h5py.Dataset:
    return h5py.Dataset(place) if isinstance(place, h5d.DatasetID) else h5py.Group(place)


def _as_bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    flat = value.reshape(-1).tolist() if hasattr(value, "reshape") else []
    return b"".join(_as_bytes(item) for item in flat)
