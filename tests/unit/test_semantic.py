"""The semantic digest: blind to the file, not to the model."""

from __future__ import annotations

import copy
import io
import json
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from modelreg.configuration import configuration_text
from modelreg.facts import Container, Defect, DefectKind, Facts, Hazard, HazardKind, Tensor, WeightGroup
from modelreg.inspect.reader import read_artifact
from modelreg.inspect.source import SourceFile
from modelreg.inspect.values import Values
from modelreg.semantic import places_of, semantic_digest

MODELS = Path(__file__).parents[1] / "models"
PAIRS = sorted(
    path.relative_to(MODELS).with_suffix("").as_posix()
    for path in MODELS.glob("*/*.h5")
    if zipfile.is_zipfile(path.with_suffix(".keras"))
)


def read(path: Path) -> Facts:
    """Facts with value digests, read in this process."""
    data = path.read_bytes()
    return read_artifact([SourceFile(path.name, len(data), io.BytesIO(data))], values=Values.for_artifact(len(data)))


def digest(path: Path) -> str:
    found = semantic_digest(read(path))
    assert found is not None
    return found


# Real files


@pytest.mark.parametrize("pair", PAIRS)
def test_a_model_has_one_digest_as_h5_and_as_keras(pair: str) -> None:
    """Claim: the same model, saved by the same Keras (2.13, 2.15, 3.15) in both containers, has the same digest."""
    assert digest(MODELS / f"{pair}.h5") == digest(MODELS / f"{pair}.keras")


@pytest.mark.parametrize("name", ["py38/plain", "py38/lambda", "py310/lambda", "py36/lambda"])
def test_a_model_has_one_digest_as_h5_and_as_saved_model(name: str) -> None:
    """Claim: the same model in a SavedModel of TensorFlow 2.6 to 2.15 has the digest of its .h5."""
    writer, _, model = name.partition("/")
    folder = MODELS / writer / f"savedmodel_{model}"
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sources = [
        SourceFile(path.relative_to(folder).as_posix(), path.stat().st_size, io.BytesIO(path.read_bytes()))
        for path in files
    ]
    facts = read_artifact(sources, values=Values.for_artifact(sum(source.size_bytes for source in sources)))
    assert semantic_digest(facts) == digest(MODELS / f"{name}.h5")


def test_there_are_pairs_of_both_majors() -> None:
    """Claim: the test above has files of Keras 2 and of Keras 3."""
    assert {"py310/plain", "py311/plain", "py313/compiled_trained", "py38/plain"} <= set(PAIRS)


def test_two_models_have_two_digests() -> None:
    """Claim: no two of the real models that differ have the same digest."""
    digests = [digest(MODELS / f"{pair}.h5") for pair in PAIRS]
    assert len(set(digests)) == len(PAIRS)


def test_layout_and_compression_of_the_datasets_do_not_count(tmp_path: Path) -> None:
    """Claim: the same datasets, chunked, compressed and written in another order, have the same digest."""
    source, target = MODELS / "py311/plain.h5", tmp_path / "again.h5"
    with h5py.File(source) as old, h5py.File(target, "w") as new:
        _copy(old, new)
    assert target.read_bytes() != source.read_bytes()
    assert digest(target) == digest(source)


def _copy(old: h5py.Group, new: h5py.Group) -> None:
    new.attrs.update(dict(old.attrs.items()))
    for name in reversed(list(old)):
        item = old[name]
        if isinstance(item, h5py.Group):
            _copy(item, new.create_group(name))
        elif item.shape:
            new.create_dataset(name, data=item[()], chunks=True, compression="gzip")
        else:
            new.create_dataset(name, data=item[()])


def test_the_time_of_saving_does_not_count(tmp_path: Path) -> None:
    """Claim: another date in the archive and in its metadata keeps the digest."""
    source, target = MODELS / "py313/plain.keras", tmp_path / "later.keras"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.infolist():
            data = old.read(member)
            if member.filename == "metadata.json":
                data = json.dumps(json.loads(data) | {"date_saved": "2031-01-01@00:00:00"}).encode()
            new.writestr(zipfile.ZipInfo(member.filename, (2031, 1, 1, 0, 0, 0)), data)
    assert target.read_bytes() != source.read_bytes()
    assert digest(target) == digest(source)


@pytest.mark.parametrize("path", ["model_weights/dense/dense/kernel:0", "model_weights/dense_1/dense_1/bias:0"])
def test_one_changed_value_changes_the_digest(path: str, tmp_path: Path) -> None:
    """Claim: the smallest change of one value of a weight is seen."""
    target = tmp_path / "changed.h5"
    shutil.copyfile(MODELS / "py38/plain.h5", target)
    with h5py.File(target, "r+") as file:
        values = file[path][()]
        values.flat[0] = np.nextafter(values.flat[0], np.float32(9))
        file[path][...] = values
    assert digest(target) != digest(MODELS / "py38/plain.h5")


