"""Reads the structure of marshalled code objects of any Python, creating nothing but tuples, text and numbers.

``marshal.loads`` is never called: it trusts lengths (allocations of gigabytes), and a code object of another Python
kills the interpreter that runs it.  Invariants:

* Nothing is allocated on the data's word: a count is checked against the bytes that are left.
* Depth, number of objects and references are bounded; any input ends as a ``Code`` or a ``MarshalError``.

Source: CPython ``Python/marshal.c`` of 2.7, 3.3, 3.4, 3.8, 3.11 and 3.14 (``r_object`` and ``w_complex_object``).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TypeAlias

from modelreg.inspect import limits


class Layout(enum.Enum):
    """How the fields of a code object stand in the stream; Pythons of one layout can read each other's bytes."""

    PY2 = "2.x"
    PY30 = "3.0-3.7"
    PY38 = "3.8-3.10"
    PY311 = "3.11+"


class MarshalError(ValueError):
    """The bytes are no marshalled code object of the given layout."""


@dataclass(frozen=True, slots=True)
class Text:
    """A string; ``is_old`` marks type ``u`` and ``t``, the only ones that marshal had for text before Python 3.4."""

    value: str
    is_old: bool = False


@dataclass(frozen=True, slots=True)
class Other:
    """A value that only has to be there: a number, None, a set ..."""

    kind: str


Value: TypeAlias = "Text | bytes | Other | tuple[Value, ...] | Code"


@dataclass(frozen=True, slots=True)
class Code:
    """One code object; ``lines`` is its table of line numbers, ``names`` its globals and attributes."""

    layout: Layout
    code: bytes
    consts: tuple[Value, ...]
    names: tuple[str, ...]
    filename: str
    name: str
    lines: bytes
    has_old_text: bool


@dataclass(frozen=True, slots=True)
class Parsed:
    """The outermost code object and all of them, it included, in the order in which they end."""

    code: Code
    all_codes: tuple[Code, ...]


def parse_code(data: bytes, layout: Layout) -> Parsed:
    """Parse ``data`` as one code object of ``layout`` and nothing behind it; raises ``MarshalError``."""
    if len(data) > limits.BYTECODE_SIZE_BYTES_MAX:
        raise MarshalError(f"{len(data):,} bytes long; at most {limits.BYTECODE_SIZE_BYTES_MAX:,} are read")
    reader = _Reader(data, layout)
    code = reader.value(0)
    if not isinstance(code, Code):
        raise MarshalError("holds something else than a code object")
    if reader.offset != len(data):
        raise MarshalError(f"ends at byte {reader.offset:,} of {len(data):,}")
    return Parsed(code, tuple(reader.codes))


_FIELDS = {
    Layout.PY2: (4, 8),
    Layout.PY30: (5, 8),
    Layout.PY38: (6, 8),
    Layout.PY311: (5, 8),
}
"""Number of 32-bit integers, then of objects before the first line number."""

_SINGLETONS = frozenset("NFTS.")
_FIXED_SIZES = {"i": 4, "I": 8, "g": 8, "y": 16}
_TEXT_SIZE_FIELDS = {"u": 4, "t": 4, "a": 4, "A": 4, "z": 1, "Z": 1}
_RESERVED = None


