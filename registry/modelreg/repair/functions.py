"""Writes the module of named functions that takes the place of a model's Lambdas.

Invariants: the text of a file gets into the module only as source that the lifter wrote and proved, as a literal that
``ascii`` wrote, or inside a comment or docstring from which everything but plain ASCII is gone; a name is used only if
it is an identifier.
"""

from __future__ import annotations

import ast
import json
import keyword
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modelreg.configuration import JsonValue
from modelreg.facts import LambdaCode
from modelreg.inspect import limits
from modelreg.rules.keras.reader import Line, Reader

_IMPORTS = {
    "tf": "import tensorflow as tf",
    "np": "import numpy as np",
    "math": "import math",
}
_MEANINGS = {"tf": "tensorflow", "np": "numpy", "math": "Python's math", "K": "Keras's backend"}
_REGISTER = {
    Line.KERAS3: ("import keras", "@keras.saving.register_keras_serializable(package={package!a}, name={name!a})"),
    Line.TF_KERAS: (
        "import tensorflow",
        "@tensorflow.keras.utils.register_keras_serializable(package={package!a}, name={name!a})",
    ),
}
_K_IMPORTS = {
    Line.STANDALONE: "from keras import backend as K",
    Line.TF_KERAS: "from tensorflow.keras import backend as K",
}


class NotWritableError(ValueError):
    """A Lambda that no function can stand for, and why."""


@dataclass(frozen=True, slots=True)
class NamedFunction:
    """A function of the generated module; ``registered`` is how a configuration refers to it.

    ``assumed`` is what the file does not say and was taken for granted.
    """

    name: str
    package: str
    lines: tuple[str, ...]
    imports: tuple[str, ...]
    assumed: tuple[str, ...] = ()

    @property
    def registered(self) -> str:
        return f"{self.package}>{self.name}"


def function_of(code: LambdaCode, package: str, taken: Sequence[str], reader: Reader) -> NamedFunction:
    """The named function that computes what ``code`` does; raises ``NotWritableError``."""
    if code.source is None:
        raise NotWritableError("its code is more than one expression, so no source could be proved")
    if not code.source.isascii():
        raise NotWritableError("its source holds text beyond ASCII, whose exact spelling facts do not keep")
    if code.keyword_only:
        raise NotWritableError(f"the default values of {', '.join(code.keyword_only)} were never stored")
    name = _name(code, taken)
    imports = tuple(_import_of(each, reader) for each in code.globals)
    arguments, body = _parts(code)
    constants = _constants(code)
    lines = [f"def {name}({arguments}):", f'    """Stands for the Lambda {_quoted(code.path)}."""']
    assumed = tuple(_assumed(code))
    lines += [f"    # Not proved: {_comment(each)}." for each in assumed]
    lines += [f"    {each} = {value}" for each, value in constants]
    return NamedFunction(name, package, (*lines, *(f"    {line}" for line in body)), imports, assumed)


def hard_sigmoid_of_keras2(package: str) -> NamedFunction:
    """``hard_sigmoid`` as Keras 1 and 2 define it (``keras/backend``: ``clip(0.2 * x + 0.5, 0, 1)``)."""
    lines = (
        "def hard_sigmoid_keras2(x):",
        '    """hard_sigmoid as Keras 2 defines it."""',
        "    return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)",
    )
    return NamedFunction("hard_sigmoid_keras2", package, lines, ())


def render(functions: Sequence[NamedFunction], *, source: str, sha256: str, reader: Reader) -> str:
    """The whole module; ``source`` is the repaired file's name and ``sha256`` the original's digest."""
    start, decorator = _REGISTER.get(reader.line, ("import keras", ""))
    imports = sorted({start, *(each for function in functions for each in function.imports)})
    lines = [
        f"# Functions of {_comment(source)}, written by modelreg from the file with SHA-256 {_comment(sha256)}.",
        "# Read them, then import this module before loading the model: it registers them with Keras.",
        "",
        *imports,
    ]
    for function in functions:
        lines += ["", ""]
        if decorator:
            lines.append(decorator.format(package=function.package, name=function.name))
        lines += function.lines
        if not decorator:
            lines += ["", "", f"keras.utils.get_custom_objects()[{function.registered!a}] = {function.name}"]
    text = "\n".join(lines) + "\n"
    ast.parse(text)
    return text


