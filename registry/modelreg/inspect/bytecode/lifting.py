"""Finds the source that a function of one expression, or of assignments and a return, was compiled from.

``lifted_source`` runs the instructions on symbols, makes statements of what it sees, and writes them as Python.  It
gives that text only after a proof: the running interpreter compiles the text (it is ours: bounded, made of expressions
and checked names only, and it is never run), and the compiled code has the same normal form as the stored code
(``proof``, which also says what is taken for granted).  Proved is that both do the same operations on the same
operands in the same order; not proved is that the author spelled it so, and nothing is said of default values, which
stand outside the code.  Code of Python 2 is written so that Python 2 compiles it to the same: what ``/`` does to
integers there is another thing.
"""

from __future__ import annotations

import marshal
import sys
import unicodedata
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field

from modelreg.inspect import limits
from modelreg.inspect.bytecode import expressions as e
from modelreg.inspect.bytecode.control import Flow, Test, flow_of, is_always, returned, tested
from modelreg.inspect.bytecode.decisions import Copy, Decision, common_end, common_rest, expression_of
from modelreg.inspect.bytecode.instructions import decode
from modelreg.inspect.bytecode.machine import Machine
from modelreg.inspect.bytecode.marshalled import MarshalError, parse_code
from modelreg.inspect.bytecode.opcodes import TABLES, Table
from modelreg.inspect.bytecode.proof import normal_form
from modelreg.inspect.bytecode.source import function_source
from modelreg.inspect.bytecode.statements import Assignment, Augmented, Evaluation, Return, Statement, Target
from modelreg.inspect.bytecode.symbolic import Unsupported
from modelreg.inspect.bytecode.values import Code, Layout

_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
unicodedata.normalize("NFKC", "\u00b5")  # the compiler imports it for a name beyond ASCII, when no file can be opened


def lifted_source(code: Code, table: Table) -> str | None:
    """The source of ``code`` by the instructions of ``table``; ``None`` if it is of another kind or has no proof."""
    if "__class__" in code.freevars:
        return None  # super() of a method, which no source outside a class has
    try:
        wanted = normal_form(code, table)
        text = function_source(code, table, _statements)
        own = _compiled(text, code)
        return text if own is not None and normal_form(own, TABLES[_PYTHON]) == wanted else None
    except Unsupported:
        return None


