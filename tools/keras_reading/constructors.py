"""Tells which configuration keys a class takes: its constructor's arguments, through ``**kwargs`` and ``from_config``.

Works on the syntax tree alone; ``flow`` follows the keywords from method to method.
"""

from __future__ import annotations

import ast
from dataclasses import replace

from keras_reading.evaluator import Evaluator
from keras_reading.flow import DEPTH_MAX, Flow, Place
from keras_reading.package import Package
from keras_reading.signatures import ANYTHING, NOTHING, Signature, parameters
from keras_reading.values import ClassValue, FunctionValue


def function_signature(package: Package, function: FunctionValue) -> Signature:
    """What calling a function takes by keyword, as a configuration names it."""
    return Reader(package).callable(function.node, function, None, skip_first=False)


def class_signature(package: Package, value: ClassValue) -> Signature:
    """The configuration keys that ``value.from_config`` takes."""
    return Reader(package).from_config(value)


class Reader:
    """Reads signatures of one package's classes and functions."""

    def __init__(self, package: Package) -> None:
        self.package = package
        self.depth = 0

    def constructor(self, value: ClassValue) -> Signature:
        """``cls(**config)``."""
        place = self.method(value, "__init__")
        if place is None:
            return NOTHING
        return self.at(place)

    def from_config(self, value: ClassValue) -> Signature:
        place = self.method(value, "from_config")
        constructor = self.constructor(value)
        if place is None:
            return constructor
        return self.reader_of(place, constructor)

    def reader_of(self, place: Place, constructor: Signature) -> Signature:
        names = [each.arg for each in place.node.args.args]
        if len(names) < 2:
            return replace(constructor, is_open=True)
        flow = Flow(self, place.node, names[1], place, constructor, is_from_config=True)
        flow.follow(place.node.body)
        return flow.signature(flow.forwarded())

    def method(self, value: ClassValue, name: str, after: ClassValue | None = None) -> Place | None:
        order = self.package.mro(value)
        start = order.index(after) + 1 if after is not None and after in order else 0
        for each in order[start:]:
            if isinstance(each, ClassValue):
                for node in each.node.body:
                    if isinstance(node, ast.FunctionDef) and node.name == name:
                        return Place(each, value, node)
        return None

    def at(self, place: Place) -> Signature:
        return self.callable(place.node, place.cls, place, skip_first=True)

    def callable(
        self,
        node: ast.FunctionDef | ast.Lambda,
        owner: ClassValue | FunctionValue,
        place: Place | None,
        *,
        skip_first: bool,
    ) -> Signature:
        """The keywords of a function: its parameters, and what its ``**kwargs`` takes."""
        if self.depth > DEPTH_MAX:
            return ANYTHING
        own = parameters(node, skip_first=skip_first)
        if isinstance(node, ast.FunctionDef):
            own = self._converted(own, node, owner)
        if node.args.kwarg is None or isinstance(node, ast.Lambda):
            return own
        self.depth += 1
        flow = Flow(self, node, node.args.kwarg.arg, place, own, owner=owner)
        flow.follow(node.body)
        found = flow.signature(own)
        self.depth -= 1
        return found

    def _converted(self, own: Signature, node: ast.FunctionDef, owner: ClassValue | FunctionValue) -> Signature:
        """Keras 2.2, 2.3: ``@interfaces.legacy_dense_support`` renames arguments of Keras 1 (legacy/interfaces.py)."""
        names: set[str] = set()
        for decorator in node.decorator_list:
            value = Evaluator(owner.frame).value(decorator)
            if not isinstance(value, FunctionValue):
                continue
            conversions = value.frame.names.get("conversions")
            names.update(old for old, _ in conversions if isinstance(old, str)) if isinstance(
                conversions, list
            ) else None
            preprocessor = self.package.resolve(value.frame.names.get("preprocessor"))
            if isinstance(preprocessor, FunctionValue) and isinstance(preprocessor.node, ast.FunctionDef):
                flow = Flow(self, preprocessor.node, "kwargs", None, NOTHING, owner=preprocessor)
                flow.follow(preprocessor.node.body)
                names |= flow.taken
        return replace(own, arguments=own.arguments | names)
