"""Which operations each TensorFlow since 1.12 registers, and its graph version: data, with a reader.

The facts were read from the released wheels by ``tools/tensorflow_ops.py`` (``make tensorflow-ops``), one release for
each minor version, and compared with what real TensorFlows register (``--check``).  A version of TensorFlow is a tuple
of numbers, major and minor first; one that is not in the data is taken for the newest release before it.
"""

from __future__ import annotations

import bisect
import functools
import importlib.resources
import json
import lzma
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

FORMAT = 1
FILE = "tensorflow_ops.json.xz"

Run = tuple[int, int]
"""The first and the last of successive releases, as indices."""


@dataclass(frozen=True, slots=True)
class GraphVersion:
    """``TF_GRAPH_DEF_VERSION`` of a release and its two bounds (``tensorflow/core/public/version.h``)."""

    producer: int
    min_producer: int
    min_consumer: int


@dataclass(frozen=True, slots=True)
class _Table:
    """The decoded file: the minor version of each release, and the runs of releases that have an operation."""

    minors: tuple[tuple[int, int], ...]
    versions: tuple[GraphVersion, ...]
    operations: Mapping[str, tuple[Run, ...]]
    contrib: Mapping[str, tuple[Run, ...]]

    def index(self, tensorflow: Sequence[int]) -> int:
        major, minor = (*tensorflow, 0, 0)[:2]
        return max(bisect.bisect_right(self.minors, (major, minor)) - 1, 0)

    def label(self, index: int) -> str:
        return "{}.{}".format(*self.minors[index])


def names() -> Iterator[str]:
    """Every operation that some release has."""
    table = _table()
    return iter(table.operations.keys() | table.contrib.keys())


def is_known(operation: str) -> bool:
    """Whether some release has it; what none has comes from a package of its own."""
    return operation in _table().operations or operation in _table().contrib


def has(tensorflow: Sequence[int], operation: str) -> bool:
    """Whether that TensorFlow registers the operation when it is imported."""
    return _holds(_table().operations, tensorflow, operation)


def has_in_contrib(tensorflow: Sequence[int], operation: str) -> bool:
    """Whether it registers the operation only once the part of ``tf.contrib`` is imported that it belongs to."""
    return _holds(_table().contrib, tensorflow, operation)


def since(operation: str) -> str:
    """The releases that have it, as findings say it: ``TensorFlow 2.10 and later``; empty where none has."""
    table = _table()
    told = [f"TensorFlow {_told(run)}" for run in table.operations.get(operation, ())]
    told += [f"tf.contrib of TensorFlow {_told(run)}" for run in table.contrib.get(operation, ())]
    return ", ".join(told)


def graph_version(tensorflow: Sequence[int]) -> GraphVersion:
    """The graph version of that TensorFlow."""
    table = _table()
    return table.versions[table.index(tensorflow)]


def _holds(held: Mapping[str, tuple[Run, ...]], tensorflow: Sequence[int], operation: str) -> bool:
    index = _table().index(tensorflow)
    return any(first <= index <= last for first, last in held.get(operation, ()))


def _told(run: Run) -> str:
    table = _table()
    first, last = run
    newest = len(table.minors) - 1
    if last == newest:
        return f"{table.label(first)} and later"
    if first == 0:
        return f"{table.label(last)} and earlier"
    return table.label(first) if first == last else f"{table.label(first)} to {table.label(last)}"


@functools.cache
def _table() -> _Table:
    packed = importlib.resources.files(__package__).joinpath(FILE).read_bytes()
    document = json.loads(lzma.decompress(packed))
    if document["format"] != FORMAT:
        raise ValueError(f"{FILE} has format {document['format']}, this version reads {FORMAT}")
    releases = document["releases"]
    return _Table(
        tuple(_minor(release["version"]) for release in releases),
        tuple(
            GraphVersion(release["producer"], release["min_producer"], release["min_consumer"]) for release in releases
        ),
        _by_name(document["operations"]),
        _by_name(document["contrib"]),
    )


def _minor(version: str) -> tuple[int, int]:
    major, minor, *_ = version.split(".")
    return int(major), int(minor)


def _by_name(groups: Mapping[str, Sequence[str]]) -> dict[str, tuple[Run, ...]]:
    runs = {text: tuple(_run(part) for part in text.split()) for text in groups}
    return {name: runs[text] for text, members in groups.items() for name in members}


def _run(text: str) -> Run:
    first, _, last = text.partition("-")
    return int(first), int(last)
