"""The plan of a repair: what is changed for which Keras, and what is left alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from modelreg.environment.document import Environment
from modelreg.facts import Container, Facts, LambdaCode
from modelreg.repair import Plan, plan_repair
from modelreg.rules.keras.reader import Reader, reader_of


def reader(**distributions: str) -> Reader:
    found = reader_of(Environment(python="3.11.7", distributions=distributions))
    assert found is not None
    return found


KERAS3 = reader(keras="3.15.1")
KERAS2 = reader(tensorflow="2.15.0", keras="2.15.0")


def plan(
    config: object, target: Reader = KERAS3, *, lambdas: tuple[LambdaCode, ...] = (), version: str = "2.15.0"
) -> Plan:
    facts = Facts(
        Container.KERAS_HDF5, "m.h5", keras_version=version, lambdas=lambdas, config=json.dumps(config, sort_keys=True)
    )
    return plan_repair(facts, target, "pkg")


def layer(class_name: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": name, **config}}


def model(class_name: str, *layers: dict[str, Any], **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": "m", "layers": list(layers), **config}}


def layers_of(planned: Plan) -> list[dict[str, Any]]:
    layers: list[dict[str, Any]] = json.loads(planned.config)["config"]["layers"]
    return layers


def what(planned: Plan) -> list[str]:
    return [change.what for change in planned.changes]


DENSE: Callable[..., dict[str, Any]] = lambda name="d", **config: layer("Dense", name, units=2, **config)  # noqa: E731
INPUT = layer("InputLayer", "i", batch_shape=[None, 4])


def test_what_needs_nothing_is_left_as_it_is() -> None:
    """Claim: no change means the very same text."""
    config = model("Sequential", INPUT, DENSE())
    planned = plan(config)
    assert planned.changes == ()
    assert json.loads(planned.config) == config


def test_a_first_layers_shape_becomes_an_input_layer() -> None:
    """Claim: Keras 3 gets an input layer of that shape before it, which it would else take for a sample's."""
    planned = plan(model("Sequential", DENSE(batch_input_shape=[None, 4])))
    first, second = layers_of(planned)
    assert first == {"class_name": "InputLayer", "config": {"batch_shape": [None, 4], "name": "d_input"}}
    assert "batch_input_shape" not in second["config"]


def test_a_shape_behind_an_input_layer_goes() -> None:
    """Claim: it says nothing more, in a Sequential as in a Functional model."""
    for kind in ("Sequential", "Functional"):
        planned = plan(model(kind, INPUT, DENSE(batch_input_shape=[None, 4])))
        assert "batch_input_shape" not in layers_of(planned)[1]["config"]


def test_the_input_layers_shape_has_the_readers_name() -> None:
    """Claim: ``batch_input_shape`` for Keras 2, ``batch_shape`` for Keras 3."""
    old = model("Sequential", layer("InputLayer", "i", batch_input_shape=[None, 4]), DENSE())
    new = model("Sequential", INPUT, DENSE())
    assert layers_of(plan(old))[0]["config"] == {"batch_shape": [None, 4], "name": "i"}
    assert layers_of(plan(new, KERAS2, version="3.5.0"))[0]["config"] == {"batch_input_shape": [None, 4], "name": "i"}


def test_an_argument_that_says_nothing_is_dropped_and_another_is_not() -> None:
    """Claim: only the writer's own default is dropped; a value that means something stays, to be refused."""
    planned = plan(model("Sequential", INPUT, layer("LSTM", "r", units=2, time_major=False)))
    assert "time_major" not in layers_of(planned)[1]["config"]
    kept = plan(model("Sequential", INPUT, layer("LSTM", "r", units=2, time_major=True)))
    assert layers_of(kept)[1]["config"]["time_major"] is True
    assert kept.changes == ()


def test_a_module_that_moved_is_followed() -> None:
    """Claim: the same class, from where the target has it."""
    config = model("Functional", input_layers=[], output_layers=[]) | {
        "module": "keras.src.engine.functional",
        "registered_name": "Functional",
    }
    assert json.loads(plan(config).config)["module"] == "keras.src.models.functional"


