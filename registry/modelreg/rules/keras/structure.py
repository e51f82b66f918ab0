"""How models are put together from their layers: inputs, outputs and connections that a reader takes otherwise.

Sources: ``model_from_config`` in ``keras/src/legacy/saving/saving_utils.py``, ``Sequential.add`` in
``keras/src/models/sequential.py``, ``functional_from_config`` in ``keras/src/models/functional.py`` (3.0.0 to 3.15.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from modelreg.configuration import JsonValue
from modelreg.configuration.walk import Node
from modelreg.findings import Outcome
from modelreg.rules.keras.objects import place
from modelreg.rules.keras.reader import Reader
from modelreg.rules.keras.trouble import Trouble

_RULE = "MR419"
_TAKES_SINGLE_TENSORS = (3, 4)
"""``functional_from_config`` reads ``input_layers`` that is one tensor and no list of them since 3.4.0."""


def structure_troubles(nodes: Sequence[Node], reader: Reader) -> Iterator[Trouble]:
    """Models whose shape or connections this reader gets wrong."""
    if not reader.is_keras3:
        return
    firsts = _first_layers(nodes)
    for node in nodes:
        if node.bare_name == "Sequential" and not node.has_module:
            yield from _input_shape(firsts.get(id(node)), reader)
        if reader.version < _TAKES_SINGLE_TENSORS:
            yield from _single_tensors(node, reader)


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
