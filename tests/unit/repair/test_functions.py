"""The generated module: it computes what the Lambdas did, and nothing of a hostile file gets out of its place in it."""

from __future__ import annotations

import ast
import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.environment.document import Environment
from modelreg.facts import LambdaCode
from modelreg.inspect import limits
from modelreg.repair.functions import NamedFunction, NotWritableError, function_of, render
from modelreg.rules.keras.reader import Reader, reader_of

CODE = LambdaCode("scale", "model/scale", ("3.8",), source="lambda t: t * 2.0")
SHA256 = "0" * 64


def reader(**distributions: str) -> Reader:
    found = reader_of(Environment(python="3.11.7", distributions=distributions))
    assert found is not None
    return found


KERAS3 = reader(keras="3.15.1")
KERAS2 = reader(tensorflow="2.13.0", keras="2.13.1")
STANDALONE = reader(keras="2.2.4", tensorflow="1.12.0")


def written(*functions: NamedFunction, target: Reader = KERAS3) -> str:
    return render(functions, source="out.h5", sha256=SHA256, reader=target)


def executed(function: NamedFunction) -> Any:
    """The function itself, of the module's text without Keras's decorator."""
    tree = ast.parse(written(function))
    (definition,) = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    definition.decorator_list = []
    names: dict[str, Any] = {"math": math}
    exec(compile(ast.Module([definition], []), "generated", "exec"), names)
    return names[function.name]


@pytest.mark.parametrize(
    ("code", "arguments", "expected"),
    [
        (CODE, (3.0,), 6.0),
        (replace(CODE, source="lambda x, k: x * k", parameters=("x", "k"), defaults=("2.5",)), (2.0,), 5.0),
        (replace(CODE, source="lambda x: x + k", free_variables=("k",), closure=("3",)), (1,), 4),
        (replace(CODE, source="lambda x: x + k[1]", free_variables=("k",), closure=("[1, 7]",)), (1,), 8),
        (replace(CODE, source="lambda x: math.floor(x)", globals=("math",)), (1.5,), 1),
        (replace(CODE, source="def f(x):\n    y = x + 1\n    return y * y"), (2,), 9),
    ],
)
def test_a_function_computes_what_the_lambda_did(code: LambdaCode, arguments: tuple[Any, ...], expected: Any) -> None:
    """Claim: parameters, default values and captured values are those of the file."""
    assert executed(function_of(code, "p", (), KERAS3))(*arguments) == expected


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"source": None}, "no source could be proved"),
        ({"keyword_only": ("k",)}, "were never stored"),
        ({"globals": ("model",)}, "cannot be guessed"),
        ({"globals": ("K",)}, "cannot be guessed"),
        ({"free_variables": ("k",), "closure": None}, "0 values are stored"),
        ({"free_variables": ("k",), "closure": ('{"class_name": "Dense"}',)}, "only a description"),
        ({"free_variables": ("k",), "closure": ('[{"class_name": "Dense"}]',)}, "only a description"),
        ({"free_variables": ("k",), "closure": ("NaN",)}, "not finite"),
        ({"free_variables": ("k",), "closure": ("[1e999]",)}, "not finite"),
        ({"free_variables": ("k",), "closure": ("1" * limits.TEXT_LENGTH_MAX,)}, "longer than facts keep"),
        ({"free_variables": ("k\nimport os",), "closure": ("1",)}, "no name"),
        ({"free_variables": ("import",), "closure": ("1",)}, "no name"),
        ({"parameters": ("t",), "free_variables": ("t",), "closure": ("1",)}, "no name"),
        ({"source": "lambda t: t + 'é'"}, "beyond ASCII"),
        ({"defaults": ("1", "2")}, "more default values"),
        ({"source": "print(1)"}, "neither a lambda nor a function"),
    ],
)
def test_what_the_file_does_not_say_is_not_made_up(changes: dict[str, Any], reason: str) -> None:
    """Claim: a Lambda that cannot be written out exactly is told as that, with the reason."""
    with pytest.raises(NotWritableError, match=reason):
        function_of(replace(CODE, **changes), "p", (), KERAS3)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"source": "lambda t: tf.abs(t)", "globals": ("tf",)}, "tensorflow"),
        ({"mangled": "undone"}, "Windows"),
        ({"source": "lambda t: f(t)", "free_variables": ("f",), "closure": ('"relu"',)}, "the text"),
    ],
)
def test_what_is_taken_for_granted_is_told(changes: dict[str, Any], word: str) -> None:
    """Claim: a meaning that the file does not hold is named among the assumptions."""
    assert word in " ".join(function_of(replace(CODE, **changes), "p", (), KERAS3).assumed)
    assert function_of(CODE, "p", (), KERAS3).assumed == ()


def test_two_layers_of_one_name_get_two_functions() -> None:
    """Claim: names that are taken, or that are Python's own, are not used."""
    assert function_of(CODE, "p", ("scale",), KERAS3).name == "scale_2"
    assert function_of(replace(CODE, layer="class"), "p", (), KERAS3).name == "layer_class"
    assert function_of(replace(CODE, layer="7 \n;()"), "p", (), KERAS3).name == "layer_7"


def test_an_old_keras_gets_its_own_way_of_registering() -> None:
    """Claim: Keras 3 and tf.keras have a decorator, the standalone Keras a dictionary."""
    assert "@keras.saving.register_keras_serializable" in written(function_of(CODE, "p", (), KERAS3))
    assert "@tensorflow.keras.utils.register" in written(function_of(CODE, "p", (), KERAS2), target=KERAS2)
    old = written(function_of(CODE, "p", (), STANDALONE), target=STANDALONE)
    assert "keras.utils.get_custom_objects()['p>scale'] = scale" in old


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(layer=st.text(), path=st.text(), package=st.text(), name=st.text(), values=st.lists(JSON_VALUES, max_size=3))
def test_no_text_of_a_file_gets_out_of_its_place(
    layer: str, path: str, package: str, name: str, values: list[Any]
) -> None:
    """Claim: whatever a file says, the module is one import, one function, its docstring, and literals that are equal."""
    code = replace(
        CODE,
        layer=layer,
        path=path,
        free_variables=tuple(f"v{index}" for index in range(len(values))),
        closure=tuple(json.dumps(value) for value in values),
    )
    text = render([function_of(code, package, (), KERAS3)], source=name, sha256=SHA256, reader=KERAS3)
    tree = ast.parse(text)
    assert text.isascii()
    assert [type(node) for node in tree.body] == [ast.Import, ast.FunctionDef]
    definition = tree.body[1]
    assert isinstance(definition, ast.FunctionDef)
    docstring, *assignments, result = definition.body
    assert isinstance(docstring, ast.Expr)
    assert isinstance(docstring.value, ast.Constant)
    assert [ast.literal_eval(each.value) for each in assignments if isinstance(each, ast.Assign)] == values
    assert len(assignments) == len(values)
    assert ast.unparse(result) == "return t * 2.0"
    (decorator,) = definition.decorator_list
    assert isinstance(decorator, ast.Call)
    assert [ast.literal_eval(keyword.value) for keyword in decorator.keywords] == [package, definition.name]
