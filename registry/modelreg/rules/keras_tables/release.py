"""One release of Keras as its deserialisers see it: which names they find, and what those things take."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modelreg.rules.keras_tables.data import Described, tables

_LOWER_CASED = "optimizer"
"""The role whose names every release looks up in lower case as well (``optimizers.deserialize``)."""

_BY_NAME_ORDER = (
    "layer",
    "dtype_policy",
    "optimizer",
    "schedule",
    "loss",
    "metric",
    "initializer",
    "regularizer",
    "constraint",
    "activation",
    "quantizer",
    "operation",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A class or function of a release.

    ``arguments`` are the configuration keys that it takes (its constructor's, through ``**kwargs`` and
    ``from_config``), ``required`` those without a default.  ``open`` says that other keys do not fail either: they are
    ignored, or where they end cannot be read from the source.  ``drops`` are keys that ``from_config`` takes and
    discards.  ``defaults`` has the literal ones; a tuple is a list there, as in a configuration.  ``kind`` is
    ``class``, ``function``, or ``external`` for what TensorFlow provides, of which only the name is known.
    """

    name: str
    role: str
    module: str
    kind: str = "class"
    exports: tuple[str, ...] = ()
    arguments: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    open: bool = False
    drops: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Release:
    """A release that the tables have; ``label`` is how messages name it."""

    distribution: str
    version: str
    label: str
    line: str

    def legacy(self, role: str, name: str) -> Entry | None:
        """What the legacy dialect (HDF5, JSON, a config without ``module``) finds under a bare name in a role.

        Where a name has two meanings this is the one for objects in the release's own current form; ``legacy_all`` has
        both (Keras 2.11 to 2.15: an optimizer is a legacy one unless its config says ``is_legacy_optimizer: false``).
        """
        return next(iter(self.legacy_all(role, name)), None)

    def legacy_all(self, role: str, name: str) -> tuple[Entry, ...]:
        """Every meaning of a bare name in a role; a role that the release has no table for has none."""
        index = _index_of(self)
        keys = _legacy(index).get((role, name.lower() if role == _LOWER_CASED else name), ())
        return tuple(entry for key in keys if (entry := _entries(index).get(key)) is not None)

    def imported(self, module: str, name: str) -> Entry | None:
        """What the v3 dialect (``.keras``) finds for ``{"module": module, "class_name": name}``.

        As ``_retrieve_class_or_fn`` of serialization_lib: the API name first, functions of ``builtins`` in the modules
        that hold Keras's own, then the module's names.  Releases without that dialect find nothing.
        """
        index = _index_of(self)
        described = tables().releases[index]
        registry, imports, entries = _registry(index), _imports(index), _entries(index)
        names = [f"{module}.{name}"]
        if module == "builtins":
            names = [f"keras.{each}.{name}" for each in described.builtin_modules]
        key = next((registry[each] for each in names if each in registry), None)
        if key is None:
            key = imports.get((_real_module(module, described), name))
        return entries.get(key) if key is not None else None

    def has_module(self, module: str) -> bool:
        """Whether the v3 dialect can import ``module`` (which need not have the name that is asked for)."""
        index = _index_of(self)
        return _real_module(module, tables().releases[index]) in _modules(index)

    def looked_for(self, module: str) -> str:
        """The module that the v3 dialect imports for ``module``: tf-keras puts its own root in place of ``keras``."""
        return _real_module(module, tables().releases[_index_of(self)])

    def by_name(self, name: str) -> Entry | None:
        """Something of that name wherever it is defined: an exported one first, a layer before other roles."""
        return _by_name(_index_of(self)).get(name)

    def compiles_metric(self, name: str) -> bool:
        """Whether ``compile`` itself understands the string, which the table of metrics need not have."""
        return name in tables().releases[_index_of(self)].compile_metrics


def releases() -> tuple[Release, ...]:
    """Every release in the tables, line by line, oldest first."""
    return _releases()


def release_of(distribution: str, version: str) -> Release:
    """The release of ``distribution`` (``keras``, ``tf-keras``, ``tensorflow``) that stands for ``version``.

    The exact one, else the nearest older one of the same minor, else the nearest; the result's ``version`` tells which.
    A version of fewer parts (``3``, ``2.12``) means the newest that begins so, one that is no number the newest of all.
    TensorFlow 2.6 to 2.15 has the ``keras`` of its own minor, and Keras 2.4 and 2.5 are what that TensorFlow has (the
    distribution re-exports it); TensorFlow since 2.16 requires Keras 3, of which the newest is taken.
    """
    wanted = _numbers(version)
    line = _distribution(distribution, wanted)
    known = [each for each in _releases() if each.distribution == line]
    if line == "keras" and distribution != "keras" and wanted >= (2, 16):
        return known[-1]
    return _nearest(known, wanted)