def test_a_custom_class_is_never_moved() -> None:
    """Claim: a class of the author's own module keeps it."""
    own = layer("Twice", "t") | {"module": "mine.layers", "registered_name": "mine>Twice"}
    assert plan(model("Sequential", INPUT, own)).changes == ()


def nested(calls: int, *references: int, outputs: list[Any]) -> dict[str, Any]:
    """An outer model over a Sequential ``s`` that is called so often, and a Dense for each reference to a call."""
    inner = model("Sequential", INPUT, DENSE("inner")) | {"name": "s", "inbound_nodes": [[["i", 0, 0, {}]]] * calls}
    inner["config"]["name"] = "s"
    users = [
        DENSE(f"d{number}") | {"name": f"d{number}", "inbound_nodes": [[["s", reference, 0, {}]]]}
        for number, reference in enumerate(references)
    ]
    first = INPUT | {"name": "i", "inbound_nodes": []}
    return model("Functional", first, inner, *users, input_layers=[["i", 0, 0]], output_layers=outputs)


def references_of(planned: Plan) -> list[int]:
    return [each["inbound_nodes"][0][0][1] for each in layers_of(planned)[2:]]


def test_calls_of_a_model_inside_are_counted_from_zero() -> None:
    """Claim: every reference to it, also the outer model's own outputs."""
    planned = plan(nested(2, 1, 2, outputs=[["d0", 0, 0], ["s", 2, 0]]))
    assert references_of(planned) == [0, 1]
    assert json.loads(planned.config)["config"]["output_layers"] == [["d0", 0, 0], ["s", 1, 0]]


def test_calls_that_are_counted_from_zero_stay() -> None:
    """Claim: a file of Keras 3's own counting is not shifted, nor is anything for Keras 2."""
    assert plan(nested(2, 0, 1, outputs=[["d0", 0, 0]])).changes == ()
    assert references_of(plan(nested(2, 1, 2, outputs=[["d0", 0, 0]]), KERAS2)) == [1, 2]


def test_a_functional_models_number_among_the_outputs_stays() -> None:
    """Claim: Keras 3 subtracts one from it by itself."""
    config = nested(1, 1, outputs=[["s", 1, 0]])
    config["config"]["layers"][1]["class_name"] = "Functional"
    planned = plan(config)
    assert references_of(planned) == [0]
    assert json.loads(planned.config)["config"]["output_layers"] == [["s", 1, 0]]


def test_a_tensor_by_keyword_is_written_as_a_tensor() -> None:
    """Claim: the call names the same tensors, in the form that Keras 3 reads; other arguments are kept."""
    call = [["i", 0, 0, {"value": ["i", 0, 0], "use_causal_mask": True, "shape": [1, 2, 3]}]]
    attention = layer("MultiHeadAttention", "a", num_heads=1, key_dim=1) | {"name": "a", "inbound_nodes": [call]}
    first = INPUT | {"name": "i", "inbound_nodes": []}
    planned = plan(model("Functional", first, attention, input_layers=[["i", 0, 0]], output_layers=[["a", 0, 0]]))
    (after,) = layers_of(planned)[1]["inbound_nodes"]
    tensor = {
        "class_name": "__keras_tensor__",
        "config": {"shape": [], "dtype": "float32", "keras_history": ["i", 0, 0]},
    }
    assert after == {"args": [tensor], "kwargs": {"value": tensor, "use_causal_mask": True, "shape": [1, 2, 3]}}


CODE = LambdaCode("f", "m/f", ("3.8",), source="lambda t: t + 1")
LAMBDA = layer(
    "Lambda", "f", function=["4wAA", None, None], function_type="lambda", module="__main__", output_shape=None,
    output_shape_type="raw", output_shape_module=None, arguments={},
)  # fmt: skip


def test_a_lambda_becomes_a_reference_in_the_readers_dialect() -> None:
    """Claim: Keras 3 gets a function object, Keras 2 a name; what told of bytecode goes."""
    planned = plan(model("Sequential", INPUT, LAMBDA), lambdas=(CODE,))
    assert layers_of(planned)[1]["config"] == {
        "name": "f",
        "arguments": {},
        "function": {
            "module": "builtins",
            "class_name": "function",
            "config": "pkg>f",
            "registered_name": "pkg>f",
        },
    }
    config = layers_of(plan(model("Sequential", INPUT, LAMBDA), KERAS2, lambdas=(CODE,)))[1]["config"]
    assert (config["function"], config["function_type"], config["module"]) == ("pkg>f", "function", None)


