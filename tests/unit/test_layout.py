"""The house as files: roots that are no packages, sizes of modules, what a wheel holds, what requirements may say."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import alembic
import pytest

ROOT = Path(__file__).parents[2]
ROOTS = {"registry": "modelreg", "cli": "modelreg_cli", "alembic": "modelreg_migrations"}
SOURCES = sorted(
    path
    for folder in (*ROOTS, "tests", "tools", "benchmarks", "examples")
    for path in (ROOT / folder).rglob("*.py")
    if "__pycache__" not in path.parts
)
LINES_MAX = 400


@pytest.mark.parametrize("root", ROOTS)
def test_a_source_root_is_no_package_and_holds_exactly_one(root: str) -> None:
    """Claim: nothing called ``registry``, ``cli`` or ``alembic`` of ours can ever be imported."""
    entries = {entry.name for entry in (ROOT / root).iterdir() if entry.name != "__pycache__"}
    assert entries == {ROOTS[root]}
    assert (ROOT / root / ROOTS[root] / "__init__.py").is_file()
    assert (ROOT / root / ROOTS[root] / "py.typed").is_file()


def test_alembic_is_the_distribution_not_our_folder() -> None:
    """Claim: ``import alembic`` from the checkout's root gives the library."""
    program = "import alembic; print(alembic.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    for found in (alembic.__file__, done.stdout.strip()):
        assert (ROOT / "alembic") not in Path(found).resolve().parents


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_is_longer_than_400_lines_without_a_reason(path: Path) -> None:
    """Claim: a longer module says in its docstring why."""
    text = path.read_text(encoding="utf-8")
    if text.count("\n") > LINES_MAX:
        assert f"{LINES_MAX} lines" in (ast.get_docstring(ast.parse(text)) or "")


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if path.parent != ROOT / "tests" / "models"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_module_says_what_it_owns(path: Path) -> None:
    """Claim: each module starts with a docstring."""
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.name)
def test_requirements_are_pinned_with_hashes_and_name_no_host(path: Path) -> None:
    """Claim: no address, no option but hashes, each requirement exact, each with at least one SHA-256."""
    text = path.read_text(encoding="utf-8")
    assert "://" not in text
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert [line for line in lines if line.startswith("--") and not line.startswith("--hash=sha256:")] == []
    joined = re.sub(r"\\\n\s*", " ", text)
    for line in joined.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[^ ;]+", line), line
            assert re.search(r"--hash=sha256:[0-9a-f]{64}", line), line


def test_there_are_requirements() -> None:
    """Claim: the pinned sets for running, developing and building are there."""
    assert {path.name for path in (ROOT / "requirements").glob("*.txt")} >= {"runtime.txt", "dev.txt", "build.txt"}


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """What hatchling puts into a wheel, built without network and without isolation."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (wheel,) = folder.glob("modelreg-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_every_file_of_the_three_packages(wheel_names: set[str]) -> None:
    """Claim: modules, py.typed, data and the migrations' template are in the wheel, byte-compiled files are not."""
    wanted = {
        path.relative_to(ROOT / root).as_posix()
        for root, package in ROOTS.items()
        for path in (ROOT / root / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held = {name for name in wheel_names if ".dist-info/" not in name}
    assert held == wanted
    assert "modelreg_migrations/script.py.mako" in held
    assert any(re.fullmatch(r"modelreg_migrations/versions/0001_\w+\.py", name) for name in held)


def test_the_wheel_holds_nothing_importable_that_is_not_ours(wheel_names: set[str]) -> None:
    """Claim: its top level is our three packages and the metadata, with the license."""
    tops = {name.partition("/")[0] for name in wheel_names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(ROOTS.values())
    assert any(name.endswith("licenses/LICENSE") for name in wheel_names)
