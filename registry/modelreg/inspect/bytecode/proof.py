"""The normal form in which two functions are compared: what they evaluate, in which order, on every path.

``normal_form`` runs the code on symbols along each way through it and writes down, one after the other, everything
that can be noticed from outside: looking up a global or an attribute, operators, calls, tests, assignments to locals,
and what is returned.  Operands are the numbers of earlier evaluations, constants with type and sign (``0.0`` is not
``-0.0``, ``True`` not ``1``), parameters and variables by name.  So equal forms mean: the same operations on the same
operands in the same order whatever the conditions turn out to be, for code of any two Python versions.

What is taken for granted: the meaning of each instruction as ``symbolic`` and its siblings have it; that making a
tuple, list, set, dict or slice does nothing else; that a value tested twice in a row gives the same answer twice; that
``not`` in a test is a test turned round; that Python 2's ``True`` and ``False`` are constants, its ``str`` of ASCII is
text, ``/`` is one operator and ``x[a:b]`` a subscript with a slice.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from modelreg.inspect import limits
from modelreg.inspect.bytecode import expressions as e
from modelreg.inspect.bytecode.control import Flow, flow_of, is_always, returned, tested
from modelreg.inspect.bytecode.instructions import Decoded, decode
from modelreg.inspect.bytecode.machine import Machine
from modelreg.inspect.bytecode.opcodes import Table
from modelreg.inspect.bytecode.symbolic import Unsupported
from modelreg.inspect.bytecode.values import (
    Blob,
    Code,
    Frozen,
    Layout,
    Number,
    Single,
    SliceValue,
    Text,
    Value,
    is_larger,
)

_CLOSING = {"(": ")", "[": "]", "{": "}"}


def normal_form(code: Code, table: Table) -> str:
    """The normal form of a function; raises ``Unsupported`` where it has none, or a bound is reached."""
    budget = _Budget()
    return _form(code, table, budget, 0)


@dataclass(slots=True)
class _Budget:
    """How much may still be written, over all paths and inner functions."""

    left: int = limits.LIFTED_EVENTS_MAX

    def spend(self, depth: int) -> None:
        self.left -= 1
        if self.left < 0 or depth > limits.LIFTED_DEPTH_MAX:
            raise Unsupported("too many paths, or too deep")


def _form(code: Code, table: Table, budget: _Budget, depth: int) -> str:
    decoded = decode(code, table)
    if decoded.problems:
        raise Unsupported("instructions that do not fit")
    walk = _Walk(decoded, flow_of(decoded), budget, depth)
    walk.follow(0, [], _State())
    return f"{_signature(code)}:{' '.join(walk.written)}"


def _signature(code: Code) -> str:
    positional = [*code.parameters]
    if code.posonly:
        positional.insert(code.posonly, "/")
    return repr((positional, code.keyword_only, code.rest, sorted(code.freevars)))


@dataclass(slots=True)
class _State:
    """What is known on one path: numbers of evaluations, counts of assignments, results of tests."""

    numbers: dict[int, int] = field(default_factory=dict)
    stores: dict[str, int] = field(default_factory=dict)
    tests: dict[int, bool] = field(default_factory=dict)

    def copy(self) -> _State:
        return _State(dict(self.numbers), dict(self.stores), dict(self.tests))


class _Walk:
    """One walk along all paths; it is also the listener of its machine."""

    def __init__(self, decoded: Decoded, flow: Flow, budget: _Budget, depth: int) -> None:
        self.table = decoded.table
        self.layout = decoded.code.layout
        self.flow = flow
        self.budget = budget
        self.depth = depth
        self.machine = Machine(decoded, self)
        self.state = _State()
        self.written: list[str] = []
        self.kept: list[e.Node] = []
        """Nodes whose identity is in use, so that it is not given to another."""

    # What the machine tells

    def evaluated(self, node: e.Node) -> None:
        self.kept.append(node)
        text = self.operation(node)
        self.state.numbers[id(node.key if isinstance(node, e.Unpacked) else node)] = len(self.state.numbers)
        self.write(text)

    def stored(self, name: str, value: e.Node, stack: list[e.Node]) -> None:  # noqa: ARG002 - the listener's signature
        self.state.stores[name] = self.stores(name) + 1
        self.write(f"={name}={self.text(value, self.depth)}")
        # In which order different variables take values that stand on the stack cannot be told from outside.
        place = len(self.written) - 1
        while place and self.written[place - 1].startswith("=") and self.written[place - 1] > self.written[place]:
            if self.written[place - 1].split("=")[1] == name:
                break
            self.written[place - 1 : place + 1] = reversed(self.written[place - 1 : place + 1])
            place -= 1

    def dropped(self, value: e.Node, stack: list[e.Node]) -> None:
        """Nothing: that it was evaluated has been written."""

    def stores(self, name: str) -> int:
        return self.state.stores.get(name, 0)

    def write(self, text: str) -> None:
        self.budget.spend(0)
        self.written.append(text)

    # Paths

    def follow(self, number: int, stack: list[e.Node], state: _State) -> None:
        """Write down everything from instruction ``number`` on."""
        self.machine.stack, self.state = stack, state
        while number < self.flow.end:
            self.budget.spend(0)
            instruction, jump = self.flow.instructions[number], self.flow.jumps[number]
            value = returned(self.machine, instruction)
            if value is not None:
                self.write(f"return {self.text(value, self.depth)}")
                return
            if jump is None:
                self.machine.step(instruction)
                number += 1
            elif is_always(instruction):
                number = jump
            else:
                number = self.branch(number, jump)
        if number == self.flow.end:
            raise Unsupported("an end without a return")

    def branch(self, number: int, jump: int) -> int:
        """Take both ways, the true one first; where a test's result is known, only that one is left to take."""
        test = tested(self.machine, self.flow.instructions[number])
        ways = {
            test.jumps_if_true: (jump, test.jumps_if_true),
            not test.jumps_if_true: (number + 1, not test.jumps_if_true),
        }
        stacks = {True: test.if_true, False: test.if_false}
        known = self.state.tests.get(id(test.value))
        if known is not None:
            self.machine.stack = stacks[known]
            return ways[known][0]
        is_kept = any(node is test.value for node in (*test.if_true, *test.if_false))
        value, turned = (self.of(test.value), False) if is_kept else self.test_of(test.value)
        self.kept.append(test.value)
        self.write(f"if {value}(")
        state = self.state
        for truth in (turned ^ True, turned ^ False):
            after = state.copy()
            after.tests[id(test.value)] = truth
            self.depth += 1
            self.budget.spend(self.depth)
            self.follow(ways[truth][0], list(stacks[truth]), after)
            self.depth -= 1
            self.written.append(")")
        return self.flow.end + 1

    def test_of(self, value: e.Node) -> tuple[str, bool]:
        """What is tested, and whether the answer is turned round; negations just made are taken back."""
        turned = False
        while isinstance(value, (e.Unary, e.Compare)) and self.is_last(value):
            if isinstance(value, e.Unary) and value.operator == "not":
                self.take_back(value)
                value, turned = value.operand, not turned
            elif isinstance(value, e.Compare) and value.operator in ("is not", "not in"):
                self.take_back(value)
                value = e.Compare("is" if value.operator == "is not" else "in", value.left, value.right)
                self.evaluated(value)
                turned = not turned
            else:
                break
        return self.text(value, self.depth), turned

    def is_last(self, node: e.Node) -> bool:
        return self.state.numbers.get(id(node)) == len(self.state.numbers) - 1

    def take_back(self, node: e.Node) -> None:
        del self.state.numbers[id(node)]
        self.written.pop()

    # Text

    def operation(self, node: e.Node) -> str:
        """An evaluation with its operands."""
        match node:
            case e.Global(name):
                return f"global:{name}"
            case e.Attribute(value, name):
                return f"{self.of(value)}.{name}"
            case e.Unary(operator, operand):
                return f"{operator} {self.of(operand)}"
            case e.Binary(operator, left, right) | e.Compare(operator, left, right):
                return f"{self.of(left)} {operator} {self.of(right)}"
            case e.Subscript(value, index):
                return f"{self.of(value)}[{self.of(index)}]"
            case e.Call(function, arguments, keywords):
                named = ",".join(f"{name or '**'}={self.of(value)}" for name, value in keywords)
                return f"{self.of(function)}({','.join(map(self.of, arguments))};{named})"
            case e.Format(value, conversion, spec):
                return f"format({self.of(value)}!{conversion}:{'' if spec is None else self.of(spec)})"
            case e.Joined(parts):
                return f"join({','.join(map(self.of, parts))})"
            case e.Unpacked(value=value, count=count):
                return f"unpack {count} {self.of(value)}"
        raise Unsupported(type(node).__name__)

    def of(self, node: e.Node) -> str:
        return self.text(node, self.depth)

    def text(self, node: e.Node, depth: int) -> str:
        """An operand: the number of its evaluation, or, for what is no evaluation, itself."""
        self.budget.spend(depth)
        number = self.state.numbers.get(id(node.key if isinstance(node, e.Unpacked) else node))
        if number is not None:
            return f"#{number}.{node.index}" if isinstance(node, e.Unpacked) else f"#{number}"
        match node:
            case e.Const(value):
                return constant_key(value, self.layout)
            case e.Local(name, stores):
                return f"{name}@{stores}"
            case e.Free(name):
                return f"{name}@free"
            case e.Missing():
                return "N"
            case e.Slice(start, stop, step):
                parts = (self.text(part, depth + 1) for part in (start, stop, step))
                return f"slice({','.join(parts)})"
            case e.Star(value):
                return f"*{self.text(value, depth + 1)}"
            case e.Display(bracket, items):
                return self.display(bracket, items, depth)
            case e.Mapping(items):
                pairs = (
                    f"{'**' if key is None else self.text(key, depth + 1)}:{self.text(value, depth + 1)}"
                    for key, value in items
                )
                return f"dict({','.join(pairs)})"
            case e.Inner(code, defaults, keyword_defaults):
                made = ",".join(self.text(default, depth + 1) for default in defaults)
                named = ",".join(f"{name}={self.text(default, depth + 1)}" for name, default in keyword_defaults)
                return f"function[{made};{named};{_form(code, self.table, self.budget, depth + 1)}]"
        raise Unsupported(type(node).__name__)

    def display(self, bracket: str, items: tuple[e.Node, ...], depth: int) -> str:
        parts = [self.text(item, depth + 1) for item in items]
        if bracket == "{" and all(isinstance(item, e.Const) for item in items):
            parts.sort()
        return f"{bracket}{','.join(parts)}{_CLOSING[bracket]}"


