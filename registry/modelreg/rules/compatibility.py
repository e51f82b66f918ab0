"""Rules on whether the artifact will load in the target environment: its Python, its Keras, its TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from modelreg.environment.document import Environment
from modelreg.facts import Container, Facts, LambdaCode
from modelreg.findings import Finding, Severity
from modelreg.rules.catalogue import RULES
from modelreg.rules.content import lambda_place
from modelreg.rules.policy import Policy, Purpose


@dataclass(frozen=True, slots=True)
class Target:
    """The environment that a load is judged for.

    ``name`` is what the caller typed.  ``is_implied`` is set where nobody named it (this interpreter by default): that
    such a target has no Keras says nothing, since a gate often runs where no model is ever loaded.
    """

    name: str
    environment: Environment
    is_implied: bool = False


_LAYOUT_GROUPS = ((2, 99), (3, 7), (3, 10))
"""Last version of each group of Pythons whose marshalled code objects have the same fields; 3.11 began another."""


def _layout_group(python: str) -> int:
    version = _numbers(python)[:2]
    return next((index for index, last in enumerate(_LAYOUT_GROUPS) if version <= last), len(_LAYOUT_GROUPS))


def bytecode(facts: Facts, target: Target) -> Iterator[Finding]:
    """MR401, MR402, MR407: each Lambda's Python against the target's.

    A SavedModel has its layers as graph functions too: Keras 3 runs nothing else of it, and Keras 2 falls back to them
    when the bytecode cannot be read (tf.keras ``saved_model/load.py``; recorded loads agree).
    """
    minor = target.environment.python_minor
    is_saved_model = facts.container is Container.SAVED_MODEL
    keras = _keras_of(target.environment)
    if is_saved_model and keras is not None and keras.major >= 3:
        return
    for code in facts.lambdas:
        if not code.pythons:
            continue  # MR307 has said that nothing can be told of it
        if minor is None:
            yield RULES["MR407"].found(
                f"layer {code.layer!r} holds bytecode of Python {one_of(code.pythons)}, and {target.name!r} does not "
                "say which Python it is for",
                where=lambda_place(code.path),
            )
        elif minor not in code.pythons:
            yield RULES["MR401"].found(
                f"layer {code.layer!r} holds bytecode of Python {one_of(code.pythons)}; the target has Python "
                f"{target.environment.python}, {_outcome(code, minor)}",
                where=lambda_place(code.path),
                severity=Severity.INFO if is_saved_model and not _shares_layout(code, minor) else None,
            )
        elif len(code.pythons) > 1:
            yield RULES["MR402"].found(
                f"layer {code.layer!r} holds bytecode of Python {one_of(code.pythons)}; the target has Python "
                f"{target.environment.python}, which runs only its own",
                where=lambda_place(code.path),
            )


def _shares_layout(code: LambdaCode, minor: str) -> bool:
    return _layout_group(minor) in {_layout_group(python) for python in code.pythons}


def _outcome(code: LambdaCode, minor: str) -> str:
    if _shares_layout(code, minor):
        return "which reads it, and may then crash or compute other numbers without an error"
    return "where loading it fails with 'bad marshal data'"


def one_of(pythons: tuple[str, ...]) -> str:
    """``3.8``, ``3.8 or 3.9``, ``3.8, 3.9 or 3.10``."""
    *most, last = pythons
    return f"{', '.join(most)} or {last}" if most else last


def keras_version(facts: Facts, target: Target, policy: Policy) -> Iterator[Finding]:
    """MR403 to MR406 and MR430: the writer's Keras against the target's."""
    found = _keras_of(target.environment)
    if found is None:
        if facts.container is not Container.OPAQUE:
            yield RULES["MR430"].found(
                f"{target.name!r} has neither keras nor tensorflow; only its Python was judged",
                severity=Severity.INFO if target.is_implied else None,
            )
        return
    loading = policy.purpose is Purpose.LOAD
    written = facts.keras_version or "an unknown version"
    if facts.keras_major == 3 and found.major < 3 and facts.container in (Container.KERAS_HDF5, Container.KERAS_ZIP):
        yield RULES["MR403"].found(
            f"{facts.file} was written by Keras {written}; the target has {found}", where=facts.file
        )
    elif found.major >= 3 and facts.container is Container.SAVED_MODEL:
        yield RULES["MR405"].found(
            f"a SavedModel by TensorFlow {facts.tensorflow_version or '(not told)'}; load_model of {found} does not "
            "read it",
            severity=Severity.INFO if loading else None,
        )
    elif found.major >= 3 and facts.container is Container.KERAS_HDF5 and facts.file.endswith(".keras") and not loading:
        yield RULES["MR406"].found(
            f"{facts.file} is HDF5; {found} opens .keras as a zip archive only", where=facts.file
        )
    elif found.major >= 3 and (facts.keras_major or 3) < 3 and facts.container is Container.KERAS_ZIP:
        yield RULES["MR404"].found(
            f"{facts.file} was written by Keras {written}; the target has {found}", where=facts.file
        )


@dataclass(frozen=True, slots=True)
class _Keras:
    """The Keras that ``import keras`` or ``tf.keras`` gives."""

    label: str
    major: int

    def __str__(self) -> str:
        return self.label


def _keras_of(environment: Environment) -> _Keras | None:
    if environment.keras:
        return _Keras(f"Keras {environment.keras}", _numbers(environment.keras)[0])
    if environment.tensorflow:
        # TensorFlow carried or required Keras 2 up to 2.15, and requires Keras 3 since 2.16 (its release notes).
        major = 3 if _numbers(environment.tensorflow) >= (2, 16) else 2
        return _Keras(f"the Keras {major} of TensorFlow {environment.tensorflow}", major)
    return None


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version; a text that starts with none counts as newest, so nothing old is assumed."""
    match = re.match(r"\d{1,6}(?:\.\d{1,6})*", version, re.ASCII)
    return tuple(int(part) for part in match[0].split(".")) if match else (999,)


_WATCHED = ("tensorflow", "keras", "h5py", "numpy", "ml-dtypes", "protobuf")


def drift(push: Environment | None, target: Target) -> Iterator[Finding]:
    """MR431: versions that differ between where the model was pushed and where it will be loaded."""
    if push is None:
        return
    pairs = [("python", push.python, target.environment.python)] + [
        (name, _version(push, name), _version(target.environment, name)) for name in _WATCHED
    ]
    pairs += [("machine", push.machine, target.environment.machine)]
    differing = [f"{name} {left} -> {right}" for name, left, right in pairs if left and right and left != right]
    if differing:
        yield RULES["MR431"].found("differs from where it was pushed: " + ", ".join(differing))


def _version(environment: Environment, name: str) -> str | None:
    return environment.tensorflow if name == "tensorflow" else environment.distributions.get(name)
