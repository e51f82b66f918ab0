"""What the tables say of real releases: facts that were looked up by hand, and how versions and names are matched."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.rules.keras_tables import Release, argument_history, history, release_of, releases, releases_with
from modelreg.rules.keras_tables.data import tables

KERAS_3 = release_of("keras", "3.15.1")
KERAS_2 = release_of("keras", "2.15.0")


def taken(release: Release, name: str) -> frozenset[str]:
    entry = release.legacy("layer", name)
    assert entry is not None
    assert not entry.open
    return entry.arguments


@pytest.mark.parametrize(
    ("version", "name", "argument", "expected"),
    [
        ("3.15.1", "LSTM", "time_major", False),
        ("3.0.5", "GRU", "time_major", False),
        ("2.15.0", "LSTM", "time_major", True),
        ("3.15.1", "DepthwiseConv2D", "groups", False),
        ("2.15.0", "DepthwiseConv2D", "groups", True),
        ("2.15.0", "InputLayer", "batch_shape", False),
        ("2.15.0", "InputLayer", "optional", False),
        ("2.3.1", "InputLayer", "ragged", False),
        ("3.15.1", "Embedding", "input_length", True),
        ("3.15.1", "LeakyReLU", "negative_slope", True),
        ("2.15.0", "LeakyReLU", "negative_slope", False),
        ("2.15.0", "LeakyReLU", "alpha", True),
        ("2.3.1", "Dense", "output_dim", True),
        ("2.15.0", "Dense", "implementation", True),
        ("3.15.1", "Lambda", "function_type", False),
        ("2.15.0", "Lambda", "function_type", True),
    ],
)
def test_arguments_that_tripped_real_loads(version: str, name: str, argument: str, expected: bool) -> None:
    """Claim: the arguments in the failure modes 8, 10, 11, 23 and 37 are told apart by release."""
    assert (argument in taken(release_of("keras", version), name)) is expected


def test_input_layer_of_keras_3_takes_its_keys_and_ignores_others() -> None:
    """Claim: Keras 3's InputLayer swallows ``**kwargs`` (keras/src/layers/core/input_layer.py), so it is open."""
    entry = KERAS_3.legacy("layer", "InputLayer")
    assert entry is not None
    assert entry.open
    assert {"batch_shape", "optional", "batch_input_shape"} <= entry.arguments


@pytest.mark.parametrize(
    ("distribution", "version", "role", "name", "found"),
    [
        ("keras", "3.15.1", "layer", "ThresholdedReLU", False),
        ("keras", "3.15.1", "layer", "TFOpLambda", False),
        ("keras", "3.15.1", "layer", "SlicingOpLambda", False),
        ("keras", "3.15.1", "layer", "CuDNNLSTM", False),
        ("keras", "2.15.0", "layer", "TFOpLambda", True),
        ("tf-keras", "2.21.0", "layer", "ThresholdedReLU", True),
        ("keras", "2.3.1", "layer", "Functional", False),
        ("tensorflow", "2.4.4", "layer", "Functional", True),
        ("keras", "3.15.1", "layer", "GetItem", False),
        ("keras", "2.15.0", "activation", "leaky_relu", True),
        ("keras", "2.3.1", "activation", "swish", False),
        ("keras", "2.15.0", "initializer", "glorot_uniform", True),
        ("keras", "2.15.0", "optimizer", "Adam", True),
        ("keras", "3.15.1", "loss", "mse", True),
        ("keras", "2.15.0", "dtype_policy", "Policy", True),
    ],
)
def test_names_in_the_legacy_dialect(distribution: str, version: str, role: str, name: str, *, found: bool) -> None:
    """Claim: a bare name is found where that release's own ``deserialize`` finds it."""
    assert (release_of(distribution, version).legacy(role, name) is not None) is found


@pytest.mark.parametrize(
    ("distribution", "version", "module", "name", "found"),
    [
        ("keras", "3.15.1", "keras.layers", "Dense", True),
        ("keras", "3.15.1", "keras.src.models.functional", "Functional", True),
        ("keras", "3.15.1", "keras.src.engine.functional", "Functional", False),
        ("keras", "2.15.0", "keras.src.engine.functional", "Functional", True),
        ("keras", "2.12.0", "keras.engine.functional", "Functional", True),
        ("tf-keras", "2.21.0", "keras.src.engine.functional", "Functional", True),
        ("tf-keras", "2.21.0", "tf_keras.src.engine.functional", "Functional", True),
        ("keras", "3.15.1", "keras.src.ops.numpy", "GetItem", True),
        ("keras", "3.15.1", "builtins", "relu", True),
        ("keras", "3.15.1", "keras.utils", "get_file", False),
        ("keras", "2.8.0", "keras.layers", "Dense", False),
    ],
)
def test_names_in_the_v3_dialect(distribution: str, version: str, module: str, name: str, *, found: bool) -> None:
    """Claim: API names, private modules and builtins are found as ``_retrieve_class_or_fn`` does; denied ones not."""
    assert (release_of(distribution, version).imported(module, name) is not None) is found


def test_a_module_can_be_there_without_the_name() -> None:
    """Claim: ``has_module`` tells a missing module (Keras 2's engine in Keras 3) from a missing name."""
    assert KERAS_3.has_module("keras.src.layers.core.dense")
    assert not KERAS_3.has_module("keras.src.engine.functional")
    assert KERAS_3.imported("keras.src.layers.core.dense", "Nothing") is None


