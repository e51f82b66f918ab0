"""Fetches released Keras sources with pip and hands out their Python files; nothing of them is ever imported.

Shared by ``keras_builtins`` and ``keras_tables``.  (For the one release without a wheel, Keras 1.2.2, pip asks its
``setup.py`` for metadata; every other release is a wheel and is only unpacked in memory.)
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

PLATFORMS = ("manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "any")

SKIPPED_PARTS = {"applications", "datasets", "benchmarks", "docs", "examples"}


@dataclass(frozen=True, slots=True)
class Release:
    """A distribution to read: its pinned name, the Python whose wheel to ask for, and the folder Keras lives in."""

    name: str
    version: str
    python: str
    root: str = "keras"

    @property
    def requirement(self) -> str:
        return f"{self.name}=={self.version}"


def fetch(release: Release, folder: Path) -> Path:
    """The path of one release's archive in ``folder/NAME-VERSION``, downloaded with pip unless it is there already."""
    into = folder / f"{release.name}-{release.version}"
    if not into.is_dir() or not any(into.iterdir()):
        wheel = ["--only-binary", ":all:", "--python-version", release.python]
        wheel += [text for platform in PLATFORMS for text in ("--platform", platform)]
        kind = wheel if release.python else ["--no-binary", ":all:"]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *kind, "--dest", str(into)]
        subprocess.run([*command, release.requirement], check=True)
    (archive,) = into.iterdir()
    return archive


def sources(archive: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[PurePosixPath, bytes]]:
    """The files of an archive whose name (relative to site-packages) is ``wanted``, as (path, content)."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for name in wheel.namelist():
                inner = re.sub(r"^[^/]+\.data/purelib/", "", name)
                inner = re.sub(r"^tensorflow_core/", "tensorflow/", inner)  # 1.15 to 2.1, whose sources say tensorflow
                if wanted(inner):
                    yield PurePosixPath(inner), wheel.read(name)
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            name = member.name.partition("/")[2]
            content = tar.extractfile(member) if wanted(name) else None
            if content:
                yield PurePosixPath(name), content.read()


def is_library_source(name: str) -> bool:
    """Whether a file is Python source that is neither a test nor one of the parts that hold no classes of a model."""
    path = PurePosixPath(name)
    if path.suffix != ".py" or SKIPPED_PARTS & set(path.parts):
        return False
    return not re.search(r"(^|/|_)test(s|ing)?[_/.]", name)


def snake_case(name: str) -> str:
    """Keras's own spelling rule (``to_snake_case`` in keras/src/utils/naming.py)."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", re.sub(r"(?<=[^_])(?=[A-Z][a-z]+)", "_", name)).lower()
