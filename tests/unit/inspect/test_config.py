"""Keras configurations: layers at any nesting, custom objects by role, stored functions wherever they stand."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.facts import CustomObject, DefectKind, HazardKind, LambdaCode
from modelreg.inspect import limits
from modelreg.inspect.config import ConfigFacts, common_pythons, read_model_config, read_training_config

# ``lambda x: x`` of Python 3.8, as Keras stores it.
CODE_38 = "4wEAAAAAAAAAAAAAAAEAAAABAAAAQwAAAHMEAAAAfABTACkBTqkAKQHaAXhyAQAAAHIBAAAAcgIA\nAADaCDxsYW1iZGE+AQAAAPMAAAAA\n"


def model(value: object) -> ConfigFacts:
    return read_model_config(json.dumps(value).encode(), file="m")


def sequential(*layers: object) -> ConfigFacts:
    return model({"class_name": "Sequential", "config": {"name": "s", "layers": list(layers)}})


def layer(class_name: str, name: str = "a", **config: object) -> dict[str, object]:
    return {"class_name": class_name, "config": {"name": name, "trainable": True, **config}}


def version_3(class_name: str, module: str | None, registered_name: str | None = None, **config: object) -> object:
    return {"module": module, "class_name": class_name, "config": config, "registered_name": registered_name}


LAMBDA = layer("Lambda", "lam", function=[CODE_38, None, None], function_type="lambda")


def test_the_stored_function_of_the_examples_is_python_3_8s() -> None:
    """Both interpreters with this format are named."""
    (code,) = sequential(LAMBDA).lambdas
    assert (code.layer, code.path, code.pythons, code.source) == ("lam", "s/lam", ("3.8", "3.9"), "lambda x: x")


@pytest.mark.parametrize(
    ("outer", "path"),
    [
        pytest.param(layer("TimeDistributed", "td", layer=LAMBDA), "s/td/lam", id="in a wrapper"),
        pytest.param(
            layer("Bidirectional", "bi", layer=layer("RNN", "fw"), backward_layer=LAMBDA), "s/bi/lam", id="backwards"
        ),
        pytest.param(
            layer("RNN", "rnn", cell=layer("StackedRNNCells", "st", cells=[LAMBDA])), "s/rnn/st/lam", id="among cells"
        ),
        pytest.param(
            layer("Model", "inner", layers=[layer("Model", "deep", layers=[LAMBDA])]),
            "s/inner/deep/lam",
            id="in nested models",
        ),
        pytest.param(
            layer("Mine", "mine", anything={"at": [{"all": LAMBDA}]}), "s/mine/lam", id="in a custom layer's argument"
        ),
    ],
)
def test_a_lambda_is_found_at_any_nesting(outer: dict[str, object], path: str) -> None:
    """Its path joins the names from the model's root."""
    facts = sequential(outer)
    assert [(code.path, code.pythons) for code in facts.lambdas] == [(path, ("3.8", "3.9"))]
    assert path in [found.path for found in facts.layers]


@pytest.mark.parametrize(
    "holder",
    [
        pytest.param(layer("Lambda", "x", function=[CODE_38, [1.0], None], function_type="lambda"), id="Keras 2"),
        pytest.param(layer("Lambda", "x", function=CODE_38, function_type="lambda"), id="Keras 0.3, text alone"),
        pytest.param(layer("Lambda", "x", function="f", function_type="function", output_shape=[CODE_38, None, None], output_shape_type="lambda"), id="an output shape"),
        pytest.param(layer("Lambda", "x", mask=[CODE_38, None, None], mask_type="lambda"), id="a mask"),
        pytest.param(layer("Merge", "x", mode=[CODE_38, None, None], mode_type="lambda"), id="Keras 1's Merge"),
        pytest.param(layer("Lambda", "x", function={"class_name": "__lambda__", "config": {"code": CODE_38, "defaults": None, "closure": None}}), id="Keras 3"),
        pytest.param(layer("Lambda", "x", function={"class_name": "__lambda__", "config": {"value": [CODE_38, None, None]}}), id="Keras 2.12"),
        pytest.param(layer("Dense", "x", activation={"class_name": "__lambda__", "config": {"code": CODE_38, "defaults": None, "closure": None}}), id="an activation"),
        pytest.param({**layer("Dense", "x"), "inbound_nodes": [{"args": [{"class_name": "__lambda__", "config": {"code": CODE_38}}]}]}, id="an argument of a call"),
    ],
)  # fmt: skip
def test_a_stored_function_is_found_in_every_form(holder: dict[str, object]) -> None:
    """Every place from which some Keras would run it."""
    (code,) = sequential(holder).lambdas
    assert (code.layer, code.path, code.pythons) == ("x", "s/x", ("3.8", "3.9"))


def test_bytecode_that_nobody_wrote_is_a_hazard() -> None:
    """No Python is named, and the place is."""
    facts = sequential(layer("Lambda", "x", function=["AAAA", None, None], function_type="lambda"))
    assert facts.lambdas == [LambdaCode("x", "s/x", ())]
    assert [(hazard.kind, hazard.where) for hazard in facts.hazards] == [(HazardKind.UNREADABLE_BYTECODE, "s/x")]


