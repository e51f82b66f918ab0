"""Makes ``tf220/``: TensorFlow Lite files and a SavedModel that calls back into Python.

Run with TensorFlow 2.20 and Keras 3: ``python make_tf220.py OUTPUT_FOLDER``.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf


class Determinant(tf.Module):
    """A computation that TensorFlow Lite leaves to TensorFlow's own kernels ("flex")."""

    @tf.function(input_signature=[tf.TensorSpec([2, 2], tf.float32)])
    def __call__(self, values):
        return tf.linalg.det(values)


class Erfinv(tf.Module):
    """A computation that neither has kernels for, left to the application as a custom operator."""

    @tf.function(input_signature=[tf.TensorSpec([4], tf.float32)])
    def __call__(self, values):
        return tf.math.erfinv(values)


class CallsPython(tf.Module):
    """A computation with a hole that only this very Python process could fill."""

    def __init__(self):
        super().__init__()
        self.scale = tf.Variable([1.0, 2.0, 3.0], name="scale")

    @tf.function(input_signature=[tf.TensorSpec([3], tf.float32)])
    def __call__(self, values):
        return tf.py_function(lambda value: value * 2, [values * self.scale], tf.float32)


def converter_of(module):
    return tf.lite.TFLiteConverter.from_concrete_functions([module.__call__.get_concrete_function()], module)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(7)
    layers = [
        keras.Input((10,)),
        keras.layers.Dense(8, activation="relu", name="hidden"),
        keras.layers.Dense(1, name="out"),
    ]
    model = keras.Sequential(layers)
    (folder / "plain.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    np.savez(folder / "plain.tflite.weights.npz", **{weight.path: weight.numpy() for weight in model.weights})

    flex = converter_of(Determinant())
    flex.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    (folder / "flex.tflite").write_bytes(flex.convert())
    custom = converter_of(Erfinv())
    custom.allow_custom_ops = True
    (folder / "custom.tflite").write_bytes(custom.convert())

    tf.saved_model.save(CallsPython(), str(folder / "savedmodel_pyfunc"))
    environment = {"python": platform.python_version(), "tensorflow": tf.__version__, "keras": keras.__version__}
    (folder / "env.json").write_text(json.dumps(environment), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
