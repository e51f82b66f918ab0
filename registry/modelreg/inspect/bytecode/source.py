"""Writes expressions and statements as Python source.

Names are checked to be identifiers before they are written, text is bounded in length and depth, and nothing but
expressions, assignments to local names and a return is ever written.  Whether the text means what the nodes mean is not
decided here but proved afterwards (``proof``).
"""

from __future__ import annotations

from modelreg.inspect import limits
from modelreg.inspect.bytecode import expressions as e
from modelreg.inspect.bytecode.constants import constant_text, text_literal
from modelreg.inspect.bytecode.opcodes import Table
from modelreg.inspect.bytecode.statements import (
    Assignment,
    Augmented,
    Evaluation,
    Return,
    Statement,
    StatementsOf,
    name_text,
    parameters_text,
    target_text,
)
from modelreg.inspect.bytecode.symbolic import Unsupported
from modelreg.inspect.bytecode.values import Blob, Code, Frozen, Single, SliceValue, Text, Value

_CONDITIONAL, _OR, _AND, _NOT, _COMPARE, _BIT_OR, _SHIFT, _SUM, _TERM, _UNARY, _POWER, _ATOM = range(12)
_LEVELS = {
    "|": _BIT_OR,
    "^": _BIT_OR + 0.3,
    "&": _BIT_OR + 0.6,
    "<<": _SHIFT,
    ">>": _SHIFT,
    "+": _SUM,
    "-": _SUM,
    "*": _TERM,
    "/": _TERM,
    "//": _TERM,
    "%": _TERM,
    "@": _TERM,
    "**": _POWER,
}
"""How tightly operators bind (language reference, "Operator precedence"); a higher level binds tighter."""
_ABOVE = 0.1
_DOCSTRING_FLAG = 0x4000000
"""CO_HAS_DOCSTRING, since 3.14; before, a function's first constant is its docstring or no text."""


def function_source(code: Code, table: Table, statements_of: StatementsOf) -> str:
    """The lambda expression, or the ``def`` without default values, for ``code``; raises ``Unsupported``."""
    writer = _Writer(code, table, statements_of)
    statements = statements_of(code, table)
    if code.name == "<lambda>":
        return writer.function(code, statements, (), ())
    lines = [f"def {name_text(code.name)}({parameters_text(code)}):"]
    lines += [f"    {line}" for line in (*writer.docstring(), *writer.body(statements))]
    return "\n".join(lines)


