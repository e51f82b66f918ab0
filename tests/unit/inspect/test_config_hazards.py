"""What a configuration would make its loader do: each trick is told, each look-alike is not."""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.configuration.walk import walk_model
from modelreg.facts import HazardKind, LambdaCode
from modelreg.inspect import limits
from modelreg.inspect.config_hazards import (
    bytecode_hazards,
    configuration_hazards,
    unsafe_layer_name,
    weight_map_hazards,
)
from modelreg.inspect.reader import read_artifact
from modelreg.inspect.source import SourceFile, descriptor_stream


def model(*layers: object, **more: object) -> dict[str, Any]:
    return {"class_name": "Sequential", "module": "keras", "config": {"name": "m", "layers": list(layers)}, **more}


def layer(class_name: str, name: str = "x", **arguments: object) -> dict[str, Any]:
    return {"class_name": class_name, "module": "keras.layers", "config": {"name": name, **arguments}}


def function(module: str, name: str, **more: object) -> dict[str, Any]:
    return {"class_name": "function", "module": module, "config": name, "registered_name": name, **more}


def kinds(value: object) -> list[HazardKind]:
    return [hazard.kind for hazard in configuration_hazards(value)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"), ("posix", "system"), ("subprocess", "Popen"), ("importlib.util", "spec_from_file_location"),
        ("cPickle", "loads"), ("builtins", "eval"), ("builtins", "__import__"), ("__builtin__", "execfile"),
        ("joblib", "load"), ("pip._internal", "main"), ("pandas.io.pickle", "read_pickle"),
    ],
)  # fmt: skip
def test_a_foreign_module_is_told(module: str, name: str) -> None:
    """Python's own modules and packages that start programs, as a function or as a class (CVE-2025-1550)."""
    told = list(configuration_hazards(model(layer("Dense", "d", activation=function(module, name)))))
    assert [(hazard.kind, hazard.where) for hazard in told] == [(HazardKind.FOREIGN_MODULE, "m/d")]
    assert repr(name) in told[0].detail
    if module != "builtins":
        assert kinds(model({"class_name": name, "module": module, "config": {}})) == [HazardKind.FOREIGN_MODULE]


@pytest.mark.parametrize(
    "benign",
    [
        function("builtins", "custom_activation", registered_name="function"),
        function("my_package.layers", "scaled"),
        function("__main__", "scaled"),
        function("builtins", "relu"),
        function("keras.activations", "relu"),
        function("keras.src.activations.activations", "gelu"),
        function("keras.ops", "softmax"),
        function("keras.utils", "normalize"),
        function("keras.backend", "softmax"),
        function("tensorflow.nn", "relu"),
        function("tensorflow.python.ops.io_ops", "decode_raw"),
        function("numpy", "tanh"),
        {"class_name": "Mine", "module": "osmosis", "config": {}, "registered_name": "pkg>Mine"},
        {"class_name": "Mine", "module": None, "config": {}, "registered_name": "pkg>Mine"},
        {"class_name": "tuple", "module": "builtins", "config": {}},
        {"class_name": "LayerScale", "module": "keras.src.applications.convnext", "config": {"name": "f"}},
        {"class_name": "FeatureSpace", "module": "keras.utils", "config": {"name": "f"}},
        {"class_name": "Functional", "module": "keras.src.models.functional", "config": {"name": "f"}},
        {"class_name": "Functional", "module": "keras.src.engine.functional", "config": {"name": "f"}},
        {"class_name": "Adam", "module": "keras.optimizers", "config": {}, "registered_name": "Custom>Adam"},
        {"class_name": "Adam", "module": "keras.optimizers", "config": {}, "registered_name": "Adam"},
        {"class_name": "BertBackbone", "module": "keras_hub.src.models.bert.bert_backbone", "config": {"name": "b"}},
        {"class_name": "__typespec__", "spec_name": "TensorSpec", "module": "tensorflow.python.framework.tensor_spec", "config": []},
        {"class_name": "__bytes__", "config": {"value": "label"}},
    ],
)  # fmt: skip
def test_custom_and_real_objects_are_not_told(benign: dict[str, Any]) -> None:
    """A module of the author's own is a custom object, whatever it is called."""
    assert kinds(model(layer("Dense", activation=benign), benign)) == []


