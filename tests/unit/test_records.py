"""Records: every record type survives its own bytes, the bytes are canonical, and hostile bytes end as DocumentError."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import json
import sys
import types
import typing
import unicodedata
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.environment.document import Environment
from modelreg.errors import DocumentError
from modelreg.facts import Facts
from modelreg.findings import Finding
from modelreg.inspect.wire import Answer, Request
from modelreg.manifest import IndexEntry
from modelreg.records import VALUES_MAX, Json, canonical_json, from_json, json_key, parse_json, to_json

INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
TEXTS = st.text(max_size=20).map(lambda text: unicodedata.normalize("NFC", text))
JSON: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | INTEGERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
RECORDS = (Environment, Facts, Finding, IndexEntry, Request, Answer)


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a record's field, told by its type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([st.none() if item is types.NoneType else values_of(item) for item in arguments])
    if origin is tuple:
        return st.lists(values_of(arguments[0]), max_size=2).map(tuple)
    if origin is Mapping:
        return st.dictionaries(TEXTS, values_of(arguments[1]), max_size=2)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return st.builds(
            typing.cast(type, kind), **{field.name: values_of(hints[field.name]) for field in dataclasses.fields(kind)}
        )
    if issubclass(kind, enum.Enum):
        return st.sampled_from(list(kind))
    return {bool: st.booleans(), int: INTEGERS, str: TEXTS}[kind]


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """A record with every form of field that the decoder knows."""

    name: str
    class_name: str = dataclasses.field(metadata=json_key("class"))
    count: int = 0
    flag: bool = False
    note: str | None = None
    items: tuple[str, ...] = ()
    table: Mapping[str, int] = dataclasses.field(default_factory=dict)


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
@given(st.data())
def test_every_record_survives_its_own_bytes(kind: type, data: st.DataObject) -> None:
    """Claim: for every record type, from_json(parse(canonical(to_json(x)))) == x."""
    record = data.draw(values_of(kind))
    told = canonical_json(to_json(record))
    assert from_json(kind, parse_json(told, what="it"), what="it") == record
    assert canonical_json(to_json(from_json(kind, parse_json(told, what="it"), what="it"))) == told


@given(JSON)
def test_canonical_bytes_survive_parsing_unchanged(value: Json) -> None:
    """Claim: what is canonical stays byte for byte what it is when it is parsed and written again."""
    data = canonical_json(value)
    assert parse_json(data, what="it") == value
    assert canonical_json(parse_json(data, what="it")) == data


@given(st.dictionaries(TEXTS, JSON, min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_canonical_bytes_do_not_depend_on_key_order(value: dict[str, Json], random: Any) -> None:
    """Claim: the same object with its keys inserted in another order has the same bytes."""
    keys = list(value)
    random.shuffle(keys)
    assert canonical_json({key: value[key] for key in keys}) == canonical_json(value)


def test_canonical_bytes_are_compact_sorted_utf8() -> None:
    """Claim: no white space, keys sorted, text as UTF-8 and not escaped, in NFC."""
    assert canonical_json({"b": [1, True, None], "a": "e\u0301"}) == b'{"a":"\xc3\xa9","b":[1,true,null]}'


@pytest.mark.parametrize(
    "value",
    [1.5, float("nan"), 2**53, -(2**53), "\ud800", {"\udfff": 1}, {"\u00e9": 1, "e\u0301": 2}, b"", {"a": {1, 2}}],
    ids=["float", "nan", "too big", "too small", "surrogate", "surrogate key", "keys equal in NFC", "bytes", "set"],
)
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    """Claim: a value without one canonical form is a DocumentError, never some other exception or a lossy output."""
    with pytest.raises(DocumentError):
        canonical_json(value)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":2}',
        '{"a":{"b":1,"b":1}}',
        "1.0",
        "1e3",
        "NaN",
        "Infinity",
        "-Infinity",
        "9007199254740992",
        "1" * 5000,
        "",
        "{",
        "[1,]",
        '"\x01"',
        "\ufeff{}",
        "1 2",
    ],
)
def test_what_is_no_document_is_refused(text: str) -> None:
    """Claim: duplicate keys, floats, NaN, huge integers and broken JSON are each a DocumentError naming the document."""
    with pytest.raises(DocumentError, match="the letter"):
        parse_json(text.encode("utf-8"), what="the letter")


@pytest.mark.parametrize("text", ['"\\ud800"', '{"\\udc00":1}', '["a",{"b":"x\\ud83dy"}]'])
def test_a_lone_surrogate_is_refused_by_the_parser(text: str) -> None:
    """Claim: an escaped lone surrogate, which no UTF-8 text can hold, does not come out of the parser."""
    with pytest.raises(DocumentError):
        parse_json(text.encode(), what="it")


@pytest.mark.parametrize("depth", [50, 300, 900, 980, 1000, 3000, 100_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'], ids=["arrays", "objects"])
def test_deep_nesting_is_refused_by_the_parser_or_survives_everything(depth: int, opening: str) -> None:
    """Claim: at any depth, parsing, writing and a decoder's error about it end as DocumentError, never RecursionError."""
    try:
        value = parse_json((opening * depth + "0" + ("]" if opening == "[" else "}") * depth).encode(), what="it")
    except DocumentError:
        assert depth > 50
        return
    with pytest.raises(DocumentError):
        from_json(Kept, {"name": value, "class": "x"}, what="it")
    assert len(canonical_json(value)) == (len(opening) + 1) * depth + 1


