"""Turns the ways through a condition back into one expression with ``and``, ``or``, ``not`` and ``if`` ... ``else``.

Pure.  Whatever it makes of a graph of tests is checked afterwards against the code itself (``proof``), so a wrong guess
costs an answer, never its truth.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TypeAlias

from modelreg.inspect.bytecode import expressions as e
from modelreg.inspect.bytecode.symbolic import Unsupported


@dataclass(frozen=True, slots=True)
class Copy:
    """The end of a function from instruction ``number`` on, as text, and the stack there."""

    number: int
    text: tuple[str, ...]
    stack: tuple[e.Node, ...]


@dataclass(slots=True, eq=False)
class Decision:
    """Either a test with two ways on, or (``test`` is ``None``) the end of a way with its ``value``.

    ``place`` is the number of its first instruction: the compiler writes ``yes if test else no`` in this order.
    """

    place: int
    value: e.Node | None = None
    rest: tuple[e.Node, ...] = ()
    """What lies below the value on the stack."""
    copies: tuple[Copy, ...] = ()
    """Where the end of the function may begin that every way has its own copy of, the longest first."""
    test: e.Node | None = None
    yes: Decision | None = None
    no: Decision | None = None


def expression_of(root: Decision) -> e.Node:
    """The value of ``root`` as one expression; raises ``Unsupported`` for a graph that no expression makes."""
    made: dict[int, e.Both] = {}
    while root.test is not None:
        order, references = _survey(root)
        if not any(step(each, references, made) for step in (_merge_tests, _merge_choice, _collapse) for each in order):
            raise Unsupported("tests that are no expression")
    if root.value is None:
        raise Unsupported("a way without a value")
    return root.value


def ends_of(root: Decision) -> list[Decision]:
    """The ends of all ways, each once."""
    return [each for each in _survey(root)[0] if each.test is None]


def common_end(root: Decision) -> int:
    """Let every way be over where the longest end begins that all have a copy of; tells where one of them does."""
    ends = ends_of(root)
    shared = set.intersection(*({copy.text for copy in end.copies} for end in ends))
    if not shared:
        raise Unsupported("ways with different ends")
    text = max(shared, key=len)
    for end in ends:
        copy = next(copy for copy in end.copies if copy.text == text)
        *rest, end.value = copy.stack
        end.rest, number = tuple(rest), copy.number
    return number


def common_rest(root: Decision) -> tuple[e.Node, ...]:
    """What lies below the value at the end of every way; raises ``Unsupported`` if that is not the same."""
    rests = [each.rest for each in ends_of(root)]
    if any(tuple(map(id, rest)) != tuple(map(id, rests[0])) for rest in rests):
        raise Unsupported("ways that meet with different stacks")
    return rests[0]


def _survey(root: Decision) -> tuple[list[Decision], Counter[int]]:
    """All decisions, the deepest first, and how many lead to each (by identity)."""
    order: list[Decision] = []
    references: Counter[int] = Counter()
    seen: set[int] = set()
    waiting: list[tuple[Decision, bool]] = [(root, False)]
    while waiting:
        decision, is_done = waiting.pop()
        if is_done:
            order.append(decision)
            continue
        if id(decision) in seen:
            continue
        seen.add(id(decision))
        waiting.append((decision, True))
        for way in (decision.yes, decision.no):
            if way is not None:
                references[id(way)] += 1
                waiting.append((way, False))
    return order, references


_Made: TypeAlias = "dict[int, e.Both]"
"""By identity, what was joined of the tests of this very graph: only that is one ``and`` or ``or`` of many operands."""


def _both(operator: str, first: e.Node, second: e.Node, made: _Made) -> e.Both:
    operands: list[e.Node] = []
    for operand in (first, second):
        joined = made.get(id(operand))
        operands += joined.operands if joined is not None and joined.operator == operator else (operand,)
    both = e.Both(operator, tuple(operands))
    made[id(both)] = both
    return both


def _merge_tests(decision: Decision, references: Counter[int], made: _Made) -> bool:
    """Join two tests of which the second only matters after one answer of the first, and shares a way with it."""
    test, yes, no = decision.test, decision.yes, decision.no
    if test is None or yes is None or no is None:
        return False
    if yes.test is not None and references[id(yes)] == 1:
        if yes.no is no:
            decision.test, decision.yes = _both("and", test, yes.test, made), yes.yes
            return True
        if yes.yes is no:
            decision.test, decision.yes = _both("and", test, e.Unary("not", yes.test), made), yes.no
            return True
    if no.test is not None and references[id(no)] == 1:
        if no.yes is yes:
            decision.test, decision.no = _both("or", test, no.test, made), no.no
            return True
        if no.no is yes:
            decision.test, decision.no = _both("or", test, e.Unary("not", no.test), made), no.yes
            return True
    return False


def _merge_choice(decision: Decision, references: Counter[int], _: _Made) -> bool:
    """Join three tests of which the first chooses between the others, both with the same two ways on."""
    test, yes, no = decision.test, decision.yes, decision.no
    if test is None or yes is None or no is None or yes.test is None or no.test is None:
        return False
    if references[id(yes)] > 1 or references[id(no)] > 1:
        return False
    if yes.yes is no.yes and yes.no is no.no:
        chosen, other = yes.test, no.test
    elif yes.yes is no.no and yes.no is no.yes:
        chosen, other = yes.test, e.Unary("not", no.test)
    else:
        return False
    if yes.place > no.place:
        decision.test = e.Either(e.Unary("not", test), other, chosen)
    else:
        decision.test = e.Either(test, chosen, other)
    decision.yes, decision.no = yes.yes, yes.no
    return True


def _collapse(decision: Decision, _: Counter[int], made: _Made) -> bool:
    """Make one value of a test whose two ways both end in one."""
    test, yes, no = decision.test, decision.yes, decision.no
    if test is None or yes is None or no is None or yes.value is None or no.value is None:
        return False
    if _is_value_of(yes.value, test, truth=True):
        value: e.Node = _both("or", test, no.value, made)
    elif _is_value_of(no.value, test, truth=False):
        value = _both("and", test, yes.value, made)
    elif yes.place > no.place:
        value = e.Either(e.Unary("not", test), no.value, yes.value)
    else:
        value = e.Either(test, yes.value, no.value)
    decision.value, decision.test, decision.yes, decision.no = value, None, None, None
    return True


def _is_value_of(value: e.Node, test: e.Node, *, truth: bool) -> bool:
    """Whether ``value`` is what ``test`` itself evaluates to if it is ``truth``."""
    while True:
        if value is test:
            return True
        if not isinstance(test, e.Both) or test.operator != ("and" if truth else "or"):
            return False
        test = test.operands[-1]
