"""Operators, subscripts, displays and formatted text, as steps of the abstract interpretation."""

from __future__ import annotations

from modelreg.inspect.bytecode import expressions as e
from modelreg.inspect.bytecode.symbolic import Stack, Unsupported, constant_items

BINARY = {
    "ADD": "+",
    "SUBTRACT": "-",
    "MULTIPLY": "*",
    "MATRIX_MULTIPLY": "@",
    "DIVIDE": "/",
    "TRUE_DIVIDE": "/",
    "FLOOR_DIVIDE": "//",
    "MODULO": "%",
    "POWER": "**",
    "LSHIFT": "<<",
    "RSHIFT": ">>",
    "AND": "&",
    "OR": "|",
    "XOR": "^",
}
"""Names of 2.7 to 3.10; 2.7's two divisions are both written ``/``."""
_INTRINSIC_POSITIVE, _INTRINSIC_LIST_TO_TUPLE = 5, 6
_SUBSCRIPT = "[]"
_CONVERSIONS = ("", "s", "r", "a")


class Operations(Stack):
    """What makes a value of others."""

    # Operators

    def unary(self, operator: str) -> None:
        operand = self.pop()
        if operator == "not" and isinstance(operand, e.Truth):
            operand = operand.operand
        self.push(e.Unary(operator, operand))

    def truth(self, _: int) -> None:
        self.stack.append(e.Truth(self.pop()))

    def binary(self, name: str) -> None:
        kind, _, operation = name.partition("_")
        if operation not in BINARY:
            raise Unsupported(name)
        left, right = self.pops(2)
        self.push(e.Binary(BINARY[operation] + "=" * (kind == "INPLACE"), left, right))

    def operator(self, index: int) -> None:
        symbol = self.table.operators[index]
        left, right = self.pops(2)
        self.push(e.Subscript(left, right) if symbol == _SUBSCRIPT else e.Binary(symbol, left, right))

    def compare(self, argument: int) -> None:
        operator = self.table.comparisons[argument >> self.table.comparison_shift]
        left, right = self.pops(2)
        if operator in ("exception match", "BAD"):
            raise Unsupported(operator)
        self.push(e.Compare(operator, left, right))

    def identity(self, argument: int) -> None:
        left, right = self.pops(2)
        self.push(e.Compare("is not" if argument else "is", left, right))

    def contains(self, argument: int) -> None:
        left, right = self.pops(2)
        self.push(e.Compare("not in" if argument else "in", left, right))

    def subscript(self, _: int) -> None:
        value, index = self.pops(2)
        self.push(e.Subscript(value, index))

    def slice(self, count: int) -> None:
        if count not in (2, 3):
            raise Unsupported("a slice of another number of parts")
        parts = self.pops(count)
        self.stack.append(e.Slice(parts[0], parts[1], parts[2] if count == 3 else e.Missing()))

    def sliced(self, _: int) -> None:
        value, start, stop = self.pops(3)
        self.push(e.Subscript(value, e.Slice(start, stop, e.Missing())))

    def old_slice(self, which: int) -> None:
        """SLICE+0 to SLICE+3 of 2.7: bit 0 says that there is a start, bit 1 that there is an end."""
        stop = self.pop() if which & 2 else e.Missing()
        start = self.pop() if which & 1 else e.Missing()
        self.push(e.Subscript(self.pop(), e.Slice(start, stop, e.Missing())))

    # Displays

    def extend(self, depth: int) -> None:
        """LIST_EXTEND and SET_UPDATE: a constant tuple is how a display of constants is written since 3.9."""
        items = self.pop()
        display = self.stack[-depth] if 0 < depth <= len(self.stack) else None
        if not isinstance(display, e.Display) or display.bracket == "(":
            raise Unsupported("an extension of no display")
        added = constant_items(items) if not display.items else None
        self.stack[-depth] = e.Display(display.bracket, (*display.items, *(added or (e.Star(items),))))

    def append(self, depth: int) -> None:
        item = self.pop()
        display = self.stack[-depth] if 0 < depth <= len(self.stack) else None
        if not isinstance(display, e.Display):
            raise Unsupported("an addition to no display")
        self.stack[-depth] = e.Display(display.bracket, (*display.items, item))

    def list_to_tuple(self, _: int) -> None:
        display = self.pop()
        if not isinstance(display, e.Display):
            raise Unsupported("a tuple of no list")
        self.stack.append(e.Display("(", display.items))

    def mapping(self, count: int) -> None:
        parts = self.pops(2 * count) if self.version >= (3, 0) else ()
        self.stack.append(e.Mapping(tuple(zip(parts[::2], parts[1::2], strict=True))))

    def store_map(self, _: int) -> None:
        value, key = self.pops(2)
        mapping = self.pop()
        if not isinstance(mapping, e.Mapping):
            raise Unsupported("an addition to no mapping")
        self.stack.append(e.Mapping((*mapping.items, (key, value))))

    def mapping_of_keys(self, count: int) -> None:
        keys = constant_items(self.pop())
        values = self.pops(count)
        if keys is None or len(keys) != count:
            raise Unsupported("keys that are no constants")
        self.stack.append(e.Mapping(tuple(zip(keys, values, strict=True))))

    def mapping_update(self, depth: int) -> None:
        more = self.pop()
        mapping = self.stack[-depth] if 0 < depth <= len(self.stack) else None
        if not isinstance(mapping, e.Mapping):
            raise Unsupported("an addition to no mapping")
        self.stack[-depth] = e.Mapping((*mapping.items, *_added(more)))

    def mapping_unpack(self, argument: int) -> None:
        items: list[tuple[e.Node | None, e.Node]] = []
        for part in self.pops(argument):
            items += _added(part)
        self.stack.append(e.Mapping(tuple(items)))

    def intrinsic(self, which: int) -> None:
        if which == _INTRINSIC_POSITIVE:
            self.unary("+")
        elif which == _INTRINSIC_LIST_TO_TUPLE:
            self.list_to_tuple(0)
        else:
            raise Unsupported("CALL_INTRINSIC_1")

    # Text

    def format_value(self, flags: int) -> None:
        spec = self.pop() if flags & 4 else None
        self.push(e.Format(self.pop(), _CONVERSIONS[flags & 3], spec))

    def convert(self, which: int) -> None:
        if not 0 < which < len(_CONVERSIONS):
            raise Unsupported("a conversion that is not known")
        self.push(e.Format(self.pop(), _CONVERSIONS[which], e.Missing()))

    def format_simple(self, _: int) -> None:
        self.format(None)

    def format_with(self, _: int) -> None:
        self.format(self.pop())

    def format(self, spec: e.Node | None) -> None:
        value = self.pop()
        if isinstance(value, e.Format) and isinstance(value.spec, e.Missing):
            self.push(e.Format(value.value, value.conversion, spec))
        else:
            self.push(e.Format(value, "", spec))

    def join(self, count: int) -> None:
        self.push(e.Joined(self.pops(count)))


def flattened(parts: tuple[e.Node, ...]) -> tuple[e.Node, ...]:
    """Items of BUILD_*_UNPACK (3.6 to 3.8): a tuple of plain items is how those are written, others have a star."""
    items: list[e.Node] = []
    for part in parts:
        items += _plain_items(part) or constant_items(part) or (e.Star(part),)
    return tuple(items)


def _plain_items(part: e.Node) -> tuple[e.Node, ...]:
    if not isinstance(part, e.Display) or part.bracket != "(" or any(isinstance(item, e.Star) for item in part.items):
        return ()
    return part.items


def _added(more: e.Node) -> tuple[tuple[e.Node | None, e.Node], ...]:
    """What an update adds: items, which are written as a mapping of their own, or anything else with two stars."""
    if isinstance(more, e.Mapping) and more.items and all(key is not None for key, _ in more.items):
        return more.items
    return ((None, more),)
