"""Some hundred mutations of real files of every container: the parent always gets facts, in time and in bounds.

``make mutations`` does the same at length, as does ``MUTATIONS=200`` in the environment.
"""

from __future__ import annotations

import importlib.util
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "mutate_models.py"
COUNT = int(os.environ.get("MUTATIONS", "80"))


def loaded() -> Any:
    spec = importlib.util.spec_from_file_location("mutate_models", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


TOOLS = loaded()


@pytest.mark.slow
@pytest.mark.parametrize("container", TOOLS.CONTAINERS)
def test_every_mutation_gives_facts(container: str, tally: Callable[[str, int], None]) -> None:
    """Nothing raises in the parent, no reader ends by an exception of ours or takes over 10 s or 512 MiB, and damage is
    told, not swallowed.
    """
    result = TOOLS.run(container, COUNT, seed=20)
    tally("mutations of real files read", result.count)
    tally("of these ended by the limit of processor time", result.outcomes["reader ended by its limit of time"])
    assert [problem for problem, _ in result.broken] == []
    assert result.count == COUNT
    assert sum(count for outcome, count in result.outcomes.items() if outcome.startswith("refused")) > COUNT / 10


def test_the_same_seed_gives_the_same_mutations() -> None:
    """A failure can be made again from its number."""
    for container in TOOLS.CONTAINERS:
        artifacts = TOOLS.load(container)
        first = [TOOLS.mutated(artifacts, random.Random(f"{container}/1/{number}")) for number in range(10)]
        again = [TOOLS.mutated(artifacts, random.Random(f"{container}/1/{number}")) for number in range(10)]
        assert first == again
