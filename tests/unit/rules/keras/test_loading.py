"""What a given Keras does with a given file: for each rule a configuration that has it, and its neighbour that has not."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest

from modelreg.environment.document import Environment
from modelreg.facts import Container, CustomObject, Facts, Graph, LambdaCode, Layer, Operator, Tensor, WeightGroup
from modelreg.findings import Finding, Outcome, Severity
from modelreg.rules import Policy, Purpose, Target, judge

NOTHING_PROVIDED = Policy(purpose=Purpose.DIAGNOSE, provides=frozenset())
RULES = {"MR403", "MR404", "MR405", "MR406", "MR408", "MR428", "MR429"}
RULES |= {f"MR{number}" for number in (*range(413, 420), *range(422, 428), 432)}


def environment(python: str = "3.11.7", *, legacy: bool | None = None, **distributions: str) -> Environment:
    named = {name.replace("_", "-"): version for name, version in distributions.items()}
    return Environment(python=python, distributions=named, legacy_keras=legacy, keras_backend="tensorflow")


KERAS_3 = environment(keras="3.15.1", tensorflow="2.21.0")
KERAS_33 = environment(keras="3.3.3", tensorflow="2.16.2")
KERAS_35 = environment(keras="3.5.0", tensorflow="2.17.1")
KERAS_3_CPU = environment(keras="3.15.1", tensorflow_cpu="2.21.0")
KERAS_215 = environment("3.10.13", keras="2.15.0", tensorflow="2.15.1")
KERAS_213 = environment("3.8.18", keras="2.13.1", tensorflow="2.13.1")
KERAS_28 = environment("3.9.18", keras="2.8.0", tensorflow="2.8.4")
KERAS_23 = environment("3.7.16", keras="2.3.1", tensorflow="1.15.5", h5py="2.10.0")
TF_KERAS = environment("3.13.0", legacy=True, keras="3.15.1", tensorflow="2.20.0", tf_keras="2.20.1")


def layer(
    class_name: str, name: str = "x", /, *, outside: dict[str, object] | None = None, **config: object
) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": name, "trainable": True, **config}, **(outside or {})}


def v3(class_name: str, name: str = "x", module: str | None = "keras.layers", **config: object) -> dict[str, Any]:
    return layer(class_name, name, outside={"module": module, "registered_name": None}, **config)


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": "m", "layers": list(layers)}}


INPUT = {"class_name": "InputLayer", "config": {"name": "i", "batch_input_shape": [None, 4], "dtype": "float32"}}
NEW_INPUT = {"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [None, 4], "dtype": "float32"}}
DENSE = layer("Dense", "d", units=2, activation="relu")


def h5(
    model: dict[str, Any],
    *,
    keras: str | None = "2.13.1",
    file: str = "m.h5",
    training: dict[str, Any] | None = None,
    **more: object,
) -> Facts:
    text = None if training is None else json.dumps(training)
    return Facts(
        Container.KERAS_HDF5,
        file,
        keras_version=keras,
        config=json.dumps(model),
        training_config=text,
        layers=more.pop("layers", ()) or (object(),),  # type: ignore[arg-type]
        **more,  # type: ignore[arg-type]
    )


def archive(model: dict[str, Any], *, keras: str = "2.13.1", file: str = "m.keras", **more: object) -> Facts:
    return Facts(Container.KERAS_ZIP, file, keras_version=keras, config=json.dumps(model), **more)  # type: ignore[arg-type]


def tensors(*paths: str) -> tuple[Tensor, ...]:
    return tuple(Tensor(path, (2,), "float32", "m.keras") for path in paths)


def lambda_model(python: str, module: str = "__main__", **more: object) -> Facts:
    code = LambdaCode("l", "m/l", (python,), parameters=("t",), **more)  # type: ignore[arg-type]
    stored = layer("Lambda", "l", function=["code", None, None], function_type="lambda", module=module)
    return h5(sequential(INPUT, stored), lambdas=(code,))


def called(keywords: dict[str, object]) -> dict[str, Any]:
    """A functional model whose layer ``a`` is called on the input with ``keywords``."""
    add = {**layer("Add", "a"), "name": "a", "inbound_nodes": [[["i", 0, 0, keywords]]]}
    return layer("Functional", "m", layers=[{**INPUT, "name": "i", "inbound_nodes": []}, add])


def new_call(call: object) -> dict[str, Any]:
    """A functional model whose layer is called so."""
    return layer("Functional", "m", layers=[{**DENSE, "name": "d", "inbound_nodes": [call]}])


def nested(call: int) -> dict[str, Any]:
    """A functional model with another inside, of which call number ``call`` is followed."""
    inner = {**sequential(INPUT, DENSE), "name": "inner", "inbound_nodes": [[["i", 0, 0, {}]]]}
    last = {**layer("Dense", "d", units=1), "name": "d", "inbound_nodes": [[["inner", call, 0, {}]]]}
    return layer("Functional", "m", layers=[{**INPUT, "name": "i", "inbound_nodes": []}, inner, last])


def ending_in(inner: dict[str, Any], call: int) -> dict[str, Any]:
    """A functional model whose output is call number ``call`` of a model inside."""
    part = {**inner, "name": "inner", "inbound_nodes": [[["i", 0, 0, {}]]]}
    layers = [{**INPUT, "name": "i", "inbound_nodes": []}, part]
    return layer("Functional", "m", layers=layers, output_layers=[["inner", call, 0]])


def scored(keywords: dict[str, object]) -> dict[str, Any]:
    """A functional model with an Attention that is called with ``keywords``."""
    attention = {**layer("Attention", "a", use_scale=False), "name": "a", "inbound_nodes": [[["i", 0, 0, keywords]]]}
    return layer("Functional", "m", layers=[{**INPUT, "name": "i", "inbound_nodes": []}, attention])


def operated(function: str, *arguments: object) -> dict[str, Any]:
    """A functional model with a call of TensorFlow's, on these arguments."""
    call = {**layer("TFOpLambda", "op", function=function), "name": "op", "inbound_nodes": [list(arguments)]}
    return layer("Functional", "m", layers=[{**INPUT, "name": "i", "inbound_nodes": []}, call])


