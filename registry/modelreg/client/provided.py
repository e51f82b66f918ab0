"""What ``--provides`` names: custom objects by name, or a module whose source is read for them and never imported."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.machinery import PathFinder
from pathlib import Path

from modelreg.errors import UsageError

SOURCE_SIZE_BYTES_MAX = 4 * 1024 * 1024
_REGISTRARS = frozenset({"register_keras_serializable", "register_serializable"})
_DEFAULT_PACKAGE = "Custom"
"""``register_keras_serializable``'s own default (``keras/src/saving/object_registration.py``)."""


def provided_names(words: Iterable[str]) -> tuple[str, ...]:
    """The names that ``words`` stand for: a bare word for itself, a dotted name or a ``.py`` file for what it defines.

    Raises ``UsageError`` for a module that is not found or cannot be read.
    """
    names: list[str] = []
    for word in words:
        names += _module_names(word) if _is_module(word) else [word]
    return tuple(dict.fromkeys(names))


def _is_module(word: str) -> bool:
    return ">" not in word and (word.endswith(".py") or "/" in word or "." in word)


def _module_names(word: str) -> Iterator[str]:
    path = Path(word) if word.endswith(".py") or "/" in word else _find(word)
    try:
        with path.open("rb") as stream:
            source = stream.read(SOURCE_SIZE_BYTES_MAX + 1)
        if len(source) > SOURCE_SIZE_BYTES_MAX:
            raise UsageError(f"--provides {word}: the source is over {SOURCE_SIZE_BYTES_MAX:,} bytes")
        tree = ast.parse(source, str(path))
    except OSError as error:
        raise UsageError(f"--provides {word}: {error.strerror or error}") from None
    except (SyntaxError, ValueError, RecursionError) as error:
        raise UsageError(f"--provides {word} is no Python source: {error}") from None
    yield from _defined(tree)


def _find(name: str) -> Path:
    """The source of a dotted module in the current folder or on ``sys.path``, found without importing anything."""
    search: Sequence[str] = [str(Path.cwd()), *sys.path]
    parts = name.split(".")
    for depth in range(len(parts)):
        spec = PathFinder.find_spec(".".join(parts[: depth + 1]), search)
        if spec is None:
            break
        if depth == len(parts) - 1 and spec.origin and spec.origin.endswith(".py"):
            return Path(spec.origin)
        search = list(spec.submodule_search_locations or ())
    raise UsageError(
        f"--provides {name}: there is no such module on Python's path",
        hint="give the names of the objects, or the path of the .py file",
    )


def _defined(tree: ast.Module) -> Iterator[str]:
    """Every class and function of the module, by its name and by the one that it registers."""
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            yield node.name
            yield from (registered for each in node.decorator_list for registered in _registered(each, node.name))


def _registered(decorator: ast.expr, name: str) -> Iterator[str]:
    call = decorator if isinstance(decorator, ast.Call) else None
    function = call.func if call else decorator
    if (function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", None)) not in _REGISTRARS:
        return
    texts = {index: _text(value) for index, value in enumerate(call.args)} if call else {}
    keywords = {each.arg: _text(each.value) for each in call.keywords} if call else {}
    package = keywords.get("package", texts.get(0)) or _DEFAULT_PACKAGE
    yield f"{package}>{keywords.get('name', texts.get(1)) or name}"


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
