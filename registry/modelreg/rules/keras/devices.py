"""Layers that a reader's TensorFlow computes on a GPU only: the model loads, and does not predict elsewhere.

Sources: ``conv_transpose`` in ``keras/src/backend/tensorflow/nn.py`` (3.0.0 to 3.15.1), which passes ``channels_first``
on, where ``_preprocess_conv2d_input`` in ``keras/src/backend.py`` (2.15.0) turns the axes itself; recorded loads of
grouped convolutions on processors with TensorFlow 2.4.4 (refused) and 2.5.3 (computed).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from modelreg.configuration.walk import Node
from modelreg.findings import Outcome
from modelreg.rules.keras.objects import place
from modelreg.rules.keras.reader import Reader
from modelreg.rules.keras.trouble import Trouble

_TRANSPOSED = frozenset({"Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"})
_GROUPED = frozenset({"Conv1D", "Conv2D", "Conv3D"})
_GROUPS_EVERYWHERE = (2, 5)


def device_troubles(nodes: Sequence[Node], reader: Reader) -> Iterator[Trouble]:
    """Certain where the reader's TensorFlow was built without GPUs, likely where nothing tells."""
    if reader.tensorflow is None:
        return
    without = "; tensorflow-cpu uses none" if reader.cpu_only else ""
    for node in nodes:
        reason = _reason(node, reader) if node.is_layer else None
        if reason is not None:
            yield Trouble(
                "MR419",
                f"layer {node.layer!r} ({node.bare_name}) has {reason}" + without,
                place(node),
                Outcome.PREDICT_ERROR,
                "run it on a GPU, or install a later TensorFlow or tf-keras",
                is_certain=reader.cpu_only,
            )


def _reason(node: Node, reader: Reader) -> str | None:
    groups = node.arguments.get("groups")
    if reader.is_keras3 and node.bare_name in _TRANSPOSED and node.arguments.get("data_format") == "channels_first":
        return (
            f"the data_format 'channels_first', which {reader} computes on a GPU only: 'Conv2DCustomBackpropInputOp "
            "only supports NHWC'"
        )
    is_grouped = node.bare_name in _GROUPED and isinstance(groups, int) and groups > 1
    if is_grouped and (reader.tensorflow or _GROUPS_EVERYWHERE) < _GROUPS_EVERYWHERE:
        return f"{groups} groups, which TensorFlow before 2.5 computes on a GPU only: 'does not support grouped'"
    return None
