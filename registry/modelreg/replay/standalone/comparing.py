"""How far a prediction is from the one that was recorded."""

from typing import Any

import numpy as np

from .trouble import Trouble

OUTPUT_FLOOR = 0.01
"""A column much smaller than the rest of its output is judged as if it had this part of the output's largest value."""


def compare(name: str, expected: Any, actual: Any, tolerance: float) -> "dict[str, Any]":
    """How far ``actual`` is from ``expected``.

    Numbers agree when they differ by at most ``tolerance`` times the largest magnitude that their column (the last
    axis) had, or a hundredth of their output's, whichever is larger; everything else must be equal.
    """
    report = {"name": name, "shape": list(actual.shape), "dtype": actual.dtype.name, "values": int(expected.size)}
    if expected.shape != actual.shape:
        return dict(
            report, beyond=int(expected.size), expected=f"shape {expected.shape}", actual=f"shape {actual.shape}"
        )
    if not expected.size:
        return dict(report, beyond=0)
    if expected.dtype.kind in "fc" and actual.dtype.kind in "fc":
        wide = np.complex128 if "c" in expected.dtype.kind + actual.dtype.kind else np.float64
        absolute, relative = _differences(expected.astype(wide), actual.astype(wide))
        beyond = ~(relative <= tolerance)
    else:
        beyond = np.asarray(expected != actual)
        absolute = relative = beyond.astype(np.float64)
    worst = np.unravel_index(int(np.argmax(np.where(np.isnan(relative), np.inf, relative))), expected.shape)
    return dict(
        report,
        beyond=int(np.count_nonzero(beyond)),
        index=[int(place) for place in worst],
        expected=_shown(expected[worst]),
        actual=_shown(actual[worst]),
        worst_absolute=_shown(absolute[worst]),
        worst_relative=_shown(relative[worst]),
    )


def _differences(expected: Any, actual: Any) -> "tuple[Any, Any]":
    """The absolute difference of each value, and the same in units of its scale; not-a-number equals itself."""
    with np.errstate(all="ignore"):
        agree = (expected == actual) | (np.isnan(expected) & np.isnan(actual))
        absolute = np.where(agree, 0.0, np.abs(actual - expected))
        magnitude = np.where(np.isfinite(expected), np.abs(expected), 0.0)
        axes = tuple(range(expected.ndim - 1)) if expected.ndim > 1 else None
        column = magnitude.max(axis=axes, keepdims=True)
        scale = np.maximum(np.maximum(column, OUTPUT_FLOOR * magnitude.max()), np.finfo(np.float64).tiny)
        return absolute, np.where(agree, 0.0, absolute / scale)


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")[:80]
    return f"{value:.6g}" if isinstance(value, (float, complex, np.floating, np.complexfloating)) else str(value)[:80]


def matched(names: "list[str]", here: "list[str]", what: str) -> "list[str]":
    """The counterparts of ``names`` in ``here``: the same names where all are the same, else by their order."""
    if len(names) != len(here):
        raise Trouble(f"the model has {len(here)} {what} here; it had {len(names)} at push")
    return names if set(names) == set(here) else here
