"""Whether a SavedModel's graph runs there: real files, and for each trait a file that has it and its neighbour."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.artifact import open_artifact
from modelreg.environment.document import Environment
from modelreg.facts import Container, Facts, Graph, LambdaCode, Layer, Operator, Tensor
from modelreg.findings import Outcome
from modelreg.inspect import Inspector
from modelreg.rules import tensorflow_ops
from modelreg.rules.keras.graph import graph_troubles
from modelreg.rules.keras.reader import Reader, reader_of
from modelreg.rules.keras.trouble import Trouble


def reader(tensorflow: str, *, legacy: bool = False, **distributions: str) -> Reader:
    named = {"tensorflow": tensorflow, **{name.replace("_", "-"): version for name, version in distributions.items()}}
    found = reader_of(Environment(python="3.11.7", distributions=named, legacy_keras=legacy or None))
    assert found is not None
    return found


TF_115 = reader("1.15.5")
TF_23 = reader("2.3.4")
TF_24 = reader("2.4.4")
TF_25 = reader("2.5.3")
TF_28 = reader("2.8.4", keras="2.8.0")
TF_212 = reader("2.12.1", keras="2.12.0")
TF_215 = reader("2.15.1", keras="2.15.0")
TF_KERAS = reader("2.20.0", keras="3.15.1", tf_keras="2.20.1", legacy=True)
KERAS_3 = reader("2.16.2", keras="3.3.3")
KERAS_23 = reader("1.15.5", keras="2.3.1")

OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
KERNEL = "layer_with_weights-0/kernel/.ATTRIBUTES/VARIABLE_VALUE"
EXPORTED = "variables/0/.ATTRIBUTES/VARIABLE_VALUE"


def saved(
    *operations: str,
    tensorflow: str = "2.12.1",
    keras: str | None = "2.12.0",
    variables: Sequence[str] = (OBJECTS, KERNEL),
    graph: Graph | None = None,
) -> Facts:
    return Facts(
        Container.SAVED_MODEL,
        ".",
        keras_version=keras,
        tensorflow_version=tensorflow,
        layers=(Layer("own", "Own", "model/own"),) if keras else (),
        tensors=tuple(Tensor(path, (2,), "float32", "variables/variables.data-00000-of-00001") for path in variables),
        graph=replace(graph or Graph(producer=1395, min_consumer=12), operators=tuple(map(Operator, operations))),
    )


PLAIN = saved("MatMul", "StatefulPartitionedCall")


def certain(facts: Facts, target: Reader, provided: Sequence[str] = ()) -> list[Trouble]:
    return [trouble for trouble in graph_troubles(facts, target, provided) if trouble.is_certain]


def likely(facts: Facts, target: Reader, provided: Sequence[str] = ()) -> list[Trouble]:
    return [trouble for trouble in graph_troubles(facts, target, provided) if not trouble.is_certain]


# Real files, whose loads by real TensorFlows were recorded

Real = Callable[[str], Facts]


@pytest.fixture(scope="module")
def real(models: Path) -> Iterator[Real]:
    """The facts of a folder below ``tests/models``."""
    with Inspector() as inspector:

        @functools.cache
        def facts(name: str) -> Facts:
            with open_artifact(models / name) as files:
                return inspector.inspect([(file.path, file.descriptor) for file in files])

        yield facts


@pytest.mark.parametrize(
    ("name", "target", "said"),
    [
        ("py310/savedmodel_lambda", TF_28, "DisableCopyOnRead (in TensorFlow 2.10 and later)"),
        ("py310/savedmodel_lambda", TF_24, "JSONDecodeError"),
        ("py36/savedmodel_lambda", TF_24, "JSONDecodeError"),
        ("py36/savedmodel_lambda", TF_23, "JSONDecodeError"),
        ("py311/savedmodel_export", TF_28, "DisableCopyOnRead"),
        ("py311/savedmodel_export", TF_24, "DisableCopyOnRead"),
        ("tf220/savedmodel_pyfunc", TF_KERAS, "calls back into the Python process"),
        ("py37tf115/savedmodel_graph", TF_215, "list index out of range"),
        ("py37tf115/savedmodel_graph", TF_24, "list index out of range"),
        ("py310/savedmodel_lambda", TF_212, None),
        ("py310/savedmodel_lambda", TF_215, None),
        ("py36/savedmodel_lambda", TF_28, None),
        ("py38tf24/savedmodel_lambda", TF_28, None),
        ("py38tf24/savedmodel_lambda", TF_KERAS, None),
        ("py37tf23/savedmodel_plain", TF_24, None),
        ("py37tf115/savedmodel_graph", TF_23, None),
        ("py311/savedmodel_export", TF_212, None),
    ],
)
def test_what_was_recorded_is_predicted(real: Real, name: str, target: Reader, said: str | None) -> None:
    """Claim: a load that raised is refused for the reason that it raised, one that worked is not refused."""
    messages = [trouble.message for trouble in certain(real(name), target)]
    if said is None:
        assert messages == []
    else:
        assert any(said in message for message in messages)


# Operations


def test_an_operation_that_the_target_lacks_is_refused_with_the_releases_that_have_it() -> None:
    (trouble,) = certain(saved("MatMul", "DisableCopyOnRead"), TF_28)
    assert (trouble.rule, trouble.outcome) == ("MR427", Outcome.LOAD_ERROR)
    assert trouble.message == (
        "the graph uses DisableCopyOnRead (in TensorFlow 2.10 and later); the target has TensorFlow 2.8.4"
    )
    assert certain(saved("MatMul", "DisableCopyOnRead"), TF_212) == []


def test_many_missing_operations_are_one_reason() -> None:
    """Claim: three are named, the others counted."""
    modern = [
        name for name in sorted(tensorflow_ops.names()) if tensorflow_ops.since(name) == "TensorFlow 2.10 and later"
    ]
    assert len(modern) > 4
    (trouble,) = certain(saved(*modern), TF_28)
    assert trouble.message.count("(in TensorFlow 2.10 and later)") == 3
    assert f"and {len(modern) - 3} more;" in trouble.message


def test_an_operation_of_another_package_is_only_likely_trouble() -> None:
    """Claim: no TensorFlow knows it, so whether it is registered is the loader's affair."""
    facts = saved("MatMul", "SimpleMLInferenceOpWithHandle")
    assert certain(facts, TF_215) == []
    (trouble,) = likely(facts, TF_215)
    assert "SimpleMLInferenceOpWithHandle, which no TensorFlow has" in trouble.message
    assert trouble.finding().severity == "warn"


