"""The comparison of two models by what is known of them: matching, what changed, and what that makes of the two."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from modelreg.comparison import (
    Change,
    LayerChange,
    ModelDifference,
    Relation,
    Side,
    Subject,
    compare,
    match_tensors,
)
from modelreg.configuration import configuration_text
from modelreg.environment import Difference, Environment
from modelreg.facts import (
    Container,
    CustomObject,
    Defect,
    DefectKind,
    Distance,
    Facts,
    Hazard,
    HazardKind,
    LambdaCode,
    Tensor,
    WeightGroup,
)
from modelreg.semantic import semantic_digest

CONFIG: dict[str, Any] = {
    "class_name": "Sequential",
    "config": {
        "name": "model",
        "layers": [
            {"class_name": "Dense", "config": {"name": "a", "units": 2, "kernel_initializer": {"class_name": "Zeros", "config": {"seed": 1}}}},
            {"class_name": "Dense", "config": {"name": "b", "units": 2}},
        ],
    },
}  # fmt: skip
LEGACY = {"a": {"a/kernel:0": "k1", "a/bias:0": "b1"}, "b": {"b/kernel:0": "k2", "b/bias:0": "b2"}}
VERSION_3 = {
    "layers/dense/vars/0": "k1",
    "layers/dense/vars/1": "b1",
    "layers/dense_1/vars/0": "k2",
    "layers/dense_1/vars/1": "b2",
}


def facts(
    tensors: Mapping[str, str | None],
    *,
    config: dict[str, Any] | None = None,
    container: Container = Container.KERAS_ZIP,
    **others: Any,
) -> Facts:
    return Facts(
        container,
        "m",
        tensors=tuple(Tensor(path, (2,), "float32", "m", digest=value) for path, value in tensors.items()),
        config=configuration_text(CONFIG if config is None else config),
        **others,
    )


def legacy(groups: Mapping[str, Mapping[str, str]], **others: Any) -> Facts:
    tensors: dict[str, str | None] = {
        f"model_weights/{group}/{name}": value for group, weights in groups.items() for name, value in weights.items()
    }
    listed = tuple(WeightGroup(group, tuple(weights)) for group, weights in groups.items())
    return facts(tensors, container=Container.KERAS_HDF5, weight_groups=listed, **others)


def subject(found: Facts, name: str = "m", **others: Any) -> Subject:
    side = Side(name, "version", 1, 1, found.container.value, semantic_digest=semantic_digest(found))
    given: dict[str, Any] = {"contents": {"m": name}, "writer": Environment(), "push": Environment()} | others
    return Subject(side, found, **given)


def compared(left: Facts, right: Facts) -> ModelDifference:
    return compare(subject(left, "left"), subject(right, "right"))


def edited(layer: int, **arguments: Any) -> dict[str, Any]:
    config = copy.deepcopy(CONFIG)
    config["config"]["layers"][layer]["config"].update(arguments)
    return config


# What the two are


def test_equal_contents_are_the_same_bytes() -> None:
    """Claim: one file is the same under another name; of a folder the names count."""
    found = facts(VERSION_3)
    one = subject(found, contents={"a.h5": "1"})
    folder = subject(found, contents={"a": "1", "b": "2"})
    assert compare(one, subject(found, contents={"b.h5": "1"})).relation is Relation.SAME_BYTES
    assert compare(folder, subject(found, contents={"a": "1", "b": "2"})).relation is Relation.SAME_BYTES
    assert compare(folder, subject(found, contents={"a": "1", "c": "2"})).relation is Relation.SAME_MODEL


def test_one_model_in_two_containers_is_the_same_model() -> None:
    """Claim: nothing but the container differs, and every weight has found its partner."""
    difference = compared(legacy(LEGACY), facts(VERSION_3))
    assert (difference.relation, difference.is_same) == (Relation.SAME_MODEL, True)
    assert (difference.tensors, difference.layers, difference.model) == ((), (), ())
    assert (difference.tensors_alike, difference.layers_alike) == (4, 2)
    assert difference.facts == (Difference("container", "keras-hdf5", "keras-zip"),)


def test_without_digests_and_differences_it_stays_undecided() -> None:
    """Claim: values that nobody has read are never called the same."""
    unread = facts(dict.fromkeys(VERSION_3))
    difference = compared(unread, facts(VERSION_3))
    assert (difference.relation, difference.is_same) == (Relation.UNDECIDED, False)
    assert (difference.tensors_alike, difference.tensors_unknown) == (0, 4)
    assert any("not known" in note for note in difference.notes)


def test_a_difference_is_one_without_digests_too() -> None:
    """Claim: another shape or another argument needs no values."""
    unread = facts(dict.fromkeys(VERSION_3))
    first, *others = unread.tensors
    assert (
        compared(unread, replace(unread, tensors=(replace(first, shape=(3,)), *others))).relation is Relation.DIFFERENT
    )
    assert (
        compared(unread, replace(unread, config=configuration_text(edited(0, units=3)))).relation is Relation.DIFFERENT
    )


def test_state_of_the_training_makes_no_other_model() -> None:
    """Claim: an optimizer that went on is told, apart from the weights, and the model is the same."""
    left, right = facts(VERSION_3 | {"optimizer/vars/0": "1"}), facts(VERSION_3 | {"optimizer/vars/0": "2"})
    difference = compared(left, right)
    assert difference.relation is Relation.SAME_MODEL
    (change,) = difference.tensors
    assert (change.is_state, change.change) == (True, Change.CHANGED)
    assert difference.tensors_alike == 4
    damaged = (Defect(DefectKind.DAMAGED_ZIP, "m", "cut"),)
    undecided = compared(replace(left, defects=damaged), replace(right, defects=damaged))
    assert undecided.relation is Relation.UNDECIDED


# Tensors


def test_a_changed_weight_is_found_across_containers() -> None:
    """Claim: the partner of a legacy weight is the version 3 variable of the same layer and position."""
    difference = compared(legacy(LEGACY), facts(VERSION_3 | {"layers/dense_1/vars/0": "new"}))
    (change,) = difference.tensors
    assert change.left is not None
    assert change.right is not None
    assert (change.left.path, change.right.path) == ("model_weights/b/b/kernel:0", "layers/dense_1/vars/0")
    assert (change.layer, change.change, difference.relation) == ("b", Change.CHANGED, Relation.DIFFERENT)


def test_changed_weights_of_one_shape_keep_their_partners() -> None:
    """Claim: position decides, not the order of the datasets in the file, which is that of their names."""
    left = legacy(LEGACY)
    left = replace(left, tensors=tuple(sorted(left.tensors, key=lambda tensor: tensor.path)))
    right = facts({path: f"new {value}" for path, value in VERSION_3.items()})
    partners = {(pair.left.path, pair.right.path) for pair in match_tensors(left, right).measurable}
    assert partners == {
        ("model_weights/a/a/kernel:0", "layers/dense/vars/0"),
        ("model_weights/a/a/bias:0", "layers/dense/vars/1"),
        ("model_weights/b/b/kernel:0", "layers/dense_1/vars/0"),
        ("model_weights/b/b/bias:0", "layers/dense_1/vars/1"),
    }


def test_tensors_that_came_and_went_are_told() -> None:
    """Claim: what has no partner is added or removed, with its layer where that is known."""
    right = dict(VERSION_3) | {"layers/dense/vars/2": "new"}
    del right["layers/dense_1/vars/1"]
    told = {(change.change, change.layer) for change in compared(facts(VERSION_3), facts(right)).tensors}
    assert told == {(Change.ADDED, "a"), (Change.REMOVED, "b")}


def test_weights_of_a_renamed_layer_are_matched() -> None:
    """Claim: a layer's new name does not make its weights new ones."""
    renamed = {"a": LEGACY["a"], "c": {"c/kernel:0": "k2", "c/bias:0": "b2"}}
    difference = compared(legacy(LEGACY), legacy(renamed, config=edited(1, name="c")))
    assert (difference.tensors, difference.tensors_alike) == ((), 4)
    assert difference.layers == (LayerChange(Change.RENAMED, "b", "Dense", "Dense", renamed_to="c"),)
    assert difference.relation is Relation.DIFFERENT


