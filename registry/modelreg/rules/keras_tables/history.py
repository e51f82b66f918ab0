"""Which releases have a name or take an argument, and that in the words of messages."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterator, Mapping

from modelreg.rules.keras_tables.data import tables
from modelreg.rules.keras_tables.release import Release, releases

_GOES_ON = ("Keras 3", "tf-keras")
"""The lines that have not ended: their newest release in the tables is not their last."""

_STANDS_AS = {"operation": "layer"}
"""A configuration has an operation of Keras 3 (``keras.src.ops.numpy.GetItem``) among its layers."""


def history(role: str, name: str) -> str:
    """``Keras 2.2.0 to 2.15.0 and tf-keras since 2.14.1 have it``; empty where no release has ``name`` in ``role``."""
    return _told(releases_with(role, name))


def argument_history(role: str, name: str, argument: str) -> str:
    """The same of the releases whose ``name`` takes ``argument``; empty where none does."""
    return _told(_of_bits(_takers(role, _spelled(role, name)).get(argument, 0)))


def releases_with(role: str, name: str) -> tuple[Release, ...]:
    """The releases whose deserialisers find ``name`` in ``role``, or that export it."""
    return _of_bits(_named().get((role, _spelled(role, name)), 0) | _named().get((role, name), 0))


def _spelled(role: str, name: str) -> str:
    return name.lower() if role == "optimizer" else name


def _of_bits(bits: int) -> tuple[Release, ...]:
    known = releases()
    return tuple(known[index] for index in tables().indexes(bits))


@functools.cache
def _named() -> Mapping[tuple[str, str], int]:
    """Bit sets of releases by role and name.

    What is defined but neither in a table nor exported does not count: Keras 3 keeps ``ThresholdedReLU`` for importing
    old code only (``keras._legacy``).
    """
    known = tables()
    found: dict[tuple[str, str], int] = defaultdict(int)
    for role, name, _, bits in known.rows["legacy"]:
        found[role, name] |= known.sets[bits]
    for key, _, role, exports, _, bits in known.rows["entries"]:
        if role == "operation" or any("._" not in path for path in exports):
            found[_STANDS_AS.get(role, role), known.keys[key][1]] |= known.sets[bits]
    return found


@functools.lru_cache(maxsize=64)
def _takers(role: str, name: str) -> Mapping[str, int]:
    """Bit sets of releases by argument, for everything that ``name`` has meant in ``role``."""
    known = tables()
    keys: dict[int, int] = defaultdict(int)
    for row_role, row_name, row_keys, bits in known.rows["legacy"]:
        for key in row_keys if (row_role, row_name) == (role, name) else ():
            keys[key] |= known.sets[bits]
    found: dict[str, int] = defaultdict(int)
    for key, _, row_role, _, signature, bits in known.rows["entries"]:
        is_named = row_role == role and known.keys[key][1] == name
        holds = known.sets[bits] if is_named else known.sets[bits] & keys.get(key, 0)
        for argument in known.signatures[signature][0] if holds else ():
            found[argument] |= holds
    return found


def _told(found: tuple[Release, ...]) -> str:
    runs = list(_runs(frozenset(found)))
    if not runs:
        return ""
    *most, last = runs
    is_one = len(found) == 1 or (not most and last.startswith("every"))
    return (f"{', '.join(most)} and {last}" if most else last) + (" has it" if is_one else " have it")


def _runs(found: frozenset[Release]) -> Iterator[str]:
    """Unbroken runs of releases, line by line."""
    by_line: dict[str, list[Release]] = defaultdict(list)
    for release in releases():
        by_line[release.line].append(release)
    for line, members in by_line.items():
        if found.issuperset(members):
            yield f"every {line}"
            continue
        start = 0
        for index in range(len(members) + 1):
            if index < len(members) and members[index] in found:
                continue
            if index > start:
                yield _run(line, members, start, index - 1)
            start = index + 1


def _run(line: str, members: list[Release], first: int, last: int) -> str:
    if last == len(members) - 1 and line in _GOES_ON:
        return f"{_name(line)} since {members[first].version}"
    if first == last:
        return members[first].label
    return f"{members[first].label} to {members[last].version}"


def _name(line: str) -> str:
    return "Keras" if line.startswith("Keras") else line
