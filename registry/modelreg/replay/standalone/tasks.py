"""The two tasks: drawing golden predictions, and computing them again."""

from pathlib import Path
from typing import Any

import numpy as np

from .comparing import compare, matched
from .golden_file import SCHEMA, read_golden, write_golden
from .sampling import UNKNOWN_SIZES, batch_size, samples
from .trouble import Trouble

TOLERANCE, HALF_TOLERANCE = "1e-4", "1e-2"
"""float32 on another CPU differs by about 1e-6 of an output's scale, a deep network's by 1e-5; float16 by 1e-3."""


def make(model: Any, request: "dict[str, Any]", versions: "dict[str, str]") -> "dict[str, Any]":
    """Draw inputs, predict twice, and write the golden file."""
    making = request["make"]
    specs = model.inputs()
    inputs, outputs = _first_that_works(model, specs, making)
    tolerance = making["tolerance"] or (HALF_TOLERANCE if model.half else TOLERANCE)
    _check_repeats(outputs, model.predict(inputs, batch_size(specs, len(inputs[0]))), float(tolerance))
    told = {
        "inputs": [_described(spec["name"], spec["dtype"], array) for spec, array in zip(specs, inputs)],  # noqa: B905
        "outputs": [_described(name, array.dtype.name, array) for name, array in outputs.items()],
        "samples": len(inputs[0]),
        "tolerance": tolerance,
    }
    arrays = {f"inputs/{index}": array for index, array in enumerate(inputs)}
    arrays.update({f"outputs/{index}": array for index, array in enumerate(outputs.values())})
    header = dict(told, schema=SCHEMA, seed=making["seed"], versions=versions)
    write_golden(Path(making["destination"]), header, arrays, making["size_bytes_max"])
    return dict(told, outcome="made")


def _first_that_works(model: Any, specs: "list[dict[str, Any]]", making: "dict[str, Any]") -> "tuple[Any, Any]":
    """Inputs and outputs, with the first of the sizes for open dimensions that the model takes."""
    is_open = any(size is None for spec in specs for size in spec["shape"][1:])
    failure = None
    for sizes in UNKNOWN_SIZES if is_open else UNKNOWN_SIZES[:1]:
        try:
            inputs = samples(specs, making, sizes)
            return inputs, model.predict(inputs, batch_size(specs, len(inputs[0])))
        except Exception as error:
            failure = failure or error  # the first one speaks of the size that most models take
    raise failure  # type: ignore[misc]


def _check_repeats(first: "dict[str, Any]", second: "dict[str, Any]", tolerance: float) -> None:
    for name, array in first.items():
        report = compare(name, array, second[name], tolerance)
        if report["beyond"]:
            raise Trouble(
                f"two runs on the same inputs differ: output {name!r} was {report['expected']}, then "
                f"{report['actual']}; a model that draws random numbers when it predicts has no golden predictions"
            )
        if array.dtype.kind in "fc" and array.size and not np.isfinite(array).any():
            raise Trouble(f"output {name!r} is not finite anywhere, so its golden values would say nothing")


def _described(name: str, dtype: str, array: Any) -> "dict[str, Any]":
    return {"name": name, "shape": list(array.shape), "dtype": "string" if array.dtype.kind == "S" else dtype}


def replay(model: Any, request: "dict[str, Any]") -> "dict[str, Any]":
    """Predict on the golden inputs and compare with the golden outputs."""
    header, inputs, outputs = read_golden(Path(request["golden"]), request["size_bytes_max"])
    tolerance = request["tolerance"] or header["tolerance"]
    specs = model.inputs()
    here = [spec["name"] for spec in specs]
    wanted = matched([spec["name"] for spec in header["inputs"]], here, "inputs")
    arrays = dict(zip(wanted, inputs))  # noqa: B905 - Python 3.6
    given = [arrays[name] for name in here]
    told = model.predict(given, batch_size(specs, len(given[0])))
    names = [spec["name"] for spec in header["outputs"]]
    counterparts = matched(names, list(told), "outputs")
    reports = [
        compare(name, array, told[counterpart], float(tolerance))
        for name, counterpart, array in zip(names, counterparts, outputs)  # noqa: B905 - Python 3.6
    ]
    outcome = "different" if any(report["beyond"] for report in reports) else "same"
    return {"outcome": outcome, "outputs": reports, "samples": len(inputs[0]), "tolerance": tolerance}