def holding(model: dict[str, Any], *weights: str, keras: str = "2.13.1") -> Facts:
    """HDF5 whose last layer has these weights."""
    last = model["config"]["layers"][-1]["config"]["name"]
    return replace(h5(model, keras=keras), weight_groups=(WeightGroup(last, weights),))


TIME_DISTRIBUTED = layer("TimeDistributed", "td", layer=layer("Dense", "d", units=2))
OLD = "_layer_checkpoint_dependencies"
TWO_DENSE = sequential(INPUT, layer("Dense", "a", units=2), layer("Dense", "b", units=2))
SAVED = Facts(
    Container.SAVED_MODEL, ".", tensorflow_version="2.15.1", graph=Graph((Operator("MatMul"),), producer=1645)
)


@dataclass(frozen=True)
class Case:
    """``says`` are words of the message: the actual values."""

    rule: str
    name: str
    having: Facts
    lacking: Facts
    target: Environment = KERAS_3
    lacking_target: Environment | None = None
    outcome: Outcome | None = Outcome.LOAD_ERROR
    severity: Severity = Severity.REFUSE
    says: tuple[str, ...] = ()
    policy: Policy = NOTHING_PROVIDED


def found(facts: Facts, environment: Environment, rule: str, policy: Policy = NOTHING_PROVIDED) -> list[Finding]:
    return [each for each in judge(facts, policy, Target("there", environment), None) if each.rule == rule]