def constant_key(value: Value, layout: Layout) -> str:
    """A constant with its type; raises ``Unsupported`` for one that cannot be written as source."""
    if is_larger(value, limits.LIFTED_CONSTANT_VALUES_MAX):
        raise Unsupported("a large constant")
    return _key(value, layout)


def _key(value: Value, layout: Layout) -> str:
    match value:
        case Single(kind):
            return kind
        case Text(value=text):
            return f"t{text!r}"
        case Blob(data=data):
            return f"t{_ascii(data)!r}" if layout is Layout.PY2 else f"b{data!r}"
        case Number(kind=kind, value=number) if number is not None and number == number:  # noqa: PLR0124 - not NaN
            if kind == "l" and layout is Layout.PY2 and abs(number) < 2**63:
                raise Unsupported("a long integer of Python 2")
            return f"n{number!r}"
        case tuple():
            return f"({','.join(_key(item, layout) for item in value)})"
        case SliceValue(items):
            return f"slice({','.join(_key(item, layout) for item in items)})"
        case Frozen(items):
            return f"frozen({','.join(sorted(_key(item, layout) for item in items))})"
    raise Unsupported("a constant that is none in source")


def _ascii(data: bytes) -> str:
    try:
        return data.decode("ascii")
    except UnicodeDecodeError:
        raise Unsupported("text of Python 2 that is not ASCII") from None
