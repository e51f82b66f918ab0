"""What a legacy HDF5 file promises: layers and weights by name, in order, and whether they are there."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from modelreg.facts import Container, DefectKind, Facts, HazardKind, WeightGroup
from modelreg.inspect import limits
from modelreg.inspect.hdf5 import Hdf5Contents, read_hdf5

Make = Callable[[h5py.File], object]


def read(make: Make) -> Hdf5Contents:
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        make(file)
    data = made.getvalue()
    return read_hdf5(io.BytesIO(data), file="x.h5", base=0, size_bytes=len(data))


def save_names(place: h5py.Group, name: str, names: list[str]) -> None:
    """As ``save_attributes_to_hdf5_group`` does: in parts where one attribute would exceed 64,512 bytes."""
    data = [each.encode() for each in names]
    parts = 1
    while any(np.array(part).nbytes > 64_512 for part in np.array_split(np.asarray(data), parts)):
        parts += 1
    if parts == 1:
        place.attrs[name] = data
        return
    for index, part in enumerate(np.array_split(np.asarray(data), parts)):
        place.attrs[f"{name}{index}"] = part


def layers(place: h5py.Group, weights: dict[str, list[str]]) -> None:
    save_names(place, "layer_names", list(weights))
    for layer, names in weights.items():
        group = place.create_group(layer)
        save_names(group, "weight_names", names)
        for name in names:
            group.create_dataset(name, data=np.zeros(1, "f4"))


@pytest.mark.parametrize(
    ("name", "container"),
    [
        ("py36tf1/lstm.h5", Container.KERAS_HDF5),
        ("py310/plain.h5", Container.KERAS_HDF5),
        ("py313/compiled_trained.h5", Container.KERAS_HDF5),
        ("py38/plain_weights_only.h5", Container.KERAS_HDF5_WEIGHTS),
    ],
)
def test_real_files_list_what_they_hold_in_keras_own_order(
    models: Path, read: Callable[..., Facts], name: str, container: Container
) -> None:
    """Kernel before bias, though the file's own order is by name; and every tensor outside the optimizer is listed."""
    facts = read(models / name, "m.h5")
    assert (facts.container, facts.defects) == (container, ())
    assert facts.weight_groups is not None
    prefix = "model_weights/" if container is Container.KERAS_HDF5 else ""
    listed = {f"{prefix}{group.layer}/{weight}" for group in facts.weight_groups for weight in group.weights}
    assert listed == {tensor.path for tensor in facts.tensors if not tensor.path.startswith("optimizer_weights")}
    kernels = [group.weights for group in facts.weight_groups if group.weights]
    assert all("kernel" in weights[0] and "bias" in weights[-1] for weights in kernels)


@pytest.mark.parametrize("name", ["py38/plain.weights.h5", "py313/plain.keras"])
def test_other_containers_have_no_weight_groups(models: Path, read: Callable[..., Facts], name: str) -> None:
    assert read(models / name, "m").weight_groups is None


def test_names_split_over_several_attributes_are_one_list() -> None:
    """Keras splits lists that exceed HDF5's header limit into ``layer_names0``, ``layer_names1`` ..."""
    names = [f"{'block_with_a_long_name' * 4}_{index}" for index in range(800)]
    contents = read(lambda file: layers(file, {name: [] for name in names}))
    assert contents.container is Container.KERAS_HDF5_WEIGHTS
    assert contents.weight_groups == tuple(WeightGroup(name, ()) for name in names)
    many = [f"{'w' * 80}{index}" for index in range(900)]
    assert read(lambda file: layers(file, {"d": many})).weight_groups == (WeightGroup("d", tuple(many)),)


def test_a_listed_group_that_is_missing_is_damage() -> None:
    """Keras stops with ``KeyError: 'd2'``: the file was not written to its end."""

    def make(file: h5py.File) -> None:
        layers(file, {"d1": ["d1/kernel:0"], "d2": ["d2/kernel:0"]})
        del file["d2"]

    contents = read(make)
    assert [(defect.kind, defect.detail) for defect in contents.defects] == [
        (DefectKind.DAMAGED_HDF5, "layer_names lists 'd2', but there is no group d2")
    ]
    assert contents.weight_groups == (WeightGroup("d1", ("d1/kernel:0",)), WeightGroup("d2", ()))


