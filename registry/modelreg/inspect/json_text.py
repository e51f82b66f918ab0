"""Parses a configuration's JSON as Keras would, but within bounds and telling of what JSON leaves open.

Invariants: no input raises anything but ``BadJsonError``; a repeated key is reported, because Keras takes the last one
and another reader may take the first.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

from modelreg.configuration import JsonValue
from modelreg.inspect import limits


class BadJsonError(ValueError):
    """The bytes are no JSON, or more of it than is read; ``too_much`` tells the two apart."""

    def __init__(self, reason: str, *, too_much: bool = False) -> None:
        super().__init__(reason)
        self.too_much = too_much


@dataclass(frozen=True, slots=True)
class JsonText:
    """A parsed document and the keys that stand twice in one of its objects."""

    value: JsonValue
    repeated_keys: tuple[str, ...]


def parse_json_text(data: bytes, *, size_bytes_max: int = limits.CONFIG_SIZE_BYTES_MAX) -> JsonText:
    """Parse ``data``; UTF-16 and UTF-32 are taken too, as ``json.loads`` takes them from bytes (and so Keras does)."""
    if len(data) > size_bytes_max:
        raise BadJsonError(f"{len(data):,} bytes long; at most {size_bytes_max:,} are read", too_much=True)
    if data.count(b",") + data.count(b"[") + data.count(b"{") > limits.CONFIG_VALUES_MAX:
        raise BadJsonError(f"holds more than {limits.CONFIG_VALUES_MAX:,} values", too_much=True)
    repeated: dict[str, None] = {}

    def note_repeated(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
        unique = dict(pairs)
        if len(unique) != len(pairs):
            counts = Counter(name for name, _ in pairs)
            repeated.update((name, None) for name, count in counts.items() if count > 1)
        return unique

    try:
        text = data.decode(json.detect_encoding(data), "surrogatepass")
        value = json.loads(text, object_pairs_hook=note_repeated)
    except RecursionError:
        raise BadJsonError("nests too deep to be read", too_much=True) from None
    except ValueError as error:
        raise BadJsonError(f"is not valid JSON: {error}") from None
    return JsonText(value, tuple(repeated))
