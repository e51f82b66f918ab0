"""Attacks in the JSON: what a configuration makes its loader import, call, open or write."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

Build = Callable[..., Any]
Case = tuple[Build, Build, str, str]
"""Builds the bad model, builds its look-alike, the rule that refuses, and where."""

BAD = "sequential/bad"
DENSE = "sequential/dense_1"


def both(edit: Callable[[Any], Any], benign: Callable[[Any], Any], rule: str, where: str) -> Case:
    """The same edit of a ``.keras`` archive with a bad and with a harmless value."""
    return (lambda kit: kit.keras_with(edit(kit))), (lambda kit: kit.keras_with(benign(kit))), rule, where


def activation(module: str, name: str, benign_module: str, benign_name: str, rule: str) -> Case:
    return both(
        lambda kit: kit.activating(kit.function(module, name)),
        lambda kit: kit.activating(kit.function(benign_module, benign_name)),
        rule,
        DENSE,
    )


def added(bad: Callable[[Any], Any], good: Callable[[Any], Any], rule: str, where: str = BAD) -> Case:
    return both(lambda kit: kit.adding(bad(kit)), lambda kit: kit.adding(good(kit)), rule, where)


def symbol(bad: str, good: str) -> Case:
    return added(
        lambda kit: kit.layer("TFOpLambda", function=bad), lambda kit: kit.layer("TFOpLambda", function=good), "MR312"
    )


def twice_keyed(kit: Any, first: str, second: str) -> Any:
    """A configuration in which one object says its class's module twice."""
    text = kit.config(kit.adding(kit.layer("Dense", units=1))).decode()
    at = text.rindex('"module": "keras.layers", "class_name": "Dense"')
    return kit.keras_with(
        (
            text[:at] + text[at:].replace('"module": "keras.layers"', f'"module": "{first}", "module": "{second}"', 1)
        ).encode()
    )


def nested(kit: Any, depth: int) -> Any:
    inner: Any = kit.layer("Dense", units=1)
    for _ in range(depth):
        inner = {"deeper": inner}
    return kit.keras_with(kit.adding(kit.layer("Mine", what=inner)))


