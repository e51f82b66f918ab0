"""Shell completion: what is there is offered, and nothing is ever made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def complete(spawn: Callable[..., Any]) -> Callable[[str], list[str]]:
    """What fish is offered at the end of a line (bash and zsh ask the same functions)."""

    def offered(line: str) -> list[str]:
        variables = {"_MODELREG_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
        answer = spawn(**variables, _TYPER_COMPLETE_ARGS=line)
        assert answer.err == ""
        return [row.partition("\t")[0] for row in answer.out.splitlines() if row]

    return offered


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("modelreg pu", ["push", "pull"]),
        ("modelreg pull de", ["demo"]),
        ("modelreg show demo:", ["demo:1"]),
        ("modelreg show demo@", ["demo@production"]),
        ("modelreg alias --delete demo pro", ["production"]),
        ("modelreg explain MR40", ["MR401", "MR402", "MR403", "MR404", "MR405", "MR406", "MR407", "MR408"]),
        (
            "modelreg pull demo --allow MR11",
            ["MR110", "MR111", "MR112", "MR113", "MR114", "MR115", "MR116", "MR117", "MR118"],
        ),
        ("modelreg pull x", []),
        ("modelreg show x:", []),
    ],
)
def test_names_aliases_versions_and_rules_are_offered(
    line: str, offered: list[str], complete: Callable[[str], list[str]], demo: str, run: Callable[..., Any]
) -> None:
    """What can be typed next is what the registry and the catalogue hold."""
    run("alias", demo, "production")
    assert complete(line) == offered


@pytest.mark.parametrize("line", ["modelreg pull ", "modelreg show x:", "modelreg alias x "])
def test_no_registry_is_made_between_two_keystrokes(
    line: str, complete: Callable[[str], list[str]], home: Path
) -> None:
    """Without a registry nothing is offered, and there is none afterwards either."""
    assert complete(line) == []
    assert not (home.parent / "registry").exists()


def test_a_broken_registry_is_no_noise(complete: Callable[[str], list[str]], home: Path) -> None:
    """A database that is none is the command's matter, not the shell's."""
    (home.parent / "registry").mkdir()
    (home.parent / "registry" / "registry.db").write_bytes(b"not a database" * 100)
    assert complete("modelreg pull ") == []