CASES = [
    Case("MR403", "Keras 3 for Keras 2", h5(sequential(NEW_INPUT, DENSE), keras="3.15.1"), h5(sequential(INPUT, DENSE), keras="3.15.1"), KERAS_215, says=("3.15.1", "2.15.0", "batch_shape")),
    Case(
        "MR404", "Keras 2 for Keras 3", h5(sequential(INPUT, DENSE)), h5(sequential(INPUT, DENSE), keras="3.0.0"),
        severity=Severity.INFO, outcome=None, says=("2.13.1", "3.15.1"),
    ),
    Case("MR405", "SavedModel for Keras 3", SAVED, h5(sequential(INPUT, DENSE)), says=("2.15.1",)),
    Case("MR405", "SavedModel for Keras 2.3", SAVED, replace(SAVED, layers=(Layer("m", "Sequential", "m"),)), KERAS_23, KERAS_215),
    Case("MR406", "HDF5 named .keras", h5(DENSE, file="m.keras"), h5(DENSE, file="m.h5"), says=("'File not found'",)),
    Case("MR406", "HDF5 without suffix", h5(DENSE, file="m"), h5(DENSE, file="m.hdf5")),
    Case("MR408", "archive for Keras 2.8", archive(DENSE), h5(DENSE), KERAS_28, says=("Keras 2.8.0",)),
    Case("MR408", "archive named .h5", archive(DENSE, file="m.h5"), archive(DENSE), KERAS_215, says=("suffix .keras",)),
    Case(
        "MR413", "a class that left", h5(sequential(INPUT, layer("ThresholdedReLU", "t", theta=1.0))),
        h5(sequential(INPUT, layer("ReLU", "t"))), says=("'t'", "ThresholdedReLU", "Keras 2"),
    ),
    Case("MR413", "a class that came later", h5(layer("Functional", "f", layers=[])), h5(layer("Model", "f", layers=[])), KERAS_23),
    Case("MR413", "an activation that came later", h5(layer("Dense", "d", units=1, activation="gelu")), h5(layer("Dense", "d", units=1, activation="selu")), KERAS_23, says=("'gelu'",)),
    Case("MR413", "an operation in HDF5", h5(layer("GetItem", "g"), keras="3.15.1"), h5(layer("Flatten", "g"), keras="3.15.1")),
    Case(
        "MR414", "an argument that left", h5(sequential(INPUT, layer("LSTM", "l", units=2, time_major=False))),
        h5(sequential(INPUT, layer("LSTM", "l", units=2, go_backwards=False))), says=("'time_major'", "False", "Keras 3.15.1", "Keras 2"),
    ),
    Case("MR414", "an argument of Keras 2", h5(layer("DepthwiseConv2D", "c", kernel_size=3, groups=1)), h5(layer("Conv2D", "c", filters=1, kernel_size=3, groups=1)), says=("'groups'", "1")),
    Case("MR414", "an argument of an initializer", h5(layer("Dense", "d", units=1, kernel_initializer={"class_name": "Zeros", "config": {"dtype": "float32"}})), h5(layer("Dense", "d", units=1, kernel_initializer={"class_name": "Zeros", "config": {}})), says=("'dtype'",)),
    Case("MR414", "an argument that is missing", h5(layer("MultiHeadAttention", "a", num_heads=1, key_dim=1), keras="2.4.0"), h5(layer("MultiHeadAttention", "a", num_heads=1, key_dim=1, query_shape=[], key_shape=[], value_shape=[]), keras="2.8.0"), KERAS_28, says=("'key_shape'",)),
    Case("MR415", "a module that moved", archive(v3("Functional", "f", "keras.src.engine.functional", layers=[])), archive(v3("Functional", "f", "keras.src.models.functional", layers=[])), says=("'keras.src.engine.functional'",)),
    Case("MR415", "a module of Keras 3 for tf-keras", archive(v3("Functional", "f", "keras.src.models.functional", layers=[])), archive(v3("Functional", "f", "keras.src.engine.functional", layers=[])), TF_KERAS, says=("'tf_keras.src.models.functional'",)),
    Case("MR416", "inside a wrapper without a module", h5(sequential(INPUT, TIME_DISTRIBUTED)), h5(sequential(INPUT, layer("TimeDistributed", "td", layer=v3("Dense", "d", units=2)))), says=("'d'", "Dense")),
    Case("MR416", "fine for Keras 2", h5(sequential(INPUT, TIME_DISTRIBUTED)), h5(sequential(INPUT, TIME_DISTRIBUTED)), lacking_target=KERAS_215),
    Case("MR417", "a global name", lambda_model("3.11", globals=("tf",)), lambda_model("3.11"), says=("'tf'",)),
    Case("MR417", "a helper function in Keras 2", lambda_model("3.10", globals=("normalise",)), lambda_model("3.10", globals=("tf",)), KERAS_215, says=("'normalise'",)),
    Case("MR417", "a backend called K", lambda_model("3.10", globals=("K",), names=("K", "square")), lambda_model("3.10", globals=("K",), names=("K", "backend", "square")), KERAS_215, says=("'K'",)),
    Case("MR417", "a module that was not imported", lambda_model("3.10", module="scales", globals=("keras",)), lambda_model("3.10", module="__main__", globals=("keras",)), KERAS_215, says=("'keras'",)),
    Case("MR418", "defaults", lambda_model("3.11", defaults=("3.0",)), lambda_model("3.11"), says=("3.0", "arg 4")),
    Case("MR418", "defaults are fine in Keras 2", lambda_model("3.11", defaults=("3.0",)), lambda_model("3.11", defaults=("3.0",)), lacking_target=KERAS_215),
    Case("MR418", "a lost closure", lambda_model("3.11", free_variables=("k",)), lambda_model("3.11", free_variables=("k",), closure=("5.0",)), says=("k",)),
    Case("MR418", "a captured layer", lambda_model("3.11", free_variables=("f",), closure=('{"class_name": "Dense"}',)), lambda_model("3.11", free_variables=("f",), closure=('"text"',)), outcome=Outcome.PREDICT_ERROR, says=("'f'",)),
    Case("MR418", "an output shape as a list", h5(layer("Lambda", "l", output_shape=[2])), h5(layer("Lambda", "l")), KERAS_33),
    Case("MR419", "no input layer", h5(sequential(layer("Dense", "d", units=1, batch_input_shape=[None, 4])), keras="2.2.4"), h5(sequential(INPUT, layer("Dense", "d", units=1))), outcome=Outcome.PREDICT_ERROR, says=("[None, 4]", "'d'")),
    Case("MR419", "one tensor as outputs", h5(layer("Functional", "f", layers=[], output_layers=["d", 0, 0]), keras="3.15.1"), h5(layer("Functional", "f", layers=[], output_layers=[["d", 0, 0]]), keras="3.3.3"), KERAS_33),
    Case("MR419", "a slash in a name", h5(sequential(INPUT, layer("Dense", "b/d", units=1))), h5(sequential(INPUT, layer("Dense", "b_d", units=1))), says=("'b/d'",)),
    Case("MR419", "a tensor by keyword", h5(called({"value": ["i", 0, 0]})), h5(called({"training": None})), says=("'value'", "'a'")),
    Case("MR419", "calls of Keras 3", h5(new_call({"args": [], "kwargs": {}}), keras="3.15.1"), h5(new_call([["i", 0, 0, {}]]), keras="3.15.1"), KERAS_215, says=("'m'", "2.15.0")),
    Case("MR419", "a nested model's second call", h5(nested(1)), h5(nested(0)), says=("'inner'", "1")),
    Case("MR419", "a convolution for GPUs", h5(layer("Conv2DTranspose", "c", filters=1, kernel_size=3, data_format="channels_first")), h5(layer("Conv2DTranspose", "c", filters=1, kernel_size=3, data_format="channels_last")), KERAS_3_CPU, outcome=Outcome.PREDICT_ERROR, says=("'c'", "GPU")),
    Case("MR419", "a nested Sequential's second call comes out", h5(ending_in(sequential(INPUT, DENSE), 1)), h5(ending_in(layer("Functional", "inner", layers=[]), 1)), says=("'inner'", "list index")),
    Case("MR419", "scores of an Attention", h5(scored({"return_attention_scores": True})), h5(scored({"training": False})), KERAS_33, says=("'a'", "scores")),
    Case("MR419", "groups for GPUs", h5(layer("Conv2D", "c", filters=2, kernel_size=3, groups=2)), h5(layer("Conv2D", "c", filters=2, kernel_size=3, groups=1)), environment("3.8.18", tensorflow_cpu="2.4.4"), outcome=Outcome.PREDICT_ERROR, says=("'c'", "2 groups")),
    Case("MR419", "nothing tells the input", holding(sequential(DENSE), "kernel", "bias", keras="2.3.1"), holding(sequential(INPUT, DENSE), "kernel", "bias", keras="2.3.1"), KERAS_215, says=("'d'", "Layer count mismatch")),
    Case("MR422", "another class of that name", holding(sequential(INPUT, DENSE), "kernel", "bias", "scale"), holding(sequential(INPUT, DENSE), "kernel", "bias"), KERAS_215, says=("'d'", "2 weights", "holds 3")),
    Case("MR422", "a layer without weights", holding(sequential(INPUT, layer("Flatten", "f", data_format="channels_last")), "w"), holding(sequential(INPUT, layer("Flatten", "f", data_format="channels_last"))), says=("0 weights", "holds 1")),
    Case("MR422", "bfloat16 in HDF5", replace(h5(DENSE), tensors=(Tensor("d/kernel", (2,), "opaque", "m.h5"),)), replace(h5(DENSE), tensors=(Tensor("d/kernel", (2,), "float16", "m.h5"),)), KERAS_215, says=("No cast function",)),
    Case("MR422", "the old root for 2.15", archive(TWO_DENSE, tensors=tensors(f"{OLD}/dense/vars/0")), archive(TWO_DENSE, tensors=tensors("layers/dense/vars/0")), KERAS_215, says=("0 variables", OLD)),
    Case("MR422", "the new root for 2.13", archive(TWO_DENSE, keras="2.15.0", tensors=tensors("layers/dense/vars/0")), archive(TWO_DENSE, tensors=tensors(f"{OLD}/dense/vars/0")), KERAS_213),
    Case("MR422", "attention of Keras 3", archive(sequential(DENSE), keras="3.15.1", tensors=tensors("layers/a/query_dense/vars/0")), archive(sequential(DENSE), keras="2.15.0", tensors=tensors("layers/a/_query_dense/vars/0")), KERAS_215, says=("'_query_dense'",)),
    Case("MR422", "counted twice", archive(TWO_DENSE, tensors=tensors(f"{OLD}/dense/vars/0", f"{OLD}/dense_2/vars/0")), archive(TWO_DENSE, keras="2.14.0", tensors=tensors(f"{OLD}/dense/vars/0", f"{OLD}/dense_1/vars/0")), says=("dense",)),
    Case("MR423", "hard_sigmoid", h5(layer("Dense", "d", units=1, activation="hard_sigmoid")), h5(layer("Dense", "d", units=1, activation="hard_sigmoid"), keras="3.0.0"), outcome=Outcome.OTHER_NUMBERS, says=("'d'", "relu6")),
    Case("MR423", "bilinear resizing of Keras 2.3", h5(layer("UpSampling2D", "u", size=[2, 2], interpolation="bilinear"), keras="2.3.1"), h5(layer("UpSampling2D", "u", size=[2, 2], interpolation="nearest"), keras="2.3.1"), KERAS_215, outcome=Outcome.OTHER_NUMBERS),
    Case("MR423", "axes that are dropped", h5(layer("Softmax", "n", axis=[1, 2]), keras="3.15.1"), h5(layer("Softmax", "n", axis=[-1]), keras="3.15.1"), outcome=Outcome.OTHER_NUMBERS, says=("[1, 2]",)),
    Case("MR423", "axes of weights that are dropped", h5(layer("LayerNormalization", "n", axis=[1, 2]), keras="3.15.1"), h5(layer("LayerNormalization", "n", axis=[-1]), keras="3.15.1"), says=("[1, 2]", "another shape")),
    Case("MR423", "an axis that is dropped", h5(sequential(layer("Softmax", "s", outside={"build_config": {"input_shape": [2, 3, 4]}}, axis=1)), keras="3.5.0"), h5(sequential(layer("Softmax", "s", outside={"build_config": {"input_shape": [2, 3]}}, axis=1)), keras="3.5.0"), KERAS_35, outcome=Outcome.OTHER_NUMBERS),
    Case("MR423", "a normalisation that is forgotten", h5(layer("Normalization", "n", axis=[-1])), h5(layer("Normalization", "n", axis=[-1], mean=[0.0], variance=[1.0])), KERAS_35, outcome=Outcome.OTHER_NUMBERS),
    Case("MR423", "a class of one's own with Keras's name", h5(sequential(INPUT, layer("Attention", "a", dtype="float32"))), h5(sequential(INPUT, layer("Attention", "a", dtype="float32", use_scale=False))), KERAS_215, outcome=Outcome.OTHER_NUMBERS, says=("'a'", "'causal'", "Keras 2.15.0")),
    Case("MR423", "an ELU of Keras 3 writes no arguments", h5(sequential(INPUT, layer("LayerNormalization", "n", dtype="float32")), keras="3.3.3"), h5(sequential(INPUT, layer("ELU", "e", dtype="float32")), keras="3.3.3"), outcome=Outcome.OTHER_NUMBERS, says=("'n'",)),
    Case("MR424", "a bare loss", h5(DENSE, training={"loss": "mse"}), h5(DENSE, training={"loss": {"class_name": "MeanSquaredError", "config": {"name": "m"}}}), severity=Severity.WARN, outcome=Outcome.COMPILE_ERROR, says=("'mse'",)),
    Case("MR425", "a policy of Keras 2", h5(layer("Dense", "d", units=1, dtype={"class_name": "Policy", "config": {"name": "mixed_float16"}})), h5(layer("Dense", "d", units=1, dtype="float32")), says=("'Policy'",)),
    Case("MR426", "h5py 3 with an old Keras", h5(DENSE), h5(DENSE), replace(KERAS_23, distributions={**KERAS_23.distributions, "h5py": "3.1.0"}), KERAS_23, says=("3.1.0",)),
    Case("MR427", "an operation that came later", replace(SAVED, graph=Graph((Operator("DisableCopyOnRead"),), producer=1645)), SAVED, KERAS_28, says=("DisableCopyOnRead",)),
    Case("MR428", "a lambda as activation", h5(layer("Dense", "d", units=1, activation={"value": ["code", None, None]})), h5(layer("Dense", "d", units=1, activation="relu")), KERAS_215, says=("'d'",)),
    Case("MR428", "a lost operand", h5(operated("__operators__.ne", ["i", 0, 0, {}])), h5(operated("__operators__.add", ["i", 0, 0, {"y": 1.0}])), KERAS_215, says=("'op'", "tf.__operators__.ne")),
    Case("MR428", "lost inputs", h5(operated("einsum", ["_CONSTANT_VALUE", -1, "bi,bi->b", {}])), h5(operated("math.add", ["_CONSTANT_VALUE", -1, 1.0, {"y": ["i", 0, 0]}])), KERAS_215, says=("tf.einsum",)),
    Case("MR428", "an operation taken for a layer", h5(sequential({"class_name": "Add", "config": {"name": "add"}}), keras="3.15.1"), h5(sequential(layer("Add", "add")), keras="3.15.1"), says=("'add'", "Add")),
    Case("MR432", "mixed precision", h5(layer("Dense", "d", units=1, dtype="mixed_float16")), h5(layer("Dense", "d", units=1, dtype="float32")), severity=Severity.INFO, outcome=Outcome.OTHER_NUMBERS, says=("mixed_float16",)),
    Case("MR405", "an exported graph", SAVED, replace(SAVED, layers=(Layer("m", "Sequential", "m"),)), KERAS_215, severity=Severity.INFO, outcome=Outcome.PREDICT_ERROR),
    Case("MR429", "another backend", replace(h5(DENSE), backend="theano"), replace(h5(DENSE), backend="tensorflow"), severity=Severity.WARN, outcome=Outcome.OTHER_NUMBERS, says=("theano", "tensorflow")),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule} {case.name}")
