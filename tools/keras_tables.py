"""Regenerates ``rules/keras_tables/tables.json.xz``: what each Keras finds under which name, and what that takes.

Run ``uv run --no-project --python 3.11 --with pip python tools/keras_tables.py`` (or ``make keras-tables``).  It
fetches each release in ``RELEASES`` with pip, reads its source with ``ast`` (``keras_reading``), and writes one table
of all of them.  A new release is one more line in ``RELEASES``.

The file is JSON, compressed with xz, the same bytes each time.  Each fact stands there once, with the set of releases
that it holds for: ``sets`` are hexadecimal bit sets over ``releases`` (bit 0 is the first), and the last item of each
row is the index of its set.
"""

from __future__ import annotations

import argparse
import ast
import gc
import json
import lzma
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from keras_reading.archives import Release, fetch, is_library_source, sources
from keras_reading.lookups import Key, ReleaseReader, ReleaseTables
from keras_reading.package import Package
from keras_reading.signatures import Signature

OUTPUT = Path(__file__).resolve().parent.parent / "registry" / "modelreg" / "rules" / "keras_tables" / "tables.json.xz"
FORMAT = 1
KINDS = ("entries", "legacy", "registry", "modules", "imports")


def _tensorflow(version: str, python: str, name: str = "tensorflow") -> Release:
    return Release(name, version, python, "tensorflow/python/keras")


RELEASES = (
    *(Release("keras", f"2.2.{patch}", "3.6") for patch in range(6)),
    Release("keras", "2.3.0", "3.6"),
    Release("keras", "2.3.1", "3.6"),
    *(Release("keras", f"2.{minor}.0", "3.8") for minor in range(6, 13)),
    Release("keras", "2.13.1", "3.8"),
    Release("keras", "2.14.0", "3.9"),
    Release("keras", "2.15.0", "3.9"),
    _tensorflow("1.12.3", "3.6"),
    _tensorflow("1.13.2", "3.6"),
    _tensorflow("1.14.0", "3.6"),
    _tensorflow("1.15.0", "3.7", "tensorflow-cpu"),
    _tensorflow("2.0.4", "3.7"),
    _tensorflow("2.1.4", "3.7", "tensorflow-cpu"),
    _tensorflow("2.2.3", "3.8", "tensorflow-cpu"),
    _tensorflow("2.3.4", "3.8", "tensorflow-cpu"),
    _tensorflow("2.4.4", "3.8", "tensorflow-cpu"),
    _tensorflow("2.5.3", "3.8", "tensorflow-cpu"),
    *(Release("tf-keras", version, "3.9", "tf_keras") for version in ("2.14.1", "2.15.0", "2.15.1")),
    *(Release("tf-keras", f"2.{minor}.0", "3.11", "tf_keras") for minor in range(16, 20)),
    Release("tf-keras", "2.20.1", "3.11", "tf_keras"),
    Release("tf-keras", "2.21.0", "3.11", "tf_keras"),
    *(Release("keras", f"3.0.{patch}", "3.11") for patch in range(6)),
    *(Release("keras", version, "3.11") for version in ("3.1.0", "3.1.1", "3.2.0", "3.2.1")),
    *(Release("keras", f"3.3.{patch}", "3.11") for patch in range(4)),
    *(Release("keras", version, "3.11") for version in ("3.4.0", "3.4.1", "3.5.0", "3.6.0", "3.7.0", "3.8.0")),
    *(Release("keras", f"3.9.{patch}", "3.11") for patch in range(3)),
    Release("keras", "3.10.0", "3.11"),
    *(Release("keras", f"3.11.{patch}", "3.11") for patch in range(4)),
    *(Release("keras", f"3.12.{patch}", "3.11") for patch in range(5)),
    *(Release("keras", f"3.13.{patch}", "3.11") for patch in range(3)),
    *(Release("keras", version, "3.11") for version in ("3.14.0", "3.14.1", "3.15.0", "3.15.1")),
)
"""Every release of Keras since 2.2.0 with code of its own, line by line, oldest first.

Keras 2.4 has none (it re-exports what TensorFlow has); the Keras inside TensorFlow is read from the last release of
each minor that the index has for Linux, in the smaller ``-cpu`` wheel where there is one.
"""

OUTSIDE = {
    "tensorflow/python/feature_column/dense_features.py",
    "tensorflow/python/feature_column/dense_features_v2.py",
    "tensorflow/python/feature_column/feature_column_v2.py",
    "tensorflow/python/feature_column/sequence_feature_column.py",
    "tensorflow/python/ops/init_ops.py",
    "tensorflow/python/ops/init_ops_v2.py",
    "tensorflow/python/training/experimental/loss_scale.py",
}
"""Files outside Keras's folder that define classes which configurations of tf.keras name."""


