"""The grammar of names and references.

    name       1 to 128 characters, parts of [a-z0-9][a-z0-9._-]* joined by "/"
    alias      1 to 64 characters of the same alphabet, not all digits, no "/"
    key        1 to 64 characters of the same alphabet, no "/"
    reference  name [":" version] ["@" alias] ["@sha256:" 64 hex digits]

``fraud`` is the newest version that is not withdrawn; version and alias cannot both be given; a digest may stand
with either or alone, and must then agree with what they resolve to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from modelreg.errors import UsageError

NAME_LENGTH_MAX = 128
ALIAS_LENGTH_MAX = 64
KEY_NAME_LENGTH_MAX = 64
VERSION_MAX = 2**31 - 1

_PART = r"[a-z0-9][a-z0-9._-]*"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*", re.ASCII)
_ALIAS = re.compile(_PART, re.ASCII)
_KEY_NAME = _ALIAS
_REFERENCE = re.compile(
    rf"(?P<name>{_PART}(?:/{_PART})*)(?::(?P<version>[0-9]{{1,10}}))?(?:@(?P<alias>(?!sha256:){_PART}))?"
    r"(?:@sha256:(?P<digest>[0-9a-f]{64}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A parsed reference; ``digest`` is bare lowercase hex."""

    name: str
    version: int | None = None
    alias: str | None = None
    digest: str | None = None

    def __str__(self) -> str:
        text = self.name
        if self.version is not None:
            text += f":{self.version}"
        if self.alias is not None:
            text += f"@{self.alias}"
        if self.digest is not None:
            text += f"@sha256:{self.digest}"
        return text


def parse_name(text: str) -> str:
    """``text`` if it is a model name; raises ``UsageError`` naming the offending value otherwise."""
    if len(text) <= NAME_LENGTH_MAX and _NAME.fullmatch(text):
        return text
    proposal = propose_name(text)
    raise UsageError(
        f"{text!r} is not a model name: use 1 to {NAME_LENGTH_MAX} characters, parts of a-z 0-9 . _ - that start "
        "with a letter or digit, joined by '/'",
        hint=f"--name {proposal}" if proposal else None,
    )


def propose_name(text: str) -> str | None:
    """The nearest model name to ``text``, or ``None`` if nothing of it can be kept."""
    parts = (re.sub(r"[^a-z0-9._-]+", "-", part.lower()).strip("-._") for part in text.split("/"))
    proposal = "/".join(part for part in parts if part)[:NAME_LENGTH_MAX]
    return proposal if _NAME.fullmatch(proposal) else None


def parse_alias(text: str) -> str:
    """``text`` if it is an alias; raises ``UsageError`` otherwise."""
    if len(text) <= ALIAS_LENGTH_MAX and _ALIAS.fullmatch(text) and not text.isdigit():
        return text
    raise UsageError(
        f"{text!r} is not an alias: use 1 to {ALIAS_LENGTH_MAX} characters of a-z 0-9 . _ - that start with a letter "
        "or digit and are not all digits",
        hint="an alias looks like production or candidate-2",
    )


def parse_key_name(text: str) -> str:
    """``text`` if it is the name of a key; raises ``UsageError`` otherwise."""
    if len(text) <= KEY_NAME_LENGTH_MAX and _KEY_NAME.fullmatch(text):
        return text
    raise UsageError(
        f"{text[:80]!r} is not a key's name: use 1 to {KEY_NAME_LENGTH_MAX} characters of a-z 0-9 . _ - that start "
        "with a letter or digit",
        hint="a key's name looks like default or release-2026",
    )


def parse_reference(text: str) -> Reference:
    """Parse a reference; raises ``UsageError`` that shows the grammar."""
    match = _REFERENCE.fullmatch(text)
    if match is None or len(match["name"]) > NAME_LENGTH_MAX:
        raise UsageError(
            f"{text!r} is not a reference to a model",
            hint="write NAME, NAME:VERSION, NAME@ALIAS or NAME@sha256:DIGEST, e.g. fraud:3",
        )
    version = int(match["version"]) if match["version"] else None
    if version is not None and not 1 <= version <= VERSION_MAX:
        raise UsageError(f"{text!r} names version {match['version']}; versions are 1, 2, 3 ...")
    if version is not None and match["alias"]:
        raise UsageError(
            f"{text!r} names both a version and an alias",
            hint=f"write {match['name']}:{version} or {match['name']}@{match['alias']}",
        )
    return Reference(match["name"], version, parse_alias(match["alias"]) if match["alias"] else None, match["digest"])


def parse_place(text: str) -> tuple[str, int]:
    """``NAME:VERSION``, behind which a page of a list begins; raises ``UsageError`` for anything else."""
    reference = parse_reference(text)
    if reference.version is None or str(reference) != f"{reference.name}:{reference.version}":
        raise UsageError(f"a page begins behind a version, which {text!r} does not name", hint="--after fraud:3")
    return reference.name, reference.version