def test_the_rule_is_found_where_it_applies_and_only_there(case: Case) -> None:
    """Claim: the file that has the trait has the finding with its outcome and the actual values; its neighbour not."""
    findings = found(case.having, case.target, case.rule, case.policy)
    assert findings, f"{case.rule} was not found"
    assert (findings[0].severity, findings[0].outcome) == (case.severity, case.outcome)
    for text in case.says:
        assert text in findings[0].message
    lacking = found(case.lacking, case.lacking_target or case.target, case.rule, case.policy)
    assert [each for each in lacking if each.severity is case.severity] == []


def test_every_rule_about_loading_has_a_case() -> None:
    assert {case.rule for case in CASES} == RULES


def test_a_target_that_may_have_a_gpu_is_only_warned() -> None:
    """Claim: ``tensorflow`` may run on a GPU, so what needs one refuses only where ``tensorflow-cpu`` is installed."""
    model = h5(layer("Conv2DTranspose", "c", filters=1, kernel_size=3, data_format="channels_first"))
    assert [each.severity for each in found(model, KERAS_3, "MR419")] == [Severity.WARN]
    assert found(model, KERAS_215, "MR419") == []


def test_a_provided_object_is_not_looked_for_in_keras() -> None:
    """Claim: what the loader registers wins over what Keras has, as it does in ``get_registered_object``."""
    model = h5(sequential(INPUT, layer("ThresholdedReLU", "t")))
    assert (
        found(model, KERAS_3, "MR413", Policy(purpose=Purpose.DIAGNOSE, provides=frozenset({"ThresholdedReLU"}))) == []
    )