def test_tensorflows_own_internal_operations_are_not_judged() -> None:
    """Claim: names that begin with an underscore have no wrappers, so that nothing is known of them."""
    assert list(graph_troubles(saved("MatMul", "_FusedConv2D"), TF_215)) == []


def test_an_operation_of_contrib_loads_in_tensorflow_1_alone() -> None:
    facts = saved("MatMul", "ImageProjectiveTransform", tensorflow="1.15.5", keras="2.2.4-tf")
    assert certain(facts, TF_115) == []
    (needed,) = likely(facts, TF_115)
    assert "tf.contrib" in needed.message
    (absent,) = certain(facts, TF_215)
    assert "ImageProjectiveTransform (in tf.contrib of TensorFlow 1.15 and earlier)" in absent.message


@given(st.lists(st.text(max_size=20) | st.sampled_from(["MatMul", "PyFunc", "DisableCopyOnRead", "_Arg"]), max_size=8))
def test_every_operation_is_had_foreign_internal_or_told(operations: list[str]) -> None:
    """Claim: whatever the names are, each that a target lacks is counted in one reason, and nothing raises."""
    troubles = list(graph_troubles(saved(*operations), TF_28))
    lacks = any(name == "DisableCopyOnRead" for name in operations)
    assert any("DisableCopyOnRead (in" in trouble.message for trouble in troubles) == lacks


# Python callbacks


def test_a_python_callback_fails_when_it_predicts() -> None:
    for operation in ("PyFunc", "PyFuncStateless", "EagerPyFunc"):
        (trouble,) = certain(saved("MatMul", operation), TF_212)
        assert (trouble.rule, trouble.outcome) == ("MR427", Outcome.PREDICT_ERROR)
        assert f"({operation})" in trouble.message


def test_a_callback_of_a_layer_that_is_made_anew_may_work() -> None:
    """Claim: a Lambda and a class that the loader hands over run their own Python, which makes the callback again."""
    facts = saved("MatMul", "EagerPyFunc")
    with_lambda = replace(facts, lambdas=(LambdaCode("scale", "model/scale", ("3.10",)),))
    assert certain(with_lambda, TF_212) == []
    assert len(likely(with_lambda, TF_212)) == 1
    assert certain(facts, TF_212, ["Own"]) == []
    assert len(certain(facts, TF_212, ["Another"])) == 1
    assert len(certain(with_lambda, KERAS_3, ["Own"])) == 1, "TFSMLayer makes no layer anew"


# Keras's metadata


@pytest.mark.parametrize("target", [TF_115, TF_23, TF_24, TF_25])
def test_metadata_in_a_file_of_its_own_is_not_read_before_2_6(target: Reader) -> None:
    """Claim: TensorFlow 2.5 writes the metadata in the graph as well, and reads it there."""
    (trouble,) = certain(saved("MatMul", tensorflow="2.6.5", keras="2.6.0"), target)
    assert (trouble.rule, trouble.outcome) == ("MR427", Outcome.LOAD_ERROR)
    assert "TensorFlow 2.6.5 keeps" in trouble.message
    assert "JSONDecodeError" in trouble.message
    assert certain(saved("MatMul", tensorflow="2.6.5", keras="2.6.0"), reader("2.6", keras="2.6.0")) == []
    assert not any("JSONDecodeError" in each.message for each in certain(saved("MatMul", tensorflow="2.5.3"), target))


