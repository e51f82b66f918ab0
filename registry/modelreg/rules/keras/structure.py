"""How models are put together from their layers: inputs, outputs and connections that a reader takes otherwise.

Sources: ``model_from_config`` in ``keras/src/legacy/saving/saving_utils.py``, ``Sequential.add`` in
``keras/src/models/sequential.py``, ``functional_from_config`` in ``keras/src/models/functional.py`` (3.0.0 to 3.15.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from modelreg.configuration import JsonValue
from modelreg.configuration.walk import LAMBDA, Node, role_of
from modelreg.facts import Container, Facts
from modelreg.findings import Outcome
from modelreg.rules.keras.objects import place
from modelreg.rules.keras.reader import Reader
from modelreg.rules.keras.trouble import Trouble

_RULE = "MR419"
_PASSES_SAFE_MODE = (3, 11, 3)
"""``load_model_from_hdf5`` opens a ``SafeModeScope`` since 3.11.3."""
_TAKES_SINGLE_TENSORS = (3, 4)
"""``functional_from_config`` reads ``input_layers`` that is one tensor and no list of them since 3.4.0."""


def structure_troubles(facts: Facts, nodes: Sequence[Node], reader: Reader) -> Iterator[Trouble]:
    """Models whose shape or connections this reader gets wrong."""
    firsts = _first_layers(nodes)
    for node in nodes:
        yield from _lost_class_name(node, reader)
        if not reader.is_keras3:
            yield from _calls_of_keras3(node, reader)
        yield from _lost_operands(node, reader)
    if facts.container is Container.KERAS_HDF5 and nodes and any(each.weights for each in facts.weight_groups or ()):
        yield from _never_built(nodes[0], firsts.get(id(nodes[0])), reader)
    if not reader.is_keras3:
        return
    for node in nodes:
        yield from _name_with_slash(node, reader)
        yield from _tensors_by_keyword(node, reader)
        yield from _axis_as_list(node, reader)
        yield from _second_output(node, reader)
        yield from _calls_that_are_not_there(node, reader)
        if facts.container is Container.KERAS_HDF5:
            yield from _mistaken_operation(facts, node, reader)
            yield from _unsafe_inside(node, reader)
        if node.bare_name == "Sequential" and not node.has_module:
            yield from _input_shape(firsts.get(id(node)), reader)
        if reader.version < _TAKES_SINGLE_TENSORS:
            yield from _single_tensors(node, reader)


def _lost_class_name(node: Node, reader: Reader) -> Iterator[Trouble]:
    """A lambda as activation: Keras 2.13 to 3.5 writes ``{"value": [...]}`` and no loader knows what that is."""
    for key, value in node.arguments.items():
        if role_of(key) == "activation" and isinstance(value, dict) and "class_name" not in value and value:
            yield Trouble(
                "MR428",
                f"layer {node.layer!r} ({node.bare_name}) has a lambda as its {key}, which was saved without saying "
                f"that it is one: no Keras reads it back, {reader} neither",
                place(node),
                Outcome.LOAD_ERROR,
                "give the function a name, register it, and save the model again",
            )


def _calls_of_keras3(model: Node, reader: Reader) -> Iterator[Trouble]:
    """Keras 2 indexes what Keras 3 writes as a dictionary (``reconstruct_from_config``, 2.15)."""
    layers = model.arguments.get("layers")
    for layer in layers if isinstance(layers, list) else ():
        calls = layer.get("inbound_nodes") if isinstance(layer, dict) else None
        if isinstance(calls, list) and any(isinstance(call, dict) for call in calls):
            yield Trouble(
                _RULE,
                f"the connections of the model {model.layer!r} are in Keras 3's form, which {reader} does not read",
                place(model),
                Outcome.LOAD_ERROR,
            )
            return


def _lost_operands(node: Node, reader: Reader) -> Iterator[Trouble]:
    """A call of TensorFlow's in a model of Keras 2, saved without the tensors that it takes.

    ``Node.serialize`` names the arguments after the first by the function's parameters.  ``*inputs`` of ``einsum`` have
    no names, and where the first is called ``self``, as in the functions behind ``==`` and ``!=``, it is left out and
    no name remains for the other (``keras/src/engine/node.py`` and ``keras/src/utils/layer_utils.py``, 2.15.0).
    """
    if node.bare_name != "TFOpLambda" or reader.is_keras3:
        return
    calls = node.value.get("inbound_nodes")
    function = node.arguments.get("function")
    is_compared = function in _COMPARISONS and not any("other" in call for call in _legacy_calls(node))
    if isinstance(calls, list) and calls and (is_compared or not any(_tensors_of(call) for call in calls)):
        yield Trouble(
            "MR428",
            f"layer {node.layer!r} calls tf.{function}, which Keras saved without the tensors that it is called with: "
            f"no Keras reads it back, {reader} neither ('Missing required positional argument', 'missing 1 required "
            "positional argument: 'other'', 'Got 0 inputs')",
            place(node),
            Outcome.LOAD_ERROR,
            "call it in a layer of one's own, or write it with other operations, and save the model again",
        )


_COMPARISONS = frozenset({"__operators__.eq", "__operators__.ne"})


def _tensors_of(value: JsonValue) -> bool:
    """Whether a tensor's place, ``[layer, node, tensor]``, is anywhere among the arguments of a call."""
    if isinstance(value, dict):
        return any(_tensors_of(each) for each in value.values())
    if not isinstance(value, list):
        return False
    if len(value) >= 3 and isinstance(value[0], str) and _is_place(value) and value[1] != _CONSTANT:
        return True
    return any(_tensors_of(each) for each in value)


