"""What calls of Python's own functions and methods come to, where their arguments are known."""

from __future__ import annotations

import re
from typing import Any

from keras_reading.values import (
    UNKNOWN,
    Attributes,
    Choice,
    ClassValue,
    External,
    Frame,
    FunctionValue,
    Method,
    ModuleValue,
    Unknown,
    Value,
)


class Calls:
    """The functions and methods that the evaluator knows, by name: ``_call_isclass`` for ``inspect.isclass``."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.package = frame.package

    def items(self, value: Value) -> list[Value] | Unknown:
        """What iterating over a value gives."""
        if isinstance(value, (list, tuple, dict)):
            return [self.package.resolve(each) for each in value]
        return UNKNOWN

    def attribute(self, owner: Value, name: str) -> Value:
        match owner:
            case ModuleValue(name=module):
                if name == "__dict__":
                    return self.package.frame(module).names
                return self.package.lookup(module, name)
            case External(path=path):
                return External(f"{path}.{name}")  # whether that is a module is not known
            case Attributes(values=values):
                return values.get(name, UNKNOWN)
            case ClassValue(name=own) | FunctionValue(name=own) if name in ("__name__", "__qualname__"):
                return own
            case str() | dict() | list() | set():
                return Method(owner, name)
        return UNKNOWN

    def _external(self, function: External, arguments: list[Value]) -> Value:
        for end, result in self.package.facts.items():
            if function.path.endswith(end):
                return result
        if function.path == "threading.local":
            return Attributes()
        if function.path == "re.sub" and all(isinstance(each, str) for each in arguments) and len(arguments) == 3:
            return re.sub(arguments[0], arguments[1], arguments[2])
        return UNKNOWN

    def _method(self, method: Method, arguments: list[Value], keywords: dict[str, Value]) -> Value:
        owner, name = method.owner, method.name
        if isinstance(owner, str) and name in ("lower", "upper", "startswith", "endswith", "replace", "strip"):
            known = all(isinstance(each, (str, tuple)) for each in arguments)
            return getattr(owner, name)(*arguments) if known else UNKNOWN
        if isinstance(owner, dict):
            return self._dict_method(owner, name, arguments, keywords)
        if isinstance(owner, list) and name in ("append", "add") and arguments:
            owner.append(arguments[0])
        elif isinstance(owner, list) and name in ("extend", "update") and arguments:
            items = self.items(arguments[0])
            owner.extend([] if isinstance(items, Unknown) else items)
        return UNKNOWN

    def _dict_method(self, owner: dict[Value, Value], name: str, arguments: list[Value], keywords: Any) -> Value:
        match name:
            case "update":
                for each in (*arguments, keywords):
                    owner.update(each if isinstance(each, dict) else {})
                return None
            case "items":
                return [(key, self.package.resolve(value)) for key, value in owner.items()]
            case "keys":
                return list(owner)
            case "values":
                return [self.package.resolve(value) for value in owner.values()]
            case "get" | "pop" if arguments and isinstance(arguments[0], str) and arguments[0] in owner:
                return self.package.resolve(owner[arguments[0]])
        return UNKNOWN

    def _call_globals(self, _arguments: list[Value]) -> Value:
        return self.frame.top.names

    def _call_vars(self, arguments: list[Value]) -> Value:
        return self.attribute(arguments[0], "__dict__") if arguments else UNKNOWN

    def _call_dir(self, arguments: list[Value]) -> Value:
        match arguments:
            case [ModuleValue(name=module)]:
                return sorted(self.package.frame(module).names)
        return UNKNOWN

    def _call_getattr(self, arguments: list[Value]) -> Value:
        return self.attribute(arguments[0], arguments[1]) if isinstance(arguments[1], str) else UNKNOWN

    def _call_hasattr(self, arguments: list[Value]) -> Value:
        match arguments:
            case [Attributes(values=values), str(name)]:
                return name in values
        return UNKNOWN

    def _call_isclass(self, arguments: list[Value]) -> Value:
        match arguments[0]:
            case Unknown() | External() | Choice():
                return UNKNOWN
        return isinstance(arguments[0], ClassValue)

    def _call_issubclass(self, arguments: list[Value]) -> Value:
        return self.package.is_subclass(arguments[0], arguments[1])

    def _call_callable(self, arguments: list[Value]) -> Value:
        match arguments[0]:
            case Unknown() | External() | Choice():
                return UNKNOWN
        return isinstance(arguments[0], (ClassValue, FunctionValue))

    def _call_list(self, arguments: list[Value]) -> Value:
        items = self.items(arguments[0]) if arguments else []
        return [] if isinstance(items, Unknown) else items

    _call_tuple = _call_set = _call_frozenset = _call_sorted = _call_list

    def _call_dict(self, arguments: list[Value]) -> Value:
        return dict(arguments[0]) if arguments and isinstance(arguments[0], dict) else {}