def test_the_list_of_layers_of_an_old_sequential_is_read() -> None:
    """Up to Keras 2.2 a Sequential's configuration was a bare list, without a name of its own."""
    facts = model({"class_name": "Sequential", "config": [layer("Dense", "d"), layer("Mine", "m")]})
    assert [found.path for found in facts.layers] == ["Sequential", "Sequential/d", "Sequential/m"]
    assert facts.custom_objects == [CustomObject("Mine", "layer", "Sequential/m")]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        pytest.param(layer("Mine"), CustomObject("Mine", "layer", "s/a"), id="a layer"),
        pytest.param(layer("pkg>Mine"), CustomObject("Mine", "layer", "s/a", None, "pkg>Mine"), id="a registered layer"),
        pytest.param(layer("Dense", activation="mine"), CustomObject("mine", "activation", "s/a"), id="an activation"),
        pytest.param(layer("LSTM", recurrent_activation="mine"), CustomObject("mine", "activation", "s/a"), id="an inner activation"),
        pytest.param(layer("Dense", kernel_initializer={"class_name": "Mine", "config": {}}), CustomObject("Mine", "initializer", "s/a"), id="an initializer"),
        pytest.param(layer("Dense", init="mine"), CustomObject("mine", "initializer", "s/a"), id="Keras 1's initializer"),
        pytest.param(layer("Dense", bias_regularizer="mine"), CustomObject("mine", "regularizer", "s/a"), id="a regularizer"),
        pytest.param(layer("Dense", kernel_constraint={"class_name": "Mine", "config": {}}), CustomObject("Mine", "constraint", "s/a"), id="a constraint"),
        pytest.param(layer("Lambda", function="mine", function_type="function", module="pkg.code"), CustomObject("mine", "object", "s/a", "pkg.code"), id="a Lambda's function by name"),
        pytest.param(version_3("Mine", "pkg.layers", "pkg>Mine", name="a", trainable=True), CustomObject("Mine", "layer", "s/a", "pkg.layers", "pkg>Mine"), id="a registered layer of version 3"),
        pytest.param(version_3("Mine", None, "Mine", name="a"), CustomObject("Mine", "layer", "s/a", None, "Mine"), id="a layer of version 3"),
        pytest.param(layer("Dense", activation={"module": "builtins", "class_name": "function", "config": "mine", "registered_name": "function"}), CustomObject("mine", "activation", "s/a"), id="a function of version 3"),
        pytest.param(layer("Dense", activation={"module": "builtins", "class_name": "function", "config": "mine", "registered_name": "pkg>mine"}), CustomObject("mine", "activation", "s/a", None, "pkg>mine"), id="a registered function"),
    ],
)  # fmt: skip
def test_a_custom_object_is_told_with_its_role(part: dict[str, object], expected: CustomObject) -> None:
    """Everything that Keras does not have and the loader must provide."""
    assert sequential(part).custom_objects == [expected]


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(layer("Dense", activation="relu", kernel_initializer={"class_name": "GlorotUniform", "config": {}}), id="Keras 2"),
        pytest.param(layer("Dense", activation="linear", init="glorot_uniform"), id="Keras 1"),
        pytest.param(version_3("Dense", "keras.layers", name="a", dtype=version_3("DTypePolicy", "keras", name="float32")), id="Keras 3"),
        pytest.param(layer("Dense", activation={"class_name": "LeakyReLU", "config": {"alpha": 0.1}}), id="a layer as activation"),
        pytest.param(layer("Dense", dtype={"class_name": "Policy", "config": {"name": "mixed_float16"}}), id="a policy"),
        pytest.param(layer("Reshape", target_shape={"class_name": "__tuple__", "items": [2, 3]}), id="a tuple"),
        pytest.param(layer("Dense", build_shape={"class_name": "TensorShape", "items": [None, 3]}), id="a shape"),
        pytest.param(layer("Dense", activation={"module": "builtins", "class_name": "function", "config": "relu", "registered_name": "function"}), id="a function of Keras by name"),
    ],
)  # fmt: skip
def test_what_keras_has_is_not_custom(part: dict[str, object]) -> None:
    """Built-in objects of any release, in both dialects."""
    assert sequential(part).custom_objects == []


def test_training_objects_are_told_apart() -> None:
    """Loss, metric and optimizer can be left out by loading without compiling."""
    facts = read_training_config(
        json.dumps(
            {
                "loss": {"out": "my_loss", "other": "mse"},
                "metrics": [
                    ["accuracy", {"class_name": "MeanMetricWrapper", "config": {"name": "m", "fn": "my_metric"}}]
                ],
                "optimizer_config": {"class_name": "MyAdam", "config": {"learning_rate": 0.1, "name": "x"}},
                "loss_weights": {"out": 1.0},
            }
        ).encode(),
        file="m",
    )
    assert [(found.role, found.class_name) for found in facts.custom_objects] == [
        ("loss", "my_loss"),
        ("metric", "my_metric"),
        ("optimizer", "MyAdam"),
    ]
    assert all(found.needed_for_training_only for found in facts.custom_objects)
    assert facts.has_training_config