ATTACKS: dict[str, Case] = {
    "CVE-2025-1550": activation("os", "system", "my_package.layers", "system", "MR311"),
    "CVE-2025-1550 by another root": activation("subprocess", "Popen", "__main__", "Popen", "MR311"),
    "CVE-2025-1550 by a package": activation("pandas.io.pickle", "read_pickle", "pandas_layers", "read_pickle", "MR311"),
    "CVE-2025-1550 by builtins": activation("builtins", "eval", "builtins", "custom_activation", "MR311"),
    "CVE-2025-1550 in compile_config": both(
        lambda kit: kit.compiling(loss=kit.function("os", "system"), optimizer="adam"),
        lambda kit: kit.compiling(loss=kit.function("builtins", "my_loss"), optimizer="adam"),
        "MR311",
        "training configuration",
    ),
    "CVE-2025-1550 in a typespec": added(
        lambda kit: kit.layer("Mine", s={"class_name": "__typespec__", "spec_name": "Popen", "module": "subprocess", "config": []}),
        lambda kit: kit.layer("Mine", s={"class_name": "__typespec__", "spec_name": "TensorSpec", "module": "tensorflow.python.framework.tensor_spec", "config": []}),
        "MR311",
    ),
    "CVE-2025-8747": activation("keras.utils", "get_file", "keras.utils", "normalize", "MR312"),
    "CVE-2025-8747 by keras.src": activation("keras.src.utils.file_utils", "get_file", "keras.src.activations.activations", "relu", "MR312"),
    "CVE-2024-55459": activation("keras.utils", "get_file", "keras.activations", "relu", "MR312"),
    "CVE-2025-12060": added(
        lambda kit: {"module": "keras.utils", "class_name": "get_file", "config": {"origin": "http://example.org/a.tar", "extract": True}},
        lambda kit: {"module": "keras.layers", "class_name": "Dense", "config": {"name": "bad", "units": 1}},
        "MR312",
        "sequential/get_file",
    ),
    "CVE-2025-12638": added(
        lambda kit: {"module": "keras.utils", "class_name": "get_file", "config": {"origin": "http://example.org/a.tar", "untar": True}},
        lambda kit: {"module": "keras.layers", "class_name": "Dense", "config": {"name": "bad", "units": 1}},
        "MR312",
        "sequential/get_file",
    ),
    "CVE-2025-9906": activation("keras.config", "enable_unsafe_deserialization", "keras.ops", "relu", "MR312"),
    "a non-modelling API (load_model)": activation("keras.models", "load_model", "keras.backend", "relu", "MR312"),
    "tf-keras's own loader": activation("tensorflow.keras.models", "model_from_yaml", "tensorflow.keras.activations", "relu", "MR312"),
    "an operation layer that writes": symbol("io.write_file", "io.decode_jpeg"),
    "an operation layer that downloads": symbol("keras.utils.get_file", "keras.activations.relu"),
    "an operation layer by raw_ops": symbol("raw_ops.ReadFile", "raw_ops.MatMul"),
    "a TensorFlowOpLayer that writes": added(
        lambda kit: kit.layer("TensorFlowOpLayer", node_def={"name": "w", "op": "WriteFile"}, constants={}),
        lambda kit: kit.layer("TensorFlowOpLayer", node_def={"name": "w", "op": "AddV2"}, constants={}),
        "MR312",
    ),
    "CVE-2025-49655": added(
        lambda kit: kit.layer("TorchModuleWrapper", module={"class_name": "__bytes__", "config": {"value": "x"}}),
        lambda kit: kit.layer("Mine", module={"class_name": "__bytes__", "config": {"value": "x"}}),
        "MR313",
    ),
    "pickled bytes in a custom layer": added(
        lambda kit: kit.layer("Mine", state={"class_name": "__bytes__", "config": {"value": "\x80\x04\x95"}}),
        lambda kit: kit.layer("Mine", state={"class_name": "__bytes__", "config": {"value": "labels"}}),
        "MR313",
    ),
    "CVE-2026-1462": added(
        lambda kit: kit.layer("TFSMLayer", filepath="/srv/other"),
        lambda kit: kit.layer("Dense", units=1),
        "MR313",
    ),
    "registered_name on a built-in": added(
        lambda kit: kit.layer("Dense", units=1) | {"registered_name": "evil>Layer"},
        lambda kit: kit.layer("Dense", units=1) | {"registered_name": "Dense"},
        "MR313",
    ),
    "CVE-2025-12058": added(
        lambda kit: kit.layer("StringLookup", vocabulary="/etc/passwd"),
        lambda kit: kit.layer("StringLookup", vocabulary=["a", "b"]),
        "MR314",
    ),
    "CVE-2025-12058 by an address": added(
        lambda kit: kit.layer("TextVectorization", vocabulary="http://169.254.169.254/latest"),
        lambda kit: kit.layer("CaptchaDecoder", vocabulary="abcdefghijklmnopqrstuvwxyz"),
        "MR314",
    ),
    "CVE-2026-12479": added(
        lambda kit: kit.layer("Dense", "../../etc/cron.d/x", units=1),
        lambda kit: kit.layer("Dense", "block_1/conv", units=1),
        "MR317",
        "sequential/../../etc/cron.d/x",
    ),
    "a layer name with a backslash": added(
        lambda kit: kit.layer("Dense", "a\\b", units=1), lambda kit: kit.layer("Dense", "a.b", units=1), "MR317", "sequential/a\\b"
    ),
    "a layer name that is absolute": added(
        lambda kit: kit.layer("Dense", "/etc/x", units=1), lambda kit: kit.layer("Dense", "etc/x", units=1), "MR317", "sequential//etc/x"
    ),
    "a layer name with a null": added(
        lambda kit: kit.layer("Dense", "a\0b", units=1), lambda kit: kit.layer("Dense", "a b", units=1), "MR317", "sequential/a\0b"
    ),
    "JSON: escaped names": (
        lambda kit: kit.keras_with(kit.config(kit.activating(kit.function("os", "system"))).replace(b'"os"', b'"\\u006f\\u0073"').replace(b'"module"', b'"m\\u006fdule"')),
        lambda kit: kit.keras_with(kit.config(kit.activating(kit.function("osx", "f"))).replace(b'"osx"', b'"\\u006f\\u0073x"')),
        "MR311",
        DENSE,
    ),
    "JSON: UTF-16": (
        lambda kit: kit.keras_with(kit.config(kit.activating(kit.function("os", "system"))).decode().encode("utf-16")),
        lambda kit: kit.keras_with(kit.config(kit.activating(kit.function("builtins", "f"))).decode().encode("utf-16")),
        "MR311",
        DENSE,
    ),
    "JSON: duplicate keys": (
        lambda kit: twice_keyed(kit, "keras.layers", "os"),
        lambda kit: kit.keras_with(kit.adding(kit.layer("Dense", units=1))),
        "MR311",
        BAD,
    ),
    "JSON: deep nesting": (lambda kit: nested(kit, 300), lambda kit: nested(kit, 100), "MR303", "sequential"),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_the_attack_is_refused(kit: Any, unsafe: Callable[..., Any], name: str) -> None:
    """As unsafe, by the rule that knows it, with its place."""
    bad, _, rule, where = ATTACKS[name]
    assert set(unsafe(bad(kit))) == {(rule, where)}


@pytest.mark.parametrize("name", ATTACKS)
def test_its_look_alike_is_not_refused(kit: Any, unsafe: Callable[..., Any], name: str) -> None:
    assert unsafe(ATTACKS[name][1](kit)) == []


LEGACY: dict[str, Case] = {
    "CVE-2025-1550": ATTACKS["CVE-2025-1550"],
    "CVE-2026-1462": ATTACKS["CVE-2026-1462"],
    "CVE-2025-12058": ATTACKS["CVE-2025-12058"],
}
EDITS: dict[str, Callable[[Any], Any]] = {
    "CVE-2025-1550": lambda kit: kit.activating(kit.function("os", "system")),
    "CVE-2026-1462": lambda kit: kit.adding({"class_name": "TFSMLayer", "config": {"name": "bad", "filepath": "/srv"}}),
    "CVE-2025-12058": lambda kit: kit.adding(
        {"class_name": "StringLookup", "config": {"name": "bad", "vocabulary": "/x"}}
    ),
}


@pytest.mark.parametrize("name", LEGACY)
@pytest.mark.parametrize("writer", ["keras2_h5", "keras3_h5"])
def test_the_attack_is_refused_in_legacy_hdf5_too(kit: Any, unsafe: Callable[..., Any], name: str, writer: str) -> None:
    """Keras 3 reads the same objects out of ``model_config``."""
    _, _, rule, where = LEGACY[name]
    assert set(unsafe(kit.h5_with(EDITS[name](kit), path=getattr(kit, writer)))) == {(rule, where)}


def test_an_attack_in_the_training_configuration_is_refused(kit: Any, unsafe: Callable[..., Any]) -> None:
    """``training_config`` of a legacy file is deserialised by ``compile``."""

    def edit(config: Any) -> None:
        config["loss"] = kit.function("os", "system")

    assert unsafe(kit.h5_with(edit, attribute="training_config")) == [("MR311", "training configuration")]


def test_a_payload_in_a_key_that_python_does_not_see_is_told_as_ambiguous(
    kit: Any, unsafe: Callable[..., Any], facts_of: Callable[..., Any], verdict: Callable[..., Any]
) -> None:
    """The first of two keys is what another reader runs; the last one counts for Keras, and both are told."""
    artifact = twice_keyed(kit, "os", "keras.layers")
    assert "MR117" in {finding.rule for finding in verdict(facts_of(artifact)).refusals}


def test_what_the_file_says_of_its_age_is_not_asked(kit: Any, unsafe: Callable[..., Any]) -> None:
    """A file that claims to be written by a fixed Keras is refused all the same."""
    bad = kit.keras_with(kit.activating(kit.function("os", "system")))
    members = dict(zip_members(bad))
    members["metadata.json"] = json.dumps({"keras_version": "99.0.0"}).encode()
    assert unsafe(kit.zip(members)) == [("MR311", DENSE)]


def zip_members(data: bytes) -> dict[str, bytes]:
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
