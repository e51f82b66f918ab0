"""Where a model loads without a word in another Keras and predicts other numbers: definitions that changed.

Sources: ``activations.hard_sigmoid`` is ``clip(0.2 x + 0.5, 0, 1)`` in Keras 1 and 2 (``keras/backend``) and
``relu6(x + 3) / 6`` since Keras 3.0 (``keras/src/activations/activations.py``); ``resize_images`` is
``tf.image.resize_bilinear`` of TensorFlow 1, which samples at corners, in Keras 2.2 and 2.3
(``keras/backend/tensorflow_backend.py``) and ``tf.image.resize``, which samples at the centres of pixels, in tf.keras 2
and later.  ``model_from_config`` of Keras 3 takes ``axis`` out of every legacy layer's configuration and puts back only
some of its forms (``keras/src/legacy/saving/saving_utils.py``, 3.0.0 and 3.9.0); what ``Normalization`` has learned is
used only after ``finalize_state``, which loading HDF5 calls since 3.6.0 (``legacy_h5_format.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from modelreg.configuration.walk import Node
from modelreg.facts import Container, Facts
from modelreg.findings import Outcome
from modelreg.rules.keras.objects import place
from modelreg.rules.keras.ranks import input_ranks
from modelreg.rules.keras.reader import Line, Reader, numbers
from modelreg.rules.keras.trouble import Trouble

_RULE = "MR423"
_RESTORES_AXIS_NUMBER = (3, 9)
_FINALIZES_STATE = (3, 6)


def number_troubles(facts: Facts, nodes: Sequence[Node], reader: Reader) -> Iterator[Trouble]:
    """Layers whose meaning differs between the writer's Keras and the reader's."""
    if not facts.layers:
        return
    major = facts.keras_major or 1
    ranks = input_ranks(nodes)
    yield from _half_precision(nodes)
    for node in nodes:
        yield from _lost_axis(node, ranks.get(id(node)), reader)
        yield from _forgets_normalization(facts, node, reader)
        if reader.is_keras3 and major < 3 and _names_hard_sigmoid(node):
            yield Trouble(
                _RULE,
                f"layer {node.layer!r} uses 'hard_sigmoid' ({node.key}), which is clip(0.2 x + 0.5) in the Keras "
                f"{facts.keras_version or '1'} that wrote it and relu6(x + 3) / 6 in {reader}: the predictions differ",
                place(node),
                Outcome.OTHER_NUMBERS,
                "modelreg repair FILE -o OUT --target TARGET writes the old definition out; or load it with Keras 2; "
                "or pass custom_objects={'hard_sigmoid': lambda x: keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)}",
            )
        elif _resizes_bilinearly(node) and _samples_corners(facts) and reader.line is not Line.STANDALONE:
            yield Trouble(
                _RULE,
                f"layer {node.layer!r} ({node.bare_name}) interpolates bilinearly from the corners of pixels in the "
                f"Keras {facts.keras_version} that wrote it, and from their centres in {reader}: the predictions "
                "differ",
                place(node),
                Outcome.OTHER_NUMBERS,
                "load it with Keras 2.3 on TensorFlow 1, or use interpolation='nearest' and train again",
            )


def _half_precision(nodes: Sequence[Node]) -> Iterator[Trouble]:
    """One note for the first layer that computes in half precision."""
    for node in nodes:
        dtype = node.arguments.get("dtype")
        config = dtype.get("config") if isinstance(dtype, dict) else None
        name = config.get("name") if isinstance(config, dict) else dtype
        if isinstance(name, str) and name.endswith("float16"):
            yield Trouble(
                "MR432", f"layer {node.layer!r} computes in {name}", place(node), Outcome.OTHER_NUMBERS, is_certain=True
            )
            return


def _lost_axis(node: Node, rank: int | None, reader: Reader) -> Iterator[Trouble]:
    """An ``axis`` that Keras 3 drops from a legacy layer, so that the default is used instead."""
    axis = node.arguments.get("axis")
    if not reader.is_keras3 or axis is None or node.has_module or not node.is_layer or isinstance(axis, bool):
        return
    is_restored = len(axis) == 1 if isinstance(axis, list) else reader.version >= _RESTORES_AXIS_NUMBER
    entry = reader.release.legacy("layer", node.bare_name)
    default = entry.defaults.get("axis") if entry else None
    if is_restored or axis == default or (isinstance(axis, list) and axis == [default]):
        return
    if rank and isinstance(axis, int) and isinstance(default, int) and axis % rank == default % rank:
        return
    has_other_weights = isinstance(axis, list) and node.bare_name in _WEIGHTS_BY_AXIS
    consequence = ", and its weights have another shape" if has_other_weights else ""
    yield Trouble(
        _RULE,
        f"layer {node.layer!r} ({node.bare_name}) has axis {axis}, which {reader} drops when it reads HDF5: it works "
        f"on axis {default} instead{consequence}",
        place(node),
        Outcome.LOAD_ERROR if has_other_weights else Outcome.OTHER_NUMBERS,
        "save it as .keras, or load it with Keras 3.9 or later" if isinstance(axis, int) else "save it as .keras",
        is_certain=isinstance(axis, list) or rank is not None,
    )


_WEIGHTS_BY_AXIS = frozenset({"BatchNormalization", "LayerNormalization"})
"""Layers with a weight of the shape of their axes: of several, one axis has none that fits."""


def _forgets_normalization(facts: Facts, node: Node, reader: Reader) -> Iterator[Trouble]:
    if node.bare_name != "Normalization" or not reader.is_keras3 or reader.version >= _FINALIZES_STATE:
        return
    if facts.container is not Container.KERAS_HDF5 or node.arguments.get("mean") is not None:
        return
    yield Trouble(
        _RULE,
        f"layer {node.layer!r} (Normalization) has learned its mean and variance, which {reader} reads from HDF5 and "
        "does not use: its inputs are not normalised",
        place(node),
        Outcome.OTHER_NUMBERS,
        "load it with Keras 3.6 or later, or save it as .keras",
    )


def _names_hard_sigmoid(node: Node) -> bool:
    return node.role == "activation" and "hard_sigmoid" in (node.class_name, node.function_name)


def _resizes_bilinearly(node: Node) -> bool:
    return node.bare_name == "UpSampling2D" and node.arguments.get("interpolation") == "bilinear"


def _samples_corners(facts: Facts) -> bool:
    """Standalone Keras, and tf.keras of TensorFlow 1: both call themselves 2.0 to 2.3, tf.keras with ``-tf``."""
    version = facts.keras_version or "1"
    return numbers(version) < (2, 4) and not version.endswith("-tf")