def test_a_custom_object_is_spoken_of_once() -> None:
    wanted = CustomObject("Twice", "layer", "m/t")
    model = replace(h5(sequential(INPUT, layer("Twice", "t", factor=2))), custom_objects=(wanted,))
    assert found(model, KERAS_3, "MR413") == []
    assert len(found(model, KERAS_3, "MR420")) == 1


def test_a_file_that_its_own_writer_cannot_read_is_refused_at_push() -> None:
    """Claim: said while the model is still at hand; a healthy file of the same Keras passes."""
    push = Policy(purpose=Purpose.PUSH)
    bad = h5(sequential(INPUT, layer("GetItem", "g")), keras="3.15.1")
    (finding,) = [each for each in judge(bad, push, None, None) if each.rule == "MR428"]
    assert finding.severity is Severity.REFUSE
    assert "Keras 3.15.1, which wrote it" in finding.message
    assert not [each for each in judge(h5(sequential(DENSE)), push, None, None) if each.rule == "MR428"]


def test_what_a_load_through_modelreg_gets_round_only_informs() -> None:
    """Claim: ``Registry.load`` renames HDF5 and wraps a SavedModel, so these two do not refuse there."""
    load = Policy(purpose=Purpose.LOAD)
    severities = {
        each.severity
        for each in judge(h5(sequential(INPUT, DENSE), file="m.keras"), load, Target("t", KERAS_3), None)
        if each.rule == "MR406"
    }
    assert severities == {Severity.INFO}


def test_tf_keras_is_told_from_the_keras_beside_it() -> None:
    """Claim: with TF_USE_LEGACY_KERAS=1 it is tf-keras that loads, though Keras 3 is installed too."""
    model = h5(sequential(INPUT, layer("LSTM", "l", units=2, time_major=False)))
    assert found(model, TF_KERAS, "MR414") == []
    assert found(model, replace(TF_KERAS, legacy_keras=None), "MR414")
