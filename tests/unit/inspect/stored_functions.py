"""Stored functions of real interpreters: the vectors in ``functions/``, as the tests of the bytecode reader take them."""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path
from typing import Any

FUNCTIONS = Path(__file__).parent / "functions"
PYTHONS = ("2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")


@cache
def _document(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FUNCTIONS / name).read_text())
    return document


def stored(python: str) -> list[tuple[str, str]]:
    """Names and base64 of twenty ordinary functions that ``python`` wrote."""
    document = _document(f"python{python}.json")
    assert document["python"] == python
    return [(name, text) for name, text in document["functions"]]


def lambdas(python: str, key: str = "lambdas") -> list[tuple[str, bytes]]:
    """Source and marshalled code of Lambdas (or, for the key ``functions``, of named functions)."""
    document = _document(f"lambdas{python}.json")
    assert document["python"] == python
    return [(text, base64.b64decode(code)) for text, code in document[key]]


def windows(python: str) -> dict[str, tuple[bytes, bytes]]:
    """By name: marshalled code compiled on a drive C, and the same as Keras on Windows stores it."""
    return {
        name: (base64.b64decode(code), base64.b64decode(mangled))
        for name, code, mangled in _document(f"lambdas{python}.json")["windows"]
    }


def ran(python: str) -> bytes:
    """The marshalled code of a function that had run 500 times, so that 3.11 and later had specialised it."""
    return base64.b64decode(_document(f"lambdas{python}.json")["ran"])


ALL_BLOBS = [
    *(base64.b64decode(text) for python in PYTHONS for _, text in stored(python)),
    *(code for python in PYTHONS for _, code in lambdas(python)),
    *(mangled for python in PYTHONS for _, mangled in windows(python).values()),
]
