"""Real files and the ways to give them to the readers."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from modelreg.facts import Facts
from modelreg.inspect.reader import read_artifact
from modelreg.inspect.source import SourceFile

MODELS = Path(__file__).parents[2] / "models"


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of real files, one folder per writer."""
    return MODELS


@pytest.fixture(scope="session")
def source() -> Callable[[bytes, str], SourceFile]:
    """Bytes as a file of an artifact."""

    def make(data: bytes, path: str = "model") -> SourceFile:
        return SourceFile(path, len(data), io.BytesIO(data))

    return make


@pytest.fixture(scope="session")
def read() -> Callable[..., Facts]:
    """Read bytes, or a path, as an artifact of one file, in this process."""

    def run(data: bytes | Path, path: str = "model") -> Facts:
        content = data.read_bytes() if isinstance(data, Path) else data
        return read_artifact([SourceFile(path, len(content), io.BytesIO(content))])

    return run
