"""Owns the data file: decodes ``tables.json.xz`` once, and picks the rows that hold for a release.

The file is written by ``tools/keras_tables.py``, whose docstring tells its layout.  It is part of the package and
trusted as its code is; decoding takes some 40 ms and happens on the first question.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

FORMAT = 1
FILE = "tables.json.xz"


@dataclass(frozen=True, slots=True)
class Described:
    """What the file says of one release besides its rows."""

    distribution: str
    version: str
    builtin_modules: tuple[str, ...]
    import_prefix: str
    compile_metrics: frozenset[str]


@dataclass(frozen=True, slots=True)
class Tables:
    """The decoded file.  ``sets`` are bit sets over ``releases``; ``rows`` are the file's own lists, by kind.

    A row ends in the index of its set.  Before that come, for ``entries``: key, kind, role, exported names, signature;
    ``legacy``: role, name, keys; ``registry``: API name, key; ``modules``: module; ``imports``: module, name, key.
    A key is an index into ``keys`` (module and name), a signature one into ``signatures``.
    """

    releases: tuple[Described, ...]
    sets: tuple[int, ...]
    keys: list[list[str]]
    signatures: list[list[Any]]
    rows: dict[str, list[list[Any]]]

    def of(self, kind: str, index: int) -> Iterator[list[Any]]:
        """The rows of one kind that hold for the release of that index."""
        holds = [bits >> index & 1 for bits in self.sets]
        return (row for row in self.rows[kind] if holds[row[-1]])

    def indexes(self, bits: int) -> list[int]:
        """The releases of a bit set, oldest first within each line."""
        return [index for index in range(len(self.releases)) if bits >> index & 1]


@functools.cache
def tables() -> Tables:
    """The file, decoded on the first call."""
    packed = importlib.resources.files(__package__).joinpath(FILE).read_bytes()
    document = json.loads(lzma.decompress(packed))
    if document["format"] != FORMAT:
        raise ValueError(f"{FILE} has format {document['format']}, this version reads {FORMAT}")
    return Tables(
        tuple(map(_described, document["releases"])),
        tuple(int(bits, 16) for bits in document["sets"]),
        document["keys"],
        document["signatures"],
        {kind: document[kind] for kind in ("entries", "legacy", "registry", "modules", "imports")},
    )


def _described(item: dict[str, Any]) -> Described:
    return Described(
        item["distribution"],
        item["version"],
        tuple(item["builtin_modules"]),
        item["import_prefix"],
        frozenset(item["compile_metrics"]),
    )