def test_state_of_the_training_does_not_count(tmp_path: Path) -> None:
    """Claim: a model that was saved without its optimizer is the same model."""
    target = tmp_path / "untrained.h5"
    shutil.copyfile(MODELS / "py38/compiled_trained.h5", target)
    with h5py.File(target, "r+") as file:
        del file["optimizer_weights"], file.attrs["training_config"]
    assert digest(target) == digest(MODELS / "py38/compiled_trained.h5")


# Made-up models: legacy HDF5 and version 3 of one and the same


def layer(class_name: str, name: str, **arguments: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": name, "trainable": True, "dtype": "float32", **arguments}}


def sequential(*layers: dict[str, Any], name: str = "sequential") -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": name, "layers": list(layers)}}


def legacy(config: dict[str, Any], groups: Mapping[str, Mapping[str, str]]) -> Facts:
    """``groups``: layer to weight name to digest, in Keras's order."""
    tensors = [
        Tensor(f"model_weights/{group}/{name}", (2,), "float32", "m.h5", digest=value)
        for group, weights in groups.items()
        for name, value in weights.items()
    ]
    return Facts(
        Container.KERAS_HDF5,
        "m.h5",
        tensors=tuple(sorted(tensors, key=lambda tensor: tensor.path)),
        config=configuration_text(config),
        weight_groups=tuple(WeightGroup(group, tuple(weights)) for group, weights in groups.items()),
    )


def version_3(config: dict[str, Any], tensors: Mapping[str, str], container: Container = Container.KERAS_ZIP) -> Facts:
    return Facts(
        container,
        "m.keras",
        tensors=tuple(Tensor(path, (2,), "float32", "m.keras", digest=value) for path, value in tensors.items()),
        config=configuration_text(config),
    )


TWO = sequential(layer("Dense", "a", units=2), layer("Dropout", "drop"), layer("Dense", "b", units=2))
TWO_LEGACY = legacy(
    TWO, {"a": {"a/kernel:0": "k1", "a/bias:0": "b1"}, "drop": {}, "b": {"b/kernel:0": "k2", "b/bias:0": "b2"}}
)
TWO_VERSION_3 = {
    "layers/dense/vars/0": "k1",
    "layers/dense/vars/1": "b1",
    "layers/dense_1/vars/0": "k2",
    "layers/dense_1/vars/1": "b2",
}


def changed(where: str, value: Any) -> dict[str, Any]:
    """``TWO`` with one argument of its first layer, or of the model, set to another value."""
    config = copy.deepcopy(TWO)
    target = config["config"] if where.startswith("model.") else config["config"]["layers"][0]["config"]
    target[where.removeprefix("model.")] = value
    return config


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("units", 3),
        ("activation", "relu"),
        ("name", "c"),
        ("trainable", False),
        ("dtype", "float16"),
        ("unknown", 1),
        ("model.dtype", "mixed_float16"),
    ],
)
def test_a_changed_argument_changes_the_digest(where: str, value: Any) -> None:
    """Claim: an argument, a layer's name, a type, and also an argument that nobody knows counts."""
    other = version_3(changed(where, value), TWO_VERSION_3)
    assert semantic_digest(other) != semantic_digest(version_3(TWO, TWO_VERSION_3))


def test_the_models_own_name_does_not_count() -> None:
    """Claim: ``sequential_3`` of a notebook's third run is the same model as ``sequential``."""
    assert semantic_digest(version_3(changed("model.name", "sequential_3"), TWO_VERSION_3)) == semantic_digest(
        TWO_LEGACY
    )


@pytest.mark.parametrize(
    "swapped",
    [("layers/dense/vars/0", "layers/dense_1/vars/0"), ("layers/dense/vars/0", "layers/dense/vars/1")],
    ids=["between layers", "within a layer"],
)
def test_swapped_weights_of_one_shape_change_the_digest(swapped: tuple[str, str]) -> None:
    """Claim: the digest is over places and values, not over a set of values."""
    one, other = swapped
    tensors = TWO_VERSION_3 | {one: TWO_VERSION_3[other], other: TWO_VERSION_3[one]}
    assert semantic_digest(version_3(TWO, tensors)) != semantic_digest(version_3(TWO, TWO_VERSION_3))


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(TWO_LEGACY, id="legacy"),
        pytest.param(version_3(TWO, TWO_VERSION_3), id="version 3"),
        pytest.param(
            version_3(
                TWO,
                {
                    path.replace("layers/", "_layer_checkpoint_dependencies/").replace("dense_1", "dense_2"): value
                    for path, value in TWO_VERSION_3.items()
                },
            ),
            id="2.13, which counts layers with weights twice",
        ),
        pytest.param(
            version_3(
                TWO,
                {
                    "layer_with_weights-0/bias/.ATTRIBUTES/VARIABLE_VALUE": "b1",
                    "layer_with_weights-0/kernel/.ATTRIBUTES/VARIABLE_VALUE": "k1",
                    "layer_with_weights-1/bias/.ATTRIBUTES/VARIABLE_VALUE": "b2",
                    "layer_with_weights-1/kernel/.ATTRIBUTES/VARIABLE_VALUE": "k2",
                },
                Container.SAVED_MODEL,
            ),
            id="SavedModel",
        ),
        pytest.param(version_3(TWO, TWO_VERSION_3 | {"optimizer/vars/0": "o", "metrics/mean/vars/0": "m"}), id="state"),
    ],
)
def test_every_container_of_one_model_has_its_digest(facts: Facts) -> None:
    """Claim: legacy HDF5, both layouts of version 3 and a SavedModel of one model agree."""
    assert semantic_digest(facts) == semantic_digest(TWO_LEGACY) is not None