def test_a_lambda_without_source_is_told() -> None:
    """Claim: it stays as it is, and is named."""
    planned = plan(model("Sequential", INPUT, LAMBDA), lambdas=(LambdaCode("f", "m/f", ("3.8",)),))
    assert planned.functions == ()
    assert layers_of(planned)[1] == LAMBDA
    assert "'m/f'" in planned.unmended[0]


def test_two_lambdas_of_one_place_are_not_mixed_up() -> None:
    """Claim: where it is not known which code is whose, none is written."""
    other = LambdaCode("f", "m/f", ("3.8",), source="lambda t: t - 1")
    planned = plan(model("Sequential", INPUT, LAMBDA, LAMBDA), lambdas=(CODE, other))
    assert planned.functions == ()
    assert "two layers have this name" in planned.unmended[0]


def test_hard_sigmoid_keeps_its_old_meaning() -> None:
    """Claim: Keras 3 gets the old definition by another name; a file of Keras 3 is left alone."""
    config = model("Sequential", INPUT, DENSE(activation="hard_sigmoid"))
    planned = plan(config)
    assert layers_of(planned)[1]["config"]["activation"] == "pkg>hard_sigmoid_keras2"
    assert "0.2 * x + 0.5" in "".join(planned.functions[0].lines)
    assert plan(config, version="3.1.0").changes == ()


def test_a_thresholded_relu_is_a_relu_with_a_threshold() -> None:
    """Claim: where Keras 3 has none; Keras 2 has one, and a threshold that ReLU refuses is left to be refused."""
    config = model("Sequential", INPUT, layer("ThresholdedReLU", "t", theta=0.5))
    assert layers_of(plan(config))[1] == layer("ReLU", "t", threshold=0.5)
    assert plan(model("Sequential", layer("ThresholdedReLU", "t", theta=0.5)), KERAS2).changes == ()
    for theta in (-1.0, None, True, "1"):
        assert plan(model("Sequential", INPUT, layer("ThresholdedReLU", "t", theta=theta))).changes == ()


def test_a_slash_in_a_name_goes_everywhere() -> None:
    """Claim: the layer and what refers to it are renamed together, unless two would then have one name."""
    dense = DENSE("a/b") | {"name": "a/b", "inbound_nodes": [[["i", 0, 0, {}]]]}
    first = INPUT | {"name": "i", "inbound_nodes": []}
    config = model("Functional", first, dense, input_layers=[["i", 0, 0]], output_layers=[["a/b", 0, 0]])
    planned = plan(config)
    assert "a/b" not in planned.config
    assert json.loads(planned.config)["config"]["output_layers"] == [["a_b", 0, 0]]
    clash = model("Sequential", INPUT, DENSE("a/b"), DENSE("a_b"))
    assert plan(clash).changes == ()


def test_facts_are_never_changed() -> None:
    """Claim: a plan works on a copy: planning twice gives the same."""
    config = model("Sequential", DENSE(batch_input_shape=[None, 4]), LAMBDA)
    assert plan(config, lambdas=(CODE,)) == plan(config, lambdas=(CODE,))


def test_without_a_configuration_there_is_no_plan() -> None:
    """Claim: that is an error of the caller."""
    with pytest.raises(ValueError, match="no configuration"):
        plan_repair(Facts(Container.HDF5, "m.h5"), KERAS3, "pkg")


def tensor(name: str, call: int = 0) -> dict[str, Any]:
    history = {"shape": [None, 4], "dtype": "float32", "keras_history": [name, call, 0]}
    return {"class_name": "__keras_tensor__", "config": history}


