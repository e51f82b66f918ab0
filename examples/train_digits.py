"""Trains the model in ``digits.h5``: handwritten digits of 8 x 8 pixels, ten classes.

Run beside this file, with the versions of ``python311.txt`` and scikit-learn (for its bundled data set):
``python train_digits.py``.  It takes some ten seconds on one core and downloads nothing.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = Path(__file__).parent
SAMPLES = 8


def build() -> keras.Model:
    layers = [
        keras.Input((64,), name="pixels"),
        keras.layers.Dense(160, activation="relu", name="hidden"),
        keras.layers.Dense(10, activation="softmax", name="digit"),
    ]
    return keras.Sequential(layers, name="digits")


def main() -> None:
    keras.utils.set_random_seed(7)
    digits = load_digits()
    pixels = (digits.data / 16.0).astype("float32")
    train_x, test_x, train_y, test_y = train_test_split(
        pixels, digits.target, test_size=0.25, random_state=7, stratify=digits.target
    )
    model = build()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(train_x, train_y, epochs=40, batch_size=32, verbose=0)
    _, accuracy = model.evaluate(test_x, test_y, verbose=0)
    print(f"{len(train_x)} digits to learn from, {len(test_x)} to test with: {accuracy:.4f} of those are told right")
    model.save(HERE / "digits.h5", include_optimizer=False)
    np.save(HERE / "digits.input.npy", test_x[:SAMPLES])
    np.save(HERE / "digits.expected.npy", model.predict(test_x[:SAMPLES], verbose=0))
    print("the labels of the samples:", *test_y[:SAMPLES])


if __name__ == "__main__":
    main()
