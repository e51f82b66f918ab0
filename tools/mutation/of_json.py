"""Mutations of configurations, wherever a container keeps them: values, types, nesting, grammar, stored bytecode."""

from __future__ import annotations

import base64
import binascii
import io
import json
import random
import zipfile
from collections.abc import Iterator
from typing import Any

import h5py

from modelreg.inspect.protobuf import Budget, fields
from mutation.of_bytes import BYTE_MUTATIONS, flip_bits, put_number

_CLASSES = (
    "Lambda",
    "__lambda__",
    "function",
    "__tuple__",
    "__slice__",
    "__keras_tensor__",
    "TFOpLambda",
    "Sequential",
    "Functional",
    "Bidirectional",
    "StringLookup",
    "Mine",
)
_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1e308, 10**40, 2**53, -(2**63), "", "\ud800", "\0", "\u202e\x1b[2J", "x" * 5000, "../../a"),
    *([], {}, [[]], [None], [0, "a", None], {"": None}, {"class_name": 1, "config": []}),
)
_RAW = "\x01raw\x01"
_GRAMMAR = (
    "NaN", "-Infinity", "1e999", "-0.0", "9" * 4000, "9" * 10_000, r'"\ud800"', r'"\udfff\ud83d"', r'"\u0000"',
    '{"a":1,"a":2}', '{"class_name":"Dense","class_name":"Lambda","config":{}}', "[" * 900 + "]" * 900,
    "[" * 100_000 + "]" * 100_000, '{"config":' * 3_000 + "1" + "}" * 3_000, "[" + "0," * 20_000 + "0]",
    "[" + '{"class_name":"Dense","config":{"name":"d"}},' * 5_000 + "{}]", "tru", "'a'", "/**/1", "\ufeff1",
)  # fmt: skip
"""Texts put in the place of a value: what JSON allows and Python's reader takes otherwise, and what it does not."""


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container and key in a document."""
    stack = [value]
    while stack:
        item = stack.pop()
        keys = list(item) if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else ()
        for key in keys:
            yield item, key
            stack.append(item[key])


def edit_json(text: bytes, rng: random.Random) -> bytes:
    """One to three values replaced, removed, moved, nested, or given another type; sometimes no JSON any more."""
    value = json.loads(text)
    raw: list[str] = []
    for _ in range(rng.randrange(1, 4)):
        places = list(_places(value))
        if not places:
            break
        _edit(*rng.choice(places), places, rng, raw)
    document = json.dumps(value)
    for grammar in raw:
        document = document.replace(json.dumps(_RAW), grammar, 1)
    result = document.encode("utf-8", "surrogatepass")
    return flip_bits(result, rng, b"") if rng.randrange(8) == 0 else result


def _edit(holder: Any, key: Any, places: list[tuple[Any, Any]], rng: random.Random, raw: list[str]) -> None:
    choice = rng.randrange(8)
    if choice == 0 and isinstance(holder, dict):
        del holder[key]
    elif choice == 1:
        holder[key] = rng.choice(_VALUES)
    elif choice == 2:
        other, other_key = rng.choice(places)
        holder[key] = json.loads(json.dumps(other[other_key]))
    elif choice == 3:
        for _ in range(rng.choice((1, 50, 400))):
            holder[key] = {rng.choice(("config", "layer", "items", "x")): holder[key]}
    elif choice == 4:
        holder[key] = {"class_name": rng.choice(_CLASSES), "config": holder[key]}
    elif choice == 5:
        raw.append(rng.choice(_GRAMMAR))
        holder[key] = _RAW
    elif choice == 6 and (stored := _stored_functions(places)):
        inside, at = rng.choice(stored)
        inside[at] = _edit_bytecode(inside[at], rng)
    elif isinstance(holder[key], str) and holder[key]:
        at = rng.randrange(len(holder[key]))
        holder[key] = holder[key][:at] + chr(rng.randrange(0x3000)) + holder[key][at + rng.randrange(2) :]


def _stored_functions(places: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Where marshalled code stands, in base64 (``func_dump``): its first byte is 0x63 or 0xE3."""
    found = [(holder, key) for holder, key in places if isinstance(holder[key], str) and len(holder[key]) > 40]
    return [(holder, key) for holder, key in found if holder[key][0] in "4Y"]


def _edit_bytecode(text: str, rng: random.Random) -> str:
    """Lengths, types, references and instructions of a marshalled code object."""
    try:
        code = base64.b64decode(text)
    except (binascii.Error, ValueError):
        return text
    choice = rng.randrange(4)
    if choice == 0:
        code = rng.choice(BYTE_MUTATIONS)(code, rng, code)
    elif choice == 1:
        code = put_number(code, rng.randrange(len(code)), 4, rng)
    elif choice == 2:
        at = rng.randrange(len(code))
        code = code[:at] + bytes([rng.choice(b"0NTFSiIfgxyluts(<>[{cRrzZaA)\xe3\xa9\xda")]) + code[at + 1 :]
    else:
        depth = rng.choice((10, 100, 10_000))
        code = code[:30] + b"\xa9\x01" * depth + code[30:]
    return base64.encodebytes(code).decode("ascii")


def edit_hdf5_text(data: bytes, rng: random.Random, other: bytes) -> bytes:
    """A configuration attribute of a sound HDF5 file, edited."""
    stream = io.BytesIO(data)
    with h5py.File(stream, "r+") as file:
        names = [name for name in ("model_config", "training_config") if name in file.attrs]
        if not names:
            return flip_bits(data, rng, other)
        name = rng.choice(names)
        text = file.attrs[name]
        edited = edit_json(text if isinstance(text, bytes) else text.encode(), rng)
        del file.attrs[name]
        try:
            file.attrs[name] = edited
        except (OSError, RuntimeError, ValueError):
            return flip_bits(data, rng, other)  # longer than an attribute may be, or with a null in it
    return stream.getvalue()


def edit_zip_member(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    """A sound archive with one member edited: JSON as JSON, weights as bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(out, "w", rng.choice((0, 0, 8))) as changed:
        chosen = rng.choice(archive.namelist())
        for name in archive.namelist():
            content = archive.read(name)
            if name == chosen and name.endswith(".json"):
                content = edit_json(content, rng)
            elif name == chosen and content:
                content = rng.choice(BYTE_MUTATIONS)(content, rng, data)
            changed.writestr(name, content)
    return out.getvalue()


def edit_keras_metadata(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    """``keras_metadata.pb`` (nodes 1: metadata 5) with the JSON text of one object edited, and sound around it."""
    nodes = [bytes(node.data) for node in fields(memoryview(data), Budget()) if node.number == 1]
    chosen = rng.randrange(len(nodes))
    node = b""
    for each in fields(memoryview(nodes[chosen]), Budget()):
        if isinstance(each.value, int):
            node += varint(each.number << 3) + varint(each.value)
        else:
            text = bytes(each.data)
            node += record(each.number, edit_json(text, rng) if each.number == 5 and text else text)
    nodes[chosen] = node
    return b"".join(record(1, each) for each in nodes)


def record(number: int, content: bytes) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
