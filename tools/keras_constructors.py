"""Tells which configuration keys a class takes: its constructor's arguments, through ``**kwargs`` and ``from_config``.

Works on the syntax tree alone.  A *flow* follows one dictionary (a constructor's ``**kwargs``, or ``from_config``'s
``config``) through a function: the keys that are read from it, the keys that are refused, the calls that it is
forwarded to, and whether anything rejects what is left over.  A class whose left-over keys nobody rejects is ``open``.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from keras_symbols import Choice, ClassValue, Evaluator, External, Frame, FunctionValue, Package, Unknown, Value

DEPTH_MAX = 12


@dataclass(frozen=True, slots=True)
class Signature:
    """The configuration keys that something takes.

    ``defaults`` holds the literal ones as JSON text; ``is_open`` says that keys beyond ``arguments`` do not fail;
    ``drops`` are keys that ``from_config`` takes out and does nothing with.
    """

    arguments: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    defaults: Mapping[str, str] = field(default_factory=dict)
    is_open: bool = False
    drops: frozenset[str] = frozenset()
    positional: tuple[str, ...] = ()

    def without(self, names: frozenset[str]) -> Signature:
        return replace(
            self,
            arguments=self.arguments - names,
            required=self.required - names,
            defaults={name: text for name, text in self.defaults.items() if name not in names},
        )


NOTHING = Signature()
ANYTHING = Signature(is_open=True)


def function_signature(package: Package, function: FunctionValue) -> Signature:
    """What calling a function takes by keyword, as a configuration names it."""
    return Reader(package).callable(function.node, function, None, skip_first=False)


def class_signature(package: Package, value: ClassValue) -> Signature:
    """The configuration keys that ``value.from_config`` takes."""
    return Reader(package).from_config(value)


@dataclass(frozen=True, slots=True)
class Place:
    """A method as found: its class, and the class whose resolution order it was found in."""

    cls: ClassValue
    subject: ClassValue
    node: ast.FunctionDef


class Reader:
    """Reads signatures of one package's classes and functions."""

    def __init__(self, package: Package) -> None:
        self.package = package
        self.depth = 0

    def constructor(self, value: ClassValue) -> Signature:
        """``cls(**config)``."""
        place = self._method(value, "__init__")
        if place is None:
            return NOTHING
        return self._at(place)

    def from_config(self, value: ClassValue) -> Signature:
        place = self._method(value, "from_config")
        constructor = self.constructor(value)
        if place is None:
            return constructor
        return self._reader_of(place, constructor)

    def _reader_of(self, place: Place, constructor: Signature) -> Signature:
        names = [each.arg for each in place.node.args.args]
        if len(names) < 2:
            return replace(constructor, is_open=True)
        flow = Flow(self, place.node, names[1], place, constructor, is_from_config=True)
        flow.follow(place.node.body)
        return flow.signature(flow.forwarded())

    def _method(self, value: ClassValue, name: str, after: ClassValue | None = None) -> Place | None:
        order = self.package.mro(value)
        start = order.index(after) + 1 if after is not None and after in order else 0
        for each in order[start:]:
            if isinstance(each, ClassValue):
                for node in each.node.body:
                    if isinstance(node, ast.FunctionDef) and node.name == name:
                        return Place(each, value, node)
        return None

    def _at(self, place: Place) -> Signature:
        return self.callable(place.node, place.cls, place, skip_first=True)

    def callable(
        self, node: ast.FunctionDef | ast.Lambda, owner: ClassValue | FunctionValue, place: Place | None, *, skip_first: bool
    ) -> Signature:
        """The keywords of a function: its parameters, and what its ``**kwargs`` takes."""
        if self.depth > DEPTH_MAX:
            return ANYTHING
        own = _parameters(node, skip_first=skip_first)
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
        """Keras 2.2 and 2.3: ``@interfaces.legacy_dense_support`` renames Keras 1's arguments (legacy/interfaces.py)."""
        names: set[str] = set()
        for decorator in node.decorator_list:
            value = Evaluator(owner.frame).value(decorator)
            if not isinstance(value, FunctionValue):
                continue
            conversions = value.frame.names.get("conversions")
            names.update(old for old, _ in conversions if isinstance(old, str)) if isinstance(conversions, list) else None
            preprocessor = self.package.resolve(value.frame.names.get("preprocessor"))
            if isinstance(preprocessor, FunctionValue) and isinstance(preprocessor.node, ast.FunctionDef):
                flow = Flow(self, preprocessor.node, "kwargs", None, NOTHING, owner=preprocessor)
                flow.follow(preprocessor.node.body)
                names |= flow.read
        return replace(own, arguments=own.arguments | names)


