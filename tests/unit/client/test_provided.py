"""What ``--provides`` names: objects, or a module that is read and never imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelreg.client.provided import provided_names
from modelreg.errors import UsageError

SOURCE = """
raise RuntimeError("imported!")
import keras

@keras.saving.register_keras_serializable(package="acme", name="Double")
class Twice(keras.layers.Layer):
    def call(self, x): ...

@keras.utils.register_keras_serializable()
def swish(x): ...

class Plain: ...
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "pkg" / "layers.py"
    path.parent.mkdir()
    path.write_text(SOURCE)
    return path


def test_a_bare_word_stands_for_itself() -> None:
    assert provided_names(["Twice", "acme>Twice"]) == ("Twice", "acme>Twice")


def test_a_file_stands_for_what_it_defines_and_registers(module: Path) -> None:
    """It raises as it is imported, so that reading is proved."""
    assert provided_names([str(module)]) == ("Twice", "acme>Double", "swish", "Custom>swish", "Plain")


def test_a_dotted_module_is_found_in_the_current_folder(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(module.parents[1])
    assert "acme>Double" in provided_names(["pkg.layers"])


@pytest.mark.parametrize("word", ["no.such.module", "absent.py", "./absent/file.py"])
def test_a_module_that_is_not_there_is_an_error_that_names_it(word: str) -> None:
    with pytest.raises(UsageError, match=word.replace(".", r"\.")):
        provided_names([word])


def test_what_is_no_python_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_bytes(b"\0\xff def")
    with pytest.raises(UsageError, match=r"bad\.py is no Python source"):
        provided_names([str(path)])
