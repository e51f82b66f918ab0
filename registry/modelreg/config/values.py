"""What a setting's text is read as: one function per kind of value, each with an error that names value and source."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from modelreg.config.schema import Kind, Specification
from modelreg.errors import UsageError
from modelreg.masking import masked
from modelreg.refs import parse_key_name

NO_KEY = "none"
"""How a setting says that no key is meant."""
DEFAULT_KEY = "default"
"""The key that signs where no setting names one; the first push makes it."""
KEYS_ELSEWHERE = ("awskms", "pkcs11", "command")
"""What stands before the colon of a key that is not in the keyring, whose names have none."""
Value = str | bool | Path | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Given:
    """A value as some source gives it; ``folder`` is what a relative path in it is relative to."""

    value: object
    source: str
    folder: Path
    is_text: bool


SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):(?P<slashes>//)?")
_RULE = re.compile(r"MR[0-9]{3}")
_TRUTHS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def read(row: Specification, given: Given) -> Value:
    """The value that ``given`` is for the setting of ``row``; raises ``UsageError``."""
    match row.kind:
        case Kind.FLAG:
            return _truth(row, given)
        case Kind.RULES:
            return _rules(row, given)
        case Kind.NAMES:
            names = _texts(row, given)
            return () if names == ("none",) else names
        case Kind.PATH:
            return absolute(_text(row, given), given.folder)
        case Kind.URL:
            return _url(row, given)
        case Kind.ENVIRONMENT:
            return _text(row, given) if given.is_text else _environment(_text(row, given), given.folder)
        case Kind.KEY:
            return _key(row, given)
        case Kind.TEXT:
            return _text(row, given)


def _mismatch(row: Specification, given: Given, wanted: str, example: str) -> UsageError:
    shown = masked(repr(given.value))
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    return UsageError(f"{given.source}: {row.name} is {shown} where {wanted} belongs", hint=f"for example: {example}")


def _text(row: Specification, given: Given) -> str:
    if not isinstance(given.value, str) or not given.value.strip() or "\0" in given.value:
        raise _mismatch(row, given, "a text", f'{row.name} = "..."')
    return given.value


def _key(row: Specification, given: Given) -> str | None:
    name = _text(row, given)
    if "pin-value" in name:
        raise UsageError(f"{given.source}: {row.name} holds a PIN, which others can see", hint="pin-source=FILE")
    if is_key_elsewhere(name):
        return name
    try:
        return None if name == NO_KEY else parse_key_name(name)
    except UsageError:
        raise _mismatch(row, given, "the name of a key", f'{row.name} = "default"') from None


def is_key_elsewhere(text: str) -> bool:
    """Whether ``text`` names a key outside the keyring: ``awskms:...``, ``pkcs11:...``, ``command:...``."""
    scheme, mark, _ = text.partition(":")
    return bool(mark) and scheme in KEYS_ELSEWHERE


def _truth(row: Specification, given: Given) -> bool:
    if given.is_text:
        truth = _TRUTHS.get(str(given.value).strip().lower())
        if truth is not None:
            return truth
    elif isinstance(given.value, bool):
        return given.value
    raise _mismatch(row, given, "true or false", f"{row.name} = true")


def _texts(row: Specification, given: Given) -> tuple[str, ...]:
    """An array of texts from a file; from a flag or variable one text, its parts separated by commas."""
    if given.is_text:
        return tuple(part.strip() for part in str(given.value).split(",") if part.strip())
    if isinstance(given.value, list) and all(isinstance(item, str) and item.strip() for item in given.value):
        return tuple(item.strip() for item in given.value)
    raise _mismatch(row, given, "an array of texts", f'{row.name} = ["...", "..."]')


def _rules(row: Specification, given: Given) -> tuple[str, ...]:
    rules = tuple(text.upper() for text in _texts(row, given))
    if not all(_RULE.fullmatch(rule) for rule in rules):
        raise _mismatch(row, given, "a list of rule ids", f'{row.name} = ["MR401"]')
    return tuple(dict.fromkeys(rules))


def absolute(text: str, folder: Path) -> Path:
    """``text`` as a path, from ``folder`` if it is relative, ``~`` replaced."""
    return Path(os.path.abspath(folder / os.path.expanduser(text)))  # noqa: PTH100, PTH111 - no symlink is followed


def _url(row: Specification, given: Given) -> str:
    """An absolute URL; a plain path, or a relative one in ``sqlite:///`` or ``file://``, is taken from its folder."""
    text = _text(row, given)
    match = SCHEME.match(text)
    if match is None:
        path = absolute(text, given.folder)
        return sqlite_url(path) if row.name == "database_url" else f"file://{path}"
    if match["slashes"] is None:
        raise _mismatch(row, given, "a URL or a path", f'{row.name} = "{match["scheme"]}://..."')
    prefix = "sqlite:///" if match["scheme"] == "sqlite" else f"{match['scheme']}://"
    rest = text.removeprefix(prefix)
    if match["scheme"] not in {"sqlite", "file"} or rest in {text, "", ":memory:"}:
        return text
    place, mark, query = rest.partition("?")
    return f"{prefix}{absolute(place, given.folder)}{mark}{query}"


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file; what means something in a URL is quoted.  Raises ``UsageError`` for bytes, not text."""
    try:
        return f"sqlite:///{quote(str(path))}"
    except UnicodeEncodeError:
        raise UsageError(f"the path {str(path)!r} is not valid UTF-8", hint="give another with --home") from None


def _environment(text: str, folder: Path) -> str:
    """A path beside the file that names it becomes absolute; ``current``, ``none`` and names on PATH stay."""
    file = re.sub(r"@[0-9.]+$", "", text)
    if text in {"current", "none"}:
        return text
    return next(
        (str(absolute(part, folder)) + text[len(part) :] for part in (text, file) if _exists(part, folder)), text
    )


def _exists(text: str, folder: Path) -> bool:
    return os.path.exists(absolute(text, folder))  # noqa: PTH110 - pathlib raises for a name that is too long