@pytest.mark.parametrize("group", ["model_weights/d", "model_weights/top_level_model_weights", "optimizer_weights"])
def test_a_listed_weight_that_is_missing_is_damage(group: str) -> None:
    """Of a layer, of the model itself, of the optimizer; and a group in a weight's place is no weight."""

    def make(file: h5py.File) -> None:
        file.attrs["model_config"] = b'{"class_name": "Sequential", "config": []}'
        layers(file.create_group("model_weights"), {"d": ["d/kernel:0"]})
        place = file.require_group(group)
        save_names(place, "weight_names", ["there:0", "gone:0"])
        place.create_dataset("there:0", data=np.zeros(1, "f4"))
        place.create_group("gone:0/deeper")

    (defect,) = read(make).defects
    assert defect.kind is DefectKind.DAMAGED_HDF5
    assert "'gone:0'" in defect.detail
    assert f"there is no tensor {group}/gone:0" in defect.detail


def test_a_whole_model_without_weights_is_damage() -> None:
    """Keras opens ``model_weights`` whatever the configuration says."""

    def make(file: h5py.File) -> None:
        file.attrs["model_config"] = b'{"class_name": "Sequential", "config": []}'

    contents = read(make)
    assert [defect.kind for defect in contents.defects] == [DefectKind.DAMAGED_HDF5]
    assert "no group model_weights" in contents.defects[0].detail


def test_many_missing_weights_are_told_as_a_number() -> None:
    """Twenty, and how many there are in all."""

    def make(file: h5py.File) -> None:
        save_names(file, "layer_names", [f"d{index}" for index in range(300)])

    defects = read(make).defects
    assert len(defects) == 21
    assert defects[-1].detail == "300 listed groups and weights are missing in all"


def test_layers_with_a_slash_in_their_name_are_found() -> None:
    """As TensorFlow 1 named them; the group nests."""
    contents = read(lambda file: layers(file, {"block/conv": ["block/conv/kernel:0"]}))
    assert contents.defects == []


def test_links_in_the_place_of_weights_are_not_followed(tmp_path: Path) -> None:
    """They are hazards of their own.  Both lead to groups, which would be called no tensors if they were looked at."""
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other.create_group("group")

    def make(file: h5py.File) -> None:
        layers(file, {"d": ["d/kernel:0", "d/bias:0"], "e": []})
        del file["d/d/kernel:0"], file["d/d/bias:0"], file["e"]
        file["d/d/kernel:0"] = h5py.SoftLink("/d")
        file["d/d/bias:0"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/group")
        file["e"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/nothing")

    contents = read(make)
    assert contents.defects == []
    assert sorted(hazard.kind for hazard in contents.hazards) == [HazardKind.EXTERNAL_LINK] * 2 + [HazardKind.SOFT_LINK]


def test_a_layer_without_weight_names_has_no_weights() -> None:
    """Keras takes a missing list for an empty one, and NumPy saves an empty list as numbers."""

    def make(file: h5py.File) -> None:
        save_names(file, "layer_names", ["a", "b"])
        file.create_group("a")
        file.create_group("b").attrs["weight_names"] = []

    contents = read(make)
    assert contents.weight_groups == (WeightGroup("a", ()), WeightGroup("b", ()))
    assert (contents.defects, contents.hazards) == ([], [])


def test_lists_that_are_no_text_or_too_long_are_hazards(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not read is told."""

    def numbers(file: h5py.File) -> None:
        file.attrs["layer_names"] = np.arange(3)

    assert [hazard.kind for hazard in read(numbers).hazards] == [HazardKind.NON_NUMERIC_DATASET]
    monkeypatch.setattr(limits, "WEIGHT_NAMES_SIZE_BYTES_MAX", 100)
    contents = read(lambda file: layers(file, {"d" * 60: [], "e" * 60: []}))
    assert [hazard.kind for hazard in contents.hazards] == [HazardKind.TOO_MUCH]
    assert contents.weight_groups == ()
