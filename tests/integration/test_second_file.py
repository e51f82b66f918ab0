"""A reader opens nothing but what it was handed, whatever the bytes name: seen from the kernel, by strace.

Files that name a second file in every way known are read with Landlock, and without it; so are mutations of real files.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from modelreg.inspect.confine import landlock_abi

TOOL = Path(__file__).parents[2] / "tools" / "mutate_models.py"
PROGRAM = Path(__file__).parent / "reaching_files.py"
CALLS = "open,openat,openat2,creat,execve,execveat,connect,socket,truncate,rename,unlink,unlinkat,prlimit64,setrlimit"
LANDLOCK = re.compile(r"(<\.\.\. )?landlock_restrict_self\b.*= 0$")
NO_DESCRIPTORS = re.compile(r"(prlimit64\(0, |setrlimit\()RLIMIT_NOFILE, \{rlim_cur=0, rlim_max=0\}.*= 0$")
REACHING = re.compile(
    r"(<\.\.\. )?(open|openat|openat2|creat|execve|execveat|connect|socket|truncate|rename|unlink|unlinkat)(\(| resumed)"
)


def unable(reason: str) -> NoReturn:
    """Skip, but never where a run must be complete."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and in CI this is checked")
    pytest.skip(reason)


def traced(log: Path, *arguments: object) -> str:
    """What a Python program and all its children did, and its output; the calls go to ``log``."""
    if shutil.which("strace") is None:
        unable("strace is not installed")
    calls = f"trace={CALLS}" + (",landlock_restrict_self" if landlock_abi() >= 1 else "")
    command = ["strace", "-f", "-qq", "-s", "300", "-o", str(log), "-e", calls, sys.executable, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if "Operation not permitted" in result.stderr:
        unable("this system does not let a process be traced")
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def attempts_after(mark: re.Pattern[str], log: str) -> tuple[int, list[str]]:
    """How many processes were confined in a log of strace, and each try to reach anything afterwards, failed ones too.

    What one process has begun before another is logged ends in a line of its own.
    """
    confined: set[str] = set()
    tried = []
    for line in log.splitlines():
        pid, _, call = line.partition(" ")
        call = call.strip()
        if mark.match(call):
            confined.add(pid)
        elif pid in confined and REACHING.match(call):
            tried.append(line)
    return len(confined), tried


def test_a_log_with_an_opened_file_is_told_from_one_without() -> None:
    """Calls may be cut in two by another process's; one that was refused was tried all the same."""
    before = '7 openat(AT_FDCWD, "/a") = 3\n7 landlock_restrict_self(3, 0) = 0\n'
    other = '8 openat(AT_FDCWD, "/a") = 3\n'
    assert attempts_after(LANDLOCK, before + other) == (1, [])
    refused = '7 openat(AT_FDCWD, "/a") = -1 EACCES (Permission denied)'
    assert attempts_after(LANDLOCK, before + refused) == (1, [refused])
    cut = '7 openat(AT_FDCWD, "/a" <unfinished ...>\n7 <... openat resumed>) = 3\n'
    assert attempts_after(LANDLOCK, before + cut) == (1, cut.splitlines())
    assert attempts_after(LANDLOCK, "7 <... landlock_restrict_self resumed>) = 0\n7 socket(1, 2, 0) = 3\n")[1] != []
    limit = "9 prlimit64(0, RLIMIT_NOFILE, {rlim_cur=0, rlim_max=0}, NULL) = 0\n9 open(1) = -1 EMFILE\n"
    assert attempts_after(NO_DESCRIPTORS, limit) == (1, ["9 open(1) = -1 EMFILE"])


@pytest.fixture
def reaching(tmp_path: Path) -> tuple[Path, Path]:
    """A folder of models, and the file that they all name."""
    folder, secret = tmp_path / "models", tmp_path / "secret"
    secret.write_bytes(b"s3cret-content " * 10)
    folder.mkdir()
    subprocess.run([sys.executable, PROGRAM, "make", folder, secret], check=True, timeout=60)
    return folder, secret


@pytest.mark.slow
def test_no_reader_reaches_for_a_file_that_its_own_one_names(reaching: tuple[Path, Path], tmp_path: Path) -> None:
    """Not one call, not even a refused one, and nothing of the second file is in the output."""
    if landlock_abi() < 1:
        unable("this kernel has no Landlock")
    folder, _ = reaching
    output = traced(tmp_path / "log", PROGRAM, "read", folder)
    readers, tried = attempts_after(LANDLOCK, (tmp_path / "log").read_text(errors="replace"))
    assert readers == 2 * len(list(folder.iterdir()))
    assert tried == []
    assert "s3cret" not in output


@pytest.mark.slow
def test_each_file_that_names_another_is_told(reaching: tuple[Path, Path]) -> None:
    """So the test above reads what it means to read: in each the hazard was found, and none was refused at the door."""
    folder, _ = reaching
    result = subprocess.run(
        [sys.executable, PROGRAM, "read", folder], capture_output=True, text=True, timeout=300, check=True
    )
    found = {name: set(told) for name, told, _ in map(json.loads, result.stdout.splitlines())}
    wanted = {
        "storage.h5": "external-storage",
        "link.h5": "external-link",
        "soft.h5": "soft-link",
        "virtual.h5": "virtual-dataset",
        "symbolic.keras": "unsafe-member-name",
        "StringLookup.keras": "outside-file",
        "IntegerLookup.keras": "outside-file",
        "TextVectorization.keras": "outside-file",
        "lookup.h5": "outside-file",
        "model.weights.json": "unsafe-member-name",
        "shards": "unsafe-member-name",
        "absolute": "outside-file",
        "climbing": "outside-file",
        "external.onnx": "external-storage",
        "model.yaml": "yaml-config",
    }
    assert {name: kind for name, kind in wanted.items() if kind not in found[name]} == {}
    assert found.keys() == wanted.keys()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="strace is Linux's")
def test_without_landlock_no_reader_reaches_for_a_second_file_either(
    reaching: tuple[Path, Path], tmp_path: Path
) -> None:
    """The readers themselves follow nothing; the limit of open files stands behind them."""
    folder, _ = reaching
    traced(tmp_path / "log", PROGRAM, "alone", folder)
    readers, tried = attempts_after(NO_DESCRIPTORS, (tmp_path / "log").read_text(errors="replace"))
    assert readers == len(list(folder.iterdir()))
    assert tried == []


@pytest.mark.slow
def test_no_reader_of_mutations_reaches_for_a_file(tmp_path: Path) -> None:
    """Whatever the bytes say, no file, program or socket is opened while they are read."""
    if landlock_abi() < 1:
        unable("this kernel has no Landlock")
    output = traced(tmp_path / "log", TOOL, "--count", "8", "--seed", "5")
    readers, tried = attempts_after(LANDLOCK, (tmp_path / "log").read_text(errors="replace"))
    containers = output.count("mutations\n")
    assert readers == (8 + 1) * containers  # and a sound file of each container first
    assert containers >= 10
    assert tried == []
