"""Makes ``tf220/sharded``: weights in shards, which Keras writes above a given size, and the same ones in one file.

Run with Keras 3.15: ``python make_sharded.py OUTPUT_FOLDER``.
"""

import sys
from pathlib import Path

import keras


def main(output: Path) -> None:
    keras.utils.set_random_seed(7)
    layers = [keras.Input((6,)), keras.layers.Dense(20), keras.layers.Dense(20), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    folder = output / "sharded"
    folder.mkdir()
    model.save_weights(folder / "plain.weights.json", max_shard_size=1_800 / 1024**3)
    model.save_weights(output / "sharded.whole.weights.h5")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
