"""Requirement and lock texts: which distributions they pin, and for which Python they say so.

Read are pip's requirements and ``pip freeze``, and the TOML locks of uv, Poetry, PDM and PEP 751 (``pylock.toml``).
Only an exact pin says what will be installed; a range, and two different pins of one name that could both apply, are
*not known* and left out.  The Python is told by a comment line, ``# python==3.11.7``, in any of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelreg.environment.document import Environment
from modelreg.errors import UsageError

if TYPE_CHECKING:
    from packaging.markers import Marker

PINS_MAX = 20_000

_PYTHON_LINE = re.compile(r"^\s*#+[ \t]*python[ \t]*={2,3}[ \t]*(?P<version>\S+)\s*$", re.MULTILINE | re.IGNORECASE)
_PYTHON = re.compile(r"[0-9]+\.[0-9]+(\.[0-9]+((a|b|rc)[0-9]+)?)?", re.ASCII)
_LOCK = re.compile(r"^\[\[packages?\]\]", re.MULTILINE)
_OPTIONS = re.compile(r"\s--?[a-z].*$", re.DOTALL)
_COMMENT = re.compile(r"(^|\s)#.*$")
_WHEEL = re.compile(r"(?P<name>\w[\w.]*)-(?P<version>[^-/]+)(-[0-9][^-/]*)?-[^-/]+-[^-/]+-[^-/]+\.whl$", re.ASCII)
_DIRECT = re.compile(r"(\.{0,2}/|~|[A-Za-z]:\\|(\w+\+)?\w+://|[^\s@;]+\.(whl|zip|tar\.\w+)(?=$|[\s;#\[]))")
_MARKER_VARIABLE = re.compile(r"\b(?!and\b|or\b|not\b|in\b)[a-z]\w*")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


@dataclass(frozen=True, slots=True)
class _Pin:
    """One statement of a text: ``version`` is ``None`` where the name is wanted in no exact version."""

    name: str
    version: str | None
    marker: str | None = None


def read_requirements(text: str, *, what: str, python: str | None = None) -> Environment:
    """The environment that a requirement or lock text describes; ``python`` overrides what the text itself says.

    Raises ``UsageError``, naming ``what`` and the line, for a text that is neither, or that contradicts itself.
    """
    python = parse_python(python, what=what) if python is not None else _told_python(text, what)
    pins = list(_lock_pins(text, what) if _LOCK.search(text) else _requirement_pins(text, what))
    if len(pins) > PINS_MAX:
        raise UsageError(f"{what} names {len(pins):,} distributions; at most {PINS_MAX:,} are read")
    if not pins and python is None:
        raise UsageError(
            f"{what} names neither a distribution nor a Python",
            hint="give it lines like tensorflow==2.15.1, and one like # python==3.11.7",
        )
    return Environment(python=python, distributions=_settle(pins, python))


def parse_python(text: str, *, what: str) -> str:
    """``text`` if it is ``X.Y`` or ``X.Y.Z``; raises ``UsageError`` otherwise."""
    if len(text) <= 32 and _PYTHON.fullmatch(text):
        return text
    raise UsageError(f"{what}: {text[:40]!r} is no Python version", hint="write it as 3.11 or 3.11.7")


def _told_python(text: str, what: str) -> str | None:
    told = {parse_python(match["version"], what=what) for match in _PYTHON_LINE.finditer(text)}
    if len(told) > 1:
        raise UsageError(f"{what} names more than one Python: {', '.join(sorted(told))}", hint=f"pick one: {what}@3.11")
    return told.pop() if told else None


def _settle(pins: Iterable[_Pin], python: str | None) -> dict[str, str]:
    """Name to version, where exactly one version of a name remains among the pins that may apply."""
    versions: dict[str, set[str | None]] = {}
    for pin in pins:
        if _may_apply(pin.marker, python):
            versions.setdefault(pin.name, set()).add(pin.version)
    exact = {name: found - {None} for name, found in versions.items()}
    return {name: str(next(iter(found))) for name, found in sorted(exact.items()) if len(found) == 1}


# --- markers ----------------------------------------------------------------------------------------------------------


def _may_apply(text: str | None, python: str | None) -> bool:
    """Whether the marker can hold on ``python``: one that asks for anything else, or is unreadable, can."""
    from packaging.markers import InvalidMarker, Marker, UndefinedComparison

    if text is None or python is None:
        return True
    try:
        marker = Marker(text)
    except InvalidMarker:
        return True
    variables = set(_MARKER_VARIABLE.findall(_QUOTED.sub("", text)))
    if not variables <= {"python_version", "python_full_version"}:
        return True
    try:
        return any(_holds(marker, full) for full in _full_versions(python))
    except UndefinedComparison:
        return True


def _full_versions(python: str) -> tuple[str, ...]:
    """The one version told, or the first and a last imaginable of a minor series."""
    return (python,) if python.count(".") > 1 else (f"{python}.0", f"{python}.99")


def _holds(marker: Marker, full: str) -> bool:
    minor = ".".join(full.split(".")[:2])
    return marker.evaluate({"python_version": minor, "python_full_version": full})


# --- pip's requirements and pip freeze --------------------------------------------------------------------------------


def _requirement_pins(text: str, what: str) -> Iterator[_Pin]:
    for number, line in _logical_lines(text):
        if not line.startswith("-"):  # an option: -r, -c, -e, -i, --hash ... pin nothing by themselves
            yield from _requirement_pin(line, f"{what}, line {number}")


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    r"""Lines with their number, joined where one ends in ``\``, without comments and blank ones."""
    held, first = "", 0
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        first = first if held else number
        bare = _COMMENT.sub("", line)
        if bare.endswith("\\"):
            held += bare[:-1] + " "
            continue
        whole, held = (held + bare).strip(), ""
        if whole:
            yield first, whole


def _requirement_pin(line: str, place: str) -> Iterator[_Pin]:
    from packaging.requirements import InvalidRequirement, Requirement

    if _DIRECT.match(line):
        yield from _wheel_pin(line.partition(";")[0].split(" ")[0])
        return
    try:
        requirement = Requirement(_OPTIONS.sub("", line))
    except InvalidRequirement:
        raise UsageError(
            f"{place}: {line[:60]!r} is no requirement",
            hint="requirements are lines like tensorflow==2.15.1; a lock is the TOML of uv, Poetry, PDM or PEP 751",
        ) from None
    marker = str(requirement.marker) if requirement.marker else None
    exact = {spec.version for spec in requirement.specifier if spec.operator in {"==", "==="}}
    if len(exact) == 1 and not any(version.endswith("*") for version in exact):
        yield _Pin(_normal(requirement.name), exact.pop(), marker)
        return
    wheel = next(_wheel_pin(requirement.url or ""), None)
    yield _Pin(_normal(requirement.name), wheel.version if wheel else None, marker)


def _wheel_pin(location: str) -> Iterator[_Pin]:
    """The name and version that a wheel's file name states (PEP 427)."""
    match = _WHEEL.search(location.partition("#")[0].replace("%2B", "+").rpartition("/")[2])
    if match is not None:
        yield _Pin(_normal(match["name"]), match["version"])


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


