"""Rules on whether the artifact will load in the target environment: its Python, its Keras, its TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from modelreg.environment.document import Environment
from modelreg.facts import Container, Facts, LambdaCode
from modelreg.findings import Finding, Outcome, Severity
from modelreg.rules.catalogue import RULES
from modelreg.rules.content import lambda_place
from modelreg.rules.keras.loading import load_findings
from modelreg.rules.keras.reader import numbers, reader_of
from modelreg.rules.policy import Policy, Purpose
from modelreg.rules.target import Target

_LAYOUT_GROUPS = ((2, 99), (3, 7), (3, 10))
"""Last version of each group of Pythons whose marshalled code objects have the same fields; 3.11 began another."""


def _layout_group(python: str) -> int:
    version = numbers(python)[:2]
    return next((index for index, last in enumerate(_LAYOUT_GROUPS) if version <= last), len(_LAYOUT_GROUPS))


def bytecode(facts: Facts, target: Target) -> Iterator[Finding]:
    """MR401, MR402, MR407: each Lambda's Python against the target's.

    A SavedModel has its layers as graph functions too: Keras 3 runs nothing else of it, and Keras 2 falls back to them
    when the bytecode cannot be read (tf.keras ``saved_model/load.py``; recorded loads agree).
    """
    minor = target.environment.python_minor
    is_saved_model = facts.container is Container.SAVED_MODEL
    reader = reader_of(target.environment)
    if is_saved_model and reader is not None and reader.is_keras3:
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
            shares_layout = _shares_layout(code, minor)
            yield RULES["MR401"].found(
                f"layer {code.layer!r} holds bytecode of Python {one_of(code.pythons)}; the target has Python "
                f"{target.environment.python}, {_CONSEQUENCES[shares_layout]}",
                where=lambda_place(code.path),
                severity=Severity.INFO if is_saved_model and not shares_layout else None,
                outcome=Outcome.UNDEFINED if shares_layout else Outcome.LOAD_ERROR,
            )
        elif len(code.pythons) > 1:
            yield RULES["MR402"].found(
                f"layer {code.layer!r} holds bytecode of Python {one_of(code.pythons)}; the target has Python "
                f"{target.environment.python}, which runs only its own",
                where=lambda_place(code.path),
                severity=Severity.INFO if code.interchangeable else None,
                outcome=Outcome.UNDEFINED,
            )


_CONSEQUENCES = {
    True: "which reads it, and may then crash or compute other numbers without an error",
    False: "where loading it fails with 'bad marshal data'",
}


def _shares_layout(code: LambdaCode, minor: str) -> bool:
    return _layout_group(minor) in {_layout_group(python) for python in code.pythons}


def one_of(pythons: tuple[str, ...]) -> str:
    """``3.8``, ``3.8 or 3.9``, ``3.8, 3.9 or 3.10``."""
    *most, last = pythons
    return f"{', '.join(most)} or {last}" if most else last


_OURS_TO_OPEN = frozenset({"MR405", "MR406"})
"""What ``modelreg``'s own loading gets round: a SavedModel through ``TFSMLayer``, HDF5 under another suffix."""


def keras(facts: Facts, target: Target, policy: Policy) -> Iterator[Finding]:
    """MR403 to MR408, MR413 to MR426, MR430: what the target's Keras makes of the file."""
    reader = reader_of(target.environment)
    if reader is None:
        if facts.container is not Container.OPAQUE:
            yield RULES["MR430"].found(
                f"{target.name!r} has neither keras nor tensorflow; only its Python was judged",
                severity=Severity.INFO if target.is_implied else None,
            )
        return
    for finding in load_findings(facts, reader, policy.provides):
        is_ours = policy.purpose is Purpose.LOAD and finding.rule in _OURS_TO_OPEN
        yield replace(finding, severity=Severity.INFO) if is_ours else finding


def backend(facts: Facts, target: Target) -> Iterator[Finding]:
    """MR429: the writer's backend against the target's, which is TensorFlow where nothing else is said."""
    there = target.environment.keras_backend or ("tensorflow" if target.environment.tensorflow else None)
    if facts.backend and there and facts.backend != there and not facts.container.holds_weights_only:
        yield RULES["MR429"].found(
            f"{facts.file} was written with the backend {facts.backend}; the target uses {there}",
            where=facts.file,
            outcome=Outcome.OTHER_NUMBERS,
        )


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