NESTED = sequential(sequential(layer("Dense", "x"), layer("Dense", "y"), name="inner"), layer("Dense", "z"))
NESTED_GROUPS = {"x/kernel:0": "k1", "y/kernel:0": "k2"}


@pytest.mark.parametrize("prefix", ["", "inner/"], ids=["Keras 2", "Keras 3"])
def test_weights_of_a_nested_model_are_told_apart(prefix: str) -> None:
    """Claim: the layers of a model in a model are found by name, and swapping their weights counts."""
    inner = {f"{prefix}{name}": value for name, value in NESTED_GROUPS.items()}
    swapped = dict(zip(inner, reversed(inner.values()), strict=True))
    tensors = {
        "layers/sequential/layers/dense/vars/0": "k1",
        "layers/sequential/layers/dense_1/vars/0": "k2",
        "layers/dense/vars/0": "k3",
    }
    facts = legacy(NESTED, {"inner": inner, "z": {"z/kernel:0": "k3"}})
    assert semantic_digest(facts) == semantic_digest(version_3(NESTED, tensors))
    assert semantic_digest(legacy(NESTED, {"inner": swapped, "z": {"z/kernel:0": "k3"}})) != semantic_digest(facts)
    assert [place.layer for place in places_of(facts)] == ["inner/x", "inner/y", "z"]


def test_parts_of_an_attention_layer_are_told_apart() -> None:
    """Claim: query and key of equal shape are known in both containers, so that swapping them counts."""
    config = sequential(layer("MultiHeadAttention", "mha"))
    names = {
        "mha/query/kernel": "q",
        "mha/key/kernel": "k",
        "mha/value/kernel": "v",
        "mha/attention_output/kernel": "o",
    }
    parts = {"query_dense": "q", "key_dense": "k", "value_dense": "v", "output_dense": "o"}
    paths = {f"layers/multi_head_attention/{part}/vars/0": value for part, value in parts.items()}
    facts = legacy(config, {"mha": names})
    assert semantic_digest(facts) == semantic_digest(version_3(config, paths))
    swapped = names | {"mha/query/kernel": "k", "mha/key/kernel": "q"}
    assert semantic_digest(legacy(config, {"mha": swapped})) != semantic_digest(facts)


def test_parts_of_a_custom_layer_agree_by_value() -> None:
    """Claim: where containers share no names for the parts, the weights still agree, in whatever order they stand."""
    config = sequential(layer("Block", "block"))
    facts = legacy(config, {"block": {"block/second/kernel": "s", "block/first/kernel": "f"}})
    paths = {"layers/block/d1/vars/0": "f", "layers/block/d2/vars/0": "s"}
    assert semantic_digest(facts) == semantic_digest(version_3(config, paths))


# What has no digest


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(replace(TWO_LEGACY, config=None), id="no configuration"),
        pytest.param(replace(TWO_LEGACY, weight_groups=None), id="order of the weights not known"),
        pytest.param(replace(TWO_LEGACY, tensors=TWO_LEGACY.tensors[1:]), id="a promised weight is missing"),
        pytest.param(
            replace(TWO_LEGACY, tensors=(replace(TWO_LEGACY.tensors[0], digest=None), *TWO_LEGACY.tensors[1:])),
            id="a tensor without a digest",
        ),
        pytest.param(replace(TWO_LEGACY, defects=(Defect(DefectKind.DAMAGED_HDF5, "m.h5", "cut"),)), id="damaged"),
        pytest.param(replace(TWO_LEGACY, hazards=(Hazard(HazardKind.TOO_MUCH, "m.h5", "cut"),)), id="not all read"),
        pytest.param(replace(TWO_LEGACY, config="[" * 300 + "]" * 300), id="nested too deep"),
        pytest.param(version_3(sequential(layer("StringLookup", "look")), {}), id="a vocabulary in the assets"),
        pytest.param(Facts(Container.OPAQUE, "x"), id="no model"),
        pytest.param(Facts(Container.ONNX, "x"), id="a graph that is not read"),
    ],
)
def test_what_is_not_wholly_known_has_no_digest(facts: Facts) -> None:
    """Claim: no digest is better than one that leaves something out."""
    assert semantic_digest(facts) is None


def test_weights_alone_have_a_digest_of_their_own() -> None:
    """Claim: a weights-only file is told by its tensors, and is never the same as a model."""
    weights = replace(TWO_LEGACY, container=Container.KERAS_HDF5_WEIGHTS, config=None)
    other = replace(weights, tensors=(replace(weights.tensors[0], digest="other"), *weights.tensors[1:]))
    digests = {semantic_digest(weights), semantic_digest(other), semantic_digest(TWO_LEGACY)}
    assert len(digests) == 3
    assert None not in digests
