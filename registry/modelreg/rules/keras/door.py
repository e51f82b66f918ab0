"""Whether a target's ``load_model`` opens this container at all, and whether it is of its own generation.

Sources: ``load_model`` in ``keras/src/saving/saving_api.py`` (3.15), ``keras/src/saving/saving_api.py`` and
``keras/src/saving/legacy/save.py`` (2.15), ``keras/engine/saving.py`` (2.3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from modelreg.facts import Container, Facts
from modelreg.findings import Outcome
from modelreg.rules.keras.reader import Line, Reader
from modelreg.rules.keras.trouble import Trouble

_HDF5_SUFFIXES = frozenset({".h5", ".hdf5"})
"""The suffixes under which Keras 3 opens HDF5 (``saving_api.load_model``)."""


def door_troubles(facts: Facts, reader: Reader, troubles: Sequence[Trouble]) -> Iterator[Trouble]:
    """Why the container is refused before any layer is looked at; ``troubles`` are those of its content."""
    match facts.container:
        case Container.KERAS_HDF5:
            yield from _hdf5(facts, reader)
        case Container.KERAS_ZIP:
            yield from _archive(facts, reader)
        case Container.SAVED_MODEL:
            yield from _saved_model(facts, reader, troubles)
    if (
        facts.keras_major == 3
        and not reader.is_keras3
        and facts.container in (Container.KERAS_HDF5, Container.KERAS_ZIP)
    ):
        yield _of_keras3(facts, reader, next((each for each in troubles if each.is_certain), None))


def _of_keras3(facts: Facts, reader: Reader, first: Trouble | None) -> Trouble:
    """A file of Keras 3 for Keras 2: refused for what it holds, and a note where nothing in it stands in the way.

    Manifests of old hold no configuration to look at; there the version decides.
    """
    is_certain = first is not None or facts.config is None
    said = f": {first.message}" if first else "" if is_certain else "; nothing that it does not read was found"
    return Trouble(
        "MR403",
        f"{facts.file} was written by Keras {facts.keras_version}; the target has {reader}{said}",
        first.where if first and first.where else facts.file,
        Outcome.LOAD_ERROR,
        is_certain=is_certain,
        is_note=not is_certain,
    )


def _decodes_twice(reader: Reader) -> bool:
    """Whether its HDF5 reader calls ``.decode`` on what h5py 3 has decoded (TensorFlow up to 2.4, Keras up to 2.3)."""
    is_old = reader.line is Line.STANDALONE or (reader.tensorflow is not None and reader.tensorflow < (2, 5))
    return is_old and reader.h5py is not None and reader.h5py >= (3,)


def _suffix(facts: Facts) -> str:
    return PurePosixPath(facts.file).suffix


def _hdf5(facts: Facts, reader: Reader) -> Iterator[Trouble]:
    if _decodes_twice(reader):
        yield Trouble(
            "MR426",
            f"the target has h5py {'.'.join(map(str, reader.h5py or ()))} with {reader}, which reads HDF5 through h5py "
            "2 only: ''str' object has no attribute 'decode''",
            facts.file,
            Outcome.LOAD_ERROR,
        )
    suffix = _suffix(facts)
    if not reader.is_keras3 or suffix in _HDF5_SUFFIXES:
        return
    if suffix == ".keras":
        message = f"{facts.file} is HDF5; {reader} opens .keras as a zip archive only ('File not found')"
    else:
        message = f"{facts.file} is HDF5; {reader} opens HDF5 only under the suffix .h5 or .hdf5"
    yield Trouble("MR406", message, facts.file, Outcome.LOAD_ERROR)


def _archive(facts: Facts, reader: Reader) -> Iterator[Trouble]:
    if not reader.reads_zip:
        yield Trouble(
            "MR408",
            f"{facts.file} is a zip archive in the .keras format of Keras 2.12 and later; {reader} reads HDF5 and "
            "SavedModel only",
            facts.file,
            Outcome.LOAD_ERROR,
        )
    elif _suffix(facts) != ".keras":
        yield Trouble(
            "MR408",
            f"{facts.file} is a zip archive in the .keras format; {reader} opens it only under the suffix .keras",
            facts.file,
            Outcome.LOAD_ERROR,
            f"mv {facts.file} {PurePosixPath(facts.file).with_suffix('.keras')}",
        )


def _saved_model(facts: Facts, reader: Reader, troubles: Sequence[Trouble]) -> Iterator[Trouble]:
    written = f"a SavedModel by TensorFlow {facts.tensorflow_version or '(not told)'}"
    if reader.is_keras3:
        yield Trouble("MR405", f"{written}; load_model of {reader} does not read it", facts.file, Outcome.LOAD_ERROR)
    elif reader.line is Line.STANDALONE:
        yield Trouble(
            "MR405",
            f"{written}; load_model of {reader} reads HDF5 only",
            facts.file,
            Outcome.LOAD_ERROR,
            "load it with tf.keras, or save it as HDF5",
        )
    elif not facts.layers and not any(each.rule == "MR405" for each in troubles):
        yield Trouble(
            "MR405",
            f"{written} that was exported, not saved by Keras: load_model of {reader} gives an object without predict",
            facts.file,
            Outcome.PREDICT_ERROR,
            "loaded.serve(inputs) or loaded.signatures['serving_default'] runs it",
            is_certain=False,
            is_note=True,
        )
