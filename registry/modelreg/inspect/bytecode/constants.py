"""Writes constants as Python source."""

from __future__ import annotations

import math

from modelreg.inspect import limits
from modelreg.inspect.bytecode.opcodes import Table
from modelreg.inspect.bytecode.symbolic import Unsupported
from modelreg.inspect.bytecode.values import Blob, Number, Single, Text, Value, is_larger

_SINGLES = {"N": "None", "T": "True", "F": "False", ".": "..."}


def constant_text(value: Value, table: Table) -> str:
    """A constant as source of the table's version; raises ``Unsupported`` for one that has no literal."""
    if is_larger(value, limits.LIFTED_CONSTANT_VALUES_MAX):
        raise Unsupported("a large constant")
    return _text_of(value, table)


def _text_of(value: Value, table: Table) -> str:
    match value:
        case Single(kind) if kind in _SINGLES:
            return _SINGLES[kind]
        case Number(value=number) if number is not None:
            return _number(number)
        case Text(value=text):
            return f"u{text!a}" if table.version < (3, 0) else _text(text)
        case Blob(data=data):
            return _old_text(data) if table.version < (3, 0) else repr(data)
        case tuple():
            items = [_text_of(item, table) for item in value]
            return f"({', '.join(items)}{',' * (len(items) == 1)})"
    raise Unsupported("a constant that has no literal")


def text_literal(text: str, quote: str) -> str:
    """``text`` as it stands within ``quote`` characters."""
    return "".join(
        f"\\{character}"
        if character in (quote, "\\")
        else character
        if character.isprintable()
        else ascii(character)[1:-1]
        for character in text
    )


def _number(number: complex) -> str:
    if not isinstance(number, (int, float)):
        if number.real:
            raise Unsupported("a complex number of two parts")
        return repr(number)
    if isinstance(number, float) and math.isnan(number):
        raise Unsupported("not a number")
    if isinstance(number, float) and math.isinf(number):
        return "1e999" if number > 0 else "-1e999"
    return repr(number)


def _text(text: str) -> str:
    return repr(text) if text.isprintable() or text.isascii() else ascii(text)


def _old_text(data: bytes) -> str:
    try:
        return repr(data.decode("ascii"))
    except UnicodeDecodeError:
        raise Unsupported("text of Python 2 that is not ASCII") from None
