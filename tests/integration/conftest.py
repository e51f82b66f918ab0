"""What the integration tests share: children that run real programs, and a tally that the terminal shows at the end."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.integration.archives import MODELS

from modelreg import Registry

if TYPE_CHECKING:
    from tests.servers.server import S3Server

_TALLY = pytest.StashKey[Counter[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TALLY] = Counter()


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was counted, so that a passing run says how much it tried."""
    for what, count in sorted(config.stash.get(_TALLY, Counter()).items()):
        terminalreporter.write_line(f"{what}: {count}")


@pytest.fixture
def tally(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Callable[[str, int], None]:
    """``tally(what, count)`` adds to the summary of the run and to this test's properties."""

    def add(what: str, count: int) -> None:
        request.config.stash.setdefault(_TALLY, Counter())[what] += count
        record_property(what, count)

    return add


def start(program: str, *arguments: object, wrapper: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """A child Python that runs ``program`` with ``arguments``, quiet about TensorFlow's own notes."""
    return subprocess.Popen(
        [*wrapper, sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
    )


@pytest.fixture(name="start", scope="session")
def _start() -> Callable[..., subprocess.Popen[str]]:
    return start


@pytest.fixture(scope="session")
def cli() -> list[str]:
    """The command line as it is started here, without looking for a script on PATH."""
    return [sys.executable, "-c", "import sys; from modelreg_cli.app import main; sys.exit(main())"]


@pytest.fixture(params=["local", "seaweedfs"])
def storage_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty place for a store of each kind: a folder, and a prefix on a real server."""
    if request.param == "local":
        return f"file://{tmp_path}/store"
    server: S3Server = request.getfixturevalue("seaweedfs")
    return server.url(f"stores/{secrets.token_hex(8)}")


@pytest.fixture
def big_file(tmp_path: Path) -> Path:
    """A sparse 400 MiB file of no known format: large enough to be caught in the middle of a pull."""
    path = tmp_path / "big.bin"
    with path.open("wb") as file:
        file.write(b"no known format")
        file.truncate(400 * 1024 * 1024)
    return path


@pytest.fixture
def source(tmp_path: Path, models: Path) -> Iterator[Registry]:
    """A registry with three versions, one of them with an alias."""
    with Registry.open(home=tmp_path / "source") as opened:
        for place, name in MODELS.items():
            opened.push(models / place, name=name, environment="none", aliases=["production"] if name == "sm" else ())
        yield opened


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Registry]:
    """An empty registry for versions of ``source``."""
    with Registry.open(home=tmp_path / "target") as opened:
        yield opened
