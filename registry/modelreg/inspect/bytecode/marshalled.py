"""Reads the structure of marshalled code objects of any Python, creating nothing but tuples, text and numbers.

``marshal.loads`` is never called: it trusts lengths (allocations of gigabytes), and a code object of another Python
kills the interpreter that runs it.  Invariants:

* Nothing is allocated on the data's word: a count is checked against the bytes that are left.
* Depth, number of objects and references are bounded; any input ends as a ``Parsed`` or a ``MarshalError``.

Source: CPython ``Python/marshal.c`` of 2.7, 3.3, 3.4, 3.8, 3.11 and 3.14 (``r_object`` and ``w_complex_object``); what
the fields of a code object must agree on: ``PyCode_New`` and ``_PyCode_Validate`` in ``Objects/codeobject.c``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from modelreg.inspect import limits
from modelreg.inspect.bytecode.values import Blob, Code, Frozen, Layout, Number, Other, Single, SliceValue, Text, Value


class MarshalError(ValueError):
    """The bytes are no marshalled code object of the given layout."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """The outermost code object and all of them, it included, in the order in which they end.

    ``lengths`` are the places (offset, size in bytes) of the lengths, counts and references that structure the data,
    and ``uses_slices`` says whether a constant is a slice, which marshal has had since 3.14.
    """

    code: Code
    all_codes: tuple[Code, ...]
    lengths: tuple[tuple[int, int], ...]
    uses_slices: bool


def parse_code(data: bytes, layout: Layout, lengths: list[tuple[int, int]] | None = None) -> Parsed:
    """Parse ``data`` as one code object of ``layout`` and nothing behind it; raises ``MarshalError``.

    ``lengths`` is filled with what ``Parsed.lengths`` tells, also where an error ends the parse.
    """
    if len(data) > limits.BYTECODE_SIZE_BYTES_MAX:
        raise MarshalError(f"{len(data):,} bytes long; at most {limits.BYTECODE_SIZE_BYTES_MAX:,} are read")
    reader = _Reader(data, layout, [] if lengths is None else lengths)
    code = reader.value(0)
    if not isinstance(code, Code):
        raise MarshalError("holds something else than a code object")
    if reader.offset != len(data):
        raise MarshalError(f"ends at byte {reader.offset:,} of {len(data):,}")
    return Parsed(code, tuple(reader.codes), tuple(reader.lengths), reader.uses_slices)


_INTEGERS = {Layout.PY2: 4, Layout.PY30: 5, Layout.PY38: 6, Layout.PY311: 5}
"""Number of 32-bit integers before the instructions; eight objects follow in every layout."""
_HIDDEN, _LOCAL, _CELL, _FREE = 0x10, 0x20, 0x40, 0x80
"""Bits of ``co_localspluskinds`` (``Include/internal/pycore_code.h``, 3.11); 0x10 since 3.12."""
_KINDS = _HIDDEN | _LOCAL | _CELL | _FREE | 0x0F
"""The low bits tell the kind of an argument since 3.14."""

_SINGLETONS = frozenset("NFTS.")
_TEXT_SIZE_FIELDS = {"u": 4, "t": 4, "a": 4, "A": 4, "z": 1, "Z": 1}
_RESERVED = None


class _Reader:
    """A cursor over the bytes; the references are those of the stream so far."""

    def __init__(self, data: bytes, layout: Layout, lengths: list[tuple[int, int]]) -> None:
        self.data = data
        self.layout = layout
        self.offset = 0
        self.objects = 0
        self.references: list[Value | None] = []
        self.codes: list[Code] = []
        self.lengths = lengths
        self.uses_slices = False

    def take(self, size: int) -> bytes:
        if size < 0 or size > len(self.data) - self.offset:
            raise MarshalError(f"byte {self.offset:,} announces {size:,} bytes, more than are left")
        piece = self.data[self.offset : self.offset + size]
        self.offset += size
        return piece

    def integer(self, size: int = 4) -> int:
        return int.from_bytes(self.take(size), "little", signed=size > 1)

    def length(self, size: int = 4) -> int:
        """An integer that tells where things end or which they are."""
        self.lengths.append((self.offset, size))
        return self.integer(size)

    def count(self, size: int = 4) -> int:
        """A number of objects to come; each takes a byte at least."""
        count = self.length(size)
        if not 0 <= count <= len(self.data) - self.offset:
            raise MarshalError(f"byte {self.offset:,} announces {count:,} objects, more than there are bytes left")
        return count

    def value(self, depth: int) -> Value:
        """The next object, ``depth`` containers down."""
        self.objects += 1
        if depth > limits.MARSHAL_DEPTH_MAX or self.objects > limits.MARSHAL_OBJECTS_MAX:
            raise MarshalError("nests too deep or holds too many objects")
        first = self.take(1)[0]
        kind, flagged = chr(first & 0x7F), first >= 0x80
        if flagged and self.layout is Layout.PY2:
            raise MarshalError("uses references, which Python 2 does not have")
        if kind in "rR":
            return self.reference(kind)
        slot = len(self.references)
        if flagged:
            self.references.append(_RESERVED)
        value = self.body(kind, depth)
        if flagged:
            self.references[slot] = value
        elif kind == "t" and self.layout is Layout.PY2:
            self.references.append(value)
        return value

    def reference(self, kind: str) -> Value:
        if (kind == "R") is not (self.layout is Layout.PY2):
            raise MarshalError(f"a reference of type {kind!r}, which this layout does not have")
        index = self.length()
        if not 0 <= index < len(self.references):
            raise MarshalError(f"reference {index:,} of {len(self.references):,}")
        value = self.references[index]
        if value is _RESERVED:
            raise MarshalError(f"reference {index:,} to an object that is not complete")
        return value

    def body(self, kind: str, depth: int) -> Value:
        if kind in _SINGLETONS:
            return Single(kind)
        if kind in _TEXT_SIZE_FIELDS:
            return self.text(kind)
        if kind == "s":
            size = self.length()
            return Blob(self.offset, self.take(size))
        if kind in "()[<>":
            return self.sequence(kind, depth)
        if kind == "c":
            return self.code(depth)
        if kind == "{":
            self.mapping(depth)
            return Other(kind)
        if kind == ":":
            self.uses_slices = True
            return SliceValue(tuple(self.value(depth + 1) for _ in range(3)))
        return self.number(kind)

    def number(self, kind: str) -> Value:
        """A number; ``None`` stands for a value too long to be kept."""
        start = self.offset
        value: complex | None
        match kind:
            case "i" | "I":
                value = self.integer(4 if kind == "i" else 8)
            case "l":
                value = self.long()
            case "g":
                value = struct.unpack("<d", self.take(8))[0]
            case "y":
                value = complex(*struct.unpack("<2d", self.take(16)))
            case "f":
                value = self.decimal()
            case "x":
                value = complex(self.decimal(), self.decimal())
            case _:
                raise MarshalError(f"type code {kind!r} at byte {self.offset - 1:,}")
        return Number(start, self.offset - start, kind, value)

    def long(self) -> int | None:
        """An integer as digits of fifteen bits, its sign that of their number."""
        count = self.length()
        digits = self.take(2 * abs(count))
        if abs(count) > limits.MARSHAL_LONG_DIGITS_MAX:
            return None
        value: int = sum(digit << (15 * index) for index, (digit,) in enumerate(struct.iter_unpack("<H", digits)))
        return -value if count < 0 else value

    def decimal(self) -> float:
        """A float as text, of marshal's versions 0 and 1."""
        text = self.take(self.length(1))
        try:
            return float(text)
        except ValueError:
            raise MarshalError(f"the number before byte {self.offset:,} is none") from None

    def text(self, kind: str) -> Value:
        size = self.length(_TEXT_SIZE_FIELDS[kind])
        start = self.offset
        piece = self.take(size)
        if self.layout is Layout.PY2 and kind == "t":
            return Blob(start, piece)
        try:
            value = piece.decode("utf-8" if kind in "ut" else "latin-1", "surrogatepass")
        except UnicodeDecodeError:
            raise MarshalError(f"text before byte {self.offset:,} is not UTF-8") from None
        return Text(start, value, size, kind in "ut")

    def sequence(self, kind: str, depth: int) -> Value:
        count = self.count(1 if kind == ")" else 4)
        items = tuple(self.value(depth + 1) for _ in range(count))
        if kind in "()":
            return items
        return Frozen(items) if kind == ">" else Other(kind)

    def mapping(self, depth: int) -> None:
        """Pairs up to a null."""
        while self.data[self.offset : self.offset + 1] != b"0":
            self.value(depth + 1)
            self.value(depth + 1)
        self.take(1)

    def code(self, depth: int) -> Code:
        counts = [self.length() for _ in range(_INTEGERS[self.layout])]
        if min(counts) < 0:
            raise MarshalError("a negative number of arguments, variables or flags")
        values = [self.value(depth + 1) for _ in range(8)]
        first_line = self.integer()
        tables = [self.value(depth + 1) for _ in range(2 if self.layout is Layout.PY311 else 1)]
        if first_line < 0:
            raise MarshalError(f"the first line number is {first_line}")
        code = self.checked(counts, values, tables)
        self.codes.append(code)
        return code

    def checked(self, counts: list[int], values: list[Value], tables: list[Value]) -> Code:
        """The code object out of its parts, if every part is of the right type and they agree."""
        argcount, *between, flags = counts
        posonly = between.pop(0) if self.layout in (Layout.PY38, Layout.PY311) else 0
        kwonly = 0 if self.layout is Layout.PY2 else between.pop(0)
        code, consts, names = values[:3]
        varnames, cellvars, freevars, localsplus = self.variables(values)
        name = values[6]
        if not isinstance(consts, tuple):
            raise MarshalError("the constants of a code object are not a tuple")
        if self.layout is Layout.PY311:
            self.string(values[7])
        elif between[0] != len(varnames):
            raise MarshalError(f"{between[0]:,} variables, of which {len(varnames):,} have names")
        parameters = argcount + kwonly + bool(flags & 0x04) + bool(flags & 0x08)
        if posonly > argcount or parameters > len(varnames):
            raise MarshalError(f"{parameters:,} parameters and {len(varnames):,} variables")
        return Code(
            layout=self.layout,
            argcount=argcount,
            posonly=posonly,
            kwonly=kwonly,
            stack_size=between[-1],
            flags=flags,
            code=_blob(code),
            consts=consts,
            names=self.strings(names),
            varnames=varnames,
            cellvars=cellvars,
            freevars=freevars,
            localsplus=localsplus,
            filename=self.string(values[5] if self.layout is Layout.PY311 else values[6]),
            name=self.string(name if self.layout is Layout.PY311 else values[7]),
            lines=_blob(tables[0]),
            exceptions=_blob(tables[1]) if self.layout is Layout.PY311 else None,
            has_old_text=isinstance(values[7], Text) and values[7].is_old,
        )

    def variables(self, values: list[Value]) -> tuple[tuple[str, ...], ...]:
        """Names of locals, of cells, of free variables, and of all of them as instructions since 3.11 count them."""
        if self.layout is not Layout.PY311:
            varnames, freevars, cellvars = (self.strings(value) for value in values[3:6])
            return varnames, cellvars, freevars, ()
        names, kinds = self.strings(values[3]), _blob(values[4]).data
        if len(names) != len(kinds):
            raise MarshalError(f"{len(names):,} variables with {len(kinds):,} kinds")
        if any(kind & ~_KINDS or not kind & (_LOCAL | _CELL | _FREE) for kind in kinds):
            raise MarshalError("a variable of no known kind")
        by_kind = (
            tuple(name for name, kind in zip(names, kinds, strict=True) if kind & bit) for bit in (_LOCAL, _CELL, _FREE)
        )
        return (*by_kind, names)

    def strings(self, value: Value) -> tuple[str, ...]:
        """A tuple of names."""
        if not isinstance(value, tuple):
            raise MarshalError("the names of a code object are not a tuple")
        return tuple(self.string(item) for item in value)

    def string(self, value: Value) -> str:
        """Text as the layout has it for names: bytes in Python 2, text since."""
        if self.layout is Layout.PY2 and isinstance(value, Blob):
            return value.data.decode("utf-8", "replace")
        if self.layout is not Layout.PY2 and isinstance(value, Text):
            return value.value
        raise MarshalError("a name of a code object is not text")


def _blob(value: Value) -> Blob:
    if not isinstance(value, Blob):
        raise MarshalError("the instructions or a table of a code object are not bytes")
    return value
