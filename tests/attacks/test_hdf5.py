"""Attacks in HDF5: what makes libhdf5 open other files, or allocate what is not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import pytest

Change = Callable[[h5py.File], None]
DATASET = "layers/dense/vars/0"


def replaced(make: Callable[[h5py.Group, str], object]) -> Change:
    """Put something else in the place of the first kernel."""

    def change(file: h5py.File) -> None:
        del file[DATASET]
        group, _, name = DATASET.rpartition("/")
        make(file[group], name)

    return change


def linked(link: Any) -> Change:
    return replaced(lambda group, name: group.__setitem__(name, link))


def linked_group(file: h5py.File) -> None:
    """An intermediate group is the link, so that each dataset's own link looks hard."""
    del file["layers/dense"]
    file["layers/dense"] = h5py.ExternalLink("/etc/other.h5", "/layers/dense")


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout(shape=(4, 3), dtype="f4")
    layout[:] = h5py.VirtualSource("/etc/other.h5", "x", shape=(4, 3))
    del file[DATASET]
    file.create_virtual_dataset(DATASET, layout)


def bomb(group: h5py.Group, name: str) -> None:
    group.create_dataset(name, shape=(1 << 20, 1 << 20), dtype="f4", chunks=(1, 1024), fillvalue=0)


def hard_linked(file: h5py.File) -> None:
    """A second name for the same dataset, inside the file."""
    file["layers/dense/vars/again"] = file[DATASET]


def chunked(group: h5py.Group, name: str) -> None:
    group.create_dataset(name, data=np.zeros((512, 512), "f4"), chunks=(64, 64), compression="gzip")


ATTACKS: dict[str, tuple[Change, Change, str]] = {
    "CVE-2026-1669": (
        replaced(lambda group, name: group.create_dataset(name, (4, 3), "f4", external=[("/etc/passwd", 0, 48)])),
        replaced(lambda group, name: group.create_dataset(name, data=np.zeros((4, 3), "f4"))),
        "MR302",
    ),
    "CVE-2026-1669 by a virtual dataset": (virtual, replaced(chunked), "MR302"),
    "HDF5 external link": (linked(h5py.ExternalLink("/etc/other.h5", "/x")), hard_linked, "MR302"),
    "HDF5 soft link": (linked(h5py.SoftLink("/optimizer/vars/0")), hard_linked, "MR302"),
    "HDF5 link of a group": (linked_group, hard_linked, "MR302"),
    "CVE-2026-0897": (replaced(bomb), replaced(chunked), "MR303"),
}


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("container", ["weights alone", "in .keras"])
def test_the_attack_is_refused(kit: Any, unsafe: Callable[..., Any], name: str, container: str) -> None:
    """In a weights file and in the weights of an archive; the place is the dataset or the link."""
    change, _, rule = ATTACKS[name]
    weights = kit.hdf5(change)
    found = unsafe(weights if container == "weights alone" else kit.keras_with_weights(weights))
    assert [rule for rule, _ in found] == [rule]
    place = found[0][1].removeprefix("model.weights.h5/")
    assert DATASET.startswith(place)


@pytest.mark.parametrize("name", ATTACKS)
def test_its_look_alike_is_not_refused(kit: Any, unsafe: Callable[..., Any], name: str) -> None:
    """Contiguous, chunked, compressed, and linked within the file."""
    assert unsafe(kit.keras_with_weights(kit.hdf5(ATTACKS[name][1]))) == []


@pytest.mark.parametrize("where", ["model_weights/dense/dense", "model_weights"])
def test_links_in_a_legacy_file_are_refused(kit: Any, unsafe: Callable[..., Any], where: str) -> None:
    """The path that stayed open longest: ``load_model`` of ``.h5`` (Keras up to 3.14.0, tf-keras)."""

    def change(file: h5py.File) -> None:
        del file[where]
        file[where] = h5py.ExternalLink("/etc/other.h5", "/x")

    assert unsafe(kit.hdf5(change, kit.keras2_h5.read_bytes())) == [("MR302", where)]