def test_only_pairs_of_one_shape_are_measured() -> None:
    """Claim: a distance is asked for where values differ and shape and type do not, and lands on its tensor."""
    left = facts(VERSION_3)
    first, *others = left.tensors
    other_shape, changed = replace(first, shape=(3,)), replace(others[0], digest="new")
    right = replace(left, tensors=(other_shape, changed, *others[1:]))
    matching = match_tensors(left, right)
    assert [pair.left.path for pair in matching.measurable] == ["layers/dense/vars/1"]
    distance = Distance("0.5", (1,), "0", "0.5", 1, 2)
    difference = compare(
        subject(left, "a"), subject(right, "b"), matching=matching, distances={others[0].path: distance}
    )
    assert [change.distance for change in difference.tensors] == [None, distance]


def test_every_tensor_is_told_exactly_once() -> None:
    """Claim: pairs and leftovers together are both sides' tensors, whatever their names."""
    left = legacy(LEGACY | {"x": {"x/w:0": "1"}})
    right = facts(VERSION_3 | {"layers/other/vars/0": "1", "optimizer/vars/0": "2", "d/vars/0": "3"})
    matching = match_tensors(left, right)
    ours = [pair.left.path for pair in matching.pairs] + [tensor.path for tensor in matching.removed]
    theirs = [pair.right.path for pair in matching.pairs] + [tensor.path for tensor in matching.added]
    assert sorted(ours) == sorted(tensor.path for tensor in left.tensors)
    assert sorted([*theirs, "optimizer/vars/0"]) == sorted(tensor.path for tensor in right.tensors)
    assert matching.state_left_out == (0, 1)


# Layers and fields


