"""What ``--target`` and ``--env`` accept: each form, its precedence, and what is refused."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from modelreg.environment import Environment, capture, resolve_target, to_document
from modelreg.errors import DocumentError, UsageError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Relative names mean files of the test's own folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _resolve(text: str) -> Environment:
    environment = resolve_target(text)
    assert environment is not None
    return environment


def test_none_is_no_environment_and_current_is_this_interpreter() -> None:
    """The two words come before any file of that name."""
    Path("none").write_text("# python==3.8\n")
    assert resolve_target("none") is None
    assert resolve_target("current", modules=["pytest"]) == capture(modules=["pytest"])
    assert _resolve("./none").python == "3.8"


def test_an_interpreter_is_asked_for_the_modules_too() -> None:
    """The path of an executable, whatever it is called."""
    assert resolve_target(sys.executable, modules=["pytest"]) == capture(sys.executable, modules=["pytest"])


def test_a_script_that_starts_an_interpreter_is_an_interpreter(folder: Path) -> None:
    """The shims of pyenv and conda's wrappers are shell scripts."""
    shim = folder / "py"
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    shim.chmod(0o755)
    assert _resolve("py") == capture(sys.executable)


def test_a_document_is_told_by_its_content_and_not_by_its_name(folder: Path) -> None:
    """Also where the file is marked executable, as on a mounted Windows folder."""
    environment = Environment(python="3.8.18", magic=3413, distributions={"tensorflow": "2.4.4"})
    path = folder / "prod.txt"
    path.write_bytes(b"\n " + to_document(environment))
    path.chmod(0o755)
    assert _resolve("prod.txt") == environment


@pytest.mark.parametrize(
    ("name", "argument", "python"),
    [
        ("reqs.txt", "reqs.txt", None),
        ("reqs.txt", "reqs.txt@3.11", "3.11"),
        ("reqs.txt", "./reqs.txt@3.8.18", "3.8.18"),
        ("reqs.txt@3.11", "reqs.txt@3.11", None),
        ("reqs.txt@3.11", "reqs.txt@3.11@3.8", "3.8"),
        ("uv.lock", "uv.lock@3.12", "3.12"),
    ],
)
def test_a_file_at_a_python_is_that_file_for_that_python(
    name: str, argument: str, python: str | None, folder: Path
) -> None:
    """A file that is really called so wins."""
    lock = '[[package]]\nname = "keras"\nversion = "3.3.0"\n'
    (folder / name).write_text(lock if name.endswith(".lock") else "keras==3.3.0\n")
    assert _resolve(argument) == Environment(python=python, distributions={"keras": "3.3.0"})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_freeze_is_read_in_the_encoding_that_its_shell_writes(encoding: str, folder: Path) -> None:
    """PowerShell redirects into UTF-16 with a byte order mark."""
    (folder / "freeze.txt").write_bytes("# python==3.11.7\r\nkeras==3.3.0\r\n".encode(encoding))
    assert _resolve("freeze.txt") == Environment(python="3.11.7", distributions={"keras": "3.3.0"})


@pytest.mark.parametrize(
    "text",
    ["", "nothing.txt", "nothing.txt@3.11", "3.11", "ls", "x" * 5000, "a\0b", "~nobody-here/x", "@3.11", "folder"],
)
def test_a_value_that_nothing_fits_is_refused_with_the_accepted_forms(text: str, folder: Path) -> None:
    """The message names the value, the hint lists what would be taken."""
    (folder / "folder").mkdir()
    with pytest.raises(UsageError) as caught:
        resolve_target(text)
    assert repr(text) in caught.value.message
    assert "FILE@3.11" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("data", "argument", "kind", "says"),
    [
        (b'{"schema": "other"}', "file", DocumentError, "file is no environment document"),
        (b'{"schema": "modelreg.environment/v1"}', "file@3.11", UsageError, "tells its Python itself"),
        (b"#!/bin/sh\n", "file@3.11", UsageError, "tells its Python itself"),
        (b"#!/bin/sh\n", "file", UsageError, "may not be executed"),
        (b"keras==3.3.0\n", "file@three", UsageError, "'three' is no Python version"),
        (b"\x89HDF\r\n\x1a\n\0\0", "file", UsageError, "file is no text"),
        (b"\xff\xfe\0", "file", UsageError, "file is no text"),
        (b"a" * (4 * 1024 * 1024 + 1), "file", UsageError, "over 4,194,304 bytes"),
        (b"", "file", UsageError, "names neither"),
    ],
)
def test_a_file_of_another_kind_is_refused_by_name(
    data: bytes, argument: str, kind: type[Exception], says: str, folder: Path
) -> None:
    """A model given in the place of an environment, say, is not mistaken for an empty one."""
    (folder / "file").write_bytes(data)
    with pytest.raises(kind, match=says):
        resolve_target(argument)


@pytest.mark.usefixtures("refused_by_rights")
def test_a_file_that_cannot_be_read_is_refused_with_the_reason(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file system's own words say why."""
    path = folder / "reqs.txt"
    path.write_text("keras==3.3.0\n")
    path.chmod(0)
    with pytest.raises(UsageError, match="cannot be read: Permission denied"):
        resolve_target("reqs.txt")


def test_a_name_on_path_is_an_interpreter_unless_a_file_is_called_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock file called python9.9 in the working folder is nearer than a program on PATH."""
    programs = folder / "programs"
    programs.mkdir()
    shim = programs / "python9.9"
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/bin:/usr/bin")
    assert shutil.which("python9.9") == str(shim)
    assert _resolve("python9.9") == capture(sys.executable)
    (folder / "python9.9").write_text("# python==3.8\n")
    assert _resolve("python9.9").python == "3.8"
