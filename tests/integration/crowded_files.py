"""Builds files that hold 100,000 of one thing, for test_crowds: each valid, or nearly so, and small for what it holds."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py

MODELS = Path(__file__).parents[1] / "models"
COUNT = 100_000


def _dense(number: int, **more: Any) -> dict[str, Any]:
    return {"class_name": "Dense", "config": {"name": f"d{number}", "units": 1, "trainable": True, **more}}


def _sequential(layers: list[Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": "s", "layers": layers}}


def _hdf5(fill: Callable[[h5py.File], None]) -> bytes:
    made = io.BytesIO()
    with h5py.File(made, "w", libver="latest") as file:
        fill(file)
    return made.getvalue()


def _keras_hdf5(config: Any) -> bytes:
    def fill(file: h5py.File) -> None:
        file.attrs["keras_version"] = "2.15.0"
        file.attrs["model_config"] = json.dumps(config)
        file.create_group("model_weights").attrs["layer_names"] = [b"d0"]

    return _hdf5(fill)


def _archive(config: Any) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(MODELS / "py313" / "plain.keras") as archive, zipfile.ZipFile(out, "w") as changed:
        for name in archive.namelist():
            changed.writestr(name, json.dumps(config) if name == "config.json" else archive.read(name))
    return out.getvalue()


def _tensors(file: h5py.File) -> None:
    group = file.create_group("layers/d/vars")
    for number in range(COUNT):
        group.create_dataset(str(number), data=0.0, dtype="f4", track_times=False)


def _links(file: h5py.File) -> None:
    group = file.create_group("layers/d/vars")
    group.create_dataset("0", data=[1.0])
    for number in range(1, COUNT):
        group[str(number)] = h5py.SoftLink("/layers/d/vars/0")


def _attributes(file: h5py.File) -> None:
    file.attrs["model_config"] = json.dumps(_sequential([_dense(0)]))
    for number in range(COUNT):
        file.attrs.create(f"model_config{number}", number)


def _members() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("config.json", json.dumps(_sequential([_dense(0)])))
        for number in range(COUNT):
            archive.writestr(f"assets/{number}", b"")
    return out.getvalue()


def _lambda() -> str:
    with h5py.File(MODELS / "py38" / "lambda.h5", "r") as file:
        config = json.loads(file.attrs["model_config"])
    (found,) = [layer for layer in config["config"]["layers"] if layer["class_name"] == "Lambda"]
    return str(found["config"]["function"][0])


def _lambdas() -> bytes:
    code = _lambda()
    layers = [
        {"class_name": "Lambda", "config": {"name": f"l{n}", "function": [code, None, None], "function_type": "lambda"}}
        for n in range(COUNT)
    ]
    return _keras_hdf5(_sequential(layers))


def _chain(count: int) -> Any:
    """A functional model, each layer of which hangs on the one before."""
    layers: list[Any] = [{"class_name": "InputLayer", "config": {"name": "d0"}, "name": "d0", "inbound_nodes": []}]
    for number in range(1, count):
        node = [[f"d{number - 1}", 0, 0, {}]]
        layers.append({**_dense(number), "name": f"d{number}", "inbound_nodes": [node]})
    ends = {"input_layers": [["d0", 0, 0]], "output_layers": [[f"d{count - 1}", 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "f", "layers": layers, **ends}}


def _star(count: int) -> Any:
    """One layer that is called on every other one."""
    layers = [{**_dense(number), "name": f"d{number}", "inbound_nodes": []} for number in range(count)]
    nodes = [[[f"d{number}", 0, 0, {}] for number in range(count)]]
    layers.append({"class_name": "Add", "config": {"name": "add"}, "name": "add", "inbound_nodes": nodes})
    return {"class_name": "Functional", "config": {"name": "f", "layers": layers}}


def _record(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _graph() -> bytes:
    nodes = b"".join(
        _record(1, _record(1, b"n%d" % number) + _record(2, b"Op%d" % (number % 5_000))) for number in range(COUNT)
    )
    return _record(2, _record(2, nodes))


def _onnx() -> bytes:
    nodes = b"".join(_record(1, _record(4, b"Op%d" % (number % 5_000))) for number in range(COUNT))
    return b"\x08\x08" + _record(7, nodes) + _record(8, b"\x10\x0d")


def _nested(depth: int) -> Any:
    model: Any = _sequential([_dense(0)])
    for _ in range(depth):
        model = _sequential([model])
    return model


CROWDS: Mapping[str, Callable[[], Mapping[str, bytes]]] = MappingProxyType(
    {
        "layers": lambda: {"m.h5": _keras_hdf5(_sequential([_dense(n) for n in range(COUNT)]))},
        "layers within the limit": lambda: {"m.h5": _keras_hdf5(_sequential([_dense(n) for n in range(49_000)]))},
        "layers of one name": lambda: {"m.keras": _archive(_sequential([_dense(0)] * 49_000))},
        "layers in a chain": lambda: {"m.h5": _keras_hdf5(_chain(20_000))},
        "layers that one joins": lambda: {"m.h5": _keras_hdf5(_star(20_000))},
        "custom layers": lambda: {
            "m.h5": _keras_hdf5(_sequential([{**_dense(n), "class_name": f"Mine{n}"} for n in range(COUNT)]))
        },
        "unsafe layer names": lambda: {
            "m.h5": _keras_hdf5(_sequential([{**_dense(n), "config": {"name": f"../{n}"}} for n in range(COUNT)]))
        },
        "arguments": lambda: {"m.h5": _keras_hdf5(_sequential([_dense(0, **{f"a{n}": n for n in range(COUNT)})]))},
        "models in each other": lambda: {"m.keras": _archive(_nested(60))},
        "stored functions": lambda: {"m.h5": _lambdas()},
        "tensors": lambda: {"m.weights.h5": _hdf5(_tensors)},
        "soft links": lambda: {"m.weights.h5": _hdf5(_links)},
        "attributes": lambda: {"m.h5": _hdf5(_attributes)},
        "members": lambda: {"m.keras": _members()},
        "nodes of a SavedModel": lambda: {"saved_model.pb": _graph()},
        "nodes of ONNX": lambda: {"m.onnx": _onnx()},
    }
)
