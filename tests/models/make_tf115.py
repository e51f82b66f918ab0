"""Makes ``py37tf115/``: SavedModels of TensorFlow 1, which knows graphs only, and of its own tf.keras.

Run with TensorFlow 1.15: ``python make_tf115.py OUTPUT_FOLDER``.
"""

import json
import os
import platform
import sys

import numpy as np
import tensorflow as tf


def plain():
    tf.compat.v1.reset_default_graph()
    tf.keras.backend.clear_session()
    layers = [tf.keras.layers.Dense(3, activation="relu", input_shape=(4,)), tf.keras.layers.Dense(1)]
    model = tf.keras.Sequential(layers, name="plain")
    model.compile(optimizer="sgd", loss="mse")
    return model


def save_graph(folder):
    """A graph of TensorFlow 1: variables, an index, and nothing that says Keras."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        given = tf.compat.v1.placeholder(tf.float32, [None, 4], "given")
        kernel = tf.compat.v1.get_variable("kernel", initializer=np.arange(12, dtype="float32").reshape(4, 3))
        steps = tf.compat.v1.get_variable("steps", initializer=np.array(7, "int64"))
        found = tf.nn.relu(tf.matmul(given, kernel), name="found")
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.saved_model.simple_save(session, folder, {"given": given}, {"found": found, "steps": steps})


def save_partitioned(folder):
    """Variables in three slices, as parameter servers keep them: of rows, and of columns."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        given = tf.compat.v1.placeholder(tf.int64, [None], "given")
        table = tf.compat.v1.get_variable(
            "table", shape=[9, 2], partitioner=tf.compat.v1.fixed_size_partitioner(3), dtype=tf.float32
        )
        columns = tf.compat.v1.get_variable(
            "columns", shape=[2, 6], partitioner=tf.compat.v1.fixed_size_partitioner(3, axis=1), dtype=tf.float32
        )
        found = tf.matmul(tf.nn.embedding_lookup(table, given), tf.convert_to_tensor(columns))
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.saved_model.simple_save(session, folder, {"given": given}, {"found": found})
        for name, whole in (("table", table), ("columns", columns)):
            np.save("{}.{}.npy".format(folder, name), session.run(tf.convert_to_tensor(whole)))


def save_without_variables(folder):
    """A frozen graph: constants only, so no index at all."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        given = tf.compat.v1.placeholder(tf.float32, [None, 4], "given")
        found = given * tf.constant(2.0)
        tf.compat.v1.saved_model.simple_save(session, folder, {"given": given}, {"found": found})


def main(output):
    for name, save in (
        ("savedmodel_graph", save_graph),
        ("savedmodel_partitioned", save_partitioned),
        ("savedmodel_frozen", save_without_variables),
    ):
        save(os.path.join(output, name))
    plain().save(os.path.join(output, "savedmodel_plain"), save_format="tf")
    versions = {"python": platform.python_version(), "tensorflow": tf.__version__, "keras": tf.keras.__version__}
    with open(os.path.join(output, "env.json"), "w") as file:
        json.dump(versions, file, sort_keys=True)


if __name__ == "__main__":
    main(sys.argv[1])
