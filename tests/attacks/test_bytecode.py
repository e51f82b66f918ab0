"""Stored bytecode: found wherever Keras would unmarshal it, a warning by itself, refused where it reaches the system."""

from __future__ import annotations

import marshal
from collections.abc import Callable
from typing import Any

import pytest

from modelreg.rules.policy import Mode

Build = Callable[..., Any]
"""Builds the model around a function: ``kit.shell`` for the attack, ``kit.double`` for the look-alike."""


def wrapped(kit: Any, function: Any, wrapper: str, key: str) -> Any:
    return kit.keras_with(kit.adding(kit.layer(wrapper, "wrapper", **{key: kit.lambda3(function)})))


def nested(kit: Any, function: Any) -> Any:
    inner = {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "inner", "layers": [kit.lambda3(function)]},
    }
    return kit.keras_with(kit.adding(inner))


def bidirectional(kit: Any, function: Any) -> Any:
    layers = {"layer": kit.lambda3(function, "forward"), "backward_layer": kit.lambda3(function)}
    return kit.keras_with(kit.adding(kit.layer("Bidirectional", "wrapper", **layers)))


def stacked(kit: Any, function: Any) -> Any:
    cell = kit.layer("StackedRNNCells", "stack", cells=[kit.lambda3(function)])
    return kit.keras_with(kit.adding(kit.layer("RNN", "wrapper", cell=cell)))


def sliced(kit: Any, function: Any) -> Any:
    """``__slice__`` is one of Keras's own marks, and what it holds is deserialised like anything else."""
    mark = {"class_name": "__slice__", "config": {"start": kit.stored(function), "stop": None, "step": None}}
    return kit.keras_with(kit.adding(kit.layer("GetItem", "wrapper", key=mark)))


def latin1(kit: Any, function: Any) -> Any:
    """The bytes themselves as text: Keras takes them where base64 does not decode."""
    layer = kit.lambda3(function)
    layer["config"]["function"]["config"]["code"] = marshal.dumps(function.__code__).decode("latin-1")
    return kit.keras_with(kit.adding(layer))


def argument(kit: Any, function: Any) -> Any:
    """As ``output_shape`` of a legacy Lambda whose own function is harmless."""
    layer = kit.lambda2(kit.double)
    layer["config"] |= {"output_shape": [kit.bytecode(function), None, None], "output_shape_type": "lambda"}
    return kit.h5_with(kit.adding(layer))


ATTACKS: dict[str, tuple[Build, str, str]] = {
    "CVE-2024-3660": (lambda kit, f: kit.keras_with(kit.adding(kit.lambda3(f))), "MR315", "sequential/bad"),
    "CVE-2025-9905": (lambda kit, f: kit.h5_with(kit.adding(kit.lambda2(f))), "MR315", "sequential/bad"),
    "CVE-2025-9905 by Keras 3": (
        lambda kit, f: kit.h5_with(kit.adding(kit.lambda3(f)), path=kit.keras3_h5), "MR315", "sequential/bad",
    ),
    "CVE-2026-12481": (nested, "MR315", "sequential/inner/bad"),
    "Lambda in TimeDistributed": (
        lambda kit, f: wrapped(kit, f, "TimeDistributed", "layer"), "MR315", "sequential/wrapper/bad",
    ),
    "Lambda in Bidirectional": (bidirectional, "MR315", "sequential/wrapper/bad"),
    "Lambda in StackedRNNCells": (stacked, "MR315", "sequential/wrapper/stack/bad"),
    "Lambda in an unknown layer's argument": (
        lambda kit, f: wrapped(kit, f, "Mine", "anything"), "MR315", "sequential/wrapper/bad",
    ),
    "a function in a slice": (sliced, "MR315", "sequential/wrapper"),
    "a function as activation": (
        lambda kit, f: kit.keras_with(kit.activating(kit.stored(f))), "MR315", "sequential/dense_1",
    ),
    "a function as loss": (
        lambda kit, f: kit.keras_with(kit.compiling(loss=kit.stored(f), optimizer="adam")), "MR315", "training configuration",
    ),
    "a function as output_shape": (argument, "MR315", "sequential/bad"),
    "raw latin-1 bytecode": (latin1, "MR315", "sequential/bad"),
    "escaped Lambda": (
        lambda kit, f: kit.keras_with(
            kit.config(kit.adding(kit.lambda3(f))).replace(b'"Lambda"', b'"\\u004cambda"').replace(b'"__lambda__"', b'"__l\\u0061mbda__"')
        ),
        "MR315", "sequential/bad",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_bytecode_that_starts_programs_is_refused(kit: Any, unsafe: Callable[..., Any], name: str) -> None:
    """Wherever it stands, and it is never run."""
    build, rule, where = ATTACKS[name]
    assert (rule, where) in unsafe(build(kit, kit.shell))


@pytest.mark.parametrize("name", ATTACKS)
def test_arithmetic_in_the_same_place_is_a_warning(
    kit: Any, facts_of: Callable[..., Any], verdict: Callable[..., Any], name: str
) -> None:
    """By default; under ``--verify`` all stored bytecode is refused."""
    build, _, where = ATTACKS[name]
    facts = facts_of(build(kit, kit.double))
    assert where in {code.path for code in facts.lambdas}
    assert [finding.rule for finding in verdict(facts).refusals] == []
    assert "MR301" in {finding.rule for finding in verdict(facts).warnings}
    assert "MR301" in {finding.rule for finding in verdict(facts, Mode.VERIFY).refusals}


def taking_apart(x: Any) -> Any:
    return x.__class__.__mro__[-1].__subclasses__()


def opening(x: Any) -> Any:
    return x or open("/etc/passwd").read()


def importing(x: Any) -> Any:
    import subprocess

    return subprocess.check_output(["id"]) or x


def by_tensorflow(tf: Any) -> Any:
    return tf.io.write_file("/etc/cron.d/x", tf.py_function(None))


def inner_function(x: Any) -> Any:
    def inner(y: Any) -> Any:
        return eval(y)

    return [inner(each) for each in x]


def keras_names(K: Any) -> Any:  # noqa: N803
    return K.exp(K.sqrt(K.shape.copy())) + K.signal.stft(K.types)


@pytest.mark.parametrize("function", [taking_apart, opening, importing, by_tensorflow, inner_function])
def test_other_ways_to_the_system_are_refused(kit: Any, unsafe: Callable[..., Any], function: Any) -> None:
    """Python's insides, files, modules, TensorFlow's functions, and code inside code."""
    assert unsafe(kit.keras_with(kit.adding(kit.lambda3(function)))) == [("MR315", "sequential/bad")]


def test_names_of_tensor_functions_are_not(kit: Any, unsafe: Callable[..., Any]) -> None:
    assert unsafe(kit.keras_with(kit.adding(kit.lambda3(keras_names)))) == []


def test_bytes_that_are_no_bytecode_are_refused(kit: Any, unsafe: Callable[..., Any]) -> None:
    """What cannot be read is not taken for harmless."""
    layer = kit.lambda3(kit.double)
    layer["config"]["function"]["config"]["code"] = "bm90IGJ5dGVjb2Rl"
    assert unsafe(kit.keras_with(kit.adding(layer))) == [("MR307", "sequential/bad")]
