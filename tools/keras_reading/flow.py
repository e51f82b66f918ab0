"""Follows one dictionary of keywords (``**kwargs``, or ``from_config``'s ``config``) through a function.

A flow notes the keys that are taken out, the keys that are refused, the calls that the dictionary is forwarded to, and
whether anything rejects what is left over.  Where nobody does, the class is ``open``.
"""

from __future__ import annotations

import ast
import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from keras_reading.evaluator import Evaluator
from keras_reading.keywords import Keywords, last_name
from keras_reading.signatures import ANYTHING, NOTHING, Signature, both, either, union
from keras_reading.values import ClassValue, External, FunctionValue, Value

if TYPE_CHECKING:
    from keras_reading.constructors import Reader

DEPTH_MAX = 12


@dataclass(frozen=True, slots=True)
class Place:
    """A method as found: its class, and the class whose resolution order it was found in."""

    cls: ClassValue
    subject: ClassValue
    node: ast.FunctionDef


class Flow(Keywords):
    """Follows one dictionary of keywords through one function."""

    def __init__(
        self,
        reader: Reader,
        node: ast.FunctionDef,
        name: str,
        place: Place | None,
        constructor: Signature,
        *,
        owner: ClassValue | FunctionValue | None = None,
        is_from_config: bool = False,
    ) -> None:
        super().__init__(reader, name, place, owner)
        self.node = node
        self.constructor = constructor
        self.is_from_config = is_from_config
        self.read: set[str] = set()
        self.taken: set[str] = set()
        self.needed: set[str] = set()
        self.dropped: set[str] = set()
        self.refused: set[str] = set()
        self.assigned: set[str] = set()
        self.targets: list[tuple[Signature, bool]] = []
        self.is_returning = False
        self.is_checked = False
        self.allowed: frozenset[str] | None = None

    # What it comes to

    def forwarded(self) -> Signature:
        """What the calls that the dictionary goes to take: all of those that are made, or any that may be."""
        made = [signature for signature, is_alternative in self.targets if not is_alternative]
        if made:
            return functools.reduce(both, made)
        return (
            functools.reduce(either, (signature for signature, _ in self.targets), self.targets[0][0])
            if self.targets
            else NOTHING
        )

    def signature(self, own: Signature) -> Signature:
        result = union(own, self._allowed(self.forwarded()))
        if not self.targets and not self.is_checked:
            result = replace(result, is_open=True)
        mine = self.taken | self.read if result.is_open else self.taken
        arguments = (result.arguments | mine) - (self.refused - own.arguments)
        required = (result.required | self.needed) - self.assigned
        return replace(
            result,
            arguments=arguments,
            required=required & arguments,
            drops=result.drops | (self.dropped - self.refused),
        )

    def _allowed(self, forwarded: Signature) -> Signature:
        """What a check lets through of what comes after it; where nothing does, what it names is taken."""
        if self.allowed is None:
            return forwarded
        if not self.targets:
            return replace(NOTHING, arguments=self.allowed)
        more = self.allowed if forwarded.is_open else frozenset()
        return replace(
            forwarded.without(forwarded.arguments - self.allowed), arguments=forwarded.arguments & self.allowed | more
        )

    # The walk

    def follow(self, body: list[ast.stmt], *, is_certain: bool = True) -> None:
        for node in body:
            self._statement(node, is_certain=is_certain)

    def _statement(self, node: ast.stmt, *, is_certain: bool) -> None:
        match node:
            case ast.If():
                self._if(node)
            case ast.For():
                self._for(node)
            case ast.While():
                self.follow(node.body, is_certain=False)
            case ast.Try():
                for block in (node.body, *(handler.body for handler in node.handlers), node.orelse, node.finalbody):
                    self.follow(block, is_certain=False)
            case ast.With():
                self.follow(node.body, is_certain=is_certain)
            case ast.FunctionDef() | ast.ClassDef():
                return
            case _:
                self._simple(node, is_certain=is_certain)

    def _simple(self, node: ast.stmt, *, is_certain: bool) -> None:
        match node:
            case ast.Assign(targets=targets, value=value):
                self._assign(targets, value, is_certain=is_certain)
            case ast.AnnAssign(target=annotated, value=ast.expr() as value):
                self._assign([annotated], value, is_certain=is_certain)
            case ast.Delete(targets=targets):
                for target in targets:
                    self._drop(self._subscripted(target))
            case ast.Expr(value=ast.Call() as call) if self._popped(call):
                self._drop(self._popped(call))
            case ast.Import() | ast.ImportFrom():
                if self.frame is not None:
                    Evaluator(self.frame).block([node])
            case _:
                self.is_returning = isinstance(node, ast.Return)
                for child in ast.iter_child_nodes(node):
                    self._expression(child, is_certain=is_certain)
                self.is_returning = False

    def _drop(self, keys: set[str]) -> None:
        """Taken out, and nothing done with what was there."""
        self.dropped |= keys
        self.taken |= keys

    def _assign(self, targets: list[ast.expr], value: ast.expr, *, is_certain: bool) -> None:
        for target in targets:
            if isinstance(target, ast.Name):
                self._rebind(target.id, value, is_certain=is_certain)
            elif isinstance(target, ast.Subscript) and self._is(target.value):
                self.assigned |= self._keys(target.slice) if is_certain else set()
        self._expression(value, is_certain=is_certain)

    def _rebind(self, name: str, value: ast.expr, *, is_certain: bool) -> None:
        literal = self._literal(value)
        if self._is_copy(value):
            self.names.add(name)
        elif is_certain and not self._mentions(value):
            self.names.discard(name)
        if literal is not None:
            self.locals[name] = literal
        elif (beyond := self._beyond(value)) is not None:
            self.leftovers[name] = beyond
        if name == "_" and isinstance(value, ast.Call):
            self.dropped |= self._popped(value)

    def _if(self, node: ast.If) -> None:
        refuses = bool(node.body) and isinstance(node.body[-1], ast.Raise)
        present = self._tested(node.test)
        if refuses and present:
            self.refused |= present
        elif refuses and self._asks_for_more(node.test):
            self.is_checked = True
        elif refuses and (left_out := self._left_out(node.test)) is not None:
            self._check(left_out)
        allowed = self._compared(node.test, ast.NotIn)
        if refuses and allowed is not None:
            self._check(allowed)
        denied = self._compared(node.test, ast.In)
        if refuses and denied is not None and not present:
            self.refused |= denied
        elif denied is not None and node.orelse and isinstance(node.orelse[-1], ast.Raise):
            self._check(denied)
        self._expression(node.test, is_certain=False)
        self.follow(node.body, is_certain=False)
        self.follow(node.orelse, is_certain=False)

    def _check(self, allowed: frozenset[str]) -> None:
        """Whatever is not allowed here gets no further, wherever the dictionary goes afterwards."""
        self.allowed = allowed
        self.is_checked = True

    def _for(self, node: ast.For) -> None:
        """A loop over the dictionary's keys that raises is a check; one over literal names gives them a variable."""
        self._loop(node.target, node.iter)
        if self._mentions(node.iter) and any(isinstance(each, ast.Raise) for each in ast.walk(node)):
            self.is_checked = True
        self._expression(node.iter, is_certain=False)
        self.follow(node.body, is_certain=False)
        self.follow(node.orelse, is_certain=False)

    def _loop(self, target: ast.expr, source: ast.expr) -> None:
        literal = self._literal(source)
        first = target.elts[0] if isinstance(target, ast.Tuple) and target.elts else target
        if isinstance(first, ast.Name) and literal is not None:
            self.locals[first.id] = literal
        elif isinstance(first, ast.Name) and self._mentions(source):
            self.keys.add(first.id)

    def _expression(self, node: ast.AST, *, is_certain: bool) -> None:
        for each in ast.walk(node):
            if isinstance(each, ast.comprehension):
                self._loop(each.target, each.iter)
        for each in ast.walk(node):
            match each:
                case ast.Subscript(value=owner, slice=key, ctx=ast.Load()) if self._is(owner):
                    self.read |= self._keys(key)
                    self.needed |= self._keys(key) if is_certain else set()
                case ast.Call(func=ast.Attribute(value=owner, attr="pop"), args=[key, *default]) if self._is(owner):
                    self.taken |= self._keys(key)
                    self.needed |= self._keys(key) if is_certain and not default else set()
                case ast.Call(func=ast.Attribute(value=owner, attr="get" | "setdefault"), args=[key, *_]) if self._is(
                    owner
                ):
                    self.read |= self._keys(key)
                case ast.Compare(left=key, ops=[ast.In() | ast.NotIn()], comparators=[owner]) if self._is(owner):
                    self.read |= self._keys(key)
                case ast.Call():
                    self._call(each, is_alternative=self.is_returning or not is_certain)

    # Calls that the dictionary goes to

    def _call(self, node: ast.Call, *, is_alternative: bool) -> None:
        if any(keyword.arg is None and self._is(keyword.value) for keyword in node.keywords):
            target = self._target(node.func)
            if target is not None:
                self.targets.append((target.without(self._passed(node, target)), is_alternative))
            return
        if self.is_from_config and isinstance(node.func, ast.Name) and node.func.id == "cls":
            self.targets.append((ANYTHING, True))
            return
        index = next((index for index, each in enumerate(node.args) if self._is(each)), None)
        if index is not None:
            self._handed_over(node, index, is_alternative=is_alternative)

    def _passed(self, node: ast.Call, target: Signature) -> frozenset[str]:
        """The arguments that the call gives itself: to name one of them again is an error."""
        named = {keyword.arg for keyword in node.keywords if keyword.arg is not None}
        count = sum(not isinstance(each, ast.Starred) for each in node.args)
        if _is_unbound(node.func) and count:
            count -= 1
        return frozenset(named | set(target.positional[:count]))

    def _target(self, function: ast.expr) -> Signature | None:
        """The signature of what is called with ``**kwargs``."""
        match function:
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super")) as call, attr=name):
                return self._super(name, call)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name) if self.place is not None:
                place = self.reader.method(self.place.subject, name)
                return self.reader.at(place) if place is not None else ANYTHING
            case ast.Name(id="cls") if self.place is not None:
                return self.constructor
            case ast.Attribute(value=owner, attr="__init__"):
                value = self._value(owner)
                return self.reader.constructor(value) if isinstance(value, ClassValue) else None
        return self._signature_of(self._value(function))

    def _signature_of(self, value: Value) -> Signature | None:
        match value:
            case ClassValue():
                return self.reader.constructor(value)
            case FunctionValue():
                return self.reader.callable(value.node, value, None, skip_first=False)
            case External(path=path) if path.startswith("builtins."):
                return None
        return ANYTHING

    def _after(self, call: ast.Call) -> ClassValue | None:
        """The class that ``super()`` or ``super(Class, self)`` looks behind; not always the one it stands in."""
        named = self._value(call.args[0]) if call.args else None
        return named if isinstance(named, ClassValue) else self.place.cls if self.place is not None else None

    def _super(self, name: str, call: ast.Call) -> Signature | None:
        """The next method of that name; ``object`` takes nothing, an external base is not known."""
        after = self._after(call)
        if self.place is None or after is None:
            return ANYTHING
        place = self.reader.method(self.place.subject, name, after=after)
        if place is None:
            order = self.reader.package.mro(self.place.subject)
            rest = order[order.index(after) + 1 :] if after in order else ()
            external = [each for each in rest if isinstance(each, External) and each.path != "builtins.object"]
            return ANYTHING if external else NOTHING
        if name == "from_config":
            return self.reader.reader_of(place, self.constructor)
        return self.reader.at(place)

    def _handed_over(self, node: ast.Call, index: int, *, is_alternative: bool) -> None:
        """The dictionary itself is an argument: of a check, of ``from_config``, of a method that reads it."""
        name = last_name(node.func)
        if name == "validate_kwargs" and len(node.args) > 1:
            self._check(self._literal(node.args[1]) or frozenset())
            return
        if name == "from_config" and index == 0:
            target = self._from_config_target(node.func)
            if target is not None:
                self.targets.append((target, is_alternative))
            return
        if name == "deserialize_keras_object":
            return  # takes the dictionary apart as an object of its own; the keys stay
        found = self._function(node.func)
        if found is None or self.reader.depth > DEPTH_MAX:
            return
        inner, place, skip, owner = found
        names = [each.arg for each in inner.args.args][skip:]
        if index >= len(names):
            return
        self.reader.depth += 1
        flow = Flow(
            self.reader, inner, names[index], place, self.constructor, owner=owner, is_from_config=self.is_from_config
        )
        flow.locals.update(self._constants(node, names))
        flow.follow(inner.body)
        self.reader.depth -= 1
        self.read |= flow.read - flow.refused
        self.taken |= flow.taken - flow.refused
        self.refused |= flow.refused - flow.read - flow.taken
        self.dropped |= flow.dropped
        self.targets += [(each, inner_one or is_alternative) for each, inner_one in flow.targets]
        self.is_checked |= flow.is_checked
        self.allowed = flow.allowed if self.allowed is None else self.allowed

    def _constants(self, node: ast.Call, names: list[str]) -> dict[str, frozenset[str]]:
        """The parameters that a call gives as text: a function that is told which keys to take."""
        pairs = [*zip(names, node.args, strict=False), *((each.arg, each.value) for each in node.keywords)]
        given = {name: self._keys(each) for name, each in pairs if name is not None}
        return {name: frozenset(keys) for name, keys in given.items() if keys}

    def _from_config_target(self, function: ast.expr) -> Signature | None:
        match function:
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super")) as call):
                return self._super("from_config", call)
            case ast.Attribute(value=owner):
                value = self._value(owner)
                return self.reader.from_config(value) if isinstance(value, ClassValue) else None
        return None

    def _function(
        self, function: ast.expr
    ) -> tuple[ast.FunctionDef, Place | None, int, ClassValue | FunctionValue] | None:
        match function:
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name) if self.place is not None:
                place = self.reader.method(self.place.subject, name)
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super")) as call, attr=name) if self.place is not None:
                place = self.reader.method(self.place.subject, name, after=self._after(call))
            case _:
                value = self._value(function)
                if isinstance(value, FunctionValue) and isinstance(value.node, ast.FunctionDef):
                    first = value.node.args.args[:1]
                    return value.node, self.place if first and first[0].arg == "cls" else None, 0, value
                return None
        if place is None:
            return None
        static = any(last_name(each) == "staticmethod" for each in place.node.decorator_list)
        return place.node, place, 0 if static else 1, place.cls


def _is_unbound(function: ast.expr) -> bool:
    """``Base.__init__(self, ...)``, where the first argument is the object."""
    match function:
        case ast.Attribute(value=ast.Call(func=ast.Name(id="super"))):
            return False
        case ast.Attribute(value=ast.Name(id="self" | "cls")):
            return False
        case ast.Attribute(attr="__init__"):
            return True
    return False
