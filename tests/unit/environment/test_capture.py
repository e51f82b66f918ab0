"""The capture: this interpreter and others, and programs that are no interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from modelreg.environment import capture
from modelreg.environment.capture import find_interpreter
from modelreg.errors import DocumentError, ModelregError, UsageError


def _program(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_this_interpreter_and_a_child_of_it_describe_themselves_alike() -> None:
    """In the process or out of it, the same script answers."""
    here, there = capture(modules=["pytest", "no_such_module"]), capture(sys.executable, modules=["pytest"])
    assert here == there
    assert here.python == ".".join(map(str, sys.version_info[:3]))
    assert here.modules == {"pytest": "pytest"}


def test_a_capture_leaves_this_process_as_it_was() -> None:
    """Neither the search path nor the loaded packages change."""
    path, packages = list(sys.path), {"keras", "tensorflow", "numpy", "h5py"} & set(sys.modules)
    capture(modules=["keras", "h5py"])
    assert sys.path == path
    assert {"keras", "tensorflow", "numpy", "h5py"} & set(sys.modules) == packages


def test_a_virtual_environment_is_named_by_its_folder(tmp_path: Path) -> None:
    """``--target venv`` is what people type; what is installed outside of it does not count."""
    folder = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))
    (site / "keras-2.15.0.dist-info").mkdir()
    captured = capture(str(folder))
    assert captured.distributions == {"keras": "2.15.0"}
    assert captured.python == ".".join(map(str, sys.version_info[:3]))


def test_a_module_beside_the_caller_cannot_stand_in_for_a_standard_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child searches neither the working folder nor PYTHONPATH."""
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')\n")
    (tmp_path / "re.py").write_text("raise SystemExit('the wrong re')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert capture(sys.executable).magic is not None


def test_what_a_startup_file_prints_does_not_disturb_the_answer(tmp_path: Path) -> None:
    """Some sites greet their users from ``sitecustomize``."""
    python = _program(tmp_path / "python", f'#!/bin/sh\necho "welcome to {{node 7}}"\nexec "{sys.executable}" "$@"\n')
    assert capture(python) == capture(sys.executable)


@pytest.mark.parametrize(
    ("script", "kind", "says"),
    [
        ("#!/bin/sh\nexit 0\n", DocumentError, "is not valid JSON"),
        ("#!/bin/sh\necho hello\n", DocumentError, "is not valid JSON"),
        ("#!/bin/sh\necho '{}'\n", DocumentError, "is no environment document"),
        ("#!/bin/sh\necho 'bad magic' >&2\nexit 3\n", UsageError, "status 3: bad magic"),
        ("#!/bin/sh\nexec sleep 600\n", UsageError, "did not answer within 0.5 s"),
        ("#!/bin/sh\nsleep 600 &\nexit 0\n", UsageError, "did not answer within 0.5 s"),
        ("#!/nowhere/python\n", UsageError, "cannot be started"),
        ("\x7fELF garbage", UsageError, "cannot be started"),
    ],
)
def test_a_program_that_is_no_python_is_refused_by_its_path(
    script: str, kind: type[ModelregError], says: str, tmp_path: Path
) -> None:
    """Silence, chatter, failure, endless work, a missing interpreter: each says which file and what to try."""
    program = _program(tmp_path / "program", script)
    started = time.monotonic()
    with pytest.raises(kind) as caught:
        capture(program, timeout_s=0.5)
    assert program in caught.value.message
    assert says in caught.value.message
    assert caught.value.hint
    assert time.monotonic() - started < 30


def test_endless_output_is_cut_off(tmp_path: Path) -> None:
    """Memory stays bounded however fast the program writes."""
    with pytest.raises(DocumentError, match="printed more than 4,194,304 bytes"):
        capture(_program(tmp_path / "program", "#!/bin/sh\nexec yes\n"))


def test_a_program_that_is_stopped_takes_its_children_along(tmp_path: Path) -> None:
    """Nothing is left running after a time-out."""
    note = tmp_path / "pid"
    with pytest.raises(UsageError):
        capture(_program(tmp_path / "program", f"#!/bin/sh\nsleep 600 &\necho $! > {note}\nwait\n"), timeout_s=0.5)
    pid = int(note.read_text())
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if (
            Path(f"/proc/{pid}/stat").exists()
            and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        ):
            return
        time.sleep(0.05)
    pytest.fail(f"process {pid} is still running")


def test_a_file_that_may_not_be_executed_is_no_interpreter(tmp_path: Path) -> None:
    """The message says so, rather than that there is no such file."""
    plain = tmp_path / "python"
    plain.write_text("")
    with pytest.raises(UsageError, match="may not be executed"):
        capture(str(plain))


@pytest.mark.parametrize("name", ["", "ls", "sh", "no-such-python", "x" * 5000, "a\0b", "~nobody-here/python"])
def test_only_the_names_of_pythons_are_looked_up_on_path(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slip of the pen must not start any other program."""
    monkeypatch.chdir(tmp_path)
    assert find_interpreter(name) is None
    with pytest.raises(UsageError, match="is no interpreter"):
        capture(name)


def test_a_python_on_path_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``python3.8`` means what the shell would start."""
    program = _program(tmp_path / "python9.9", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert find_interpreter("python9.9") == Path(program)
    assert capture("python9.9").magic == capture().magic
