"""What ``tools/keras_reading`` reads out of small sources written in Keras's ways."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras_reading.constructors import class_signature, function_signature
from keras_reading.lookups import ReleaseReader, ReleaseTables
from keras_reading.package import Package
from keras_reading.signatures import Signature
from keras_reading.values import UNKNOWN, Choice, ClassValue, FunctionValue, ModuleValue


def package(**modules: str) -> Package:
    """A package of modules, ``keras__layers`` for ``keras.layers``; each is a folder's ``__init__``."""
    paths = {name.replace("__", "/") + "/__init__.py": textwrap.dedent(text).encode() for name, text in modules.items()}
    return Package(paths, {"tf2.enabled": True})


def signature(text: str, name: str = "Subject") -> Signature:
    made = package(m=text)
    value = made.lookup("m", name)
    assert isinstance(value, (ClassValue, FunctionValue))
    return class_signature(made, value) if isinstance(value, ClassValue) else function_signature(made, value)


BASE = """
    class Base:
        def __init__(self, trainable=True, name=None, **kwargs):
            allowed_kwargs = {"input_shape", "weights"}
            for kwarg in kwargs:
                if kwarg not in allowed_kwargs:
                    raise TypeError(kwarg)
        @classmethod
        def from_config(cls, config):
            return cls(**config)
"""


def test_a_constructor_takes_its_own_arguments_and_its_bases() -> None:
    """Claim: ``super().__init__(**kwargs)`` adds what the base takes, and a set of allowed names counts."""
    found = signature(BASE + "\n    class Subject(Base):\n        def __init__(self, units, **kwargs):\n"
                      "            super().__init__(**kwargs)\n")  # fmt: skip
    assert found.arguments == {"units", "trainable", "name", "input_shape", "weights"}
    assert found.required == {"units"}
    assert not found.is_open


def test_an_argument_that_the_call_gives_itself_is_not_taken() -> None:
    """Claim: ``super().__init__(rank=2, **kwargs)`` refuses ``rank``, by keyword or by position."""
    text = """
    class Base:
        def __init__(self, rank, axis, name=None): ...
    class Subject(Base):
        def __init__(self, units, **kwargs):
            super(Subject, self).__init__(2, axis=1, **kwargs)
    """
    assert signature(text).arguments == {"units", "name"}


@pytest.mark.parametrize(
    ("body", "taken"),
    [
        ("kwargs.pop('old', None)", {"old"}),
        ("for name in ('a', 'b'):\n                kwargs.pop(name, None)", {"a", "b"}),
        ("for name in OLD:\n                if name in kwargs:\n                    del kwargs[name]", {"c", "d"}),
        ("self._take(kwargs)", {"e"}),
        ("validate_kwargs(kwargs, {'f'})", {"f"}),
        ("extra = set(kwargs) - {'g'}\n            if extra:\n                raise ValueError", {"g"}),
        (
            "extra = [n for n in kwargs if n not in ('h',)]\n            if extra:\n                raise ValueError",
            {"h"},
        ),
        ("kwargs.get('seen')", set()),
        ("if 'gone' in kwargs:\n                raise ValueError", set()),
    ],
)
def test_ways_to_take_a_keyword_out(body: str, taken: set[str]) -> None:
    """Claim: what is popped, deleted or allowed before the rest is refused is taken; what is only looked at is not."""
    text = f"""
    OLD = ["c", "d"]
    class Subject:
        def __init__(self, **kwargs):
            {body}
            if kwargs:
                raise ValueError("Unrecognized")
        def _take(self, options):
            options.pop("e", None)
    """
    found = signature(text)
    assert found.arguments == taken
    assert not found.is_open


@pytest.mark.parametrize(
    "body",
    [
        "pass",
        "dtype = kwargs.get('dtype')",
        "shape = kwargs.pop('shape', None)\n            if shape is None:\n                raise ValueError",
    ],
)
def test_keywords_that_nobody_refuses_leave_a_class_open(body: str) -> None:
    """Claim: swallowed keywords are no error; a raise over something else does not count as a check (InputLayer)."""
    text = f"""
    class Subject:
        def __init__(self, name=None, **kwargs):
            {body}
    """
    assert signature(text).is_open


def test_keywords_that_go_to_two_places_must_suit_both() -> None:
    """Claim: a second call with the same ``**kwargs`` narrows what is taken (Keras 3.15 AugMix)."""
    text = """
    class Base:
        def __init__(self, name=None, bins=10): ...
    class Part:
        def __init__(self, name=None): ...
    class Subject(Base):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.part = Part(**kwargs)
    """
    assert signature(text).arguments == {"name"}