def test_every_non_modelling_api_of_keras_is_told() -> None:
    """The list of Keras 3.15.1, as a function and as a class, under each of the names that a package has had."""
    listed = [
        "keras.backend.clear_session", "keras.config.enable_unsafe_deserialization", "keras.models.load_model",
        "keras.models.model_from_json", "keras.models.save_model", "keras.preprocessing.image_dataset_from_directory",
        "keras.preprocessing.image.load_img", "keras.preprocessing.image.save_img",
        "keras.preprocessing.text_dataset_from_directory", "keras.saving.deserialize_keras_object",
        "keras.saving.load_model", "keras.saving.load_weights", "keras.saving.register_keras_serializable",
        "keras.saving.save_model", "keras.saving.save_weights", "keras.saving.serialize_keras_object",
        "keras.utils.audio_dataset_from_directory", "keras.utils.clear_session", "keras.utils.deserialize_keras_object",
        "keras.utils.get_file", "keras.utils.image_dataset_from_directory", "keras.utils.load_img",
        "keras.utils.register_keras_serializable", "keras.utils.save_img", "keras.utils.serialize_keras_object",
        "keras.utils.text_dataset_from_directory",
    ]  # fmt: skip
    for api, root in itertools.product(listed, ("keras", "tf_keras", "tensorflow.keras", "keras.src", "keras.api")):
        module, _, name = api.rpartition(".")
        module = module.replace("keras", root, 1)
        assert kinds(model(function(module, name))) == [HazardKind.UNSAFE_FUNCTION], (module, name)
        assert kinds(model({"class_name": name, "module": module, "config": {}})) == [HazardKind.UNSAFE_FUNCTION]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("keras.src.utils.file_utils", "get_file"), ("keras.src.utils.python_utils", "func_load"),
        ("keras.src.utils.io_utils", "print_msg"), ("keras.datasets.mnist", "load_data"),
        ("keras.applications", "ResNet50"), ("keras.callbacks", "LambdaCallback"), ("keras.config", "set_backend"),
        ("tensorflow.io", "write_file"), ("tensorflow", "py_function"), ("tensorflow.python.platform.gfile", "GFile"),
        ("tensorflow.python.framework.load_library", "load_op_library"), ("numpy", "load"), ("numpy.testing", "x"),
        ("torch.hub", "load"), ("torch", "load"),
    ],
)  # fmt: skip
def test_tools_that_no_list_of_kerass_names_are_told(module: str, name: str) -> None:
    """Files, downloads, settings and Python, by other doors."""
    assert kinds(model(function(module, name))) == [HazardKind.UNSAFE_FUNCTION]


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        (layer("TFSMLayer", filepath="/srv/other"), HazardKind.UNSAFE_CLASS),
        (layer("Custom>TFSMLayer", filepath="/srv/other"), HazardKind.UNSAFE_CLASS),
        (layer("TorchModuleWrapper", module={"class_name": "__bytes__", "config": {"value": "x"}}), HazardKind.UNSAFE_CLASS),
        ({"class_name": "__bytes__", "config": {"value": "\x80\x04\x95"}}, HazardKind.UNSAFE_CLASS),
        ({"class_name": "__bytes__", "config": {"value": "PK\x03\x04..."}}, HazardKind.UNSAFE_CLASS),
        ({**layer("Dense"), "registered_name": "evil>Layer"}, HazardKind.UNSAFE_CLASS),
        (layer("StringLookup", vocabulary="/etc/passwd"), HazardKind.OUTSIDE_FILE),
        (layer("IntegerLookup", vocabulary="http://example.org/v"), HazardKind.OUTSIDE_FILE),
        (layer("TextVectorization", vocabulary="v.txt"), HazardKind.OUTSIDE_FILE),
        (layer("TFOpLambda", function="io.write_file"), HazardKind.UNSAFE_FUNCTION),
        (layer("TFOpLambda", function="keras.utils.get_file"), HazardKind.UNSAFE_FUNCTION),
        (layer("TFOpLambda", function="raw_ops.ReadFile"), HazardKind.UNSAFE_FUNCTION),
        (layer("TFOpLambda", function="compat.v1.py_func"), HazardKind.UNSAFE_FUNCTION),
        (layer("ClassMethod", cls_symbol="io.gfile.GFile", method_name="read"), HazardKind.UNSAFE_FUNCTION),
        (layer("TensorFlowOpLayer", node_def={"name": "w", "op": "WriteFile"}), HazardKind.UNSAFE_FUNCTION),
        (layer("TensorFlowOpLayer", node_def="\n\x01w\x12\tWriteFile\x1a"), HazardKind.UNSAFE_FUNCTION),
        ({"class_name": "Lambda", "config": {"name": "l", "function": ["", None, None], "module": "os"}}, HazardKind.FOREIGN_MODULE),
        (layer("Dense", "../../up"), HazardKind.UNSAFE_LAYER_NAME),
    ],
)  # fmt: skip
def test_a_dangerous_object_is_told_wherever_it_stands(item: dict[str, Any], kind: HazardKind) -> None:
    """At the top, in a wrapper, in a nested model, in the compile configuration, and beside unknown keys."""
    for value in (
        model(item),
        model(layer("TimeDistributed", layer=item)),
        model(layer("RNN", cell=layer("StackedRNNCells", cells=[item]))),
        model(model(item)),
        model(compile_config={"loss": item}),
        model(layer("Mine", anything={"at": [{"all": item}]})),
        {"optimizer_config": item},
    ):
        assert kinds(value) == [kind]