@pytest.mark.parametrize("target", [TF_115, reader("2.1.4")])
def test_metadata_since_2_3_is_not_read_before_2_2(target: Reader) -> None:
    (trouble,) = certain(saved("MatMul", tensorflow="2.3.4", keras="2.4.0"), target)
    assert (trouble.rule, trouble.outcome) == ("MR427", Outcome.LOAD_ERROR)
    assert "Error converting shape" in trouble.message
    assert certain(saved("MatMul", tensorflow="2.1.4", keras="2.2.4-tf"), target) == []
    assert certain(saved("MatMul", tensorflow="2.3.4", keras="2.4.0"), reader("2.2")) == []


def test_tensorflow_before_1_15_reads_no_folder() -> None:
    facts = saved("MatMul", tensorflow="1.14.0", keras="2.2.4-tf")
    (trouble,) = certain(facts, reader("1.14.0"))
    assert (trouble.rule, trouble.outcome) == ("MR405", Outcome.LOAD_ERROR)
    assert certain(facts, reader("1.15")) == []


def test_a_keras_model_without_metadata_is_no_model() -> None:
    """Claim: what ``tf.saved_model.save`` of 2.6 and later makes of it fails in ``load_model``, an export does not."""
    (trouble,) = certain(saved("MatMul", keras=None, tensorflow="2.15.1"), TF_215)
    assert (trouble.rule, trouble.outcome) == ("MR405", Outcome.LOAD_ERROR)
    assert "tf.saved_model.save" in trouble.message
    assert certain(saved("MatMul", keras=None, tensorflow="2.15.1", variables=(OBJECTS, EXPORTED)), TF_215) == []
    assert certain(saved("MatMul", keras=None, tensorflow="2.5.3"), TF_215) == []


def test_a_file_without_an_object_graph_is_no_model_since_2_4() -> None:
    facts = saved("MatMul", keras=None, tensorflow="1.15.5", variables=("w",))
    (trouble,) = certain(facts, TF_24)
    assert (trouble.rule, trouble.outcome) == ("MR405", Outcome.LOAD_ERROR)
    assert certain(facts, TF_23) == []
    assert certain(replace(facts, tensors=()), TF_24) == [], "without a checkpoint nothing is known"


# Graph versions


NEEDS_MORE = Graph(producer=9999, min_consumer=9999)
FORBIDS = Graph(producer=134, bad_consumers=(134, 1645))


@pytest.mark.parametrize(
    ("graph", "target", "said"), [(NEEDS_MORE, TF_23, "9999 or later"), (FORBIDS, TF_115, "forbids graph version 134")]
)
def test_graph_versions_stop_what_imports_the_whole_graph(graph: Graph, target: Reader, said: str) -> None:
    """Claim: without an object graph they decide; with one ``load_model`` does not look (1.15, 2.2 to 2.20)."""
    facts = saved("MatMul", graph=graph, tensorflow="1.15.0", keras=None, variables=("w",))
    (trouble,) = certain(facts, target)
    assert said in trouble.message
    tracked = saved("MatMul", graph=graph, tensorflow="1.15.0", keras="2.2.4-tf")
    assert certain(tracked, target) == []
    (warned,) = likely(tracked, target)
    assert f"{said}; {target.label.removeprefix('the Keras of ')} has" in warned.message
    assert list(graph_troubles(replace(tracked, graph=PLAIN.graph), target)) == []


# Who is asked


def test_a_newer_writer_is_likely_trouble_only_where_nothing_is_certain() -> None:
    (trouble,) = graph_troubles(saved("MatMul", tensorflow="2.15.1"), TF_212)
    assert not trouble.is_certain
    assert "written by TensorFlow 2.15.1; TensorFlow 2.12.1" in trouble.message
    assert likely(saved("DisableCopyOnRead", tensorflow="2.15.1"), TF_28) == []
    assert list(graph_troubles(saved("MatMul", tensorflow="2.12.0"), TF_212)) == [], "a patch series promises it"


def test_keras_3_is_told_what_stops_its_layer_too() -> None:
    """Claim: ``TFSMLayer`` imports the same functions; of Keras's metadata it asks nothing."""
    assert any("XlaSparseGradientsStack" in each.message for each in certain(saved("XlaSparseGradientsStack"), KERAS_3))
    assert certain(saved("MatMul", keras=None, tensorflow="2.15.1"), KERAS_3) == []


@pytest.mark.parametrize(
    ("facts", "target"),
    [
        (replace(saved("DisableCopyOnRead"), container=Container.KERAS_HDF5), TF_28),
        (replace(saved("DisableCopyOnRead"), graph=None), TF_28),
        (saved("DisableCopyOnRead"), KERAS_23),
    ],
    ids=["another container", "no graph", "a Keras that reads HDF5 only"],
)
def test_nothing_is_said_where_no_graph_is_run(facts: Facts, target: Reader) -> None:
    assert list(graph_troubles(facts, target)) == []
