"""One architecture in two dialects, and configurations that mean harm."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.configuration import configuration_text
from modelreg.errors import DocumentError
from modelreg.facts import Container, Facts, Tensor, WeightGroup
from modelreg.semantic import places_of, semantic_digest
from modelreg.semantic.architecture import PATH_LENGTH_MAX, layer_arguments, normal_model


def layer(class_name: str, name: str, **arguments: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": name, "trainable": True, "dtype": "float32", **arguments}}


def sequential(*layers: dict[str, Any], name: str = "sequential") -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": name, "layers": list(layers)}}


NESTED = sequential(sequential(layer("Dense", "x"), layer("Dense", "y"), name="inner"), layer("Dense", "z"))

# Dialects

KERAS_2: dict[str, Any] = {
    "class_name": "Functional",
    "config": {
        "name": "model",
        "layers": [
            {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 6], "name": "in", "sparse": False}},
            {
                "class_name": "Dense",
                "config": {"name": "d", "units": 1.0, "dtype": "float32", "activity_regularizer": None},
                "inbound_nodes": [[["in", 0, 0, {}]]],
            },
            {
                "class_name": "Add",
                "config": {"name": "add"},
                "inbound_nodes": [[["d", 0, 0, {}], ["d", 0, 0, {}]]],
            },
        ],
        "input_layers": [["in", 0, 0]],
        "output_layers": [["add", 0, 0]],
    },
}


def tensor(name: str) -> dict[str, Any]:
    history = {"keras_history": [name, 0, 0], "shape": [None, 6], "dtype": "float32"}
    return {"class_name": "__keras_tensor__", "config": history}


KERAS_3: dict[str, Any] = {
    "module": "keras.src.models.functional",
    "class_name": "Functional",
    "registered_name": "Functional",
    "build_config": {"input_shape": None},
    "config": {
        "name": "functional_7",
        "trainable": True,
        "layers": [
            {
                "module": "keras.layers",
                "class_name": "InputLayer",
                "config": {"batch_shape": {"class_name": "__tuple__", "items": [None, 6]}, "name": "in"},
            },
            {
                "module": "keras.layers",
                "class_name": "Dense",
                "registered_name": None,
                "name": "d",
                "config": {
                    "name": "d",
                    "units": 1,
                    "quantization_config": None,
                    "dtype": {
                        "module": "keras",
                        "class_name": "DTypePolicy",
                        "config": {"name": "float32"},
                        "shared_object_id": 139738549359168,
                    },
                },
                "inbound_nodes": [{"args": [tensor("in")], "kwargs": {"mask": None}}],
            },
            {
                "class_name": "Add",
                "config": {"name": "add"},
                "inbound_nodes": [{"args": [[tensor("d"), tensor("d")]], "kwargs": {}}],
            },
        ],
        "input_layers": ["in", 0, 0],
        "output_layers": [["add", 0, 0]],
    },
}


def test_both_dialects_of_one_architecture_are_one() -> None:
    """Claim: what Keras 2 and Keras 3 spell differently (connections, shapes, types, modules) is the same."""
    assert normal_model(KERAS_2) == normal_model(KERAS_3)


@pytest.mark.parametrize(
    "node",
    [
        [[["d", 0, 0, {}]]],
        [[["d", 0, 0, {}], ["in", 0, 0, {}]]],
        [[["d", 1, 0, {}], ["d", 0, 0, {}]]],
        [[["d", 0, 0, {"training": True}], ["d", 0, 0, {}]]],
        [[["d", 0, 0, {"mask": ["in", 0, 0]}], ["d", 0, 0, {}]]],
    ],
)
def test_connections_count(node: list[Any]) -> None:
    """Claim: which tensors a layer is called on, in which order, and with which arguments, is architecture."""
    other = copy.deepcopy(KERAS_2)
    other["config"]["layers"][2]["inbound_nodes"] = node
    assert normal_model(other) != normal_model(KERAS_2)


def test_custom_names_are_the_same_in_both_dialects() -> None:
    """Claim: a registered class, and a function by name, read the same as legacy writes them."""
    legacy_layer = layer("pkg>Scale", "s", activation="swishy", initializer={"class_name": "Zeros", "config": {}})
    function = {"module": "builtins", "class_name": "function", "config": "swishy", "registered_name": "function"}
    zeros: dict[str, Any] = {
        "module": "keras.initializers",
        "class_name": "Zeros",
        "config": {},
        "registered_name": None,
    }
    new = layer("Scale", "s", activation=function, initializer=zeros)
    new |= {"module": "pkg.layers", "registered_name": "pkg>Scale"}
    assert normal_model(sequential(legacy_layer)) == normal_model(sequential(new))
    renamed = sequential(layer("pkg>Other", "s", activation="swishy", initializer=zeros))
    assert normal_model(renamed) != normal_model(sequential(new))


def test_layers_are_told_with_those_of_nested_models() -> None:
    """Claim: each layer stands under the names of the models around it, with its arguments as text."""
    told = {path: (name, dict(arguments)) for path, name, arguments in layer_arguments(normal_model(NESTED))}
    assert list(told) == ["inner", "inner/x", "inner/y", "z"]
    assert told["inner/x"] == ("Dense", {"dtype": '"float32"'})


# Hostile configurations

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["a", "dense"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["class_name", "config", "layers", "name", "inbound_nodes", "items", "args", "x"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)
paths = st.lists(
    st.sampled_from(
        ["layers", "dense", "dense_1", "vars", "0", "a", "model_weights", "layer_with_weights-0", "kernel"]
    ),
    min_size=1,
    max_size=6,
).map("/".join)


@given(config=json_values, names=st.lists(paths, max_size=5), container=st.sampled_from(list(Container)))
def test_any_configuration_has_a_digest_or_none(config: Any, names: list[str], container: Container) -> None:
    """Claim: whatever JSON stands for a configuration and whatever tensors are called, nothing is raised."""
    facts = Facts(
        container,
        "m",
        tensors=tuple(Tensor(name, (2,), "float32", "m", digest="d") for name in dict.fromkeys(names)),
        config=configuration_text(config),
        weight_groups=(WeightGroup("a", ("a/kernel",)), WeightGroup("top_level_model_weights", ())),
    )
    assert semantic_digest(facts) == semantic_digest(facts)
    assert len(places_of(facts)) <= len(facts.tensors)


@given(config=json_values)
def test_normalising_does_not_depend_on_the_order_of_keys(config: Any) -> None:
    """Claim: a configuration read back from sorted text normalises to the same value."""
    again = json.loads(json.dumps(config, sort_keys=True))
    assert json.dumps(normal_model(config), sort_keys=True) == json.dumps(normal_model(again), sort_keys=True)


def test_paths_of_long_names_are_bounded() -> None:
    """Claim: a name of a megabyte is not repeated for each layer below it, and no two layers become one."""
    inner = [layer("Dense", f"d{number}") for number in range(300)]
    told = list(layer_arguments(normal_model(sequential(sequential(*inner, name="x" * 1_000_000)))))
    paths = {path for path, _, _ in told}
    assert len(paths) == len(told) == 301
    assert max(map(len, paths)) <= PATH_LENGTH_MAX


def test_nesting_is_bounded() -> None:
    """Claim: a configuration nested beyond the bound is refused, not followed."""
    config: Any = {}
    for _ in range(400):
        config = {"class_name": "Wrap", "config": {"layer": config}}
    with pytest.raises(DocumentError, match="nests deeper"):
        normal_model(config)
