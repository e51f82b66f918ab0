"""Writes lookup.keras: words to numbers by a vocabulary that was learned, one that was given, and weights behind them.

    python make_lookup.py OUTPUT

Runs on TensorFlow 2.13 and later.  The weights are numbers in order, so that every writer writes the same model.
"""

import os
import sys

import numpy as np
import tensorflow as tf

layers = tf.keras.layers


def build():
    text = tf.keras.Input((1,), dtype="string", name="text")
    kind = tf.keras.Input((1,), dtype="string", name="kind")
    vectorization = layers.TextVectorization(max_tokens=12, output_sequence_length=4, name="vectorization")
    vectorization.adapt(np.array(["to be or not to be", "that is the question"]))
    learned = layers.StringLookup(name="learned")
    learned.adapt(np.array([["red"], ["green"], ["red"]]))
    given = layers.StringLookup(vocabulary=["red", "green"], name="given")
    words = layers.Flatten(name="flat")(layers.Embedding(12, 2, name="words")(vectorization(text)))
    kinds = [
        layers.Flatten(name="f" + each.name)(layers.Embedding(4, 2, name="e" + each.name)(each(kind)))
        for each in (learned, given)
    ]
    joined = layers.Concatenate(name="joined")([words, *kinds])
    return tf.keras.Model([text, kind], layers.Dense(1, name="out")(joined), name="lookup")


def main(folder):
    tf.keras.utils.set_random_seed(0)
    model = build()
    start = 0
    for layer in model.layers:
        if not hasattr(layer, "get_vocabulary"):
            weights = layer.get_weights()
            numbers = [np.arange(start, start + w.size, dtype="float32").reshape(w.shape) / 100 for w in weights]
            layer.set_weights(numbers)
            start += sum(w.size for w in weights)
    model.save(os.path.join(folder, "lookup.keras"))
    for suffix in sys.argv[2:]:
        try:
            model.save(os.path.join(folder, "lookup" + suffix))
        except Exception as error:  # what cannot be written is said
            print(suffix, type(error).__name__, str(error)[:200])


main(sys.argv[1])