def test_functions_of_private_modules_are_refused_since_3_11() -> None:
    """Claim: from 3.11 on an imported name must be a ``KerasSaveable`` class (serialization_lib.py)."""
    place = ("keras.src.activations.activations", "relu")
    assert release_of("keras", "3.8.0").imported(*place) is not None
    assert KERAS_3.imported(*place) is None


def test_an_optimizer_has_two_meanings_between_2_11_and_2_15() -> None:
    """Claim: the new one comes first, and the one that older configurations get is there too."""
    modules = [entry.module for entry in KERAS_2.legacy_all("optimizer", "Adam")]
    assert modules == ["keras.src.optimizers.adam", "keras.src.optimizers.legacy.adam"]


def test_required_arguments_and_literal_defaults() -> None:
    """Claim: an entry tells what has no default and the literal defaults of the rest."""
    entry = KERAS_3.legacy("layer", "Dense")
    assert entry is not None
    assert entry.required == {"units"}
    assert entry.defaults["use_bias"] is True
    assert entry.exports == ("keras.layers.Dense",)


def test_compile_understands_more_metrics_than_the_table_has() -> None:
    """Claim: ``accuracy`` and ``crossentropy`` are compile's own words."""
    assert KERAS_2.compiles_metric("crossentropy")
    assert not KERAS_2.compiles_metric("no such metric")


@pytest.mark.parametrize(
    ("distribution", "version", "label"),
    [
        ("keras", "3.15.1", "Keras 3.15.1"),
        ("keras", "3", "Keras 3.15.1"),
        ("keras", "3.16.0.dev2026", "Keras 3.15.1"),
        ("keras", "3.11.9", "Keras 3.11.3"),
        ("keras", "2.12", "Keras 2.12.0"),
        ("keras", "2.12.1", "Keras 2.12.0"),
        ("keras", "2.13.0", "Keras 2.13.1"),
        ("keras", "1.2.2", "Keras 2.2.0"),
        ("keras", "2.4.3", "tf.keras 2.4.4"),
        ("keras", "nightly", "Keras 3.15.1"),
        ("keras", "", "Keras 3.15.1"),
        ("tensorflow", "2.8.4", "Keras 2.8.0"),
        ("tensorflow-cpu", "1.15.5", "tf.keras 1.15.0"),
        ("tensorflow", "2.4.1", "tf.keras 2.4.4"),
        ("tensorflow", "2.18.0", "Keras 3.15.1"),
        ("tf_keras", "2.20.0", "tf-keras 2.20.1"),
    ],
)
def test_the_release_that_stands_for_a_version(distribution: str, version: str, label: str) -> None:
    """Claim: exact, else the nearest older of the minor, else the nearest; and the result says which it is."""
    assert release_of(distribution, version).label == label


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_texts_give_a_release_and_answers(distribution: str, version: str) -> None:
    """Claim: no distribution, version, role, module or name makes a question fail."""
    release = release_of(distribution, version)
    assert release in releases()
    assert release.legacy(version, distribution) is None
    release.imported(distribution, version)
    release.by_name(version)
    history(distribution, version)
    argument_history(distribution, version, version)


def test_history_in_words() -> None:
    """Claim: unbroken runs are told line by line, and what goes on is told as such."""
    assert "Keras 3" not in history("layer", "TFOpLambda")
    assert history("layer", "TFOpLambda").endswith("every tf-keras have it")
    assert history("layer", "Dense") == "every Keras 2, every tf.keras, every tf-keras and every Keras 3 have it"
    assert history("layer", "GetItem") == "every Keras 3 has it"
    assert history("layer", "no such layer") == ""
    assert argument_history("layer", "LSTM", "use_cudnn").startswith("Keras since 3.")
    assert argument_history("layer", "LSTM", "no_such_argument") == ""


def test_what_is_kept_for_importing_only_is_not_history() -> None:
    """Claim: Keras 3 defines ThresholdedReLU but finds it nowhere, so messages do not say that it has it."""
    assert {release.line for release in releases_with("layer", "ThresholdedReLU")} == {
        "Keras 2",
        "tf.keras",
        "tf-keras",
    }


def test_every_release_finds_the_layers_that_every_model_has() -> None:
    """Claim: no release of the file was read into nothing: Dense, Sequential, relu and adam are in all of them."""
    for release in releases():
        for role, name in (("layer", "Dense"), ("layer", "Sequential"), ("activation", "relu"), ("optimizer", "adam")):
            assert release.legacy(role, name) is not None, (release.label, role, name)
        assert taken(release, "Dense") >= {"units", "activation", "use_bias", "name", "trainable", "input_shape"}


def test_every_key_of_a_table_has_its_entry() -> None:
    """Claim: what a release finds it also describes."""
    known = tables()
    for index in range(len(known.releases)):
        described = {row[0] for row in known.of("entries", index)}
        found = {key for row in known.of("legacy", index) for key in row[2]}
        found |= {row[1] for row in known.of("registry", index)} | {row[2] for row in known.of("imports", index)}
        assert found <= described


def test_importing_the_rules_does_not_decode_the_tables() -> None:
    """Claim: a command that judges nothing pays nothing."""
    code = "import modelreg.rules, modelreg.rules.keras_tables.data as d; print(d.tables.cache_info().currsize)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "0"