_CONSTANT = -1
"""The node's number in ``["_CONSTANT_VALUE", -1, value]``."""


def _never_built(model: Node, first: Node | None, reader: Reader) -> Iterator[Trouble]:
    """A Sequential whose input no one tells, so that its layers have no weights when the file's are assigned.

    Keras 2.3 leaves the ``InputLayer`` out of a Sequential's configuration, and ``build_input_shape`` came with
    TensorFlow 2.2 (``Sequential.get_config``).
    """
    if model.bare_name != "Sequential" or first is None or model.arguments.get("build_input_shape"):
        return
    if first.bare_name in _TELL_THEIR_INPUT or any("shape" in key for key in _input_keys(first)):
        return
    yield Trouble(
        _RULE,
        f"nothing tells the input of the model: its first layer {first.layer!r} ({first.bare_name}) has no input "
        f"shape, so {reader} makes no weights before it reads them: 'Layer count mismatch'",
        place(first),
        Outcome.LOAD_ERROR,
        "build the model in code, and call load_weights",
    )


_TELL_THEIR_INPUT = frozenset({"Functional", "InputLayer", "Model", "Network", "Sequential"})


def _input_keys(node: Node) -> Iterator[str]:
    """Arguments of a layer, and of one that it wraps, that tell an input's shape."""
    wrapped = node.arguments.get("layer")
    inner = wrapped.get("config") if isinstance(wrapped, dict) else None
    for arguments in (node.arguments, inner if isinstance(inner, dict) else {}):
        yield from (key for key in ("batch_input_shape", "batch_shape", "input_shape") if arguments.get(key))


def _mistaken_operation(facts: Facts, node: Node, reader: Reader) -> Iterator[Trouble]:
    """Keras 3 writes an operation into HDF5 by its class alone, and reads it as the layer of that name.

    An operation's config is its name; a layer's always says ``trainable``.
    """
    is_operation = node.key == "layers" and not node.has_module and set(node.arguments) == {"name"}
    if facts.keras_major != 3 or not is_operation or reader.release.legacy("layer", node.bare_name) is None:
        return
    yield Trouble(
        "MR428",
        f"layer {node.layer!r} is the operation {node.bare_name}, which {reader} takes for the layer of that name when "
        "it reads HDF5: 'Only input tensors may be passed as positional arguments'",
        place(node),
        Outcome.LOAD_ERROR,
        "save it as .keras",
    )


