"""Whether a SavedModel's graph runs in the target's TensorFlow, and whether ``load_model`` makes a Keras model of it.

Sources: ``tensorflow/python/saved_model/{load,load_v1_in_v2,function_deserialization}.py`` and
``tensorflow/core/framework/versions.cc`` (2.15), ``keras/saving/legacy/saved_model/load.py`` (2.15),
``tensorflow/python/keras/saving/saved_model/load.py`` (2.4).  What they mean for a file was tried on real and doctored
ones with every minor version of TensorFlow from 1.14 to 2.15, and with 2.20:

* One operation that is not registered, in any function of the library, stops ``load_model``.
* ``VersionDef`` is looked at where the whole graph is imported: by sessions, and for a file without an object graph.
  Otherwise ``load_model`` imports the functions alone, and looks at none.
* Keras runs a layer's graph only if it cannot make the layer from its configuration, which a Lambda always has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from modelreg.facts import Container, Facts, Graph
from modelreg.findings import Outcome
from modelreg.rules import tensorflow_ops
from modelreg.rules.keras.reader import Line, Reader, numbers
from modelreg.rules.keras.trouble import Trouble

_RULE = "MR427"
_NOT_KERAS = "MR405"
_CALLBACKS = ("EagerPyFunc", "PyFunc", "PyFuncStateless")
"""They call a Python function by its number in the process that saved it (``script_ops.py``)."""
_INTERNAL = "_"
"""How names begin that TensorFlow keeps for itself (``op_def_builder.cc``); wrappers tell nothing of them."""
_SHOWN = 3

_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""The variable that a checkpoint of tracked objects has and one by names has not (``trackable/base.py``)."""
_KERAS2_PART = "layer_with_weights-"
"""How Keras 2 names what a Functional or Sequential model tracks; Keras 3 says ``_layers``, an export ``variables``."""

_READS_FOLDERS = (1, 15)
"""The first TensorFlow whose ``load_model`` reads more than HDF5."""
_NEW_SHAPES = (2, 2)
"""The first TensorFlow that reads what 2.3 and later write: shapes as objects, and the class ``Functional``."""
_NEEDS_OBJECT_GRAPH = (2, 4)
"""The first TensorFlow whose ``load_model`` asks for the object graph before anything else."""
_METADATA_FILE = (2, 6)
"""The first TensorFlow that keeps Keras's texts in ``keras_metadata.pb`` alone, and the first that reads them there;
2.5 writes them there and in the graph, and reads the graph's."""


def graph_troubles(facts: Facts, reader: Reader, provided: Collection[str] = ()) -> Iterator[Trouble]:
    """What the graph runs into there; ``provided`` are the classes that the loader hands over.

    For Keras 3 only what also stops ``TFSMLayer``, the one way in which it runs a SavedModel.
    """
    if facts.container is not Container.SAVED_MODEL or facts.graph is None or reader.line is Line.STANDALONE:
        return
    troubles = [*_graph(facts.graph, reader), *_callbacks(facts, facts.graph, reader, provided)]
    if not reader.is_keras3:
        troubles += _keras_part(facts, reader)
        troubles += _versions(facts, facts.graph, reader)
    yield from troubles
    if not any(each.is_certain for each in troubles):
        yield from _newer_writer(facts, reader)


def _graph(graph: Graph, reader: Reader) -> Iterator[Trouble]:
    """Operations that the target's TensorFlow does not register."""
    tensorflow = reader.tensorflow
    names = [each.name for each in graph.operators if not each.domain and not each.name.startswith(_INTERNAL)]
    foreign = [name for name in names if not tensorflow_ops.is_known(name)]
    if foreign:
        yield _trouble(
            f"the graph uses {_listed(foreign)}, which no TensorFlow has: loading it needs the package that registers "
            f"{_pronoun(foreign)}",
            "import that package before loading",
            is_certain=False,
        )
    if tensorflow is None:
        return
    held = [name for name in names if name not in foreign and not tensorflow_ops.has(tensorflow, name)]
    contrib = [name for name in held if tensorflow_ops.has_in_contrib(tensorflow, name)]
    absent = [name for name in held if name not in contrib]
    if absent:
        told = [f"{name} (in {tensorflow_ops.since(name)})" for name in absent[:_SHOWN]]
        yield _trouble(f"the graph uses {_listed(told, len(absent))}; the target has {_tensorflow(reader)}")
    if contrib:
        yield _trouble(
            f"the graph uses {_listed(contrib)}, which {_tensorflow(reader)} registers only once that part of "
            "tf.contrib is imported",
            "import that part of tf.contrib before loading",
            is_certain=False,
        )


def _callbacks(facts: Facts, graph: Graph, reader: Reader, provided: Collection[str]) -> Iterator[Trouble]:
    """``tf.py_function`` and ``tf.numpy_function``; a layer that is made from its configuration calls them anew."""
    used = [each.name for each in graph.operators if each.name in _CALLBACKS]
    if not used:
        return
    is_remade = not reader.is_keras3 and (
        bool(facts.lambdas) or not {layer.class_name for layer in facts.layers}.isdisjoint(provided)
    )
    yield Trouble(
        _RULE,
        f"the graph calls back into the Python process that saved it ({_listed(used)}): what it calls is not in the "
        "file ('callback pyfunc_0 is not found')",
        None,
        Outcome.PREDICT_ERROR,
        "use TensorFlow's own operations in place of tf.py_function or tf.numpy_function, and save again",
        is_certain=not is_remade,
    )