def test_keras_own_optimizer_of_tensorflow_2_13_is_not_custom() -> None:
    """TensorFlow 2.11 to 2.13 wrote it as ``Custom>Adam``."""
    data = json.dumps({"optimizer_config": {"class_name": "Custom>Adam", "config": {}}}).encode()
    assert read_training_config(data, file="m").custom_objects == []


def test_a_compile_config_is_read_and_told() -> None:
    """Version 3 keeps the training configuration inside the model's."""
    value = version_3("Sequential", "keras", name="s", layers=[])
    assert isinstance(value, dict)
    facts = model({**value, "compile_config": {"loss": "my_loss", "optimizer": "adam"}})
    assert facts.has_training_config
    assert [(found.role, found.class_name) for found in facts.custom_objects] == [("loss", "my_loss")]
    assert not model({**value, "compile_config": {}}).has_training_config


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="half an object"),
        pytest.param(b"\xff\xfe\xfd", id="no text"),
        pytest.param(b"[1, 2]", id="an array"),
        pytest.param(b'{"config": {}}', id="no class name"),
    ],
)
def test_a_damaged_configuration_is_a_defect(data: bytes) -> None:
    """Never an exception."""
    assert [defect.kind for defect in read_model_config(data, file="m").defects] == [DefectKind.DAMAGED_CONFIG]


def test_a_repeated_key_is_a_defect_and_the_last_one_counts() -> None:
    """Keras takes the last one, and so do the facts."""
    facts = read_model_config(b'{"class_name": "Model", "config": {"name": "a", "name": "b"}}', file="m")
    assert [defect.kind for defect in facts.defects] == [DefectKind.DAMAGED_CONFIG]
    assert [found.name for found in facts.layers] == ["b"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-32-be"])
def test_every_encoding_that_json_takes_from_bytes_is_read(encoding: str) -> None:
    """``json.loads`` of bytes accepts them, so a Lambda written so would be run."""
    data = json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": [LAMBDA]}}).encode(encoding)
    assert [code.layer for code in read_model_config(data, file="m").lambdas] == ["lam"]


def test_escapes_hide_nothing() -> None:
    """JSON's own escapes spell the same class name."""
    data = json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": [LAMBDA]}})
    escaped = data.replace("Lambda", "\\u004cambda").encode()
    assert [found.class_name for found in read_model_config(escaped, file="m").layers] == ["Sequential", "Lambda"]


@pytest.mark.parametrize("depth", [150, 5_000, 200_000])
def test_deep_nesting_is_told_and_not_fatal(depth: int) -> None:
    """Beyond the bound nothing is read, and that is said."""
    data = b'{"class_name": "Model", "config": {"name": "m", "x": ' + b"[" * 2 * depth + b"]" * 2 * depth + b"}}"
    assert [hazard.kind for hazard in read_model_config(data, file="m").hazards] == [HazardKind.TOO_MUCH]


@pytest.mark.slow
def test_more_layers_than_are_listed_are_told() -> None:
    """The list stops at its bound, once."""
    facts = model(
        {"class_name": "Sequential", "config": [layer("Dense", str(i)) for i in range(limits.LAYERS_MAX + 5)]}
    )
    assert len(facts.layers) == limits.LAYERS_MAX
    assert [hazard.kind for hazard in facts.hazards] == [HazardKind.TOO_MUCH]


def test_names_that_are_no_unicode_become_fit_for_facts() -> None:
    """A lone surrogate has no place in a canonical document."""
    assert [found.name for found in sequential(layer("Dense", "\ud800x")).layers] == ["s", "?x"]


def test_the_common_pythons_are_those_of_every_readable_lambda() -> None:
    """Unreadable ones say nothing."""
    codes = [LambdaCode("a", "a", ("3.8", "3.9")), LambdaCode("b", "b", ()), LambdaCode("c", "c", ("3.9", "3.10"))]
    assert common_pythons(codes) == ("3.9",)
    assert common_pythons([]) == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(CODE_38),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["class_name", "config", "name", "layers", "layer", "function", "function_type", "activation",
                         "loss", "compile_config", "module", "registered_name", "inbound_nodes", "items", "value"]),
        inner | st.sampled_from(["Lambda", "Dense", "function", "__lambda__", "__tuple__", "lambda", "pkg>Mine", ""]),
        max_size=6,
    ),
    max_leaves=40,
)  # fmt: skip


@given(JSON)
def test_any_json_gives_facts(value: object) -> None:
    """Whatever stands where, nothing is raised."""
    data = json.dumps(value).encode()
    assert isinstance(read_model_config(data, file="m"), ConfigFacts)
    assert isinstance(read_training_config(data, file="m"), ConfigFacts)


@given(st.binary(max_size=200))
def test_any_bytes_give_facts(data: bytes) -> None:
    """The same for what is no JSON at all."""
    assert isinstance(read_model_config(data, file="m"), ConfigFacts)