def _parameters(node: ast.FunctionDef | ast.Lambda, *, skip_first: bool) -> Signature:
    spec = node.args
    plain = [each.arg for each in (*spec.posonlyargs, *spec.args)]
    names = plain[1:] if skip_first else plain
    given = dict(zip(plain[len(plain) - len(spec.defaults) :], spec.defaults, strict=True))
    given |= {each.arg: text for each, text in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if text is not None}
    everything = [*names, *(each.arg for each in spec.kwonlyargs)]
    return Signature(
        arguments=frozenset(everything),
        required=frozenset(name for name in everything if name not in given),
        defaults={name: text for name in everything if name in given and (text := _json(given[name])) is not None},
        positional=tuple(names),
    )


def _json(node: ast.expr) -> str | None:
    """A literal default as JSON; ``None`` for anything else (a tuple reads as a list, as in a configuration)."""
    try:
        return json.dumps(ast.literal_eval(node), separators=(",", ":"), allow_nan=False)
    except (ValueError, TypeError):
        return None


class Flow:
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
        self.reader = reader
        self.node = node
        self.names = {name}
        self.place = place
        self.constructor = constructor
        self.is_from_config = is_from_config
        self.owner = owner if owner is not None else place.cls if place is not None else None
        self.read: set[str] = set()
        self.needed: set[str] = set()
        self.dropped: set[str] = set()
        self.refused: set[str] = set()
        self.assigned: set[str] = set()
        self.targets: list[Signature] = []
        self.is_checked = False
        self.locals: dict[str, frozenset[str]] = {}
        self.keys: set[str] = set()
        self.frame = self._inner_frame()

    def _inner_frame(self) -> Frame | None:
        """Where the function's own imports go."""
        if self.owner is None:
            return None
        outer = self.owner.frame
        return Frame(self.reader.package, self.owner.module, {}, outer, outer.depth)

    # What it comes to

    def forwarded(self) -> Signature:
        """What the calls that the dictionary goes to take together."""
        result = self.targets[0] if self.targets else NOTHING
        for each in self.targets[1:]:
            result = replace(_union(result, each), required=result.required & each.required)
        return result

    def signature(self, own: Signature) -> Signature:
        result = _union(own, self.forwarded())
        if not self.targets and not self.is_checked:
            result = replace(result, is_open=True)
        arguments = (result.arguments | self.read) - (self.refused - own.arguments)
        required = (result.required | self.needed) - self.assigned
        return replace(
            result,
            arguments=arguments,
            required=required & arguments,
            drops=result.drops | (self.dropped - self.refused),
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
                self.follow(node.body, is_certain=False)
                for handler in node.handlers:
                    self.follow(handler.body, is_certain=False)
                self.follow([*node.orelse, *node.finalbody], is_certain=False)
            case ast.With():
                self.follow(node.body, is_certain=is_certain)
            case ast.Assign() | ast.AnnAssign() if node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                self._assign(targets, node.value, is_certain=is_certain)
            case ast.Delete():
                for target in node.targets:
                    self.dropped |= self._subscripted(target)
                    self.read |= self._subscripted(target)
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr="pop"), args=[key, *_])) if self._is(owner):
                self.dropped |= self._keys(key)
                self.read |= self._keys(key)
            case ast.Import() | ast.ImportFrom():
                if self.frame is not None:
                    Evaluator(self.frame).block([node])
            case ast.FunctionDef() | ast.ClassDef():
                return
            case _:
                for child in ast.iter_child_nodes(node):
                    self._expression(child, is_certain=is_certain)

    def _assign(self, targets: list[ast.expr], value: ast.expr, *, is_certain: bool) -> None:
        for target in targets:
            if isinstance(target, ast.Name):
                if self._is_copy(value):
                    self.names.add(target.id)
                elif target.id in self.names and not self._mentions(value):
                    self.names.discard(target.id) if target.id != next(iter(self.names)) else None
                literal = self._literal(value)
                if literal is not None:
                    self.locals[target.id] = literal
                elif self._is_leftover(value):
                    self.locals[target.id] = frozenset()
                if target.id == "_" and isinstance(value, ast.Call):
                    self.dropped |= self._popped(value)
            elif isinstance(target, ast.Subscript) and self._is(target.value):
                keys = self._keys(target.slice)
                self.assigned |= keys if is_certain else set()
        self._expression(value, is_certain=is_certain)

    def _if(self, node: ast.If) -> None:
        refuses = bool(node.body) and isinstance(node.body[-1], ast.Raise)
        present = self._tested(node.test)
        if refuses and present:
            self.refused |= present
        elif refuses and (self._asks_for_more(node.test) or self._mentions_leftover(node.test)):
            self.is_checked = True
        allowed = self._compared(node.test, ast.NotIn)
        if refuses and allowed is not None:
            self.read |= allowed
            self.is_checked = True
        denied = self._compared(node.test, ast.In)
        if refuses and denied is not None and not present:
            self.refused |= denied
        self._expression(node.test, is_certain=False)
        self.follow(node.body, is_certain=False)
        self.follow(node.orelse, is_certain=False)

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
        if isinstance(target, ast.Name) and literal is not None:
            self.locals[target.id] = literal
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
                case ast.Call(func=ast.Attribute(value=owner, attr="pop"), args=[key]) if self._is(owner):
                    self.read |= self._keys(key)
                    self.needed |= self._keys(key) if is_certain else set()
                case ast.Call(func=ast.Attribute(value=owner, attr="get" | "pop" | "setdefault"), args=[key, *_]) if self._is(
                    owner
                ):
                    self.read |= self._keys(key)
                case ast.Compare(left=key, ops=[ast.In() | ast.NotIn()], comparators=[owner]) if self._is(owner):
                    self.read |= self._keys(key)
                case ast.Call():
                    self._call(each)

    # Calls that the dictionary goes to

    def _call(self, node: ast.Call) -> None:
        if any(keyword.arg is None and self._is(keyword.value) for keyword in node.keywords):
            target = self._target(node.func)
            if target is not None:
                self.targets.append(target.without(self._passed(node, target)))
            return
        if self.is_from_config and isinstance(node.func, ast.Name) and node.func.id == "cls":
            self.targets.append(ANYTHING)
            return
        index = next((index for index, each in enumerate(node.args) if self._is(each)), None)
        if index is not None:
            self._handed_over(node, index)

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
                place = self.reader._method(self.place.subject, name)
                return self.reader._at(place) if place is not None else ANYTHING
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
        place = self.reader._method(self.place.subject, name, after=after)
        if place is None:
            order = self.reader.package.mro(self.place.subject)
            rest = order[order.index(after) + 1 :] if after in order else ()
            external = [each for each in rest if isinstance(each, External) and each.path != "builtins.object"]
            return ANYTHING if external else NOTHING
        if name == "from_config":
            return self.reader._reader_of(place, self.constructor)
        return self.reader._at(place)

    def _handed_over(self, node: ast.Call, index: int) -> None:
        """The dictionary itself is an argument: of a check, of ``from_config``, of a method that reads it."""
        name = _last(node.func)
        if name == "validate_kwargs" and len(node.args) > 1:
            self.read |= self._literal(node.args[1]) or frozenset()
            self.is_checked = True
            return
        if name == "from_config" and index == 0:
            target = self._from_config_target(node.func)
            if target is not None:
                self.targets.append(target)
            return
        found = self._function(node.func)
        if found is None or self.reader.depth > DEPTH_MAX:
            return
        inner, place, skip, owner = found
        names = [each.arg for each in inner.args.args][skip:]
        if index >= len(names):
            return
        self.reader.depth += 1
        flow = Flow(self.reader, inner, names[index], place, self.constructor, owner=owner, is_from_config=self.is_from_config)
        flow.locals.update(self._constants(node, names))
        flow.follow(inner.body)
        self.reader.depth -= 1
        self.read |= flow.read - flow.refused
        self.refused |= flow.refused - flow.read
        self.dropped |= flow.dropped
        self.targets += flow.targets
        self.is_checked |= flow.is_checked

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

    def _function(self, function: ast.expr) -> tuple[ast.FunctionDef, Place | None, int, ClassValue | FunctionValue] | None:
        match function:
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name) if self.place is not None:
                place = self.reader._method(self.place.subject, name)
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super")) as call, attr=name) if self.place is not None:
                place = self.reader._method(self.place.subject, name, after=self._after(call))
            case _:
                value = self._value(function)
                if isinstance(value, FunctionValue) and isinstance(value.node, ast.FunctionDef):
                    first = value.node.args.args[:1]
                    return value.node, self.place if first and first[0].arg == "cls" else None, 0, value
                return None
        if place is None:
            return None
        static = any(_last(each) == "staticmethod" for each in place.node.decorator_list)
        return place.node, place, 0 if static else 1, place.cls

    # Small questions about the tree

    def _value(self, node: ast.expr) -> Value:
        if self.frame is None:
            return Unknown()
        value = Evaluator(self.frame).value(node)
        if isinstance(value, Choice):
            return next((each for each in value.values if isinstance(each, (ClassValue, FunctionValue))), value)
        return value

    def _is(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and node.id in self.names

    def _is_copy(self, node: ast.expr) -> bool:
        match node:
            case ast.Name():
                return self._is(node)
            case ast.Call(func=ast.Attribute(value=owner, attr="copy"), args=[]):
                return self._is(owner)
            case ast.Call(func=function, args=[inner, *_]) if _last(function) in ("dict", "copy", "deepcopy"):
                return self._is(inner)
            case ast.DictComp(generators=[ast.comprehension(iter=source)]):
                return self._mentions(source)
        return False

    def _mentions(self, node: ast.AST) -> bool:
        return any(self._is(each) for each in ast.walk(node))

    def _asks_for_more(self, test: ast.expr) -> bool:
        """``if kwargs:``, ``if len(kwargs) > 0:``, ``if set(kwargs) - allowed:``."""
        match test:
            case ast.Name():
                return self._is(test)
            case ast.Call(func=ast.Name(id="len"), args=[inner]):
                return self._is(inner)
            case ast.Compare(left=left):
                return isinstance(left, ast.Call) and self._asks_for_more(left)
            case ast.BinOp(op=ast.Sub(), left=left):
                return self._mentions(left)
            case ast.BoolOp(values=values):
                return any(self._asks_for_more(each) for each in values)
        return False

    def _is_leftover(self, node: ast.expr) -> bool:
        return self._mentions(node) and isinstance(node, (ast.BinOp, ast.ListComp, ast.SetComp, ast.Call))

    def _mentions_leftover(self, node: ast.AST) -> bool:
        return any(isinstance(each, ast.Name) and self.locals.get(each.id) == frozenset() for each in ast.walk(node))

    def _keys(self, node: ast.expr) -> set[str]:
        match node:
            case ast.Constant(value=str(key)):
                return {key}
            case ast.Name(id=name) if name in self.locals:
                return set(self.locals[name])
        return set()

    def _subscripted(self, node: ast.expr) -> set[str]:
        return self._keys(node.slice) if isinstance(node, ast.Subscript) and self._is(node.value) else set()

    def _popped(self, node: ast.Call) -> set[str]:
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr="pop"), args=[key, *_]) if self._is(owner):
                return self._keys(key)
        return set()

    def _tested(self, test: ast.expr) -> set[str]:
        """The keys of ``"key" in kwargs`` and of a ``kwargs.get("key")`` that is the whole condition's first part."""
        match test:
            case ast.Compare(left=key, ops=[ast.In()], comparators=[owner]) if self._is(owner):
                return self._keys(key)
            case ast.BoolOp(values=[first, *_]) if isinstance(test.op, ast.Or):
                return self._tested(first)
        return set()

    def _compared(self, test: ast.expr, kind: type[ast.cmpop]) -> frozenset[str] | None:
        """The literal names of ``each not in {"a", "b"}``, where ``each`` runs over the dictionary's keys."""
        match test:
            case ast.Compare(left=ast.Name(id=name), ops=[operator], comparators=[names]) if isinstance(operator, kind):
                return self._literal(names) if name in self.keys else None
        return None

    def _literal(self, node: ast.expr) -> frozenset[str] | None:
        """The strings of a literal collection, given in place, by a local name or by a name of the module."""
        if isinstance(node, (ast.Set, ast.Tuple, ast.List)):
            values = [each.value for each in node.elts if isinstance(each, ast.Constant)]
            texts = frozenset(each for each in values if isinstance(each, str))
            return texts if len(values) == len(node.elts) else None
        if isinstance(node, ast.Name) and node.id in self.locals:
            return self.locals[node.id] or None
        if isinstance(node, (ast.Name, ast.Attribute)) and self.owner is not None and not self._mentions(node):
            return self._known(node)
        if isinstance(node, ast.Call) and _last(node.func) in ("set", "frozenset", "tuple", "list") and node.args:
            return self._literal(node.args[0])
        return None

    def _known(self, node: ast.Name | ast.Attribute) -> frozenset[str] | None:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
            return self._class_literal(node.attr)
        value = self._value(node)
        if isinstance(value, (list, tuple)) and value and all(isinstance(each, str) for each in value):
            return frozenset(value)
        return None

    def _class_literal(self, name: str) -> frozenset[str] | None:
        if self.place is None:
            return None
        for each in self.reader.package.mro(self.place.subject):
            for node in each.node.body if isinstance(each, ClassValue) else ():
                if isinstance(node, ast.Assign) and any(_last(target) == name for target in node.targets):
                    return self._literal(node.value)
        return None


def _union(left: Signature, right: Signature) -> Signature:
    return Signature(
        arguments=left.arguments | right.arguments,
        required=left.required | right.required,
        defaults={**right.defaults, **left.defaults},
        is_open=left.is_open or right.is_open,
        drops=left.drops | right.drops,
        positional=left.positional or right.positional,
    )


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


def _last(node: ast.AST) -> str | None:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return None