# --- TOML locks -------------------------------------------------------------------------------------------------------


def _lock_pins(text: str, what: str) -> Iterator[_Pin]:
    """``[[package]]`` of uv, Poetry and PDM, ``[[packages]]`` of PEP 751; Poetry's optional ones may be absent."""
    import tomllib

    try:
        lock = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{what} looks like a lock but is not valid TOML: {error}") from None
    for package in _tables(lock.get("package")) + _tables(lock.get("packages")):
        name, version = package.get("name"), package.get("version")
        if isinstance(name, str) and package.get("optional") is not True:
            pinned = version if isinstance(version, str) else None
            for marker in _lock_markers(package):
                yield _Pin(_normal(name), pinned, marker)


def _tables(value: object) -> list[Mapping[str, object]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _lock_markers(package: Mapping[str, object]) -> Iterator[str | None]:
    """Each marker under any of which the package is installed, or ``None`` once: always.

    ``marker`` (PDM, PEP 751), ``markers`` (Poetry 2: one, or one by group), ``resolution-markers`` (uv: a list).
    """
    found = [package[key] for key in ("marker", "markers", "resolution-markers") if key in package]
    match found:
        case [str(marker)]:
            yield marker
        case [[*markers]] if markers and all(isinstance(marker, str) for marker in markers):
            yield from map(str, markers)
        case _:
            yield None
