"""A registry and a home of its own for every test, and a way to call the program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from modelreg_cli.app import main


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call came back with."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder; every place that the program may write to lies beside it."""
    for name in os.environ:
        if name.startswith(("MODELREG_", "_MODELREG")) or name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
            monkeypatch.delenv(name)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("MODELREG_HOME", str(tmp_path / "registry"))
    monkeypatch.setenv("MODELREG_USER", "tester")
    monkeypatch.setenv("MODELREG_TARGET", "none")
    monkeypatch.setenv("MODELREG_SIGN", "none")
    monkeypatch.setenv("TERM", "xterm")
    return work


@pytest.fixture(scope="session")
def examples() -> Path:
    """The folder of examples; its README.md says what they are."""
    return Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """``run("list", "-q")``: the program, called in this process."""

    def call(*arguments: str) -> Answer:
        status = main(arguments)
        out, err = capsys.readouterr()
        return Answer(status, out, err)

    return call


@pytest.fixture(scope="session")
def spawn() -> Callable[..., Answer]:
    """``spawn("list", "-q")``: the installed program, in a process of its own without standard input."""

    def call(*arguments: str, **environment: str) -> Answer:
        program = Path(sys.executable).with_name("modelreg")
        done = subprocess.run(
            [program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env=os.environ | environment,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def ada(run: Callable[..., Answer]) -> Path:
    """The file of an unprotected key called ada."""
    return Path(run("key", "generate", "ada", "--no-passphrase", "--json").json["path"])


@pytest.fixture
def trust(run: Callable[..., Answer], ada: Path) -> str:
    """``trust.json``, whose root is ada's key, and ``two.json``, which waits for bob's."""
    assert run("key", "generate", "bob", "--no-passphrase").status == 0
    assert run("trust", "init", "-o", "trust.json", "--root", "ada").status == 0
    two = ("trust", "init", "-o", "two.json", "--root", "ada", "--root", "bob", "--threshold", "2", "--key", "ada")
    assert run(*two).status == 0
    return run("trust", "show", "trust.json", "-q").out.strip()


@pytest.fixture
def demo(run: Callable[..., Answer], models: Path) -> str:
    """The reference of a plain model that was pushed."""
    assert run("push", str(models / "py38/plain.h5"), "--name", "demo", "--env", "none").status == 0
    return "demo:1"