def _compiled(text: str, code: Code) -> Code | None:
    """The code object that the running interpreter makes of ``text``, inside a function that has the free variables."""
    if _PYTHON not in TABLES or len(text) > limits.LIFTED_SOURCE_LENGTH_MAX:
        return None
    body = text if text.startswith("def ") else f"return {text}"
    outer = f"def outer({', '.join(code.freevars)}):\n" + "\n".join(f"    {line}" for line in body.split("\n"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = compile(outer, "<lifted>", "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError):
        return None  # a name that has become a keyword, say
    try:
        parsed = parse_code(marshal.dumps(module), Layout.PY311)
    except MarshalError:
        return None
    return next(_inner(next(_inner(parsed.code))), None)


def _inner(code: Code) -> Iterator[Code]:
    return (value for value in code.consts if isinstance(value, Code))


def _statements(code: Code, table: Table) -> tuple[Statement, ...]:
    """What the function does, one statement after the other; the last one returns."""
    decoded = decode(code, table)
    if decoded.problems:
        raise Unsupported("instructions that do not fit")
    lifter = _Lifter(flow_of(decoded))
    lifter.machine = Machine(decoded, lifter)
    value = expression_of(lifter.run(0, [], lifter.flow.end, _NO_BASE))
    lifter.is_complete()
    return (*lifter.statements, Return(value, has_dead_end=lifter.flow.has_dead_end))


@dataclass(slots=True)
class _Lifter:
    """Runs a function once, joining the ways where they meet; it is also the listener of its machine."""

    flow: Flow
    machine: Machine = field(init=False)
    statements: list[Statement] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    branches: int = 0
    runs: int = 0
    depth: int = 0
    known: dict[tuple[int, int, int, tuple[int, ...]], Decision] = field(default_factory=dict)
    kept: list[list[e.Node]] = field(default_factory=list)
    waiting: list[tuple[Target, e.Node]] = field(default_factory=list)
    """Assignments of one statement that is not complete: ``a, b = x, y`` and ``a = b = x``."""
    taken: dict[int, list[Target | None]] = field(default_factory=dict)
    """Targets of the values that are being taken apart, by identity of the key."""

    # What the machine tells

    def evaluated(self, node: e.Node) -> None:
        if isinstance(node, e.Unpacked):
            self.straight()
            self.kept.append([node])
            self.taken[id(node.key)] = [None] * node.count

    def stores(self, name: str) -> int:
        return self.counts.get(name, 0)

    def dropped(self, value: e.Node, stack: list[e.Node]) -> None:
        if self.branches:
            return  # what a chain of comparisons or an ``and`` leaves behind
        if stack:
            raise Unsupported("a value thrown away inside an expression")
        self.straight()
        self.statements.append(Evaluation(value))

    def stored(self, name: str, value: e.Node, stack: list[e.Node]) -> None:
        self.straight()
        self.counts[name] = self.stores(name) + 1
        if isinstance(value, e.Unpacked):
            self.unpacked(name, value)
            return
        self.waiting.append((name, value))
        if not stack:
            self.assign()

    def straight(self) -> None:
        if self.branches:
            raise Unsupported("a statement under a condition")

    def assign(self) -> None:
        """One statement of the assignments that wait."""
        targets, values = [target for target, _ in self.waiting], [value for _, value in self.waiting]
        self.waiting = []
        first = values[0]
        if len(values) == 1 and isinstance(first, e.Binary) and first.operator.endswith("="):
            self.statements.append(Augmented(str(targets[0]), first.operator, first.left, first.right))
        elif all(value is first for value in values):
            self.statements.append(Assignment(tuple(targets), first))
        else:
            # Since 3.11 the compiler turns the order of assignments round instead of that of the stack.
            order = -1 if self.machine.version >= (3, 11) else 1
            self.statements.append(Assignment((tuple(targets[::order]),), e.Display("(", tuple(values[::order]))))

    def unpacked(self, target: Target, value: e.Unpacked) -> None:
        """``target`` takes one item; when all are taken, the whole is a statement or an item itself."""
        targets = self.taken.get(id(value.key))
        if targets is None:
            raise Unsupported("an item that is taken twice")
        targets[value.index] = target
        if None in targets:
            return
        whole = tuple(each for each in targets if each is not None)
        if isinstance(value.value, e.Unpacked):
            self.unpacked(whole, value.value)
        elif self.machine.stack:
            raise Unsupported("a value taken apart inside an expression")
        else:
            self.statements.append(Assignment((whole,), value.value))
        del self.taken[id(value.key)]

    def is_complete(self) -> None:
        """Nothing was begun and not ended."""
        if self.waiting or self.taken:
            raise Unsupported("an assignment that does not end")

    # Ways

    def run(self, number: int, stack: list[e.Node], stop: int, base: int) -> Decision:
        """Go on from instruction ``number`` until the ways meet at ``stop``.

        Since 3.12 the compiler writes a short end of a function once for each way to it.  Where ``base`` is not
        ``_NO_BASE``, such an end is to come, and begins where one value lies above ``base`` others.
        """
        key = (number, stop, base, tuple(map(id, stack)))
        if key not in self.known:
            self.runs += 1
            self.depth += 1
            if self.depth > 2 * limits.LIFTED_DEPTH_MAX or self.runs > limits.LIFTED_INSTRUCTIONS_MAX:
                raise Unsupported("too many conditions within each other")
            self.kept.append(stack)
            self.known[key] = self.way(number, list(stack), stop, base)
            self.depth -= 1
        return self.known[key]

    def way(self, number: int, stack: list[e.Node], stop: int, base: int) -> Decision:
        place, self.machine.stack = number, stack
        copies: list[Copy] = []
        while number != stop:
            if number >= self.flow.end:
                raise Unsupported("an end without a return")
            instruction, jump = self.flow.instructions[number], self.flow.jumps[number]
            if len(self.machine.stack) == base + 1:
                copies += self.copy_at(number)
            value = returned(self.machine, instruction)
            if value is not None:
                if stop != self.flow.end:
                    raise Unsupported("a return inside an expression")
                return Decision(place, value, copies=tuple(copies))
            if jump is None:
                self.machine.step(instruction)
                number += 1
                is_shared = number in self.flow.targets or instruction.name == "POP_TOP"
                if self.branches and is_shared and number != stop:
                    return self.run(number, self.machine.stack, stop, base)
            elif is_always(instruction):
                return self.moved(place, jump, stop, base)
            else:
                decision, number = self.branch(number, jump, base)
                if number == stop:
                    decision.place = place
                    return decision
                rest = common_rest(decision)
                self.machine.stack = [*rest, expression_of(decision)]
        if not self.machine.stack:
            raise Unsupported("ways that meet without a value")
        *below, value = self.machine.stack
        return Decision(place, value, rest=tuple(below))

    def copy_at(self, number: int) -> Iterator[Copy]:
        """The end of the function from ``number`` on, if it is one that the compiler makes copies of."""
        text: list[str] = []
        for instruction in self.flow.instructions[number : number + _COPIED_INSTRUCTIONS_MAX]:
            text.append(f"{instruction.name.removesuffix('_BORROW')} {instruction.argument}")
            if instruction.name.startswith("RETURN_"):
                yield Copy(number, tuple(text), tuple(self.machine.stack))
                return

    def moved(self, place: int, jump: int, stop: int, base: int) -> Decision:
        """What lies behind a jump; its place is where the way to the jump began, if it was more than the jump."""
        decision = self.run(jump, self.machine.stack, stop, base)
        if decision.test is None and jump == stop:
            return Decision(place, decision.value, rest=decision.rest)
        return decision

    def branch(self, number: int, jump: int, outer_base: int) -> tuple[Decision, int]:
        """Both ways from a conditional jump, up to where they meet, and where that is."""
        test, meet = tested(self.machine, self.flow.instructions[number]), self.flow.meets[number]
        self.kept += [test.if_true, test.if_false]
        own_base = _base(test) if meet == self.flow.end else _NO_BASE
        base = outer_base if meet == self.flow.end and own_base == _NO_BASE else own_base
        self.branches += 1
        before, after = (test.if_true, test.if_false) if not test.jumps_if_true else (test.if_false, test.if_true)
        falls = self.run(number + 1, before, meet, base)
        jumps = self.run(jump, after, meet, base)
        self.branches -= 1
        yes, no = (jumps, falls) if test.jumps_if_true else (falls, jumps)
        decision = Decision(number, test=test.value, yes=yes, no=no)
        return decision, meet if own_base == _NO_BASE else common_end(decision)


_NO_BASE = -2
_COPIED_INSTRUCTIONS_MAX = 4
"""``MAX_COPY_SIZE`` in ``Python/flowgraph.c`` (3.12 on)."""


def _base(test: Test) -> int:
    """How much lies below a tested value for what comes after both ways; ``_NO_BASE`` if nothing is left for that.

    A chain of comparisons leaves the operand that it goes on with, which is no such thing; a copy of the value is one.
    """
    below = list(test.if_true if len(test.if_true) < len(test.if_false) else test.if_false)
    is_kept = bool(below) and below[-1] is test.value
    if is_kept:
        below.pop()
    if below and isinstance(test.value, e.Compare) and below[-1] is test.value.right:
        below.pop()
    return len(below) if below or is_kept else _NO_BASE
