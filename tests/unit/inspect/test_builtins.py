"""Which names Keras itself provides."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.inspect.builtins import ROLES, is_builtin, releases


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("layer", "Dense"),
        ("layer", "Lambda"),
        ("layer", "InputLayer"),
        ("layer", "Sequential"),
        ("layer", "Functional"),
        ("layer", "Model"),
        ("layer", "Container"),
        ("layer", "Merge"),
        ("layer", "MaxoutDense"),
        ("layer", "TimeDistributedDense"),
        ("layer", "CuDNNLSTM"),
        ("layer", "BatchNormalizationV1"),
        ("layer", "BatchNormalizationV2"),
        ("layer", "TFOpLambda"),
        ("layer", "SlicingOpLambda"),
        ("layer", "TensorFlowOpLayer"),
        ("layer", "NotEqual"),
        ("layer", "GetItem"),
        ("layer", "Absolute"),
        ("layer", "ThresholdedReLU"),
        ("layer", "TextVectorization"),
        ("layer", "RandomFlip"),
        ("layer", "TFSMLayer"),
        ("layer", "LSTMCell"),
        ("activation", "relu"),
        ("activation", "hard_sigmoid"),
        ("activation", "swish"),
        ("activation", "softmax_v2"),
        ("activation", "LeakyReLU"),
        ("initializer", "glorot_uniform"),
        ("initializer", "GlorotUniform"),
        ("initializer", "zeros"),
        ("initializer", "Zeros"),
        ("initializer", "one"),
        ("initializer", "VarianceScaling"),
        ("regularizer", "l2"),
        ("regularizer", "L1L2"),
        ("regularizer", "l1_l2"),
        ("regularizer", "WeightRegularizer"),
        ("constraint", "max_norm"),
        ("constraint", "MaxNorm"),
        ("constraint", "maxnorm"),
        ("loss", "mse"),
        ("loss", "mean_squared_error"),
        ("loss", "MeanSquaredError"),
        ("loss", "kullback_leibler_divergence"),
        ("loss", "huber_loss"),
        ("metric", "acc"),
        ("metric", "accuracy"),
        ("metric", "mae"),
        ("metric", "AUC"),
        ("metric", "MeanMetricWrapper"),
        ("optimizer", "adam"),
        ("optimizer", "Adam"),
        ("optimizer", "RMSprop"),
        ("optimizer", "rmsprop"),
        ("optimizer", "LossScaleOptimizer"),
        ("optimizer", "TFOptimizer"),
        ("object", "Policy"),
        ("object", "PolicyV1"),
        ("object", "DTypePolicy"),
        ("object", "ExponentialDecay"),
        ("object", "TensorShape"),
        ("object", "Dense"),
    ],
)
def test_names_that_keras_has_had_are_builtin(role: str, name: str) -> None:
    """A name of any release, in any spelling that ``get`` accepts, needs no custom object."""
    assert is_builtin(role, name)


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("layer", "Twice"),
        ("layer", "Addons>WeightNormalization"),
        ("layer", "KerasLayer"),
        ("layer", "relu"),
        ("layer", "AUC"),
        ("activation", "custom_activation"),
        ("activation", "get"),
        ("initializer", "get_fans"),
        ("loss", "custom_loss"),
        ("loss", "deserialize"),
        ("metric", "clone_metric"),
        ("optimizer", "mse"),
        ("object", "get_file"),
        ("object", "system"),
        ("object", "releases"),
    ],
)
def test_names_of_other_packages_and_of_helpers_are_not_builtin(role: str, name: str) -> None:
    """The user's own names, other packages' names, and Keras's helper functions are custom objects."""
    assert not is_builtin(role, name)


def test_an_unknown_role_is_an_error_not_an_answer() -> None:
    """A misspelled role raises instead of calling everything custom."""
    with pytest.raises(ValueError, match="'layers' is not a role"):
        is_builtin("layers", "Dense")


@given(role=st.sampled_from(ROLES), name=st.text())
def test_every_role_is_covered_by_object(role: str, name: str) -> None:
    """Whatever is built in for one role is built in where any object can stand."""
    assert is_builtin("object", name) or not is_builtin(role, name)


def test_the_releases_span_keras_1_to_3() -> None:
    """The union really covers Keras 1, 2, tf.keras, tf-keras and 3."""
    found = releases()
    assert {"keras==1.2.2", "keras==2.3.1", "keras==2.15.0", "keras==3.15.1"} <= set(found)
    assert {name.partition("==")[0] for name in found} == {"keras", "tensorflow", "tensorflow-cpu", "tf-keras"}