def called(layer: dict[str, Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
    return layer | {"name": layer["config"]["name"], "inbound_nodes": [{"args": list(args), "kwargs": kwargs}]}


def calls_of(planned: Plan) -> list[Any]:
    return [each["inbound_nodes"] for each in layers_of(planned)[1:]]


FIRST = INPUT | {"name": "i", "inbound_nodes": []}


def test_calls_of_keras_3_are_written_as_keras_2_reads_them() -> None:
    """Claim: one tensor, a list of them, tensors by position and by keyword; null and ``training`` go."""
    config = model(
        "Functional",
        FIRST,
        called(DENSE(), tensor("i"), mask=None, training=True),
        called(layer("Add", "a"), [tensor("i"), tensor("d")]),
        called(
            layer("MultiHeadAttention", "m", num_heads=1, key_dim=1), tensor("i"), tensor("d"), use_causal_mask=True
        ),
        called(layer("LSTM", "r", units=2), tensor("i"), initial_state=tensor("d")),
        input_layers=["i", 0, 0],
        output_layers=["a", 0, 0],
    )
    planned = plan(config, KERAS2, version="3.5.0")
    assert calls_of(planned) == [
        [[["i", 0, 0, {}]]],
        [[["i", 0, 0, {}], ["d", 0, 0, {}]]],
        [[["i", 0, 0, {"value": ["d", 0, 0], "use_causal_mask": True}]]],
        [[["i", 0, 0, {"initial_state": ["d", 0, 0]}]]],
    ]
    after = json.loads(planned.config)["config"]
    assert (after["input_layers"], after["output_layers"]) == ([["i", 0, 0]], [["a", 0, 0]])
    assert plan(config, KERAS3, version="3.5.0").changes == ()


@pytest.mark.parametrize(
    "call",
    [
        called(layer("LSTM", "r", units=2), tensor("i"), initial_state=[tensor("i"), tensor("i")]),
        called(layer("Add", "r"), [[tensor("i"), tensor("i")], tensor("i")]),
        called(layer("Dense", "r"), tensor("i"), tensor("i")),
        called(layer("Dense", "r"), 1.0),
        called(layer("Dense", "r")),
    ],
)
def test_a_call_that_keras_2_has_no_form_for_is_left(call: dict[str, Any]) -> None:
    """Claim: it is not guessed at, and stays for the rules to refuse."""
    config = model("Functional", FIRST, call, input_layers=[["i", 0, 0]], output_layers=[["r", 0, 0]])
    assert layers_of(plan(config, KERAS2, version="3.5.0"))[1]["inbound_nodes"] == call["inbound_nodes"]


@pytest.mark.parametrize(("kind", "output"), [("Sequential", 2), ("Functional", 1)])
def test_calls_of_a_model_inside_are_counted_from_one_again(kind: str, output: int) -> None:
    """Claim: the second call is 2 for Keras 2; of a Functional model the outputs are counted so by Keras 3 already."""
    inner = model(kind, INPUT, DENSE("inner"))
    inner["config"]["name"] = "s"
    twice = called(inner, tensor("i"))
    twice["inbound_nodes"] *= 2
    config = model("Functional", FIRST, twice, called(DENSE(), tensor("s", 1)), input_layers=[["i", 0, 0]])
    config["config"]["output_layers"] = [["s", 1, 0]]
    planned = plan(config, KERAS2, version="3.5.0")
    assert calls_of(planned)[1] == [[["s", 2, 0, {}]]]
    assert json.loads(planned.config)["config"]["output_layers"] == [["s", output, 0]]


def test_what_keras_2_takes_without_asking_is_there() -> None:
    """Claim: a Lambda gets the type of its output shape, attention its shapes, both as nothing."""
    function = {"class_name": "function", "module": "builtins", "config": "own>f", "registered_name": "own>f"}
    attention = layer("MultiHeadAttention", "m", num_heads=1, key_dim=1)
    planned = plan(
        model("Sequential", INPUT, layer("Lambda", "f", function=function), attention), KERAS2, version="3.5.0"
    )
    _, first, second = (each["config"] for each in layers_of(planned))
    assert (first["output_shape"], first["output_shape_type"], "mask_type" in first) == (None, "raw", False)
    assert [second[key] for key in ("query_shape", "key_shape", "value_shape")] == [None, None, None]
