"""Frozen dataclasses to and from canonical JSON, both directions checked.

Invariants:

* The bytes are deterministic: sorted keys, compact, UTF-8, NFC strings, integers within 2**53, no floats.
  Restricted so, the output equals RFC 8785 (JCS) for ASCII keys, which is all our own documents use.
* The parser takes hostile bytes: size, depth and number of values are bounded, duplicate keys, floats,
  NaN and lone surrogates are refused, and every value is checked against the type of its field.
* A key that the reader does not know is ignored, so that a later writer of the same format version may add one;
  a key that it needs and does not find, or a value of another type, is a ``DocumentError`` that names the place.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
import types
import typing
import unicodedata
from collections.abc import Mapping
from typing import Any, TypeVar

from modelreg.errors import DocumentError

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]
Record = TypeVar("Record")

DOCUMENT_SIZE_BYTES_MAX = 64 * 1024 * 1024
"""A manifest with 4,096 chunk digests is about 300 KB; 64 MiB leaves room for a model of 50,000 layers."""
DEPTH_MAX = 64
"""Our own documents nest nine levels."""
VALUES_MAX = 4_000_000
_INTEGER_MAX = 2**53 - 1


def canonical_json(value: Json) -> bytes:
    """The one byte string that stands for ``value``; raises ``DocumentError`` for what has none (a float, say)."""
    text = json.dumps(_normal(value, "$"), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def _normal(value: Json, place: str) -> Json:
    match value:
        case None | bool():
            return value
        case int():
            if abs(value) > _INTEGER_MAX:
                raise DocumentError(f"{place}: the integer {value} is beyond 2**53 and would not survive other readers")
            return value
        case str():
            return _text(value, place)
        case list():
            return [_normal(item, f"{place}[{index}]") for index, item in enumerate(value)]
        case dict():
            normal = {_text(key, place): _normal(item, f"{place}.{key}") for key, item in value.items()}
            if len(normal) != len(value):
                raise DocumentError(f"{place}: two keys are the same text after Unicode normalisation")
            return normal
    raise DocumentError(f"{place}: {type(value).__name__} has no place in a canonical document")


def _text(value: str, place: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise DocumentError(f"{place}: {value!r} holds a lone surrogate and is not valid Unicode text") from None
    return unicodedata.normalize("NFC", value)


def parse_json(
    data: bytes, *, what: str, size_bytes_max: int = DOCUMENT_SIZE_BYTES_MAX, whole_floats: bool = False
) -> Json:
    """Parse hostile ``data`` within bounds; ``what`` names the document in errors.

    With ``whole_floats`` 3.0 is read as 3: protobuf's ``Struct``, through which some tools write, knows no integers.
    """
    if len(data) > size_bytes_max:
        raise DocumentError(f"{what} is {len(data):,} bytes long; at most {size_bytes_max:,} are read")
    try:
        _check_count(data)
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique_pairs,
            parse_float=_whole_float if whole_floats else _no_float,
            parse_int=_bounded_int,
            parse_constant=_no_float,
        )
        _check_value(value, may_have_surrogates=b"\\u" in data)
    except DocumentError as error:
        raise DocumentError(f"{what}: {error.message}") from None
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"{what} is not valid JSON: {error}") from None
    return typing.cast("Json", value)


def _check_value(value: Json, *, may_have_surrogates: bool) -> None:
    """Bound the depth, and refuse lone surrogates, which only an escape can bring in."""
    level: list[Json] = [value]
    for _ in range(DEPTH_MAX):
        texts = [item for item in level if isinstance(item, str)] if may_have_surrogates else []
        containers = [item for item in level if isinstance(item, dict | list)]
        if may_have_surrogates:
            texts += [key for item in containers if isinstance(item, dict) for key in item]
        for text in texts:
            _text(text, "$")
        level = [inner for item in containers for inner in (item.values() if isinstance(item, dict) else item)]
        if not level:
            return
    raise DocumentError(f"nested deeper than {DEPTH_MAX} levels")


def _check_count(data: bytes) -> None:
    """Bound the number of values before anything is built: each stands behind a comma or an opening bracket."""
    values = data.count(b",") + data.count(b"[") + data.count(b"{")
    if values > VALUES_MAX:
        raise DocumentError(f"holds more than {VALUES_MAX:,} values")


def _unique_pairs(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise DocumentError(f"the key {twice!r} stands twice in one object")
    return unique


def _no_float(text: str) -> Json:
    raise DocumentError(f"the number {text} is not an integer")


def _whole_float(text: str) -> Json:
    return _bounded_int(text.removesuffix(".0")) if text.endswith(".0") else _no_float(text)


def _bounded_int(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > _INTEGER_MAX:
        raise DocumentError(f"the integer {text[:24]} is beyond 2**53")
    return int(text)


def to_json(record: object) -> Json:
    """A dataclass (or enum, tuple, mapping of them) as plain JSON values; ``None`` fields are kept as null."""
    match record:
        case enum.Enum():
            return typing.cast(Json, record.value)
        case None | bool() | int() | str():
            return record
        case tuple() | list():
            return [to_json(item) for item in record]
        case Mapping():
            return {str(key): to_json(item) for key, item in record.items()}
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        values = ((field, getattr(record, field.name)) for field in _fields(type(record)))
        return {field.key: to_json(value) for field, value in values if not (field.sparse and value == field.default)}
    raise TypeError(f"{type(record).__name__} is no record")


def from_json(kind: type[Record], value: Json, *, what: str) -> Record:
    """Build ``kind`` from ``value``, checking every type; ``what`` names the document in errors."""
    try:
        return typing.cast(Record, _decode(kind, value, "$"))
    except DocumentError as error:
        raise DocumentError(f"{what}: {error.message}") from None


def json_key(key: str) -> dict[str, str]:
    """Field metadata: the JSON key where it cannot be a Python name (``class``, ``_type``)."""
    return {"key": key}


SPARSE: Mapping[str, bool] = types.MappingProxyType({"sparse": True})
"""Field metadata: the key is left out where the value is the default.