def _unsafe_inside(node: Node, reader: Reader) -> Iterator[Trouble]:
    """``load_model(PATH.h5, safe_mode=False)`` reaches Lambdas inside wrappers since 3.11.3 only."""
    function = node.arguments.get("function")
    is_code = isinstance(function, dict) and function.get("class_name") == LAMBDA
    if is_code and node.bare_name == "Lambda" and node.key != "layers" and reader.version < _PASSES_SAFE_MODE:
        yield Trouble(
            "MR416",
            f"layer {node.layer!r} (Lambda) stands inside a wrapper, and {reader} does not pass safe_mode=False on to "
            "it when it reads HDF5",
            place(node),
            Outcome.LOAD_ERROR,
            "call keras.config.enable_unsafe_deserialization() if you trust it, or install Keras 3.11.3 or later",
        )


def _name_with_slash(node: Node, reader: Reader) -> Iterator[Trouble]:
    """``Operation.__init__`` of Keras 3 refuses what scopes of TensorFlow 1 put into names."""
    name = node.arguments.get("name")
    if node.is_layer and isinstance(name, str) and "/" in name:
        yield Trouble(
            _RULE,
            f"layer {name!r} ({node.bare_name}) has '/' in its name, which {reader} does not allow: 'cannot contain "
            "character `/`'",
            place(node),
            Outcome.LOAD_ERROR,
            "modelreg repair FILE -o OUT --target TARGET renames it, or load it with tf-keras",
        )


def _tensors_by_keyword(node: Node, reader: Reader) -> Iterator[Trouble]:
    """Keras 2 writes a tensor that was passed by keyword as ``[layer, node, tensor]``; Keras 3 passes on that list."""
    for call in _legacy_calls(node):
        names = sorted(key for key, value in call.items() if _is_single_tensor(value) and _is_place(value))
        if names:
            yield Trouble(
                _RULE,
                f"layer {node.layer!r} ({node.bare_name}) is given the tensor {names[0]!r} by keyword, and {reader} "
                "passes on the name of its layer instead",
                place(node),
                Outcome.LOAD_ERROR,
                "load it with tf-keras",
            )
            return


def _legacy_calls(node: Node) -> Iterator[dict[str, JsonValue]]:
    """The keyword arguments of each call of a layer, in the dialect of Keras 1 and 2."""
    calls = node.value.get("inbound_nodes")
    for call in calls if isinstance(calls, list) else ():
        for tensor in call if isinstance(call, list) else ():
            if isinstance(tensor, list) and len(tensor) == 4 and isinstance(tensor[3], dict):
                yield tensor[3]


def _is_place(value: JsonValue) -> bool:
    return isinstance(value, list) and all(isinstance(index, int) for index in value[1:3])


def _second_output(node: Node, reader: Reader) -> Iterator[Trouble]:
    """``Attention`` of Keras 3.0 to 3.7 says nothing of the scores when a model is put together (``attention.py``)."""
    is_asked = any(call.get("return_attention_scores") for call in _legacy_calls(node))
    if node.bare_name in ("Attention", "AdditiveAttention") and is_asked and reader.version < _TELLS_SCORES:
        yield Trouble(
            _RULE,
            f"layer {node.layer!r} ({node.bare_name}) gives its scores too, which {reader} does not know of when it "
            "puts the model together: 'list index out of range'",
            place(node),
            Outcome.LOAD_ERROR,
            "install Keras 3.8 or later there",
        )


_TELLS_SCORES = (3, 8)


