"""Deterministic inputs for a model: the same numbers in every Python and every NumPy."""

from typing import Any

import numpy as np

from .trouble import Trouble

WORDS = ("alpha", "beta", "gamma", "delta", "one two", "The end.", "", "0")
UNKNOWN_SIZES = ((8, 32), (64, 64), (224, 224))
"""Tried in turn for a dimension that the model leaves open: of a vector or sequence, and of an image or a volume."""


def draw(seed: int, position: int, count: int) -> Any:
    """Numbers ``position`` to ``position + count`` of SplitMix64 from ``seed``, as uint64.

    Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014): counter times the golden
    gamma, then its finaliser.  Integer arithmetic alone, so that every NumPy draws the same.
    """
    state = (np.arange(count, dtype=np.uint64) + np.uint64(position + 1)) * np.uint64(0x9E3779B97F4A7C15)
    state = state + np.uint64(seed)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def values(numbers: Any, dtype: str, hint: "dict[str, Any]") -> Any:
    """``numbers`` as what an input of ``dtype`` takes.

    Floats are uniform in [-1, 1) in steps of 2**-23, integers below the bound that ``hint`` tells or else 2 (as floats
    too, where a float input feeds a table), strings are words.
    """
    if dtype == "string":
        words = np.array([word.encode("utf-8") for word in (hint.get("words") or WORDS)])
        return words[(numbers % np.uint64(len(words))).astype(np.int64)]
    if hint.get("below") or not dtype.startswith(("float", "bfloat", "complex")):
        return (numbers % np.uint64(hint.get("below") or 2)).astype(numpy_dtype(dtype))
    floats = (numbers >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1.0
    return floats.astype(numpy_dtype(dtype))


def numpy_dtype(dtype: str) -> str:
    """NumPy has no bfloat16 of its own; float32 holds every value of it."""
    return "float32" if dtype == "bfloat16" else dtype


def samples(specs: "list[dict[str, Any]]", making: "dict[str, Any]", sizes: "tuple[int, int]") -> "list[Any]":
    """One array per input, drawn one after the other from one stream; dimensions that are open get one of ``sizes``."""
    arrays = []
    position = 0
    for spec in specs:
        open_size = sizes[1] if len(spec["shape"]) >= 4 else sizes[0]
        shape = [_rounded_up(making["samples"], fixed_batch(specs) or 1)]
        shape += [open_size if size is None else size for size in spec["shape"][1:]]
        count = 1
        for size in shape:
            count *= size
        if position + count > making["size_bytes_max"]:
            raise Trouble(
                f"input {spec['name']!r} of shape {shape} makes the inputs larger than the "
                f"{making['size_bytes_max']:,} bytes that are kept: ask for fewer samples"
            )
        hint = making["hints"].get(spec["name"] if len(specs) > 1 else "") or {}
        arrays.append(values(draw(making["seed"], position, count), spec["dtype"], hint).reshape(shape))
        position += count
    return arrays


def fixed_batch(specs: "list[dict[str, Any]]") -> "int | None":
    """The number of samples that the model takes at once, where it fixes that."""
    return next((spec["shape"][0] for spec in specs if spec["shape"] and spec["shape"][0]), None)


def batch_size(specs: "list[dict[str, Any]]", count: int) -> int:
    """How many of ``count`` samples to predict at once; 32 is Keras's own default."""
    return fixed_batch(specs) or min(count, 32)


def _rounded_up(count: int, batch: int) -> int:
    return -(-count // batch) * batch
