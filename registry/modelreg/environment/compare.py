"""The comparison of two environments: what differs, gravest for a Keras model first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from modelreg.environment.document import TENSORFLOW_DISTRIBUTIONS, Environment

FIELDS = (
    "python",
    "implementation",
    "magic",
    "tensorflow",
    "keras",
    "tf-keras",
    "keras_backend",
    "legacy_keras",
    "h5py",
    "numpy",
    "ml-dtypes",
    "protobuf",
    "cuda",
    "cudnn",
    "system",
    "machine",
    "byteorder",
    "platform",
)
"""The order of weight; the other distributions follow alphabetically, then the modules of custom objects."""

_ATTRIBUTES = frozenset(Environment.__dataclass_fields__) | {"keras"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs; ``None`` is *not known*, or for a distribution *not installed*."""

    field: str
    left: str | None
    right: str | None


def diff(a: Environment, b: Environment) -> tuple[Difference, ...]:
    """What differs between ``a`` (left) and ``b`` (right), in the order of weight; empty if nothing does."""
    pairs = ((name, _value(a, name), _value(b, name)) for name in FIELDS)
    differences = [Difference(name, left, right) for name, left, right in pairs if left != right]
    differences += _mapping_differences(a, b)
    return tuple(differences)


def _value(environment: Environment, name: str) -> str | None:
    if name == "tensorflow":
        return _tensorflow(environment)
    value = getattr(environment, name) if name in _ATTRIBUTES else environment.distributions.get(name)
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def _tensorflow(environment: Environment) -> str | None:
    """The version and, since a CPU and a GPU build are two distributions, the name if it is not the plain one."""
    name = next((name for name in TENSORFLOW_DISTRIBUTIONS if name in environment.distributions), None)
    if name is None:
        return None
    version = environment.distributions[name]
    return version if name == "tensorflow" else f"{version} ({name})"


def _mapping_differences(a: Environment, b: Environment) -> Iterator[Difference]:
    names = {*a.distributions, *b.distributions} - {*FIELDS, *TENSORFLOW_DISTRIBUTIONS}
    for name in sorted(names):
        left, right = a.distributions.get(name), b.distributions.get(name)
        if left != right:
            yield Difference(name, left, right)
    for module in sorted({*a.modules, *b.modules}):
        left, right = a.modules.get(module), b.modules.get(module)
        if left != right:
            yield Difference(f"module {module}", left, right)
