"""The public surface: what ``modelreg`` exports, that importing it is cheap, and that every name is documented."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import get_origin

import pytest

import modelreg

HEAVY = [
    "alembic",
    "blake3",
    "boto3",
    "cryptography",
    "h5py",
    "hypothesis",
    "keras",
    "numpy",
    "packaging",
    "platformdirs",
    "rich",
    "sqlalchemy",
    "tensorflow",
    "typer",
]


def loaded_after(program: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after ``program``."""
    command = f"{program}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split())


def test_all_is_what_can_be_imported() -> None:
    """Claim: ``__all__``, ``dir()`` and the lazy table are one list, sorted, and each name can be had."""
    assert sorted(modelreg.__all__) == sorted({*modelreg._HOME_OF, "__version__"})
    assert dir(modelreg) == sorted(modelreg.__all__)
    assert len(set(modelreg.__all__)) == len(modelreg.__all__)
    for name in modelreg.__all__:
        assert getattr(modelreg, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    """Claim: a typo gives what any module gives."""
    with pytest.raises(AttributeError, match="no attribute 'Regsitry'"):
        modelreg.Regsitry  # noqa: B018


def test_a_star_import_gives_the_public_names() -> None:
    """Claim: ``from modelreg import *`` works although the names are lazy."""
    space: dict[str, object] = {}
    exec("from modelreg import *", space)
    assert set(modelreg.__all__) <= set(space)


def test_importing_modelreg_imports_nothing_heavy() -> None:
    """Claim: ``import modelreg`` costs no third-party module at all."""
    assert loaded_after("import modelreg") & set(HEAVY) == set()


@pytest.mark.parametrize(
    ("program", "allowed"),
    [
        ("from modelreg import Registry", {"blake3", "sqlalchemy"}),
        ("from modelreg import inspect_path, parse_reference, Verdict, Facts, Manifest", {"blake3"}),
        ("from modelreg import resolve_target; resolve_target('none')", set[str]()),
    ],
)
def test_a_name_brings_only_what_it_needs(program: str, allowed: set[str]) -> None:
    """Claim: Keras, TensorFlow, h5py, NumPy and alembic never come with a name, nor the rest before it is needed."""
    assert loaded_after(program) & set(HEAVY) <= allowed | {"packaging", "platformdirs"}


@pytest.mark.parametrize("name", sorted(set(modelreg.__all__) - {"__version__", "RULES", "Json"}))
def test_every_public_name_is_documented(name: str) -> None:
    """Claim: each public class and function has a docstring of its own, and each public method says what it does."""
    value = getattr(modelreg, name)
    assert get_origin(value) is None
    assert inspect.getdoc(value)
    if inspect.isclass(value):
        assert value.__doc__
        assert not value.__doc__.startswith(f"{name}("), "that is the docstring that dataclass makes"
    if name == "Registry":
        own = [member for member, _ in inspect.getmembers(value, inspect.isfunction) if not member.startswith("_")]
        for member in own:
            assert inspect.getdoc(getattr(value, member)), member


def test_the_version_is_that_of_the_project(request: pytest.FixtureRequest) -> None:
    """Claim: ``modelreg.__version__``, the installed metadata and what manifests name as their tool are one version."""
    from importlib.metadata import version

    from modelreg.client.registry import TOOL

    assert modelreg.__version__ == version("modelreg")
    assert f"modelreg {modelreg.__version__}" == TOOL