@pytest.mark.parametrize(
    "item",
    [
        layer("StringLookup", vocabulary=["a", "b"]),
        layer("StringLookup", vocabulary=None),
        layer("CaptchaDecoder", vocabulary="abcdefghijklmnopqrstuvwxyz"),
        layer("TFOpLambda", function="math.add"),
        layer("TFOpLambda", function="io.decode_jpeg"),
        layer("TFOpLambda", function="keras.activations.relu"),
        layer("TFOpLambda", function="__operators__.getitem"),
        layer("TFOpLambda", function="raw_ops.MatMul"),
        layer("TensorFlowOpLayer", node_def={"name": "add", "op": "AddV2"}),
        layer("Dense", "conv1/7x7_s2"),
        layer("Dense", "input:0"),
        layer("Dense", "..."),
        layer("Dense", "Größe"),
        {
            "class_name": "Lambda",
            "config": {"name": "l", "function": "neg", "function_type": "function", "module": "_operator"},
        },
    ],
)
def test_a_look_alike_is_not_told(item: dict[str, Any]) -> None:
    """Vocabularies inside the file, harmless operations, and the names that TensorFlow 1 gave."""
    assert kinds(model(item)) == []


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "..", "/etc/x", "a\\b", "..\\x", "C:/x", "c:\\x", "a\x00b", "a\nb", "\x7f"]
)
def test_a_name_that_is_a_path_is_unsafe(name: str) -> None:
    assert unsafe_layer_name(name) is not None


def test_what_nests_too_deep_is_told_and_still_looked_at() -> None:
    """Neither recursion nor blindness: the payload at level 5,000 is found."""
    value: Any = function("os", "system")
    for _ in range(5_000):
        value = {"layer": value}
    assert set(kinds(model(value))) == {HazardKind.OVERSIZED_DATASET, HazardKind.FOREIGN_MODULE}
    nested: Any = layer("Dense")
    for _ in range(20):
        nested = model(nested)
    assert kinds(nested) == []


@pytest.mark.slow
def test_hazards_are_bounded_and_big_configurations_take_seconds() -> None:
    """A million hostile objects give a thousand hazards; 50,000 layers are looked through in no time."""
    many = model(*(layer("TFSMLayer", f"l{number}", filepath=f"/{number}") for number in range(20_000)))
    start = time.process_time()
    assert len(kinds(many)) == limits.HAZARDS_MAX
    assert kinds(model(*(layer("Dense", f"l{number}", units=3) for number in range(50_000)))) == []
    assert time.process_time() - start < 5


KEYS = [
    *("class_name", "config", "module", "name", "registered_name", "vocabulary", "function", "layers", "node_def"),
    *("filepath", "compile_config", "spec_name", "function_type", "value", "x"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner
            | st.sampled_from(["function", "Lambda", "TFOpLambda", "__bytes__", "__typespec__", "os", "keras.utils"]),
            max_size=5,
        )
    ),
    max_leaves=40,
)