def test_arguments_are_compared_one_by_one() -> None:
    """Claim: an argument within an object is named, with its old and its new value as JSON."""
    config = edited(0, units=3, kernel_initializer={"class_name": "Zeros", "config": {"seed": 2}}, new=None)
    (change,) = compared(facts(VERSION_3), facts(VERSION_3, config=config)).layers
    assert (change.change, change.path, change.left_class) == (Change.CHANGED, "a", "Dense")
    assert change.arguments == (
        Difference("kernel_initializer.config.seed", "1", "2"),
        Difference("units", "2", "3"),
        Difference("new", None, "null"),
    )


def test_layers_that_came_and_went_are_told() -> None:
    """Claim: a layer of another class under another name is no renamed one."""
    config = copy.deepcopy(CONFIG)
    config["config"]["layers"][1] = {"class_name": "Dropout", "config": {"name": "drop", "rate": 0.5}}
    changes = compared(facts(VERSION_3), facts(VERSION_3, config=config)).layers
    assert changes == (
        LayerChange(Change.REMOVED, "b", left_class="Dense"),
        LayerChange(Change.ADDED, "drop", right_class="Dropout"),
    )


def test_the_order_of_layers_is_a_difference() -> None:
    """Claim: the same layers in another order are another model, and the difference says where."""
    config = copy.deepcopy(CONFIG)
    config["config"]["layers"].reverse()
    difference = compared(legacy(LEGACY), legacy(LEGACY, config=config))
    assert difference.relation is Relation.DIFFERENT
    assert difference.model == (Difference("layer order", '["a","b"]', '["b","a"]'),)


def test_training_configurations_are_compared() -> None:
    """Claim: the loss and the learning rate are told; of two dialects only what both write in one way."""
    old = configuration_text({"loss": "mse", "optimizer_config": {"class_name": "Adam", "config": {"lr": 0.1}}})
    new = configuration_text({"loss": "mae", "optimizer_config": {"class_name": "Adam", "config": {"lr": 0.2}}})
    difference = compared(legacy(LEGACY, training_config=old), legacy(LEGACY, training_config=new))
    assert difference.training == (
        Difference("loss", '"mse"', '"mae"'),
        Difference("optimizer.config.lr", "0.1", "0.2"),
    )
    compiled = CONFIG | {"compile_config": {"loss": "mse", "optimizer": "adam", "jit_compile": True}}
    across = compared(legacy(LEGACY, training_config=old), facts(VERSION_3, config=compiled))
    assert across.training == ()
    assert across.relation is Relation.SAME_MODEL


def test_facts_are_compared() -> None:
    """Claim: custom objects, hazards and bytecode that came, went or changed are told."""
    left = facts(
        VERSION_3,
        custom_objects=(CustomObject("Scale", "layer", "a", module="pkg"),),
        lambdas=(LambdaCode("f", "m/f", ("3.8",), source="lambda x: x"),),
    )
    right = facts(
        VERSION_3,
        lambdas=(LambdaCode("f", "m/f", ("3.8",), source="lambda x: x + 1"),),
        hazards=(Hazard(HazardKind.SOFT_LINK, "w", "points to '/x'"),),
    )
    assert compared(left, right).facts == (
        Difference("custom object Scale", "layer (pkg)", None),
        Difference("bytecode in m/f", "Python 3.8: lambda x: x", "Python 3.8: lambda x: x + 1"),
        Difference("hazard soft-link at w", None, "points to '/x'"),
    )


def test_environments_and_metadata_are_compared() -> None:
    """Claim: the push environment is told in whole, the writer only where both files tell it."""
    found = facts(VERSION_3)
    left = subject(
        found,
        writer=Environment(python="3.8", keras_backend="jax"),
        push=Environment(system="Linux"),
        metadata={"a": "1"},
    )
    right = subject(found, writer=Environment(python="3.9"), push=Environment(system="Darwin"), metadata={"b": "2"})
    difference = compare(left, right)
    assert difference.writer == (Difference("python", "3.8", "3.9"),)
    assert difference.environment == (Difference("system", "Linux", "Darwin"),)
    assert difference.metadata == (Difference("a", "1", None), Difference("b", None, "2"))


def test_what_was_not_compared_is_said() -> None:
    """Claim: a missing environment and a missing configuration are notes, not silence."""
    bare = Facts(Container.TFLITE, "m")
    notes = compare(subject(bare, "fraud:1", push=None), subject(facts(VERSION_3), "fraud:2")).notes
    assert any("layers were not compared: fraud:1" in note for note in notes)
    assert any("environments were not compared" in note and "fraud:1" in note for note in notes)


def test_a_difference_is_plain_json() -> None:
    """Claim: the JSON form holds no floats and nothing that JSON cannot write."""
    difference = compared(legacy(LEGACY), facts(VERSION_3 | {"layers/dense/vars/0": "new"}))
    value = difference.to_json()
    assert json.loads(json.dumps(value)) == value
    assert value["relation"] == "different"


@pytest.mark.parametrize("container", list(Container))
def test_a_model_differs_in_nothing_from_itself(container: Container) -> None:
    """Claim: for every container, comparing with itself finds nothing and matches everything."""
    found = facts(VERSION_3, container=container)
    difference = compared(found, found)
    assert (difference.tensors, difference.layers, difference.facts, difference.training) == ((), (), (), ())
    assert difference.tensors_alike == 4