A field that a later release adds to a signed document must be so, or documents of the release before would not
survive being parsed and written again.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class _Field:
    name: str
    key: str
    kind: Any
    optional: bool
    sparse: bool
    default: object


@functools.cache
def _fields(kind: Any) -> tuple[_Field, ...]:
    hints = typing.get_type_hints(kind)
    return tuple(
        _Field(
            field.name,
            field.metadata.get("key", field.name),
            hints[field.name],
            field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING,
            field.metadata.get("sparse", False),
            field.default,
        )
        for field in dataclasses.fields(kind)
    )


def _decode(kind: Any, value: Json, place: str) -> object:
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(typing.get_args(kind), value, place)
    if origin is tuple:
        (item_kind, *_) = typing.get_args(kind)
        if not isinstance(value, list):
            raise _mismatch(place, "an array", value)
        return tuple(_decode(item_kind, item, f"{place}[{index}]") for index, item in enumerate(value))
    if origin is Mapping:
        _, item_kind = typing.get_args(kind)
        if not isinstance(value, dict):
            raise _mismatch(place, "an object", value)
        return {key: _decode(item_kind, item, f"{place}.{key}") for key, item in value.items()}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        try:
            return kind(value)
        except ValueError:
            raise _mismatch(place, "one of " + ", ".join(str(member.value) for member in kind), value) from None
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(typing.cast(type, kind), value, place)
    if kind is int and isinstance(value, bool):
        raise _mismatch(place, "an integer", value)
    if not isinstance(value, kind):
        raise _mismatch(place, {int: "an integer", str: "a string", bool: "true or false"}[kind], value)
    return value


def _decode_union(kinds: tuple[Any, ...], value: Json, place: str) -> object:
    if value is None and types.NoneType in kinds:
        return None
    (kind,) = (item for item in kinds if item is not types.NoneType)
    return _decode(kind, value, place)


def _decode_dataclass(kind: type, value: Json, place: str) -> object:
    if not isinstance(value, dict):
        raise _mismatch(place, "an object", value)
    arguments: dict[str, object] = {}
    for field in _fields(kind):
        if field.key in value:
            arguments[field.name] = _decode(field.kind, value[field.key], f"{place}.{field.key}")
        elif not field.optional:
            raise DocumentError(f"{place}: the key {field.key!r} is missing")
    try:
        return kind(**arguments)
    except ValueError as error:
        raise DocumentError(f"{place}: {error}") from None


def _mismatch(place: str, wanted: str, value: Json) -> DocumentError:
    shown = repr(value)
    return DocumentError(f"{place}: {shown if len(shown) < 80 else shown[:77] + '...'} stands where {wanted} belongs")