def test_a_key_that_is_refused_by_name_is_not_taken_from_the_base() -> None:
    """Claim: ``if "old" in kwargs: raise`` outdoes a base that would take it."""
    text = """
    class Base:
        def __init__(self, name=None, old=None): ...
    class Subject(Base):
        def __init__(self, **kwargs):
            if "old" in kwargs:
                raise ValueError("gone")
            super().__init__(**kwargs)
    """
    assert signature(text).arguments == {"name"}


def test_one_way_that_ignores_the_rest_leaves_a_class_open() -> None:
    """Claim: where one branch of ``from_config`` builds by itself, a strange key need not fail (Model)."""
    text = """
    class Subject:
        def __init__(self, name=None): ...
        @classmethod
        def from_config(cls, config):
            if is_functional(config):
                return cls("x")
            return cls(**config)
    """
    assert signature(text).is_open


def test_from_config_adds_what_it_pops_and_names_what_it_drops() -> None:
    """Claim: a renamed key is taken, a key that is popped and forgotten is taken and a drop."""
    text = (
        BASE
        + """
    class Subject(Base):
        def __init__(self, rate): ...
        @classmethod
        def from_config(cls, config):
            if "lr" in config:
                config["rate"] = config.pop("lr")
            config.pop("groups", None)
            return super().from_config(config)
    """
    )
    found = signature(text)
    assert found.arguments == {"rate", "lr", "groups"}
    assert found.drops == {"groups"}
    assert not found.is_open


def test_from_config_that_builds_by_itself_ignores_the_rest() -> None:
    """Claim: ``return cls(value)`` fails for no key, so the class is open (Keras 3 Constant)."""
    text = """
    class Subject:
        def __init__(self, value): ...
        @classmethod
        def from_config(cls, config):
            return cls(config["value"])
    """
    assert signature(text).is_open


def test_super_of_another_class_skips_it() -> None:
    """Claim: ``super(Middle, self)`` looks behind ``Middle`` (CuDNNLSTM of tf.keras goes past RNN that way)."""
    text = """
    class Base:
        def __init__(self, name=None): ...
    class Middle(Base):
        def __init__(self, cell, time_major=False, **kwargs):
            super().__init__(**kwargs)
    class Subject(Middle):
        def __init__(self, units, **kwargs):
            super(Middle, self).__init__(**kwargs)
    """
    assert signature(text).arguments == {"units", "name"}


def test_keras_2_decorators_take_the_names_of_keras_1() -> None:
    """Claim: the conversions and the preprocessor of ``generate_legacy_interface`` count as arguments."""
    text = """
    def interface(conversions=None, preprocessor=None):
        conversions = conversions or []
        def support(function):
            return function
        return support
    def before(args, kwargs):
        if "dropout" in kwargs:
            kwargs.pop("dropout")
        return args, kwargs
    legacy = interface(conversions=[("output_dim", "units")], preprocessor=before)
    class Subject:
        @legacy
        def __init__(self, units): ...
    """
    assert signature(text).arguments == {"units", "output_dim", "dropout"}


def test_literal_defaults_are_kept_as_json() -> None:
    """Claim: literals become JSON with tuples as lists; anything else has no default there."""
    found = signature("def Subject(a, b=(1, 2), c='x', d=make(), *, e=None): ...")
    assert found.defaults == {"b": "[1,2]", "c": '"x"', "e": "null"}
    assert found.required == {"a"}


def test_names_follow_imports_whatever_their_order() -> None:
    """Claim: relative and circular imports, stars and submodules are resolved when they are used."""
    made = package(
        keras="from keras import layers\nfrom .layers import *",
        keras__layers="from keras.layers.core import Dense as D, helper\n__all__ = ['D']",
        keras__layers__core="from keras import layers\nclass Dense(layers.Nothing): ...\nhelper = 1",
    )
    dense = made.lookup("keras", "D")
    assert isinstance(dense, ClassValue)
    assert dense.key == ("keras.layers.core", "Dense")
    assert made.lookup("keras", "helper") is UNKNOWN
    assert made.lookup("keras", "layers") == ModuleValue("keras.layers")


def test_a_branch_on_the_unknown_gives_a_choice() -> None:
    """Claim: both branches are followed, and a known condition takes one."""
    made = package(m="import os\nfrom tensorflow import tf2\nif os.x():\n    a = 1\nelse:\n    a = 2\n"
                   "b = 1\nif tf2.enabled():\n    b = 2\n")  # fmt: skip
    assert made.lookup("m", "a") == Choice((1, 2))
    assert made.lookup("m", "b") == 2