class _Reader:
    """A cursor over the bytes; the references are those of the stream so far."""

    def __init__(self, data: bytes, layout: Layout) -> None:
        self.data = data
        self.layout = layout
        self.offset = 0
        self.objects = 0
        self.references: list[Value | None] = []
        self.codes: list[Code] = []

    def take(self, size: int) -> bytes:
        if size < 0 or size > len(self.data) - self.offset:
            raise MarshalError(f"byte {self.offset:,} announces {size:,} bytes, more than are left")
        piece = self.data[self.offset : self.offset + size]
        self.offset += size
        return piece

    def integer(self, size: int = 4) -> int:
        return int.from_bytes(self.take(size), "little", signed=size > 1)

    def count(self, size: int = 4) -> int:
        """A number of objects to come; each takes a byte at least."""
        count = self.integer(size)
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
        index = self.integer()
        if not 0 <= index < len(self.references):
            raise MarshalError(f"reference {index:,} of {len(self.references):,}")
        value = self.references[index]
        if value is _RESERVED:
            raise MarshalError(f"reference {index:,} to an object that is not complete")
        return value

    def body(self, kind: str, depth: int) -> Value:
        if kind in _SINGLETONS:
            return Other(kind)
        if kind in _TEXT_SIZE_FIELDS:
            return self.text(kind)
        if kind == "s":
            return self.take(self.integer())
        if kind in _FIXED_SIZES:
            self.take(_FIXED_SIZES[kind])
            return Other(kind)
        if kind in "()[<>":
            return self.sequence(kind, depth)
        if kind == "c":
            return self.code(depth)
        self.skip(kind, depth)
        return Other(kind)

    def skip(self, kind: str, depth: int) -> None:
        """Pass over a value that is not kept."""
        match kind:
            case "l":
                self.take(2 * abs(self.integer()))
            case "f":
                self.take(self.integer(1))
            case "x":
                self.take(self.integer(1))
                self.take(self.integer(1))
            case "{":
                self.mapping(depth)
            case ":":
                for _ in range(3):
                    self.value(depth + 1)
            case _:
                raise MarshalError(f"type code {kind!r} at byte {self.offset - 1:,}")

    def text(self, kind: str) -> Value:
        piece = self.take(self.integer(_TEXT_SIZE_FIELDS[kind]))
        if self.layout is Layout.PY2 and kind == "t":
            return piece
        try:
            return Text(piece.decode("utf-8" if kind in "ut" else "latin-1", "surrogatepass"), kind in "ut")
        except UnicodeDecodeError:
            raise MarshalError(f"text before byte {self.offset:,} is not UTF-8") from None

    def sequence(self, kind: str, depth: int) -> Value:
        count = self.count(1 if kind == ")" else 4)
        items = tuple(self.value(depth + 1) for _ in range(count))
        return items if kind in "()" else Other(kind)

    def mapping(self, depth: int) -> None:
        """Pairs up to a null."""
        while self.data[self.offset : self.offset + 1] != b"0":
            self.value(depth + 1)
            self.value(depth + 1)
        self.take(1)

    def code(self, depth: int) -> Code:
        integers, objects = _FIELDS[self.layout]
        counts = [self.integer() for _ in range(integers)]
        if min(counts) < 0:
            raise MarshalError("a negative number of arguments, variables or flags")
        values = [self.value(depth + 1) for _ in range(objects)]
        first_line = self.integer()
        tables = [self.value(depth + 1) for _ in range(2 if self.layout is Layout.PY311 else 1)]
        if first_line < 0:
            raise MarshalError(f"the first line number is {first_line}")
        code = self.checked(values, tables)
        self.codes.append(code)
        return code

    def checked(self, values: list[Value], tables: list[Value]) -> Code:
        """The code object out of its parts, if every part is of the right type."""
        code, consts, names = values[:3]
        if self.layout is Layout.PY311:
            variables, kinds, filename, name, qualname = values[3:]
            for blob in (kinds, tables[1]):
                _blob(blob)
            self.string(qualname)
            self.strings(variables)
        else:
            *variable_tuples, filename, name = values[3:]
            for variables in variable_tuples:
                self.strings(variables)
        if not isinstance(consts, tuple):
            raise MarshalError("the constants of a code object are not a tuple")
        return Code(
            self.layout,
            _blob(code),
            consts,
            self.strings(names),
            self.string(filename),
            self.string(name),
            _blob(tables[0]),
            has_old_text=isinstance(name, Text) and name.is_old,
        )

    def strings(self, value: Value) -> tuple[str, ...]:
        """A tuple of names."""
        if not isinstance(value, tuple):
            raise MarshalError("the names of a code object are not a tuple")
        return tuple(self.string(item) for item in value)

    def string(self, value: Value) -> str:
        """Text as the layout has it for names: bytes in Python 2, text since."""
        if self.layout is Layout.PY2 and isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        if self.layout is not Layout.PY2 and isinstance(value, Text):
            return value.value
        raise MarshalError("a name of a code object is not text")


def _blob(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise MarshalError("the instructions or a table of a code object are not bytes")
    return value
