"""Static reading: bytes to facts, in a child process that can do nothing else.

    sandbox, wire        the parent's side and the messages
    child, confine       the starter and its readers: what they may do
    reader               which reader reads what
    sniff                the container, by content
    hdf5, keras_zip, saved_model, tflite, onnx      one reader per container
    config, objects      Keras configurations: layers, custom objects, stored functions
    bytecode             stored functions: their Pythons, names, source
    limits               every bound, with its reason

The parsers are imported by the child only; importing this package loads neither h5py nor NumPy.
"""

from __future__ import annotations

from modelreg.inspect.paths import inspect_path
from modelreg.inspect.sandbox import Entry, Inspector, worth_reading

__all__ = ["Entry", "Inspector", "inspect_path", "worth_reading"]