KERAS_2 = {
    "keras": "",
    "keras__layers": """
        import threading
        from keras.layers import core
        from keras.utils import generic_utils
        LOCAL = threading.local()
        def populate():
            if not hasattr(LOCAL, "ALL"):
                LOCAL.ALL = {}
                generic_utils.populate(LOCAL.ALL, [core], lambda x: inspect.isclass(x) and issubclass(x, core.Layer))
                LOCAL.ALL["DenseV1"] = core.Dense
        def deserialize(config, custom_objects=None):
            populate()
            if not config:
                raise ValueError
            return generic_utils.deserialize_keras_object(config, module_objects=LOCAL.ALL)
    """,
    "keras__layers__core": """
        import helper
        class Layer:
            def __init__(self, name=None): ...
        class Dense(Layer): ...
        class Other: ...
    """,
    "keras__utils__generic_utils": """
        def populate(target, modules, obj_filter):
            for module in modules:
                for name in dir(module):
                    obj = getattr(module, name)
                    if obj_filter(obj):
                        target[name] = obj
        def deserialize_keras_object(identifier, module_objects=None): ...
    """,
    "keras__optimizers": """
        from keras.utils.generic_utils import deserialize_keras_object
        class Optimizer:
            def __init__(self, lr=0.1): ...
        class Adam(Optimizer): ...
        def deserialize(config):
            all_classes = {"adam": Adam}
            return deserialize_keras_object(config, module_objects=all_classes)
    """,
    "keras__activations": """
        import sys, tensorflow as tf
        from keras.utils.generic_utils import deserialize_keras_object
        def relu(x): ...
        leaky_relu = tf.nn.leaky_relu
        def deserialize(name):
            return deserialize_keras_object(name, module_objects=globals())
    """,
}


def read(modules: dict[str, str]) -> ReleaseTables:
    return ReleaseReader(package(**modules), "keras").read()


def test_tables_are_read_however_they_are_built() -> None:
    """Claim: a populated thread-local, a dict in a function and ``globals()`` all give the names they would hold."""
    tables = read(KERAS_2)
    assert set(tables.legacy["layer"]) == {"Layer", "Dense", "DenseV1"}
    assert tables.legacy["layer"]["DenseV1"] == (("keras.layers.core", "Dense"),)
    assert set(tables.legacy["optimizer"]) == {"adam"}
    assert {"relu", "leaky_relu"} <= set(tables.legacy["activation"])
    assert "tf" not in tables.legacy["activation"]
    assert tables.registry == {}


def test_the_v3_dialect_needs_its_library() -> None:
    """Claim: API names and modules are read where ``_retrieve_class_or_fn`` is; not the denied, nor what nobody imports."""
    library = """
        BUILTIN_MODULES = ("activations",)
        NON_MODELING = ["keras.get_file"]
        def _retrieve_class_or_fn(name, module):
            api_name = name
            if api_name in NON_MODELING:
                raise ValueError
    """
    exported = """
        @keras_export(["keras.layers.Flatten", "keras.layers.Flat"])
        class Flatten:
            def __init__(self, name=None): ...
        @keras_export("keras.get_file")
        def get_file(): ...
    """
    more = {"keras": "from keras import flat", "keras__saving__serialization_lib": library, "keras__flat": exported}
    tables = read(KERAS_2 | more | {"keras__lazy": "@keras_export('keras.layers.Lazy')\nclass Lazy: ..."})
    assert set(tables.registry) == {"keras.layers.Flatten", "keras.layers.Flat"}
    assert tables.builtin_modules == ("activations",)
    assert tables.imports["keras.layers.core"]["Dense"] == ("keras.layers.core", "Dense")


@given(st.recursive(st.sampled_from(["pass", "x = y", "kwargs.pop('a')", "raise X", "f(**kwargs)", "return"]),
                    lambda inner: inner.map(lambda text: "if kwargs:\n" + textwrap.indent(text, " ")), max_leaves=6))  # fmt: skip
def test_any_body_is_read_without_failing(body: str) -> None:
    """Claim: nesting and order of statements never make the reader fail, and what is popped is taken if closed."""
    text = "def Subject(**kwargs):\n" + textwrap.indent(body, " ")
    found = signature(text)
    assert found.arguments <= {"a"}