@given(JSON)
def test_any_json_gives_hazards_and_never_an_exception(value: Any) -> None:
    """Types may be wrong everywhere."""
    told = list(configuration_hazards(value))
    assert told == list(configuration_hazards(json.loads(json.dumps(value))))
    list(weight_map_hazards(value, where="w"))


@pytest.mark.parametrize("name", ["py38/lambda.h5", "py313/lambda_nested.keras", "py311/compiled_trained.keras"])
def test_places_are_those_of_the_other_facts(models: Path, name: str) -> None:
    """A hazard put into any layer of a real file is told with that layer's own path."""
    path = models / name
    with path.open("rb") as stream:
        size = path.stat().st_size
        facts = read_artifact([SourceFile(path.name, size, descriptor_stream(stream.fileno(), size))])
    assert facts.config is not None
    assert kinds(json.loads(facts.config)) == []
    for index, expected in enumerate(facts.layers):
        value = json.loads(facts.config)
        node = [each for each in walk_model(value) if each.is_layer][index]
        assert isinstance(node.value, dict)
        node.value["config"]["planted"] = function("os", "system")
        assert [hazard.where for hazard in configuration_hazards(value)] == [expected.path]


def code(*names: str, listing: tuple[str, ...] = ()) -> LambdaCode:
    return LambdaCode("l", "m/l", ("3.11",), names, listing=listing)


@pytest.mark.parametrize(
    "names",
    [
        ("__import__", "system"), ("os",), ("subprocess", "check_output"), ("exec",), ("eval",), ("open", "read"),
        ("getattr",), ("__class__", "__bases__", "__subclasses__"), ("tf", "py_function"), ("tf", "io", "read_file"),
        ("tensorflow", "io", "gfile", "GFile"), ("socket", "connect"), ("pickle", "loads"), ("urlopen",),
    ],
)  # fmt: skip
def test_bytecode_that_reaches_the_system_is_told(names: tuple[str, ...]) -> None:
    """One hazard that lists the names."""
    told = list(bytecode_hazards(code(*names)))
    assert [(hazard.kind, hazard.where) for hazard in told] == [(HazardKind.UNSAFE_BYTECODE, "m/l")]


@pytest.mark.parametrize(
    "names",
    [
        (), ("K", "expand_dims"), ("tf", "math", "reduce_mean"), ("np", "float32"), ("tf", "io", "decode_jpeg"),
        ("tf", "signal", "stft"), ("tf", "image", "resize"), ("x", "shape", "copy"), ("tf", "random", "normal"),
        ("tensorflow", "cast"), ("range", "len", "isinstance", "abs", "sum"), ("tf", "types"), ("system_size",),
    ],
)  # fmt: skip
def test_arithmetic_on_tensors_is_not_told(names: tuple[str, ...]) -> None:
    assert list(bytecode_hazards(code(*names))) == []


def test_an_attribute_that_shares_a_builtins_name_is_harmless() -> None:
    """``K.eval(x)`` is not ``eval(x)``: the disassembly tells, and without one the graver is taken."""
    attribute = ("0 LOAD_GLOBAL K", "2 LOAD_ATTR eval")
    assert list(bytecode_hazards(code("K", "eval", listing=attribute))) == []
    assert len(list(bytecode_hazards(code("eval", listing=("0 LOAD_GLOBAL eval",))))) == 1
    assert len(list(bytecode_hazards(code("K", "eval")))) == 1


def test_a_shard_elsewhere_is_told() -> None:
    """A weight map names files beside it and nothing else."""
    good: Any = {"metadata": {}, "weight_map": {"/a/vars": "m_00000.weights.h5", "/b/vars": ["m_00000.weights.h5"]}}
    assert list(weight_map_hazards(good, where="w")) == []
    for name in ("../x.h5", "/etc/passwd", "a/b.h5", "..", "c\\d.h5"):
        bad: Any = {"weight_map": {"/a/vars": name, "/b/vars": ["m.h5", name]}}
        assert [hazard.kind for hazard in weight_map_hazards(bad, where="w")] == [HazardKind.OUTSIDE_FILE]
