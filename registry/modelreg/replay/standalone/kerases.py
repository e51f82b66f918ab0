"""Whatever Keras this interpreter has: how it is imported, how it loads a model, how the model predicts.

Written for Keras 2.2 to 3.15, tf.keras since TensorFlow 1.12, and tf-keras.
"""

import importlib
import importlib.util
import inspect
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from .trouble import Trouble


def import_keras() -> Any:
    """The Keras that a program in this interpreter most likely uses.

    tf-keras where ``TF_USE_LEGACY_KERAS`` says so, then ``keras``, then the one that TensorFlow carries.
    """
    legacy = os.environ.get("TF_USE_LEGACY_KERAS") in ("1", "true", "True")
    for name in ("tf_keras", "keras") if legacy else ("keras",):
        if importlib.util.find_spec(name) is not None:
            return importlib.import_module(name)
    if importlib.util.find_spec("tensorflow") is not None:
        return importlib.import_module("tensorflow").keras
    raise Trouble("this interpreter has neither keras nor tensorflow")


def versions(keras: Any) -> "dict[str, str]":
    """What computes here."""
    told = {"python": sys.version.split()[0], "numpy": np.__version__}
    if keras is not None:
        version = getattr(keras, "__version__", None) or getattr(keras, "version", lambda: "")()
        told["keras"] = str(version)
    if "tensorflow" in sys.modules:
        told["tensorflow"] = str(sys.modules["tensorflow"].__version__)
    return told


def custom_objects(names: "list[str]", search: "list[str]") -> "dict[str, Any]":
    """The classes and functions that the named modules or ``.py`` files define, and their ``custom_objects``."""
    sys.path.extend(search)
    found = {}
    for index, name in enumerate(names):
        if name.endswith(".py"):
            spec = importlib.util.spec_from_file_location(f"modelreg_custom_objects_{index}", name)
            module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
            sys.modules[module.__name__] = module
            spec.loader.exec_module(module)  # type: ignore[union-attr]
        else:
            module = importlib.import_module(name)
        defined = {key: value for key, value in vars(module).items() if callable(value)}
        found.update({k: v for k, v in defined.items() if getattr(v, "__module__", None) == module.__name__})
        found.update(getattr(module, "custom_objects", {}))
    return found


def import_modules(paths: "list[str]") -> None:
    """Import ``.py`` files under their own names, for what they register with Keras; none of it is handed over."""
    for path in map(Path, paths):
        sys.path.insert(0, str(path.parent))
        importlib.import_module(path.stem)


class LoadedModel:
    """A model that Keras loaded, as what predicts."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.half = any(
            str(getattr(layer, "compute_dtype", "")) in ("float16", "bfloat16")
            for layer in getattr(model, "layers", ())
        )

    def inputs(self) -> "list[dict[str, Any]]":
        """Name, shape (``None`` where open) and dtype of each input."""
        tensors = _told(self.model, "inputs")
        if not tensors:
            return [_built_spec(self.model)]
        tensors = list(tensors.values()) if isinstance(tensors, dict) else list(tensors)
        names = _told(self.model, "input_names") or [tensor.name for tensor in tensors]
        return [_spec(name, tensor) for name, tensor in zip(names, tensors)]  # noqa: B905 - Python 3.6

    def predict(self, arrays: "list[Any]", batch: int) -> "dict[str, Any]":
        """Every output by its name."""
        for layer in [self.model, *getattr(self.model, "layers", ())]:
            if getattr(layer, "stateful", False) and hasattr(layer, "reset_states"):
                layer.reset_states()
        given = self._structured([_feedable(array) for array in arrays])
        return flat(self.model.predict(given, batch_size=batch, verbose=0), _told(self.model, "output_names"))

    def _structured(self, arrays: "list[Any]") -> Any:
        """The inputs as the model takes them: by the keys of its dictionary, as a list, or one alone."""
        if len(arrays) == 1:
            return arrays[0]
        names = [spec["name"] for spec in self.inputs()]
        for attribute in ("_inputs_struct", "_nested_inputs"):  # of Keras 3, of tf.keras since TensorFlow 2.2
            structure = getattr(self.model, attribute, None)
            if isinstance(structure, dict):
                keys = {_name(tensor.name): key for key, tensor in structure.items()}
                return {keys.get(name, name): array for name, array in zip(names, arrays)}  # noqa: B905 - Python 3.6
        return arrays


class Signature:
    """A SavedModel's serving function, which Keras 3 runs nothing else of."""

    half = False

    def __init__(self, folder: str) -> None:
        self.tf = importlib.import_module("tensorflow")
        self.loaded = self.tf.saved_model.load(folder)
        endpoints = self.loaded.signatures
        name = "serving_default" if "serving_default" in endpoints else next(iter(sorted(endpoints)), None)
        if name is None:
            raise Trouble("the SavedModel has no serving signature, so it can only be run by the Keras that wrote it")
        self.function = endpoints[name]
        self.tensors = self.function.structured_input_signature[1]

    def inputs(self) -> "list[dict[str, Any]]":
        return [_spec(name, tensor) for name, tensor in sorted(self.tensors.items())]

    def predict(self, arrays: "list[Any]", batch: int) -> "dict[str, Any]":
        told = []
        for start in range(0, len(arrays[0]), batch):
            given = {
                name: self.tf.constant(array[start : start + batch], dtype=self.tensors[name].dtype)
                for name, array in zip(sorted(self.tensors), arrays)  # noqa: B905
            }
            told.append({name: tensor.numpy() for name, tensor in self.function(**given).items()})
        return flat({name: np.concatenate([part[name] for part in told]) for name in told[0]}, None)