def test_more_values_than_a_document_has_are_refused_before_they_are_built() -> None:
    """Claim: the number of values is bounded, so that 60 MB of '[' or ',' do not become gigabytes of objects."""
    with pytest.raises(DocumentError, match="values"):
        parse_json(b"[" + b"0," * VALUES_MAX + b"0]", what="it")


def test_more_bytes_than_allowed_are_refused() -> None:
    """Claim: the size bound is the caller's, exact to the byte."""
    assert parse_json(b'"abc"', what="it", size_bytes_max=5) == "abc"
    with pytest.raises(DocumentError, match="6 bytes"):
        parse_json(b'"abcd"', what="it", size_bytes_max=5)


@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:0123456789.eE+-truefalsn\\u dD8', max_size=40).map(str.encode))
def test_random_bytes_give_a_value_or_a_document_error(data: bytes) -> None:
    """Claim: no byte string makes the parser raise anything else, and what it gives can be written again."""
    try:
        value = parse_json(data, what="it")
    except DocumentError:
        return
    canonical_json(value)


@given(JSON)
def test_any_json_decodes_to_a_record_or_a_document_error(value: Json) -> None:
    """Claim: no well-formed JSON makes the decoder of a record raise anything but DocumentError."""
    for kind in (*RECORDS, Kept):
        with contextlib.suppress(DocumentError):
            from_json(kind, value, what="it")


@given(st.data())
def test_one_field_of_another_type_is_refused_by_its_place(data: st.DataObject) -> None:
    """Claim: a field that holds a value of another type is named in the error."""
    good: dict[str, Json] = {"name": "n", "class": "c", "count": 1, "flag": True, "note": "x", "items": [], "table": {}}
    wrong: dict[str, list[Json]] = {
        "name": [1, None, [], {}, True],
        "class": [0],
        "count": ["1", True, None],
        "flag": [1, "true", None],
        "note": [1, []],
        "items": ["a", [1], {"a": "b"}, None],
        "table": [[], {"a": "1"}, {"a": True}],
    }
    key = data.draw(st.sampled_from(sorted(wrong)))
    with pytest.raises(DocumentError, match=rf"\$\.{key}"):
        from_json(Kept, {**good, key: data.draw(st.sampled_from(wrong[key]))}, what="it")


def test_unknown_keys_are_ignored_and_missing_ones_named() -> None:
    """Claim: a later writer may add keys; a key that is needed and absent is named."""
    assert from_json(Kept, {"name": "n", "class": "c", "later": [{}]}, what="it") == Kept("n", "c")
    with pytest.raises(DocumentError, match="'class' is missing"):
        from_json(Kept, {"name": "n", "class_name": "c"}, what="it")


def test_a_long_value_is_shortened_in_the_error() -> None:
    """Claim: an error shows at most 80 characters of a hostile value."""
    with pytest.raises(DocumentError) as caught:
        from_json(Kept, {"name": ["x" * 10_000], "class": "c"}, what="it")
    assert len(caught.value.message) < 200


def test_what_is_no_record_is_a_programming_error() -> None:
    """Claim: to_json of a foreign object is a TypeError for the programmer, not a silent repr."""
    with pytest.raises(TypeError, match="object"):
        to_json(object())


def test_the_largest_integers_survive() -> None:
    """Claim: the whole range of 53-bit integers is kept, both signs."""
    for value in (2**53 - 1, -(2**53) + 1):
        assert parse_json(json.dumps(value).encode(), what="it") == value
        assert json.loads(canonical_json(value)) == value
    assert sys.maxsize > 2**53


def test_a_whole_number_may_be_written_with_a_point_where_that_is_asked_for() -> None:
    """Claim: 3.0 is 3, and nothing else with a point or an exponent is a number, nor one that is too large."""
    assert parse_json(b"[3.0, -0.0, 12]", what="x", whole_floats=True) == [3, 0, 12]
    for text in (b"3.0", b"1.5"):
        with pytest.raises(DocumentError, match="is not an integer"):
            parse_json(text, what="x")
    for text in (b"1.5", b"3.00", b"1e3", b"1.0e0", b"1E400", b"NaN"):
        with pytest.raises(DocumentError, match="is not an integer"):
            parse_json(text, what="x", whole_floats=True)
    with pytest.raises(DocumentError):
        parse_json(b"9007199254740993.0", what="x", whole_floats=True)
