"""How many axes the input of each layer has, as far as the configuration tells: ranks, not sizes.

Followed are the layers that keep the number of axes or change it in a known way; behind any other nothing is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from modelreg.configuration import JsonValue
from modelreg.configuration.walk import Node

_KEEP = (
    "Conv",
    "SeparableConv",
    "DepthwiseConv",
    "MaxPooling",
    "AveragePooling",
    "ZeroPadding",
    "Cropping",
    "UpSampling",
)
# fmt: off
_KEEP_TOO = frozenset({
    "Activation", "ActivityRegularization", "Add", "AlphaDropout", "Average", "BatchNormalization", "CenterCrop",
    "Concatenate", "Dense", "Dropout", "ELU", "GaussianDropout", "GaussianNoise", "GroupNormalization",
    "LayerNormalization", "LeakyReLU", "Masking", "Maximum", "Minimum", "Multiply", "Normalization", "PReLU",
    "Permute", "ReLU", "Rescaling", "Resizing", "Softmax", "SpatialDropout1D", "SpatialDropout2D",
    "SpatialDropout3D", "Subtract", "ThresholdedReLU", "UnitNormalization",
})
# fmt: on
_RECURRENT = frozenset({"LSTM", "GRU", "SimpleRNN", "CuDNNLSTM", "CuDNNGRU"})


def input_ranks(nodes: Sequence[Node]) -> Mapping[int, int]:
    """The rank of each layer's (first) input by the node's identity, where it is known; the batch counts as an axis."""
    ranks: dict[int, int] = {}
    outputs: dict[tuple[int, str], int] = {}
    before: dict[int, int | None] = {}
    for node in nodes:
        if not node.is_layer or node.key != "layers" or node.parent is None:
            continue
        model = id(node.parent)
        rank = _built_rank(node) or _from_inbound(node, model, outputs)
        if rank is None and node.parent.bare_name == "Sequential":
            rank = before.get(model)
        if rank is not None:
            ranks[id(node)] = rank
        after = _output_rank(node, rank)
        before[model] = after
        if after is not None:
            outputs[model, str(node.value.get("name") or node.layer)] = after
    return ranks


def _built_rank(node: Node) -> int | None:
    """The input shape that Keras 3 notes beside the layer, or that a first layer has."""
    built = node.value.get("build_config")
    shape = built.get("input_shape") if isinstance(built, dict) else None
    shape = shape or node.arguments.get("batch_input_shape") or node.arguments.get("batch_shape")
    if isinstance(shape, list) and shape and isinstance(shape[0], list):
        shape = shape[0]
    return len(shape) if isinstance(shape, list) and shape else None


def _from_inbound(node: Node, model: int, outputs: Mapping[tuple[int, str], int]) -> int | None:
    """The rank of the first tensor that the layer is called with, in either dialect."""
    value: JsonValue = node.value.get("inbound_nodes")
    for _ in range(_CALL_NESTING_MAX):
        if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
            config = value.get("config")
            shape = config.get("shape") if isinstance(config, dict) else None
            return len(shape) if isinstance(shape, list) else None
        if isinstance(value, dict):
            value = value.get("args")
        elif isinstance(value, list) and value:
            if isinstance(value[0], str):
                return outputs.get((model, value[0]))
            value = value[0]
        else:
            return None
    return None


_CALL_NESTING_MAX = 8


def _output_rank(node: Node, rank: int | None) -> int | None:
    name = node.bare_name
    if name == "InputLayer" or rank is None:
        return rank
    if name in _KEEP_TOO or name.startswith(_KEEP) or name.startswith("Random"):
        return rank
    if name in _RECURRENT:
        return 3 if node.arguments.get("return_sequences") else 2
    if name == "Embedding":
        return rank + 1
    if name == "Flatten" or (name.startswith("Global") and not node.arguments.get("keepdims")):
        return 2
    target = node.arguments.get("target_shape")
    return len(target) + 1 if name == "Reshape" and isinstance(target, list) else None
