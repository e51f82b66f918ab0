"""Hints: what an input takes, read from the configuration that Keras wrote."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.replay import Hint, hints_of


def layer(class_name: str, name: str, sources: list[str] | None = None, /, **config: Any) -> dict[str, Any]:
    """A layer of a functional model of Keras 2; without ``sources`` one of a sequential model."""
    value: dict[str, Any] = {"class_name": class_name, "config": {"name": name, **config}}
    if sources is not None:
        value |= {"name": name, "inbound_nodes": [[[source, 0, 0, {}] for source in sources]] if sources else []}
    return value


def functional(*layers: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Functional", "config": {"name": "model", "layers": list(layers)}}


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": "model", "layers": list(layers)}}


EMBEDDING: dict[str, Any] = {"input_dim": 50, "output_dim": 4}


def test_a_sequential_model_that_starts_with_a_table() -> None:
    """Claim: the first layer that looks at values tells, behind those that hand them on."""
    start = (layer("InputLayer", "i"), layer("Masking", "m"))
    assert hints_of(sequential(*start, layer("Embedding", "e", **EMBEDDING), layer("Dense", "d"))) == {"": Hint(50)}
    assert hints_of(sequential(*start, layer("Dense", "d"), layer("Embedding", "e", **EMBEDDING))) == {}


def test_a_sequential_model_of_keras_1_is_a_plain_list() -> None:
    """Claim: a list of layers as the configuration itself is read too."""
    assert hints_of({"class_name": "Sequential", "config": [layer("Embedding", "e", **EMBEDDING)]}) == {"": Hint(50)}


def test_each_input_gets_the_tightest_of_its_tables() -> None:
    """Claim: by name, through layers that keep values, and the smallest table wins."""
    model = functional(
        layer("InputLayer", "ids", []),
        layer("InputLayer", "more", []),
        layer("InputLayer", "plain", []),
        layer("Reshape", "r", ["ids"]),
        layer("Embedding", "e1", ["r"], input_dim=50),
        layer("Embedding", "e2", ["ids"], input_dim=20),
        layer("Embedding", "e3", ["more"], input_dim=70),
        layer("Dense", "d", ["plain"]),
    )
    assert hints_of(model) == {"ids": Hint(20), "more": Hint(70)}


def test_keras_3_s_way_of_saying_where_a_tensor_comes_from() -> None:
    """Claim: ``keras_history`` inside ``__keras_tensor__`` names the source as Keras 2's lists do; one input is also ``""``."""
    tensor = {"class_name": "__keras_tensor__", "config": {"shape": [None, 5], "keras_history": ["ids", 0, 0]}}
    table = layer("Embedding", "e", [], **EMBEDDING) | {"inbound_nodes": [{"args": [tensor], "kwargs": {}}]}
    assert hints_of(functional(layer("InputLayer", "ids", []), table)) == {"ids": Hint(50), "": Hint(50)}


def test_a_table_inside_a_nested_model() -> None:
    """Claim: a model as a layer is looked into."""
    inner = sequential(layer("Embedding", "e", **EMBEDDING))
    inner |= {"name": "inner", "inbound_nodes": [[["ids", 0, 0, {}]]]}
    assert hints_of(functional(layer("InputLayer", "ids", []), inner)) == {"ids": Hint(50), "": Hint(50)}
    assert hints_of(sequential(inner)) == {"": Hint(50)}


def test_words_of_a_stored_vocabulary() -> None:
    """Claim: a lookup's own words are drawn; a vocabulary that is a path tells nothing."""
    assert hints_of(sequential(layer("StringLookup", "s", vocabulary=["yes", "no"]))) == {"": Hint(words=("yes", "no"))}
    assert hints_of(sequential(layer("StringLookup", "s", vocabulary="words.txt"))) == {}


@pytest.mark.parametrize("size", [0, -1, 2**40, "50", None, 1.5, True])
def test_a_size_that_is_none_is_no_hint(size: Any) -> None:
    """Claim: nothing is drawn by a number that no table can have."""
    assert hints_of(sequential(layer("Embedding", "e", input_dim=size))) == {}


def test_models_within_models_end() -> None:
    """Claim: nesting has a bound."""
    model = sequential(layer("Embedding", "e", **EMBEDDING))
    for _ in range(100):
        model = sequential(model)
    assert hints_of(model) == {}


WORDS = st.sampled_from(
    ["class_name", "config", "layers", "name", "inbound_nodes", "Embedding", "input_dim", "InputLayer"]
)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-1, 9) | WORDS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5),
        max_leaves=30,
    )
)
def test_any_json_is_survived(value: Any) -> None:
    """Claim: no configuration, however odd, raises."""
    hints_of(json.loads(json.dumps(value)))
