"""Where a model loads without a word in another Keras and predicts other numbers: definitions that changed.

Sources: ``activations.hard_sigmoid`` is ``clip(0.2 x + 0.5, 0, 1)`` in Keras 1 and 2 (``keras/backend``) and
``relu6(x + 3) / 6`` since Keras 3.0 (``keras/src/activations/activations.py``); ``resize_images`` is
``tf.image.resize_bilinear`` of TensorFlow 1, which samples at corners, in Keras 2.2 and 2.3
(``keras/backend/tensorflow_backend.py``) and ``tf.image.resize``, which samples at the centres of pixels, in tf.keras 2
and later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from modelreg.configuration.walk import Node
from modelreg.facts import Facts
from modelreg.findings import Outcome
from modelreg.rules.keras.objects import place
from modelreg.rules.keras.reader import Line, Reader, numbers
from modelreg.rules.keras.trouble import Trouble

_RULE = "MR423"


def number_troubles(facts: Facts, nodes: Sequence[Node], reader: Reader) -> Iterator[Trouble]:
    """Layers whose meaning differs between the writer's Keras and the reader's."""
    if not facts.layers:
        return
    major = facts.keras_major or 1
    for node in nodes:
        if reader.is_keras3 and major < 3 and _names_hard_sigmoid(node):
            yield Trouble(
                _RULE,
                f"layer {node.layer!r} uses 'hard_sigmoid' ({node.key}), which is clip(0.2 x + 0.5) in the Keras "
                f"{facts.keras_version or '1'} that wrote it and relu6(x + 3) / 6 in {reader}: the predictions differ",
                place(node),
                Outcome.OTHER_NUMBERS,
                "load it with Keras 2, or pass custom_objects={'hard_sigmoid': lambda x: "
                "keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)}",
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


def _names_hard_sigmoid(node: Node) -> bool:
    return node.role == "activation" and "hard_sigmoid" in (node.class_name, node.function_name)


def _resizes_bilinearly(node: Node) -> bool:
    return node.bare_name == "UpSampling2D" and node.arguments.get("interpolation") == "bilinear"


def _samples_corners(facts: Facts) -> bool:
    """Standalone Keras, and tf.keras of TensorFlow 1: both call themselves 2.0 to 2.3, tf.keras with ``-tf``."""
    version = facts.keras_version or "1"
    return numbers(version) < (2, 4) and not version.endswith("-tf")