def read_release(archive: Path, release: Release, trees: dict[bytes, ast.Module]) -> ReleaseTables:
    """The tables of one release; ``trees`` is left with its syntax trees, for the next one has much the same files."""

    def wanted(name: str) -> bool:
        return is_library_source(name) and (name.startswith(release.root + "/") or name in OUTSIDE)

    files = {str(path): content for path, content in sources(archive, wanted)}
    files |= _found_by_path(files, release.root)
    package = Package(files, {"tf2.enabled": not release.version.startswith("1.")}, trees)
    tables = ReleaseReader(package, release.root.replace("/", ".")).read()
    trees.clear()
    trees.update(package.trees)
    return tables


def _found_by_path(files: Mapping[str, bytes], root: str) -> dict[str, bytes]:
    """Keras 3.3 to 3.9 keep ``keras.layers`` in ``keras/api/layers``, and say so to the import system."""
    added = re.search(rb'^__path__.*"(\w+)"', files.get(f"{root}/__init__.py", b""), re.MULTILINE)
    inner = f"{root}/{added[1].decode()}/" if added else None
    found = {f"{root}/{path.removeprefix(inner)}": files[path] for path in files if inner and path.startswith(inner)}
    return {path: content for path, content in found.items() if path not in files}


class Writer:
    """Collects the facts of all releases, each once; keys and signatures are numbered as they first appear."""

    def __init__(self) -> None:
        self.releases: list[dict[str, object]] = []
        self.keys: dict[Key, int] = {}
        self.signatures: dict[str, int] = {}
        self.rows: dict[str, dict[tuple[object, ...], int]] = {kind: defaultdict(int) for kind in KINDS}

    def add(self, release: Release, tables: ReleaseTables) -> None:
        bit = 1 << len(self.releases)
        self.releases.append(
            {
                "distribution": release.name.removesuffix("-cpu"),
                "version": release.version,
                "builtin_modules": tables.builtin_modules,
                "import_prefix": tables.import_prefix,
                "compile_metrics": sorted(tables.compile_metrics),
            }
        )
        for kind, row in self._rows(tables):
            self.rows[kind][row] |= bit

    def _rows(self, tables: ReleaseTables) -> Iterator[tuple[str, tuple[object, ...]]]:
        for each in tables.found.values():
            signature = self.signatures.setdefault(_signature_text(each.signature), len(self.signatures))
            yield "entries", (self._number(each.key), each.kind, each.role, each.exports, signature)
        for role, names in tables.legacy.items():
            for name, keys in names.items():
                yield "legacy", (role, name, tuple(map(self._number, keys)))
        for name, key in tables.registry.items():
            yield "registry", (name, self._number(key))
        for module, imported in tables.imports.items():
            yield "modules", (module,)
            for name, key in imported.items():
                yield "imports", (module, name, self._number(key))

    def _number(self, key: Key) -> int:
        return self.keys.setdefault(key, len(self.keys))

    def render(self) -> bytes:
        sets = sorted({bits for rows in self.rows.values() for bits in rows.values()})
        index_of = {bits: index for index, bits in enumerate(sets)}
        document: dict[str, object] = {
            "format": FORMAT,
            "releases": self.releases,
            "sets": [f"{bits:x}" for bits in sets],
            "keys": list(self.keys),
            "signatures": [json.loads(text) for text in self.signatures],
        }
        for kind in KINDS:
            rows = ([*row, index_of[bits]] for row, bits in self.rows[kind].items())
            document[kind] = sorted(rows, key=repr)
        text = json.dumps(document, separators=(",", ":"))
        return lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME)


def _signature_text(signature: Signature) -> str:
    defaults = {name: json.loads(text) for name, text in sorted(signature.defaults.items())}
    parts = [sorted(signature.arguments), sorted(signature.required), defaults]
    return json.dumps([*parts, int(signature.is_open), sorted(signature.drops)], separators=(",", ":"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--downloads", type=Path, help="a folder to keep the archives in, and to look for them first")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    writer = Writer()
    trees: dict[bytes, ast.Module] = {}
    gc.disable()  # syntax trees are many objects that all live until the release is read
    with tempfile.TemporaryDirectory() as temporary:
        for release in RELEASES:
            archive = fetch(release, options.downloads or Path(temporary))
            tables = read_release(archive, release, trees)
            print(release.requirement, len(tables.found), len(tables.registry), file=sys.stderr)
            if "layer" not in tables.legacy:
                raise SystemExit(f"{release.requirement}: found no table of layers, so its source is laid out anew")
            writer.add(release, tables)
            gc.collect()
    options.output.write_bytes(writer.render())


if __name__ == "__main__":
    main()
