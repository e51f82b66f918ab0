"""Every transcript, run from top to bottom; README.md tells how they are written."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

TRANSCRIPTS = sorted(Path(__file__).with_name("transcripts").glob("*.txt"))
OWN_PROCESS = "# in a process of its own:"
PLACEHOLDERS = {
    "<digest>": r"sha256:[0-9a-f]{64}",
    "<sha256>": r"[0-9a-f]{64}",
    "<time>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "<date>": r"\d{4}-\d\d-\d\d",
    "<...>": r".*",
}


@dataclass(slots=True)
class Step:
    """One command of a transcript and what is expected of it."""

    line: int
    command: str
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    status: int = 0


def read_steps(text: str) -> Iterator[Step]:
    step: Step | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("$ "):
            if step is not None:
                yield step
            step = Step(number, line[2:])
        elif step is None or line.startswith("#"):
            continue
        elif line.startswith("!"):
            step.err.append(line[1:].removeprefix(" "))
        elif re.fullmatch(r"\[\d+\]", line):
            step.status = int(line[1:-1])
            yield step
            step = None
        else:
            step.out.append(line)
    assert step is None, "a transcript ends with an exit status"


def settled(text: str) -> str:
    """``text`` without what depends on how long a path or a time is: the width of columns."""
    return "\n".join(re.sub(r" {2,}", "  ", line.rstrip()) for line in text.splitlines())


def matches(expected: list[str], found: str) -> bool:
    pattern = re.escape(settled("\n".join(expected)))
    for placeholder, meaning in PLACEHOLDERS.items():
        pattern = pattern.replace(re.escape(placeholder), meaning)
    return re.fullmatch(pattern, settled(found)) is not None


def set_scene(words: list[str], home: Path) -> str:
    """Run one of the commands that are not ``modelreg``; returns what it prints."""
    match words:
        case ["write", name, text]:
            Path(name).write_text(text.encode().decode("unicode_escape"))
            return ""
        case ["as", name]:
            os.environ["XDG_CONFIG_HOME"] = str(home.parent / "people" / name)
            os.environ["MODELREG_USER"] = name
            return ""
        case ["unset", name]:
            del os.environ[name]
            return ""
        case ["ls", name]:
            return "\n".join(sorted(path.name for path in Path(name).iterdir()))
        case ["damage-store", offset]:
            files = (path for path in (home.parent / "registry").rglob("*") if path.is_file())
            (blob,) = (path for path in files if path.read_bytes().startswith(b"\x89HDF"))
            data = bytearray(blob.read_bytes())
            data[int(offset)] ^= 1
            blob.chmod(0o644)
            blob.write_bytes(data)
            return ""
    raise AssertionError(f"no such command: {words}")


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda path: path.stem)
def test_the_program_says_what_the_transcript_says(
    transcript: Path,
    home: Path,
    models: Path,
    examples: Path,
    run: Callable[..., Any],
    spawn: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each command prints what the file says on each stream, and ends with its exit status."""
    text = transcript.read_text()
    registry = home.parent / "registry"
    for name, path in (("$MODELS", models), ("$EXAMPLES", examples), ("$REGISTRY", registry), ("$HERE", home)):
        text = text.replace(name, str(path))
    call = spawn if text.startswith(OWN_PROCESS) else run
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        kept: dict[str, str] = {}
        for step in read_steps(text):
            program, *arguments = words = [kept.get(word, word) for word in shlex.split(step.command)]
            if program == "keep":
                kept[f"${arguments[0]}"] = call(*arguments[2:]).out.strip()
                continue
            if program != "modelreg":
                assert matches(step.out, set_scene(words, home))
                continue
            answer = call(*arguments)
            where = f"{transcript.name}:{step.line}: {step.command}\n--- out\n{answer.out}--- err\n{answer.err}"
            assert answer.status == step.status, where
            assert matches(step.out, answer.out), where
            assert matches(step.err, answer.err), where
