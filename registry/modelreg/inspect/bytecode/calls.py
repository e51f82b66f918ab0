"""Calls, functions made by the code, and taking values apart, as steps of the abstract interpretation."""

from __future__ import annotations

from modelreg.inspect import limits
from modelreg.inspect.bytecode import expressions as e
from modelreg.inspect.bytecode.symbolic import Stack, Unsupported, constant_items, word_of, words_of
from modelreg.inspect.bytecode.values import Code


class Calls(Stack):
    """What concerns functions."""

    keyword_names: tuple[str, ...] = ()
    """Names that the next call gives to its last arguments (3.11 and 3.12)."""

    def callee(self) -> e.Node:
        """The function below its arguments: since 3.11 beside a null, in an order that 3.13 turned round."""
        pair = self.pops(2)
        functions = [node for node in pair if not isinstance(node, e.Missing)]
        if len(functions) != 1:
            raise Unsupported("a call of no function")
        return functions[0]

    def call(self, count: int) -> None:
        names, self.keyword_names = self.keyword_names, ()
        arguments = self.pops(count)
        self.finish_call(self.callee(), arguments, names)

    def finish_call(self, function: e.Node, arguments: tuple[e.Node, ...], names: tuple[str, ...]) -> None:
        plain = len(arguments) - len(names)
        if plain < 0:
            raise Unsupported("more keywords than arguments")
        self.push(e.Call(function, arguments[:plain], tuple(zip(names, arguments[plain:], strict=True))))

    def call_keywords(self, count: int) -> None:
        """CALL_KW (3.13) and CALL_FUNCTION_KW (3.6 to 3.10): names of keywords on top."""
        names = words_of(self.pop())
        arguments = self.pops(count)
        self.finish_call(self.callee() if self.version >= (3, 11) else self.pop(), arguments, names)

    def name_keywords(self, index: int) -> None:
        self.keyword_names = words_of(e.Const(self.code.consts[index]))

    def call_function(self, argument: int) -> None:
        if self.version < (3, 0):
            self.old_call(argument, 0)
            return
        arguments = self.pops(argument)
        self.finish_call(self.pop(), arguments, ())

    def call_method(self, count: int) -> None:
        arguments = self.pops(count)
        self.finish_call(self.callee(), arguments, ())

    def old_call(self, argument: int, stars: int) -> None:
        """Calls of 2.7: arguments are counted in the low byte, keywords above; bits of ``stars`` for ``*``, ``**``."""
        more = self.pop() if stars & 2 else None
        rest = self.pop() if stars & 1 else None
        pairs = self.pops(2 * (argument >> 8))
        arguments = self.pops(argument & 0xFF)
        keywords: list[tuple[str | None, e.Node]] = [
            (word_of(key), value) for key, value in zip(pairs[::2], pairs[1::2], strict=True)
        ]
        if more is not None:
            keywords.append((None, more))
        self.push(e.Call(self.pop(), (*arguments, *([e.Star(rest)] if rest is not None else [])), tuple(keywords)))

    def call_unpacked(self, flags: int) -> None:
        """CALL_FUNCTION_EX: a tuple of arguments and, by bit 0, a mapping of keywords (since 3.14 there or a null)."""
        more: e.Node | None = self.pop() if flags & 1 or self.version >= (3, 14) else None
        more = None if isinstance(more, e.Missing) else more
        rest = self.pop()
        function = self.callee() if self.version >= (3, 11) else self.pop()
        arguments = rest.items if isinstance(rest, e.Display) and rest.bracket == "(" else constant_items(rest)
        if arguments is None:
            arguments = (e.Star(rest),)
        keywords: list[tuple[str | None, e.Node]] = []
        if isinstance(more, e.Mapping):
            keywords = [(None if key is None else word_of(key), value) for key, value in more.items]
        elif more is not None:
            keywords = [(None, more)]
        self.push(e.Call(function, arguments, tuple(keywords)))

    # Functions and assignments

    def make_function(self, flags: int) -> None:
        if self.version < (3, 0):
            self.old_function(flags)
            return
        if (3, 6) <= self.version < (3, 11):
            self.pop()
        inner = self.inner()
        if self.version >= (3, 13):
            self.stack.append(inner)
            return
        for flag in (8, 4, 2, 1):
            if flags & flag:
                inner = _with(inner, flag, self.pop())
        self.stack.append(inner)

    def inner(self) -> e.Inner:
        code = self.pop()
        if not isinstance(code, e.Const) or not isinstance(code.value, Code):
            raise Unsupported("a function of no code")
        return e.Inner(code.value)

    def old_function(self, defaults: int, *, closure: bool = False) -> None:
        inner = self.inner()
        if closure:
            inner = _with(inner, 8, self.pop())
        self.stack.append(e.Inner(inner.code, self.pops(defaults)))

    def make_closure(self, defaults: int) -> None:
        self.old_function(defaults, closure=True)

    def set_attribute(self, flag: int) -> None:
        """SET_FUNCTION_ATTRIBUTE (3.13): the function is on top, the attribute below."""
        inner = self.pop()
        if not isinstance(inner, e.Inner):
            raise Unsupported("an attribute of no function")
        self.stack.append(_with(inner, flag, self.pop()))

    def unpack(self, count: int) -> None:
        if count > limits.LIFTED_INSTRUCTIONS_MAX:
            raise Unsupported("more items than instructions that could take them")
        value, key = self.pop(), object()
        items = [e.Unpacked(key, value, index, count) for index in range(count)]
        for item in items[:1]:
            self.effects.evaluated(item)
        self.stack += reversed(items)


def _with(inner: e.Inner, flag: int, value: e.Node) -> e.Inner:
    """``inner`` with what MAKE_FUNCTION's flag adds: 1 defaults, 2 those of keywords, 8 the closure."""
    if flag == 1:
        items = value.items if isinstance(value, e.Display) else constant_items(value)
        if items is None:
            raise Unsupported("defaults that are no tuple")
        return e.Inner(inner.code, items, inner.keyword_defaults)
    if flag == 2 and isinstance(value, e.Mapping):
        pairs = tuple((word_of(key), default) for key, default in value.items if key is not None)
        return e.Inner(inner.code, inner.defaults, pairs)
    if flag == 8 and isinstance(value, e.Display):
        names = tuple(item.name for item in value.items if isinstance(item, (e.Cell, e.Local, e.Free)))
        if names == inner.code.freevars and len(names) == len(value.items):
            return inner
    raise Unsupported("annotations, or a closure of other variables")
