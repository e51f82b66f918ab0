"""Reads which weights a legacy HDF5 file promises: ``layer_names``, and ``weight_names`` of each layer's group.

Keras opens every group and dataset that is listed by name, so one that is listed and missing is a file that was not
written to its end, or was cut up (``KeyError: "Unable to open object (object 'd2' doesn't exist)"``).

Invariants: no link is followed but hard ones; names are bounded in number and length; lists keep the file's order.

Source: ``keras/src/legacy/saving/legacy_h5_format.py`` (3.15: ``load_weights_from_hdf5_group``,
``load_attributes_from_hdf5_group``), ``keras/engine/saving.py`` (2.2.4).  Only the child process imports this module.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import h5py
from h5py import h5a, h5d, h5g, h5l, h5o, h5t

from modelreg.facts import Hazard, HazardKind, WeightGroup
from modelreg.inspect import limits
from modelreg.inspect.text import plain

_TOP_LEVEL = "top_level_model_weights"
"""Weights of the model itself, not of a layer (Keras 2.5 and later); loaded by ``weight_names`` as layers' are."""
_WEIGHTS = "model_weights"
_OPTIMIZER = "optimizer_weights"
_MISSING_TOLD_MAX = 20


@dataclass(slots=True)
class Promised:
    """What is listed; ``missing`` are the listed things that the file does not hold, as sentences."""

    groups: tuple[WeightGroup, ...] = ()
    missing: list[str] = field(default_factory=list)
    hazards: list[Hazard] = field(default_factory=list)


def read_weight_groups(root: h5g.GroupID) -> Promised:
    """The weight groups of a whole-model or a weights-only file, whose root is given.

    May raise what h5py raises for bytes that libhdf5 cannot make sense of.
    """
    return _Reader().read(root)


class _Reader:
    def __init__(self) -> None:
        self.promised = Promised()
        self.names_left = limits.TENSORS_MAX
        self.missing = 0

    def read(self, root: h5g.GroupID) -> Promised:
        place, prefix = root, ""
        if not _has_names(root, "layer_names"):
            found = _at(root, _WEIGHTS)
            if isinstance(found, h5g.GroupID):
                place, prefix = found, f"{_WEIGHTS}/"
            elif found is not _ELSEWHERE:
                self._miss(f"there is a model configuration, but no group {_WEIGHTS}")
        layers = self._names(place, "layer_names", prefix)
        groups = [group for name in layers if (group := self._group(place, name, prefix)) is not None]
        self.promised.groups = tuple(groups)
        if isinstance(_at(place, _TOP_LEVEL), h5g.GroupID):
            self._group(place, _TOP_LEVEL, prefix)
        if isinstance(_at(root, _OPTIMIZER), h5g.GroupID):
            self._group(root, _OPTIMIZER, "")
        if self.missing > _MISSING_TOLD_MAX:
            self.promised.missing.append(f"{self.missing:,} listed groups and weights are missing in all")
        return self.promised

    def _group(self, place: h5g.GroupID, name: str, prefix: str) -> WeightGroup | None:
        found = _at(place, name)
        if found is _ELSEWHERE:
            return WeightGroup(plain(name), ())
        if not isinstance(found, h5g.GroupID):
            self._miss(f"layer_names lists {name!r}, but there is no group {prefix}{name}")
            return WeightGroup(plain(name), ())
        weights = self._names(found, "weight_names", f"{prefix}{name}/")
        for weight in weights:
            dataset = _at(found, weight)
            if dataset is not _ELSEWHERE and not isinstance(dataset, h5d.DatasetID):
                self._miss(f"weight_names of {name!r} lists {weight!r}, but there is no tensor {prefix}{name}/{weight}")
        return WeightGroup(plain(name), tuple(plain(weight) for weight in weights))

    def _miss(self, detail: str) -> None:
        self.missing += 1
        if self.missing <= _MISSING_TOLD_MAX:
            self.promised.missing.append(detail)

    def _names(self, place: h5g.GroupID, name: str, where: str) -> list[str]:
        """A list of names, in one attribute or split over ``name0``, ``name1`` ... where it exceeds 64,512 bytes."""
        names: list[str] = []
        size_left = limits.WEIGHT_NAMES_SIZE_BYTES_MAX
        for part in _parts(place, name):
            attribute = h5a.open(place, part.encode())
            count = attribute.get_space().get_simple_extent_npoints()
            if attribute.get_type().get_class() != h5t.STRING:
                if count:  # an empty list of names is an empty list of numbers: NumPy's default
                    self._hazard(HazardKind.NON_NUMERIC_DATASET, where + part, "holds no text where Keras writes text")
                continue
            self.names_left -= count
            fits = self.names_left >= 0 and attribute.get_storage_size() <= size_left
            found = _texts(h5py.Group(place).attrs[part]) if fits else []
            size_left -= sum(map(len, found))  # texts of variable length are stored elsewhere
            if not fits or size_left < 0:
                self._hazard(HazardKind.TOO_MUCH, where + part, "more names than are read")
                break
            names += found
        return names

    def _hazard(self, kind: HazardKind, where: str, detail: str) -> None:
        self.promised.hazards.append(Hazard(kind, plain(f"attribute {where}"), plain(detail)))


def _has_names(place: h5g.GroupID, name: str) -> bool:
    return next(_parts(place, name), None) is not None


def _parts(place: h5g.GroupID, name: str) -> Iterator[str]:
    """The attributes that hold a list, in order; Keras looks for parts only where there is no whole."""
    if h5a.exists(place, name.encode()):
        yield name
        return
    number = 0
    while h5a.exists(place, f"{name}{number}".encode()):
        yield f"{name}{number}"
        number += 1


class _Elsewhere:
    """Something that cannot be looked at without following a link."""


_ELSEWHERE = _Elsewhere()


def _at(place: h5g.GroupID, path: str) -> h5o.ObjectID | _Elsewhere | None:
    """What stands at ``path`` below ``place``, reached by hard links alone; ``None`` if nothing does."""
    for part in path.encode("utf-8", "surrogateescape").split(b"/"):
        if part in (b"", b"."):
            continue
        if not isinstance(place, h5g.GroupID) or not place.links.exists(part):
            return None
        if place.links.get_info(part).type != h5l.TYPE_HARD:
            return _ELSEWHERE
        place = h5o.open(place, part)
    return place


def _texts(value: object) -> list[str]:
    if isinstance(value, bytes):
        return [value.decode("utf-8", "surrogateescape")]
    if isinstance(value, str):
        return [value]
    flat = value.reshape(-1).tolist() if hasattr(value, "reshape") else []
    return [text for item in flat for text in _texts(item)]
