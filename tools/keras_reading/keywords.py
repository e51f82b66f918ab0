"""Small questions about one dictionary of keywords in one function: is this it, which of its keys does this name?"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from keras_reading.evaluator import Evaluator
from keras_reading.values import Choice, ClassValue, Frame, FunctionValue, Unknown, Value

if TYPE_CHECKING:
    from keras_reading.constructors import Reader
    from keras_reading.flow import Place

COPIERS = ("dict", "copy", "deepcopy", "deserialize_keras_object")
"""Functions whose result has the keys of what they are given."""


class Keywords:
    """The names that the dictionary, its keys and collections of its keys go by in a function.

    ``names`` are those of the dictionary and its copies, ``keys`` of variables that run over its keys, ``locals`` of
    collections of literal text, ``leftovers`` of collections of its keys but for some.
    """

    def __init__(
        self, reader: Reader, name: str, place: Place | None, owner: ClassValue | FunctionValue | None
    ) -> None:
        self.reader = reader
        self.place = place
        self.owner = owner if owner is not None else place.cls if place is not None else None
        self.names = {name}
        self.keys: set[str] = set()
        self.locals: dict[str, frozenset[str]] = {}
        self.leftovers: dict[str, frozenset[str]] = {}
        self.frame = self._inner_frame()

    def _inner_frame(self) -> Frame | None:
        """Where the function's own imports go."""
        if self.owner is None:
            return None
        outer = self.owner.frame
        return Frame(self.reader.package, self.owner.module, {}, outer, outer.depth)

    def _value(self, node: ast.expr) -> Value:
        if self.frame is None:
            return Unknown()
        value = Evaluator(self.frame).value(node)
        if isinstance(value, Choice):
            return next((each for each in value.values if isinstance(each, (ClassValue, FunctionValue))), value)
        return value

    def _is(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and node.id in self.names

    def _is_copy(self, node: ast.expr) -> bool:
        match node:
            case ast.Name():
                return self._is(node)
            case ast.Call(func=ast.Attribute(value=owner, attr="copy"), args=[]):
                return self._is(owner)
            case ast.Call(func=function, args=[inner, *_]) if last_name(function) in COPIERS:
                return self._is(inner)
            case ast.DictComp(generators=[ast.comprehension(iter=source)]):
                return self._mentions(source)
        return False

    def _mentions(self, node: ast.AST) -> bool:
        return any(self._is(each) for each in ast.walk(node))

    def _asks_for_more(self, test: ast.expr) -> bool:
        """``if kwargs:`` and ``if len(kwargs) > 0:``."""
        match test:
            case ast.Name():
                return self._is(test)
            case ast.Call(func=ast.Name(id="len"), args=[inner]):
                return self._is(inner)
            case ast.Compare(left=left):
                return isinstance(left, ast.Call) and self._asks_for_more(left)
            case ast.BoolOp(values=values):
                return any(self._asks_for_more(each) for each in values)
        return False

    def _beyond(self, node: ast.expr) -> frozenset[str] | None:
        """The names that a collection of left-over keys leaves out; ``None`` for anything else.

        ``set(kwargs) - allowed`` and ``[name for name in kwargs if name not in allowed]`` are such collections,
        ``kwargs.pop("name")`` is not.
        """
        match node:
            case ast.BinOp(op=ast.Sub(), left=left, right=right) if self._mentions(left):
                return self._literal(right) or frozenset()
            case ast.Call(func=ast.Attribute(value=owner, attr="difference"), args=[right]) if self._mentions(owner):
                return self._literal(right) or frozenset()
            case ast.ListComp(generators=[first]) | ast.SetComp(generators=[first]) if self._mentions(first.iter):
                tests = (self._compared_with(test) for test in first.ifs)
                return frozenset().union(*(names for names in tests if names is not None))
            case ast.Call(func=ast.Name(id="set" | "list" | "sorted" | "tuple"), args=[inner]):
                return frozenset() if self._is(inner) else self._beyond(inner)
        return None

    def _compared_with(self, test: ast.expr) -> frozenset[str] | None:
        match test:
            case ast.Compare(left=ast.Name(), ops=[ast.NotIn()], comparators=[names]):
                return self._literal(names)
        return None

    def _left_out(self, test: ast.expr) -> frozenset[str] | None:
        """The same of a condition that asks whether there are left-over keys, by a variable or in place."""
        if self._beyond(test) is not None:
            return self._beyond(test)
        names = [each.id for each in ast.walk(test) if isinstance(each, ast.Name) and each.id in self.leftovers]
        return self.leftovers[names[0]] if names else None

    def _keys(self, node: ast.expr) -> set[str]:
        match node:
            case ast.Constant(value=str(key)):
                return {key}
            case ast.Name(id=name) if name in self.locals:
                return set(self.locals[name])
        return set()

    def _subscripted(self, node: ast.expr) -> set[str]:
        return self._keys(node.slice) if isinstance(node, ast.Subscript) and self._is(node.value) else set()

    def _popped(self, node: ast.Call) -> set[str]:
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr="pop"), args=[key, *_]) if self._is(owner):
                return self._keys(key)
        return set()

    def _tested(self, test: ast.expr) -> set[str]:
        """The keys of ``"key" in kwargs`` and of a ``kwargs.get("key")`` that is the whole condition's first part."""
        match test:
            case ast.Compare(left=key, ops=[ast.In()], comparators=[owner]) if self._is(owner):
                return self._keys(key)
            case ast.BoolOp(values=[first, *_]) if isinstance(test.op, ast.Or):
                return self._tested(first)
        return set()

    def _compared(self, test: ast.expr, kind: type[ast.cmpop]) -> frozenset[str] | None:
        """The literal names of ``each not in {"a", "b"}``, where ``each`` runs over the dictionary's keys."""
        match test:
            case ast.Compare(left=ast.Name(id=name), ops=[operator], comparators=[names]) if isinstance(operator, kind):
                return self._literal(names) if name in self.keys else None
        return None

    def _literal(self, node: ast.expr) -> frozenset[str] | None:
        """The strings of a literal collection, given in place, by a local name or by a name of the module."""
        if isinstance(node, (ast.Set, ast.Tuple, ast.List)):
            values = [each.value for each in node.elts if isinstance(each, ast.Constant)]
            texts = frozenset(each for each in values if isinstance(each, str))
            return texts if len(values) == len(node.elts) else None
        if isinstance(node, ast.Dict):
            return self._literal(ast.Tuple([key for key in node.keys if key is not None]))
        if isinstance(node, ast.Call) and last_name(node.func) in ("items", "keys") and not node.args:
            return self._literal(node.func.value) if isinstance(node.func, ast.Attribute) else None
        if isinstance(node, ast.Name) and node.id in self.locals:
            return self.locals[node.id]
        if isinstance(node, (ast.Name, ast.Attribute)) and self.owner is not None and not self._mentions(node):
            return self._known(node)
        if isinstance(node, ast.Call) and last_name(node.func) in ("set", "frozenset", "tuple", "list") and node.args:
            return self._literal(node.args[0])
        return None

    def _known(self, node: ast.Name | ast.Attribute) -> frozenset[str] | None:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
            return self._class_literal(node.attr)
        value = self._value(node)
        if isinstance(value, (list, tuple)) and value and all(isinstance(each, str) for each in value):
            return frozenset(value)
        return None

    def _class_literal(self, name: str) -> frozenset[str] | None:
        if self.place is None:
            return None
        for each in self.reader.package.mro(self.place.subject):
            for node in each.node.body if isinstance(each, ClassValue) else ():
                if isinstance(node, ast.Assign) and any(last_name(target) == name for target in node.targets):
                    return self._literal(node.value)
        return None


def last_name(node: ast.AST) -> str | None:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return None
