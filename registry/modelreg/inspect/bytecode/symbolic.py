"""The stack of the abstract interpretation, the names that it can reach, and what it tells to whom.

Instructions run on expressions instead of values.  A machine tells, through ``Effects``, what happens: each evaluation
that can be noticed from outside, and each assignment.  Nothing is guessed: what is not known ends in ``Unsupported``.

Source, here and in ``operations``, ``calls`` and ``machine``: the descriptions of instructions in
``Doc/library/dis.rst`` and ``Python/ceval.c`` (``bytecodes.c`` since 3.12) of CPython 2.7 and 3.6 to 3.14.
"""

from __future__ import annotations

from typing import Protocol

from modelreg.inspect.bytecode import expressions as e
from modelreg.inspect.bytecode.instructions import Decoded
from modelreg.inspect.bytecode.values import Blob, Frozen, Number, Single, Text, Value


class Unsupported(Exception):  # noqa: N818 - no error: the function is simply not of the kind that is lifted
    """The code does something that is not lifted."""


class Effects(Protocol):
    """Who listens to what a machine does."""

    def evaluated(self, node: e.Node) -> None:
        """``node`` was evaluated, which may call code of its operands."""

    def stored(self, name: str, value: e.Node, stack: list[e.Node]) -> None:
        """``value`` was assigned to a local variable; ``stack`` is what lies below it."""

    def dropped(self, value: e.Node, stack: list[e.Node]) -> None:
        """``value`` was thrown away."""

    def stores(self, name: str) -> int:
        """How many assignments to a local variable there were."""


_TRUE_AND_FALSE = {"True": Single("T"), "False": Single("F")}


class Stack:
    """The stack of one function, whose code and version it knows."""

    def __init__(self, decoded: Decoded, effects: Effects) -> None:
        self.code = decoded.code
        self.table = decoded.table
        self.version = decoded.table.version
        self.effects = effects
        self.stack: list[e.Node] = []

    def pop(self) -> e.Node:
        if not self.stack:
            raise Unsupported("an empty stack")
        return self.stack.pop()

    def pops(self, count: int) -> tuple[e.Node, ...]:
        if count > len(self.stack):
            raise Unsupported("too short a stack")
        items = tuple(self.stack[len(self.stack) - count :])
        del self.stack[len(self.stack) - count :]
        return items

    def push(self, node: e.Node) -> None:
        """Push the result of an evaluation."""
        self.effects.evaluated(node)
        self.stack.append(node)

    def copy(self, depth: int) -> None:
        if not 0 < depth <= len(self.stack):
            raise Unsupported("too short a stack")
        self.stack.append(self.stack[-depth])

    def swap(self, depth: int) -> None:
        if not 0 < depth <= len(self.stack):
            raise Unsupported("too short a stack")
        self.stack[-1], self.stack[-depth] = self.stack[-depth], self.stack[-1]

    def rotate(self, depth: int) -> None:
        """Move the top down to place ``depth``."""
        if depth < 1:
            raise Unsupported("a rotation of nothing")
        *others, top = self.pops(depth)
        self.stack += [top, *others]

    def drop(self, _: int) -> None:
        value = self.pop()
        self.effects.dropped(value, self.stack)

    # Names

    def constant(self, index: int) -> None:
        self.stack.append(e.Const(self.code.consts[index]))

    def small_int(self, value: int) -> None:
        self.stack.append(e.Const(Number(0, 0, "i", value)))

    def local(self, index: int) -> None:
        self.stack.append(self.variable(index))

    def variable(self, index: int) -> e.Node:
        name = self.code.localsplus[index] if self.version >= (3, 11) else self.code.varnames[index]
        return e.Local(name, self.effects.stores(name))

    def store(self, index: int) -> None:
        name = self.code.localsplus[index] if self.version >= (3, 11) else self.code.varnames[index]
        value = self.pop()
        self.effects.stored(name, value, self.stack)

    def cell_name(self, index: int) -> str:
        if self.version >= (3, 11):
            return self.code.localsplus[index]
        return (*self.code.cellvars, *self.code.freevars)[index]

    def dereferenced(self, index: int) -> None:
        name = self.cell_name(index)
        is_free = name in self.code.freevars
        self.stack.append(e.Free(name) if is_free else e.Local(name, self.effects.stores(name)))

    def store_cell(self, index: int) -> None:
        name = self.cell_name(index)
        if name in self.code.freevars:
            raise Unsupported("an assignment to a variable outside")
        value = self.pop()
        self.effects.stored(name, value, self.stack)

    def cell(self, index: int) -> None:
        self.stack.append(e.Cell(self.cell_name(index)))

    def global_name(self, argument: int) -> None:
        doubled = self.version >= (3, 11)
        name = self.code.names[argument >> doubled]
        missing = [e.Missing()] if doubled and argument & 1 else []
        if self.version < (3, 0) and name in _TRUE_AND_FALSE:
            self.stack.append(e.Const(_TRUE_AND_FALSE[name]))
            return
        before, after = ([], missing) if self.version >= (3, 13) else (missing, [])
        self.stack += before
        self.push(e.Global(name))
        self.stack += after

    def attribute(self, argument: int) -> None:
        doubled = self.version >= (3, 12)
        self.push(e.Attribute(self.pop(), self.code.names[argument >> doubled]))
        if doubled and argument & 1:
            self.stack.append(e.Missing())

    def method(self, index: int) -> None:
        """LOAD_METHOD of 3.7 to 3.11: the function and what it is bound to, or a null."""
        self.push(e.Attribute(self.pop(), self.code.names[index]))
        self.stack.append(e.Missing())

    def null(self, _: int) -> None:
        self.stack.append(e.Missing())


def constant_items(node: e.Node) -> tuple[e.Node, ...] | None:
    """The items of a constant tuple or frozenset."""
    if isinstance(node, e.Const):
        items = node.value.items if isinstance(node.value, Frozen) else node.value
        if isinstance(items, tuple):
            return tuple(e.Const(item) for item in items)
    return None


def word_of(node: e.Node) -> str:
    """The name of a keyword, which is a constant."""
    value: Value | None = node.value if isinstance(node, e.Const) else None
    if isinstance(value, Text):
        return value.value
    if isinstance(value, Blob):
        return value.data.decode("utf-8", "replace")
    raise Unsupported("a keyword that is no constant")


def words_of(node: e.Node) -> tuple[str, ...]:
    """The names of keywords, which are a constant tuple; raises ``Unsupported`` otherwise."""
    items = constant_items(node)
    if items is None:
        raise Unsupported("keywords that are no constants")
    return tuple(word_of(item) for item in items)
