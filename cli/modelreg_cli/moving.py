"""What became of versions that moved, for ``import`` and ``mirror``: lines, JSON and exit status."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import modelreg
from modelreg_cli.result import Column, Lines, Result, Table
from modelreg_cli.wording import counted, prefixed, size, uncovered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelreg import Finding, Json, Moved, Received

_COLUMNS = (Column("VERSION"), Column("OUTCOME"), Column("DIGEST", digest=True), Column("WHY"))


def moved_result(schema: str, moved: Moved, value: dict[str, Json]) -> Result:
    """The answer of a command that moved versions; ``value`` are the keys of its own."""
    return Result(
        schema=schema,
        value={
            **value,
            "versions": [_value(each) for each in moved.versions],
            "dry_run": moved.dry_run,
            "checkpoint_problem": moved.checkpoint_problem,
            "exit": moved.exit,
        },
        blocks=(
            *((Table(_COLUMNS, [_row(each) for each in moved.versions]),) if moved.versions else ()),
            Lines((_summary(moved), *(line for each in moved.versions for line in _marks(each)))),
        ),
        verdict=modelreg.Verdict(
            tuple(found for each in moved.versions if each.outcome.value == "refused" for found in _refusals(each))
        ),
        quiet=tuple(each.reference for each in moved.versions if each.outcome.value == "new"),
        notes=uncovered(moved.checkpoint_problem),
        exit_status=moved.exit,
    )


def _refusals(each: Received) -> tuple[Finding, ...]:
    return each.verdict.refusals if each.verdict else ()


def _row(each: Received) -> tuple[str, ...]:
    return (each.reference, each.outcome.value, f"sha256:{each.digest}", each.reason or "")


def _marks(each: Received) -> Iterator[str]:
    if each.withdrawn:
        yield f"{each.reference} is withdrawn, as it is there"
    for alias in each.aliases:
        before = "" if alias.before is None else f" (before: {alias.model}:{alias.before})"
        yield f"{alias.model}@{alias.alias} -> {alias.model}:{alias.version}{before}"


def _summary(moved: Moved) -> str:
    counts = Counter(each.outcome.value for each in moved.versions)
    size_bytes = sum(each.size_bytes for each in moved.versions)
    new = f"{counted(counts['new'], 'version')} {'would be ' if moved.dry_run else ''}taken in, {size(size_bytes)}"
    told = {"present": "here already", "conflict": "in conflict", "refused": "refused"}
    return ", ".join([new, *(f"{counts[name]:,} {words}" for name, words in told.items() if counts[name])])


def _value(each: Received) -> Json:
    return {
        "reference": each.reference,
        "model": each.model,
        "version": each.version,
        "digest": prefixed(each.digest),
        "outcome": each.outcome.value,
        "size_bytes": each.size_bytes,
        "withdrawn": each.withdrawn,
        "aliases": [modelreg.to_json(alias) for alias in each.aliases],
        "reason": each.reason,
        "verdict": None if each.verdict is None else each.verdict.to_json(),
    }