def _keras_part(facts: Facts, reader: Reader) -> Iterator[Trouble]:
    """What ``load_model`` makes of Keras's own metadata, or of its absence."""
    if reader.tensorflow is not None and reader.tensorflow < _READS_FOLDERS:
        yield _no_model(f"a SavedModel; load_model of {reader} reads HDF5 only")
    elif facts.keras_version is not None:
        yield from _metadata(facts, reader)
    elif _is_without_objects(facts):
        if reader.tensorflow is None or reader.tensorflow >= _NEEDS_OBJECT_GRAPH:
            yield _no_model(
                f"a SavedModel by TensorFlow {facts.tensorflow_version or '(not told)'} without an object graph, which "
                f"load_model of {reader} does not read ('list index out of range')"
            )
    elif _written(facts) >= _METADATA_FILE and any(_KERAS2_PART in tensor.path for tensor in facts.tensors):
        yield _no_model(
            "it holds a Keras model that was saved with tf.saved_model.save, without the metadata that load_model "
            "asks for ('Unable to create a Keras model', 'JSONDecodeError')"
        )


def _metadata(facts: Facts, reader: Reader) -> Iterator[Trouble]:
    """How Keras's texts are kept, against how the target reads them."""
    target, written = reader.tensorflow, _written(facts)
    if target is None:
        return
    if target < _METADATA_FILE <= written:
        yield _trouble(
            f"TensorFlow {facts.tensorflow_version} keeps Keras's metadata in a file that {_tensorflow(reader)} does "
            "not read ('JSONDecodeError: Expecting value')",
            "install TensorFlow 2.6 or later there, or save the model as .h5",
        )
    elif target < _NEW_SHAPES and written >= (2, 3):
        yield _trouble(
            f"TensorFlow {facts.tensorflow_version} writes Keras's metadata in words that {_tensorflow(reader)} does "
            "not know ('Error converting shape to a TensorShape', 'object has no attribute 'predict'')",
            "install TensorFlow 2.2 or later there, or save the model as .h5",
        )


def _written(facts: Facts) -> tuple[int, ...]:
    """The version that wrote the file; nothing where it is not told, so that nothing new is assumed of it."""
    return numbers(facts.tensorflow_version) if facts.tensorflow_version else ()


def _is_without_objects(facts: Facts) -> bool:
    """Whether the checkpoint is one by names, as TensorFlow 1 writes; without a checkpoint nothing tells."""
    return bool(facts.tensors) and not any(tensor.path == _OBJECT_GRAPH for tensor in facts.tensors)


def _versions(facts: Facts, graph: Graph, reader: Reader) -> Iterator[Trouble]:
    """``VersionDef`` of the graph against the target's graph version."""
    if reader.tensorflow is None:
        return
    target = tensorflow_ops.graph_version(reader.tensorflow)
    if (graph.min_consumer or 0) > target.producer:
        said = f"the graph asks for graph version {graph.min_consumer} or later"
    elif target.producer in graph.bad_consumers:
        said = f"the graph forbids graph version {target.producer}"
    elif graph.producer is not None and graph.producer < target.min_producer:
        said = f"the graph is of version {graph.producer}, and {target.min_producer} is the oldest that is read"
    else:
        return
    is_imported_whole = _is_without_objects(facts)
    yield _trouble(
        f"{said}; {_tensorflow(reader)} has {target.producer}"
        + ("" if is_imported_whole else " (load_model does not look; a session and TensorFlow Serving do)"),
        is_certain=is_imported_whole,
    )


def _newer_writer(facts: Facts, reader: Reader) -> Iterator[Trouble]:
    """TensorFlow promises to read what the same or an earlier version wrote (its guide on version compatibility).

    Where every operation is known it has worked on all forty recorded loads, so this is a note.
    """
    if reader.tensorflow and _written(facts)[:2] > reader.tensorflow[:2]:
        yield _trouble(
            f"written by TensorFlow {facts.tensorflow_version}; {_tensorflow(reader)} has every operation of the "
            "graph, but promises to read only what the same or an earlier version wrote",
            is_certain=False,
            is_note=True,
        )


def _trouble(message: str, fix: str | None = None, *, is_certain: bool = True, is_note: bool = False) -> Trouble:
    return Trouble(_RULE, message, None, Outcome.LOAD_ERROR, fix, is_certain=is_certain, is_note=is_note)


def _no_model(message: str) -> Trouble:
    fix = "tf.saved_model.load(PATH).signatures['serving_default'] runs it; model.save() keeps a Keras model"
    return Trouble(_NOT_KERAS, message, None, Outcome.LOAD_ERROR, fix)


def _tensorflow(reader: Reader) -> str:
    return "TensorFlow " + ".".join(map(str, reader.tensorflow or ()))


def _listed(names: Collection[str], count: int | None = None) -> str:
    """``A``, ``A and B``, ``A, B, C and 4 more``; ``count`` where ``names`` are the first of so many."""
    more = (count or len(names)) - _SHOWN
    first = list(names)[:_SHOWN]
    if more > 0:
        first.append(f"{more} more")
    *most, last = first
    return f"{', '.join(most)} and {last}" if most else last


def _pronoun(names: Collection[str]) -> str:
    return "it" if len(names) == 1 else "them"
