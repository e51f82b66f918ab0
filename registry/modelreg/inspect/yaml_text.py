"""Finds configurations in YAML that make an unsafe loader run what they name (CVE-2021-37678).

Keras up to 2.5 read ``model.to_yaml()``'s text with ``yaml.unsafe_load``.  The text itself is harmless as Keras wrote
it, with tuples tagged ``!!python/tuple``; it is an attack where a tag names an object, a function or a module.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from modelreg.facts import Hazard, HazardKind
from modelreg.inspect import limits
from modelreg.inspect.source import SourceFile
from modelreg.inspect.text import plain

_TAG = re.compile(
    rb"(?<![\w/.:])!(?:<?!?tag:yaml\.org,2002:|[^\s\[\]{},]{0,64}?)python/(?:object|name|module)[^\s\[\]{},]{0,200}"
)
"""PyYAML's constructors that import (``constructor.py``: ``python/object``, ``/name:``, ``/module:``, ``/apply:``)."""
_ALIAS = re.compile(rb"^%TAG\s+(!\w*!?)\s+tag:yaml\.org,2002:(\S*)", re.MULTILINE)


def yaml_hazards(file: SourceFile) -> Iterator[Hazard]:
    """One hazard if ``file`` is text with a YAML tag that imports; all of a file up to 1 MiB is looked at."""
    text = _as_utf8(file.read_at(0, limits.YAML_SIZE_BYTES_MAX))
    if text is None:
        return
    text = unquote_to_bytes(text)
    for short, prefix in _ALIAS.findall(text):
        text = text.replace(short, b"!tag:yaml.org,2002:" + prefix)
    if found := _TAG.search(text):
        tag = found[0].decode("utf-8", "replace")
        detail = f"the text is YAML and holds {tag}, which an unsafe loader runs"
        yield Hazard(HazardKind.YAML_CONFIG, file.path, plain(detail))


def _as_utf8(data: bytes) -> bytes | None:
    """The bytes of a text in UTF-8, from any encoding that YAML 1.1 allows (5.1); ``None`` for what is no text."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace").encode("utf-8", "replace")
    return None if b"\0" in data[:4096] else data.removeprefix(b"\xef\xbb\xbf")