class _Writer:
    """Writes the expressions of one function."""

    def __init__(self, code: Code, table: Table, statements_of: StatementsOf, depth: int = 0) -> None:
        self.code = code
        self.table = table
        self.statements_of = statements_of
        self.depth = depth
        self.left = limits.LIFTED_SOURCE_LENGTH_MAX
        """Nodes that may still be written; one can stand in many places."""

    # Statements

    def docstring(self) -> tuple[str, ...]:
        value: Value | None = self.code.consts[0] if self.code.consts else None
        if self.table.version >= (3, 14) and not self.code.flags & _DOCSTRING_FLAG:
            return ()
        is_text = isinstance(value, Text) or (isinstance(value, Blob) and self.table.version < (3, 0))
        if not is_text or value is None:
            return ()
        text = constant_text(value, self.table)
        return (text,) if len(text) < limits.LIFTED_SOURCE_LENGTH_MAX // 2 else ()

    def body(self, statements: tuple[Statement, ...]) -> tuple[str, ...]:
        """Lines of statements; a return of None at the end is left out where the author cannot have written it."""
        *before, last = statements
        lines = [self.statement(statement) for statement in before]
        if not isinstance(last, Return):
            raise Unsupported("an end without a return")
        value = last.value
        if last.has_dead_end and isinstance(value, e.Either):
            test = self.of(_without_not(value.test))
            branches = [
                f"if {test}:",
                f"    return {self.bare(value.yes)}",
                "else:",
                f"    return {self.bare(value.no)}",
            ]
            return (*lines, *branches)
        is_none = isinstance(value, e.Const) and value.value == Single("N")
        is_old = self.table.version < (3, 0)
        if is_none and (lines or is_old) and not (is_old and "None" in self.code.names):
            return tuple(lines) or ("pass",)
        return (*lines, self.statement(last))

    def statement(self, statement: Statement) -> str:
        match statement:
            case Evaluation(value):
                return self.of(value)
            case Return(value):
                return f"return {self.bare(value)}"
            case Assignment(targets, value):
                return " = ".join([*map(target_text, targets), self.bare(value)])
            case Augmented(name, operator, left, value):
                if not isinstance(left, e.Local) or left.name != name:
                    raise Unsupported("an augmented assignment to something else")
                return f"{name_text(name)} {operator} {self.of(value)}"

    def bare(self, value: e.Node) -> str:
        """An expression where a tuple needs no parentheses."""
        text = self.of(value)
        if not isinstance(value, e.Display) or value.bracket != "(" or len(value.items) < 2:
            return text
        return text if any(isinstance(item, e.Star) for item in value.items) else text[1:-1]

    def function(
        self,
        code: Code,
        statements: tuple[Statement, ...],
        defaults: tuple[str, ...],
        keyword_defaults: tuple[tuple[str, str], ...],
    ) -> str:
        """A lambda."""
        if len(statements) != 1 or not isinstance(statements[0], Return):
            raise Unsupported("a lambda with statements")
        parameters = parameters_text(code, defaults, keyword_defaults)
        return f"lambda{' ' * bool(parameters)}{parameters}: {self.of(statements[0].value)}"

    def inner(self, inner: e.Inner) -> str:
        if inner.code.name != "<lambda>":
            raise Unsupported("a function that is no lambda")
        writer = _Writer(inner.code, self.table, self.statements_of, self.depth + 1)
        return writer.function(
            inner.code,
            self.statements_of(inner.code, self.table),
            tuple(self.of(default) for default in inner.defaults),
            tuple((name, self.of(default)) for name, default in inner.keyword_defaults),
        )

    # Expressions

    def of(self, node: e.Node, level: float = _CONDITIONAL) -> str:
        """``node`` for a place that takes what binds at least as tightly as ``level``."""
        self.depth += 1
        self.left -= 1
        if self.depth > limits.LIFTED_DEPTH_MAX or self.left < 0:
            raise Unsupported("too deep, or too long")
        text, own = self.written(node)
        self.depth -= 1
        return text if own >= level else f"({text})"

    def written(self, node: e.Node) -> tuple[str, float]:  # noqa: C901, PLR0912 - one line for each kind of node
        """The text of ``node`` and how tightly it binds."""
        match node:
            case e.Const(value):
                text = constant_text(value, self.table)
                return text, _UNARY if text.startswith("-") else _ATOM
            case e.Local(name) | e.Free(name) | e.Global(name):
                return name_text(name), _ATOM
            case e.Attribute(value, name):
                text = self.of(value, _ATOM)
                return f"{f'({text})' if text.isdigit() else text}.{name_text(name)}", _ATOM
            case e.Unary("not", operand):
                return f"not {self.of(operand, _NOT)}", _NOT
            case e.Unary(operator, operand):
                return f"{operator}{self.of(operand, _UNARY)}", _UNARY
            case e.Binary(operator, left, right):
                return self.binary(operator, left, right)
            case e.Compare():
                return self.comparison((node,))
            case e.Subscript(value, index):
                return f"{self.of(value, _ATOM)}[{self.index(index)}]", _ATOM
            case e.Display(bracket, items):
                return self.display(bracket, items), _ATOM
            case e.Mapping(items):
                return f"{{{', '.join(self.pair(key, value) for key, value in items)}}}", _ATOM
            case e.Call(function, arguments, keywords):
                return f"{self.of(function, _ATOM)}({self.arguments(arguments, keywords)})", _ATOM
            case e.Format() | e.Joined():
                return self.f_string(node), _ATOM
            case e.Inner():
                return self.inner(node), _CONDITIONAL
            case e.Both(operator, operands):
                return self.both(operator, operands)
            case e.Either(test, yes, no):
                condition = self.of(_without_not(test), _OR)
                return f"{self.of(yes, _OR)} if {condition} else {self.of(no)}", _CONDITIONAL
        raise Unsupported(type(node).__name__)

    def binary(self, operator: str, left: e.Node, right: e.Node) -> tuple[str, float]:
        level = _LEVELS.get(operator)
        if level is None:
            raise Unsupported("an augmented assignment inside an expression")
        if operator == "**":
            return f"{self.of(left, _ATOM)} ** {self.of(right, _UNARY)}", level
        return f"{self.of(left, level)} {operator} {self.of(right, level + _ABOVE)}", level

    def comparison(self, chain: tuple[e.Compare, ...]) -> tuple[str, float]:
        """One comparison, or a chain of which each begins with the operand that the one before ended with."""
        text = self.of(chain[0].left, _COMPARE + _ABOVE)
        for each in chain:
            if (
                isinstance(each.right, e.Const)
                and isinstance(each.right.value, Frozen)
                and each.operator.endswith("in")
            ):
                items = ", ".join(constant_text(item, self.table) for item in each.right.value.items)
                text += f" {each.operator} {{{items}}}"
            else:
                text += f" {each.operator} {self.of(each.right, _COMPARE + _ABOVE)}"
        return text, _COMPARE

    def both(self, operator: str, operands: tuple[e.Node, ...]) -> tuple[str, float]:
        level = _AND if operator == "and" else _OR
        parts: list[tuple[e.Node, ...]] = []
        for operand in operands:
            if operator == "and" and parts and _continues(parts[-1][-1], operand):
                parts[-1] = (*parts[-1], operand)
            else:
                parts.append((operand,))
        texts = [
            self.of(part[0], level + _ABOVE)
            if len(part) == 1
            else self.comparison(tuple(each for each in part if isinstance(each, e.Compare)))[0]
            for part in parts
        ]
        return f" {operator} ".join(texts), level if len(texts) > 1 else _COMPARE

    def index(self, node: e.Node) -> str:
        """What stands in the brackets of a subscript."""
        items: tuple[e.Node, ...] | None = None
        if isinstance(node, e.Display) and node.bracket == "(":
            items = node.items
        elif isinstance(node, e.Const) and isinstance(node.value, tuple):
            items = tuple(e.Const(item) for item in node.value)
        if not items or any(isinstance(item, e.Star) for item in items):
            return self.slice(node)
        return ", ".join(map(self.slice, items)) + "," * (len(items) == 1)

    def slice(self, node: e.Node) -> str:
        if isinstance(node, e.Const) and isinstance(node.value, SliceValue):
            first, last, step = node.value.items
            node = e.Slice(e.Const(first), e.Const(last), e.Missing() if step == Single("N") else e.Const(step))
        if not isinstance(node, e.Slice):
            return self.of(node)
        start, stop = self.bound(node.start), self.bound(node.stop)
        return f"{start}:{stop}" + ("" if isinstance(node.step, e.Missing) else f":{self.of(node.step)}")

    def bound(self, node: e.Node) -> str:
        is_none = isinstance(node, e.Const) and constant_text(node.value, self.table) == "None"
        return "" if is_none or isinstance(node, e.Missing) else self.of(node)

    def display(self, bracket: str, items: tuple[e.Node, ...]) -> str:
        texts = [self.item(item) for item in items]
        if bracket == "(":
            return f"({', '.join(texts)}{',' * (len(texts) == 1)})"
        if bracket == "{" and not texts:
            raise Unsupported("an empty set")
        return f"{bracket}{', '.join(texts)}{']' if bracket == '[' else '}'}"

    def item(self, node: e.Node) -> str:
        return f"*{self.of(node.value, _BIT_OR)}" if isinstance(node, e.Star) else self.of(node)

    def pair(self, key: e.Node | None, value: e.Node) -> str:
        return f"**{self.of(value, _BIT_OR)}" if key is None else f"{self.of(key)}: {self.of(value)}"

    def arguments(self, arguments: tuple[e.Node, ...], keywords: tuple[tuple[str | None, e.Node], ...]) -> str:
        texts = [self.item(argument) for argument in arguments]
        texts += [
            f"**{self.of(value)}" if name is None else f"{name_text(name)}={self.of(value)}" for name, value in keywords
        ]
        return ", ".join(texts)

    # Formatted text

    def f_string(self, node: e.Node) -> str:
        fields = [self.field(part) for part in (node.parts if isinstance(node, e.Joined) else (node,))]
        inside = "".join(text for is_field, text in fields if is_field)
        quote = next((each for each in ("'", '"', "'''", '"""') if each not in inside), None)
        if quote is None or "\\" in inside:
            raise Unsupported("quotes within quotes")
        return f"f{quote}" + "".join(text if is_field else _plain(text, quote) for is_field, text in fields) + quote

    def field(self, node: e.Node) -> tuple[bool, str]:
        """Whether it is a field, and the text: of the field, or what stands between fields."""
        if isinstance(node, e.Const) and isinstance(node.value, Text):
            return False, node.value.value
        if not isinstance(node, e.Format):
            raise Unsupported("a part of a text that is no field")
        value = self.of(node.value, _OR)
        spec = "" if node.spec is None else f":{self.spec(node.spec)}"
        conversion = f"!{node.conversion}" if node.conversion else ""
        return True, f"{{{' ' * value.startswith('{')}{value}{conversion}{spec}}}"

    def spec(self, node: e.Node) -> str:
        fields = [self.field(part) for part in (node.parts if isinstance(node, e.Joined) else (node,))]
        if any(not is_field and set(text) & set("{}'\"\\\n") for is_field, text in fields):
            raise Unsupported("a format that is unusual")
        return "".join(text for _, text in fields)


def _plain(text: str, quote: str) -> str:
    """Text between fields, in ``quote``."""
    return text_literal(text, quote[0]).replace("{", "{{").replace("}", "}}")


def _continues(first: e.Node, second: e.Node) -> bool:
    """Whether ``second`` compares the very value that ``first`` did, evaluated once."""
    return isinstance(first, e.Compare) and isinstance(second, e.Compare) and second.left is first.right


def _without_not(test: e.Node) -> e.Node:
    """A negated test with its ``not`` taken inside; the compiler makes the same jumps of both."""
    if isinstance(test, e.Both):
        return e.Both(test.operator, tuple(_without_not(each) for each in test.operands))
    if not isinstance(test, e.Unary) or test.operator != "not":
        return test
    operand = test.operand
    if isinstance(operand, e.Unary) and operand.operator == "not":
        return _without_not(operand.operand)
    if isinstance(operand, e.Both):
        other = "or" if operand.operator == "and" else "and"
        return e.Both(other, tuple(_without_not(e.Unary("not", each)) for each in operand.operands))
    if isinstance(operand, e.Compare) and operand.is_jump:
        return e.Compare("is" if operand.operator == "is not" else "is not", operand.left, operand.right, is_jump=True)
    return test