def _name(code: LambdaCode, taken: Sequence[str]) -> str:
    name = re.sub(r"\W", "_", code.layer, flags=re.ASCII).strip("_").lower() or "function"
    name = f"layer_{name}" if not name[0].isalpha() or keyword.iskeyword(name) else name
    number, base = 2, name
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    return name


def _import_of(name: str, reader: Reader) -> str:
    if name == "K" and reader.line in _K_IMPORTS:
        return _K_IMPORTS[reader.line]
    if name not in _IMPORTS:
        raise NotWritableError(f"it uses {name!r}, which the file does not hold and which cannot be guessed")
    return _IMPORTS[name]


def _assumed(code: LambdaCode) -> Iterator[str]:
    """What the file does not say: which module a name stood for, and whether Windows changed the bytes."""
    for name in code.globals:
        yield f"{name!r} is taken for {_MEANINGS[name]}, as everybody calls it"
    if code.mangled == "undone":
        yield "Keras on Windows had changed bytes 0x5C of the code, and they were put back in the one way that is valid"
    elif code.mangled is not None:
        yield "Keras on Windows writes 92 and a backslash as 47 and a slash, so a 47 or a slash may have been the other"
    for name, value in zip(code.free_variables, code.closure or (), strict=False):
        if value.startswith('"'):
            yield f"{name!r} is taken for the text {_quoted(value)}; Keras stores a function's name in the same way"


def _parts(code: LambdaCode) -> tuple[str, list[str]]:
    """Parameters with their default values, and the body, of a lambda expression or of a function with one return."""
    tree = ast.parse(code.source or "")
    (statement,) = tree.body
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Lambda):
        arguments, body = statement.value.args, [f"return {ast.unparse(statement.value.body)}"]
    elif isinstance(statement, ast.FunctionDef):
        arguments = statement.args
        body = [line for each in statement.body for line in ast.unparse(each).splitlines()]
    else:
        raise NotWritableError("its source is neither a lambda nor a function")
    defaults = [_literal(text) for text in code.defaults or ()]
    if len(defaults) >= limits.STORED_VALUES_MAX:
        raise NotWritableError("it has more default values than facts keep")
    if len(defaults) > len(arguments.posonlyargs) + len(arguments.args):
        raise NotWritableError("it has more default values than parameters")
    arguments.defaults = [ast.parse(text, mode="eval").body for text in defaults]
    return ast.unparse(arguments), body


def _constants(code: LambdaCode) -> list[tuple[str, str]]:
    """The values that the function captured, as assignments."""
    stored = code.closure or ()
    if len(stored) != len(code.free_variables):
        raise NotWritableError(f"it captured {', '.join(code.free_variables)}, and {len(stored)} values are stored")
    for name in code.free_variables:
        if not (name.isascii() and name.isidentifier()) or keyword.iskeyword(name) or name in code.parameters:
            raise NotWritableError(f"it captured {name!r}, which is no name")
    return [(name, _literal(text)) for name, text in zip(code.free_variables, stored, strict=True)]


def _literal(text: str) -> str:
    """The Python literal of a stored JSON value."""
    if len(text) >= limits.TEXT_LENGTH_MAX:
        raise NotWritableError("a stored value is longer than facts keep")
    try:
        value: JsonValue = json.loads(text)
    except (ValueError, RecursionError):
        raise NotWritableError("a stored value cannot be read") from None
    _check_plain(value)
    return ascii(value)


def _check_plain(value: JsonValue) -> None:
    if isinstance(value, dict):
        raise NotWritableError("it captured a function, layer or tensor, of which only a description is stored")
    if isinstance(value, float) and not math.isfinite(value):
        raise NotWritableError("a stored value is not finite")
    for item in value if isinstance(value, list) else ():
        _check_plain(item)


def _comment(text: str) -> str:
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in text)


def _quoted(text: str) -> str:
    return "".join(char if char.isascii() and (char.isalnum() or char in "_-./ ") else "?" for char in text)