def _calls_that_are_not_there(model: Node, reader: Reader) -> Iterator[Trouble]:
    """Keras 2 counts a nested model's own input as its first call, so that the call in the outer model is number 1.

    ``deserialize_node`` of Keras 3 looks for that number among the calls in the outer model, and waits for ever (3.3 to
    3.14) or gives up: 'Invalid Functional model configuration'.  Source: ``_should_skip_first_node`` in
    ``keras/src/engine/functional.py`` (2.15).
    """
    layers = model.arguments.get("layers")
    members = [layer for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else []
    calls = {str(layer.get("name")): layer.get("inbound_nodes") for layer in members}
    for layer in members:
        for name, index in _legacy_references(layer.get("inbound_nodes")):
            counted = calls.get(name)
            if isinstance(counted, list) and index >= max(1, len(counted)):
                yield Trouble(
                    _RULE,
                    f"layer {layer.get('name')!r} follows call {index} of {name!r}, a model inside the model, which "
                    f"{reader} counts from 0 and does not find: 'Invalid Functional model configuration', or no end",
                    place(model),
                    Outcome.LOAD_ERROR,
                    "modelreg repair FILE -o OUT --target TARGET counts anew, or load it with tf-keras",
                )
                return
    yield from _output_that_is_not_there(model, members, reader)


def _output_that_is_not_there(
    model: Node, members: Sequence[dict[str, JsonValue]], reader: Reader
) -> Iterator[Trouble]:
    """The same where the nested model is what comes out; ``get_tensor`` counts for a Functional, not for a Sequential.

    ``functional_from_config`` in ``keras/src/models/functional.py`` (3.3.3 to 3.15.1): 'list index out of range'.
    """
    calls = {str(each.get("name")): each.get("inbound_nodes") for each in members if each.get("class_name") == _PLAIN}
    for name, index in _legacy_references([model.arguments.get("output_layers")]):
        counted = calls.get(name)
        if isinstance(counted, list) and index >= max(1, len(counted)):
            yield Trouble(
                _RULE,
                f"the output of {model.layer!r} is call {index} of {name!r}, a Sequential inside the model, which "
                f"{reader} counts from 0 and does not find: 'list index out of range'",
                place(model),
                Outcome.LOAD_ERROR,
                "load it with tf-keras, and put a layer behind it before saving it again",
            )
            return


_PLAIN = "Sequential"


def _legacy_references(calls: JsonValue) -> Iterator[tuple[str, int]]:
    """Names and call numbers of the layers that a layer of Keras 1 or 2 is called on."""
    for call in calls if isinstance(calls, list) else ():
        for tensor in call if isinstance(call, list) else ():
            if (
                isinstance(tensor, list)
                and len(tensor) >= 3
                and isinstance(tensor[0], str)
                and isinstance(tensor[1], int)
            ):
                yield tensor[0], tensor[1]


def _axis_as_list(node: Node, reader: Reader) -> Iterator[Trouble]:
    """Keras 2 writes ``[3]``; only a legacy layer's is translated (``model_from_config``)."""
    axis = node.arguments.get("axis")
    if node.bare_name == "BatchNormalization" and isinstance(axis, list) and (node.has_module or node.key != "layers"):
        yield Trouble(
            "MR414",
            f"layer {node.layer!r} (BatchNormalization) has the axis {axis} as a list, and {reader} takes a "
            "number only",
            place(node),
            Outcome.LOAD_ERROR,
        )


def _first_layers(nodes: Sequence[Node]) -> dict[int, Node]:
    """The first of its own layers for each model, by the model's identity."""
    firsts: dict[int, Node] = {}
    for node in nodes:
        if node.parent is not None and node.key == "layers":
            firsts.setdefault(id(node.parent), node)
    return firsts


def _input_shape(first: Node | None, reader: Reader) -> Iterator[Trouble]:
    """Keras 3 takes ``batch_input_shape`` of a first layer for the shape without the batch: one axis too many."""
    if first is None or first.bare_name == "InputLayer" or first.has_module:
        return
    shape = first.arguments.get("batch_input_shape")
    if isinstance(shape, list) and shape:
        yield Trouble(
            _RULE,
            f"the model has no input layer, and its first layer {first.layer!r} ({first.bare_name}) has the "
            f"batch_input_shape {shape}, which {reader} takes for the shape of one sample: inputs of the right shape "
            "are refused",
            place(first),
            Outcome.PREDICT_ERROR,
            "load it with tf-keras, or modelreg repair FILE -o OUT --target TARGET puts an input layer before it",
        )


def _single_tensors(node: Node, reader: Reader) -> Iterator[Trouble]:
    for key in ("input_layers", "output_layers"):
        if _is_single_tensor(node.arguments.get(key)):
            yield Trouble(
                _RULE,
                f"model {node.layer!r} ({node.bare_name}) has one tensor as its {key}, in the form of Keras 3.4 and "
                f"later, which {reader} does not read: 'get_tensor() takes 3 positional arguments'",
                place(node),
                Outcome.LOAD_ERROR,
                "install Keras 3.4 or later there",
            )
            return


def _is_single_tensor(value: JsonValue) -> bool:
    return isinstance(value, list) and len(value) == 3 and isinstance(value[0], str)
