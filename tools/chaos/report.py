"""What a scenario came to, as a row of a table, and the page that the rows are written into."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
HEAD = "| scenario | faults | operations | acknowledged | lost | wrong files | left over | remarks |"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for: ``broken`` names a deliberate mistake that the harness has to notice."""

    count: int
    seed: int = 1
    workers: int = 2
    broken: str | None = None


@dataclass(slots=True)
class Row:
    """One scenario: ``faults`` are those that really fired; ``problems`` are promises broken in another way.

    ``lost``: versions that were acknowledged, or are listed, and are not wholly there.  ``wrong``: files that a pull
    placed with other bytes than were pushed.  ``leftovers``: what a sweep left that no version names.
    """

    scenario: str
    faults: int = 0
    operations: int = 0
    acknowledged: int = 0
    lost: int = 0
    wrong: int = 0
    leftovers: int = 0
    remark: str = ""
    problems: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.wrong or self.leftovers or self.problems)

    def add(self, other: Row) -> None:
        """Count what ``other`` counted."""
        for name in ("faults", "operations", "acknowledged", "lost", "wrong", "leftovers"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.problems += other.problems

    def markdown(self) -> str:
        """The row of the table."""
        counts = (self.faults, self.operations, self.acknowledged, self.lost, self.wrong, self.leftovers)
        remark = "; ".join(filter(None, [self.remark, *(f"**{problem}**" for problem in self.problems[:3])]))
        return "| " + " | ".join((self.scenario, *(f"{count:,}" for count in counts), remark)) + " |"


def total(rows: Iterable[Row]) -> Row:
    """The sum of ``rows``."""
    summed = Row("**all**")
    for row in rows:
        summed.add(row)
    summed.problems = []
    return summed


def table(rows: Iterable[Row]) -> str:
    """The rows under their head, and their sum."""
    rows = tuple(rows)
    lines = [HEAD, "|---|" + "---:|" * 6 + "---|", *(row.markdown() for row in rows)]
    return "\n".join([*lines, total(rows).markdown()] if len(rows) > 1 else lines)


def write(name: str, text: str, page: Path = PAGE) -> None:
    """Put ``text`` between the marks of ``name`` in the page; raises ``ValueError`` for a page without them."""
    begin, end = f"<!-- begin {name}: written by make chaos -->\n", f"<!-- end {name} -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise ValueError(f"{page} has no place for {name!r}")
    page.write_text(f"{before}{begin}\n{text}\n\n{end}{after}", encoding="utf-8")
