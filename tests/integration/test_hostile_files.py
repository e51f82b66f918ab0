"""Some hundred mutations of real files of every container: the parent always gets facts, and readers open nothing.

``tools/mutate_models.py`` does the same at length.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelreg.inspect.confine import landlock_abi

TOOL = Path(__file__).parents[2] / "tools" / "mutate_models.py"
COUNT = 200


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
    """Nothing raises in the parent, no reader ends by an exception of ours, and damage is told, not swallowed."""
    result = TOOLS.run(container, COUNT, seed=20)
    tally("mutations of real files read", result.count)
    tally("of these ended by the limit of processor time", result.outcomes["reader ended by its limit of time"])
    assert [problem for problem, _ in result.broken] == []
    assert result.count == COUNT
    assert sum(count for outcome, count in result.outcomes.items() if outcome.startswith("refused")) > COUNT / 10


def test_the_same_seed_gives_the_same_mutations() -> None:
    """A failure can be made again from its number."""
    import random

    for container in TOOLS.CONTAINERS:
        artifacts = TOOLS.load(container)
        first = [TOOLS.mutated(artifacts, random.Random(f"{container}/1/{number}")) for number in range(10)]
        again = [TOOLS.mutated(artifacts, random.Random(f"{container}/1/{number}")) for number in range(10)]
        assert first == again


LOCKDOWN = re.compile(r"(<\.\.\. )?landlock_restrict_self\b.*= 0$")
OPENING = re.compile(r"(<\.\.\. )?(open|openat|openat2|creat|execve|connect|socket)(\(| resumed).*= \d+$")


def opened_after_lockdown(log: str) -> tuple[int, list[str]]:
    """How many processes gave up their files in a log of strace, and what any of them opened or started afterwards."""
    confined: set[str] = set()
    opened = []
    for line in log.splitlines():
        pid, _, call = line.partition(" ")
        call = call.strip()
        if LOCKDOWN.match(call):
            confined.add(pid)
        elif pid in confined and OPENING.match(call):
            opened.append(line)
    return len(confined), opened


def test_a_log_with_an_opened_file_is_told_from_one_without() -> None:
    """Calls may be cut in two by another process's; a refused one is none."""
    before = '7 openat(AT_FDCWD, "/a") = 3\n7 landlock_restrict_self(3, 0) = 0\n'
    refused = '7 openat(AT_FDCWD, "/a") = -1 EACCES (Permission denied)\n8 openat(AT_FDCWD, "/a") = 3\n'
    assert opened_after_lockdown(before + refused) == (1, [])
    cut = '7 openat(AT_FDCWD, "/a" <unfinished ...>\n7 <... openat resumed>) = 3\n'
    assert opened_after_lockdown(before + cut) == (1, ["7 <... openat resumed>) = 3"])
    assert opened_after_lockdown("7 <... landlock_restrict_self resumed>) = 0\n7 socket(1, 2, 0) = 3\n")[1] != []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.skipif(landlock_abi() < 1, reason="this kernel has no Landlock")
def test_no_reader_opens_a_file_after_lockdown(tmp_path: Path) -> None:
    """Seen from the kernel: whatever the bytes say, no file, program or socket is opened while they are read."""
    log = tmp_path / "strace.log"
    calls = "trace=open,openat,openat2,creat,execve,connect,socket,landlock_restrict_self"
    command = ["strace", "-f", "-qq", "-o", str(log), "-e", calls, sys.executable, str(TOOL), "--count", "4"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if "Operation not permitted" in result.stderr:
        pytest.skip("this system does not let a process be traced")
    assert result.returncode == 0, result.stdout + result.stderr
    readers, opened = opened_after_lockdown(log.read_text(errors="replace"))
    assert readers == 4 * len(TOOLS.CONTAINERS)
    assert opened == []