def _distribution(name: str, wanted: tuple[int, ...]) -> str:
    name = re.sub(r"[-_.]+", "-", name).lower()
    if name in ("tf-keras", "tf-keras-nightly"):
        return "tf-keras"
    is_tensorflow = name.startswith("tensorflow") or name == "tf-nightly"
    if is_tensorflow:
        return "tensorflow" if wanted < (2, 6) else "keras"
    return "tensorflow" if (2, 4) <= wanted < (2, 6) else "keras"


def _nearest(known: list[Release], wanted: tuple[int, ...]) -> Release:
    versions = [_numbers(each.version) for each in known]
    begins = [each for each, version in zip(known, versions, strict=True) if version[: len(wanted)] == wanted]
    if begins:
        return begins[-1]
    minor = [index for index, version in enumerate(versions) if version[:2] == wanted[:2]]
    older = [index for index in minor if versions[index] <= wanted]
    if minor:
        return known[older[-1] if older else minor[0]]
    older = [index for index, version in enumerate(versions) if version <= wanted]
    return known[older[-1] if older else 0]


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"\d{1,6}(?:\.\d{1,6}){0,2}", version, re.ASCII)
    return tuple(int(part) for part in match[0].split(".")) if match else (999_999,)


@functools.cache
def _releases() -> tuple[Release, ...]:
    return tuple(map(_release, tables().releases))


def _release(described: Described) -> Release:
    version = described.version
    if described.distribution == "tensorflow":
        return Release("tensorflow", version, f"tf.keras {version}", "tf.keras")
    if described.distribution == "tf-keras":
        return Release("tf-keras", version, f"tf-keras {version}", "tf-keras")
    return Release("keras", version, f"Keras {version}", f"Keras {version.partition('.')[0]}")


@functools.cache
def _index_of(release: Release) -> int:
    return _releases().index(release)


def _real_module(module: str, described: Described) -> str:
    """tf-keras reads ``keras.layers`` as ``tf_keras.layers``."""
    is_keras = module.partition(".")[0] == "keras"
    return described.import_prefix + module if is_keras else module


@functools.lru_cache(maxsize=8)
def _entries(index: int) -> Mapping[int, Entry]:
    return {row[0]: _entry(row) for row in tables().of("entries", index)}


@functools.lru_cache(maxsize=8)
def _legacy(index: int) -> Mapping[tuple[str, str], list[int]]:
    return {(row[0], row[1]): row[2] for row in tables().of("legacy", index)}


@functools.lru_cache(maxsize=8)
def _registry(index: int) -> Mapping[str, int]:
    return {row[0]: row[1] for row in tables().of("registry", index)}


@functools.lru_cache(maxsize=8)
def _imports(index: int) -> Mapping[tuple[str, str], int]:
    return {(row[0], row[1]): row[2] for row in tables().of("imports", index)}


@functools.lru_cache(maxsize=8)
def _modules(index: int) -> frozenset[str]:
    return frozenset(row[0] for row in tables().of("modules", index))


@functools.lru_cache(maxsize=8)
def _by_name(index: int) -> Mapping[str, Entry]:
    def rank(entry: Entry) -> tuple[bool, int, str]:
        order = _BY_NAME_ORDER.index(entry.role) if entry.role in _BY_NAME_ORDER else len(_BY_NAME_ORDER)
        return (not entry.exports, order, entry.module)

    found: dict[str, Entry] = {}
    for entry in sorted(_entries(index).values(), key=rank):
        found.setdefault(entry.name, entry)
    return found


def _entry(row: list[Any]) -> Entry:
    known = tables()
    key, kind, role, exports, signature, _ = row
    module, name = known.keys[key]
    arguments, required, defaults, is_open, drops = known.signatures[signature]
    return Entry(
        name=name,
        role=role,
        module=module,
        kind=kind,
        exports=tuple(exports),
        arguments=frozenset(arguments),
        required=frozenset(required),
        defaults=defaults,
        open=bool(is_open),
        drops=frozenset(drops),
    )
