"""Layers in HDF5 that bear the name of one of Keras's and are another class: Keras looks up names, and takes its own.

Two signs tell them apart.  ``get_config`` of a layer of Keras's writes its own arguments, so a configuration that has
none of them is not its work; and a layer's class and configuration say how many weights it has, which must be as many
as the file holds for it (``load_weights_from_hdf5_group`` in ``keras/src/legacy/saving/legacy_h5_format.py``, 3.15.1,
and ``keras/src/saving/legacy/hdf5_format.py``, 2.15.0: 'Layer count mismatch', 'Weight count mismatch').
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from modelreg.configuration.walk import Node
from modelreg.facts import Container, Facts
from modelreg.findings import Outcome
from modelreg.rules.keras.objects import place
from modelreg.rules.keras.reader import Reader
from modelreg.rules.keras.trouble import Trouble
from modelreg.rules.keras_tables import release_of

_EVERY_LAYERS = frozenset(
    {
        "activity_regularizer",
        "autocast",
        "batch_input_shape",
        "batch_shape",
        "batch_size",
        "dtype",
        "dynamic",
        "implementation",
        "input_dim",
        "input_dtype",
        "input_length",
        "input_shape",
        "name",
        "trainable",
        "weights",
    }
)
"""Arguments that ``Layer`` itself takes in some release; they say nothing of the class."""

_MADE_OTHERWISE = frozenset({"ELU", "Functional", "InputLayer", "Model", "Network", "Sequential"})
"""Models and their inputs, whose configuration is of another kind, and the one layer with arguments of its own and no
``get_config`` (``keras/src/layers/activations/elu.py``, 3.0.5 to 3.15.1; the layers of 15 releases were read)."""

_CONVOLUTIONS = frozenset(f"Conv{rank}D{kind}" for rank in (1, 2, 3) for kind in ("", "Transpose"))
_SEPARABLE = frozenset({"SeparableConv1D", "SeparableConv2D"})
_RECURRENT = frozenset({"GRU", "LSTM", "SimpleRNN"})
_POOLED = frozenset(
    f"{reach}{kind}Pooling{rank}D" for rank in (1, 2, 3) for kind in ("Max", "Average") for reach in ("", "Global")
)
_WEIGHTLESS = _POOLED | {
    "Activation", "Add", "Average", "Concatenate", "Cropping1D", "Cropping2D", "ELU", "Flatten", "InputLayer",
    "LeakyReLU", "Masking", "Maximum", "Minimum", "Multiply", "Permute", "ReLU", "RepeatVector", "Reshape", "Softmax",
    "Subtract", "UpSampling1D", "UpSampling2D", "ZeroPadding1D", "ZeroPadding2D",
}  # fmt: skip
_MORE_WEIGHTS = ("lora_rank", "quantization_config", "renorm", "rms_scaling", "stateful")
"""Arguments that add weights or take some away, where they are set."""


def impostor_troubles(facts: Facts, nodes: Sequence[Node], reader: Reader, known: Collection[str]) -> Iterator[Trouble]:
    """Layers that the reader takes for its own; ``known`` are the names of objects that are known not to be Keras's."""
    if facts.container is not Container.KERAS_HDF5:
        return
    held = {group.layer: len(group.weights) for group in facts.weight_groups or ()}
    for node in nodes:
        if not node.is_layer or node.has_module or node.bare_name in _MADE_OTHERWISE or node.bare_name in known:
            continue
        if reader.release.legacy("layer", node.bare_name) is None:
            continue
        missing = _arguments_that_it_would_have(node, facts.keras_version)
        if missing:
            yield _impostor(node, missing, facts, reader)
        if node.key == "layers" and node.parent is nodes[0] and (facts.keras_major or 1) >= 2:
            yield from _miscounted(node, held, reader)


def _arguments_that_it_would_have(node: Node, version: str | None) -> Sequence[str]:
    """The arguments of the writer's class of that name, if the configuration has none of them."""
    if version is None:
        return ()
    entry = release_of("keras", version.removesuffix("-tf")).legacy("layer", node.bare_name)
    if entry is None or entry.kind != "class":
        return ()
    own = entry.arguments - _EVERY_LAYERS
    return () if own & set(node.arguments) else sorted(own)


def _impostor(node: Node, missing: Sequence[str], facts: Facts, reader: Reader) -> Trouble:
    return Trouble(
        "MR423",
        f"layer {node.layer!r} is called {node.bare_name}, but {node.bare_name} of Keras {facts.keras_version} writes "
        f"{missing[0]!r}, and this has none of its arguments: a class of one's own with that name wrote it, and "
        f"{reader} takes Keras's in its place",
        place(node),
        Outcome.OTHER_NUMBERS,
        f"load with custom_objects={{{node.bare_name!r}: {node.bare_name}}}",
    )


def _miscounted(node: Node, held: Mapping[str, int], reader: Reader) -> Iterator[Trouble]:
    expected = _weights_of(node)
    name = str(node.value.get("name") or node.arguments.get("name"))
    if expected is not None and held.get(name, expected) != expected:
        yield Trouble(
            "MR422",
            f"layer {node.layer!r} ({node.bare_name}) has {expected} weights in {reader}, and the file holds "
            f"{held[name]} for it: another class of that name wrote it, or its weights are another model's",
            place(node),
            Outcome.LOAD_ERROR,
            "load with custom_objects and the class that wrote it",
        )


def _weights_of(node: Node) -> int | None:
    """How many weights a layer has by its class and configuration; ``None`` where these do not tell."""
    name, arguments = node.bare_name, node.arguments
    if any(arguments.get(key) for key in _MORE_WEIGHTS) or _is_quantized(node):
        return None
    bias = int(arguments.get("use_bias") is not False)
    if name in _WEIGHTLESS:
        return 0
    if name in _CONVOLUTIONS or name in ("Dense", "DepthwiseConv2D"):
        return 1 + bias
    if name in _SEPARABLE or name in _RECURRENT:
        return 2 + bias
    if name == "Embedding":
        return 1
    if name in ("BatchNormalization", "LayerNormalization"):
        learned = sum(arguments.get(key) is not False for key in ("scale", "center"))
        return learned + (2 if name == "BatchNormalization" else 0)
    return None


def _is_quantized(node: Node) -> bool:
    dtype = node.arguments.get("dtype")
    return isinstance(dtype, dict) and str(dtype.get("class_name")).startswith("Quantized")
