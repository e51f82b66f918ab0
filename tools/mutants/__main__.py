"""``make mutants``: put small faults into the code that judges, and list those that no test notices.

    python -m mutants [--only MODULE ...]

A group is modules and the tests that answer for them: each mutant is tried by those of them that run its line.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mutants.trying import OPTIONS, Tally, Trial

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Group:
    """Modules, each by its path, and the folders and files of the tests that answer for them."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


def _of(folder: str, names: str) -> tuple[str, ...]:
    return tuple(f"registry/modelreg/{folder}/{name}.py" for name in names.split())


_TRUST = """
    decision acceptance roles trust_store dsse oms oms_statement certificates history editing changes lock leaf merkle
    note checkpoint proof record audit witness statements view keys keyfile signer base64_text
"""
_CLIENT = "trusting anchor checks bundles locks memory logged logproof kept_view"
_TESTS_OF_CLIENT = "assess anchor growth trust_import checks bundles lock_file log_file evidence kept_view"
GROUPS = (
    Group(_of("trust", _TRUST), ("tests/unit/trust",)),
    Group(_of("client", _CLIENT), tuple(f"tests/unit/client/test_{name}.py" for name in _TESTS_OF_CLIENT.split())),
    Group(("registry/modelreg/verify.py",), ("tests/unit/test_verify.py",)),
)
"""Tests over whole registries would take seconds for each fault, so that the client's have only those without one."""


def run(group: Group, only: list[str] | None, told: Callable[[str], None]) -> list[Tally]:
    """The tallies of a group's modules; raises ``SystemExit`` where its tests fail with nothing changed."""
    paths = [path for path in group.modules if not only or Path(path).stem in only]
    if not paths:
        return []
    trial = Trial(ROOT, paths, told)
    status = pytest.main([*OPTIONS, *group.tests], plugins=[trial])
    if status is not pytest.ExitCode.OK:
        raise SystemExit(int(status))
    return trial.tallies


def table(tallies: list[Tally]) -> Iterator[str]:
    """The rows of what became of the mutants, and then the survivors."""
    yield "| module | mutants | killed | ended by their time | survived |"
    yield "|---|---|---|---|---|"
    for tally in tallies:
        name = tally.path.removeprefix("registry/modelreg/").removesuffix(".py")
        yield f"| {name} | {tally.made} | {tally.killed} | {tally.by_time} | {len(tally.survivors)} |"
    made, killed, by_time = (sum(getattr(each, name) for each in tallies) for name in ("made", "killed", "by_time"))
    yield f"| all | {made} | {killed} | {by_time} | {made - killed - by_time} |"
    yield ""
    yield from (survivor for tally in tallies for survivor in tally.survivors)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="mutants", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", metavar="MODULE", help="a module by its name, such as decision")
    only = parser.parse_args().only
    known = {Path(path).stem for group in GROUPS for path in group.modules}
    if unknown := set(only or ()) - known:
        parser.error(f"{', '.join(sorted(unknown))} is none of the modules: {', '.join(sorted(known))}")
    os.chdir(ROOT)
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1) as out:
        tallies = [tally for group in GROUPS for tally in run(group, only, lambda line: print(line, file=out))]
        print("", *table(tallies), sep="\n", file=out)


if __name__ == "__main__":
    main()