def load(keras: Any, request: "dict[str, Any]", objects: "dict[str, Any]") -> Any:
    """The model of the request; a SavedModel as its signature where Keras is 3, or may run no stored bytecode."""
    major = versions(keras).get("keras", "").split(".")[0]
    if request["container"] == "saved-model" and (major == "3" or request["safe_mode"]):
        return Signature(request["model"])
    load_model = keras.models.load_model
    options = {"custom_objects": objects, "compile": False}
    if "safe_mode" in inspect.signature(load_model).parameters:
        options["safe_mode"] = request["safe_mode"]
    return LoadedModel(load_model(request["model"], **options))


def _told(model: Any, name: str) -> Any:
    """An attribute of a model, ``None`` where a model that was never built raises on being asked."""
    try:
        return getattr(model, name, None)
    except (AttributeError, ValueError):
        return None


def _spec(name: str, tensor: Any) -> "dict[str, Any]":
    shape = tensor.shape.as_list() if hasattr(tensor.shape, "as_list") else list(tensor.shape)
    dtype = getattr(tensor.dtype, "name", None) or str(tensor.dtype)
    return {"name": _name(name), "shape": [None if size is None else int(size) for size in shape], "dtype": dtype}


def _built_spec(model: Any) -> "dict[str, Any]":
    """The one input of a subclassed model, by the shape that it was built with (``get_build_config``, from 2.12 on)."""
    config = model.get_build_config() if hasattr(model, "get_build_config") else None
    shape = (config or {}).get("input_shape")
    if not isinstance(shape, (list, tuple)) or not all(size is None or isinstance(size, int) for size in shape):
        raise Trouble("the model does not say what its inputs are, so no golden inputs can be drawn")
    return {"name": "input", "shape": [None, *shape[1:]], "dtype": "float32"}


def _name(name: str) -> str:
    """A tensor's name without the number of the output, which TensorFlow puts behind it."""
    return name.split(":", maxsplit=1)[0]


def _feedable(array: Any) -> Any:
    """Strings go in as tensors, everything else as it is."""
    return importlib.import_module("tensorflow").constant(array) if array.dtype.kind == "S" else array


def flat(outputs: Any, names: Any, name: str = "") -> "dict[str, Any]":
    """``outputs``, whatever their structure, as arrays by name."""
    if isinstance(outputs, dict):
        parts = [(f"{name}/{key}" if name else str(key), outputs[key]) for key in sorted(outputs)]
    elif isinstance(outputs, (list, tuple)):
        named = names if names and len(names) == len(outputs) and len(set(names)) == len(names) else None
        parts = [(named[index] if named else f"{name or 'output'}_{index}", item) for index, item in enumerate(outputs)]
    else:
        return {name or (names[0] if names else "output"): kept(outputs)}
    return {key: array for inner, item in parts for key, array in flat(item, None, inner).items()}


def kept(output: Any) -> Any:
    """An output as an array that a golden file can hold."""
    array = np.asarray(output)
    if array.dtype.name == "bfloat16":
        return array.astype(np.float32)
    if array.dtype.kind in "OU":
        texts = [item if isinstance(item, bytes) else str(item).encode("utf-8") for item in array.ravel()]
        return np.array(texts, dtype="S").reshape(array.shape)
    if array.dtype.kind not in "biufcS":
        raise Trouble(f"an output is of dtype {array.dtype}, which golden predictions cannot hold")
    return array
