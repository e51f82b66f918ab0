"""Makes ``onnx/``: the same small network with its weights inside the file, and beside it.

Run with the ``onnx`` package: ``python make_onnx.py OUTPUT_FOLDER``.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def build() -> onnx.ModelProto:
    random = np.random.default_rng(7)
    weights = {
        "hidden.kernel": random.normal(size=(10, 8)).astype(np.float32),
        "hidden.bias": random.normal(size=(8,)).astype(np.float32),
        "out.kernel": random.normal(size=(8, 1)).astype(np.float32),
        "out.bias": random.normal(size=(1,)).astype(np.float32),
    }
    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    # Small tensors may stand in the typed fields instead of raw_data; both ways are legal (onnx.proto, TensorProto).
    initializers.append(helper.make_tensor("shape", TensorProto.INT64, [2], [-1, 1]))
    nodes = [
        helper.make_node("Gemm", ["x", "hidden.kernel", "hidden.bias"], ["h"], name="hidden"),
        helper.make_node("Relu", ["h"], ["r"], name="relu"),
        helper.make_node("Gemm", ["r", "out.kernel", "out.bias"], ["o"], name="out"),
        helper.make_node("Reshape", ["o", "shape"], ["y"], name="reshape"),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 10])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])]
    graph = helper.make_graph(nodes, "plain", inputs, outputs, initializers)
    model = helper.make_model(graph, producer_name="modelreg-tests", opset_imports=[helper.make_opsetid("", 21)])
    onnx.checker.check_model(model)
    return model


def typed() -> onnx.ModelProto:
    """Each type's values twice: as the typed field of that type, and as raw data."""
    values = [0.0, 1.0, -2.5, 100.0, float("inf")]
    wholes = {
        TensorProto.INT8: [0, -1, 127, -128],
        TensorProto.UINT8: [0, 255],
        TensorProto.INT16: [0, -32768],
        TensorProto.UINT16: [65535],
        TensorProto.INT32: [-1, 2**31 - 1],
        TensorProto.INT64: [-1, 2**63 - 1, 0],
        TensorProto.UINT32: [2**32 - 1],
        TensorProto.UINT64: [2**64 - 1, 1],
        TensorProto.BOOL: [1, 0, 1],
    }
    floats = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)
    given = wholes | dict.fromkeys(floats, values) | {TensorProto.COMPLEX64: [1 + 2j, -0.5j]}
    initializers = []
    for kind, numbers in given.items():
        name = TensorProto.DataType.Name(kind).lower()
        in_field = helper.make_tensor(name, kind, [len(numbers)], numbers)
        assert not in_field.raw_data
        initializers += [in_field, numpy_helper.from_array(numpy_helper.to_array(in_field), f"{name}.raw")]
    initializers.append(helper.make_tensor("empty", TensorProto.FLOAT, [0], []))
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [5])
    nodes = [helper.make_node("Identity", ["float"], ["y"])]
    graph = helper.make_graph(nodes, "typed", [], [output], initializers)
    return helper.make_model(graph, producer_name="modelreg-tests", opset_imports=[helper.make_opsetid("", 21)])


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(build(), folder / "plain.onnx")
    onnx.save(typed(), folder / "typed.onnx")
    onnx.save(build(), folder / "external.onnx", save_as_external_data=True, location="external.bin", size_threshold=64)
    custom = build()
    custom.graph.node[1].domain = "com.example"
    custom.graph.node[1].op_type = "Swish"
    custom.opset_import.append(helper.make_opsetid("com.example", 1))
    onnx.save(custom, folder / "custom_op.onnx")
    environment = {"python": platform.python_version(), "onnx": onnx.__version__}
    (folder / "env.json").write_text(json.dumps(environment), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
